"""Is the subject worth searching: do its tasks want different channels, and does a front beat one step for all?"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from moo_fs.contracts import Floats
from moo_fs.figures.fronts import envelope, rate_span
from moo_fs.figures.score_maps import REFERENCE, median_scores
from moo_fs.figures.style import (
    PALETTE,
    RATE,
    WIDTH,
    baseline_style,
    handle,
    log_rate,
    new_figure,
    root_distortion,
    tidy,
)
from moo_fs.results import Results, union_on_search, values_of
from moo_fs.worth import Worth, at_half_rate

COLUMNS = 3


def draw_worth(results: Results) -> dict[str, Figure]:
    """Above, channels' ranks by two tasks' measured sensitivities; below, each task's distortion over the rate."""
    fronts = results.fronts()
    if fronts.empty:
        return {}
    pairs = list(itertools.combinations(results.tasks, 2)) if REFERENCE in median_scores(results) else []
    columns = min(COLUMNS, max(len(pairs), len(results.tasks)))
    above, below = (math.ceil(len(one) / columns) for one in (pairs, results.tasks))
    figure = new_figure(0.5 + 2.35 * (above + below), WIDTH)
    grid = figure.subplots(above + below, columns, squeeze=False)
    for axes in grid.flat:
        tidy(axes)
    for axes, pair in zip(grid[:above].flat, pairs, strict=False):
        _ranks(axes, results, pair)
    worth = at_half_rate(results)
    values = values_of(union_on_search(fronts, results.objectives), results.objectives, "test")
    for at, axes in zip(range(len(results.tasks)), grid[above:].flat, strict=False):
        _over_rate(axes, results, values, at, worth)
    _legend(figure, results, worth)
    return {"worth-searching": figure}


def _ranks(axes: Axes, results: Results, pair: tuple[str, str]) -> None:
    frame = median_scores(results)[REFERENCE]
    wide = frame.pivot_table(index="channel", columns="task", values="score")
    axes.set_axis_on()
    ranks = [stats.rankdata(wide[task]) for task in pair]
    axes.plot(*ranks, linestyle="", marker="o", markersize=3, color=PALETTE[0], alpha=0.7)
    axes.set_xlabel(f"rank for {pair[0]}")
    axes.set_ylabel(f"rank for {pair[1]}")
    axes.set_title(f"Spearman {np.corrcoef(*ranks)[0, 1]:.2f}".replace("-", "−"))


def _over_rate(axes: Axes, results: Results, values: Floats, at: int, worth: Worth | None) -> None:
    axes.set_axis_on()
    low, high = rate_span(results)
    dots: dict[str, Any] = {"linestyle": "", "marker": ".", "markersize": 2, "alpha": 0.25, "rasterized": True}
    axes.plot(values[:, 0], values[:, at + 1], color=PALETTE[0], **dots)
    axes.plot(*envelope(values[:, [0, at + 1]]).T, color=PALETTE[0], drawstyle="steps-post")
    for name, rows in results.baseline_sets().items():
        points = values_of(rows, results.objectives, "test")
        points = points[np.argsort(points[:, 0], kind="stable")]
        axes.plot(points[:, 0], points[:, at + 1], **baseline_style(name), markersize=3.5, linewidth=1)
    if worth is not None:
        axes.axvline(worth.limit, color="0.6", linestyle=":", linewidth=1)
        axes.plot([worth.rate], [worth.found[at]], marker="*", markersize=11, color=PALETTE[3], zorder=5)
    log_rate(axes, low, high)
    axes.set_xlabel(RATE)
    root_distortion(axes)
    axes.set_ylabel("distortion")
    shown = worth is not None and np.isfinite(worth.ratios[at])
    axes.set_title(results.tasks[at] + (f"\n{100 * worth.ratios[at]:.0f} % of uniform-step" if worth and shown else ""))


def _legend(figure: Figure, results: Results, worth: Worth | None) -> None:
    entries = [handle("front of all runs", color=PALETTE[0], marker=".")]
    entries += [handle(name, **baseline_style(name), markersize=4) for name in results.baseline_sets()]
    if worth is not None:
        entries.append(handle("half of uniform 1 bit", color="0.6", linestyle=":"))
        entries.append(handle("compared at half the rate", color=PALETTE[3], marker="*", linestyle="", markersize=9))
    figure.legend(handles=entries, loc="outside lower center", ncols=3)
