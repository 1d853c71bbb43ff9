"""A table and its three forms: booktabs fragment, Markdown, CSV; numbers become text in `moo_fs.numerals`."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from moo_fs.numerals import MISSING, count, number, percent, probability, share, signed, spread

__all__ = [
    "MISSING",
    "Table",
    "count",
    "escape",
    "number",
    "percent",
    "probability",
    "share",
    "signed",
    "spread",
]

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "−": "$-$",
    "<": "$<$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
}


@dataclass(frozen=True)
class Table:
    """Cells as text (row, column), which of them are bold, a rule before some rows, and the raw numbers for the CSV."""

    name: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    data: pd.DataFrame
    note: str = ""
    bold: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    rules: frozenset[int] = field(default_factory=frozenset)
    texts: int = 1

    def tex(self, made_from: str) -> str:
        """A booktabs `tabular` with its note below, for a table environment; the first `texts` columns to the left."""
        columns = "l" * self.texts + "r" * (len(self.header) - self.texts)
        lines = [f"% {escape(self.title)}", f"% made from {made_from}", rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
        lines += [" & ".join(map(escape, self.header)) + r" \\", r"\midrule"]
        for at, row in enumerate(self.rows):
            cells = [
                rf"\textbf{{{escape(cell)}}}" if (at, column) in self.bold else escape(cell)
                for column, cell in enumerate(row)
            ]
            lines += [r"\midrule"] * (at in self.rules) + [" & ".join(cells) + r" \\"]
        lines += [r"\bottomrule", r"\end{tabular}"]
        if self.note:
            lines.append(rf"\par\smallskip{{\footnotesize {escape(self.note)}}}")
        return "\n".join(lines) + "\n"

    def markdown(self, made_from: str) -> str:
        """A Markdown table with its note below, and what it was made from."""
        return f"<!-- made from {made_from} -->\n\n{self.markdown_rows()}"

    def markdown_rows(self) -> str:
        """A Markdown table with its note below."""
        dashes = [":--" if at < self.texts else "--:" for at in range(len(self.header))]
        lines = [_line(self.header), _line(dashes)]
        for at, row in enumerate(self.rows):
            shown = [_pipe(cell) for cell in row]
            lines.append(
                _line([f"**{cell}**" if (at, column) in self.bold else cell for column, cell in enumerate(shown)])
            )
        return "\n".join([*lines, *(["", self.note] if self.note else [])]) + "\n"

    def csv(self) -> str:
        """The raw numbers, to 6 significant digits, under the archive's own names."""
        text = io.StringIO()
        self.data.to_csv(text, index=False, float_format="%.6g", lineterminator="\n")
        return text.getvalue()


def escape(text: str) -> str:
    r"""Text as LaTeX shows it.

    >>> print(escape("50 % of a_b"))
    50 \% of a\_b
    """
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


def _pipe(text: str) -> str:
    return text.replace("|", r"\|")


def _line(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"
