"""A selection study's report: tables, figures and a page that says what they show, from the archive alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from moo_fs.contrasts import ENOUGH_PAIRS
from moo_fs.figures.selected import figure_names, selection_caption, selection_figures
from moo_fs.report import embedded, publish
from moo_fs.selection_archive import SelectionResults, load_selection
from moo_fs.selection_curves import blocks_of, families
from moo_fs.selection_findings import measures_of
from moo_fs.tables import Table, number
from moo_fs.tables.selection import selection_tables


def write_selection_report(folder: str | Path) -> list[Path]:
    """Write `folder`/report: index.md, tables/*.{tex,md,csv}, figures/*.{pdf,png}, hashes.json; returns their paths.

    The same archive gives the same bytes. Raises MooFsError if the folder holds no whole selection study.
    """
    results = load_selection(folder)
    tables = selection_tables(results)
    return publish(
        Path(folder) / "report",
        tables=tables,
        draw=lambda: selection_figures(results),
        captions={name: selection_caption(name, results) for name in figure_names(results)},
        page=lambda figures: selection_page(results, tables, figures),
        made_from=results.archive_hash,
        files=results.files,
    )


def selection_page(results: SelectionResults, tables: Mapping[str, Table], figures: Sequence[str]) -> str:
    """The report as Markdown: question, what was run, claims, every table and figure, a family after the other."""
    shown, captions = dict(tables), {name: selection_caption(name, results) for name in figures}
    parts = [f"<!-- made from {results.archive_hash} -->", f"# {results.study['name']}", results.study["question"]]
    parts += ["## What was run", _run_sentence(results), _cost_sentence(results)]
    if "claims" in tables:
        parts += ["## What it shows", _findings(tables["claims"].data), *embedded(shown, [], ["claims"], [])]
    for family in families(results):
        names = [name for name in tables if name.endswith(f"-{family}")]
        drawn = [name for name in figure_names(results) if name.endswith(f"-{family}")]
        parts += [f"## {family}", *embedded(shown, list(figures), names, drawn, captions)]
    if "weight-shares" in figures:
        parts += ["## Shares of the task weights", *embedded(shown, list(figures), [], ["weight-shares"], captions)]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _run_sentence(results: SelectionResults) -> str:
    settings = results.settings
    told = []
    for family, subjects in families(results).items():
        blocks = blocks_of(results, family)
        enough = "" if len(blocks) >= ENOUGH_PAIRS else ", too few for a test: ranges, no claim of significance"
        images = results.about(subjects[0])["test_images"]
        trained = f"{len(subjects)} networks" if len(subjects) > 1 else "one network"
        told.append(
            f"`{family}`: {trained}, {settings['seeds']} draws of scores each ({len(blocks)} blocks{enough}), "
            f"{images} test images"
        )
    return (
        f"{len(results.rows)} points of curves over coded bytes, {len(measures_of(results))} measures; "
        f"{'; '.join(told)}. Blocks of one network share its quantiser and images, so that pairs are not fully "
        "independent, and these networks stand for no others. Everything is measured on the test part; nothing was "
        "chosen on it."
    )


def _cost_sentence(results: SelectionResults) -> str:
    """What the study took; nothing where its archive does not say it."""
    pieces = results.study.get("pieces", [])
    if not pieces:
        return ""
    longest = max(pieces, key=lambda piece: piece["seconds"])
    whole = sum(piece["seconds"] for piece in pieces)
    return (
        f"It took {_duration(whole)} of computing, {len(pieces)} pieces one after the other; the longest, "
        f"{_duration(longest['seconds'])}, was {longest['title']}."
    )


def _duration(seconds: float) -> str:
    """Seconds in the unit that they are read in.

    >>> _duration(41.2), _duration(600), _duration(9000)
    ('41 s', '10 min', '2.5 h')
    """
    if seconds < 100:
        return f"{number(seconds, 2)} s"
    return f"{number(seconds / 60, 2)} min" if seconds < 6000 else f"{number(seconds / 3600, 2)} h"


def _findings(claims: pd.DataFrame) -> str:
    lines = []
    for (claim, subject), rows in claims.groupby(["claim", "subject"], sort=False):
        counts = rows["verdict"].value_counts()
        told = ", ".join(f"{verdict}: {counts[verdict]}" for verdict in dict.fromkeys(rows["verdict"]))
        lines.append(f"{claim} on `{subject}`, of {len(rows)} statements: {told}.")
    return "\n".join(f"* {line}" for line in lines)
