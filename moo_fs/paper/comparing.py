"""What the paper says of a comparison of measures: its tables as floats, and the numbers of its text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from moo_fs.comparison_archive import Comparison
from moo_fs.comparison_plan import RANDOM as RANDOM_SCORES
from moo_fs.comparison_plan import SHUFFLED, STARTING_POINT
from moo_fs.contrasts import ENOUGH_PAIRS, LEVEL, RANDOM, RIVAL, Roles, agreement, friedman, mean_ranks, pairs_of
from moo_fs.paper.numbers import known
from moo_fs.tables.comparison import by_measure, planned, ways_of
from moo_fs.tables.rendering import escape, number, probability, share, signed

WORDS = {RANDOM_SCORES: "random scores", SHUFFLED: "mutual information with shuffled labels"}


class Captioned(Protocol):
    """A table as far as a float asks."""

    @property
    def name(self) -> str:
        """The stem of its file and its label."""

    @property
    def title(self) -> str:
        """Its caption."""


def floats_tex(tables: Sequence[Captioned], made_from: str) -> str:
    """A LaTeX file that shows every table in a float of its own, with its title as caption."""
    lines = [f"% made from {made_from}"]
    for table in tables:
        lines += [
            r"\begin{table}[tbp]",
            rf"  \centering\footnotesize\setlength{{\tabcolsep}}{{4pt}}\caption{{{escape(table.title)}.}}",
            rf"  \label{{tab:{table.name}}}",
            rf"  \input{{generated/tables/{table.name}}}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def compare_macros(comparison: Comparison) -> dict[str, str]:
    """Sizes of a comparison, which measure leads under each way, and what the planned contrasts say."""
    summary, ways = comparison.summary, ways_of(comparison)
    pairs = pairs_of(summary, ways[0])
    networks, roles = len(comparison.networks), Roles.of(comparison.about)
    found = {
        "HasCompare": "",
        "CompareArchive": escape(str(comparison.about["name"])),
        "ComparePairs": str(len(pairs)),
        "CompareQuestion": escape(str(comparison.about.get("question", ""))),
        "CompareNetworks": str(networks),
        "CompareNetworksWords": "one network" if networks == 1 else f"{networks} trained networks",
        "CompareSearchImages": _images(comparison, "search_images"),
        "CompareTestImages": _images(comparison, "test_images"),
        "CompareBlocks": str(len(pairs) // networks),
        "CompareMeasures": str(pairs.shape[1]),
        "CompareEvaluations": _evaluations(comparison),
        "CompareNulls": _listed(WORDS.get(name, rf"\name{{{escape(name)}}}") for name in roles.nulls),
        "CompareWays": ", ".join(map(escape, ways)),
        "CompareTested": "tests were possible" if len(pairs) >= ENOUGH_PAIRS else "too few for any test",
        "CompareLeaders": _leaders(comparison),
        "CompareAgainstRandom": _against_random(comparison),
        "CompareJudged": "after Holm's correction" if len(pairs) >= ENOUGH_PAIRS else "without a test",
        "CompareAgreement": _agreement(comparison),
    }
    if len(pairs) >= ENOUGH_PAIRS:
        p = (f"{escape(way)}: {escape(_p(friedman(pairs_of(summary, way))))}" for way in ways)
        found["CompareFriedman"] = ", ".join(p)
    if networks > 1:
        found["CompareSeveral"] = ""
    if roles.upper:
        found["CompareUpper"] = _listed(rf"\name{{{escape(name)}}}" for name in roles.upper)
    if roles.own:
        found["CompareOwn"] = _listed(rf"\name{{{escape(name)}}}" for name in roles.own)
    rival = _starting_point(comparison)
    return found | ({"CompareStartingPoint": rival} if rival else {})


def _evaluations(comparison: Comparison) -> str:
    """How many evaluations runs made: a run ends early where its decodings repeat."""
    low, high = (int(getattr(comparison.summary["evaluations"], end)()) for end in ("min", "max"))
    return f"{high} each" if low == high else f"{low} to {high}"


def _images(comparison: Comparison, part: str) -> str:
    return " or ".join(dict.fromkeys(known(one.study.get(part)) for one in comparison.networks.values()))


def _listed(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _leaders(comparison: Comparison) -> str:
    """The measure of the largest median corner under each way, nulls and upper baseline aside, and that one's."""
    data = by_measure(comparison)
    candidates, upper = data[data["role"].isin(["", "own"])], data[data["role"] == "upper"]
    shown = []
    for way in ways_of(comparison):
        column = f"{way}_corner_median"
        best = max(candidates.to_dict("records"), key=lambda row: float(row[column]))
        beside = "".join(f", upper baseline {share(value)}" for value in upper[column])
        shown.append(f"\\name{{{escape(str(best['measure']))}}} under {escape(way)} ({share(best[column])}{beside})")
    return "; ".join(shown)


def _against_random(comparison: Comparison) -> str:
    """How many measures differ from random scores after Holm, or, without a test, lie above them in every pair."""
    shown = []
    for way, rows in planned(comparison).items():
        mine = rows[rows["kind"] == RANDOM]
        if int(mine["pairs"].min()) >= ENOUGH_PAIRS:
            sure = mine[mine["p_holm"] < LEVEL]
            better = int((sure["median_difference"] > 0).sum())
            words = f"{better} of {len(mine)} better, {len(sure) - better} worse"
        else:
            words = f"{int((mine['lowest'] > 0).sum())} of {len(mine)} better in every pair"
        shown.append(f"under {escape(way)} {words}")
    return "; ".join(shown)


def _agreement(comparison: Comparison) -> str:
    """Kendall's tau of the mean ranks between the first way and each other one."""
    first, *others = ways_of(comparison)
    ranks = {way: mean_ranks(pairs_of(comparison.summary, way)) for way in (first, *others)}
    taus = (f"{number(agreement(ranks[first], ranks[way]), 2)} with {escape(way)}" for way in others)
    return ", ".join(taus)


def _starting_point(comparison: Comparison) -> str:
    """Mutual information against its best rival under every way; empty if it is not among the measures."""
    shown = []
    for way, rows in planned(comparison).items():
        mine = rows[(rows["measure"] == STARTING_POINT) & (rows["kind"] == RIVAL)]
        shown += [f"{escape(way)}: {_contrast(row)}" for row in mine.to_dict("records")]
    return "; ".join(shown)


def _contrast(row: dict[Any, Any]) -> str:
    tested = row["pairs"] >= ENOUGH_PAIRS
    p = f", {_p(row['p_holm'])} after Holm" if tested else ""
    low, high = (row["low"], row["high"]) if tested else (row["lowest"], row["highest"])
    return escape(f"{signed(row['median_difference'])} to {row['against']} ({signed(low)} to {signed(high)}{p})")


def _p(value: float) -> str:
    shown = probability(value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"
