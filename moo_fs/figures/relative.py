"""Bytes at equal distortion against one way of coding: a row a group of lines, a panel a task, bands of blocks.

Frame, whose rows may come in any order: `group` (a row of panels), `name` (a line), `task`, `distortion`, `value`,
`low`, `high` (bytes over those of the way that all are compared with: 1 = as many).
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from moo_fs.figures.selection import figure_for, finish, line, places_of, styles_of

NEAR_NOTHING = 0.002  # distortion below which bytes are not read off: curves of noisy tasks are flat there
CAPTIONS = {
    "relative-bytes": "Coded bytes at equal distortion against one QP for all channels (the line at 0): median over "
    "blocks, band: their range, where all blocks reach a distortion. Soft: with its share of channels in the base. "
    f"Bytes are read off the points of a curve that no other one dominates, from a distortion of {NEAR_NOTHING:g} on. "
    "A line ends where the points of either side do.",
}
TITLE = "coded bytes against one QP for all"
TICKS = {0.02: "−98 %", 0.05: "−95 %", 0.1: "−90 %", 0.2: "−80 %", 0.5: "−50 %", 1.0: "0", 2.0: "+100 %"}
TICKS |= {5.0: "+400 %", 10.0: "+900 %", 20.0: "+1900 %", 50.0: "+4900 %"}
PLACES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
ROOM = 1.15  # beside the outermost line, as a factor


def draw_relative(
    relative: pd.DataFrame,
    tasks: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    nulls: Sequence[str] = (),
    emphasised: str = "",
    title: str = "",
) -> dict[str, Figure]:
    """Axes are logarithmic; all panels share the distortions, those of a row the bytes. `title` is the legend's."""
    if relative.empty:
        return {}
    groups = list(dict.fromkeys(relative["group"]))
    styles = styles_of(places_of(relative["name"], names, nulls), nulls, emphasised)
    figure, across = figure_for(styles, 1.55 * len(groups) + 0.2 * bool(title))
    grid = figure.subplots(len(groups), len(tasks), sharex=True, sharey="row", squeeze=False)
    for row, group in zip(grid, groups, strict=True):
        for axes, task in zip(row, tasks, strict=True):
            mine = relative[(relative["group"] == group) & (relative["task"] == task)]
            axes.axhline(1, color="black", linewidth=0.9, zorder=2)
            for name, style in styles.items():
                line(axes, mine[mine["name"] == name], "value", style, along="distortion")
        _bytes_axis(row[0], relative[relative["group"] == group])
        row[0].set_ylabel(group)
    for axes, task in zip(grid[0], tasks, strict=True):
        axes.set_title(task)
    _distortion_axis(grid[0, 0], relative["distortion"])
    figure.supylabel(TITLE, fontsize=9)
    finish(figure, styles, across, below="distortion", title=title)
    return {"relative-bytes": figure}


def _bytes_axis(axes: Axes, rows: pd.DataFrame) -> None:
    """A logarithmic axis over these rows and the line of equal bytes, ticks in percent more or fewer."""
    axes.set_yscale("log")
    axes.set_ylim(min(1.0, float(rows["low"].min())) / ROOM, max(1.0, float(rows["high"].max())) * ROOM)
    axes.yaxis.set_major_locator(FixedLocator(list(TICKS)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: TICKS.get(value, "")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _distortion_axis(axes: Axes, distortions: pd.Series) -> None:
    axes.set_xscale("log")
    axes.set_xlim(float(distortions.min()) / ROOM, float(distortions.max()) * ROOM)
    axes.xaxis.set_major_locator(FixedLocator(PLACES))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
