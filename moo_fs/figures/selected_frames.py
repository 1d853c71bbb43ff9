"""The frames that the figures of a selection study draw, family by family, from its archive alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contracts import Floats
from moo_fs.figures.ordered import EQUAL_ORDER, OWN_ORDER
from moo_fs.figures.relative import NEAR_NOTHING
from moo_fs.rate_curves import Curve, bytes_at, common_rates
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import own_orders, soft_measure, soft_ways
from moo_fs.selection_curves import SCORELESS, Way, blocks_of, curve_of, families
from moo_fs.selection_findings import (
    RATES,
    curve_pairs,
    hard_way,
    mean_distortions,
    measures_of,
    weight_shares,
)
from moo_fs.selection_plan import EACH, EQUAL, LOSSLESS
from moo_fs.task_weights import NORMALISATIONS
from moo_fs.weight_shares import cells_of, distortions_at, over_blocks

ANCHOR = "one-qp"  # what the figure of relative bytes compares with
CHANCE = "random"
SHOWN = (2, 12, 22)  # of the RATES: where maps are drawn
DISTORTIONS = np.geomspace(NEAR_NOTHING, 1, 200)  # where bytes are read off


def ways_of(results: SelectionResults) -> list[Way]:
    """What the curves are of: an order a line where channels are dropped, else the kinds of coding."""
    if "hard" in results.settings["methods"]:
        return [hard_way(results, name) for name in measures_of(results)] + scoreless_ways(results)
    first, *others = [way for pair in soft_ways(results).values() for way in pair]
    return [first, *scoreless_ways(results), *others, *chance_ways(results)[:1]]


def scoreless_ways(results: SelectionResults) -> list[Way]:
    """Those of SCORELESS that the study has."""
    rivals = results.settings["rivals"]
    return [Way(name) for name in SCORELESS if name.removeprefix("image-") in rivals]


def chance_ways(results: SelectionResults) -> list[Way]:
    """Soft selection by a random order, a quality of the base each; none if it is not run beside another order."""
    beside = CHANCE in measures_of(results) and soft_measure(results) != CHANCE
    return [soft for soft, _ in soft_ways(results, CHANCE).values()] if has_soft(results) and beside else []


def has_soft(results: SelectionResults) -> bool:
    """Whether the study has soft selection at all."""
    return "soft" in results.settings["methods"]


def name_of(results: SelectionResults, way: Way) -> str:
    """What a line of the curves is called: of two streams it says whose order it is unless that is `soft_measure`'s."""
    return way.label.removesuffix(f", {soft_measure(results)}")


def short_name(results: SelectionResults, way: Way) -> str:
    """What a line is called where its panel says the quality of the base: "soft 25 %", "soft 25 %, random", "hard"."""
    if way.method != "soft":
        return way.method
    share = f"soft {dict(way.fixed)['base_share'] * 100:g} %"
    return share if way.measure == soft_measure(results) else f"{share}, {way.measure}"


def curve_frame(results: SelectionResults, family: str, names: Sequence[str]) -> pd.DataFrame:
    """Columns name, task, coded_bytes, value, low, high: means over blocks, with the band of `over_blocks`."""
    rows = [pd.DataFrame()]
    for way in ways_of(results):
        name = name_of(results, way)
        curves = _curves(results, family, way) if name in names else []
        rates = common_rates(curves, RATES) if curves else np.empty(0)
        if not len(rates):
            continue
        interval = over_blocks(np.stack([curve.at(rates) for curve in curves]))
        for at, task in enumerate(results.tasks(families(results)[family][0])):
            ends = (interval.low[:, at], interval.high[:, at]) if way.measure is not None else (np.nan, np.nan)
            columns = {"name": name, "task": task, "coded_bytes": rates, "value": interval.value[:, at]}
            rows.append(pd.DataFrame({**columns, "low": ends[0], "high": ends[1]}))
    return pd.concat(rows, ignore_index=True)


def relative_frame(results: SelectionResults, family: str) -> pd.DataFrame:
    """Columns of `figures.relative`: bytes over those of one QP at equal distortion, over blocks."""
    rows = [pd.DataFrame()]
    for group, way in _against_one_qp(results):
        pairs = [(anchor, curve) for _, anchor, curve in curve_pairs(results, family, Way(ANCHOR), way)]
        for at, task in enumerate(results.tasks(families(results)[family][0]) if pairs else ()):
            ratios = _ratios(pairs, at)
            # A median over the blocks that happen to reach a distortion would jump where one drops out.
            there = np.isfinite(ratios).all(axis=0)
            seen = ratios[:, there]
            ends = {"value": np.median(seen, axis=0), "low": seen.min(axis=0), "high": seen.max(axis=0)}
            named = {"group": group, "name": short_name(results, way), "task": task}
            rows.append(pd.DataFrame({**named, "distortion": DISTORTIONS[there], **ends}))
    return pd.concat(rows, ignore_index=True)


def relative_names(results: SelectionResults) -> list[str]:
    """The lines of `relative_frame`, those that need no scores in the places that they have among `ways_of`."""
    first = [soft for soft, _ in soft_ways(results).values()][:1] if has_soft(results) else []
    ways = [*first, *scoreless_ways(results), *(way for _, way in _against_one_qp(results))]
    return list(dict.fromkeys(short_name(results, way) for way in ways))


def order_frame(results: SelectionResults, family: str) -> pd.DataFrame:
    """Columns measure, task, order, value, low, high of `draw_orders`: hard selection by every measure."""
    if "hard" not in results.settings["methods"]:
        return pd.DataFrame()
    measures, rows = measures_of(results), []
    found = {EQUAL_ORDER: mean_distortions(results, family, [hard_way(results, name) for name in measures])}
    if EACH in results.settings["task_weights"]:
        found[OWN_ORDER] = own_orders(results, family, measures)
    for order, values in found.items():
        for (way, task), part in values.groupby(["way", "task"], sort=False) if len(values) else ():
            over = over_blocks(part["distortion"].to_numpy())
            low, high = (over.low, over.high) if np.isfinite(over.low) else (over.lowest, over.highest)
            row = {"measure": way, "task": task, "order": order, "value": float(over.value)}
            rows.append({**row, "low": float(low), "high": float(high)})
    return pd.DataFrame(rows)


def share_frame(results: SelectionResults, family: str) -> pd.DataFrame:
    """Columns subject, normalisation, coded_bytes, measure, share, low, high; empty where shares are not asked for."""
    frames = [pd.DataFrame()]
    for how, ways, found in _shares(results, family):
        for at, way in enumerate(ways):
            columns = {"subject": family, "normalisation": how, "coded_bytes": found["rates"], "measure": way.label}
            shares = found["shares"]
            ends = {"share": shares.value[:, at], "low": shares.low[:, at], "high": shares.high[:, at]}
            frames.append(pd.DataFrame({**columns, **ends}))
    return pd.concat(frames, ignore_index=True)


def cell_frame(results: SelectionResults, family: str) -> pd.DataFrame:
    """Cells of the winner at a few rates, of distortions that are means over blocks: see `figures.ternary`."""
    tasks, rows = results.tasks(families(results)[family][0]), []
    for how, ways, found in _shares(results, family) if len(tasks) in (2, 3) else ():
        rates = found["rates"][list(SHOWN)]
        blocks = [[curve_of(results, way, block, how) for way in ways] for block in blocks_of(results, family)]
        mean = np.mean([distortions_at([one for one in block if one], rates) for block in blocks], axis=0)
        for rate, values in zip(rates, mean, strict=True):
            cells = cells_of(values, [way.label for way in ways], tasks)
            rows += [{"normalisation": how, "coded_bytes": float(rate), **cell} for cell in cells]
    return pd.DataFrame(rows)


def _shares(results: SelectionResults, family: str) -> Iterator[tuple[str, list[Way], dict[str, Any]]]:
    """(normalisation, orders, `weight_shares` of them), where a study compares shares of the task weights."""
    several = len(measures_of(results)) > 1
    if not several or "hard" not in results.settings["methods"] or results.settings["task_weights"] != [EQUAL]:
        return
    ways = [hard_way(results, name) for name in measures_of(results)]
    for how in NORMALISATIONS:
        found = weight_shares(results, family, ways, how, images=False)
        if found is not None:
            yield how, ways, found


def _curves(results: SelectionResults, family: str, way: Way) -> list[Curve]:
    """The curves of a way, a block each, of the blocks that have one."""
    return [curve for block in blocks_of(results, family) if (curve := curve_of(results, way, block)) is not None]


def _against_one_qp(results: SelectionResults) -> Iterator[tuple[str, Way]]:
    """(group of panels, way): what is compared with one QP, soft selection at every base."""
    if ANCHOR not in results.settings["rivals"]:
        return
    for quality, (judged, hard) in soft_ways(results).items() if has_soft(results) else ():
        group = "lossless base" if quality == LOSSLESS else f"base at QP {quality}"
        for share in results.settings["bases"]:
            yield group, Way("soft", judged.measure, fixed=(("base_share", share), ("base_qp", quality)))
        yield group, hard
        yield from ((group, way) for way in chance_ways(results) if ("base_qp", quality) in way.fixed)
    yield from (("no scores", way) for way in scoreless_ways(results) if way.method != ANCHOR)


def _ratios(pairs: Sequence[tuple[Curve, Curve]], task: int) -> Floats:
    """Bytes over one QP's (block, distortion), NaN where one of both does not reach the distortion."""
    return np.stack(
        [
            bytes_at(curve, task=task, losses=DISTORTIONS) / bytes_at(anchor, task=task, losses=DISTORTIONS)
            for anchor, curve in pairs
        ]
    )
