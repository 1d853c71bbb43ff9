"""Maps of the winner over the space of task weights: exact cells, a map a rate and normalisation.

Frame of cells, as `weight_shares.cells_of` makes its rows: `normalisation`, `coded_bytes` (per image), `measure`,
`share` (of the simplex), `vertex` (0, 1, ... around the cell), `weight_<task>` (of each vertex; a row sums to 1).
A corner is the weighting that counts its task alone, the middle counts all alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from moo_fs.contracts import Floats, MooFsError
from moo_fs.figures.selection import COLOURS, KILO, places_of
from moo_fs.figures.style import WIDTH, legend_columns, new_figure
from moo_fs.numerals import number, percent

CAPTIONS = {
    "weight-maps": "The measure of the least weighted distortion for all task weights, at equal coded bytes, of mean "
    "distortions over blocks: a corner counts its task alone, the middle all alike. Numbers: a cell's share of all "
    "task weights, where there is room; the mean of the blocks' own shares is another number. kB = 1000 bytes.",
}
CORNERS = {2: np.array([[0.0, 0.0], [1.0, 0.0]]), 3: np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])}
BAR = 0.22  # height of the interval of two tasks, the triangle's side being 1
MARGIN = 0.2  # beside it, for the words at its corners
LETTER = (0.042, 0.055)  # half the width and height of a letter, in inches
WORDS = ((-MARGIN, -0.03, "left", "top"), (1 + MARGIN, -0.03, "right", "top"), (0.5, 0.9, "center", "bottom"))
HATCHES = ("", "////", "....")  # where colours come round again
MOST_ACROSS = 4


def draw_ternary(
    cells: pd.DataFrame, tasks: Sequence[str], *, names: Sequence[str] | None = None, nulls: Sequence[str] = ()
) -> dict[str, Figure]:
    """A row a normalisation, a column a rate, a colour a measure that wins somewhere; `nulls` are grey.

    `names` fixes order and colours as in `selection`. Two tasks give bars, three triangles; others are refused, and
    more than four rates, which would be too small to read.
    """
    if cells.empty:
        return {}
    rates, ways = sorted(set(cells["coded_bytes"])), list(dict.fromkeys(cells["normalisation"]))
    _check(tasks, rates)
    styles = _styles(places_of(cells["measure"], names, nulls), nulls)
    columns = legend_columns(list(styles), most=4)
    side = (WIDTH / max(len(rates), 3) - 0.12) / (1 + 2 * MARGIN)
    tall = side * (float(_outline(CORNERS[len(tasks)])[:, 1].max()) + 0.3) + 0.3
    figure = new_figure(tall * len(ways) + 0.3 + 0.19 * -(-len(styles) // columns))
    grid = figure.subplots(len(ways), len(rates), squeeze=False)
    for row, way in enumerate(ways):
        for axes, rate in zip(grid[row], rates, strict=True):
            mine = cells[(cells["normalisation"] == way) & (cells["coded_bytes"] == rate)]
            _map(axes, mine, tasks, styles, side)
            axes.set_title(f"{way}, {number(rate / KILO, 2)} kB" if len(ways) > 1 else f"{number(rate / KILO, 2)} kB")
    entries = [Patch(**style, label=name) for name, style in styles.items()]
    figure.legend(handles=entries, loc="outside upper center", ncols=columns, handlelength=1.6)
    return {"weight-maps": figure}


def _map(
    axes: Axes, cells: pd.DataFrame, tasks: Sequence[str], styles: Mapping[str, dict[str, Any]], side: float
) -> None:
    """One map, the simplex's side being `side` inches."""
    corners = CORNERS[len(tasks)]
    for measure, rows in cells.groupby("measure", sort=False):
        weights = rows.sort_values("vertex")[[f"weight_{task}" for task in tasks]].to_numpy(dtype=float)
        outline = _outline(weights @ corners)
        style = styles[str(measure)]
        axes.add_patch(Polygon(outline, closed=True, **style))
        words = percent(float(rows["share"].iloc[0]))
        if _has_room(outline, len(words), side):
            ink = "black" if np.dot(to_rgb(style["facecolor"]), [0.299, 0.587, 0.114]) > 0.5 else "white"
            x, y = _centre(outline)
            box = {"facecolor": style["facecolor"], "edgecolor": "none", "pad": 1.2} if style["hatch"] else None
            axes.text(x, y, words, ha="center", va="center", color=ink, fontsize=8, bbox=box)
    axes.add_patch(Polygon(_outline(corners), closed=True, fill=False, edgecolor="black", linewidth=0.9))
    high = float(_outline(corners)[:, 1].max())
    axes.set(xlim=(-MARGIN, 1 + MARGIN), ylim=(-0.15, high + 0.15), aspect="equal")
    axes.set_axis_off()
    for task, (x, y, along, up) in zip(tasks, WORDS, strict=False):
        axes.text(x, y, task, ha=along, va=up, fontsize=8)


def _outline(points: Floats) -> Floats:
    """The polygon (vertex, 2) to draw: of an interval's two ends the bar between them."""
    if len(points) > 2:
        return points
    left, right = points[:, 0].min(), points[:, 0].max()
    return np.array([[left, 0.0], [right, 0.0], [right, BAR], [left, BAR]])


def _centre(outline: Floats) -> Floats:
    """The centroid of a polygon (vertex, 2): a convex one's lies within."""
    after = np.roll(outline, -1, axis=0)
    cross = outline[:, 0] * after[:, 1] - after[:, 0] * outline[:, 1]
    return np.asarray(((outline + after) * cross[:, None]).sum(axis=0) / (3 * cross.sum()))


def _has_room(outline: Floats, letters: int, side: float) -> bool:
    """Whether so many letters can be written about the centre of a convex polygon (vertex, 2) without leaving it."""
    across, up = letters * LETTER[0] / side, LETTER[1] / side
    corners = _centre(outline) + np.array([[-across, -up], [across, -up], [across, up], [-across, up]])
    edges, apart = np.roll(outline, -1, axis=0) - outline, corners[:, None] - outline
    sides = edges[:, 0] * apart[..., 1] - edges[:, 1] * apart[..., 0]
    return bool((sides >= 0).all() or (sides <= 0).all())


def _styles(places: Mapping[str, int], nulls: Sequence[str]) -> dict[str, dict[str, Any]]:
    """How each measure's cells are filled: the colours of `selection`, hatched where they come round again."""
    styles: dict[str, dict[str, Any]] = {}
    for name, at in places.items():
        colour: Any = "0.75" if name in nulls else COLOURS[at % len(COLOURS)]
        turn = at if name in nulls else at // len(COLOURS)
        hatch = HATCHES[turn % len(HATCHES)]
        styles[name] = {"facecolor": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0.8}
    return styles


def _check(tasks: Sequence[str], rates: Sequence[float]) -> None:
    if len(tasks) not in CORNERS:
        raise MooFsError(f"weight maps: wanted two or three tasks, got {len(tasks)}; name two or three of them")
    if len(rates) > MOST_ACROSS:
        raise MooFsError(f"weight maps: wanted at most {MOST_ACROSS} rates, got {len(rates)}; choose some")
