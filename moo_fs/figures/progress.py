"""Hypervolume over evaluations: how soon each optimiser gets where, and whether the measure matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from moo_fs.contracts import Floats
from moo_fs.figures.style import (
    BASELINES,
    DASHES,
    baseline_style,
    handle,
    legend_columns,
    line_style,
    new_figure,
    tidy,
)
from moo_fs.indicators import box_volume, hypervolume_curve, normalised_hypervolume
from moo_fs.results import Results, values_of

POINTS = 40
COLUMNS = 3
MANY = 4
GREYS = ["0.55", "0.25", "0.7"]


def draw_progress(results: Results) -> dict[str, Figure]:
    """Two views: a panel a measure with a line an optimiser, and a panel an optimiser with a line a measure.

    Lines are medians over blocks, bands reach from the lowest to the highest block, up to where the cell's shortest
    run ends. Each curve starts at its scoring cost in evaluations, so that scores which run the heads are not free.
    """
    curves = _curves(results)
    views = {
        "hypervolume-by-measure": ("measure", results.measures, "optimiser", results.optimisers),
        "hypervolume-by-optimiser": ("optimiser", results.optimisers, "measure", results.measures),
    }
    return {name: _draw(results, curves, *view) for name, view in views.items()}


def grid_of(results: Results) -> list[int]:
    """Numbers of evaluations at which curves are taken: evenly up to the longest run's, and every cell's shortest."""
    summary = results.hypervolumes()
    longest = int(summary["evaluations"].max())
    ends = summary.groupby(["measure", "optimiser"])["evaluations"].min()
    return sorted({max(1, round(longest * (at + 1) / POINTS)) for at in range(POINTS)} | {int(end) for end in ends})


def _curves(results: Results) -> dict[tuple[str, str], tuple[Floats, Floats]]:
    """For each (measure, optimiser) the evaluations (block, point) and hypervolumes (block, point)."""
    at, box = grid_of(results), box_volume(results.reference)
    starts = results.hypervolumes().set_index("run")["scoring_evaluations"]
    found: dict[tuple[str, str], list[tuple[Floats, Floats]]] = {}
    for run, rows in results.trials.sort_values(["run", "trial"]).groupby("run", sort=False):
        values = hypervolume_curve(values_of(rows, results.objectives), results.reference, at=at) / box
        values[np.array(at) > len(rows)] = np.nan
        first = rows.iloc[0]
        ran = np.array(at, dtype=np.float64) + float(starts[run])
        found.setdefault((str(first["measure"]), str(first["optimiser"])), []).append((ran, values))
    return {key: (np.stack([ran for ran, _ in runs]), np.stack([v for _, v in runs])) for key, runs in found.items()}


def _draw(
    results: Results,
    curves: dict[tuple[str, str], tuple[Floats, Floats]],
    over: str,
    panels: Sequence[str],
    by: str,
    lines: Sequence[str],
) -> Figure:
    columns = min(COLUMNS, len(panels)) if len(panels) != 4 else 2
    rows = math.ceil(len(panels) / columns)
    charged = bool((results.hypervolumes()["scoring_evaluations"] > 0).any())
    entries = [*lines, *results.baseline_sets()]
    columns_of_legend = legend_columns(entries)
    figure = new_figure((2.6 if rows == 1 else 1.9 * rows) + 0.35 + 0.18 * math.ceil(len(entries) / columns_of_legend))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for at, axes in enumerate(grid.flat):
        if at >= len(panels):
            tidy(axes)
            continue
        axes.set_title(panels[at])
        if at + columns >= len(panels):
            axes.tick_params(labelbottom=True)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set_xlabel("evaluations" + (", with scoring" if charged else ""))
        for name in lines:
            key = (panels[at], name) if over == "measure" else (name, panels[at])
            if key in curves:
                _band(axes, *curves[key], line_style(lines, name), alpha=0.18 if len(lines) <= MANY else 0.06)
        _levels(axes, results)
    grid[0, 0].set_ylim(*_span(results, curves))
    figure.supylabel("hypervolume, search part\n(share of the box)", fontsize=9)
    styles: list[Any] = [handle(name, **line_style(lines, name)) for name in lines]
    styles += [handle(name, **baseline_line(results, name), linewidth=1) for name in results.baseline_sets()]
    figure.legend(handles=styles, loc="outside upper center", ncols=columns_of_legend)
    return figure


def _band(axes: Axes, ran: Floats, values: Floats, style: dict[str, Any], *, alpha: float) -> None:
    kept = np.isfinite(values).all(axis=0)
    if not kept.any():
        return
    at, values = np.median(ran, axis=0)[kept], values[:, kept]
    axes.plot(at, np.median(values, axis=0), **style)
    axes.fill_between(at, values.min(axis=0), values.max(axis=0), color=style["color"], alpha=alpha, linewidth=0)


def _levels(axes: Axes, results: Results) -> None:
    for name, rows in results.baseline_sets().items():
        axes.axhline(_level(results, rows), **baseline_line(results, name), linewidth=1)


def _level(results: Results, rows: pd.DataFrame) -> float:
    return normalised_hypervolume(values_of(rows, results.objectives), results.reference)


def baseline_line(results: Results, name: str) -> dict[str, Any]:
    """Grey and dashes of a baseline: its own, or by its place among those that have none, which are thus told apart."""
    if name in BASELINES:
        return {key: value for key, value in baseline_style(name).items() if key != "marker"}
    at = [other for other in results.baseline_sets() if other not in BASELINES].index(name)
    return {"color": GREYS[at % len(GREYS)], "linestyle": DASHES[(at + 1) % len(DASHES)]}


def _span(results: Results, curves: dict[tuple[str, str], tuple[Floats, Floats]]) -> tuple[float, float]:
    """From the lowest baseline or an early value to a little above the best, so that late differences can be seen."""
    levels = [_level(results, rows) for rows in results.baseline_sets().values()]
    finals = [float(np.nanmax(values)) for _, values in curves.values()]
    early = [_early(values) for _, values in curves.values()]
    top, bottom = max(finals + levels), min(early + levels)
    margin = 0.05 * max(top - bottom, 1e-3)
    return max(0.0, bottom - margin), top + margin


def _early(values: Floats) -> float:
    """The median of the hypervolumes (block, point) a tenth into the longest run, or where the cell ends before."""
    whole = np.flatnonzero(np.isfinite(values).all(axis=0))
    return float(np.median(values[:, min(values.shape[1] // 10, whole[-1])]))
