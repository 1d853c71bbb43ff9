"""Figures of a pruning study: curves of conditional mutual information, kept shares, error over filters removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moo_fs.figures.style import PALETTE, handle, legend_columns, line_style, new_figure, tidy
from moo_fs.prune_file import CMI
from moo_fs.prune_studies.archive import Pruning
from moo_fs.prune_studies.judged import CHANCE, of_first_batch

CAPTIONS = {
    "cmi-curves": "Conditional mutual information of a layer's filters not yet taken with the labels, over filters "
    "taken; every batch a line, each layer's own order. Marks: what each cutoff proposes for the first batch.",
    "kept-shares": "Share of its filters that each layer keeps, by variant, first batch; fixed shares, which keep the "
    "same of every layer, are left out.",
    "error": "Classification error over filters removed, the same share of every layer, by measure, on the validation "
    "images that choices look at, the whole network's on all of them; not trained on. Medians over batches of images, "
    "for conditional mutual information and for chance with the range; up to the first share at which no measure has "
    "one in five images right.",
}
MARKERS = {"scree": "v", "x-means": "|", "permutation": "s", "share": "D"}
FILLED = {True: "means in the place of missing filters", False: "zeros"}
CHANCE_ORDER = "random"
COLUMNS, ROW_HEIGHT = 4, 1.45


def prune_figures(found: Pruning) -> dict[str, Figure]:
    """Every figure by name; draw on them only inside `style.styled`."""
    return {name: figure for draw in (draw_curves, draw_kept, draw_error) for name, figure in draw(found).items()}


def draw_curves(found: Pruning) -> dict[str, Figure]:
    """A panel a layer: its curve on each batch over the share of filters taken, cutoffs marked."""
    width = found.study["specification"]["width"]
    mine = found.orders[(found.orders["width"] == width) & (found.orders["seed"] >= 0)]
    layers, proposed = list(found.filters), _proposed(found)
    names = list(dict.fromkeys(name for each in proposed.values() for name in each))
    rows = -(-len(layers) // COLUMNS)
    figure = new_figure(ROW_HEIGHT * rows + 0.6)
    panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, layer in zip(panels, layers, strict=False):
        for seed, part in mine[mine["layer"] == layer].groupby("seed"):
            curve = part.sort_values("step")["cmi"].to_numpy()
            axes.plot(_taken(curve), curve, color="0.35" if seed == 0 else "0.7", linewidth=1.1, zorder=3 - (seed > 0))
            if seed == 0:
                _mark(axes, curve, proposed.get(layer, {}), names)
        axes.set_title(f"{layer}, {found.filters[layer]} filters")
    for axes in panels[len(layers) :]:
        tidy(axes)
    panels[0].set_xlim(0, 1.02)
    panels[0].set_ylim(bottom=0)
    figure.supxlabel("share of the layer's filters taken", fontsize=9)
    figure.supylabel("conditional mutual information (nats)", fontsize=9)
    entries = [handle("first batch", color="0.35"), handle("other batches", color="0.7")]
    entries += [handle(name, **_marker(name, names)) for name in names]
    figure.legend(handles=entries, loc="outside upper center", ncols=legend_columns(["other batches", *names], 4))
    return {"cmi-curves": figure}


def draw_kept(found: Pruning) -> dict[str, Figure]:
    """Variants by layers, the share kept as colour and number."""
    rows = of_first_batch(found, found.layers)
    rows = rows[~rows["cutoff"].str.startswith("share")]
    if rows.empty:
        return {}
    keys = ["formulation", "cutoff", "direction"]
    wide = rows.assign(share=rows["kept"] / rows["filters"]).pivot_table(
        index=keys, columns="layer", values="share", sort=False
    )[list(found.filters)]
    values = wide.to_numpy()
    figure = new_figure(0.19 * len(wide) + 1.1)
    axes = figure.subplots()
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "black" if value > 0.6 else "white"
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(found.filters)), [name.removeprefix("conv") for name in found.filters])
    axes.set_yticks(range(len(wide)), [", ".join(key) for key in wide.index], fontsize=7)
    axes.set_xlabel("layer")
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="share of filters kept (numbers in %)", fraction=0.03, pad=0.02)
    return {"kept-shares": figure}


def draw_error(found: Pruning) -> dict[str, Figure]:
    """Error over the share of filters removed, a line a measure, from the whole network on."""
    rows = found.shares
    if not len(rows):
        return {}
    names, modes = list(dict.fromkeys(rows["measure"])), sorted(set(rows["compensate"]), reverse=True)
    figure = new_figure(3.4)
    panels = figure.subplots(1, len(modes), sharex=True, sharey=True, squeeze=False)[0]
    for axes, mode in zip(panels, modes, strict=True):
        _errors(axes, rows[rows["compensate"] == mode], names, found)
        axes.set_title(FILLED[bool(mode)])
    panels[0].set_ylim(0, 1)
    panels[0].set_xlim(0, _last_telling(found) + 0.01)
    figure.supxlabel("share of all filters removed", fontsize=9)
    panels[0].set_ylabel("classification error")
    entries = [handle(name, **line_style(names, name), marker="o", markersize=3) for name in names]
    entries.append(handle("whole network", color="black", linewidth=0.8, linestyle=":"))
    figure.legend(handles=entries, loc="outside upper center", ncols=legend_columns(names, 3))
    return {"error": figure}


def _errors(axes: Axes, rows: pd.DataFrame, names: Sequence[str], found: Pruning) -> None:
    """One panel: a line a measure, the median over batches, and the range of the published one and of chance."""
    whole = 1 - found.unpruned["validation_accuracy"]
    for name in names:
        part = rows[rows["measure"] == name]
        errors = (1 - part["validation_accuracy"]).groupby(_removed(found, part))
        low, middle, high = (np.append(whole, values) for values in (errors.min(), errors.median(), errors.max()))
        places, style = np.append(0, errors.min().index), line_style(names, name)
        if name == CMI or name.partition("[")[0] == CHANCE_ORDER:
            axes.fill_between(places, low, high, color=style["color"], alpha=0.2, linewidth=0)
        axes.plot(places, middle, **style, marker="o", markersize=3)
    axes.axhline(whole, color="black", linewidth=0.8, linestyle=":")
    axes.axvline(1 / 3, color="0.5", linewidth=0.8, linestyle=":")
    axes.text(1 / 3, 0.02, "a third ", transform=axes.get_xaxis_transform(), va="bottom", ha="right", fontsize=8)


def _removed(found: Pruning, rows: pd.DataFrame) -> pd.Series:
    return 1 - rows["filters_kept"] / sum(found.filters.values())


def _last_telling(found: Pruning) -> float:
    """The first share removed at which every measure's median is near guessing, the largest there is if none is."""
    rows = found.shares.assign(removed=_removed(found, found.shares))
    medians = rows.groupby(["removed", "compensate", "measure"])["validation_accuracy"].median()
    best = medians.groupby("removed").max()
    guessed = best.index[best <= CHANCE]
    return float(guessed.min() if len(guessed) else best.index.max())


def _proposed(found: Pruning) -> dict[str, dict[str, list[int]]]:
    """What cutoffs propose for each layer's own order on the first batch: layer -> cutoff -> kept counts."""
    rows = of_first_batch(found, found.layers)
    # With a raised tolerance a cutoff proposes what it proposes without.
    rows = rows[(rows["formulation"] == "per-layer") & ~rows["cutoff"].str.contains("tolerance=")]
    proposed: dict[str, dict[str, list[int]]] = {}
    for row in rows.drop_duplicates(["cutoff", "layer"]).to_dict("records"):
        counts = [int(word) for word in str(row["candidates"]).split()]
        proposed.setdefault(str(row["layer"]), {})[str(row["cutoff"])] = counts
    return proposed


def _mark(axes: Axes, curve: Any, proposed: Mapping[str, list[int]], names: Sequence[str]) -> None:
    for name, counts in proposed.items():
        places = [count - 1 for count in counts]
        axes.plot(_taken(curve)[places], curve[places], **_marker(name, names), zorder=4, clip_on=False)


def _marker(name: str, names: Sequence[str]) -> dict[str, Any]:
    """A cutoff's mark: its shape by the kind, its colour by its place."""
    shape = MARKERS[name.partition("[")[0]]
    size, colour = {"|": 7, "v": 5}.get(shape, 3.5), PALETTE[list(names).index(name) % len(PALETTE)]
    return {"color": colour, "marker": shape, "markersize": size, "linestyle": ""}


def _taken(curve: Any) -> Any:
    return np.arange(1, len(curve) + 1) / len(curve)
