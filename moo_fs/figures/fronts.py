"""The fronts, chosen on the search part and shown on the test part: every pair of objectives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from moo_fs.contracts import Floats
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
from moo_fs.fronts import non_dominated
from moo_fs.results import Results, union_on_search, values_of
from moo_fs.worth import step_distortion

BAND = (0.4, 0.6)  # of the rate of uniform 1 bit: where tasks are shown against one another
MANY = 4
MARKERS = "o^sDvP<X>*"


def draw_fronts(results: Results) -> dict[str, Figure]:
    """A triangle of panels, one for each pair of objectives; a front an optimiser, over its measures and blocks."""
    fronts = results.fronts()
    if fronts.empty:
        return {}
    sets = {name: _points(fronts[fronts["optimiser"] == name], results) for name in results.optimisers}
    bases = {name: values_of(rows, results.objectives, "test") for name, rows in results.baseline_sets().items()}
    size = len(results.objectives) - 1
    figure = new_figure(min(WIDTH, 2.1 * size + 1.2) if size > 1 else 3.4)
    grid = figure.subplots(size, size, squeeze=False)
    for row in range(size):
        for column in range(size):
            axes = grid[row, column]
            if column > row:
                tidy(axes)
                continue
            _panel(axes, results, sets, bases, (column, row + 1))
            _label(axes, results, (column, row + 1), outer=(row == size - 1, column == 0))
    _legend(figure, results, bases, size)
    return {"fronts": figure}


def rate_span(results: Results) -> tuple[float, float]:
    """The rates worth looking at, in kbit: from a tenth of uniform 1 bit to the reference."""
    return float(results.corner[0]) / 10, float(results.reference[0]) * 1.05


def envelope(points: Floats) -> Floats:
    """The non-dominated of (point, 2), sorted by the first coordinate."""
    kept = points[non_dominated(points)]
    return kept[np.argsort(kept[:, 0], kind="stable")]


def _points(fronts: pd.DataFrame, results: Results) -> Floats:
    return values_of(union_on_search(fronts, results.objectives), results.objectives, "test")


def _panel(
    axes: Axes, results: Results, sets: dict[str, Floats], bases: dict[str, Floats], pair: tuple[int, int]
) -> None:
    low, high = rate_span(results)
    against_rate = pair[0] == 0
    for at, points in enumerate(sets.values()):
        colour, marker = PALETTE[at % len(PALETTE)], MARKERS[at % len(MARKERS)]
        span = (low, high) if against_rate else tuple(share * float(results.corner[0]) for share in BAND)
        shown = points[(points[:, 0] >= span[0]) & (points[:, 0] <= span[1])][:, list(pair)]
        axes.plot(
            *shown.T,
            linestyle="",
            marker=marker,
            markersize=2,
            alpha=0.3 if len(sets) <= MANY else 0.08,
            color=colour,
            rasterized=True,
        )
        if len(shown):
            axes.plot(*envelope(shown).T, color=colour, drawstyle="steps-post", linewidth=1.3)
    for name, points in bases.items():
        order = points[np.argsort(points[:, 0], kind="stable")]
        style = baseline_style(name) | {"alpha": 1.0 if against_rate else 0.3}
        axes.plot(*order[:, list(pair)].T, **style, markersize=3.5, linewidth=1)
        if not against_rate:
            axes.plot(
                *_within_band(results, order)[:, list(pair)].T, color=baseline_style(name)["color"], linewidth=2.5
            )
    root_distortion(axes)
    if against_rate:
        log_rate(axes, low, high, labelled=False)
    else:
        root_distortion(axes, "x")
        axes.xaxis.set_major_locator(FixedLocator([0, 0.1, 0.4, 1]))


def _within_band(results: Results, points: Floats) -> Floats:
    """A baseline (point, objective) at rates within the band, between its own points as `worth` interpolates."""
    rates = np.linspace(*BAND, 9) * float(results.corner[0])
    columns = [[step_distortion(points[:, 0], column, rate) for rate in rates] for column in points[:, 1:].T]
    return np.column_stack([rates, *columns])


def _label(axes: Axes, results: Results, pair: tuple[int, int], outer: tuple[bool, bool]) -> None:
    bottom, left = outer
    break_ = "\n" if len(results.tasks) > 3 else " "
    names = [RATE, *(f"{task}{break_}distortion" for task in results.tasks)]
    if bottom:
        axes.set_xlabel(names[pair[0]])
    if left:
        axes.set_ylabel(names[pair[1]])
    axes.tick_params(labelbottom=bottom, labelleft=left)


def _legend(figure: Figure, results: Results, bases: dict[str, Floats], size: int) -> None:
    entries: list[Any] = [
        handle(name, color=PALETTE[at % len(PALETTE)], marker=MARKERS[at % len(MARKERS)], markersize=4)
        for at, name in enumerate(results.optimisers)
    ]
    entries += [handle(name, **baseline_style(name), markersize=4) for name in bases]
    title = "chosen on the search part,\nshown on the test part;\nlines: the best of each pair"
    if size > 1:
        low, high = (share * float(results.corner[0]) for share in BAND)
        title += f"\ntask against task: at {low:.2g} to {high:.2g} kbit,\nbaselines pale at other rates"
        figure.legend(handles=entries, title=title, loc="upper right", ncols=1 + (len(entries) > 6), alignment="left")
    else:
        figure.legend(handles=entries, title=title, loc="outside right upper", alignment="left")
