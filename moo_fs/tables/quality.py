"""Tables of what the search found: hypervolumes, and what it cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contrasts import ENOUGH_PAIRS
from moo_fs.indicators import beyond_reference, normalised_hypervolume
from moo_fs.results import Results, values_of
from moo_fs.tables.rendering import MISSING, Table, count, number, spread

VALUES = ("hypervolume_test", "corner_test")
CORNER = "the rate of uniform 1 bit with distortions 0.5"


def hypervolume_table(results: Results) -> Table:
    """Hypervolume and corner on the test part, a row a measure and optimiser, baselines by their own points."""
    summary = results.hypervolumes()
    groups = _cells_of(summary)
    keys = [(way, measure) for way in results.optimisers for measure in results.measures if (way, measure) in groups]
    data = pd.DataFrame([_row(measure, way, groups[way, measure]) for way, measure in keys] + _baselines(results))
    best = {name: data[name + "_median"].max() for name in VALUES}
    rows, bold = [], set()
    for at, row in enumerate(data.to_dict("records")):
        rows.append(_cells(row))
        for column, name in zip((2, 4), VALUES, strict=True):
            if row[name + "_median"] == best[name] > 0:
                bold.add((at, column))
    starts = [at for at, (way, _) in enumerate(keys) if at and keys[at - 1][0] != way]
    return Table(
        name="hypervolume",
        title="Hypervolume and corner on the test part by measure and optimiser",
        header=("optimiser", "measure", "hypervolume", "range", "corner", "range", "beyond"),
        rows=tuple(rows),
        data=data,
        note=_note(results),
        bold=frozenset(bold),
        rules=frozenset([*starts, len(keys)]),
        texts=2,
    )


def cost_table(results: Results) -> Table:
    """What each cell took: evaluations, repeats, scoring, seconds; medians over blocks."""
    names = ["evaluations", "repeats", "scoring_evaluations", "scoring_seconds", "seconds"]
    summary = results.hypervolumes()
    data = summary.groupby(["optimiser", "measure"], sort=False)[names].median().reset_index()
    # An optimiser and a measure may share a name, as `random` does.
    names_of = {"optimiser": results.optimisers, "measure": results.measures}
    places = {axis: {name: at for at, name in enumerate(known)} for axis, known in names_of.items()}
    data = data.sort_values(list(places), key=lambda column: column.map(places[str(column.name)]), kind="stable")
    data = data.reset_index(drop=True)
    shows = (count, count, number, number, number)
    rows = tuple(
        (
            str(row["optimiser"]),
            str(row["measure"]),
            *(show(row[name]) for show, name in zip(shows, names, strict=True)),
        )
        for row in data.to_dict("records")
    )
    ways = data["optimiser"].tolist()
    return Table(
        name="costs",
        title="Cost of a run by measure and optimiser",
        header=("optimiser", "measure", "evaluations", "repeats", "scoring (evaluations)", "scoring (s)", "search (s)"),
        rows=rows,
        data=data,
        note=f"Medians over {_blocks(results)}. Scoring in evaluations: images × head passes over the images of the "
        "search part; a run may share the scores and evaluations of another, so that seconds depend on the order.",
        rules=frozenset(at for at in range(1, len(ways)) if ways[at] != ways[at - 1]),
        texts=2,
    )


def _cells_of(summary: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of each (optimiser, measure)."""
    keys = zip(summary["optimiser"].astype(str), summary["measure"].astype(str), strict=True)
    return {
        (way, measure): summary[(summary["optimiser"] == way) & (summary["measure"] == measure)]
        for way, measure in dict.fromkeys(keys)
    }


def _row(measure: str, optimiser: str, rows: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {"optimiser": optimiser, "measure": measure, "blocks": len(rows)}
    for name in VALUES:
        for what in ("median", "min", "max"):
            found[f"{name}_{what}"] = float(getattr(rows[name], what)())
    return found | {"beyond_reference": float(rows["beyond_reference"].median())}


def _baselines(results: Results) -> list[dict[str, Any]]:
    found = []
    for baseline, rows in results.baseline_sets().items():
        points = values_of(rows, results.objectives, "test")
        row: dict[str, Any] = {"optimiser": f"baseline {baseline}", "measure": MISSING, "blocks": 0}
        for name, bound in zip(VALUES, (results.reference, results.corner), strict=True):
            row |= {f"{name}_median": normalised_hypervolume(points, bound)}
            row |= {f"{name}_{what}": float("nan") for what in ("min", "max")}
        found.append(row | {"beyond_reference": float(beyond_reference(points, results.reference))})
    return found


def _cells(row: dict[Any, Any]) -> tuple[str, ...]:
    shown = [str(row["optimiser"]), str(row["measure"])]
    for name in VALUES:
        ends = pd.Series([row[f"{name}_min"], row[f"{name}_max"]])
        shown += [number(row[f"{name}_median"]), MISSING if np.isnan(ends).any() else spread(ends)]
    return (*shown, count(row["beyond_reference"]))


def _blocks(results: Results) -> str:
    return "1 block" if results.blocks == 1 else f"{results.blocks} blocks"


def _note(results: Results) -> str:
    test = ", no test" if results.blocks < ENOUGH_PAIRS else ""
    return (
        f"{_blocks(results)}: medians and ranges{test}. Shares of the box from 0 to the reference (hypervolume) and to "
        f"{results.study.get('corner_about', CORNER)} (corner). Baselines by their own points. Best in bold. "
        "Beyond: points of a front that lie outside of the reference and count nothing."
    )
