"""A pruning study as tables: variants, rivals, networks trained on, orders, what each layer keeps, planted filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from moo_fs.numerals import MISSING, number, percent, share, whole_spread
from moo_fs.prune_studies.archive import ROW, VARIANT, Pruning
from moo_fs.prune_studies.judged import (
    CHANCE,
    POINTS,
    against_rivals,
    cuts,
    filled,
    of_first_batch,
    own_width,
    pairs,
    published,
    with_drops,
)
from moo_fs.tables.prune_claims import claims_table, points
from moo_fs.tables.prune_orders import layers_table, orders_table, planted_table
from moo_fs.tables.rendering import Table

KEYS = ["formulation", "cutoff", "direction"]


def prune_tables(found: Pruning) -> dict[str, Table]:
    """Every table that the archive has data for, by name."""
    makers = (claims_table, variants_table, rivals_table, tuned_table, pairs_table, orders_table, layers_table)
    tables = [table for table in (*(make(found) for make in makers), planted_table(found)) if table is not None]
    return {table.name: table for table in tables}


def variants_table(found: Pruning) -> Table:
    """A row a variant: size, accuracies (medians over batches), speed and what compensation changes."""
    rows = own_width(published(cuts(found)))
    whole = found.unpruned
    every = published(found.summary)
    zeros = every[~every["compensate"] & ~every["fine_tuned"]].groupby(KEYS)["test_accuracy"].median()
    speed = _speed(found)
    lines, data = [_whole_row(whole)], []
    for formulation, cutoff, direction in rows[KEYS].drop_duplicates().to_numpy():
        key = (str(formulation), str(cutoff), str(direction))
        part = rows[(rows[KEYS] == list(key)).all(axis=1)]
        means = part[["parameters", "flops", "validation_accuracy", "test_accuracy", "drop", "removed"]].median()
        with_zeros = float(zeros.get(key, float("nan")))
        faster = float(speed.get(key, float("nan")))
        lines.append(
            (
                *key,
                str(len(part)),
                whole_spread(part["filters_kept"]),
                percent(means["removed"]),
                share(means["parameters"] / whole["parameters"]),
                share(means["flops"] / whole["flops"]),
                points(POINTS * means["validation_accuracy"]),
                points(POINTS * means["test_accuracy"]),
                _range(part["drop"]),
                points(POINTS * with_zeros),
                number(faster),
                number(part["seconds"].median()),
            )
        )
        data.append(
            {
                "formulation": formulation,
                "cutoff": cutoff,
                "direction": direction,
                "batches": len(part),
                "filters_kept": part["filters_kept"].median(),
                **means.to_dict(),
                "drop_low": part["drop"].min(),
                "drop_high": part["drop"].max(),
                "test_accuracy_zeros": with_zeros,
                "speedup": faster,
                "seconds": part["seconds"].median(),
            }
        )
    said = found.study["specification"]
    return Table(
        name="variants",
        title="Variants of pruning by conditional mutual information, filters removed and not trained on",
        header=(
            "formulation", "cutoff", "direction", "batches", "kept", "removed", "parameters", "FLOPs", "validation",
            "test", "lost", "zeros", "speed", "seconds",
        ),
        rows=tuple(lines),
        data=pd.DataFrame(data),
        note=f"Medians over batches of {said['images']} training images. Parameters and FLOPs (of one image) as shares "
        f"of the whole network's {whole['parameters']} and {whole['flops'] / 1e6:.1f} million, the constants that "
        "means leave behind (one a filter and place of the next layer) not counted. Accuracies in % of all "
        f"{found.study['images']['validation']} validation and {found.study['images']['test']} test images; lost: "
        f"points of test accuracy, with the range over batches. Choices: the smallest candidate within "
        f"{said['tolerance']:g} points, or a cutoff's own tolerance, on {said['choose_images']} validation images, of "
        "the network before this layer is cut, so that the losses of all layers add up; a share is kept as it is. "
        "X-Means sees a curve on rescaled axes (ours): its information spans 1, the filters' places 0.01, so that it "
        "cuts where the information changes by more than about 1 % of its range. "
        f"Here and in the choices: {filled(found)}; zeros: test accuracy of the same "
        "cuts with zeros. Speed: images a second over the whole network's, measured alternately. Seconds: ordering, "
        "choosing and evaluating on one busy core; orders that another row made are not counted again. "
        f"{_milliseconds(found)}",
        rules=frozenset({1}),
        texts=3,
    )  # fmt: skip


def rivals_table(found: Pruning) -> Table | None:
    """A row a measure and kind of counts: test accuracy, and points below the published method at equal counts."""
    data = against_rivals(found)
    if not len(data):
        return None
    data = data.sort_values("accuracy_median", ascending=False, kind="stable")
    data = pd.concat([part for _, part in data.groupby("cutoff", sort=False)], ignore_index=True)
    firsts = data.index[data["cutoff"] != data["cutoff"].shift()]
    rows = tuple(
        (
            row["measure"],
            row["cutoff"],
            str(row["accuracy_count"]),
            _spread(row, "accuracy", POINTS),
            _spread(row, "below"),
        )
        for row in data.to_dict("records")
    )
    return Table(
        name="rivals",
        title="Other orders cut to the same number of filters in every layer, not trained on",
        header=("measure", "counts", "batches", "test", "points below"),
        rows=rows,
        data=data,
        note="Test accuracy in %, median over batches, with the range; points below the conditional order of the same "
        "batch at the same counts, negative where the rival is better. At the counts of the chosen variant the "
        "conditional order is that variant's; at a fixed share it is each layer's own.",
        rules=frozenset(int(at) for at in firsts if at),
        texts=2,
    )


def tuned_table(found: Pruning) -> Table | None:
    """A row a network that was trained on: accuracy before and after."""
    rows = with_drops(found)
    tuned = rows[rows["fine_tuned"]]
    if not len(tuned):
        return None
    before = rows[~rows["fine_tuned"]].set_index([*VARIANT, "seed", "compensate"])["test_accuracy"]
    keys = tuned[[*VARIANT, "seed", "compensate"]].itertuples(index=False, name=None)
    data = tuned.assign(before=[before[key] for key in keys])
    cells = tuple(
        (
            row["measure"],
            " ".join(filter(None, (row[name] for name in KEYS))),
            str(row["training_seed"]),
            str(row["filters_kept"]),
            percent(row["removed"]),
            points(POINTS * row["before"]),
            points(POINTS * row["validation_accuracy"]),
            points(POINTS * row["test_accuracy"]),
            points(row["drop"]),
            number(row["seconds"]),
        )
        for row in data.to_dict("records")
    )
    said = found.study["specification"]["fine_tune"]
    return Table(
        name="tuned",
        title="Trained on after filters were removed",
        header=(
            "measure",
            "variant",
            "seed",
            "kept",
            "removed",
            "test before",
            "validation",
            "test",
            "lost",
            "seconds",
        ),
        rows=cells,
        data=data,
        note=f"Epochs: {said['epochs']}, at rate {said['rate']:g}; the last weights; variants of the first batch. "
        f"{_screened(said)}Lost: points of test accuracy below the whole network as it was, before it was trained on "
        "itself. Seconds: of training and evaluating. Seed: of training. The best one on validation images has every "
        "seed; other measures are cut to its counts.",
        texts=2,
    )


def pairs_table(found: Pruning) -> Table | None:
    """Variants that differ in one thing: compact less full, bi-directional less forward, by cutoff."""
    asked = (("formulation", "compact", "full"), ("formulation", "per-layer", "full"),
             ("direction", "bi-directional", "forward"), ("direction", "one-shot", "forward"))  # fmt: skip
    frames = [pairs(cuts(found), found.layers, *one).assign(first=one[1], second=one[2]) for one in asked]
    data = pd.concat([frame for frame in frames if len(frame)], ignore_index=True) if any(map(len, frames)) else None
    if data is None:
        return None
    rows = [
        (
            f"{first} less {second}",
            str(cutoff),
            f"{int(part['telling'].sum())} of {len(part)}",
            _range(part["filters"], 0),
            _range(part["points"]),
        )
        for (first, second, cutoff), part in data.groupby(["first", "second", "cutoff"], sort=False)
    ]
    return Table(
        name="pairs",
        title="Variants that differ in one thing",
        header=("difference", "cutoff", "telling pairs", "filters kept", "points of test accuracy"),
        rows=tuple(rows),
        data=data,
        note="Medians of paired differences over batches and what else is equal, with their range. Only a fixed share "
        "keeps equally many filters on both sides. Telling: other filters are cut, and not both are below "
        f"{percent(CHANCE)} of the validation images, twice chance.",
        texts=2,
    )


def _screened(said: Mapping[str, Any]) -> str:
    if not said["screen"]:
        return ""
    epochs = f"{said['screen']} epoch{'s' * (said['screen'] > 1)}"
    return f"Chosen by validation accuracy after {epochs} of every network without a third of its filters. "


def _whole_row(whole: Mapping[str, Any]) -> tuple[str, ...]:
    accuracies = (points(POINTS * whole["validation_accuracy"]), points(POINTS * whole["test_accuracy"]))
    return ("whole network", "", "", MISSING, str(whole["filters_kept"]), "0 %", "1.000", "1.000", *accuracies,
            *[MISSING] * 2, "1.00", MISSING)  # fmt: skip


def _milliseconds(found: Pruning) -> str:
    whole = found.speed[found.speed["network"] == "whole"]
    if whole.empty:
        return ""
    return f"The whole network takes {number((1000 * whole['seconds'] / whole['images']).median())} ms an image."


def _spread(row: Mapping[Any, Any], name: str, factor: float = 1) -> str:
    middle, low, high = (points(factor * row[f"{name}_{part}"]) for part in ("median", "low", "high"))
    return middle if low == high else f"{middle} ({low} to {high})"


def _speed(found: Pruning) -> dict[Any, float]:
    """Images a second over the whole network's, by variant, of the first batch's plain cuts."""
    rows = of_first_batch(found, found.speed)
    wide = rows.pivot_table(index=ROW, columns="network", values="seconds", sort=False).reset_index()
    return {tuple(row[name] for name in KEYS): row["whole"] / row["cut"] for row in wide.to_dict("records")}


def _range(values: pd.Series, digits: int = 2) -> str:
    show = points if digits else lambda value: points(value)[:-3]
    low, high = show(values.min()), show(values.max())
    return low if low == high else f"{show(values.median())} ({low} to {high})"
