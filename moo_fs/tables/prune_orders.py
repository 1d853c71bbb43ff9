"""Orders of filters as tables: how far they are determined and repeat, what layers keep, where planted filters land."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moo_fs.numerals import correlation, number, percent
from moo_fs.prune_studies.archive import Pruning
from moo_fs.prune_studies.judged import of_first_batch, stability
from moo_fs.tables.rendering import Table

KEYS = ["formulation", "cutoff", "direction"]


def orders_table(found: Pruning) -> Table:
    """A row a layer: how far its order is determined under both rules of widths, and how stable it is."""
    data = stability(found)
    rows = tuple(
        (
            row["layer"],
            str(row["filters"]),
            str(row["determined_published"]),
            percent(row["first_published"]),
            str(row["determined_median"]),
            percent(row["first_median"]),
            _with_range(row, "tau"),
            correlation(row["tau_large"]),
            correlation(row["half"]),
            correlation(row["half_large"]),
            number(row["rise"]) if row["rise"] > 0 else "none",
        )
        for row in data.to_dict("records")
    )
    said = found.study["specification"]
    return Table(
        name="orders",
        title="How far orders are determined, and how stable they are",
        header=(
            "layer", "filters", "published: steps", "first map", "median: steps", "first map", "tau", "tau, larger",
            "half", "half, larger", "rise",
        ),
        rows=rows,
        data=data,
        note="Each layer's own order. Steps: those before the first whose gain or lead is below 1e-9 nats, the rest of "
        "the order being rounding, under the published and the median rule of kernel widths; first map: its entropy, "
        f"of at most ln N. Tau: Kendall's between batches of {said['images']} images, mean and range, and mean against "
        "a batch of twice the size that shares no image; half: the share of the first halves in common, 0.5 by chance. "
        "Rise: the largest of the curve, in nats. By method " + said["method"] + f", alpha {said['alpha']:g}.",
    )  # fmt: skip


def layers_table(found: Pruning) -> Table:
    """A row a variant of the first batch: how many filters each layer keeps."""
    mine = of_first_batch(found, found.layers)
    wide = mine.pivot_table(index=KEYS, columns="layer", values="kept", sort=False)[list(found.filters)].astype(int)
    rows = [("whole network", "", "", *map(str, found.filters.values()))]
    rows += [(*key, *map(str, counts)) for key, counts in zip(wide.index, wide.to_numpy(), strict=True)]
    return Table(
        name="layers",
        title="Filters kept in each layer, first batch",
        header=(*KEYS, *(name.removeprefix("conv") for name in found.filters)),
        rows=tuple(rows),
        data=wide.reset_index(),
        note="Which filters these are, and what each cutoff proposed, is in layers.csv.",
        rules=frozenset({1}),
        texts=3,
    )


def planted_table(found: Pruning) -> Table | None:
    """Where filters added to each layer land in its order."""
    if not len(found.planted):
        return None
    wide = found.planted.pivot_table(index=["layer", "filters"], columns="planted", values="place", sort=False)
    names = ["copy", "noise", "constant"]
    data = wide.reset_index()
    rows = tuple(
        (row["layer"], str(row["filters"]), *(str(int(row[name]) + 1) for name in names))
        for row in data.to_dict("records")
    )
    return Table(
        name="planted",
        title="Where planted filters land in a layer's order",
        header=("layer", "filters", *names),
        rows=rows,
        data=data,
        note="Places from 1, of so many filters with the three planted ones. Copy: the later of the first filter and "
        "its exact copy. Noise: independent of the images, after a ReLU. Both are credited, since the Hadamard product "
        "narrows every kernel; only a constant is last by construction.",
    )


def _with_range(row: Mapping[Any, Any], name: str) -> str:
    mean, low, high = (correlation(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return mean if mean == low == high else f"{mean} ({low} to {high})"
