"""Numbers typed by hand into the paper's text: there are to be none but in formulas, citations and the page's layout.

The whole of main.tex is read, its preamble too: a number that a macro would hide there is a number typed by hand.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

ARGUMENT = r"(?:\[[^\]]*\])?\{[^}]*\}"
FREE = (
    re.compile(r"(?<!\\)%.*"),  # comments
    re.compile(r"\\begin\{thebibliography\}.*?\\end\{thebibliography\}", re.DOTALL),
    re.compile(rf"\\(?:cite|ref|label|includegraphics|url|href|documentclass|usepackage){ARGUMENT}"),
    re.compile(r"\\input\{generated/[\w/-]+\}"),
    re.compile(r"\\begin\{(?:tabular|minipage)\}(?:\[[^\]]*\])?\{[^}]*\}|\\begin\{[^}]*\}(?:\[[!hbtp]*\])?"),
    re.compile(r"\\[vh]space\*?\{[^}]*\}|\\drawn\[[^\]]*\]|\\rule(?:\[[^\]]*\])?\{[^}]*\}\{[^}]*\}"),
    re.compile(r"\\setlength\{[^}]*\}\{[^}]*\}|\\setcounter\{[a-z]*number\}\{\d\}|\\[a-z]*penalty=\d+"),
    re.compile(r"\\renewcommand\{\\(?:top|bottom|text|floatpage)fraction\}\{[\d.]+\}"),
    re.compile(r"\\@startsection(?:\{[^}]*\}){5}"),
    re.compile(r"\\(?:re|provide)?newcommand\*?\{\\[A-Za-z]+\}\[\d\]"),  # how many arguments a macro has
    re.compile(r"#\d"),  # one of them
    re.compile(r"A_\{12\}"),  # the name of an effect size
    re.compile(r"CIFAR-10\b"),  # the name of a data set
)
FORMULA = re.compile(r"\$([^$]*)\$|\\\[.*?\\\]|\\begin\{equation\}.*?\\end\{equation\}", re.DOTALL)
SMALL = re.compile(r"(?<![\d.,])\d(?![\d]|[.,]\d)")  # one digit: 0, 1, powers of 2
MACRO = re.compile(r"\\[A-Za-z@]+")
NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?:[.,]\d+)*")  # not the end of a name, as in nsga2
ALONE = ("0", "1")  # the ends of a scale, as formulas of their own

DEFINED = re.compile(
    r"\\(?:(?:re|provide)?newcommand|DeclareRobustCommand|(?:New|Renew|Provide|Declare)DocumentCommand|[egx]?def"
    r"|(?:future)?let|(?:math)?chardef)\b\*?\s*\{?\s*\\([A-Za-z@]+)"
)
ELSEWHERE = re.compile(
    r"\\(?:input\b(?!\{generated/[\w/-]+\})|include\b|subfile|InputIfFileExists|verbatiminput|lstinputlisting|csname"
    r"|openin|@@?input|scantokens|catcode|includepdf).*"
)


def literal_numbers(tex: str) -> list[tuple[int, str]]:
    r"""(line, number) of every number in a LaTeX text that is not taken from a macro.

    Left out: comments, the bibliography, names of files and labels, lengths and other settings of the layout, and
    single digits within formulas (as a formula of its own: 0 and 1).

    >>> literal_numbers(r"\begin{document} It is $x^2$, and 0.719.")
    [(1, '0.719')]
    """
    for pattern in FREE:
        tex = pattern.sub(lambda match: _blank(match[0]), tex)
    tex = MACRO.sub(lambda match: _blank(match[0]), FORMULA.sub(_without_small, tex))
    return [(_line(tex, match), match[0]) for match in NUMBER.finditer(tex)]


def hidden_numbers(tex: str, defined: Collection[str]) -> list[tuple[int, str]]:
    r"""(line, what is wrong) where a LaTeX text could print other numbers than those of the macros `defined`.

    That is: one of these macros defined anew, and files or means that `literal_numbers` does not look into.

    >>> hidden_numbers(r"\renewcommand{\BestHypervolume}{\relax}", ["BestHypervolume"])
    [(1, "'BestHypervolume' is defined anew")]
    """
    tex = FREE[0].sub(lambda match: _blank(match[0]), tex)
    return sorted([*_redefined(tex, defined), *_elsewhere(tex)])


def _redefined(tex: str, defined: Collection[str]) -> Iterator[tuple[int, str]]:
    for match in DEFINED.finditer(tex):
        if match[1] in defined:
            yield _line(tex, match), f"'{match[1]}' is defined anew"


def _elsewhere(tex: str) -> Iterator[tuple[int, str]]:
    for match in ELSEWHERE.finditer(tex):
        yield _line(tex, match), f"'{match[0].strip()}' is read from elsewhere than generated/"


def macros_of(numbers: str) -> list[str]:
    r"""Names that a file of macros defines.

    >>> macros_of(r"\newcommand{\HasCosts}{}")
    ['HasCosts']
    """
    return re.findall(r"^\\newcommand\{\\([A-Za-z]+)\}", numbers, re.MULTILINE)


def _without_small(match: re.Match[str]) -> str:
    """A formula without its single digits; one that is nothing but a number stays unless it is an end of a scale."""
    if (match[1] or "").strip().isdigit() and match[1].strip() not in ALONE:
        return match[0]
    return SMALL.sub(lambda small: _blank(small[0]), match[0])


def _line(tex: str, match: re.Match[str]) -> int:
    return tex.count("\n", 0, match.start()) + 1


def _blank(text: str) -> str:
    """As many lines with nothing in them."""
    return re.sub(r"[^\n]", " ", text)
