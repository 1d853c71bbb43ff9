"""A comparison's report: tables, figures and a page that says what they show, from the archive alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from moo_fs.comparison_archive import Comparison, load_comparison
from moo_fs.comparison_plan import SHUFFLED, STARTING_POINT
from moo_fs.contrasts import ENOUGH_PAIRS, LEVEL, RANDOM, RIVAL, Roles, agreement, friedman, mean_ranks, pairs_of
from moo_fs.figures.comparison import CAPTIONS, comparison_figures
from moo_fs.numerals import equals, number, rank, share, signed
from moo_fs.report import embedded, publish
from moo_fs.tables import Table
from moo_fs.tables.comparison import COSTS, by_measure, comparison_tables, pairs_words, planned, ways_of

MEANINGS = {
    "sweep": "no search: the scores decoded over a fixed lattice of task weights, rate levels and gammas",
    "rank-sweep": "the same, with every column of scores replaced by its ranks",
    "nsga2": "seeds of a short genetic search",
}


def write_comparison_report(folder: str | Path) -> list[Path]:
    """Write `folder`/report: index.md, tables/*.{tex,md,csv}, figures/*.{pdf,png}, hashes.json; returns their paths.

    The same archive gives the same bytes. Files of an earlier report that this one does not write are removed. Raises
    MooFsError if the folder holds no whole comparison, or if a measure lacks a block.
    """
    comparison = load_comparison(folder)
    tables = comparison_tables(comparison)
    return publish(
        Path(folder) / "report",
        tables=tables,
        draw=lambda: comparison_figures(comparison),
        captions=CAPTIONS,
        page=lambda figures: comparison_page(comparison, tables, figures),
        made_from=comparison.archive_hash,
        files=comparison.about["files"],
    )


def comparison_page(comparison: Comparison, tables: dict[str, Table], figures: Sequence[str]) -> str:
    """The report as Markdown: question, what was run, findings in sentences, every table and figure."""
    about = comparison.about
    parts = [f"<!-- made from {comparison.archive_hash} -->", f"# {about['name']}", str(about.get("question", ""))]
    parts += ["## What was run", _run_sentence(comparison), "## What it shows", findings(comparison)]
    parts += ["## Measures", *embedded(tables, figures, ["compare"], ["comparison", "critical-difference"], CAPTIONS)]
    contrasts = [name for name in tables if name.startswith("contrasts")]
    parts += ["## Planned contrasts", *embedded(tables, figures, contrasts, [])]
    parts += ["## Networks", *embedded(tables, figures, ["compare-networks"], [])]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def findings(comparison: Comparison) -> str:
    """What the comparison shows, a line each, every number from the data."""
    contrasts = planned(comparison)
    lines = [_best(comparison, way) for way in contrasts]
    lines += [_against_random(comparison, way, found) for way, found in contrasts.items()]
    lines += [line for way, found in contrasts.items() for line in _own(comparison, way, found)]
    lines += [
        *_nulls(comparison, contrasts),
        _information(comparison, contrasts),
        _agreement(comparison),
        _cost(comparison),
        _pairs(comparison),
    ]
    return "\n".join(f"* {line}" for line in lines if line)


def _run_sentence(comparison: Comparison) -> str:
    summary, ways = comparison.summary, ways_of(comparison)
    low, high = int(summary["evaluations"].min()), int(summary["evaluations"].max())
    evaluations = f"{low}" if low == high else f"{low} to {high}"
    words = [f"`{way}`" + (f" ({MEANINGS[way]})" if way in MEANINGS else "") for way in ways]
    roles = Roles.of(comparison.about)
    nulls = " and ".join(f"`{name}`" for name in roles.nulls)
    upper = f"; upper baseline: {' and '.join(f'`{name}`' for name in roles.upper)}" if roles.upper else ""
    return (
        f"{len(summary)} runs: {summary['measure'].nunique()} measures, {pairs_words(comparison)}, {evaluations} "
        f"evaluations each, in {len(ways)} ways: {'; '.join(words)}. Null baselines: {nulls}{upper}. "
        "Criterion: corner hypervolume on the test part, of fronts chosen on the search part."
    )


def _best(comparison: Comparison, way: str) -> str:
    """The first places under a way, baselines named as such."""
    pairs, roles = pairs_of(comparison.summary, way), Roles.of(comparison.about)
    ranks = mean_ranks(pairs)
    candidates = [str(name) for name in ranks.index if name not in roles.baselines]
    if not candidates:
        return ""
    first = candidates[0]
    line = f"`{way}`: best, baselines aside, is `{first}`, mean rank {rank(ranks[first])} of {len(ranks)} (median "
    line += share(pairs[first].median())
    line += f"; `{roles.random}` {share(pairs[roles.random].median())}"
    for name in (name for name in roles.upper if name in pairs):
        line += f"; upper baseline `{name}` {share(pairs[name].median())}, rank {rank(ranks[name])}"
    p = friedman(pairs)
    alike = f"; that all measures are alike: Friedman p {equals(p)}" if np.isfinite(p) else ""
    return f"{line}){alike}."


def _against_random(comparison: Comparison, way: str, found: pd.DataFrame) -> str:
    rows = found[found["kind"] == RANDOM]
    random = comparison.about["random"]
    if not _tested(found):
        above = rows[rows["lowest"] > 0]["measure"]
        return f"`{way}`: above `{random}` in every pair: {_listed(above)}. No test: fewer than {ENOUGH_PAIRS} pairs."
    sure = rows[rows["p_holm"] < LEVEL]
    better, worse = (sure[side]["measure"] for side in (sure["median_difference"] > 0, sure["median_difference"] <= 0))
    unclear = rows[~rows.index.isin(sure.index)]["measure"]
    return (
        f"`{way}`: better than `{random}` after Holm at 5 %: {_listed(better)}; worse: {_listed(worse)}; "
        f"not told apart: {_listed(unclear)}."
    )


def _own(comparison: Comparison, way: str, found: pd.DataFrame) -> list[str]:
    """The user's own measures: place, difference to random and to the best rival."""
    ranks, lines = mean_ranks(pairs_of(comparison.summary, way)), []
    for name in Roles.of(comparison.about).own:
        rows = found[found["measure"] == name]
        told = "; ".join(f"{_difference(row)} against `{row['against']}`" for _, row in rows.iterrows())
        lines.append(f"`{way}`: your `{name}` has mean rank {rank(ranks[name])} of {len(ranks)}: {told}.")
    return lines


def _nulls(comparison: Comparison, contrasts: dict[str, pd.DataFrame]) -> list[str]:
    """Each null against random scores: whether what carries no information behaves so."""
    roles, lines = Roles.of(comparison.about), []
    for name in (null for null in roles.nulls if null != roles.random):
        told = [
            f"`{way}` {_difference(row)}"
            for way, found in contrasts.items()
            for _, row in found[found["measure"] == name].iterrows()
        ]
        lines += [f"Null `{name}` against `{roles.random}`: {', '.join(told)}."] if told else []
    return lines


def _information(comparison: Comparison, contrasts: dict[str, pd.DataFrame]) -> str:
    """The place of mutual information, and of the same with shuffled labels."""
    name, shuffled, told = STARTING_POINT, SHUFFLED, []
    for way, found in contrasts.items():
        ranks = mean_ranks(pairs_of(comparison.summary, way))
        if name not in ranks:
            continue
        rows = found[(found["measure"] == name) & (found["kind"] == RIVAL)]
        rival = "".join(f", {_difference(row)} against its best rival `{row['against']}`" for _, row in rows.iterrows())
        null = f", with shuffled labels {rank(ranks[shuffled])}" if shuffled in ranks else ""
        told.append(f"under `{way}` mean rank {rank(ranks[name])}{null}{rival}")
    return f"`{name}`: {'; '.join(told)}." if told else ""


def _agreement(comparison: Comparison) -> str:
    ways = ways_of(comparison)
    ranks = {way: mean_ranks(pairs_of(comparison.summary, way)) for way in ways}
    told = [f"`{way}` {number(agreement(ranks[ways[0]], ranks[way]), 2).replace('-', '−')}" for way in ways[1:]]
    if not told:
        return ""
    return f"Agreement of the ranking under `{ways[0]}` with that under others (Kendall's tau, 1 is the same): " + (
        ", ".join(told) + "."
    )


def _cost(comparison: Comparison) -> str:
    """The dearest and the cheapest scores."""
    data = by_measure(comparison)
    _, evaluations, seconds = COSTS
    worst = data.iloc[int(data[evaluations].argmax())]
    slow = data.iloc[int(data[seconds].argmax())]
    return (
        f"Cost of scores, medians: at most {number(worst[evaluations])} evaluations (`{worst['measure']}`) and "
        f"{number(slow[seconds])} s (`{slow['measure']}`); without evaluations: "
        f"{_listed(data[data[evaluations] == 0]['measure'])}."
    )


def _pairs(comparison: Comparison) -> str:
    networks = len(comparison.networks)
    apart = "Blocks of a network share its quantiser and images, so that pairs are not fully independent"
    few = "one network says nothing about others" if networks == 1 else f"{networks} networks stand for no others"
    return (
        f"{pairs_words(comparison)}. {apart}, and {few}: see the medians by network, and in how many of them each "
        "difference has the same sign. Intervals are not adjusted for the number of contrasts; p-values are (Holm)."
    )


def _difference(row: pd.Series) -> str:
    text = signed(row["median_difference"])
    if np.isfinite(row["p_holm"]):
        text += f" ({signed(row['low'])} to {signed(row['high'])}, p {equals(row['p_holm'])})"
    return text


def _tested(found: pd.DataFrame) -> bool:
    return bool(found["p_holm"].notna().any())


def _listed(names: Sequence[str] | pd.Series) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"
