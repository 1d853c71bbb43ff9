"""What the paper's text says of selection studies: the numbers of its parts hard, soft, weights and sensitivity."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from moo_fs.numerals import correlation, share, signed
from moo_fs.paper.kinds import Opened
from moo_fs.paper.numbers import macro_name
from moo_fs.paper.selection_floats import STREETS, family_of, selection_floats
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import FAILS, HOLDS, OPEN, OWN_ORDER, soft_ways
from moo_fs.selection_curves import Way, blocks_of, families
from moo_fs.selection_findings import INFORMATION, hard_way, mean_distortions, measures_of
from moo_fs.selection_plan import EQUAL
from moo_fs.tables.rendering import escape
from moo_fs.task_weights import NORMALISATIONS

DELTAS = ("uniform", "uniform-step", "klt", "allocation", "image-jpeg", "image-hevc")
OWN, STEP = ", own", "uniform-step"
_VERDICTS = {HOLDS: HOLDS, FAILS: FAILS, OPEN: "is not decided"}


def selection_macros(part: str, archive: Opened) -> dict[str, str]:
    """Sizes of a study, how its claims fare, and what its kind of study says; every name begins with the part's.

    Raises MooFsError as `selection_floats` does.
    """
    selection_floats(part, archive)  # a study without the part's table is refused before it is asked for numbers
    results, family = archive.content, family_of(part, archive.content)
    subjects, blocks = families(results)[family], blocks_of(results, family)
    about = results.about(subjects[0])
    found = {
        "Archive": escape(str(results.study["name"])),
        "Networks": "one network" if len(subjects) == 1 else f"{len(subjects)} trained networks",
        "Draws": str(results.seeds),
        "Blocks": str(len(blocks)),
        "TestImages": str(about["test_images"]),
        "Channels": str(about["channels"]),
        "Points": str(len(results.rows)),
        "Orders": str(len(measures_of(results))),
    }
    if "claims" in archive.tables:
        for claim, rows in archive.tables["claims"].data.groupby("claim", sort=False):
            found[macro_name("Claim", str(claim))] = _fares(rows["verdict"])
    found |= _SAID[part.removeprefix(STREETS)](archive, family)
    prefix = macro_name(part)
    return {f"Has{prefix}": ""} | {f"{prefix}{name}": value for name, value in found.items()}


def _fares(verdicts: pd.Series) -> str:
    counts = verdicts.value_counts()
    return ", ".join(f"{name}: {counts[name]}" for name in (HOLDS, OPEN, FAILS) if name in counts)


def _joined(words: Iterable[str]) -> str:
    return escape("; ".join(words))


def _hard_said(archive: Opened, family: str) -> dict[str, str]:
    tables = archive.tables
    data = tables[f"hard-{family}"].data.set_index("measure").drop(columns="like_information")
    data = data.loc[measures_of(archive.content)]  # what needs no order has no place among them
    found = {"Best": _best(data, OWN), "BestEqual": _best(data, f", {EQUAL}")}
    if INFORMATION in data.index:
        found |= {"Places": _places(data, OWN), "PlacesEqual": _places(data, f", {EQUAL}")}
    if f"contrasts-{family}" in tables:
        gaps = tables[f"contrasts-{family}"].data
        gaps = gaps[gaps["order"] == OWN_ORDER]
        medians = gaps.pivot(index="against", columns="task", values="median")[list(dict.fromkeys(gaps["task"]))]
        found["AgainstRivals"] = _joined(
            f"{signed(column.min())} to {signed(column.max())} ({task})" for task, column in medians.items()
        )
        found["LargestGain"] = _joined(f"{task} against {rival}" for rival, task in medians.idxmin(axis=1).items())
    if f"orders-{family}" in tables:
        orders = tables[f"orders-{family}"].data
        found["BetweenTasks"] = _joined(
            f"{correlation(row['mean'])} for {row['first']} and {row['second']}"
            for row in orders[orders["what"] == "tasks"].to_dict("records")
        )
        draws = orders[orders["what"] == "draws"]["mean"]
        if len(draws):
            found["BetweenDraws"] = f"{correlation(draws.min())} to {correlation(draws.max())}"
    if STEP in archive.content.settings["rivals"]:
        found["OneStep"] = _against_one_step(archive.content, family)
    return {name: value for name, value in found.items() if value}


def _against_one_step(results: SelectionResults, family: str) -> str:
    """Mean distortions at equal bytes of one step for all channels and of mutual information's order for all tasks."""
    values = mean_distortions(results, family, [Way(STEP), hard_way(results, INFORMATION)])
    if values.empty:
        return ""
    means = values.groupby(["task", "way"], sort=False)["distortion"].mean().unstack("way")
    return _joined(f"{share(row[STEP])} against {share(row[INFORMATION])} ({task})" for task, row in means.iterrows())


def _best(data: pd.DataFrame, ending: str) -> str:
    """The order of least distortion for each task."""
    columns = [str(name) for name in data if str(name).endswith(ending)]
    told = ((name.removesuffix(ending), data[name].idxmin(), share(data[name].min())) for name in columns)
    return _joined(f"{order} for {task} ({value})" for task, order, value in told)


def _places(data: pd.DataFrame, ending: str) -> str:
    """The place of mutual information's order for each task, 1 the least distortion."""
    columns = [str(name) for name in data if str(name).endswith(ending)]
    ranks = {name: int(data[name].rank(method="min")[INFORMATION]) for name in columns}
    return _joined(f"{rank} for {name.removesuffix(ending)}" for name, rank in ranks.items())


def _soft_said(archive: Opened, family: str) -> dict[str, str]:
    found: dict[str, str] = {}
    gaps = archive.tables[f"soft-{family}"].data
    for what, chosen in (("AgainstOne", gaps["against"] == "one-qp"), ("AgainstHard", gaps["against"] != "one-qp")):
        told = gaps[chosen].groupby("task", sort=False)["median"].agg(["min", "max"])
        ends = ((task, signed(low), signed(high)) for task, low, high in told.itertuples())
        found[what] = _joined(f"{low if low == high else f'{low} to {high}'} ({task})" for task, low, high in ends)
    if f"delta-{family}" in archive.tables:
        deltas = archive.tables[f"delta-{family}"].data
        deltas = deltas[deltas["mean"].notna() & (2 * deltas["blocks"] >= deltas["all_blocks"])]  # as the table
        ways = {name: name for name in DELTAS}
        for qp, (soft, hard) in soft_ways(archive.content).items():
            ways |= {f"soft {qp}": soft.label, f"hard {qp}": hard.label}
        for name, label in ways.items():
            mine = deltas[deltas["way"] == label]
            if len(mine):
                told = (f"{_percent(row['mean'])} ({row['task']})" for row in mine.to_dict("records"))
                found[macro_name("Delta", name)] = ", ".join(map(escape, told))
    return found


def _percent(value: float) -> str:
    return f"{value:+.0f} %".replace("-", "−") if round(value) else "0 %"


def _weights_said(archive: Opened, family: str) -> dict[str, str]:
    found: dict[str, str] = {}
    if "claims" in archive.tables:
        for row in archive.tables["claims"].data.query("claim == 'A4'").to_dict("records"):
            how = next(name for name in NORMALISATIONS if f"({name} " in str(row["what"]))
            found[macro_name("Verdict", how)] = _VERDICTS[str(row["verdict"])]
    data = archive.tables[f"weights-{family}"].data
    for how in NORMALISATIONS:
        rows = data[data["normalisation"] == how].set_index("measure")
        if INFORMATION not in rows.index:
            continue
        mine, best = rows.loc[INFORMATION], rows["value"].astype(float).idxmax()
        ends = ("low", "high") if np.isfinite(mine["low"]) else ("lowest", "highest")
        found[macro_name("Share", how)] = f"{share(mine['value'])} ({share(mine[ends[0]])} to {share(mine[ends[1]])})"
        found[macro_name("Leader", how)] = escape(f"{best} ({share(rows.loc[best, 'value'])})")
    return found


def _sensitivity_said(archive: Opened, family: str) -> dict[str, str]:
    data = archive.tables[f"hard-{family}"].data.set_index("measure")
    ours = data[[str(name).startswith(INFORMATION) for name in data.index]]
    like = ours["like_information"].drop(INFORMATION, errors="ignore")
    told = [str(name) for name in data if str(name).endswith(f", {EQUAL}")]
    null = data.loc["random"] if "random" in data.index else None
    found = {
        "Variants": str(len(ours)),
        "Spread": _joined(
            f"{share(ours[name].min())} to {share(ours[name].max())} for {name.removesuffix(f', {EQUAL}')}"
            + (f" (random: {share(null[name])})" if null is not None else "")
            for name in told
        ),
    }
    if len(like):
        found["Agreement"] = f"{correlation(like.min())} to {correlation(like.max())}"
        found["Furthest"] = escape(str(like.idxmin()))
    return found


_SAID: dict[str, Callable[[Opened, str], dict[str, str]]] = {
    "hard": _hard_said,
    "soft": _soft_said,
    "weights": _weights_said,
    "sensitivity": _sensitivity_said,
}
