"""What a pruning study says in raw numbers: which rows count, pairs of variants, other orders, stability of orders.

All of it describes: batches of images are few, so that ranges are given and no probability.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from moo_fs.contracts import Floats
from moo_fs.prune_file import CMI
from moo_fs.prune_studies.archive import ROW, Pruning
from moo_fs.prune_studies.jobs import BEST, SAME, UNPRUNED
from moo_fs.prune_studies.plan import with_common_width

# Twice what ten classes give by chance: below it accuracies tell no variants apart. Ours.
CHANCE = 0.2
POINTS = 100


def as_chosen(found: Pruning, rows: pd.DataFrame) -> pd.DataFrame:
    """Of rows of any file of the archive those filled as in the choices (means or zeros), before training on."""
    ours: pd.Series = rows["compensate"] == found.study["specification"]["compensate"]
    return rows.loc[ours & ~rows["fine_tuned"] & (rows["measure"] != UNPRUNED)]


def cuts(found: Pruning) -> pd.DataFrame:
    """Rows of cut networks as chosen, with `removed` and `drop`; see `with_drops`."""
    return as_chosen(found, with_drops(found))


def with_drops(found: Pruning) -> pd.DataFrame:
    """The summary with `removed` (share of filters), `third` (more than one) and `drop` (points of test accuracy)."""
    whole = found.unpruned
    return found.summary.assign(
        removed=1 - found.summary["filters_kept"] / whole["filters_kept"],
        third=3 * (whole["filters_kept"] - found.summary["filters_kept"]) > whole["filters_kept"],
        drop=POINTS * (whole["test_accuracy"] - found.summary["test_accuracy"]),
    )


def chosen(found: Pruning) -> pd.DataFrame:
    """Of every batch the variant of the grid that is chosen on validation images; see `runner.best_first`."""
    rows = published(cuts(found))
    grid = {tuple(one) for one in found.study["specification"]["variants"]}
    keys = zip(rows["formulation"], rows["cutoff"], rows["direction"], strict=True)
    return _best(rows[[key in grid for key in keys]])


def published(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the published method: conditional mutual information in one of its variants."""
    return rows[rows["measure"] == CMI]


def of_first_batch(found: Pruning, rows: pd.DataFrame) -> pd.DataFrame:
    """The published method's cuts on the first batch, as chosen, among rows of any file of the archive.

    Those with the width of all formulations are left out: they are there to compare formulations.
    """
    return own_width(published(as_chosen(found, rows[rows["seed"] == 0])))


def own_width(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows whose kernel widths are those of their own formulation."""
    return rows[~rows["formulation"].str.endswith(with_common_width(""))]


def filled(found: Pruning) -> str:
    """What stands in the place of missing filters where choices are made."""
    return "means in the place of missing filters" if found.study["specification"]["compensate"] else "zeros"


def pairs(rows: pd.DataFrame, layers: pd.DataFrame, column: str, first: str, second: str) -> pd.DataFrame:
    """Variants that differ in `column` alone, `first` less `second`: points of test accuracy and filters kept.

    `rows` and `layers` as of the archive. `telling`: the two do not cut the same filters, and one is above chance on
    the validation images. `settled`: both orders are determined as far as filters are kept.
    """
    settled = (layers["determined"] >= layers["kept"]).groupby([layers[name] for name in ROW], sort=False).all()
    which = layers.groupby(ROW, sort=False)["which"].agg("|".join).rename("which").reset_index()
    which = which.merge(settled.rename("settled").reset_index(), on=ROW)
    rows, keys = published(rows).merge(which, on=ROW), [name for name in ROW if name not in (column, "measure")]
    one, other = (rows[rows[column] == value].set_index(keys) for value in (first, second))
    both = one.index.intersection(other.index, sort=False)
    one, other = one.loc[both], other.loc[both]
    best = np.maximum(one["validation_accuracy"], other["validation_accuracy"])
    return pd.DataFrame(
        {
            "points": POINTS * (one["test_accuracy"] - other["test_accuracy"]),
            "filters": one["filters_kept"] - other["filters_kept"],
            "telling": (one["which"] != other["which"]) & (best > CHANCE),
            "settled": one["settled"] & other["settled"],
        }
    ).reset_index()


def stability(found: Pruning) -> pd.DataFrame:
    """A row a layer: how alike its orders are on different images, and how far each rule of widths determines them.

    `tau` Kendall's over pairs of batches, `half` the share of the first half that two batches have in common, their
    means and extremes; `tau_large`, `half_large` the means against the batch of twice the size; `determined_median`,
    `determined_published` steps of the first batch; `first_median`, `first_published` the entropy of its first map over
    ln N; `rise`, the largest rise of any curve in nats.
    """
    return pd.DataFrame([_stable(found, layer, filters) for layer, filters in found.filters.items()])


def against_rivals(found: Pruning) -> pd.DataFrame:
    """A row a measure and kind of counts: test accuracy over batches, and points below the published method's.

    At a fixed share the published method is the layers' own order ("per-layer"), which is the same in every direction;
    at other counts, those of the chosen variant, it is that variant. Controls of training on are not among them.
    """
    rows, best = _by_counts(found, cuts(found)), chosen(found).set_index("seed")["test_accuracy"]
    own = published(rows)
    own = own[(own["formulation"] == "per-layer") & (own["direction"] == "forward")]
    lines = []
    counts = dict.fromkeys(rows.loc[rows["measure"] != CMI, "cutoff"])
    for cutoff in (name for name in counts if name != BEST):
        ours = best if cutoff == SAME else own[own["cutoff"] == cutoff].set_index("seed")["test_accuracy"]
        lines.append(_rival(CMI, cutoff, ours, ours))
        mine = rows[(rows["measure"] != CMI) & (rows["cutoff"] == cutoff)]
        for measure, part in mine.groupby("measure", sort=False):
            lines.append(_rival(str(measure), cutoff, part.set_index("seed")["test_accuracy"], ours))
    return pd.DataFrame(lines)


def _by_counts(found: Pruning, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows at another's counts as what they are where these are a fixed share's, so that equal counts are together."""
    kept = found.layers.groupby(ROW, sort=False)["kept"].agg(tuple).rename("counts").reset_index()
    rows = rows.merge(kept, on=ROW)
    shares = rows[rows["cutoff"].str.startswith("share")].drop_duplicates("counts").set_index("counts")["cutoff"]
    same = rows["cutoff"] == SAME
    return rows.assign(cutoff=rows["cutoff"].where(~same, rows["counts"].map(shares).astype(object).fillna(SAME)))


def _rival(measure: str, cutoff: str, theirs: pd.Series, ours: pd.Series) -> dict[str, Any]:
    below = POINTS * (ours - theirs).dropna()
    return {
        "measure": measure,
        "cutoff": cutoff,
        **{f"accuracy_{name}": value for name, value in spread(theirs).items()},
        **{f"below_{name}": value for name, value in spread(below).items()},
    }


def _best(rows: pd.DataFrame) -> pd.DataFrame:
    """The best row of each batch: without a third of the filters by validation accuracy, else the smallest."""
    rank = rows["validation_accuracy"].where(rows["third"], -rows["filters_kept"])
    ordered = rows.assign(rank=rank).sort_values(
        ["seed", "third", "rank"], ascending=[True, False, False], kind="stable"
    )
    return ordered.drop_duplicates("seed").drop(columns="rank")


def spread(values: pd.Series) -> dict[str, Any]:
    """`median`, `low`, `high` and `count` of values."""
    return {
        "median": float(values.median()),
        "low": float(values.min()),
        "high": float(values.max()),
        "count": len(values),
    }


def _stable(found: Pruning, layer: str, filters: int) -> dict[str, Any]:
    rows = found.orders[found.orders["layer"] == layer]
    width = found.study["specification"]["width"]
    mine = {int(seed): _places(part) for seed, part in rows[rows["width"] == width].groupby("seed")}
    large = mine.pop(-1)
    tau = [_alike(one, other) for one, other in itertools.combinations(mine.values(), 2)]
    against = [_alike(one, large) for one in mine.values()]
    first = rows[(rows["seed"] == 0) & (rows["step"] == 0)].set_index("width")
    curves = [
        part.sort_values("step")["cmi"] for seed, part in rows[rows["width"] == width].groupby("seed") if seed >= 0
    ]
    return {
        "layer": layer,
        "filters": filters,
        **{f"determined_{name}": int(first["determined"][name]) for name in ("published", "median")},
        **{f"first_{name}": float(first["saturation"][name]) for name in ("published", "median")},
        **_described("tau", [one for one, _ in tau]),
        **_described("half", [one for _, one in tau]),
        "tau_large": float(np.mean([one for one, _ in against])),
        "half_large": float(np.mean([one for _, one in against])),
        "rise": max(max(0.0, float(np.diff(curve).max())) for curve in curves),
        "seconds": float(first["seconds"][width]),
    }


def _places(part: pd.DataFrame) -> Floats:
    """The place (filter,) of each filter in an order."""
    return np.asarray(part.sort_values("filter")["step"], dtype=np.float64)


def _alike(first: Floats, second: Floats) -> tuple[float, float]:
    """Kendall's tau of two lists of places, and the share of the first half in common (0.5 by chance)."""
    half = len(first) / 2
    tau = float(stats.kendalltau(first, second).statistic) if len(first) > 1 else np.nan
    return tau, float(((first < half) & (second < half)).sum() / (first < half).sum())


def _described(name: str, values: Sequence[float]) -> dict[str, float]:
    if not values:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), np.nan)
    return {name: float(np.mean(values)), f"{name}_low": min(values), f"{name}_high": max(values)}
