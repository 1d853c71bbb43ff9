"""Tables of a selection study, one set a family of subjects: orders, fills, contrasts, delta rates, shares, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.numerals import MISSING, correlation, count, number, probability, share, signed
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import claims_of, information_contrasts, own_orders, soft_contrasts, soft_ways
from moo_fs.selection_curves import Way, families
from moo_fs.selection_findings import (
    INFORMATION,
    delta_rates,
    hard_way,
    mean_distortions,
    measures_of,
    order_agreements,
    score_agreement,
    weight_shares,
)
from moo_fs.selection_plan import EACH, EQUAL
from moo_fs.tables.rendering import Table
from moo_fs.task_weights import NORMALISATIONS

ANCHOR = Way("one-qp")
NULLS = ("uniform", "uniform-step")
SCORELESS = (*NULLS, "klt", "allocation", "image-jpeg", "image-hevc")
BLOCKS = "Over blocks (a subject and a draw of scores): mean and 95 % interval from 12 blocks on, else the range."


def selection_tables(results: SelectionResults) -> dict[str, Table]:
    """Every table that this study has data for, by name."""
    found: list[Table | None] = [claims_table(results)]
    for family in families(results):
        found += [
            hard_table(results, family),
            fills_table(results, family),
            contrasts_table(results, family),
            orders_table(results, family),
            delta_table(results, family),
            soft_table(results, family),
            weights_table(results, family),
        ]
    found.append(points_table(results))
    return {table.name: table for table in found if table is not None}


def claims_table(results: SelectionResults) -> Table | None:
    """The published claims, whether each holds here."""
    data = claims_of(results)
    if data.empty:
        return None
    return Table(
        name="claims",
        title="Published claims, and whether they hold here",
        header=("claim", "subject", "what", "measured", "interval", "verdict"),
        rows=tuple(tuple(str(value) or MISSING for value in row) for row in data.to_numpy()),
        data=data,
        note="Differences of mean distortion at equal coded bytes, medians over blocks with 95 % intervals; p after "
        "Holm over the rows of a claim. Claims: Ranjbar Alvar and Bajić (2024); how they are tested is our choice.",
        texts=3,
    )


def hard_table(results: SelectionResults, family: str) -> Table | None:
    """Mean distortion at equal bytes by measure: one order for all tasks, and each task under its own."""
    if "hard" not in results.settings["methods"]:
        return None
    measures, tasks = measures_of(results), results.tasks(families(results)[family][0])
    together = mean_distortions(results, family, [hard_way(results, name) for name in measures])
    alone = own_orders(results, family, measures) if EACH in results.settings["task_weights"] else pd.DataFrame()
    if together.empty:
        return None
    columns = {f"{task}, {EQUAL}": _by_way(together, task) for task in tasks}
    columns |= {f"{task}, own": _by_way(alone, task) for task in tasks} if len(alone) else {}
    data = pd.DataFrame({name: values.reindex(measures) for name, values in columns.items()})
    like = pd.Series({name: score_agreement(results, family, name) for name in measures}, name="like_information")
    rows = [(name, *map(share, data.loc[name].to_numpy(float)), correlation(like[name])) for name in measures]
    low, high = together["low_bytes"].min(), together["high_bytes"].max()
    return Table(
        name=f"hard-{family}",
        title=f"Hard selection on {family}: mean distortion at equal coded bytes",
        header=("order", *data.columns, "like MI"),
        rows=tuple(rows),
        data=data.join(like).reset_index(names="measure"),
        note=f"Means over equal steps of the logarithm of the bytes that all orders reach ({count(low)} to "
        f"{count(high)} bytes) and over blocks; equal: one order, all tasks weighted alike; own: the order for that "
        "task alone. Like MI: rank correlation of the scores with mutual information's. Lowest of a column in bold.",
        bold=frozenset((int(np.argmin(data[name])), at) for at, name in enumerate(data.columns, 1)),
    )


def fills_table(results: SelectionResults, family: str) -> Table | None:
    """What is not sent at its mean, or at zero: distortions at half of the channels kept."""
    fills = results.settings["fills"]
    if "hard" not in results.settings["methods"] or len(fills) < 2:
        return None
    rows = results.rows[results.rows["subject"].isin(families(results)[family]) & (results.rows["method"] == "hard")]
    rows = rows[rows["task_weights"] == EQUAL]
    half = rows["kept"].unique()[np.argmin(np.abs(rows["kept"].unique() - rows["kept"].max() / 2))]
    tasks = results.tasks(families(results)[family][0])
    columns = [f"distortion_{task}" for task in tasks]
    wide = rows[rows["kept"] == half].groupby(["measure", "fill"], sort=False)[columns].mean().unstack("fill")
    order = [(f"distortion_{task}", fill) for task in tasks for fill in fills]
    data = wide.reindex(measures_of(results))[order]
    return Table(
        name=f"fills-{family}",
        title=f"Channels not sent, at their mean or at zero: {family}, {count(half)} channels kept",
        header=("order", *(f"{column.removeprefix('distortion_')}, {fill}" for column, fill in order)),
        rows=tuple((str(name), *map(share, data.loc[name].to_numpy(float))) for name in data.index),
        data=data.set_axis([f"{column}_{fill}" for column, fill in order], axis=1).reset_index(),
        note="Distortions, means over blocks. The mean over the fit part is one number a channel, deployed once.",
    )


def contrasts_table(results: SelectionResults, family: str) -> Table | None:
    """Mutual information against a norm, proximity and chance, task by task."""
    known = "hard" in results.settings["methods"] and EACH in results.settings["task_weights"]
    data = information_contrasts(results, family) if known else pd.DataFrame()
    return _contrasts(f"contrasts-{family}", f"Orders by mutual information against others: {family}", data)


def soft_table(results: SelectionResults, family: str) -> Table | None:
    """Soft selection against hard selection and against one QP, at equal bytes."""
    data = soft_contrasts(results, family) if "soft" in results.settings["methods"] else pd.DataFrame()
    return _contrasts(f"soft-{family}", f"Soft selection against its rivals at equal bytes: {family}", data)


def orders_table(results: SelectionResults, family: str) -> Table | None:
    """How far a measure's orders for two tasks agree, beside two draws of images for one task."""
    if EACH not in results.settings["task_weights"] or INFORMATION not in measures_of(results):
        return None
    data = order_agreements(results, family, INFORMATION)
    rows = [
        (
            f"{row['first']} and {row['second']}" if row["what"] == "tasks" else f"{row['first']}, two draws",
            *(correlation(row[name]) for name in ("mean", "low", "high", "lowest", "highest")),
        )
        for row in data.to_dict("records")
    ]
    return Table(
        name=f"orders-{family}",
        title=f"Do mutual information's scores differ between tasks? {family}",
        header=("scores", "rho", "low", "high", "lowest", "highest"),
        rows=tuple(rows),
        data=data,
        note=f"Spearman's rank correlation of the channels' scores. {BLOCKS}",
    )


def delta_table(results: SelectionResults, family: str) -> Table | None:
    """Delta rates against one QP for all channels."""
    if "one-qp" not in results.settings["rivals"]:
        return None
    settings = results.settings
    ways = [Way(name) for name in SCORELESS if name.removeprefix("image-") in settings["rivals"]]
    if "soft" in settings["methods"]:
        for qp in map(str, settings["base_qps"]):
            fixed = [(("base_share", share_), ("base_qp", qp)) for share_ in settings["bases"]]
            ways += [Way("soft", INFORMATION, fixed=one) for one in fixed]
            ways.append(soft_ways(results)[qp][1])
        others = [name for name in measures_of(results) if name != INFORMATION]
        ways += [soft for name in others for soft, _ in soft_ways(results, name).values()]
    known = [way for pair in soft_ways(results).values() for way in pair] if "soft" in settings["methods"] else []
    over = [*known, *(way for way in ways if way.measure is None)]
    data = delta_rates(results, family, ANCHOR, ways, over=over)
    tasks = results.tasks(families(results)[family][0])
    keyed = {(row["way"], row["task"]): row for row in data.to_dict("records")}
    names = list(dict.fromkeys(data["way"]))
    rows = [(name, *(cell for task in tasks for cell in _delta(keyed.get((name, task), {})))) for name in names]
    return Table(
        name=f"delta-{family}",
        title=f"Bytes against one QP for all channels, at equal distortion: {family}",
        header=("way", *(word for task in tasks for word in (task, "blocks", "images"))),
        rows=tuple(rows),
        data=data,
        note="Bjøntegaard delta rate in percent, negative: fewer bytes; blocks: 95 % interval over blocks (a range "
        "where there are fewer than 12), images: over resampled test images with the scores "
        "kept, for the ways that claims are about. "
        f"{MISSING}: one block, not asked for, or curves that share too little.",
    )


def weights_table(results: SelectionResults, family: str) -> Table | None:
    """Shares of the task weights where each order is the best."""
    measures = measures_of(results)
    if "hard" not in results.settings["methods"] or results.settings["task_weights"] != [EQUAL]:
        return None
    if not 2 <= len(results.tasks(families(results)[family][0])) <= 3:
        return None
    frames, rows = [], []
    for how in NORMALISATIONS:
        found = weight_shares(results, family, [hard_way(results, name) for name in measures], how)
        if found is None:
            continue
        frames.append(_share_frame(found, measures, how))
        rows += [_share_cells(row) for row in frames[-1].to_dict("records")]
    if not frames:
        return None
    return Table(
        name=f"weights-{family}",
        title=f"Share of the task weights where an order is the best: {family}",
        header=("distortions", "order", "best of all", "blocks", "images", f"beats {INFORMATION}"),
        rows=tuple(rows),
        data=pd.concat(frames, ignore_index=True),
        note="Exact areas of the weight simplex by polygon clipping, means over the rates that all orders reach in "
        f"all blocks. {BLOCKS} Images: 95 % interval over resampled test images with the scores kept (loss span).",
        rules=frozenset(range(len(measures), len(rows), len(measures))),
        texts=2,
    )


def points_table(results: SelectionResults) -> Table:
    """Every point, as CSV only."""
    return Table("points", "Every point of every curve", (), (), results.rows)


def _contrasts(name: str, title: str, data: pd.DataFrame) -> Table | None:
    if data.empty:
        return None
    rows = [
        (
            row["task"],
            row["way"],
            row["against"],
            signed(row["median"]),
            f"{signed(row['low'])} to {signed(row['high'])}" if np.isfinite(row["low"]) else MISSING,
            f"{signed(row['lowest'])} to {signed(row['highest'])}",
            probability(row["p_holm"]) if np.isfinite(row["p_holm"]) else MISSING,
            number(row["a12"], 2),
            count(row["pairs"]),
        )
        for row in data.to_dict("records")
    ]
    return Table(
        name=name,
        title=title,
        header=("task", "way", "against", "difference", "95 % interval", "range", "p (Holm)", "A12", "pairs"),
        rows=tuple(rows),
        data=data,
        note="Mean distortion at equal coded bytes, way minus rival, median over pairs: below zero is better. "
        "Wilcoxon's exact test, Holm over the rows; A12: how often the rival has the larger distortion.",
        texts=3,
    )


def _by_way(values: pd.DataFrame, task: str) -> pd.Series:
    return values[values["task"] == task].groupby("way")["distortion"].mean()


def _delta(row: Mapping[Any, Any]) -> Sequence[str]:
    """Mean, over blocks, over images."""
    if not np.isfinite(row.get("mean", np.nan)):
        return MISSING, MISSING, MISSING
    ends = ("low", "high") if np.isfinite(row["low"]) else ("lowest", "highest")
    images = [row.get(name, np.nan) for name in ("image_low", "image_high")]
    blocks = " to ".join(_percent(row[name]) for name in ends) if row["blocks"] > 1 else MISSING
    over = " to ".join(map(_percent, images)) if np.isfinite(images).all() else MISSING
    return _percent(row["mean"]), blocks, over


def _percent(value: float) -> str:
    return f"{value:+.0f}".replace("-", "−") if round(value) else "0"


def _share_frame(found: dict[str, Any], measures: Sequence[str], how: str) -> pd.DataFrame:
    mean, pairs, images = found["mean"], found["pairs"], found["images"]
    against = pairs.value[:, list(measures).index(INFORMATION)] if INFORMATION in measures else np.nan
    data = pd.DataFrame({"normalisation": how, "measure": list(measures)})
    for name in ("value", "low", "high", "lowest", "highest"):
        data[name] = getattr(mean, name)
    data["image_low"] = images.low if images is not None else np.nan
    data["image_high"] = images.high if images is not None else np.nan
    data["beats_information"] = against
    return data


def _share_cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    ends = ("low", "high") if np.isfinite(row["low"]) else ("lowest", "highest")
    images = f"{share(row['image_low'])} to {share(row['image_high'])}" if np.isfinite(row["image_low"]) else MISSING
    beats = MISSING if row["measure"] == INFORMATION else share(row["beats_information"])
    return (
        row["normalisation"],
        row["measure"],
        share(row["value"]),
        " to ".join(share(row[name]) for name in ends),
        images,
        beats,
    )
