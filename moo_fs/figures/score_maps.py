"""Scores as pictures: channel by task for each measure, and how far measures agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from moo_fs.contracts import Floats
from moo_fs.figures.style import WIDTH, new_figure
from moo_fs.results import Results
from moo_fs.score_tables import rank_agreement

REFERENCE = "sensitivity"


def draw_scores(results: Results) -> dict[str, Figure]:
    """The scores of a study, medians over blocks: see `score_maps`."""
    return score_maps(median_scores(results), results.tasks)


def score_maps(frames: Mapping[str, pd.DataFrame], tasks: Sequence[str]) -> dict[str, Figure]:
    """A strip a measure, a row a task, each row divided by its largest; channels in one order for all measures.

    `frames` maps a measure to its rows (task, channel, score).
    """
    tables = {name: _normalised(frame, tasks) for name, frame in frames.items()}
    tables = {name: table for name, table in tables.items() if len(table)}
    if not tables:
        return {}
    guide = tables.get(REFERENCE)
    ranked = guide if guide is not None else pd.concat(tables.values())
    order = ranked.mean(axis=0).sort_values(ascending=False, kind="stable").index
    strips = {name: _collapsed(table[order]) for name, table in tables.items()}
    heights = [len(strip) for strip in strips.values()]
    figure = new_figure(0.9 + 0.17 * sum(heights) + 0.1 * len(strips))
    grid = figure.subplots(len(strips), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    norm = PowerNorm(0.5, vmin=0, vmax=1)  # scores are heavy-tailed: small ones must be seen too
    for axes, (name, strip) in zip(grid, strips.items(), strict=True):
        axes.imshow(strip.to_numpy(), aspect="auto", cmap="viridis", norm=norm, interpolation="nearest")
        axes.grid(visible=False)
        axes.set_yticks(range(len(strip)), strip.index)
        axes.tick_params(left=False, bottom=False, labelbottom=False, labelleft=False, labelright=True)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    by = f"mean {REFERENCE}" if guide is not None else "mean score"
    grid[-1].set_xlabel(f"channel ({len(order)}, sorted by {by})")
    bar = figure.colorbar(
        ScalarMappable(norm, "viridis"), ax=list(grid), location="bottom", shrink=0.5, aspect=30, pad=0.02
    )
    bar.set_ticks([0, 0.1, 0.25, 0.5, 1], labels=["0", "0.1", "0.25", "0.5", "1"])
    bar.set_label("score / largest of the row (colours by its square root)")
    return {"scores": figure}


def draw_agreement(results: Results) -> dict[str, Figure]:
    """Rank agreement between the measures of a study: see `agreement_matrix`."""
    return agreement_matrix(median_scores(results))


def agreement_matrix(frames: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Spearman's rank correlation of each pair of measures, mean over tasks; `frames` as of `score_maps`."""
    if len(frames) < 2:
        return {}
    table = rank_agreement(dict(frames)).set_index("measure")
    values, names = table.to_numpy(dtype=np.float64), list(table.index)
    side = max(3.2, 1.9 + 0.5 * len(names))  # wider than a page for many measures, so that every number has room
    figure = new_figure(side * 0.85, width=max(min(WIDTH, side + 0.6), side))
    axes = figure.subplots()
    image = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    axes.grid(visible=False)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.2f}" if np.isfinite(value) else "–"
        axes.text(column, row, text, ha="center", va="center", color="white" if abs(value) > 0.65 else "black")
    figure.colorbar(image, ax=axes, shrink=0.8).set_label("Spearman,\nmean over tasks")
    return {"agreement": figure}


def median_scores(results: Results) -> dict[str, pd.DataFrame]:
    """Each measure's scores, medians over blocks: columns channel, task, score; measures in the study's order."""
    scores = results.scores
    known = list(dict.fromkeys([*results.measures, *scores["measure"]]))
    found = {}
    for name in known:
        mine = scores[(scores["measure"] == name) & scores["task"].isin(results.tasks)]
        if len(mine):
            found[name] = mine.groupby(["task", "channel"], as_index=False, sort=True)["score"].median()
    return found


def _normalised(frame: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Scores (task, channel): negative ones 0, each row divided by its largest."""
    wide = frame.pivot_table(index="task", columns="channel", values="score").clip(lower=0.0)
    wide = wide.loc[[task for task in tasks if task in wide.index]]
    largest: Floats = wide.max(axis=1).to_numpy()
    return wide.div(np.where(largest > 0, largest, 1.0), axis=0)


def _collapsed(table: pd.DataFrame) -> pd.DataFrame:
    """One row if a measure does not tell tasks apart."""
    if len(table) > 1 and np.allclose(table.to_numpy(), table.to_numpy()[:1]):
        return table.iloc[:1].set_axis(["all tasks"], axis=0)
    return table
