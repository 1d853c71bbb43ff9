"""How far measures can be believed, as tables: agreement with damage, and cost, stability and what to beware of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from moo_fs.numerals import correlation, number, percent
from moo_fs.tables.rendering import MISSING, Table
from moo_fs.trust import DEPTHS, MOVED
from moo_fs.trust_archive import Trust

WHOLE = ("moved", "seconds", "head_passes", "evaluations", "megabytes", "samples")
NOTE = (
    "Damage: rise of the task's distortion on the test part when the channel alone is dropped, all others at {depths}. "
    "Spearman's rho and Kendall's tau-b with 95 % intervals over resampled channels; top quarter: share of the most "
    "damaging quarter of the channels that is in the score's (0.25 by chance). Halves: rho between the scores of two "
    "halves of the fit part, each under a random stream of its own. Best rho of a task in bold."
)


def trust_tables(trust: Trust) -> dict[str, Table]:
    """Every table by name."""
    tables = [summary_table(trust)]
    tables += [agreement_table(trust, setting) for setting in dict.fromkeys(trust.agreements["setting"])]
    tables += [doctor_table(trust), details_table(trust)]
    return {table.name: table for table in tables}


def agreement_table(trust: Trust, setting: str) -> Table:
    """A row a measure and task: rho, tau, top quarter, halves; measures by their mean rho."""
    rows = trust.agreements[trust.agreements["setting"] == setting]
    mine = rows.merge(trust.judged[["measure", "task", "stability", "stability_low", "stability_high"]])
    mine = pd.concat([mine[mine["measure"] == name] for name in trust.ranked(setting)])
    best = mine.groupby("task")["spearman"].transform("max")
    cells = [
        (
            row["measure"],
            row["task"],
            _with_interval(row, "spearman"),
            _with_interval(row, "kendall"),
            _with_interval(row, "top_quarter"),
            _with_range(row),
        )
        for row in mine.to_dict("records")
    ]
    return Table(
        name=f"trust-{setting.replace(' ', '-')}",
        title=f"Do scores foretell damage? {trust.about['subject']}, other channels at {setting}",
        header=("measure", "task", "Spearman", "Kendall", "top quarter", "halves"),
        rows=tuple(cells),
        data=mine,
        note=NOTE.format(depths=setting),
        bold=frozenset((at, 2) for at, is_best in enumerate(mine["spearman"] == best) if is_best),
        rules=frozenset(at for at in range(len(trust.tasks), len(cells), len(trust.tasks))),
        texts=2,
    )


def summary_table(trust: Trust) -> Table:
    """A row a measure, for print: rho of each task in each setting, mean stability over tasks, cost."""
    settings = list(dict.fromkeys(trust.agreements["setting"]))
    wide = trust.agreements.pivot_table(index="measure", columns=["setting", "task"], values="spearman", dropna=False)
    firsts = trust.judged.drop_duplicates("measure").set_index("measure")[["moved", "evaluations"]].astype(float)
    halves = trust.judged.groupby("measure")["stability"].mean()
    order = trust.ranked(settings[-1])
    columns = [(setting, task) for setting in settings for task in trust.tasks]
    best, short = {column: wide[column].max() for column in columns}, short_names(trust.tasks)
    names = [f"{short[task]} {DEPTHS[setting]}" for setting, task in columns]
    cells = [
        (
            name,
            *(correlation(wide[column][name]) for column in columns),
            correlation(halves[name]),
            _moves(firsts["moved"][name]),
            number(firsts["evaluations"][name]),
        )
        for name in order
    ]
    data = pd.DataFrame(
        {f"{task}_{setting.replace(' ', '_')}": wide.loc[order, (setting, task)] for setting, task in columns}
    )
    return Table(
        name="trust",
        title=f"Do scores foretell damage? {trust.about['subject']}",
        header=("measure", *names, "halves", "moves", "evaluations"),
        rows=tuple(cells),
        data=data.reset_index(),
        note="Spearman's rho of scores with the damage, on the test part, of dropping the channel alone, all others at "
        f"{' (8) or at '.join(settings)} (1). Halves: rho with the scores of other images. Moves: largest change when "
        "a channel is rescaled and the heads undo it. Evaluations: cost in evaluations of the search part.",
        bold=frozenset(
            (row, 1 + at)
            for row, name in enumerate(order)
            for at, column in enumerate(columns)
            if wide[column][name] == best[column]
        ),
    )


def doctor_table(trust: Trust) -> Table:
    """A row a measure: cost, whether it moves under rescaling, and every reason not to believe it."""
    told = {str(name): "; ".join(rows["doubt"]) for name, rows in trust.all_doubts.groupby("measure", sort=False)}
    judged = trust.judged.drop_duplicates("measure")[["measure", *WHOLE]]
    rows = [_doctor_row(row, told) for row in judged.to_dict("records")]
    refused = [str(name) for name in dict.fromkeys(trust.doubts.loc[trust.doubts["refused"], "measure"])]
    rows += [(name, *[MISSING] * 4, told[name]) for name in refused]
    data = pd.concat([judged, pd.DataFrame({"measure": refused})], ignore_index=True)
    return Table(
        name="doctor",
        title=f"Cost of the measures, and reasons not to believe them, on {trust.about['subject']}",
        header=("measure", "seconds", "evaluations", "MB", "moves", "doubts"),
        rows=tuple(rows),
        data=data.assign(doubts=data["measure"].map(told)),
        note="Evaluations: head passes in evaluations of the search part. MB: peak memory of the process above its "
        "start, not of a GPU: an order of magnitude. Moves: the largest change of a score when channels are rescaled "
        "and the heads undo it, a share of the task's largest.",
    )


def details_table(trust: Trust) -> Table:
    """What measures report of themselves: a row a measure, quantity and task; medians where they have channels."""
    told = trust.details[trust.details["depth"].isna()]
    data = told.groupby(["measure", "quantity", "task"], sort=False)["value"].median().reset_index()
    rows = [
        (str(row["measure"]), str(row["quantity"]), str(row["task"]) or "all", number(row["value"]))
        for row in data.to_dict("records")
    ]
    return Table(
        name="details",
        title=f"What measures report of themselves on {trust.about['subject']}",
        header=("measure", "quantity", "task", "value"),
        rows=tuple(rows),
        data=data,
        note="Medians over channels; entropies in nats. details.csv has every channel, and tables with depths.",
        texts=3,
    )


def short_names(tasks: Sequence[str]) -> dict[str, str]:
    """Beginnings of at least 5 letters that tell the tasks apart, with a point where something is left out.

    >>> short_names(["segmentation", "depth"])
    {'segmentation': 'segme.', 'depth': 'depth'}
    """
    longest = max(map(len, tasks))
    length = next(size for size in range(5, longest + 6) if len({task[:size] for task in tasks}) == len(tasks))
    return {task: task if len(task) <= length + 1 else f"{task[:length]}." for task in tasks}


def _doctor_row(row: Mapping[Any, Any], told: Mapping[str, str]) -> tuple[str, ...]:
    name = str(row["measure"])
    cost = (number(row["seconds"]), number(row["evaluations"]), number(row["megabytes"], 2))
    return (name, *cost, _moves(row["moved"]), told.get(name, ""))


def _moves(moved: float) -> str:
    if not math.isfinite(moved):
        return MISSING
    return "no" if moved <= MOVED else percent(moved)


def _with_range(row: Mapping[Any, Any]) -> str:
    mean, low, high = (correlation(row[name]) for name in ("stability", "stability_low", "stability_high"))
    return mean if low == high else f"{mean} ({low} to {high})"


def _with_interval(row: Mapping[Any, Any], name: str) -> str:
    value, low, high = (correlation(row[key]) for key in (name, f"{name}_low", f"{name}_high"))
    return value if MISSING in (value, low) else f"{value} ({low} to {high})"
