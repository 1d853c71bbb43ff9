"""Tables of a selection study about orders as a whole: shares of the task weights, and what a measure's options do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contrasts import LEVEL
from moo_fs.numerals import MISSING, count, share, signed
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import (
    ONE_ORDER,
    OWN_ORDER,
    RIVALS,
    above_half,
    information_contrasts,
    information_variants,
)
from moo_fs.selection_curves import families
from moo_fs.selection_findings import INFORMATION, hard_way, measures_of, weight_shares
from moo_fs.selection_plan import EACH, EQUAL
from moo_fs.tables.rendering import Table
from moo_fs.task_weights import NORMALISATIONS

BLOCKS = "Blocks: 95 % interval over blocks (a subject and a draw of scores), below 12 of them the range."


def weights_table(results: SelectionResults, family: str) -> Table | None:
    """Shares of the task weights where each order is the best."""
    measures, frames, ends = measures_of(results), [], []
    if len(measures) < 2 or not _has_shares(results, family):
        return None
    for how in NORMALISATIONS:
        found = weight_shares(results, family, [hard_way(results, name) for name in measures], how)
        if found is not None:
            frames.append(_share_frame(found, measures, how))
            ends.append(f"{count(found['rates'][0])} to {count(found['rates'][-1])} bytes")
    if not frames:
        return None
    data = pd.concat(frames, ignore_index=True)
    return Table(
        name=f"weights-{family}",
        title=f"Share of the task weights where an order is the best: {family}",
        header=("distortions", "order", "best of all", "blocks", "images", "above half", f"beats {INFORMATION}"),
        rows=tuple(_share_cells(row) for row in data.to_dict("records")),
        data=data,
        note=f"Of {len(measures)} orders: each more leaves less to the others. Exact areas of the weight simplex by "
        f"polygon clipping, means over the rates that all orders reach in all blocks ({ends[0]}). Above half: the "
        "bytes at which the mean over blocks exceeds one half; a mean over all rates does not tell. "
        f"{BLOCKS} Images: 95 % interval over resampled test images, scores and the bytes of all images kept (loss "
        "span).",
        rules=frozenset(range(len(measures), len(data), len(measures))),
        texts=2,
    )


def settings_table(results: SelectionResults, family: str) -> Table | None:
    """Mutual information by every estimator and setting that was run: what the claims A1 and A4 owe to the setting."""
    variants = information_variants(results)
    known = set(RIVALS) <= set(measures_of(results)) and "hard" in results.settings["methods"]
    if len(variants) < 2 or not known or EACH not in results.settings["task_weights"]:
        return None
    gaps = information_contrasts(results, family, variants)
    if gaps.empty:
        return None
    shares = {name: _shares_among(results, family, name) for name in variants}
    tasks = results.tasks(families(results)[family][0])
    rows = [
        (name, *(_gaps(gaps, name, task, OWN_ORDER) for task in tasks), *map(share, shares[name].values()))
        for name in variants
    ]
    return Table(
        name=f"settings-{family}",
        title=f"Mutual information by setting, against others: {family}",
        header=("setting", *tasks, *(f"share, {how}" for how in NORMALISATIONS)),
        rows=tuple(rows),
        data=gaps.join(pd.DataFrame(shares).T.add_prefix("share "), on="way"),
        note=f"Mean distortion at equal coded bytes, each task under its own order: the setting's minus that of "
        f"{' / '.join(RIVALS)}, medians over blocks; below zero is better. Share of the task weights where the setting "
        "is the best of the four. A star: p below .05, Holm over all settings, tasks, rivals and both kinds of order; "
        f"the CSV has {ONE_ORDER} too.",
    )


def _has_shares(results: SelectionResults, family: str) -> bool:
    asked = "hard" in results.settings["methods"] and EQUAL in results.settings["task_weights"]
    return asked and 2 <= len(results.tasks(families(results)[family][0])) <= 3


def _shares_among(results: SelectionResults, family: str, measure: str) -> dict[str, float]:
    """Normalisation -> mean share of the task weights where a measure is the best of it and RIVALS; NaN for none."""
    ways = [hard_way(results, name) for name in (measure, *RIVALS)]
    found = {
        how: weight_shares(results, family, ways, how, images=False) if _has_shares(results, family) else None
        for how in NORMALISATIONS
    }
    return {how: np.nan if one is None else float(one["mean"].value[0]) for how, one in found.items()}


def _gaps(gaps: pd.DataFrame, measure: str, task: str, order: str) -> str:
    rows = gaps[(gaps["way"] == measure) & (gaps["task"] == task) & (gaps["order"] == order)]
    told = {row["against"]: signed(row["median"]) + "*" * (row["p_holm"] < LEVEL) for row in rows.to_dict("records")}
    return " / ".join(told.get(rival, MISSING) for rival in RIVALS)


def _share_frame(found: dict[str, Any], measures: Sequence[str], how: str) -> pd.DataFrame:
    mean, pairs, images = found["mean"], found["pairs"], found["images"]
    against = pairs.value[:, list(measures).index(INFORMATION)] if INFORMATION in measures else np.nan
    data = pd.DataFrame({"normalisation": how, "measure": list(measures)})
    for name in ("value", "low", "high", "lowest", "highest"):
        data[name] = getattr(mean, name)
    data["image_low"] = images.low if images is not None else np.nan
    data["image_high"] = images.high if images is not None else np.nan
    data["beats_information"] = against
    data["above_half"] = [above_half(found["rates"], column) for column in found["shares"].value.T]
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
        row["above_half"].removeprefix("at "),
        beats,
    )
