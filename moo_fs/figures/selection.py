"""Selection studies: losses over coded bytes, and who wins how much of the space of task weights, over coded bytes.

Frames, whose rows may come in any order:

* curves: `name` (a measure or a way of coding), `task`, `coded_bytes` (per image), `value`, `low`, `high` (a band, or
  NaN for none); one row for each point of a curve. A name with a single point a task is a black marker.
* shares: `subject`, `normalisation`, `coded_bytes`, `measure`, `share`, `low`, `high` (shares from 0 to 1).

`names` fixes order and colours, so that several figures of one study agree; those it lacks follow as they first appear.
`nulls` are thin, grey and dashed, `emphasised` is thick. Nothing is interpolated here: lines join the rows.
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
    "rate-curves": "Every task over coded bytes of the test part; kB = 1000 bytes. Of more than ten orders: mutual "
    "information, nulls, and those of the least mean distortion over tasks.",
    "weight-shares": "Share of all task weights under which each measure beats all others at once, at equal coded "
    "bytes; shares sum to 1, the horizontal line is one half; kB = 1000 bytes.",
}
SIZE = "coded size (kB per image)"
KILO = 1000.0
MOST_TICKS = 5
PER_ROW = 3
MARKERS = "Ds^vP"
COLOURS = [colour for colour in PALETTE if len(set(colour)) > 1]  # grey is the nulls'


def draw_rate_curves(
    curves: pd.DataFrame,
    tasks: Sequence[str],
    *,
    labels: Mapping[str, str] | None = None,
    names: Sequence[str] | None = None,
    nulls: Sequence[str] = (),
    emphasised: str = "",
) -> dict[str, Figure]:
    """A panel a task, a line a name, with its band.

    Without `labels` values are distortions on an axis of square roots from 0 to 1.08, which all panels share; lines
    leave the panel beyond. With a label for each task ("mIoU", "PSNR (dB)") each panel has an axis of its own.
    """
    if curves.empty:
        return {}
    columns = min(PER_ROW, len(tasks))
    rows = -(-len(tasks) // columns)
    styles = _styles(places_of(curves["name"], names), nulls, emphasised, _single(curves))
    figure, across = _figure(styles, 2.3 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=labels is None, squeeze=False).ravel()
    for axes, task in zip(panels, tasks, strict=False):
        mine = curves[curves["task"] == task]
        for name, style in styles.items():
            _line(axes, mine[mine["name"] == name], "value", style)
        axes.set_title(task)
        if labels:
            axes.set_ylabel(labels[task])
    for axes in panels[len(tasks) :]:
        axes.set_axis_off()
    if labels is None:
        root_distortion(panels[0])
        panels[0].yaxis.set_major_locator(FixedLocator([tick for tick in DISTORTIONS if tick != 0.01]))
        for axes in panels[::columns]:
            axes.set_ylabel("distortion")
    size_axis(panels[0], curves["coded_bytes"])
    _finish(figure, styles, across)
    return {"rate-curves": figure}


def draw_share_over_rate(
    shares: pd.DataFrame, *, names: Sequence[str] | None = None, nulls: Sequence[str] = (), emphasised: str = ""
) -> dict[str, Figure]:
    """A row a subject, a column a normalisation, a line a measure, with its band; the bar is one half."""
    if shares.empty:
        return {}
    subjects, ways = list(dict.fromkeys(shares["subject"])), list(dict.fromkeys(shares["normalisation"]))
    styles = _styles(places_of(shares["measure"], names), nulls, emphasised)
    figure, across = _figure(styles, 2.2 * len(subjects))
    grid = figure.subplots(len(subjects), len(ways), sharex="row", sharey=True, squeeze=False)
    for row, subject in enumerate(subjects):
        of_subject = shares[shares["subject"] == subject]
        for axes, way in zip(grid[row], ways, strict=True):
            mine = of_subject[of_subject["normalisation"] == way]
            axes.axhline(0.5, color="black", linewidth=0.8, zorder=1)
            for name, style in styles.items():
                _line(axes, mine[mine["measure"] == name], "share", style)
            axes.set_title(f"{subject}: {way}" if len(subjects) > 1 else way)
        size_axis(grid[row, 0], of_subject["coded_bytes"])
        grid[row, 0].set_ylabel("share of task weights won")
    grid[0, 0].set_ylim(-0.02, 1.02)
    grid[0, 0].yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    _finish(figure, styles, across)
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


def _line(axes: Axes, rows: pd.DataFrame, column: str, style: dict[str, Any]) -> None:
    if rows.empty:
        return
    rows = rows.sort_values("coded_bytes", kind="stable")
    places = rows["coded_bytes"].to_numpy(dtype=float) / KILO
    axes.plot(places, rows[column], **style)
    low, high = rows["low"].to_numpy(dtype=float), rows["high"].to_numpy(dtype=float)
    if np.isfinite(low).any():
        axes.fill_between(places, low, high, color=style["color"], alpha=0.18, linewidth=0, zorder=1.5)


def _single(curves: pd.DataFrame) -> list[str]:
    """The names that have no more than one point a task."""
    points = curves.groupby("name", sort=False)["task"].agg(lambda tasks: tasks.value_counts().max())
    return [str(name) for name in points.index[points == 1]]


def places_of(present: pd.Series, names: Sequence[str] | None) -> dict[str, int]:
    """The names that a frame has, in the order of `names` and then as they appear, with their places among all."""
    every = dict.fromkeys([*(names or ()), *map(str, present)])
    return {name: at for at, name in enumerate(every) if name in set(present)}


def _styles(
    places: Mapping[str, int], nulls: Sequence[str], emphasised: str, single: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """How each name is drawn: nulls grey and dashed, single points black, the others in the colours of their places."""
    styles: dict[str, dict[str, Any]] = {}
    for name, at in places.items():
        if name in single:
            marker = MARKERS[list(single).index(name) % len(MARKERS)]
            styles[name] = {"color": "black", "linestyle": "", "marker": marker, "markersize": 5, "zorder": 5}
        elif name in nulls:
            dashes = DASHES[1:][list(nulls).index(name) % (len(DASHES) - 1)]
            styles[name] = {"color": "0.45", "linestyle": dashes, "linewidth": 1.0, "zorder": 2}
        else:
            style = {"color": COLOURS[at % len(COLOURS)], "linestyle": DASHES[at % len(DASHES)]}
            styles[name] = style | ({"linewidth": 2.6, "zorder": 4} if name == emphasised else {"zorder": 3})
    return styles


def _figure(styles: Mapping[str, dict[str, Any]], panels: float) -> tuple[Figure, int]:
    """A figure with room for panels of this height, in inches, and for the legend above; its number of columns."""
    columns = legend_columns(list(styles), most=4)
    return new_figure(panels + 0.45 + 0.19 * -(-len(styles) // columns)), columns


def _finish(figure: Figure, styles: Mapping[str, dict[str, Any]], columns: int) -> None:
    figure.supxlabel(SIZE, fontsize=9)
    entries = [handle(name, **style) for name, style in styles.items()]
    figure.legend(handles=entries, loc="outside upper center", ncols=columns, handlelength=2.6)
