"""What a selection study finds, as frames: distortion at equal bytes, delta rates, shares of task weights, orders.

Everything is paired by block (a subject and a draw of scores). Intervals over blocks say whether another draw would
give the same, intervals over images whether other images would; they are never mixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from moo_fs.contracts import Floats
from moo_fs.contrasts import ENOUGH_PAIRS, a12, holm, median_interval, signed_rank_p
from moo_fs.rate_curves import Curve, at_rates, bd_rate, common_rates
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_curves import (
    LOSS_SPAN,
    Block,
    Way,
    blocks_of,
    curve_of,
    has_normalisation,
    image_copies,
    resampled,
)
from moo_fs.selection_plan import EQUAL
from moo_fs.task_weights import share_of_all
from moo_fs.weight_shares import Interval, over_blocks, over_images, pair_shares_over_rate, shares_over_rate

INFORMATION = "mutual-information"
RATES = 25  # at which curves are compared: equal steps of the logarithm of the bytes over their common range


def measures_of(results: SelectionResults) -> list[str]:
    """Labels of the measures, in the order of the study."""
    return list(
        dict.fromkeys(results.rows.loc[results.rows["seed"].notna() & (results.rows["measure"] != "none"), "measure"])
    )


def hard_way(results: SelectionResults, measure: str, weights: str = EQUAL) -> Way:
    """Hard selection by a measure with the study's first fill and codec, in one stream: no base of soft selection."""
    settings = results.settings
    fixed = (("fill", settings["fills"][0]), ("codec", settings["codecs"][0]), ("base_share", None))
    return Way("hard", measure, weights, fixed)


def rates_of(results: SelectionResults, ways: Sequence[Way], block: Block) -> Floats:
    """Coded bytes (rate,) at which the ways can all be compared in a block; empty if there are none."""
    curves = [curve for way in ways if (curve := curve_of(results, way, block)) is not None]
    return common_rates(curves, RATES) if curves else np.empty(0)


def mean_distortions(
    results: SelectionResults, family: str, ways: Sequence[Way], *, beside: Sequence[Way] = ()
) -> pd.DataFrame:
    """Distortion at equal bytes, a row a way, block and task: mean over the rates that all ways of the block reach.

    Columns way, weights, task, subject, seed, distortion, low_bytes, high_bytes. Those `beside` are read off at the
    same rates, which they do not narrow: NaN where they do not reach all of them.
    """
    rows: list[dict[str, Any]] = []
    for block in blocks_of(results, family):
        rates = rates_of(results, ways, block)
        for way in (*ways, *beside) if len(rates) else ():
            curve = curve_of(results, way, block)
            values = curve.at(rates, outside="nan").mean(axis=0) if curve is not None else []
            for task, value in zip(results.tasks(block.subject), values, strict=False):
                named = {"way": way.label, "weights": way.weights, "task": task}
                ends = {"low_bytes": rates[0], "high_bytes": rates[-1]}
                rows.append({**named, "subject": block.subject, "seed": block.seed, "distortion": value, **ends})
    return pd.DataFrame(rows)


def contrasts(values: pd.DataFrame, pairs: Sequence[tuple[str, str]], tasks: Sequence[str]) -> pd.DataFrame:
    """Planned contrasts of ways (ours, rival) for each task, from `mean_distortions`: ours minus the rival's.

    Below zero is better. Wilcoxon's exact p, Holm over all rows here, A12 of the rival over ours (above one half:
    ours is better); below 12 pairs p and interval are NaN.
    """
    rows = []
    for task, (ours, rival) in itertools.product(tasks, pairs):
        wide = values[values["task"] == task].pivot(index=["subject", "seed"], columns="way", values="distortion")
        if ours not in wide or rival not in wide:
            continue
        gaps = (wide[ours] - wide[rival]).to_numpy()
        enough = len(gaps) >= ENOUGH_PAIRS
        low, high = median_interval(gaps) if enough else (np.nan, np.nan)
        row = {"task": task, "way": ours, "against": rival, "pairs": len(gaps), "median": float(np.median(gaps))}
        row |= {"lowest": gaps.min(), "highest": gaps.max(), "low": low, "high": high}
        rows.append({**row, "p": signed_rank_p(gaps) if enough else np.nan, "a12": a12(wide[rival], wide[ours])})
    return with_holm(pd.DataFrame(rows))


def with_holm(found: pd.DataFrame) -> pd.DataFrame:
    """Contrasts with Holm's p over all their rows in `p_holm`, whatever stood there: NaN if a row has no p."""
    if found.empty:
        return found
    return found.assign(p_holm=holm(found["p"].to_numpy()) if found["p"].notna().all() else np.nan)


def order_agreements(results: SelectionResults, family: str, measure: str) -> pd.DataFrame:
    """Spearman's rho of a measure's scores for two tasks, beside that of one task's scores from two draws of images.

    Columns what ("tasks" or "draws"), first, second, mean, low, high, lowest, highest: over blocks.
    """
    mine = results.scores[results.scores["measure"] == measure]
    keyed = {key: rows["score"].to_numpy() for key, rows in mine.groupby(["subject", "seed", "task"], sort=False)}
    blocks = blocks_of(results, family)
    tasks = results.tasks(blocks[0].subject)
    rows: list[dict[str, Any]] = []
    for first, second in itertools.combinations(tasks, 2):
        values = [_rho(*(keyed[block.subject, block.seed, task] for task in (first, second))) for block in blocks]
        rows.append({"what": "tasks", "first": first, "second": second, **_told(over_blocks(values))})
    for task in tasks if results.seeds > 1 else []:
        values = [_between_draws(keyed, block, task, results.seeds) for block in blocks]
        rows.append({"what": "draws", "first": task, "second": task, **_told(over_blocks(values))})
    return pd.DataFrame(rows)


def score_agreement(results: SelectionResults, family: str, measure: str) -> float:
    """Mean over blocks and tasks of the rank correlation of a measure's scores with mutual information's."""
    keyed = {
        key: rows["score"].to_numpy()
        for key, rows in results.scores.groupby(["measure", "subject", "seed", "task"], sort=False)
    }
    found = [
        _rho(*(keyed[name, block.subject, block.seed, task] for name in (measure, INFORMATION)))
        for block in blocks_of(results, family)
        for task in results.tasks(block.subject)
        if (INFORMATION, block.subject, block.seed, task) in keyed
    ]
    return float(np.mean(found)) if found else np.nan


def curve_pairs(
    results: SelectionResults, family: str, anchor: Way, way: Way, *, deployed: bool = False
) -> list[tuple[Block, Curve, Curve]]:
    """The blocks that have both curves, with the anchor's and the way's.

    A way and an anchor without scores are the same in all blocks of a subject, and count once a subject.
    """
    blocks = blocks_of(results, family)
    own = [block for block in blocks if block.seed == 0] if way.measure is None is anchor.measure else blocks
    found = []
    for block in own:
        first, second = (curve_of(results, one, block, deployed=deployed) for one in (anchor, way))
        if first is not None and second is not None:
            found.append((block, first, second))
    return found


def delta_rates(
    results: SelectionResults,
    family: str,
    anchor: Way,
    ways: Sequence[Way],
    *,
    over: Collection[Way] = (),
    deployed: bool = False,
) -> pd.DataFrame:
    """Bjøntegaard delta rates in percent against an anchor, a row a way and task; negative: fewer bytes.

    Columns way, task, blocks (that have a rate), all_blocks; mean (over blocks), low, high, lowest, highest; loss_low,
    loss_high (the losses over which they were compared, the least and the largest of the blocks); image_low, image_high
    (over images, the scores and the bytes kept; of the ways in `over`); reason (why a block has none). Blocks as in
    `curve_pairs`; `deployed` as for `curve_of`, whose rates have no interval over images.
    """
    empty = dict.fromkeys(("mean", "low", "high", "lowest", "highest", "loss_low", "loss_high"), np.nan)
    rows: list[dict[str, Any]] = []
    for way in ways:
        pairs = curve_pairs(results, family, anchor, way, deployed=deployed)
        drawn = [block for block, *_ in pairs] if way in over and not deployed else []
        again = _resampled_rates(results, anchor, way, drawn) if drawn else None
        for at, task in enumerate(results.tasks(pairs[0][0].subject) if pairs else []):
            changes = [bd_rate(first, second, task=at) for _, first, second in pairs]
            known = [change for change in changes if not change.reason]
            reasons = [change.reason for change in changes if change.reason]
            row: dict[str, Any] = {"way": way.label, "task": task, "blocks": len(known), "all_blocks": len(changes)}
            row |= empty
            if known:
                row |= _told(over_blocks([change.percent for change in known]))
                row |= {"loss_low": min(change.low for change in known)}
                row |= {"loss_high": max(change.high for change in known)}
            if again is not None and not reasons:
                row |= _over_images(row["mean"], again[:, at])
            rows.append({**row, "reason": reasons[0] if reasons else ""})
    return pd.DataFrame(rows)


def weight_shares(
    results: SelectionResults, family: str, ways: Sequence[Way], how: str, *, images: bool = True
) -> dict[str, Any] | None:
    """Shares of the simplex where each way is best, over rate; None without a common range or normalisation.

    `rates` (rate,): the common range of all blocks; `shares`, an Interval of (rate, way); `mean`, one of (way,), mean
    over the rates; `pairs`, one of (way, rival); `images`, one of (way,) over images (loss span
    only, and if asked for, else None).
    """
    blocks = blocks_of(results, family)
    if not all(has_normalisation(results, block.subject, how) for block in blocks):
        return None
    curves = [[curve_of(results, way, block, how) for way in ways] for block in blocks]
    whole = [[curve for curve in block if curve is not None] for block in curves]
    if any(len(block) < len(ways) for block in whole):
        return None
    rates = common_rates([curve for block in whole for curve in block], RATES)
    if not len(rates):
        return None
    shares = np.stack([shares_over_rate(block, rates) for block in whole])
    pairs = np.stack([pair_shares_over_rate(block, rates).mean(axis=0) for block in whole])
    mean = over_blocks(shares.mean(axis=1))
    known = _share_images(results, blocks, ways, rates, mean.value) if images and how == LOSS_SPAN else None
    return {"rates": rates, "shares": over_blocks(shares), "mean": mean, "pairs": over_blocks(pairs), "images": known}


def _share_images(
    results: SelectionResults, blocks: Sequence[Block], ways: Sequence[Way], rates: Floats, value: Floats
) -> Interval:
    """The interval over images of the mean shares (way,); every image is drawn in all blocks alike."""
    found = []
    for block in blocks:
        copies = image_copies(results.about(block.subject)["test_images"])
        curves = [resampled(results, way, block, copies) for way in ways]
        vectors = np.stack([at_rates(coded_bytes, losses, rates) for coded_bytes, losses in curves], axis=2)
        found.append(share_of_all(vectors).mean(axis=1))
    return over_images(value, np.mean(found, axis=0))


def _resampled_rates(results: SelectionResults, anchor: Way, way: Way, blocks: Sequence[Block]) -> Floats:
    """Delta rates (replicate, task), means over blocks; NaN where a replicate of one has no overlap."""
    found = []
    for block in blocks:
        copies = image_copies(results.about(block.subject)["test_images"])
        both = [resampled(results, one, block, copies) for one in (anchor, way)]
        tasks = range(len(results.tasks(block.subject)))
        pairs = zip(*([Curve(coded_bytes, one) for one in losses] for coded_bytes, losses in both), strict=True)
        found.append([[bd_rate(first, second, task=at).percent for at in tasks] for first, second in pairs])
    return np.asarray(np.mean(found, axis=0))


def _over_images(value: float, replicates: Floats) -> dict[str, float]:
    """Ends of the interval over images; none if most replicates have no delta rate."""
    known = replicates[np.isfinite(replicates)]
    if len(known) < len(replicates) / 2:
        return {}
    interval = over_images(value, known)
    return {"image_low": float(interval.low), "image_high": float(interval.high)}


def _between_draws(keyed: dict[Any, Floats], block: Block, task: str, seeds: int) -> float:
    """Mean rho of a block's scores for a task with those of the subject's other draws."""
    own = keyed[block.subject, block.seed, task]
    others = [keyed[block.subject, seed, task] for seed in range(seeds) if seed != block.seed]
    return float(np.mean([_rho(own, other) for other in others]))


def _rho(first: Floats, second: Floats) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0  # a constant column has no order
    return float(stats.spearmanr(first, second).statistic)


def _told(interval: Interval) -> dict[str, float]:
    names = ("mean", "low", "high", "lowest", "highest")
    return {name: float(value) for name, value in zip(names, interval, strict=True)}
