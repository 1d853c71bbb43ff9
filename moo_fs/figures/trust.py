"""Do scores foretell damage? A row a measure, a panel a task, its rank correlation with damage in two settings."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from moo_fs.figures.score_maps import agreement_matrix, score_maps
from moo_fs.figures.style import PALETTE, handle, new_figure
from moo_fs.trust_archive import Trust

CAPTIONS = {
    "trust": "Rank correlation (Spearman) of scores with measured damage on the test part, 95 % intervals over "
    "resampled channels; damage is measured with all other channels at 8 bits, or at 1 bit.",
    "scores": "Scores of every channel for every task, negative ones shown as 0.",
    "agreement": "Rank agreement between measures.",
}
MARKERS = {"8 bits": "o", "1 bit": "s"}
ROW, SHIFT = 0.27, 0.17  # inches; of a row


def trust_figures(trust: Trust) -> dict[str, Figure]:
    """Every figure by name; draw on them only inside `style.styled`."""
    return {name: figure for draw in (draw_trust, draw_maps, draw_matrix) for name, figure in draw(trust).items()}


def draw_maps(trust: Trust) -> dict[str, Figure]:
    """Scores of every channel, task and measure: see `score_maps`."""
    return score_maps(_frames(trust), trust.tasks)


def draw_matrix(trust: Trust) -> dict[str, Figure]:
    """Rank agreement between the measures: see `agreement_matrix`."""
    return agreement_matrix(_frames(trust))


def draw_trust(trust: Trust) -> dict[str, Figure]:
    """Measures by their mean correlation with damage at 1 bit, best above; a measure without one is left out."""
    found = trust.agreements
    settings = [setting for setting in MARKERS if setting in set(found["setting"])]
    order = [name for name in trust.ranked(settings[-1]) if _has(found, name)]
    if not order:
        return {}
    figure = new_figure(ROW * len(order) + 1.1)
    panels = figure.subplots(1, len(trust.tasks), sharex=True, sharey=True, squeeze=False)[0]
    for axes, task in zip(panels, trust.tasks, strict=True):
        axes.axvline(0, color="0.5", linewidth=0.8, zorder=1)
        for at, setting in enumerate(settings):
            rows = found[(found["task"] == task) & (found["setting"] == setting)].set_index("measure")
            _points(axes, rows.reindex(order), setting, (at - (len(settings) - 1) / 2) * 2 * SHIFT)
        axes.set_title(task)
        axes.grid(visible=False, axis="y")
    panels[0].set_yticks(range(len(order)), order)
    panels[0].set_ylim(len(order) - 0.5, -0.5)
    panels[0].set_xlim(min(-0.25, found["spearman_low"].min() - 0.05), 1.04)
    panels[0].set_xticks([-0.5, 0, 0.5, 1] if panels[0].get_xlim()[0] < -0.5 else [0, 0.5, 1])
    figure.supxlabel("Spearman's rho with damage on the test part", fontsize=9)
    entries = [handle(f"others at {name}", color=_colour(name), marker=MARKERS[name]) for name in settings]
    figure.legend(handles=entries, loc="outside upper center", ncols=len(entries))
    return {"trust": figure}


def _points(axes: Axes, rows: pd.DataFrame, setting: str, shift: float) -> None:
    places = [at + shift for at in range(len(rows))]
    axes.hlines(places, rows["spearman_low"], rows["spearman_high"], color=_colour(setting), linewidth=1.2, zorder=2)
    style: dict[str, Any] = {"color": _colour(setting), "marker": MARKERS[setting], "markersize": 4, "linestyle": ""}
    axes.plot(rows["spearman"], places, **style, zorder=3, clip_on=False)


def _colour(setting: str) -> tuple[float, ...]:
    return PALETTE[list(MARKERS).index(setting)]


def _has(found: pd.DataFrame, name: str) -> bool:
    return bool(found.loc[found["measure"] == name, "spearman"].notna().any())


def _frames(trust: Trust) -> dict[str, pd.DataFrame]:
    """Rows of scores by measure, in the order of the other figure."""
    rows = {str(name): frame for name, frame in trust.scores.groupby("measure", sort=False)}
    return {name: rows[name] for name in trust.ranked(list(MARKERS)[-1])}
