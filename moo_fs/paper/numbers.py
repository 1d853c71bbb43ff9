r"""Every number and name that the paper's text prints, as LaTeX macros: `\newcommand{\BestHypervolume}{0.719}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from moo_fs.results import Results
from moo_fs.tables.coded import coded_table
from moo_fs.tables.efforts import scoring_costs
from moo_fs.tables.matrix import unequal_budgets
from moo_fs.tables.quality import hypervolume_table
from moo_fs.tables.rendering import count, escape, number, percent, share, signed

DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
CHEAP = 0.1  # of the budget: scores that cost at most this share of a search count as cheap; our choice
NULL = "random"
WITHOUT = "none"  # the measure of a search that gets no scores
MEDIAN = "hypervolume_test_median"


def macro_name(*words: str) -> str:
    """Words as the name of a macro, which holds letters only.

    >>> macro_name("Share", "depth_2")
    'ShareDepthTwo'
    """
    text = " ".join(words)
    for digit, word in enumerate(DIGITS):
        text = text.replace(str(digit), f" {word} ")
    parts = "".join(letter if letter.isascii() and letter.isalpha() else " " for letter in text).split()
    return "".join(part[0].upper() + part[1:] for part in parts)


def macros_tex(macros: dict[str, str], made_from: str) -> str:
    """The macros as a LaTeX file that names what they were made from."""
    lines = [rf"\newcommand{{\{name}}}{{{_unbroken(value)}}}" for name, value in macros.items()]
    return "\n".join([f"% made from {made_from}", *lines]) + "\n"


def _unbroken(text: str) -> str:
    """Percentages that stay on one line, and a minus that is one."""
    return re.sub(r"(?<![\w-])-(?=\d)", "$-$", text.replace(r" \%", r"~\%"))


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them, escaped.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = map(escape, names)
    return f"{', '.join(first)} and {last}" if first else last


def hypervolume_macros(results: Results) -> dict[str, str]:
    """What the section on results says of the grid of measures and optimisers."""
    study, summary = results.study, results.hypervolumes()
    budget = summary.groupby("optimiser")["evaluations"].max()
    table = hypervolume_table(results).data
    grid = table[table["blocks"] > 0]
    found = {
        "HasHypervolume": "",
        "FamilyArchive": escape(str(study["name"])),
        "FamilyQuestion": escape(str(study.get("question", ""))),
        "FamilyRuns": str(len(summary)),
        "FamilyMeasures": str(len([name for name in results.measures if name != WITHOUT])),
        "FamilyMeasureNames": listed(results.measures),
        "FamilyOptimisers": str(len(results.optimisers)),
        "FamilyOptimiserNames": listed(results.optimisers),
        "FamilyBlocks": str(results.blocks),
        "FamilyBudget": count(float(budget.mode().max())),
        "FamilySearchImages": known(study.get("search_images")),
        "FamilyTestImages": known(study.get("test_images")),
        "FamilyChannels": known(study.get("channels")),
        "ReferenceRate": number(float(results.reference[0])),
        "CornerRate": number(float(results.corner[0])),
        "FamilyCells": str(len(grid)),
    }
    if WITHOUT in results.measures:
        found["FamilyWithout"] = ""
    unequal = unequal_budgets(results).strip()
    if unequal:
        found["FamilyBudgets"] = escape(unequal)
    if study.get("exhausted"):
        found["FamilyExhausted"] = str(len(study["exhausted"]))
    return found | _best(grid) | _optimisers(grid) | _baselines(table) | _spreads(grid) | _measures(results, grid)


def _best(grid: pd.DataFrame) -> dict[str, str]:
    best = max(grid.to_dict("records"), key=lambda row: float(row[MEDIAN]))
    return {
        "BestHypervolume": share(best[MEDIAN]),
        "BestHypervolumeRange": _between(best["hypervolume_test_min"], best["hypervolume_test_max"]),
        "BestOptimiser": escape(best["optimiser"]),
        "BestMeasure": escape(best["measure"]),
        "BestCorner": share(grid["corner_test_median"].max()),
        "LowestMedian": share(grid[MEDIAN].min()),
    }


def _baselines(table: pd.DataFrame) -> dict[str, str]:
    grid, found = table[table["blocks"] > 0], {}
    for row in table[table["blocks"] == 0].to_dict("records"):
        name = macro_name(str(row["optimiser"]).removeprefix("baseline "))
        found[f"Baseline{name}"] = share(row[MEDIAN])
        found[f"Above{name}"] = str(int((grid["hypervolume_test_min"] > row[MEDIAN]).sum()))
    return found


def _spreads(grid: pd.DataFrame) -> dict[str, str]:
    """How far medians lie apart along one axis of the grid, the other held fixed."""
    found = {}
    for what, other in (("Optimisers", "measure"), ("Measures", "optimiser")):
        medians = grid.groupby(other)[MEDIAN]
        gaps = medians.max() - medians.min()
        gaps = gaps[gaps > 0]  # an optimiser that does not read the scores says nothing of them
        if len(gaps):
            found[f"Spread{what}"] = _between(gaps.min(), gaps.max())
    return found


def _optimisers(grid: pd.DataFrame) -> dict[str, str]:
    """Optimisers in the order of their mean over the measures that all of them got."""
    wide = grid.pivot_table(index="optimiser", columns="measure", values=MEDIAN).dropna(axis=1)
    if wide.empty:
        return {}
    means = wide.mean(axis=1).sort_values(ascending=False, kind="stable")
    return {"OptimiserOrder": _valued(means)}


def _valued(values: pd.Series) -> str:
    return ", ".join(f"{escape(str(name))} ({share(value)})" for name, value in values.items())


def _gains(wide: pd.DataFrame) -> dict[str, str]:
    """What each optimiser's best measure gives it beyond random scores; `wide` (measure, optimiser)."""
    if NULL not in wide.index:
        return {}
    gains = {str(way): float(wide[way].max()) - float(wide[way][NULL]) for way in wide}
    order = sorted(gains, key=lambda way: -gains[way])
    shown = (f"{way} {signed(gains[way])} ({wide[way].idxmax()})" for way in order)
    return {"ScoreGains": ", ".join(map(escape, shown))}


def _measures(results: Results, grid: pd.DataFrame) -> dict[str, str]:
    """Measures in the order of their mean over the optimisers that read them, and the best of the cheap ones."""
    wide = grid.pivot_table(index="measure", columns="optimiser", values=MEDIAN)
    wide = wide.drop(index=WITHOUT, errors="ignore").dropna(axis=1)
    wide = wide[wide.columns[wide.nunique() > 1]]
    if wide.empty:
        return {}
    means, lowest, highest = wide.mean(axis=1).sort_values(ascending=False), wide.min(axis=1), wide.max(axis=1)
    budget = float(results.hypervolumes()["evaluations"].median())
    costs = scoring_costs(results).set_index("measure")["scoring_evaluations"]
    cheap = [str(name) for name in means.index if costs[name] <= CHEAP * budget]
    found = {
        "ReadingOptimisers": str(wide.shape[1]),
        "ScoringMeasures": str(len(means)),
        "MeasureOrder": _valued(means),
        "CheapLimit": escape(percent(CHEAP)),
    }
    if cheap:
        found |= {"BestCheapMeasure": escape(cheap[0]), "BestCheapMean": share(means[cheap[0]])}
    found |= _gains(wide)
    for place, name in enumerate(means.index, 1):
        found[macro_name("Place", str(name))] = str(place)
        found[macro_name("Range", str(name))] = _between(lowest[name], highest[name])
        found[macro_name("Cost", str(name))] = number(costs[name])
    return found


def costs_macros(results: Results) -> dict[str, str]:
    """What the section on costs says beside its tables."""
    return {"HasCosts": "", "CostsArchive": escape(str(results.study["name"]))}


def codec_macros(name: str, networks: Sequence[Results]) -> dict[str, str]:
    """How much longer real streams of front members are than the entropy says; nothing without streams.

    `networks` are the archives of what is called `name`, pooled.
    """
    table = coded_table(*networks)
    if table is None:
        return {}
    members = table.data.iloc[0]
    return {
        "HasCodec": "",
        "CodecArchive": escape(name),
        **({"CodecNetworks": str(len(networks))} if len(networks) > 1 else {}),
        "CodecMembers": count(members["allocations"]),
        "CodecRatio": number(members["ratio_median"], 5),
        "CodecWorst": number(members["ratio_worst"], 5),
    }


def _between(low: float, high: float) -> str:
    return f"{share(low)} to {share(high)}"


def known(value: Any) -> str:
    """A size that an archive may not know."""
    return "an unknown number of" if value is None else count(float(value))
