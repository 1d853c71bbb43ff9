"""A few allocations as a picture: which channels get how many bits as the rate grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from moo_fs.figures.style import new_figure
from moo_fs.results import Results, allocations, union_on_search, values_of

COUNT = 6
SPAN = (0.15, 1.6)  # of the rate of uniform 1 bit


def draw_allocations(results: Results) -> dict[str, Figure]:
    """Up to six allocations of the union front, spread over the rate axis; channels sorted by their mean depth."""
    chosen = along_the_rate(results)
    if chosen.empty:
        return {}
    bits = allocations(chosen)
    order = np.lexsort((np.arange(bits.shape[1]), *-bits[::-1].astype(int), -bits.mean(axis=0)))
    figure = new_figure(1.3 + 0.28 * len(chosen))
    axes = figure.subplots()
    top = max(1, int(bits.max()))
    image = axes.imshow(bits[:, order], aspect="auto", interpolation="nearest", **_colours(top))
    axes.grid(visible=False)
    axes.set_yticks(range(len(chosen)), _labels(results, chosen))
    axes.set_yticks(np.arange(len(chosen) - 1) + 0.5, minor=True)
    axes.grid(visible=True, which="minor", axis="y", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel(f"channel ({bits.shape[1]}, sorted by mean depth)")
    axes.set_ylabel("rate (kbit) | mean distortion")
    bar = figure.colorbar(image, ax=axes, ticks=range(top + 1), pad=0.01)
    bar.set_label("bits (0: not sent)")
    bar.ax.tick_params(length=0)
    return {"allocations": figure}


def along_the_rate(results: Results) -> pd.DataFrame:
    """Members of the union front near rates that grow geometrically: of those near each, the least mean distortion.

    Chosen on the search part alone; rows from the lowest rate on the test part to the highest.
    """
    fronts = results.fronts()
    if fronts.empty:
        return fronts
    front = union_on_search(fronts, results.objectives)
    values = values_of(front, results.objectives)
    rate, mean = values[:, 0], values[:, 1:].mean(axis=1)
    chosen: list[int] = []
    for target in np.geomspace(*SPAN, COUNT) * results.corner[0]:
        near = np.flatnonzero(np.abs(np.log(rate / target)) < 0.12)
        if len(near):
            chosen.append(int(near[np.argmin(mean[near])]))
    picked = list(dict.fromkeys(chosen)) or [int(np.argmin(mean))]
    return front.iloc[picked].sort_values("rate_kbit_test", kind="stable").reset_index(drop=True)


def _labels(results: Results, chosen: pd.DataFrame) -> list[str]:
    values = values_of(chosen, results.objectives, "test")
    return [f"{row[0]:.3g} | {row[1:].mean():.2f}" for row in values]


def _colours(top: int) -> dict[str, Any]:
    shades = ["#f0f0f0", *_ramp(top)]
    return {"cmap": ListedColormap(shades), "norm": BoundaryNorm(np.arange(top + 2) - 0.5, top + 1)}


def _ramp(count: int) -> list[tuple[float, ...]]:
    return [tuple(colour) for colour in sns.color_palette("viridis_r", count)]
