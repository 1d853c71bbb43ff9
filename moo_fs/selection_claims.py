"""The published claims on feature selection, each with what was measured here and whether it holds.

The claims are those of Ranjbar Alvar, S. and Bajić, I. V. (2024), "Compressive feature selection for remote visual
multi-task inference", as far as its abstract and summaries tell; how each is tested is our choice and fixed here. A1:
the order by mutual information is better than norm, proximity and random orders, task by task at equal rate, most so
for reconstruction. A2: orders differ between tasks. A3: soft selection beats hard selection and one QP for all at equal
bytes. A4: mutual information is the best on more than half of the task weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contrasts import LEVEL
from moo_fs.numerals import correlation, equals, share, signed
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_curves import Way, families
from moo_fs.selection_findings import (
    INFORMATION,
    contrasts,
    hard_way,
    mean_distortions,
    measures_of,
    order_agreements,
    weight_shares,
)
from moo_fs.selection_plan import EACH, EQUAL
from moo_fs.task_weights import NORMALISATIONS
from moo_fs.weight_shares import MORE, verdict

RIVALS = ("l2-norm", "geometric-median", "random")  # norm, proximity, chance
BASE_SHARE = 0.25  # of soft selection: our choice, fixed before the studies ran
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
            if results.settings["task_weights"] == [EQUAL]:
                rows += _weights(results, family)
        if INFORMATION in known and "soft" in results.settings["methods"]:
            rows += _soft(results, family)
    return pd.DataFrame(rows, columns=COLUMNS)


def own_orders(results: SelectionResults, family: str, measures: Sequence[str]) -> pd.DataFrame:
    """`mean_distortions` of hard selection where every task is judged under the order for itself alone."""
    tasks = results.tasks(families(results)[family][0])
    found = [
        values[values["task"] == task]
        for task in tasks
        if len(values := mean_distortions(results, family, [hard_way(results, name, task) for name in measures]))
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def information_contrasts(results: SelectionResults, family: str) -> pd.DataFrame:
    """Mutual information against each of RIVALS for each task, each task under its own order at equal bytes."""
    tasks = results.tasks(families(results)[family][0])
    values = own_orders(results, family, (INFORMATION, *RIVALS))
    return contrasts(values, [(INFORMATION, rival) for rival in RIVALS], tasks) if len(values) else pd.DataFrame()


def soft_ways(results: SelectionResults, measure: str = INFORMATION) -> dict[str, tuple[Way, Way]]:
    """QP of the base -> soft selection at BASE_SHARE, and hard selection, which drops the enhancement."""
    return {
        qp: (
            Way("soft", measure, fixed=(("base_share", BASE_SHARE), ("base_qp", qp))),
            Way("hard", measure, fixed=(("base_qp", qp),)),
        )
        for qp in map(str, results.settings["base_qps"])
    }


def soft_contrasts(results: SelectionResults, family: str) -> pd.DataFrame:
    """Soft selection at BASE_SHARE against hard selection and against one QP, at equal bytes, pair by pair of ways."""
    tasks = results.tasks(families(results)[family][0])
    found = []
    for soft, hard in soft_ways(results).values():
        for rival in (hard, Way("one-qp")):
            values = mean_distortions(results, family, [soft, rival])
            found.append(contrasts(values, [(soft.label, rival.label)], tasks) if len(values) else pd.DataFrame())
    return pd.concat(found, ignore_index=True)


def _orders_better(results: SelectionResults, family: str) -> Iterator[dict[str, Any]]:
    found = information_contrasts(results, family)
    for row in found.to_dict("records"):
        what = f"{row['task']}: mutual information's order has less distortion than {row['against']}'s"
        yield _row("A1", family, what, row)
    medians = found.pivot(index="against", columns="task", values="median") if len(found) else pd.DataFrame()
    if "reconstruction" in medians:
        largest = medians.idxmin(axis=1)
        told = ", ".join(f"{rival}: {task}" for rival, task in largest.items())
        verdict_ = HOLDS if (largest == "reconstruction").all() and (medians.min(axis=1) < 0).all() else FAILS
        what = "the gain is largest for reconstruction"
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
        base = row["way"].partition(", QP")[2].partition(")")[0]
        quality = f"base at QP{base}" if base else "lossless base"
        yield _row("A3", family, f"{row['task']}: soft selection ({quality}) has less distortion than {rival}", row)


def _weights(results: SelectionResults, family: str) -> Iterator[dict[str, Any]]:
    measures = measures_of(results)
    for how in NORMALISATIONS:
        found = weight_shares(results, family, [hard_way(results, name) for name in measures], how, images=False)
        if found is None:
            continue
        at, mean = measures.index(INFORMATION), found["mean"]
        low, high = float(mean.low[at]), float(mean.high[at])
        told = verdict(low, high)
        interval = _interval(low, high, float(mean.lowest[at]), float(mean.highest[at]), share)
        what = f"mutual information is best on more than half of the task weights ({how} distortions)"
        verdict_ = HOLDS if told == MORE else OPEN if not np.isfinite(low) or low < 0.5 < high else FAILS
        yield dict(zip(COLUMNS, ("A4", family, what, share(float(mean.value[at])), interval, verdict_), strict=True))


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
