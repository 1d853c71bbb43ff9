"""Tables of reports as the paper prints them: fewer rows and columns, wrapped texts; their CSV keeps all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from moo_fs.tables import Table


@dataclass(frozen=True)
class Wrapped:
    """A table whose first columns are wrapped to widths in cm; the other columns as the table has them."""

    table: Table
    widths: tuple[float, ...]

    @property
    def name(self) -> str:
        """The stem of its files."""
        return self.table.name

    @property
    def title(self) -> str:
        """What it shows."""
        return self.table.title

    def tex(self, made_from: str) -> str:
        """The table's LaTeX fragment with wrapped columns; it needs the package `array`."""
        columns = "l" * self.table.texts + "r" * (len(self.table.header) - self.table.texts)
        wrapped = "".join(rf">{{\raggedright\arraybackslash}}p{{{width:g}cm}}" for width in self.widths)
        begin = r"\begin{tabular}{%s}"
        return self.table.tex(made_from).replace(begin % columns, begin % (wrapped + columns[len(self.widths) :]), 1)

    def csv(self) -> str:
        """The table's raw numbers."""
        return self.table.csv()


def named(table: Table, name: str, title: str) -> Table:
    """A table under the name and title that it has in the paper."""
    return replace(table, name=name, title=title)


def without_columns(table: Table, dropped: Collection[str]) -> Table:
    """A table without the columns of these headers."""
    kept = [at for at, name in enumerate(table.header) if name not in dropped]
    places = {old: new for new, old in enumerate(kept)}
    return replace(
        table,
        header=tuple(table.header[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in table.rows),
        bold=frozenset((row, places[column]) for row, column in table.bold if column in places),
        texts=sum(at < table.texts for at in kept),
    )


def with_rows(table: Table, keep: Callable[[Sequence[str]], bool]) -> Table:
    """A table with those rows alone whose cells `keep` accepts."""
    kept = [at for at, row in enumerate(table.rows) if keep(row)]
    places = {old: new for new, old in enumerate(kept)}
    return replace(
        table,
        rows=tuple(table.rows[at] for at in kept),
        bold=frozenset((places[row], column) for row, column in table.bold if row in places),
        rules=frozenset(sum(old < rule for old in kept) for rule in table.rules) - {0},
    )
