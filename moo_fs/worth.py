"""Is a subject worth searching? Do its tasks conflict, and does an allocation beat one step for all channels?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from moo_fs.contracts import Floats
from moo_fs.results import Results, values_of
from moo_fs.score_tables import spearman

EACH = 0.90
MEAN = 0.75
CORRELATION = 0.6
MEASURE = "sensitivity"
STEP = "uniform-step"


@dataclass(frozen=True)
class Worth:
    """An allocation at half the rate of uniform 1 bit, chosen on the search part, measured on the test part.

    `limit` is that half rate and `rate` the allocation's on the test part, both kbit per image; `found` and `step` are
    distortions (task,) on the test part at that rate, `ratios` their quotients. NaN where `uniform-step` has no point
    on both sides of the rate, or no positive distortion.
    """

    run: str
    trial: int
    limit: float
    rate: float
    tasks: tuple[str, ...]
    found: Floats
    step: Floats

    @property
    def ratios(self) -> Floats:
        """Distortions as a share of uniform-step's at the same rate (task,)."""
        return np.asarray(self.found / np.where(self.step > 0, self.step, np.nan))

    @property
    def mean(self) -> float:
        """Mean of the ratios."""
        return float(np.mean(self.ratios))

    @property
    def holds(self) -> bool:
        """Whether every ratio is at most 0.90 and their mean at most 0.75; False if one could not be measured."""
        return bool((self.ratios <= EACH).all()) and self.mean <= MEAN


def step_distortion(rates: ArrayLike, values: ArrayLike, rate: float) -> float:
    """A baseline's distortion at a rate, log-linear between its two neighbouring points; NaN outside of them.

    `rates` and `values` (point,). If a neighbour's distortion is not positive, the values themselves are interpolated.

    >>> round(step_distortion([2.0, 4.0], [0.4, 0.1], 3.0), 6)
    0.2
    """
    order = np.argsort(np.asarray(rates, dtype=np.float64), kind="stable")
    x, y = (np.asarray(one, dtype=np.float64)[order] for one in (rates, values))
    if not len(x) or not x[0] <= rate <= x[-1]:
        return float("nan")
    right = max(1, int(np.searchsorted(x, rate))) if len(x) > 1 else 0
    near = slice(max(0, right - 1), right + 1)
    if (y[near] > 0).all():
        return float(np.exp(np.interp(rate, x[near], np.log(y[near]))))
    return float(np.interp(rate, x[near], y[near]))


def step_distortions(results: Results, rate: float, part: str) -> Floats:
    """`uniform-step`'s distortions (task,) at a rate in kbit, on a part."""
    values = values_of(results.baselines[results.baselines["baseline"] == STEP], results.objectives, part)
    return np.array([step_distortion(values[:, 0], column, rate) for column in values[:, 1:].T])


def at_half_rate(results: Results) -> Worth | None:
    """The allocation with which a search does best at half the rate of uniform 1 bit, measured on the test part.

    Chosen on the search part alone, among all runs' fronts at no more than that rate: least excess over what is wanted
    (each task's share of `uniform-step`'s distortion at the half rate over 0.90, their mean over 0.75, whichever is
    larger). None if there is no such allocation or no `uniform-step`.
    """
    baselines, fronts = results.baselines, results.fronts()
    one_bit = baselines[(baselines["baseline"] == "uniform") & (baselines["setting"] == 1)]
    if one_bit.empty or fronts.empty:
        return None
    limit = float(one_bit["rate_kbit"].iloc[0]) / 2
    step = step_distortions(results, limit, "search")
    low = fronts[fronts["rate_kbit"] <= limit].reset_index(drop=True)
    if low.empty or not np.isfinite(step).all() or (step <= 0).any():
        return None
    shares = values_of(low, results.objectives)[:, 1:] / step
    excess = np.maximum(shares.max(axis=1) / EACH, shares.mean(axis=1) / MEAN)
    row = low.iloc[int(np.argmin(excess))]
    test = values_of(row.to_frame().T, results.objectives, "test")[0]
    return Worth(
        run=str(row["run"]),
        trial=int(row["trial"]),
        limit=limit,
        rate=float(test[0]),
        tasks=results.tasks,
        found=test[1:],
        step=step_distortions(results, float(test[0]), "test"),
    )


def sensitivity_correlations(results: Results) -> pd.DataFrame:
    """Spearman's correlations between tasks' measured sensitivities: columns task, other, median, lowest, highest.

    Over channels, then over blocks; empty if the study has no `sensitivity` scores or one task only.
    """
    scores = results.scores[results.scores["measure"] == MEASURE]
    rows = []
    for first, second in itertools.combinations(results.tasks, 2):
        found = []
        for _, block in scores.groupby("seed"):
            wide = block.pivot_table(index="channel", columns="task", values="score")
            if {first, second} <= set(wide.columns):
                found.append(spearman(wide[first], wide[second]))
        if found:
            values = np.array(found)
            rows.append((first, second, float(np.median(values)), float(values.min()), float(values.max())))
    return pd.DataFrame(rows, columns=["task", "other", "median", "lowest", "highest"])
