"""The figures of a selection study: its curves, shares and maps, family by family, from its archive alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from moo_fs.contrasts import ENOUGH_PAIRS
from moo_fs.figures import ordered, relative, selection, ternary
from moo_fs.figures.selected_frames import (
    cell_frame,
    chance_ways,
    curve_frame,
    has_soft,
    name_of,
    order_frame,
    relative_frame,
    relative_names,
    share_frame,
    short_name,
    ways_of,
)
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import soft_measure
from moo_fs.selection_curves import NULLS, SCORELESS, blocks_of, families
from moo_fs.selection_findings import INFORMATION, measures_of

CAPTIONS = {**selection.CAPTIONS, **ternary.CAPTIONS, **ordered.CAPTIONS, **relative.CAPTIONS}
CURVES, SHARES, MAPS, ORDERS = "rate-curves", "weight-shares", "weight-maps", "orders"
RELATIVE = "relative-bytes"
MOST_ORDERS = 10  # lines of orders in a figure of curves
BEST_ORDERS = 5  # of more of them: beside mutual information and nulls
CUT = "klt's finest steps, where its line turns up, are too fine for 256 symbols a component: they cut the strong ones."


def selection_figures(results: SelectionResults) -> dict[str, Figure]:
    """Every figure by name; draw on them only inside `style.styled`."""
    found: dict[str, Figure] = {}
    for family in families(results):
        found |= {f"{name}-{family}": figure for name, figure in _of_family(results, family).items()}
    measures = _first(INFORMATION, measures_of(results))
    shares = pd.concat([share_frame(results, family) for family in families(results)], ignore_index=True)
    return found | selection.draw_share_over_rate(shares, names=measures, nulls=NULLS, emphasised=INFORMATION)


def figure_names(results: SelectionResults) -> list[str]:
    """Names of the figures that this study may have."""
    kinds = (RELATIVE, CURVES, ORDERS, MAPS)
    return [*(f"{name}-{family}" for family in families(results) for name in kinds), SHARES]


def selection_caption(name: str, results: SelectionResults) -> str:
    """What the figure of a name shows, and what is so in this archive only."""
    start = next(start for start in CAPTIONS if name.startswith(start))
    return " ".join([CAPTIONS[start], *_told(results, start)])


def _of_family(results: SelectionResults, family: str) -> dict[str, Figure]:
    """The figures of one family by the start of their names."""
    tasks = results.tasks(families(results)[family][0])
    emphasised, nulls = _emphasised(results), _nulls(results)
    orders, ratios = order_frame(results, family), relative_frame(results, family)
    names = _shown(_first(emphasised, [name_of(results, way) for way in ways_of(results)]), orders)
    curves, cells = curve_frame(results, family, names), cell_frame(results, family)
    lines = relative_names(results)
    whose, title = (_whose_order(results, start) for start in (RELATIVE, CURVES))
    return {
        **relative.draw_relative(ratios, tasks, names=lines, nulls=nulls, emphasised="".join(lines[:1]), title=whose),
        **selection.draw_rate_curves(curves, tasks, names=names, nulls=nulls, emphasised=emphasised, title=title),
        **ordered.draw_orders(orders, tasks, nulls=nulls, emphasised=emphasised),
        **ternary.draw_ternary(cells, tasks, names=names, nulls=nulls),
    }


def _told(results: SelectionResults, start: str) -> list[str]:
    """What a figure's caption says of this archive beside what is true of every one."""
    settings, known, told = results.settings, measures_of(results), []
    if start in (CURVES, SHARES) and all(len(blocks_of(results, one)) >= ENOUGH_PAIRS for one in families(results)):
        told.append("Bands: 95 % intervals over blocks.")
    if _whose_order(results, start):
        told.append(f"Channels are ordered by {soft_measure(results)} unless a line names another order.")
    if start == CURVES and "klt" in settings["rivals"]:
        told.append(CUT)
    if start == CURVES and "hard" in settings["methods"] and len(known) > MOST_ORDERS:
        told.append(
            f"Of {len(known)} orders: {INFORMATION}, those by chance, and the {BEST_ORDERS} others of the least mean "
            "distortion over tasks."
        )
    return told


def _whose_order(results: SelectionResults, start: str) -> str:
    """What stands over the lines of soft and hard selection, whose names do not say it; empty if there are none."""
    shown = start == RELATIVE or (start == CURVES and "hard" not in results.settings["methods"])
    return f"soft and hard: channels ordered by {soft_measure(results)}" if shown and has_soft(results) else ""


def _shown(names: Sequence[str], orders: pd.DataFrame) -> Sequence[str]:
    """The names that curves are drawn of: of many orders the best in the mean over tasks, whatever is no order."""
    if orders.empty or orders["measure"].nunique() <= MOST_ORDERS:
        return names
    means = orders.groupby("measure")["value"].mean().sort_values()
    always = [INFORMATION, *NULLS]
    best = [name for name in means.index if name not in always][:BEST_ORDERS]
    return [name for name in names if name not in means.index or name in best or name in always]


def _emphasised(results: SelectionResults) -> str:
    """The line that the study is about."""
    if "hard" in results.settings["methods"]:
        return INFORMATION
    return name_of(results, ways_of(results)[0])


def _nulls(results: SelectionResults) -> Sequence[str]:
    """What knows nothing of the channels, under the names of all lines: orders by chance, then other ways of coding."""
    two = [name(results, way) for name in (name_of, short_name) for way in chance_ways(results)[:1]]
    if "hard" in results.settings["methods"]:
        return [*NULLS, *two]
    return [*two, *(name for name in NULLS if name in SCORELESS)]


def _first(emphasised: str, names: Sequence[str]) -> list[str]:
    """Names with the emphasised one, if there, before the others: it takes the first and strongest colour."""
    return sorted(names, key=lambda name: name != emphasised)
