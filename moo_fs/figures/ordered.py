"""Orders of channels side by side: a row a measure, a panel a task, its mean distortion at equal coded bytes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moo_fs.figures.style import PALETTE, handle, new_figure, root_distortion

CAPTIONS = {
    "orders": "Mean distortion at equal coded bytes when the last channels of an order are not sent, best order above; "
    "whiskers: 95 % interval over blocks, the range below 12 of them. Thick: mutual information; grey: nulls.",
}
EQUAL_ORDER, OWN_ORDER = "one order for all tasks", "each task's own order"
KINDS = {EQUAL_ORDER: ("o", 0), OWN_ORDER: ("D", 1)}  # marker and place in the palette
ROW, SHIFT, NULL = 0.25, 0.17, "0.55"  # inches; of a row; a colour


def draw_orders(
    orders: pd.DataFrame, tasks: Sequence[str], *, nulls: Sequence[str] = (), emphasised: str = ""
) -> dict[str, Figure]:
    """A panel a task on an axis of square roots; measures by their mean over tasks, under their own orders if known.

    Columns of `orders`: measure, task, order (of KINDS), value, low, high.
    """
    if orders.empty:
        return {}
    kinds = [kind for kind in KINDS if kind in set(orders["order"])]
    names = list(orders[orders["order"] == kinds[-1]].groupby("measure")["value"].mean().sort_values().index)
    figure = new_figure(ROW * len(names) + 1.1)
    panels = figure.subplots(1, len(tasks), sharex=True, sharey=True, squeeze=False)[0]
    for axes, task in zip(panels, tasks, strict=True):
        for at, kind in enumerate(kinds):
            rows = orders[(orders["task"] == task) & (orders["order"] == kind)].set_index("measure").reindex(names)
            _points(axes, rows, kind, (at - (len(kinds) - 1) / 2) * 2 * SHIFT, nulls, emphasised)
        axes.set_title(task)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    root_distortion(panels[0], "x")
    panels[0].set_xticks([0, 0.05, 0.2, 0.5, 1], ["0", ".05", ".2", ".5", "1"])
    for label in panels[0].get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == emphasised else "normal")
        label.set_color("0.45" if label.get_text() in nulls else "black")
    figure.supxlabel("mean distortion", fontsize=9)
    entries = [handle(kind, color=PALETTE[KINDS[kind][1]], marker=KINDS[kind][0], linestyle="") for kind in kinds]
    figure.legend(handles=entries, loc="outside upper center", ncols=len(entries))
    return {"orders": figure}


def _points(axes: Axes, rows: pd.DataFrame, kind: str, shift: float, nulls: Sequence[str], emphasised: str) -> None:
    marker, place = KINDS[kind]
    for at, (name, row) in enumerate(rows.iterrows()):
        colour, strong = NULL if name in nulls else PALETTE[place], name == emphasised
        axes.hlines(at + shift, row["low"], row["high"], color=colour, linewidth=2.2 if strong else 1.2, zorder=2)
        axes.plot(
            row["value"],
            at + shift,
            color=colour,
            marker=marker,
            markersize=6 if strong else 4,
            zorder=3,
            clip_on=False,
        )
