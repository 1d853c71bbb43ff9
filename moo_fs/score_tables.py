"""Scores as tables: rows of the archive, a channel a row, and how far two measures agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from moo_fs.contracts import Floats


def score_rows(
    measure: str,
    seed: int,
    tasks: Sequence[str],
    values: Floats,
    *,
    null: Floats | None,
    seconds: float,
    head_passes: float,
) -> pd.DataFrame:
    """Scores (channel, task) as rows of scores.parquet, tasks outer and channels inner."""
    channels = len(values)
    return pd.concat(
        pd.DataFrame(
            {
                "measure": measure,
                "seed": seed,
                "task": task,
                "channel": np.arange(channels),
                "score": values[:, column],
                "null": np.nan if null is None else float(null[column]),
                "seconds": seconds,
                "head_passes": head_passes,
            }
        )
        for column, task in enumerate(tasks)
    ).reset_index(drop=True)


def channel_table(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a channel and task, one column a measure; `frames` maps a measure to its rows of scores.parquet."""
    joined: pd.DataFrame | None = None
    for name, frame in frames.items():
        column = frame[["channel", "task", "score"]].rename(columns={"score": name})
        joined = column if joined is None else joined.merge(column, on=["channel", "task"], how="outer")
    if joined is None:
        return pd.DataFrame(columns=["channel", "task"])
    return joined.sort_values(["task", "channel"], kind="stable").reset_index(drop=True)


def rank_agreement(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Spearman's rank correlation of each pair of measures, mean over tasks: a square table, one row a measure.

    NaN where a measure is constant. Spearman, C. (1904), "The proof and measurement of association between two things".
    """
    table = channel_table(frames)
    rows = {name: dict.fromkeys(frames, 1.0) for name in frames}
    for first, second in itertools.combinations(frames, 2):
        found = [spearman(part[first], part[second]) for _, part in table.groupby("task")]
        rows[first][second] = rows[second][first] = float(np.mean(found))
    return pd.DataFrame([{"measure": name} | row for name, row in rows.items()])


def spearman(first: pd.Series, second: pd.Series) -> float:
    """Rank correlation, NaN if either side is constant."""
    if first.nunique() < 2 or second.nunique() < 2:
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)
