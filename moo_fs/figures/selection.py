"""Selection studies: losses over coded bytes, and who wins how much of the space of task weights, over coded bytes.

Frames, whose rows may come in any order:

* curves: `name` (a measure or a way of coding), `task`, `coded_bytes` (per image), `value`, `low`, `high` (a band, or
  NaN for none); one row for each point of a curve. A name with a single point a task is a black marker.
* shares: `subject`, `normalisation`, `coded_bytes`, `measure`, `share`, `low`, `high` (shares from 0 to 1).

`names` fixes order and colours, so that several figures of one study agree; those it lacks follow as they first appear.
`nulls` are thin, grey or black, and dashed; they take no colour from the others. `emphasised` is thick. Nothing is
interpolated here: lines join the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from moo_fs.figures.style import DASHES, DISTORTIONS, PALETTE, handle, legend_columns, new_figure, root_distortion

CAPTIONS = {
    "rate-curves": "Distortion of every task over coded bytes of the test part, on an axis of square roots that ends "
    "at 1.08; below 0 a task loses less than with uncompressed features; kB = 1000 bytes.",
    "weight-shares": "Share of all task weights under which each measure beats all others at once, at equal coded "
    "bytes; shares sum to 1, the horizontal line is one half; kB = 1000 bytes.",
}
SIZE = "coded size (kB per image)"
KILO = 1000.0
MOST_TICKS = 5
PER_ROW = 3
MARKERS = "Ds^vP"
# The pale ones of the palette, and its grey, which is the nulls', give way to dark ones of P. Tol's muted scheme.
COLOURS = [*PALETTE[:5], (0.53, 0.13, 0.33), PALETTE[9], (0.6, 0.6, 0.2), (0.2, 0.13, 0.53), PALETTE[5]]
GREYS = ("0.45", "0.0")


def draw_rate_curves(
    curves: pd.DataFrame,
    tasks: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    nulls: Sequence[str] = (),
    emphasised: str = "",
    title: str = "",
) -> dict[str, Figure]:
    """A panel a task, a line a name, with its band.

    Without `labels` values are distortions on an axis of square roots to 1.08, which all panels share; lines leave the
    panel above, none below. With a label for each task ("mIoU", "PSNR (dB)") each panel has an axis of its own. `title`
    stands over the legend.
    """
    if curves.empty:
        return {}
    columns = min(PER_ROW, len(tasks))
    rows = -(-len(tasks) // columns)
    styles = styles_of(places_of(curves["name"], names, nulls), nulls, emphasised, _single(curves))
    figure, across = figure_for(styles, 2.3 * rows + 0.2 * bool(title))
    panels = figure.subplots(rows, columns, sharex=True, sharey=labels is None, squeeze=False).ravel()
    for axes, task in zip(panels, tasks, strict=False):
        mine = curves[curves["task"] == task]
        for name, style in styles.items():
            line(axes, mine[mine["name"] == name], "value", style)
        axes.set_title(task)
        if labels:
            axes.set_ylabel(labels[task])
    for axes in panels[len(tasks) :]:
        axes.set_axis_off()
    if labels is None:
        _distortion_axis(list(panels[: len(tasks)]), float(curves[["value", "low"]].min().min()))
        for axes in panels[::columns]:
            axes.set_ylabel("distortion")
    size_axis(panels[0], curves["coded_bytes"])
    finish(figure, styles, across, title=title)
    return {"rate-curves": figure}


def draw_share_over_rate(
    shares: pd.DataFrame, *, names: Sequence[str] | None = None, nulls: Sequence[str] = (), emphasised: str = ""
) -> dict[str, Figure]:
    """A row a subject, a column a normalisation, a line a measure, with its band; the bar is one half."""
    if shares.empty:
        return {}
    subjects, ways = list(dict.fromkeys(shares["subject"])), list(dict.fromkeys(shares["normalisation"]))
    styles = styles_of(places_of(shares["measure"], names, nulls), nulls, emphasised)
    figure, across = figure_for(styles, 2.2 * len(subjects))
    grid = figure.subplots(len(subjects), len(ways), sharex="row", sharey=True, squeeze=False)
    for row, subject in enumerate(subjects):
        of_subject = shares[shares["subject"] == subject]
        for axes, way in zip(grid[row], ways, strict=True):
            mine = of_subject[of_subject["normalisation"] == way]
            axes.axhline(0.5, color="black", linewidth=0.8, zorder=1)
            for name, style in styles.items():
                line(axes, mine[mine["measure"] == name], "share", style)
            axes.set_title(f"{subject}: {way}" if len(subjects) > 1 else way)
        size_axis(grid[row, 0], of_subject["coded_bytes"])
        grid[row, 0].set_ylabel("share of task weights won")
    grid[0, 0].set_ylim(-0.02, 1.02)
    grid[0, 0].yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    finish(figure, styles, across)
    return {"weight-shares": figure}


def size_axis(axes: Axes, coded_bytes: pd.Series) -> None:
    """A logarithmic axis in kB over these bytes, with ticks at 1, 2, 5 times powers of ten, or fewer on a long one."""
    low, high = float(coded_bytes.min()) / KILO, float(coded_bytes.max()) / KILO
    axes.set_xscale("log")
    axes.set_xlim(low / 1.08, high * 1.08)
    every = {factors: _ticks(factors, low / 1.08, high * 1.08) for factors in ((1, 2, 5), (1, 3), (1,))}
    ticks = next((found for found in every.values() if len(found) <= MOST_TICKS), every[1,])
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _ticks(factors: Sequence[int], low: float, high: float) -> list[float]:
    ticks = [factor * 10.0**power for power in range(-4, 7) for factor in factors]
    return [tick for tick in ticks if low <= tick <= high]


def _distortion_axis(panels: Sequence[Axes], lowest: float) -> None:
    """The shared axis of distortions: down to the lowest value, so that a line below 0 is seen on its way."""
    root_distortion(panels[0])
    ticks = [tick for tick in DISTORTIONS if tick != 0.01]
    below = [-tick for tick in DISTORTIONS[1:] if -tick >= lowest]
    panels[0].yaxis.set_major_locator(FixedLocator(sorted([*below, *ticks])))
    if lowest < 0:
        panels[0].set_ylim(bottom=1.5 * lowest)
        for axes in panels:
            axes.axhline(0, color="0.6", linewidth=0.8, zorder=1)


def line(axes: Axes, rows: pd.DataFrame, column: str, style: Mapping[str, Any], *, along: str = "coded_bytes") -> None:
    """A column of a frame, with its band from `low` to `high`, along another one; bytes are drawn in kB."""
    if rows.empty:
        return
    rows = rows.sort_values(along, kind="stable")
    places = rows[along].to_numpy(dtype=float) / (KILO if along == "coded_bytes" else 1)
    axes.plot(places, rows[column], **style)
    low, high = rows["low"].to_numpy(dtype=float), rows["high"].to_numpy(dtype=float)
    if np.isfinite(low).any():
        axes.fill_between(places, low, high, color=style["color"], alpha=0.18, linewidth=0, zorder=1.5)


def _single(curves: pd.DataFrame) -> list[str]:
    """The names that have no more than one point a task."""
    points = curves.groupby("name", sort=False)["task"].agg(lambda tasks: tasks.value_counts().max())
    return [str(name) for name in points.index[points == 1]]


def places_of(present: pd.Series, names: Sequence[str] | None, nulls: Sequence[str] = ()) -> dict[str, int]:
    """The names that a frame has, in the order of `names` and then as they appear, with their places.

    A null's place is that among the nulls, any other's that among all that are none.
    """
    every = list(dict.fromkeys([*(names or ()), *map(str, present)]))
    others = [name for name in every if name not in nulls]
    known = set(present)
    return {name: list(nulls if name in nulls else others).index(name) for name in every if name in known}


def styles_of(
    places: Mapping[str, int], nulls: Sequence[str], emphasised: str, single: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """How each name is drawn: nulls grey and dashed, single points black, the others in the colours of their places."""
    styles: dict[str, dict[str, Any]] = {}
    for name, at in places.items():
        if name in single:
            marker = MARKERS[list(single).index(name) % len(MARKERS)]
            styles[name] = {"color": "black", "linestyle": "", "marker": marker, "markersize": 5, "zorder": 5}
        elif name in nulls:
            turn, dash = divmod(at, 2)  # orders by chance are two, and so are ways that treat all channels alike
            style = {"color": GREYS[turn % len(GREYS)], "linestyle": DASHES[1 + dash]}
            styles[name] = style | {"linewidth": 1.0, "zorder": 2}
        else:
            style = {"color": COLOURS[at % len(COLOURS)], "linestyle": DASHES[at % len(DASHES)]}
            styles[name] = style | ({"linewidth": 2.6, "zorder": 4} if name == emphasised else {"zorder": 3})
    return styles


def figure_for(styles: Mapping[str, dict[str, Any]], panels: float) -> tuple[Figure, int]:
    """A figure with room for panels of this height, in inches, and for the legend above; its number of columns."""
    columns = legend_columns(list(styles), most=4)
    return new_figure(panels + 0.45 + 0.19 * -(-len(styles) // columns)), columns


def finish(
    figure: Figure, styles: Mapping[str, dict[str, Any]], columns: int, *, below: str = SIZE, title: str = ""
) -> None:
    """The words under all panels and the legend above them."""
    figure.supxlabel(below, fontsize=9)
    entries = [handle(name, **style) for name, style in styles.items()]
    figure.legend(handles=entries, loc="outside upper center", ncols=columns, handlelength=2.6, title=title or None)
