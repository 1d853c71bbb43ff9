"""Tables of a search over pruned networks: the front of all runs, and what is held against it.

Those are every layer cut alike, at equal sizes, and the cutoffs of a pruning study.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.results import Results
from moo_fs.tables.rendering import MISSING, Table, count, number

SHOWN = 12
MOST_ERROR = 0.5
# Ours: where the front errs on more, twice what ten classes give by chance, there is nothing to compare.
GUESSING = 0.8
SIZES = {"parameters": "parameter_count", "flops": "flop_count"}
COUNTS = list(SIZES.values())


def pruned_front_table(results: Results, joint: pd.DataFrame) -> Table:
    """Members of the front of all runs, lowest error first, and uniform shares; the CSV has all members."""
    good = joint[joint["error_test"] <= MOST_ERROR].sort_values(["error", *COUNTS], kind="stable")
    places = np.linspace(0, max(len(good) - 1, 0), SHOWN).round().astype(int)
    picked = good.iloc[np.unique(places)] if len(good) else good
    whole = results.study["unpruned_error"]
    first = ("unpruned", MISSING, count(results.study["network"]["filters"]), points(1.0), points(1.0))
    rows: list[tuple[str, ...]] = [(*first, points(whole["search"]), points(whole["test"]))]
    rows += [_row(results, f"{one['optimiser']}", str(one["measure"]), one) for one in picked.to_dict("records")]
    uniform = results.baselines[results.baselines["setting"] < 1].sort_values("setting", ascending=False)
    base = [
        _row(results, f"uniform share {number(one['setting'])}", _order_of(one), one)
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


def against_uniform(results: Results, joint: pd.DataFrame) -> pd.DataFrame:
    """For every order and uniform share below 1 the member of the front that is no larger in either size.

    A row an order (`measure`) and share of filters (`setting`): `parameters`, `flops`, `error`, `error_test` of the
    uniform cut; of the member with the least error on the search part `front_measure`, `optimiser`, and the same
    columns with `front_` before them, NaN where no member is as small; `own_error` and `own_error_test`, those of the
    best network of all runs with the uniform cut's own order, on the images of the runs' test part. Sizes are shares,
    other errors those of the search part and of all test images.
    """
    runs, rows = results.fronts(), []
    for cut in results.baselines[results.baselines["setting"] < 1].to_dict("records"):
        measure = _order_of(cut)
        row = {"measure": measure, "setting": cut["setting"], **_shares(results, cut)}
        for one in _as_small(joint, cut).to_dict("records"):
            row |= {"front_measure": one["measure"], "optimiser": one["optimiser"]}
            row |= {f"front_{name}": value for name, value in _shares(results, one).items()}
        for one in _as_small(runs[runs["measure"] == measure], cut).to_dict("records"):
            row |= {f"own_{name}": one[name] for name in ("error", "error_test")}
        rows.append(row)
    values = [*SIZES, "error", "error_test"]
    front = ["front_measure", "optimiser", *[f"front_{name}" for name in values]]
    columns = ["measure", "setting", *values, *front, "own_error", "own_error_test"]
    return pd.DataFrame(rows, columns=columns).sort_values("setting", ascending=False, kind="stable")


def telling(against: pd.DataFrame) -> pd.DataFrame:
    """Of `against_uniform` the shares at which the front's member classifies more than one in five test images."""
    return against[against["front_error_test"] <= GUESSING]


def uniform_table(results: Results, joint: pd.DataFrame) -> Table | None:
    """The front against every layer cut alike, at sizes that are no larger; None where the front only guesses."""
    against = against_uniform(results, joint)
    shown = telling(against).to_dict("records")
    if not shown:
        return None
    starts = [at for at in range(1, len(shown)) if shown[at]["setting"] != shown[at - 1]["setting"]]
    return Table(
        name="pruned-uniform",
        title="The front of all runs against uniform shares, no larger in either size",
        header=(
            "uniform share", "order by", "parameters", "operations", "error, test",
            "front: order by", "parameters", "operations", "error, test", "same order",
        ),
        rows=tuple(_against(row) for row in shown),
        data=against,
        note="Left of the front: every layer at one share of its filters. Front: of all members that are no larger in "
        "parameters and in operations the one with the fewest errors on the validation images; errors of all test "
        "images, nothing retrained. Same order: the best network of all runs as small as that, in the order of the "
        f"uniform share, on {results.study['test_images']} test images. Smaller shares, at which the front's member "
        f"errs on more than {100 * GUESSING:g} % of the test images, are in the CSV.",
        rules=frozenset(starts),
        texts=2,
    )  # fmt: skip


def cutoff_table(results: Results, published: pd.DataFrame) -> Table | None:
    """Cutoffs of a pruning study, medians over networks, and how many of these the front of all runs dominates."""
    if published.empty:
        return None
    data = _by_cutoff(published)
    return Table(
        name="pruned-cutoffs",
        title=f"Cutoffs of {results.study['published']} beside the front of all runs",
        header=("cutoff", "is", "", "filters", "parameters", "operations", "error, test", "networks", "dominated"),
        rows=tuple(_cutoff(row) for row in data.to_dict("records")),
        data=data,
        note="Formulation, cutoff and direction; medians over distinct networks, those of other batches of images or "
        f"of another draw of training among them: {len(published)} in all. Variants that cut no other networks than "
        "the one named are counted behind it. Is: published, a published cutoff (scree, x-means, permutation); "
        "raised, one with a tolerance of its own; ours, a fixed share. Compensated: means in the place of missing "
        "filters, ours too. Dominated: networks for which some member of the front, chosen on validation images, with "
        "zeros in their place, is no larger in parameters and operations and errs no more on the test images.",
        texts=3,
    )


def points(value: float) -> str:
    """A share in percent with 3 significant digits: errors of pruned networks differ in the third.

    >>> points(0.12214)
    '12.2 %'
    """
    return f"{number(100 * value)} %"


def _row(results: Results, name: str, measure: str, one: dict[Any, Any]) -> tuple[str, ...]:
    values = _shares(results, one)
    return (name, measure, count(one["filters_kept"]), *[points(value) for value in values.values()])


def _cutoff(row: dict[Any, Any]) -> tuple[str, ...]:
    how = ["fine-tuned"] * bool(row["fine_tuned"]) + ["compensated"] * bool(row["compensate"])
    first, *others = str(row["what"]).split("; ")
    name = f"{first} (and {len(others)} more)" if others else first
    shown = [points(row[key]) for key in ("parameters", "flops", "error_test")]
    counts = [count(row[key]) for key in ("networks", "dominated")]
    return (name, str(row["kind"]), ", ".join(how), count(row["filters_kept"]), *shown, *counts)


def _by_cutoff(published: pd.DataFrame) -> pd.DataFrame:
    """A row a variant; one that made no network which another did not make too is named with that one."""
    keys = ["fine_tuned", "compensate", "kind"]
    rows: list[dict[str, Any]] = []
    for key, part in published.groupby(keys, sort=False):
        made: dict[str, set[int]] = {}
        for at, names in part["what"].items():
            for name in str(names).split("; "):
                made.setdefault(name, set()).add(int(at))  # type: ignore[call-overload]
        groups: dict[frozenset[int], list[str]] = {}
        for name in sorted(made, key=lambda name: -len(made[name])):
            within = next((group for group in groups if made[name] <= group), frozenset(made[name]))
            groups.setdefault(within, []).append(name)
        for group, names in groups.items():
            mine = published.loc[sorted(group)]
            middle = {name: float(mine[name].median()) for name in ("filters_kept", *SIZES, "error_test")}
            sums = {"networks": len(mine), "dominated": int(mine["dominated"].sum())}
            rows.append({**dict(zip(keys, key, strict=True)), "what": "; ".join(names), **middle, **sums})
    return pd.DataFrame(rows).sort_values(["fine_tuned", "compensate", "kind", "parameters"], kind="stable")


def _order_of(cut: Mapping[Any, Any]) -> str:
    """The measure of a baseline, "uniform share, MEASURE"."""
    return str(cut["baseline"]).partition(", ")[2]


def _as_small(networks: pd.DataFrame, cut: Mapping[Any, Any]) -> pd.DataFrame:
    """Of networks that are no larger than `cut` in either size the one with the least error on the search part."""
    fits = networks[(networks[COUNTS] <= [cut[name] for name in COUNTS]).all(axis=1)]
    return fits.sort_values(["error", *COUNTS], kind="stable").head(1)


def _shares(results: Results, one: Mapping[Any, Any]) -> dict[str, float]:
    """Sizes of a network as shares of the whole one's, and its errors."""
    whole = results.study["network"]
    sizes = {name: one[counts] / whole[name] for name, counts in SIZES.items()}
    return {**sizes, "error": one["error"], "error_test": one["error_test"]}


def _against(row: dict[Any, Any]) -> tuple[str, ...]:
    uniform = [points(row[key]) for key in (*SIZES, "error_test")]
    front = [points(row[f"front_{key}"]) for key in (*SIZES, "error_test")]
    own = points(row["own_error_test"])
    return (number(row["setting"]), row["measure"], *uniform, row["front_measure"], *front, own)
