"""Numbers typed by hand into the paper's text: there are to be none but in formulas, citations and the preamble."""

from __future__ import annotations

import re

FREE = (
    re.compile(r"(?<!\\)%.*"),  # comments
    re.compile(r"\\begin\{thebibliography\}.*?\\end\{thebibliography\}", re.DOTALL),
    re.compile(r"\\(?:cite|ref|label|input|includegraphics|url|href)(?:\[[^\]]*\])?\{[^}]*\}"),
    re.compile(r"\\(?:begin|vspace|hspace|setlength|rule)\*?(?:\{[^}]*\}|\[[^\]]*\])+"),
)
FORMULA = re.compile(r"\$[^$]*\$|\\\[.*?\\\]|\\begin\{equation\}.*?\\end\{equation\}", re.DOTALL)
SMALL = re.compile(r"(?<![\d.,])\d{1,2}(?![\d]|[.,]\d)")  # whole numbers below 100: 0, 1, powers of 2
NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,]\d+)*")  # not the end of a name, as in nsga2


def literal_numbers(tex: str) -> list[tuple[int, str]]:
    r"""(line, number) of every number in the body of a LaTeX text that is not taken from a macro.

    Left out: the preamble, comments, the bibliography, names of files and labels, lengths, and whole numbers below 100
    within formulas.

    >>> literal_numbers(r"\begin{document} It is $x^2$, and 0.719.")
    [(1, '0.719')]
    """
    start = tex.find(r"\begin{document}")
    body = _blank(tex[: max(0, start)]) + tex[max(0, start) :]
    for pattern in FREE:
        body = pattern.sub(lambda match: _blank(match[0]), body)
    body = FORMULA.sub(lambda match: SMALL.sub(lambda small: _blank(small[0]), match[0]), body)
    return [(body.count("\n", 0, match.start()) + 1, match[0]) for match in NUMBER.finditer(body)]


def _blank(text: str) -> str:
    """As many lines with nothing in them."""
    return re.sub(r"[^\n]", " ", text)
