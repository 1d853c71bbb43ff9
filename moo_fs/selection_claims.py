"""The published claims on feature selection, each with what was measured here and whether it holds.

The claims are those of Ranjbar Alvar, S. and Bajić, I. V. (2024), "Compressive feature selection for remote visual
multi-task inference", as far as its abstract and summaries tell; how each is tested is our choice and fixed here. A1:
the order by mutual information is better than norm, proximity and random orders, task by task at equal rate, most so
for reconstruction; judged where each task has its own order, and there with one order for all tasks too. A2: orders
differ between tasks. A3: soft selection beats hard selection and one QP for all at equal bytes. A4: mutual information
is the best on more than half of the task weights; of how many orders is told, for each more leaves it less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contrasts import LEVEL
from moo_fs.numerals import correlation, count, equals, share, signed
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_curves import NULLS, Way, families
from moo_fs.selection_findings import (
    INFORMATION,
    contrasts,
    hard_way,
    mean_distortions,
    measures_of,
    order_agreements,
    weight_shares,
    with_holm,
)
from moo_fs.selection_plan import EACH, EQUAL, LOSSLESS
from moo_fs.task_weights import NORMALISATIONS
from moo_fs.weight_shares import MORE, majority_ranges, verdict

RIVALS = ("l2-norm", "geometric-median", "random")  # norm, proximity, chance
BASE_SHARE = 0.25  # of soft selection, or the nearest that was run: our choice, fixed before the studies ran
OWN_ORDER, ONE_ORDER = "each task's own order", "one order for all tasks"
HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided"
COLUMNS = ["claim", "subject", "what", "measured", "interval", "verdict"]


def claims_of(results: SelectionResults) -> pd.DataFrame:
    """A row a claim that this study can answer, family by family: see COLUMNS."""
    rows: list[dict[str, Any]] = []
    for family in families(results):
        known = measures_of(results)
        if INFORMATION in known and "hard" in results.settings["methods"] and len(set(RIVALS) & set(known)) == 3:
            if EACH in results.settings["task_weights"]:
                rows += [*_orders_better(results, family), *_orders_differ(results, family)]
            if EQUAL in results.settings["task_weights"]:
                rows += _weights(results, family)
        if "soft" in results.settings["methods"]:
            rows += _soft(results, family)
    return pd.DataFrame(rows, columns=COLUMNS)


def information_variants(results: SelectionResults) -> list[str]:
    """Labels of mutual information in every setting and estimator that was run: no rivals of one another."""
    return [name for name in measures_of(results) if name.startswith(INFORMATION)]


def own_orders(
    results: SelectionResults, family: str, measures: Sequence[str], *, beside: Sequence[Way] = ()
) -> pd.DataFrame:
    """`mean_distortions` of hard selection where every task is judged under the order for itself alone."""
    found = []
    for task in results.tasks(families(results)[family][0]):
        ways = [hard_way(results, name, task) for name in measures]
        values = mean_distortions(results, family, ways, beside=beside)
        if len(values):
            found.append(values[values["task"] == task])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def information_contrasts(
    results: SelectionResults, family: str, measures: Sequence[str] = (INFORMATION,)
) -> pd.DataFrame:
    """`measures` against each of RIVALS for each task at equal bytes, Holm over all rows.

    Column `order` beside those of `contrasts`: each task under its own order, then all under one, as far as they were
    run. Each measure is compared at the bytes that it and the RIVALS reach.
    """
    tasks = results.tasks(families(results)[family][0])
    kinds, found = results.settings["task_weights"], []
    for measure in measures:
        names = (measure, *RIVALS)
        both = {
            OWN_ORDER: own_orders(results, family, names) if EACH in kinds else pd.DataFrame(),
            ONE_ORDER: mean_distortions(results, family, [hard_way(results, name) for name in names])
            if EQUAL in kinds
            else pd.DataFrame(),
        }
        pairs = [(measure, rival) for rival in RIVALS]
        found += [contrasts(values, pairs, tasks).assign(order=order) for order, values in both.items() if len(values)]
    return with_holm(pd.concat(found, ignore_index=True)) if found else pd.DataFrame()


def soft_measure(results: SelectionResults) -> str:
    """Whose order soft selection is judged by: mutual information's, or that of the first measure that is no null."""
    known = measures_of(results)
    candidates = [name for name in known if name.partition("[")[0] not in NULLS]
    return INFORMATION if INFORMATION in known else (candidates or known)[0]


def soft_ways(results: SelectionResults, measure: str | None = None) -> dict[str, tuple[Way, Way]]:
    """QP of the base -> soft selection with the base nearest to BASE_SHARE, and hard selection, which drops the rest.

    Of `measure`, or else of `soft_measure`.
    """
    ordered = measure or soft_measure(results)
    nearest = min(results.settings["bases"], key=lambda base: abs(base - BASE_SHARE))
    return {
        qp: (
            Way("soft", ordered, fixed=(("base_share", nearest), ("base_qp", qp))),
            Way("hard", ordered, fixed=(("base_qp", qp),)),
        )
        for qp in map(str, results.settings["base_qps"])
    }


def soft_contrasts(results: SelectionResults, family: str) -> pd.DataFrame:
    """Soft selection against hard selection and against one QP, at equal bytes, pair by pair of ways.

    Columns of `contrasts`, Holm over all rows, and base_share, base_qp and measure of the soft one.
    """
    tasks = results.tasks(families(results)[family][0])
    found = []
    for qp, (soft, hard) in soft_ways(results).items():
        told = {"base_share": dict(soft.fixed)["base_share"], "base_qp": qp, "measure": soft.measure}
        for rival in (hard, Way("one-qp")):
            values = mean_distortions(results, family, [soft, rival])
            if len(values):
                found.append(contrasts(values, [(soft.label, rival.label)], tasks).assign(**told))
    return with_holm(pd.concat(found, ignore_index=True)) if found else pd.DataFrame()


def _orders_better(results: SelectionResults, family: str) -> Iterator[dict[str, Any]]:
    found = information_contrasts(results, family)
    for row in found.to_dict("records"):
        what = f"{row['task']}: mutual information's order has less distortion than {row['against']}'s ({row['order']})"
        yield _row("A1", family, what, row)
    for order, rows in found.groupby("order", sort=False) if len(found) else ():
        medians = rows.pivot(index="against", columns="task", values="median")
        if "reconstruction" in medians:
            largest = medians.idxmin(axis=1)
            told = ", ".join(f"{rival}: {task}" for rival, task in largest.items())
            verdict_ = HOLDS if (largest == "reconstruction").all() and (medians.min(axis=1) < 0).all() else FAILS
            what = f"the gain is largest for reconstruction ({order})"
            yield dict(zip(COLUMNS, ("A1", family, what, f"largest gain, {told}", "", verdict_), strict=True))


def _orders_differ(results: SelectionResults, family: str) -> Iterator[dict[str, Any]]:
    """Differ: two tasks' scores agree less than one task's scores from two draws of images do."""
    found = order_agreements(results, family, INFORMATION)
    draws = found[found["what"] == "draws"]
    for row in found[found["what"] == "tasks"].to_dict("records"):
        noise = draws[draws["first"].isin([row["first"], row["second"]])]
        sure = not draws.empty and row["high"] < noise["low"].min()
        unclear = not np.isfinite(row["high"]) or (not sure and row["mean"] < noise["mean"].min())
        measured = f"rho {correlation(row['mean'])}; between draws {correlation(noise['mean'].min())}"
        interval = _interval(row["low"], row["high"], row["lowest"], row["highest"], correlation)
        what = f"the orders of {row['first']} and {row['second']} differ by more than two draws of images do"
        verdict_ = OPEN if unclear else HOLDS if sure else FAILS
        yield dict(zip(COLUMNS, ("A2", family, what, measured, interval, verdict_), strict=True))


def _soft(results: SelectionResults, family: str) -> Iterator[dict[str, Any]]:
    for row in soft_contrasts(results, family).to_dict("records"):
        rival = "hard selection" if row["against"].startswith("hard") else "one QP for all channels"
        quality = LOSSLESS if row["base_qp"] == LOSSLESS else f"QP {row['base_qp']}"
        soft = f"soft selection by {row['measure']} (base of {row['base_share'] * 100:g} %, {quality})"
        yield _row("A3", family, f"{row['task']}: {soft} has less distortion than {rival}", row)


def _weights(results: SelectionResults, family: str) -> Iterator[dict[str, Any]]:
    variants = {*information_variants(results)} - {INFORMATION}
    measures = [name for name in measures_of(results) if name not in variants]
    for how in NORMALISATIONS:
        found = weight_shares(results, family, [hard_way(results, name) for name in measures], how, images=False)
        if found is None:
            continue
        at, mean, rates = measures.index(INFORMATION), found["mean"], found["rates"]
        low, high = float(mean.low[at]), float(mean.high[at])
        told = verdict(low, high)
        interval = _interval(low, high, float(mean.lowest[at]), float(mean.highest[at]), share)
        what = f"of {len(measures)} orders, mutual information's is best on more than half of the task weights"
        above = above_half(rates, found["shares"].value[:, at])
        ends = f"{count(rates[0])} to {count(rates[-1])} bytes"
        measured = f"{share(float(mean.value[at]))}; of {ends} above one half {above}"
        verdict_ = HOLDS if told == MORE else OPEN if not np.isfinite(low) or low < 0.5 < high else FAILS
        named = f"{what} ({how} distortions)"
        yield dict(zip(COLUMNS, ("A4", family, named, measured, interval, verdict_), strict=True))


def above_half(rates: Iterable[float], shares: Iterable[float]) -> str:
    """At which bytes a share exceeds one half, in words.

    >>> above_half([100, 200, 400, 800], [0.9, 0.6, 0.4, 0.7])
    'at 100 to 200, 800'
    """
    ranges = majority_ranges(list(rates), list(shares))
    told = [count(low) if low == high else f"{count(low)} to {count(high)}" for low, high in ranges]
    return f"at {', '.join(told)}" if told else "nowhere"


def _row(claim: str, family: str, what: str, row: Mapping[Any, Any]) -> dict[str, Any]:
    """A contrast as a claim: less distortion, after Holm."""
    sure = np.isfinite(row["p_holm"]) and row["p_holm"] < LEVEL
    verdict_ = (HOLDS if row["median"] < 0 else FAILS) if sure else OPEN if row["median"] < 0 else FAILS
    measured = f"{signed(row['median'])}" + (f", p {equals(row['p_holm'])}" if np.isfinite(row["p_holm"]) else "")
    interval = _interval(row["low"], row["high"], row["lowest"], row["highest"], signed)
    return dict(zip(COLUMNS, (claim, family, what, measured, interval, verdict_), strict=True))


def _interval(low: float, high: float, lowest: float, highest: float, shown: Any) -> str:
    """The 95 % interval over blocks; below 12 blocks the range."""
    if np.isfinite(low):
        return f"{shown(low)} to {shown(high)}"
    return f"range {shown(lowest)} to {shown(highest)}"
