"""A comparison's figures: every pair's corner by measure and way, and which mean ranks are not told apart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from scikit_posthocs import critical_difference_diagram

from moo_fs.comparison_archive import Comparison
from moo_fs.contrasts import ENOUGH_PAIRS, LEVEL, Roles, critical_difference, friedman, mean_ranks, nemenyi, pairs_of
from moo_fs.figures.style import PALETTE, baseline_style, handle, legend_columns, new_figure
from moo_fs.indicators import normalised_hypervolume
from moo_fs.numerals import equals, number, rank
from moo_fs.results import values_of

CAPTIONS = {
    "comparison": "Corner hypervolume on the test part by measure and way, a marker a pair, its shape the network, a "
    "bar the median over pairs; measures by their mean rank under the first way.",
    "critical-difference": "Mean ranks over pairs under each way, 1 is best; bars join measures that are not told "
    "apart (Nemenyi, 5 %), CD is the distance that tells two apart.",
}
MARKERS = "o^sDvP"
SHIFT = 0.42  # of a row: the networks' markers lie beneath one another
ROW, LABEL = 0.36, 20  # inches, letters


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Every figure that the comparison has pairs for, by name; draw on them only inside `style.styled`."""
    return draw_corners(comparison) | draw_critical_differences(comparison)


def draw_corners(comparison: Comparison) -> dict[str, Figure]:
    """A row a measure, a panel a way, a marker a pair, the baselines' corners as lines."""
    ways, roles = list(comparison.about["ways"]), Roles.of(comparison.about)
    names = [str(name) for name in mean_ranks(pairs_of(comparison.summary, ways[0])).index]
    figure = new_figure(ROW * len(names) + 1.35)
    panels = figure.subplots(1, len(ways), sharex=True, sharey=True, squeeze=False)[0]
    bases = baseline_corners(comparison)
    near = _near(comparison, bases)
    for axes, way in zip(panels, ways, strict=True):
        _corners(axes, comparison, way, names)
        for name in near:
            axes.axvline(bases[name], **_line(name), zorder=1)
        for at, name in enumerate(names):
            if name in roles.own:
                axes.axhspan(at - 0.5, at + 0.5, color="#fff2c4", zorder=0)
        axes.set_title(way)
        axes.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
    panels[0].set_yticks(range(len(names)), [_label(name, roles) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    for text, name in zip(panels[0].get_yticklabels(), names, strict=True):
        text.set(color="0.45" if name in roles.baselines else "black", fontweight="bold" if name in roles.own else None)
    figure.supxlabel("corner hypervolume on the test part (share of the box)", fontsize=9)
    _legend(figure, list(comparison.networks), bases, near)
    return {"comparison": figure}


def baseline_corners(comparison: Comparison) -> dict[str, float]:
    """The corner of each baseline by its own points on the test part, the median over networks."""
    found: dict[str, list[float]] = {}
    for results in comparison.networks.values():
        for name, rows in results.baseline_sets().items():
            points = values_of(rows, results.objectives, "test")
            found.setdefault(name, []).append(normalised_hypervolume(points, results.corner))
    return {name: float(np.median(values)) for name, values in found.items()}


def draw_critical_differences(comparison: Comparison) -> dict[str, Figure]:
    """A diagram a way (Demšar 2006, figure 1); none below 12 pairs or 3 measures."""
    ways, roles = list(comparison.about["ways"]), Roles.of(comparison.about)
    frames = {way: pairs_of(comparison.summary, way) for way in ways}
    pairs, count = frames[ways[0]].shape
    if pairs < ENOUGH_PAIRS or count < 3:
        return {}
    figure = new_figure(len(ways) * (0.155 * count + 0.85))
    for axes, (way, frame) in zip(figure.subplots(len(ways), 1, squeeze=False)[:, 0], frames.items(), strict=True):
        ranks = mean_ranks(frame).rename(lambda name: str(name))
        colours = {name: _colour(name, roles) for name in ranks.index}
        drawn = critical_difference_diagram(
            ranks,
            nemenyi(frame),
            alpha=LEVEL,
            ax=axes,
            label_fmt_left="{label} ({rank:.1f})",
            label_fmt_right="({rank:.1f}) {label}",
            label_props={"fontsize": 9},
            marker_props={"s": 14, "clip_on": False},
            elbow_props={"linewidth": 0.8},
            crossbar_props={"linewidth": 2.2},
            color_palette=colours,
            text_h_margin=0.15,
        )
        for (bar,) in drawn["crossbars"]:  # its points come in a set's order, which is another one in every process
            bar.set_xdata(np.sort(bar.get_xdata()))
        _ranks_axis(axes, count, critical_difference(count, pairs))
        axes.set_title(f"{way}: Friedman p {equals(friedman(frame))}", loc="left")
    return {"critical-difference": figure}


def _corners(axes: Axes, comparison: Comparison, way: str, names: Sequence[str]) -> None:
    pairs, networks = pairs_of(comparison.summary, way), list(comparison.networks)
    shifts = np.linspace(-SHIFT / 2, SHIFT / 2, len(networks)) if len(networks) > 1 else [0.0]
    for at, (network, shift) in enumerate(zip(networks, shifts, strict=True)):
        mine = pairs.xs(network, level="network")
        for row, name in enumerate(names):
            axes.plot(mine[name], [row + shift] * len(mine), **_marker(at), alpha=0.75)
    for row, name in enumerate(names):
        axes.plot([pairs[name].median()] * 2, [row - 0.36, row + 0.36], color="black", linewidth=1.8, zorder=2)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.yaxis.set_minor_locator(NullLocator())


def _marker(at: int) -> dict[str, Any]:
    style = {"color": PALETTE[at % len(PALETTE)], "marker": MARKERS[at % len(MARKERS)]}
    return {**style, "linestyle": "", "markersize": 4, "markeredgewidth": 0, "zorder": 3}


def _label(name: str, roles: Roles) -> str:
    """A measure with its role, broken at hyphens where it is long."""
    role = roles.name(name)
    return textwrap.fill(name + (f" ({role})" if role else ""), LABEL)


def _near(comparison: Comparison, bases: dict[str, float]) -> list[str]:
    """The baselines that a panel can show without squeezing the markers: within one more of their span."""
    values = comparison.summary["corner_test"]
    low, high = values.min(), values.max()
    return [name for name, value in bases.items() if 2 * low - high <= value <= 2 * high - low]


def _line(name: str) -> dict[str, Any]:
    return {
        "color": baseline_style(name)["color"],
        "linestyle": "--" if name == "uniform-step" else ":",
        "linewidth": 1,
    }


def _legend(figure: Figure, networks: Sequence[str], bases: dict[str, float], near: Sequence[str]) -> None:
    entries = [handle(f"network {name}", **_marker(at)) for at, name in enumerate(networks)]
    entries.append(handle("median", color="black", linewidth=1.8))
    entries += [handle(name, **_line(name)) for name in near]
    entries += [
        handle(f"{name}: {number(value, 2)}, off the panels", linestyle="")
        for name, value in bases.items()
        if name not in near
    ]
    columns = legend_columns([str(entry.get_label()) for entry in entries])
    figure.legend(handles=entries, loc="outside upper center", ncols=columns, handlelength=1.6)


def _colour(name: str, roles: Roles) -> Any:
    if name in roles.own:
        return PALETTE[3]
    return "0.45" if name in roles.baselines else "black"


def _ranks_axis(axes: Axes, count: int, distance: float) -> None:
    """Whole ranks from 1 to `count`, and above them the distance that tells two measures apart."""
    axes.plot([1, 1 + distance], [2.2, 2.2], color="black", linewidth=2.2, solid_capstyle="butt")
    axes.text(1.15 + distance, 2.2, f"CD = {rank(distance)}", va="center")
    axes.set_xlim(0.95, count + 0.05)
    axes.spines["top"].set(visible=True, bounds=(1, count))
    axes.xaxis.set_major_locator(FixedLocator(range(1, count + 1)))
    axes.grid(visible=False)
    axes.tick_params(axis="x", length=3, pad=1)
