"""Tables of a comparison: measures by way of searching, their planned contrasts, and their medians by network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from moo_fs.comparison_archive import Comparison
from moo_fs.contrasts import ENOUGH_PAIRS, LEVEL, RANDOM, RIVAL, Roles, mean_ranks, pairs_of
from moo_fs.contrasts import planned_contrasts as contrasts_of
from moo_fs.numerals import MISSING, count, effect, number, probability, rank, share, signed, whole_spread
from moo_fs.tables.rendering import Table

VALUES = {"corner": "corner_test", "hypervolume": "hypervolume_test"}
COSTS = ["head_passes", "scoring_evaluations", "scoring_seconds"]
COST_NAMES = ("passes", "evaluations", "seconds")
BETTER, WORSE = "†", "‡"
KINDS = (RANDOM, RIVAL)  # in the order of the rows


def comparison_tables(comparison: Comparison) -> dict[str, Table]:
    """Every table of a comparison by name: `compare`, `contrasts`, `contrasts-<way>`, `compare-networks`.

    `contrasts` shows the first way, its CSV has all of them. Raises MooFsError if a measure lacks a block.
    """
    contrasts = planned(comparison)
    tables = [compare_table(comparison, contrasts)]
    for at, (way, found) in enumerate(contrasts.items()):
        data = found if at else pd.concat(contrasts.values(), ignore_index=True)
        tables.append(_contrasts_table(f"contrasts-{way}" if at else "contrasts", way, found, data))
    return {table.name: table for table in [*tables, networks_table(comparison)]}


def planned(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """The planned contrasts of every way, measures in the order of their ranks."""
    roles, places = Roles.of(comparison.about), {name: at for at, name in enumerate(measures_of(comparison))}
    kinds = {kind: at * len(places) for at, kind in enumerate(KINDS)}
    found = {}
    for way in ways_of(comparison):
        rows = contrasts_of(comparison.summary, way, roles)
        order = (rows["kind"].map(kinds) + rows["measure"].map(places)).sort_values(kind="stable").index
        found[way] = rows.loc[order].reset_index(drop=True)
    return found


def ways_of(comparison: Comparison) -> list[str]:
    """The ways of searching that the comparison declares, in its order."""
    return [str(way) for way in comparison.about["ways"]]


def measures_of(comparison: Comparison) -> list[str]:
    """Labels of the measures, best mean rank of the first way first."""
    return [str(name) for name in mean_ranks(pairs_of(comparison.summary, ways_of(comparison)[0])).index]


def by_measure(comparison: Comparison) -> pd.DataFrame:
    """A row a measure: its role, medians over pairs and mean rank of every way, and what its scores cost.

    Costs are head passes (images x passes of all heads), their worth in evaluations, and seconds, medians over pairs. A
    run that does not read the scores is not charged for them, so a pair's cost is that of its dearest run.
    """
    roles, names = Roles.of(comparison.about), measures_of(comparison)
    data = pd.DataFrame({"measure": names, "role": [roles.name(name) for name in names]}, index=names)
    for way in ways_of(comparison):
        for name, column in VALUES.items():
            pairs = pairs_of(comparison.summary, way, column)
            for what in ("median", "min", "max"):
                data[f"{way}_{name}_{what}"] = getattr(pairs, what)()
        data[f"{way}_mean_rank"] = mean_ranks(pairs_of(comparison.summary, way))
    charged = comparison.summary.groupby(["measure", "network", "seed"])[COSTS[1:]].max()
    costs = charged.join(_head_passes(comparison)).groupby("measure").median()
    return data.join(costs[COSTS]).reset_index(drop=True)


def ended_short(comparison: Comparison) -> pd.DataFrame:
    """The runs of the summary with fewer evaluations than the budget: what the scores allow was at an end."""
    return comparison.summary[comparison.summary["evaluations"] < comparison.budget]


def short_words(comparison: Comparison) -> str:
    """Which measures ended below the budget, in which ways and with how many evaluations; empty if none did."""
    told = []
    for measure, mine in ended_short(comparison).groupby("measure", sort=False):
        ways = [f"{way} {whole_spread(rows['evaluations'])}" for way, rows in mine.groupby("optimiser", sort=False)]
        told.append(f"{measure} ({', '.join(ways)})")
    return f"Short of the budget of {comparison.budget} evaluations: {'; '.join(told)}." if told else ""


def compare_table(comparison: Comparison, contrasts: Mapping[str, pd.DataFrame]) -> Table:
    """Measures by ways: median corner and mean rank; what the scores cost; marks where a test was possible."""
    data, ways = by_measure(comparison), ways_of(comparison)
    marks = {way: _marks(contrasts[way]) for way in ways}
    rows, bold = [], set()
    for row in data.to_dict("records"):
        cells = [str(row["measure"]), str(row["role"])]
        for way in ways:
            cells += [marks[way].get(row["measure"], "") + share(row[f"{way}_corner_median"])]
            cells += [rank(row[f"{way}_mean_rank"])]
        rows.append((*cells, count(row["head_passes"]), *(number(row[name]) for name in COSTS[1:])))
    candidates = data[data["role"].isin(["", "own"])]
    for at, way in enumerate(ways):
        medians = candidates[f"{way}_corner_median"]
        bold |= {(int(row), 2 + 2 * at) for row in medians.index[medians == medians.max()]}
    return Table(
        name="compare",
        title="Measures compared by the fronts they give",
        header=("measure", "role", *(name for way in ways for name in (way, "rank")), *COST_NAMES),
        rows=tuple(rows),
        data=data,
        note=_compare_note(comparison),
        bold=frozenset(bold),
        texts=2,
    )


def networks_table(comparison: Comparison) -> Table:
    """Median corner of every measure, way and network beside that of all pairs: blocks of a network go together."""
    names, networks = measures_of(comparison), list(comparison.networks)
    frames = []
    for way in ways_of(comparison):
        pairs = pairs_of(comparison.summary, way)
        one = pd.DataFrame({"way": way, "measure": names}, index=names)
        one["median"], one["min"], one["max"] = pairs.median(), pairs.min(), pairs.max()
        for name in networks:
            one[f"network_{name}"] = pairs.xs(name, level="network").median()
        frames.append(one)
    data = pd.concat(frames, ignore_index=True)
    rows = tuple(
        (
            str(row["way"]),
            str(row["measure"]),
            share(row["median"]),
            f"{share(row['min'])}–{share(row['max'])}",
            *(share(row[f"network_{name}"]) for name in networks),
        )
        for row in data.to_dict("records")
    )
    return Table(
        name="compare-networks",
        title="Corner hypervolume on the test part by measure, way and network",
        header=("way", "measure", "median", "range", *(f"network {name}" for name in networks)),
        rows=rows,
        data=data,
        note=f"Medians and range over {pairs_words(comparison)}; then the median over each network's blocks.",
        rules=frozenset(range(len(names), len(rows), len(names))),
        texts=2,
    )


def pairs_words(comparison: Comparison) -> str:
    """How many pairs there are and what they are."""
    summary, networks = comparison.summary, len(comparison.networks)
    pairs = len(summary[["network", "seed"]].drop_duplicates())
    if networks == 1:
        return f"{pairs} {'pair' if pairs == 1 else 'pairs'} (blocks of one network)"
    return f"{pairs} pairs ({networks} networks × {pairs // networks} blocks)"


def _head_passes(comparison: Comparison) -> pd.Series:
    """Images x passes of the scores of every measure, network and block; measures without scores have none."""
    keys, frames = ["measure", "network", "seed"], []
    for network, results in comparison.networks.items():
        for one in (results, *comparison.own.get(network, ())):
            frames.append(one.scores.assign(network=network)[[*keys, "head_passes"]])
    scores = pd.concat(frames, ignore_index=True)
    return scores.astype({"seed": int, "head_passes": float}).groupby(keys)["head_passes"].max()


def _contrasts_table(name: str, way: str, found: pd.DataFrame, data: pd.DataFrame) -> Table:
    tested = bool((found["pairs"] >= ENOUGH_PAIRS).all())
    rows = tuple(_contrast_cells(row, tested) for row in found.to_dict("records"))
    first = int((found["kind"] == RANDOM).sum())
    bold = {(at, 4) for at, p in enumerate(found["p_holm"]) if p < LEVEL}
    interval = "95 % interval" if tested else "range"
    return Table(
        name=name,
        title=f"Planned contrasts under {way}: each measure against random scores and against its best rival",
        header=("measure", "against", "difference", interval, "p (Holm)", "A12", "networks"),
        rows=rows,
        data=data,
        note=_contrasts_note(found, tested),
        bold=frozenset(bold),
        rules=frozenset([first] if 0 < first < len(rows) else []),
        texts=2,
    )


def _contrast_cells(row: Mapping[Any, Any], tested: bool) -> tuple[str, ...]:
    low, high = (row["low"], row["high"]) if tested else (row["lowest"], row["highest"])
    return (
        str(row["measure"]),
        str(row["against"]),
        signed(row["median_difference"]),
        f"{signed(low)} to {signed(high)}",
        probability(row["p_holm"]) if tested else MISSING,
        effect(row["a12"]),
        f"{row['networks_alike']} of {row['networks']}",
    )


def _marks(found: pd.DataFrame) -> dict[str, str]:
    """The mark of each measure that differs from random after Holm."""
    sure = found[(found["kind"] == RANDOM) & (found["p_holm"] < LEVEL)]
    return {str(row["measure"]): BETTER if row["median_difference"] > 0 else WORSE for row in sure.to_dict("records")}


def _compare_note(comparison: Comparison) -> str:
    enough = pairs_of(comparison.summary, ways_of(comparison)[0]).shape[0] >= ENOUGH_PAIRS
    marks = (
        f"{BETTER} better, {WORSE} worse than random scores (Wilcoxon, Holm within the way, 5 %). "
        if enough
        else f"Fewer than {ENOUGH_PAIRS} pairs: no test. "
    )
    return (
        "Under each way: median corner hypervolume on the test part (share of the box), and mean rank (1 is best), "
        f"over {pairs_words(comparison)}. Best in bold, nulls and upper baseline aside. {marks}"
        "Blocks of one network share its quantiser and images, so that pairs are not fully independent. "
        "Last: cost of the scores, as images × head passes, as evaluations that these would have paid for, and in "
        f"seconds. {short_words(comparison)}"
    ).rstrip()


def _contrasts_note(found: pd.DataFrame, tested: bool) -> str:
    pairs = int(found["pairs"].max()) if len(found) else 0
    test = (
        "Median paired difference with its bootstrap interval, not adjusted for the number of rows; exact Wilcoxon "
        "signed-rank test, Holm over all rows, below 5 % in bold. "
        if tested
        else f"Median paired difference and its range; fewer than {ENOUGH_PAIRS} pairs, so no test. "
    )
    return (
        f"Corner hypervolume on the test part, {pairs} pairs. {test}A12: how often a value of the measure is larger "
        "than one of the other. Networks: in how many the median difference has this "
        "sign. Rivals are the best on the search part, nulls and upper baseline aside."
    )
