"""Tables of a selection study, one set a family of subjects: orders, contrasts, claims; bytes and weights elsewhere."""

from __future__ import annotations

import numpy as np
import pandas as pd

from moo_fs.numerals import MISSING, correlation, count, number, probability, share, signed
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import (
    ONE_ORDER,
    OWN_ORDER,
    claims_of,
    information_contrasts,
    own_orders,
    soft_contrasts,
)
from moo_fs.selection_curves import Way, families
from moo_fs.selection_findings import (
    INFORMATION,
    hard_way,
    mean_distortions,
    measures_of,
    order_agreements,
    score_agreement,
)
from moo_fs.selection_plan import EACH, EQUAL
from moo_fs.tables.rendering import Table
from moo_fs.tables.selection_bytes import (
    delta_deployed_table,
    delta_image_table,
    delta_table,
    equal_distortion_table,
    splitting_table,
)
from moo_fs.tables.selection_sizes import codecs_table, fills_table, ledger_table
from moo_fs.tables.selection_weights import settings_table, weights_table

BASELINES = ("uniform", "uniform-step")  # one depth, and one quantiser step, for all channels: no order
BLOCKS = "Over blocks (a subject and a draw of scores): mean and 95 % interval from 12 blocks on, else the range."
OWN = "own"


def selection_tables(results: SelectionResults) -> dict[str, Table]:
    """Every table that this study has data for, by name."""
    found: list[Table | None] = [claims_table(results)]
    for family in families(results):
        found += [
            hard_table(results, family),
            fills_table(results, family),
            codecs_table(results, family),
            contrasts_table(results, family),
            settings_table(results, family),
            orders_table(results, family),
            delta_table(results, family),
            equal_distortion_table(results, family),
            delta_deployed_table(results, family),
            delta_image_table(results, family),
            splitting_table(results, family),
            soft_table(results, family),
            ledger_table(results, family),
            weights_table(results, family),
        ]
    found.append(points_table(results))
    return {table.name: table for table in found if table is not None}


def claims_table(results: SelectionResults) -> Table | None:
    """The published claims, whether each holds here."""
    data = claims_of(results)
    if data.empty:
        return None
    return Table(
        name="claims",
        title="Published claims, and whether they hold here",
        header=("claim", "subject", "what", "measured", "interval", "verdict"),
        rows=tuple(tuple(str(value) or MISSING for value in row) for row in data.to_numpy()),
        data=data,
        note="Differences of mean distortion at equal coded bytes, medians over blocks with 95 % intervals; p after "
        f"Holm over the rows of a claim.{_one_network(results)} Other settings of mutual information are no rivals of "
        "it in A4. Claims: Ranjbar Alvar and Bajić (2024); how they are "
        "tested is our choice.",
        texts=3,
    )


def hard_table(results: SelectionResults, family: str) -> Table | None:
    """Mean distortion at equal bytes by measure, and of what needs no order: one order for all, and a task's own."""
    if "hard" not in results.settings["methods"]:
        return None
    measures, tasks = measures_of(results), results.tasks(families(results)[family][0])
    beside = [Way(name) for name in BASELINES if name in results.settings["rivals"]]
    together = mean_distortions(results, family, [hard_way(results, name) for name in measures], beside=beside)
    each = EACH in results.settings["task_weights"]
    alone = own_orders(results, family, measures, beside=beside) if each else pd.DataFrame()
    if together.empty:
        return None
    names = [*measures, *(way.label for way in beside)]
    columns = {f"{task}, {EQUAL}": _by_way(together, task) for task in tasks}
    columns |= {f"{task}, {OWN}": _by_way(alone, task) for task in tasks} if len(alone) else {}
    data = pd.DataFrame({name: values.reindex(names) for name, values in columns.items()})
    like = pd.Series({name: score_agreement(results, family, name) for name in measures}, name="like_information")
    like = like.reindex(names)
    rows = [(name, *map(share, data.loc[name].to_numpy(float)), correlation(like[name])) for name in names]
    own_reach = f"; own orders: {_reached(alone)}" if len(alone) else ""
    below = f" Below the rule: {' and '.join(way.label for way in beside)}, without an order." if beside else ""
    return Table(
        name=f"hard-{family}",
        title=f"Hard selection on {family}: mean distortion at equal coded bytes",
        header=("order", *data.columns, "like MI"),
        rows=tuple(rows),
        data=data.join(like).reset_index(names="measure"),
        note="Means over blocks, and over equal steps of the logarithm of the bytes that all orders of a block reach "
        f"(in every block: {_reached(together)}{own_reach}). Equal: one order, all tasks weighted alike; own: the "
        "order for that task alone. Like MI: rank correlation of the scores with mutual information's. Lowest order "
        f"of a column in bold.{below} {MISSING}: does not reach these bytes.",
        bold=frozenset((int(np.argmin(data.loc[measures, name])), at) for at, name in enumerate(data.columns, 1)),
        rules=frozenset({len(measures)} if beside else ()),
    )


def contrasts_table(results: SelectionResults, family: str) -> Table | None:
    """Mutual information against a norm, proximity and chance, task by task."""
    known = "hard" in results.settings["methods"] and EACH in results.settings["task_weights"]
    data = information_contrasts(results, family) if known else pd.DataFrame()
    title = f"Orders by mutual information against others: {family}"
    return _contrasts(f"contrasts-{family}", title, data, _one_network(results, family))


def soft_table(results: SelectionResults, family: str) -> Table | None:
    """Soft selection against hard selection and against one QP, at equal bytes."""
    data = soft_contrasts(results, family) if "soft" in results.settings["methods"] else pd.DataFrame()
    title = f"Soft selection against its rivals at equal bytes: {family}"
    return _contrasts(f"soft-{family}", title, data, _one_network(results, family))


def orders_table(results: SelectionResults, family: str) -> Table | None:
    """How far a measure's orders for two tasks agree, beside two draws of images for one task."""
    if EACH not in results.settings["task_weights"] or INFORMATION not in measures_of(results):
        return None
    data = order_agreements(results, family, INFORMATION)
    rows = [
        (
            f"{row['first']} and {row['second']}" if row["what"] == "tasks" else f"{row['first']}, two draws",
            *(correlation(row[name]) for name in ("mean", "low", "high", "lowest", "highest")),
        )
        for row in data.to_dict("records")
    ]
    return Table(
        name=f"orders-{family}",
        title=f"Do mutual information's scores differ between tasks? {family}",
        header=("scores", "rho", "low", "high", "lowest", "highest"),
        rows=tuple(rows),
        data=data,
        note=f"Spearman's rank correlation of the channels' scores. {BLOCKS}",
    )


def points_table(results: SelectionResults) -> Table:
    """Every point, as CSV only."""
    return Table("points", "Every point of every curve", (), (), results.rows)


def _contrasts(name: str, title: str, data: pd.DataFrame, blocks: str) -> Table | None:
    if data.empty:
        return None
    orders = {OWN_ORDER: (OWN,), ONE_ORDER: (EQUAL,)}
    known = "order" in data
    rows = [
        (
            row["task"],
            *(orders[row["order"]] if known else ()),
            row["way"],
            row["against"],
            signed(row["median"]),
            f"{signed(row['low'])} to {signed(row['high'])}" if np.isfinite(row["low"]) else MISSING,
            f"{signed(row['lowest'])} to {signed(row['highest'])}",
            probability(row["p_holm"]) if np.isfinite(row["p_holm"]) else MISSING,
            number(row["a12"], 2),
            count(row["pairs"]),
        )
        for row in data.to_dict("records")
    ]
    first = ("task", "order") if known else ("task",)
    return Table(
        name=name,
        title=title,
        header=(*first, "way", "against", "difference", "95 % interval", "range", "p (Holm)", "A12", "pairs"),
        rows=tuple(rows),
        data=data,
        note="Mean distortion at equal coded bytes, way minus rival, median over pairs: below zero is better. "
        "Wilcoxon's exact test, Holm over the rows; A12: how often the rival has the larger distortion."
        + (f" Order: {OWN}, for the task alone; {EQUAL}, one for all tasks." if known else "")
        + blocks,
        rules=frozenset({int((data["order"] == OWN_ORDER).sum())} - {0, len(data)} if known else ()),
        texts=len(first) + 2,
    )


def _one_network(results: SelectionResults, *chosen: str) -> str:
    """What tests stand for where all blocks of a family are of one network; nothing elsewhere."""
    alone = [family for family, subjects in families(results).items() if len(subjects) == 1]
    if not set(chosen or alone) & set(alone):
        return ""
    return " Blocks are draws of scores on one network: intervals and p speak of other draws, not of other networks."


def _by_way(values: pd.DataFrame, task: str) -> pd.Series:
    """Means over blocks (way,); NaN for a way that a block lacks."""
    return values[values["task"] == task].groupby("way")["distortion"].agg(lambda found: found.mean(skipna=False))


def _reached(values: pd.DataFrame) -> str:
    """The bytes at which distortions were compared in every block."""
    low, high = values["low_bytes"].max(), values["high_bytes"].min()
    return f"{count(low)} to {count(high)} bytes" if low <= high else "no bytes"
