"""A table and its three forms: booktabs fragment, Markdown, CSV. Numbers become text here."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

MISSING = "–"
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


def number(value: Any, digits: int = 3) -> str:
    """A number to 3 significant digits, never in exponent form above 1e-5; a dash for nothing.

    >>> [number(value) for value in (0.98765, 12345.6, 0.000512, 0, float("nan"), 7.0)]
    ['0.988', '12300', '0.000512', '0', '–', '7.00']
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if abs(value) < 1e-5:
        return f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:.{decimals}f}"


def share(value: float) -> str:
    """A share with 3 decimals, for columns of shares.

    >>> share(0.0902)
    '0.090'
    """
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def percent(value: float) -> str:
    """A share as a percentage with 2 significant digits.

    >>> percent(0.248)
    '25 %'
    """
    return f"{number(100 * value, 2)} %" if math.isfinite(value) else MISSING


def signed(value: float) -> str:
    """A difference of shares with 3 decimals and its sign.

    >>> [signed(value) for value in (0.0123, -0.5, 0.0001)]
    ['+0.012', '−0.500', '0.000']
    """
    shown = share(value)
    if not math.isfinite(value) or float(shown) == 0:
        return shown.removeprefix("-")
    return f"+{shown}" if value > 0 else shown.replace("-", "−")


def probability(value: float) -> str:
    """A p-value with 3 decimals.

    >>> [probability(value) for value in (0.0493, 0.00049, 1.0)]
    ['0.049', '<0.001', '1.000']
    """
    return "<0.001" if value < 0.001 else share(value)


def count(value: float) -> str:
    """A whole number.

    >>> count(150.0)
    '150'
    """
    return MISSING if not math.isfinite(value) else f"{round(value)}"


def spread(values: pd.Series) -> str:
    """Lowest and highest value.

    >>> spread(pd.Series([0.5, 0.25]))
    '0.250–0.500'
    """
    return f"{number(values.min())}–{number(values.max())}"


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
