"""Tables of a search over pruned networks: the front of all runs, and published cutoffs held against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from moo_fs.results import Results
from moo_fs.tables.rendering import MISSING, Table, count, number

SHOWN = 12
MOST_ERROR = 0.5


def pruned_front_table(results: Results, joint: pd.DataFrame) -> Table:
    """Members of the front of all runs, lowest error first, and uniform shares; the CSV has all members."""
    good = joint[joint["error_test"] <= MOST_ERROR].sort_values(["error", "parameters_test"], kind="stable")
    places = np.linspace(0, max(len(good) - 1, 0), SHOWN).round().astype(int)
    picked = good.iloc[np.unique(places)] if len(good) else good
    whole = results.study["unpruned_error"]
    first = ("unpruned", MISSING, count(results.study["network"]["filters"]), points(1.0), points(1.0))
    rows: list[tuple[str, ...]] = [(*first, points(whole["search"]), points(whole["test"]))]
    rows += [_row(f"{one['optimiser']}", str(one["measure"]), one) for one in picked.to_dict("records")]
    uniform = results.baselines[results.baselines["setting"] < 1].sort_values("setting", ascending=False)
    base = [
        _row(f"uniform share {number(one['setting'])}", str(one["baseline"]).partition(", ")[2], one)
        for one in uniform.groupby("baseline", sort=False).head(2).to_dict("records")
    ]
    return Table(
        name="pruned-front",
        title="The front of all runs, with every layer cut alike for comparison",
        header=("found by", "order by", "filters", "parameters", "operations", "error, search", "error, test"),
        rows=tuple(rows + base),
        data=joint.drop(columns="bits"),
        note=f"Chosen on {results.study['search_images']} validation images; errors of all "
        f"{results.study['all_test_images']} test images, nothing retrained. Parameters and operations: share of the "
        f"unpruned network's. {len(joint)} members, {len(good)} of them with at most half of the images wrong.",
        rules=frozenset({1, len(rows)}),
        texts=2,
    )


def cutoff_table(results: Results, published: pd.DataFrame) -> Table | None:
    """Published cutoffs, medians over batches, and how many of their networks the front of all runs dominates."""
    if published.empty:
        return None
    keys = ["fine_tuned", "compensate", "what"]
    values = ["filters_kept", "parameters", "flops", "error_test"]
    groups = published.groupby(keys, sort=False)
    data = groups[values].median().join(groups["dominated"].agg(["sum", "size"])).reset_index()
    data = data.rename(columns={"sum": "dominated", "size": "networks"})
    return Table(
        name="pruned-cutoffs",
        title="Published cutoffs beside the front of all runs",
        header=(
            "published",
            "",
            "filters",
            "parameters",
            "operations",
            "error, test",
            "dominated",
        ),
        rows=tuple(_cutoff(row) for row in data.to_dict("records")),
        data=data,
        note="Formulation, cutoff and direction; medians over batches of images. Dominated: networks for which some "
        "member of the front, chosen on validation images, is no larger in parameters and operations and errs no more "
        "on the test images.",
        texts=2,
    )


def points(value: float) -> str:
    """A share in percent with 3 significant digits: errors of pruned networks differ in the third.

    >>> points(0.12214)
    '12.2 %'
    """
    return f"{number(100 * value)} %"


def _row(name: str, measure: str, one: dict[Any, Any]) -> tuple[str, ...]:
    shown = [points(one[key]) for key in ("parameters_test", "flops_test", "error", "error_test")]
    return (name, measure, count(one["filters_kept"]), *shown)


def _cutoff(row: dict[Any, Any]) -> tuple[str, ...]:
    how = ["fine-tuned"] * bool(row["fine_tuned"]) + ["compensated"] * bool(row["compensate"])
    shown = [points(row[key]) for key in ("parameters", "flops", "error_test")]
    against = f"{int(row['dominated'])} of {int(row['networks'])}"
    return (str(row["what"]), ", ".join(how), count(row["filters_kept"]), *shown, against)
