"""Fronts of pruned networks: error over size, cutoffs of a study beside them, and what the layers keep along them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moo_fs.contracts import MAX_BITS
from moo_fs.figures.fronts import envelope
from moo_fs.figures.progress import baseline_line
from moo_fs.figures.style import PALETTE, handle, line_style, new_figure
from moo_fs.results import Results, allocations, union_on_search

CAPTIONS = {
    "pruned-fronts": "Error on test images over what is left of the network, nothing retrained unless it says so. "
    "Lines: the best of each optimiser's front, over its measures and blocks; dots: the front of all runs, on all "
    "test images; all of them chosen on validation images. Squares: every layer at one share of its filters, a line "
    "an order. Hollow marks: distinct networks that cutoffs of a pruning study cut, with zeros or means in place of "
    "missing filters, or trained on; published cutoffs in black, fixed shares and raised tolerances, ours, in colour.",
    "pruned-layers": "Share of its filters that each layer keeps along the front of all runs, from the lowest error "
    "down to half of the images; errors of all test images.",
}
SIZES = {"parameters": "parameters left (share)", "flops": "operations left (share)"}
SHOWN_ROWS = 12
LEGEND_COLUMNS = 2
MOST_ERROR = 0.5
CUTS = {
    "published": ("published cutoff", "black"),
    "raised": ("raised tolerance", PALETTE[4]),
    "ours": ("fixed share", PALETTE[5]),
}
FILLED = {"zeros": "o", "means": "^", "fine-tuned": "D"}


def draw_pruned_fronts(results: Results, joint: pd.DataFrame, published: pd.DataFrame) -> dict[str, Figure]:
    """A panel for each size that was searched for; `joint` and `published` as `moo_fs.prune_fronts` has them."""
    sizes = [name for name in results.objectives if name in SIZES]
    entries = _entries(results, published)
    figure = new_figure(3.0 + 0.18 * -(-len(entries) // LEGEND_COLUMNS))
    for axes, size in zip(figure.subplots(1, len(sizes), squeeze=False)[0], sizes, strict=True):
        _panel(axes, results, joint, published, size)
    figure.legend(handles=entries, loc="outside upper center", ncols=LEGEND_COLUMNS)
    return {"pruned-fronts": figure}


def draw_pruned_layers(results: Results, joint: pd.DataFrame) -> dict[str, Figure]:
    """A map of the shares kept, members of the front of all runs by layers; nothing if all err on half or more."""
    good = joint[joint["error_test"] <= MOST_ERROR].sort_values(["error", "parameter_count"], kind="stable")
    if good.empty:
        return {}
    rows = good.iloc[np.unique(np.linspace(0, len(good) - 1, SHOWN_ROWS).round().astype(int))]
    shares = (allocations(rows) + 1) / (MAX_BITS + 1)
    layers = list(results.study["layers"])
    figure = new_figure(0.28 * len(rows) + 1.2)
    axes = figure.subplots()
    axes.grid(visible=False)
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    axes.set_xticks(range(len(layers)), layers, rotation=45, ha="right")
    errors, left = 100 * rows["error_test"], 100 * rows["parameter_count"] / results.study["network"]["parameters"]
    axes.set_yticks(
        range(len(rows)), [f"{error:.1f} %, {size:.0f} %" for error, size in zip(errors, left, strict=True)]
    )
    axes.set_ylabel("error, parameters left")
    figure.colorbar(image, ax=axes, label="filters kept (share)")
    return {"pruned-layers": figure}


def _panel(axes: Axes, results: Results, joint: pd.DataFrame, published: pd.DataFrame, size: str) -> None:
    fronts = results.fronts()
    for name in results.optimisers:
        mine = union_on_search(fronts[fronts["optimiser"] == name], results.objectives)
        style = line_style(results.optimisers, name)
        axes.plot(*envelope(mine[[f"{size}_test", "error_test"]].to_numpy()).T, drawstyle="steps-post", **style)
    axes.plot(joint[f"{size}_test"], joint["error_test"], linestyle="", marker=".", markersize=3, color="0.45")
    for name, rows in results.baseline_sets().items():
        axes.plot(rows[f"{size}_test"], rows["error_test"], **_uniform(results, name))
    for (kind, filled), shown in published.groupby([published["kind"], _filled(published)], sort=False):
        axes.plot(shown[size], shown["error_test"], **_cut(str(kind), str(filled)))
    axes.axhline(results.study["unpruned_error"]["test"], color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlabel(SIZES[size])
    axes.set_ylabel("error on test images (share)")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, None)


def _filled(published: pd.DataFrame) -> pd.Series:
    """Which of `FILLED` each row is."""
    kinds = np.where(published["compensate"].astype(bool), "means", "zeros")
    return pd.Series(np.where(published["fine_tuned"].astype(bool), "fine-tuned", kinds), published.index)


def _cut(kind: str, filled: str) -> dict[str, Any]:
    """Small and hollow: many networks have the same size."""
    hollow = {"linestyle": "", "markersize": 3.5, "markerfacecolor": "none", "markeredgewidth": 0.8}
    return {**hollow, "marker": FILLED[filled], "color": CUTS[kind][1]}


def _uniform(results: Results, name: str) -> dict[str, Any]:
    """The line of uniform shares in one order."""
    return {**baseline_line(results, name), "marker": "s", "markersize": 3, "linewidth": 1}


def _entries(results: Results, published: pd.DataFrame) -> list[Any]:
    entries = [handle(name, **line_style(results.optimisers, name)) for name in results.optimisers]
    entries.append(handle("front of all runs", linestyle="", marker=".", color="0.45"))
    entries += [handle(name, **_uniform(results, name)) for name in results.baseline_sets()]
    there = set(zip(published["kind"], _filled(published), strict=True))
    for kind, filled in itertools.product(CUTS, FILLED):
        if (kind, filled) in there:
            label = f"{results.study['published']}: {CUTS[kind][0]}, {filled}"
            entries.append(handle(label, **_cut(kind, filled)))
    return [*entries, handle("unpruned", color="0.6", linewidth=0.8, linestyle="--")]
