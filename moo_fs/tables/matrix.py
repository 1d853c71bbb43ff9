"""A whole grid on one page: optimisers down, measures across, the median large and the range small beneath it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contrasts import ENOUGH_PAIRS
from moo_fs.results import Results
from moo_fs.tables.quality import hypervolume_table
from moo_fs.tables.rendering import MISSING, count, escape, share

WORDS = {
    "hypervolume_test": "Hypervolume on the test part",
    "corner_test": "Corner hypervolume on the test part",
}

SETTING = r"\setlength{\tabcolsep}{4pt}\footnotesize\providecommand{\smaller}[1]{{\fontsize{7}{8}\selectfont #1}}"


@dataclass(frozen=True)
class Matrix:
    """Cells (row, column) of a value and a smaller text beneath it, and rows at the end that hold for all columns."""

    name: str
    title: str
    corner: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    cells: tuple[tuple[tuple[str, str], ...], ...]
    across: tuple[tuple[str, str], ...]
    data: pd.DataFrame
    note: str
    bold: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    best: frozenset[tuple[int, int]] = field(default_factory=frozenset)

    def tex(self, made_from: str) -> str:
        """A booktabs `tabular` with its note below; `bold` cells in bold, `best` ones in bold and underlined."""
        heads = [escape(self.corner), *map(_stacked, self.columns)]
        lines = [f"% {escape(self.title)}", f"% made from {made_from}", SETTING]
        lines += [rf"\begin{{tabular}}{{l{'r' * len(self.columns)}}}", r"\toprule", " & ".join(heads) + r" \\"]
        for at, label in enumerate(self.labels):
            values = [self._value(at, column) for column in range(len(self.columns))]
            smalls = [rf"\smaller{{{escape(small)}}}" if small else "" for _, small in self.cells[at]]
            lines += [r"\midrule" if at == 0 else r"\addlinespace[2pt]", " & ".join([escape(label), *values]) + r" \\"]
            lines += [" & ".join(["", *smalls]) + r" \\[-1pt]"] * any(smalls)
        for at, (label, value) in enumerate(self.across):
            spanned = rf"\multicolumn{{{len(self.columns)}}}{{l}}{{{escape(value)}}}"
            lines += [r"\midrule"] * (at == 0) + [rf"{escape(label)} & {spanned} \\"]
        lines += [r"\bottomrule", r"\end{tabular}", rf"\par\smallskip{{\footnotesize {escape(self.note)}\par}}"]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """The raw numbers, to 6 significant digits, a row a cell."""
        text = io.StringIO()
        self.data.to_csv(text, index=False, float_format="%.6g", lineterminator="\n")
        return text.getvalue()

    def _value(self, row: int, column: int) -> str:
        shown = escape(self.cells[row][column][0])
        if (row, column) in self.best:
            return rf"\underline{{\textbf{{{shown}}}}}"
        return rf"\textbf{{{shown}}}" if (row, column) in self.bold else shown


def quality_matrix(results: Results, value: str = "hypervolume_test") -> Matrix:
    """`value`, "hypervolume_test" or "corner_test": median and range over blocks of every optimiser and measure.

    Bold is the best measure of an optimiser, unless all its measures are equal; underlined the best of all.
    """
    data = hypervolume_table(results).data
    grid, alone = data[data["blocks"] > 0], data[data["blocks"] == 0]
    found = {(str(row["optimiser"]), str(row["measure"])): row for row in grid.to_dict("records")}
    ways, measures = results.optimisers, results.measures
    medians = pd.DataFrame(
        [[found.get((way, name), {}).get(f"{value}_median", float("nan")) for name in measures] for way in ways]
    )
    names = [f"{value}_{what}" for what in ("median", "min", "max")]
    return Matrix(
        name=value.removesuffix("_test"),
        title=f"{WORDS[value]} by optimiser and measure",
        corner="optimiser",
        columns=tuple(measures),
        labels=tuple(ways),
        cells=tuple(tuple(_cell(found.get((way, name)), value) for name in measures) for way in ways),
        across=tuple((str(row["optimiser"]), share(row[f"{value}_median"])) for row in alone.to_dict("records")),
        data=data[["optimiser", "measure", "blocks", *names]],
        note=_note(results),
        bold=_best_of_rows(medians),
        best=_best_of_all(medians),
    )


def _cell(row: dict[Any, Any] | None, value: str) -> tuple[str, str]:
    if row is None:
        return MISSING, ""
    if row["blocks"] == 1:
        return share(row[f"{value}_median"]), ""
    return share(row[f"{value}_median"]), f"{share(row[f'{value}_min'])}–{share(row[f'{value}_max'])}"


def _best_of_rows(medians: pd.DataFrame) -> frozenset[tuple[int, int]]:
    rows = ((at, row) for at, row in medians.iterrows() if row.nunique() > 1)
    return frozenset((int(at), column) for at, row in rows for column in row.index[row == row.max()])  # type: ignore[call-overload]


def _best_of_all(medians: pd.DataFrame) -> frozenset[tuple[int, int]]:
    value = float(np.nanmax(medians.to_numpy()))
    if not value > 0:
        return frozenset()
    return frozenset((at, column) for at, row in enumerate(medians.to_numpy()) for column in _where(row, value))


def _where(row: Any, value: float) -> list[int]:
    return [column for column, one in enumerate(row) if one == value]


def _note(results: Results) -> str:
    blocks = "1 block" if results.blocks == 1 else f"{results.blocks} blocks: medians, ranges in small print"
    test = "" if results.blocks >= ENOUGH_PAIRS else "; too few blocks for a test, so no marks of significance"
    return (
        f"{blocks}{test}. Bold: an optimiser's best measure; underlined: the best of all. Baselines by their own "
        f"points.{unequal_budgets(results)}"
    )


def unequal_budgets(results: Results) -> str:
    """A sentence of what optimisers had, after a blank, where they had not all the same; else nothing."""
    taken = results.hypervolumes().groupby("optimiser", sort=False)["evaluations"].median()
    usual = taken.mode().max()
    others = [f"{name} {count(value)}" for name, value in taken.items() if value != usual]
    return f" Evaluations a run: {count(usual)}, but {', '.join(others)} (medians)." if others else ""


def _stacked(name: str) -> str:
    """A name over two lines, broken at its first hyphen."""
    first, hyphen, rest = name.partition("-")
    return rf"\shortstack[r]{{{escape(first)}-\\{escape(rest)}}}" if hyphen and len(name) > 8 else escape(name)
