"""Tables of a selection study about bytes at equal distortion: delta rates, and a few distortions one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.numerals import MISSING, count
from moo_fs.rate_curves import bytes_at
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import soft_measure, soft_ways
from moo_fs.selection_curves import SCORELESS, Way
from moo_fs.selection_findings import curve_pairs, delta_rates, measures_of
from moo_fs.tables.rendering import Table
from moo_fs.weight_shares import over_blocks

ONE_QP, IMAGE = Way("one-qp"), Way("image-hevc")
SPLIT = tuple(Way(name) for name in ("one-qp", "klt", "allocation"))  # features, against the image itself
DISTORTIONS = (0.2, 0.1, 0.05, 0.02)
PERCENT = ("percent", "low", "high", "lowest", "highest")
IMAGES = (
    "Images: 95 % interval over resampled test images, scores and the bytes of all images kept, for what claims are "
    "about and what needs no scores."
)
REFUSED = f"(4 of 12): so many blocks have one; {MISSING}: fewer than half of them."


def delta_table(results: SelectionResults, family: str) -> Table | None:
    """Delta rates against one QP for all channels."""
    ways = _ways(results)
    known = [way for pair in soft_ways(results).values() for way in pair] if _has_soft(results) else []
    over = [*known, *(way for way in ways if way.measure is None)]
    title = f"Bytes against one QP for all channels, at equal distortion: {family}"
    return _delta_table(f"delta-{family}", title, delta_rates(results, family, ONE_QP, ways, over=over))


def delta_deployed_table(results: SelectionResults, family: str) -> Table | None:
    """The same as if parameter sets and tables, alike in all streams of a way, were deployed once."""
    data = delta_rates(results, family, ONE_QP, _ways(results), deployed=True)
    title = f"Bytes against one QP, parameter sets and tables deployed once: {family}"
    return _delta_table(f"delta-deployed-{family}", title, data)


def delta_image_table(results: SelectionResults, family: str) -> Table | None:
    """Delta rates of features against the image itself, coded as one: is splitting the network worth it?"""
    data = delta_rates(results, family, IMAGE, SPLIT, over=SPLIT)
    title = f"Bytes of features against the image under HEVC, at equal distortion: {family}"
    return _delta_table(f"delta-image-{family}", title, data)


def equal_distortion_table(results: SelectionResults, family: str) -> Table | None:
    """Bytes against one QP for all channels at a few distortions: where a delta rate is one number over all."""
    title = f"Bytes at equal distortion, in percent against one QP: {family}"
    return _bytes_table(f"bytes-{family}", title, results, family, ONE_QP, _ways(results))


def splitting_table(results: SelectionResults, family: str) -> Table | None:
    """Bytes of features against those of the image itself, at a few distortions."""
    title = f"Bytes at equal distortion, in percent against the image under HEVC: {family}"
    return _bytes_table(f"bytes-image-{family}", title, results, family, IMAGE, SPLIT)


def bytes_at_distortions(results: SelectionResults, family: str, anchor: Way, ways: Sequence[Way]) -> pd.DataFrame:
    """Percent more bytes than an anchor's at each of DISTORTIONS, a row a way, task and distortion.

    Columns way, task, distortion, percent (geometric mean over the blocks where both reach it), low, high, lowest,
    highest (over blocks, as `over_blocks` of the logarithms), anchor_bytes, blocks, all_blocks; as `curve_pairs`.
    """
    rows = []
    for way in ways:
        pairs = curve_pairs(results, family, anchor, way)
        for at, task in enumerate(results.tasks(pairs[0][0].subject) if pairs else []):
            both = np.log([[bytes_at(one, task=at, losses=DISTORTIONS) for one in pair] for _, *pair in pairs])
            for place, distortion in enumerate(DISTORTIONS):
                known = both[np.isfinite(both[:, :, place]).all(axis=1)][:, :, place]
                told = _told(known[:, 1] - known[:, 0]) if len(known) else dict.fromkeys(PERCENT, np.nan)
                row = {"way": way.label, "task": task, "distortion": distortion, **told}
                row |= {"anchor_bytes": float(np.exp(known[:, 0].mean())) if len(known) else np.nan}
                rows.append({**row, "blocks": len(known), "all_blocks": len(pairs)})
    return pd.DataFrame(rows)


def _told(logarithms: Any) -> dict[str, float]:
    interval = over_blocks(logarithms)
    return {name: 100 * float(np.expm1(value)) for name, value in zip(PERCENT, interval, strict=True)}


def _has_soft(results: SelectionResults) -> bool:
    return "soft" in results.settings["methods"]


def _ways(results: SelectionResults) -> list[Way]:
    """What is compared with one QP: what needs no scores, then soft selection by `soft_measure`, then by the others."""
    settings = results.settings
    ways = [Way(name) for name in SCORELESS if name.removeprefix("image-") in settings["rivals"]]
    ways = [way for way in ways if way != ONE_QP]
    if not _has_soft(results):
        return ways
    first = soft_measure(results)
    for qp, (_, hard) in soft_ways(results).items():
        fixed = [(("base_share", base), ("base_qp", qp)) for base in settings["bases"]]
        ways += [*(Way("soft", first, fixed=one) for one in fixed), hard]
    others = [name for name in measures_of(results) if name != first]
    return ways + [soft for name in others for soft, _ in soft_ways(results, name).values()]


def _delta_table(name: str, title: str, data: pd.DataFrame) -> Table | None:
    if data.empty:
        return None
    tasks = list(dict.fromkeys(data["task"]))
    keyed = {(row["way"], row["task"]): row for row in data.to_dict("records")}
    refused, images = bool((data["reason"] != "").any()), "image_low" in data
    rows = []
    for way in dict.fromkeys(data["way"]):
        mine = [keyed[way, task] for task in tasks]
        cells = [cell for row in mine for cell in _delta(row, images=images)]
        rows.append((way, *cells, *([_why(mine)] * refused)))
    words = [word for task in tasks for word in (task, "losses", "blocks", *(["images"] * images))]
    return Table(
        name=name,
        title=title,
        header=("way", *words, *(["why not all"] * refused)),
        rows=tuple(rows),
        data=data,
        note="Bjøntegaard delta rate in percent, negative: fewer bytes. Losses: the distortions over which it is a "
        "mean, each counting alike, from the least to the largest of the blocks: where they reach far, points that "
        "lose most of a task decide it. Blocks: 95 % interval over blocks (a range where there are fewer than 12)."
        + (f" {IMAGES}" if images else "")
        + (f" {REFUSED}" if refused else ""),
    )


def _why(rows: Sequence[Mapping[Any, Any]]) -> str:
    """Why blocks have no rate, in the first words of each reason, with the tasks unless it is all."""
    tasks: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            tasks.setdefault(row["reason"].partition(":")[0], []).append(row["task"])
    told = (why if len(of) == len(rows) else f"{why} ({', '.join(of)})" for why, of in tasks.items())
    return "; ".join(told) or MISSING


def _delta(row: Mapping[Any, Any], *, images: bool) -> Sequence[str]:
    """Mean, losses, over blocks, and, if wanted, over images."""
    shown = _of_blocks(row, row["mean"])
    if shown.startswith(MISSING):
        return shown, *([MISSING] * (2 + images))
    ends = ("low", "high") if np.isfinite(row["low"]) else ("lowest", "highest")
    blocks = " to ".join(percentage(row[name]) for name in ends) if row["blocks"] > 1 else MISSING
    cells = [shown, f"{_loss(row['loss_low'])}–{_loss(row['loss_high'])}", blocks]
    if images:
        over = [row["image_low"], row["image_high"]]
        cells.append(" to ".join(map(percentage, over)) if np.isfinite(over).all() else MISSING)
    return cells


def _bytes_table(
    name: str, title: str, results: SelectionResults, family: str, anchor: Way, ways: Sequence[Way]
) -> Table | None:
    data = bytes_at_distortions(results, family, anchor, [anchor, *ways])
    if not {*data.get("way", ())} - {anchor.label}:
        return None
    keys = list(dict.fromkeys(zip(data["task"], data["distortion"], strict=True)))
    keyed = {(row["way"], row["task"], row["distortion"]): row for row in data.to_dict("records")}
    rows = [(f"{anchor.label}, bytes", *(count(keyed[anchor.label, *key]["anchor_bytes"]) for key in keys))]
    for way in dict.fromkeys(data.loc[data["way"] != anchor.label, "way"]):
        rows.append((way, *(_of_blocks(row, row["percent"]) for row in (keyed[way, *key] for key in keys))))
    return Table(
        name=name,
        title=title,
        header=("way", *(f"{task} {_loss(distortion)}" for task, distortion in keys)),
        rows=tuple(rows),
        data=data,
        note="At the distortion beside the task's name, 0 = nothing lost, 1 = nothing sent: percent more (negative: "
        "fewer) bytes, geometric mean over the blocks where both curves reach it; the CSV has 95 % intervals over "
        f"blocks. {REFUSED}",
        rules=frozenset({1}),
    )


def _of_blocks(row: Mapping[Any, Any], percent: float) -> str:
    """A percentage with how many blocks have it, unless all have."""
    enough = row["blocks"] and 2 * row["blocks"] >= row["all_blocks"]
    shown = percentage(percent) if enough else MISSING
    partly = row["blocks"] and row["blocks"] < row["all_blocks"]
    return f"{shown} ({row['blocks']} of {row['all_blocks']})" if partly else shown


def percentage(value: float) -> str:
    """A whole percentage with its sign.

    >>> percentage(38.4), percentage(-0.3), percentage(-81.9)
    ('+38', '0', '−82')
    """
    return f"{value:+.0f}".replace("-", "−") if round(value) else "0"


def _loss(value: float) -> str:
    """A distortion without the zero before its point: .02, .5, 1.

    >>> [_loss(value) for value in (0.02, 0.5, 1.0, -0.0001, -0.02)]
    ['.02', '.5', '1', '0', '−.02']
    """
    shown = f"{abs(round(value, 3)):.2g}"
    return ("−" if round(value, 3) < 0 else "") + (shown.replace("0.", ".", 1) if abs(value) < 1 else shown)
