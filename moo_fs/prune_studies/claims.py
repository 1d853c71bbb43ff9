"""The published claims of pruning by conditional mutual information, with what was measured of each and a verdict.

All of it describes: batches of images and training seeds are few, so that ranges are given and no probability. The
interval over test images of claim B1 says how far other images would have moved it, and nothing of other networks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contracts import Floats
from moo_fs.prune_studies.archive import VARIANT, Pruning
from moo_fs.prune_studies.judged import (
    POINTS,
    as_chosen,
    chosen,
    cuts,
    filled,
    pairs,
    published,
    spread,
    with_drops,
)
from moo_fs.prune_studies.plan import with_common_width
from moo_fs.renyi import DETERMINED
from moo_fs.seeds import stream

# The published headline, in accuracy points, and our own reading of "close" and "at least as good".
HEADLINE, CLOSE = 0.32, 0.5
# Fewer pairs decide nothing. Ours.
ENOUGH_PAIRS = 3
REPLICATES = 1000


def claims(found: Pruning) -> pd.DataFrame:
    """A row a claim and setting: `claim`, `setting`, `quantity`, `median`, `low`, `high`, `count`, `verdict`.

    Of B1 also `image_low`, `image_high`, where it is known which test images are right.
    """
    best, rows = chosen(found), published(with_drops(found))
    # Batches on which no variant was to lose a third say nothing of it.
    best = best[best["third"]] if best["third"].any() else best
    lines = [_headline(best, f"best variant on validation images, {filled(found)}")]
    if found.study["specification"]["compensate"]:
        zeros = rows[~rows["compensate"] & ~rows["fine_tuned"]].merge(best[[*VARIANT, "seed"]])
        lines.append(_headline(zeros, "the same cuts with zeros in the place of means"))
    climbed = cuts(found)[_is_last_step(found)]
    if len(climbed):
        lines.append(_headline(climbed, "the published cutoffs, their tolerance raised until a third is gone"))
    tuned = rows[rows["fine_tuned"] & rows["third"]]
    if len(tuned):
        first = tuned[tuned["training_seed"] == 0]
        lines.append(_headline(first, "trained on, the best variants of the first batch without a third"))
        again = best_trained(found)
        setting = "trained on, the best of these on validation images, every training seed"
        lines.append(_headline(again, setting) | _over_images(found, again))
    return pd.DataFrame([*lines, *_falling(found), *_pairs(found)])


def _is_last_step(found: Pruning) -> pd.Series:
    """Which cuts are where a ladder ended: with the first tolerance that lets a third go, else the largest."""
    rows = cuts(found)
    names = list(zip(rows["formulation"], rows["cutoff"], rows["direction"], strict=True))
    last = pd.Series(data=False, index=rows.index)
    for ladder in found.study["specification"]["ladders"]:
        places = [at for step in ladder for at, name in enumerate(names) if list(name) == step]
        if places:
            last.iloc[places[-1]] = True
    return last


def best_trained(found: Pruning) -> pd.DataFrame:
    """Of the published method's networks that were trained on the best, on validation images: a row a training seed.

    Those without a third of the filters come first.
    """
    rows = published(with_drops(found))
    rows = rows[rows["fine_tuned"]]
    first = rows[rows["training_seed"] == 0]
    first = first[first["third"]] if first["third"].any() else first
    best = first.sort_values("validation_accuracy", kind="stable", ascending=False)[:1]
    return rows.merge(best[[*VARIANT, "seed"]])


def _headline(rows: pd.DataFrame, setting: str) -> dict[str, Any]:
    held = rows["third"] & (rows["drop"] <= HEADLINE + DETERMINED)
    return {
        "claim": "B1: more than a third of the filters for at most 0.32 points",
        "setting": setting,
        "quantity": "points of test accuracy lost",
        **spread(rows["drop"]),
        "verdict": _verdict(int(held.sum()), len(rows)),
        "removed": float(rows["removed"].min()),
    }


def _over_images(found: Pruning, rows: pd.DataFrame) -> dict[str, float]:
    """95 % bootstrap interval over test images of the points lost, mean over rows, paired with the whole network."""
    whole = found.images(found.unpruned)
    lost = np.mean([whole.astype(float) - found.images(row) for row in rows.to_dict("records")], axis=0)
    drawn = stream(0, "prune", "test images").integers(len(lost), size=(REPLICATES, len(lost)))
    low, high = np.quantile(POINTS * lost[drawn].mean(axis=1), [0.025, 0.975])
    return {"image_low": float(low), "image_high": float(high)}


def _falling(found: Pruning) -> list[dict[str, Any]]:
    own = [max(0.0, float(np.diff(curve).max())) for curve in _curves(found)]
    layers = published(as_chosen(found, found.layers)).dropna(subset="rise")
    others = layers[~layers["formulation"].str.startswith("per-layer")]["rise"].tolist()
    settings = {"every layer and batch, the layer's own order": own, "every layer of every compact or full cut": others}
    return [
        {
            "claim": "B2: conditional mutual information does not rise along the order",
            "setting": setting,
            "quantity": "largest rise, nats",
            **spread(pd.Series(rises)),
            "verdict": _verdict(sum(rise <= DETERMINED for rise in rises), len(rises)),
        }
        for setting, rises in settings.items()
        if rises
    ]


def _pairs(found: Pruning) -> list[dict[str, Any]]:
    """Claim B3 where both sides keep the same number of filters: at a fixed share, as chosen and trained on.

    Formulations differ in kernel width too unless it is said to be common: then in what they condition on alone.
    """
    close = f"B3: compact is close to full (within {CLOSE:g} points)"
    outwards = f"B3: bi-directional is at least as good as forward (within {CLOSE:g} points)"
    common = with_common_width("compact"), with_common_width("full")
    plain, tuned = cuts(found), found.summary[found.summary["fine_tuned"]]
    asked = [
        (close, "formulation", common, plain, "fixed share, one kernel width, not trained on"),
        (close, "formulation", ("compact", "full"), plain, "fixed share, own kernel widths, not trained on"),
        (close, "formulation", ("compact", "full"), tuned, "fixed share, own kernel widths, trained on"),
        (outwards, "direction", ("bi-directional", "forward"), plain, "fixed share, not trained on"),
        (outwards, "direction", ("bi-directional", "forward"), tuned, "fixed share, trained on"),
    ]
    return [_pair(found, *one) for one in asked]


def _pair(
    found: Pruning, claim: str, column: str, names: tuple[str, str], part: pd.DataFrame, setting: str
) -> dict[str, Any]:
    both = pairs(part, found.layers, column, *names)
    telling = both[both["telling"] & both["cutoff"].str.startswith("share")]
    # What is kept of an order beyond its determined steps is rounding: such pairs decide nothing of a formulation.
    loose = len(telling) - int(telling["settled"].sum()) if column == "formulation" and not _trained(part) else 0
    points = telling["points"]
    held = points.abs() <= CLOSE if column == "formulation" else points >= -CLOSE
    enough = len(points) >= ENOUGH_PAIRS and not loose
    if loose:
        setting = f"{setting}; of {len(telling)} pairs {loose} with an order that is not determined"
    return {
        "claim": claim,
        "setting": setting,
        "quantity": f"points of test accuracy, {names[0].partition(',')[0]} less {names[1].partition(',')[0]}",
        **spread(points),
        "verdict": _verdict(int(held.sum()), len(held)) if enough else "not decided",
    }


def _trained(rows: pd.DataFrame) -> bool:
    return bool(rows["fine_tuned"].any())


def _verdict(held: int, cases: int) -> str:
    if not cases:
        return "not decided"
    if held in (0, cases):
        return "holds" if held else "does not hold"
    return f"holds in {held} of {cases}"


def _curves(found: Pruning) -> list[Floats]:
    said = found.study["specification"]
    mine = found.orders[(found.orders["width"] == said["width"]) & (found.orders["seed"] >= 0)]
    return [np.asarray(part.sort_values("step")["cmi"]) for _, part in mine.groupby(["seed", "layer"], sort=False)]
