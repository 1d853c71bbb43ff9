"""Which of two measures gives the better fronts: paired statistics of a comparison's summary.

A pair is one (network, block): every measure was scored and searched on it, so that measures are compared within it.
The criterion is `corner_test`, larger is better. Each way of searching is a family of its own. The contrasts are
planned before any result is seen: each measure against random scores, and each against its best rival, which is chosen
on the search part, so that the test part decides nothing but the outcome.

Sources: J. Demšar (2006), "Statistical comparisons of classifiers over multiple data sets" (mean ranks, Friedman,
Nemenyi, critical difference); F. Wilcoxon (1945), "Individual comparisons by ranking methods"; S. Holm (1979), "A
simple sequentially rejective multiple test procedure"; A. Vargha and H. D. Delaney (2000), "A critique and improvement
of the CL common language effect size statistics" (A12); B. Efron (1979), "Bootstrap methods: another look at the
jackknife" (percentile interval; not BCa of Efron 1987, whose jackknife fails for medians).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from moo_fs.contracts import Floats, MooFsError
from moo_fs.seeds import stream

ENOUGH_PAIRS = 12
LEVEL = 0.05
RESAMPLES = 9999
CRITERION, CHOSEN_BY = "corner_test", "corner_search"
RANDOM, RIVAL = "against random", "against the best rival"  # kinds of contrasts
COLUMNS = ["way", "measure", "against", "kind", "pairs", "median_difference", "lowest", "highest", "low", "high"]
COLUMNS += ["p", "p_holm", "a12", "networks", "networks_alike"]


@dataclass(frozen=True)
class Roles:
    """Which labels are no candidates: the floor `random`, all `nulls` (random among them), the `upper` baselines.

    `own` are the user's: shown apart, and candidates like any other unless they are baselines.
    """

    random: str
    nulls: tuple[str, ...]
    upper: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Roles:
        """The roles that comparison.json names; its `upper` is one label, a list of them, or nothing."""
        upper = [about["upper"]] if isinstance(about["upper"], str) else about["upper"] or ()
        return cls(about["random"], tuple(about["nulls"]), tuple(upper), tuple(about.get("own", ())))

    @property
    def baselines(self) -> set[str]:
        """Nulls and upper baselines: never a rival."""
        return {self.random, *self.nulls, *self.upper}

    def name(self, measure: str) -> str:
        """What a measure is here: "null", "upper", "own" or nothing."""
        if measure in self.upper:
            return "upper"
        if measure in self.baselines:
            return "null"
        return "own" if measure in self.own else ""


def pairs_of(summary: pd.DataFrame, way: str, value: str = CRITERION) -> pd.DataFrame:
    """`value` of every pair (row: network, seed) and measure (column) under a way, in the order of the summary.

    Raises MooFsError if the way is unknown, or if a measure lacks a pair or has it twice.
    """
    mine = summary[summary["optimiser"] == way]
    if mine.empty:
        ways = ", ".join(dict.fromkeys(summary["optimiser"].astype(str)))
        raise MooFsError(f"comparison: wanted runs of '{way}', found only those of {ways or 'nothing'}; compare again")
    keys = ["network", "seed"]
    twice = mine[mine.duplicated([*keys, "measure"])]
    if len(twice):
        raise MooFsError(f"comparison: {_named(twice.iloc[0], way)} is there twice, wanted once; compare again")
    wide = mine.pivot(index=keys, columns="measure", values=value).astype(float).sort_index()
    for measure in wide.columns:
        if wide[measure].isna().any():
            network, seed = wide.index[wide[measure].isna()][0]
            missing = _named({"measure": measure, "network": network, "seed": seed}, way)
            raise MooFsError(f"comparison: {missing} is missing, wanted every measure in every block; compare again")
    return wide[list(dict.fromkeys(mine["measure"]))]


def mean_ranks(pairs: pd.DataFrame) -> pd.Series:
    """Rank of every measure within its pair, 1 = largest, ties share theirs; mean over pairs, best first."""
    ranks = pairs.rank(axis=1, ascending=False).mean()
    return ranks.sort_index().sort_values(kind="stable")


def friedman(pairs: pd.DataFrame) -> float:
    """The p of "all measures are alike" (Friedman's chi-square); nan below 12 pairs or 3 measures; 1 if all equal."""
    if len(pairs) < ENOUGH_PAIRS or pairs.shape[1] < 3:
        return math.nan
    if (pairs.nunique(axis=1) == 1).all():
        return 1.0
    return float(stats.friedmanchisquare(*(pairs[name] for name in sorted(map(str, pairs)))).pvalue)


def critical_difference(measures: int, pairs: int) -> float:
    """Mean ranks further apart than this differ (Nemenyi, family-wise 5 %; Demšar 2006, section 3.2.2).

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    if measures < 2:
        return math.nan
    quantile = stats.studentized_range.ppf(1 - LEVEL, measures, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(measures * (measures + 1) / (6 * pairs)))


def nemenyi(pairs: pd.DataFrame) -> pd.DataFrame:
    """Nemenyi's p of every two measures (measure x measure), from the distance of their mean ranks."""
    ranks = mean_ranks(pairs)
    count = len(ranks)
    distance = np.abs(np.subtract.outer(ranks.to_numpy(), ranks.to_numpy()))
    scaled = distance / math.sqrt(count * (count + 1) / (6 * len(pairs))) * math.sqrt(2)
    p = stats.studentized_range.sf(scaled, count, np.inf) if count > 1 else np.ones((1, 1))
    np.fill_diagonal(p, 1.0)
    return pd.DataFrame(p, index=ranks.index, columns=ranks.index)


def signed_rank_p(differences: ArrayLike) -> float:
    """Two-sided exact p of Wilcoxon's signed-rank test on paired differences (pair,).

    Zeros are left out, as Wilcoxon (1945) does; equal sizes share their ranks, and the distribution is counted over all
    signs with these very ranks, so that it is exact with ties too. All zero, or none: p = 1.

    >>> signed_rank_p([0.1, 0.2, 0.3, 0.4, 0.5])
    0.0625
    """
    kept = np.asarray(differences, dtype=np.float64)
    kept = kept[kept != 0]
    if not len(kept):
        return 1.0
    doubled = np.rint(2 * stats.rankdata(np.abs(kept))).astype(int)  # shared ranks are halves: doubled they are whole
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank]
    above = int(doubled[kept > 0].sum())
    smaller = min(above, int(doubled.sum()) - above)
    return min(1.0, float(2 * ways[: smaller + 1].sum() / 2.0 ** len(kept)))


def holm(p: Sequence[float] | Floats) -> Floats:
    """Holm's adjusted p of a family (test,): reject where it is at most the level.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def a12(ours: ArrayLike, theirs: ArrayLike) -> float:
    """How often a value of `ours` is larger than one of `theirs`, equal ones count half (Vargha & Delaney 2000).

    >>> a12([2, 3], [1, 2])
    0.875
    """
    first, second = np.asarray(ours)[:, None], np.asarray(theirs)[None, :]
    return float((first > second).mean() + (first == second).mean() / 2)


def median_interval(differences: Floats, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap percentile interval of the median of paired differences (pair,), 9999 resamples.

    The resamples depend on the number of pairs only: relabelling changes nothing, swapping the sides mirrors it.
    """
    drawn = stream(seed, "contrasts", "bootstrap").integers(len(differences), size=(RESAMPLES, len(differences)))
    medians = np.median(differences[drawn], axis=1)
    low, high = np.quantile(medians, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def best_rival(chosen_by: pd.DataFrame, measure: str, roles: Roles) -> str | None:
    """The other measure with the largest mean on the search part (pair x measure); no null, no upper baseline."""
    rivals = [name for name in sorted(map(str, chosen_by)) if name != measure and name not in roles.baselines]
    return max(rivals, key=lambda name: chosen_by[name].mean()) if rivals else None


def planned_contrasts(summary: pd.DataFrame, way: str, roles: Roles) -> pd.DataFrame:
    """The contrasts of one way (COLUMNS), a row each: every measure against random, then against its best rival.

    Nulls have no rival: the one question for them is whether they differ from random. Differences are measure minus
    `against`. Holm's family is all contrasts of the way; two measures that are each other's rivals count twice, which
    errs on the safe side. `networks_alike` counts the networks whose own median difference has the sign of all pairs':
    blocks of one network may give nearly the same front, so that p speaks of these networks only.

    Below 12 pairs `low`, `high`, `p` and `p_holm` are nan. Raises MooFsError for missing runs.
    """
    pairs = pairs_of(summary, way)
    if roles.random not in pairs:
        raise MooFsError(f"comparison: wanted '{roles.random}' among the measures of '{way}'; add it and compare again")
    chosen_by = pairs_of(summary, way, CHOSEN_BY)
    names = [str(name) for name in pairs]
    rivals = {name: best_rival(chosen_by, name, roles) for name in names if roles.name(name) != "null"}
    wanted = [(name, roles.random, RANDOM) for name in names if name != roles.random]
    wanted += [(name, rival, RIVAL) for name, rival in rivals.items() if rival]
    rows = [_contrast(pairs, *one) | {"way": way} for one in wanted]
    found = pd.DataFrame(rows, columns=COLUMNS)
    found["p_holm"] = holm(found["p"].to_numpy(dtype=float)) if len(pairs) >= ENOUGH_PAIRS else math.nan
    return found


def _contrast(pairs: pd.DataFrame, measure: str, against: str, kind: str) -> dict[str, Any]:
    paired = pairs[measure] - pairs[against]
    signs, differences = np.sign(paired.groupby(level="network").median()), paired.to_numpy()
    enough = len(pairs) >= ENOUGH_PAIRS
    low, high = median_interval(differences) if enough else (math.nan, math.nan)
    return {
        "measure": measure,
        "against": against,
        "kind": kind,
        "pairs": len(pairs),
        "median_difference": float(np.median(differences)),
        "lowest": float(differences.min()),
        "highest": float(differences.max()),
        "low": low,
        "high": high,
        "p": signed_rank_p(differences) if enough else math.nan,
        "a12": a12(pairs[measure], pairs[against]),
        "networks": len(signs),
        "networks_alike": int((signs == np.sign(np.median(differences))).sum()),
    }


def agreement(ranks: pd.Series, others: pd.Series) -> float:
    """Kendall's tau-b of two mean rankings over the measures that both have; nan for fewer than two."""
    both = sorted(set(ranks.index) & set(others.index))
    if len(both) < 2:
        return math.nan
    return float(stats.kendalltau(ranks[both], others[both]).statistic)


def _named(row: Any, way: str) -> str:
    return f"the run of '{row['measure']}' with '{way}' on network {row['network']}, block {row['seed']},"
