"""The figures of a selection study: its curves, shares and maps, family by family, from its archive alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from moo_fs.figures import ordered, selection, ternary
from moo_fs.figures.ordered import EQUAL_ORDER, OWN_ORDER
from moo_fs.rate_curves import common_rates
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import own_orders, soft_ways
from moo_fs.selection_curves import Way, blocks_of, curve_of, families
from moo_fs.selection_findings import (
    INFORMATION,
    RATES,
    hard_way,
    mean_distortions,
    measures_of,
    weight_shares,
)
from moo_fs.selection_plan import EACH, EQUAL
from moo_fs.task_weights import NORMALISATIONS
from moo_fs.weight_shares import cells_of, distortions_at, over_blocks

CAPTIONS = {**selection.CAPTIONS, **ternary.CAPTIONS, **ordered.CAPTIONS}
SCORELESS = ("one-qp", "klt", "allocation", "uniform-step", "image-jpeg", "image-hevc")
NULLS = ("random", "shuffled-mutual-information", "uniform-step")
SHOWN = (4, 12, 20)  # of the RATES: where maps are drawn
CURVES, SHARES, MAPS, ORDERS = "rate-curves", "weight-shares", "weight-maps", "orders"
MOST_ORDERS = 9  # lines of a figure of curves


def selection_figures(results: SelectionResults) -> dict[str, Figure]:
    """Every figure by name; draw on them only inside `style.styled`."""
    found: dict[str, Figure] = {}
    for family in families(results):
        tasks = results.tasks(families(results)[family][0])
        names = _first(_emphasised(results), [_name(way) for way in ways_of(results)])
        orders = order_frame(results, family)
        curves = curve_frame(results, family)
        drawn = selection.draw_rate_curves(
            curves[curves["name"].isin(_shown(names, orders))] if len(curves) else curves,
            tasks, names=names, nulls=NULLS, emphasised=_emphasised(results),
        )  # fmt: skip
        drawn |= ordered.draw_orders(orders, tasks, nulls=NULLS, emphasised=_emphasised(results))
        drawn |= ternary.draw_ternary(cell_frame(results, family), tasks, names=names, nulls=NULLS)
        found |= {f"{name}-{family}": figure for name, figure in drawn.items()}
    measures = _first(INFORMATION, measures_of(results))
    shares = pd.concat([share_frame(results, family) for family in families(results)], ignore_index=True)
    return found | selection.draw_share_over_rate(shares, names=measures, nulls=NULLS, emphasised=INFORMATION)


def figure_names(results: SelectionResults) -> list[str]:
    """Names of the figures that this study may have."""
    return [*(f"{name}-{family}" for family in families(results) for name in (CURVES, ORDERS, MAPS)), SHARES]


def selection_caption(name: str) -> str:
    """What the figure of a name shows."""
    return next(caption for start, caption in CAPTIONS.items() if name.startswith(start))


def ways_of(results: SelectionResults) -> list[Way]:
    """What the curves are of: an order a line where channels are dropped, else the kinds of coding."""
    rivals = results.settings["rivals"]
    scoreless = [Way(name) for name in SCORELESS if name.removeprefix("image-") in rivals]
    if "hard" in results.settings["methods"]:
        return [hard_way(results, name) for name in measures_of(results)] + scoreless
    return [way for pair in soft_ways(results).values() for way in pair] + scoreless


def curve_frame(results: SelectionResults, family: str) -> pd.DataFrame:
    """Columns name, task, coded_bytes, value, low, high: means over blocks, with the band of `over_blocks`."""
    rows = []
    for way in ways_of(results):
        curves = [curve for block in blocks_of(results, family) if (curve := curve_of(results, way, block)) is not None]
        rates = common_rates(curves, RATES) if curves else np.empty(0)
        if not len(rates):
            continue
        interval = over_blocks(np.stack([curve.at(rates) for curve in curves]))
        banded = way.measure is not None
        for at, task in enumerate(results.tasks(families(results)[family][0])):
            ends = (interval.low[:, at], interval.high[:, at]) if banded else (np.nan, np.nan)
            columns = {"name": _name(way), "task": task, "coded_bytes": rates, "value": interval.value[:, at]}
            rows.append(pd.DataFrame({**columns, "low": ends[0], "high": ends[1]}))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


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
    ways = _compared(results)
    for how in NORMALISATIONS if ways else ():
        found = weight_shares(results, family, ways, how, images=False)
        for at, way in enumerate(ways if found else ()):
            shares = found["shares"]  # type: ignore[index]
            columns = {"subject": family, "normalisation": how, "coded_bytes": found["rates"], "measure": way.label}  # type: ignore[index]
            ends = {"share": shares.value[:, at], "low": shares.low[:, at], "high": shares.high[:, at]}
            frames.append(pd.DataFrame({**columns, **ends}))
    return pd.concat(frames, ignore_index=True)


def cell_frame(results: SelectionResults, family: str) -> pd.DataFrame:
    """Cells of the winner at a few rates, of distortions that are means over blocks: see `figures.ternary`."""
    ways, tasks, rows = _compared(results), results.tasks(families(results)[family][0]), []
    for how in NORMALISATIONS if ways and len(tasks) in (2, 3) else ():
        found = weight_shares(results, family, ways, how, images=False)
        if found is None:
            continue
        rates = found["rates"][list(SHOWN)]
        blocks = [[curve_of(results, way, block, how) for way in ways] for block in blocks_of(results, family)]
        mean = np.mean([distortions_at([one for one in block if one], rates) for block in blocks], axis=0)
        for rate, values in zip(rates, mean, strict=True):
            cells = cells_of(values, [way.label for way in ways], tasks)
            rows += [{"normalisation": how, "coded_bytes": float(rate), **cell} for cell in cells]
    return pd.DataFrame(rows)


def _compared(results: SelectionResults) -> Sequence[Way]:
    """The orders whose shares of the task weights are compared."""
    if "hard" not in results.settings["methods"] or results.settings["task_weights"] != [EQUAL]:
        return []
    return [hard_way(results, name) for name in measures_of(results)]


def _shown(names: Sequence[str], orders: pd.DataFrame) -> Sequence[str]:
    """The names that curves are drawn of: of many orders the best in the mean over tasks, whatever is no order."""
    if orders.empty or orders["measure"].nunique() <= MOST_ORDERS + 1:
        return names
    means = orders.groupby("measure")["value"].mean().sort_values()
    always = [INFORMATION, *NULLS]
    best = [name for name in means.index if name not in always][: MOST_ORDERS - len(always)]
    return [name for name in names if name not in means.index or name in best or name in always]


def _emphasised(results: SelectionResults) -> str:
    """The line that the study is about."""
    if "hard" in results.settings["methods"]:
        return INFORMATION
    return _name(next(iter(soft_ways(results).values()))[0])


def _first(emphasised: str, names: Sequence[str]) -> list[str]:
    """Names with the emphasised one, if there, before the others: it takes the first and strongest colour."""
    return sorted(names, key=lambda name: name != emphasised)


def _name(way: Way) -> str:
    """What a line is called; all two-stream curves of a figure are of one measure, which the tables name."""
    return way.label.removesuffix(f", {INFORMATION}")
