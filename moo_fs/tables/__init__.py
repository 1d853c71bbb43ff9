"""A study's tables, as booktabs fragments, Markdown and CSV. Numbers become text in `moo_fs.numerals`."""

from __future__ import annotations

from pathlib import Path

from moo_fs.results import Results
from moo_fs.tables.coded import coded_table
from moo_fs.tables.quality import cost_table, hypervolume_table
from moo_fs.tables.rendering import Table, number
from moo_fs.tables.subject import baseline_table, correlation_table, front_table, uncompressed_table, worth_table

__all__ = ["Table", "number", "tables_of", "write_tables"]

_MAKERS = (
    hypervolume_table,
    uncompressed_table,
    baseline_table,
    worth_table,
    correlation_table,
    coded_table,
    cost_table,
    front_table,
)


def tables_of(results: Results) -> dict[str, Table]:
    """Every table that this archive has data for, by name."""
    made = (make(results) for make in _MAKERS)
    return {table.name: table for table in made if table is not None}


def write_tables(tables: dict[str, Table], folder: Path, made_from: str) -> list[Path]:
    """Write each table as .tex, .md and .csv (fronts: .csv only) into `folder`; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.items():
        forms = {".csv": table.csv()}
        if table.header:
            forms |= {".tex": table.tex(made_from), ".md": table.markdown(made_from)}
        for ending, text in forms.items():
            path = folder / f"{name}{ending}"
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    return written
