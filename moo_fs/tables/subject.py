"""Tables of the subject: its quality uncompressed, the baselines, and whether it is worth searching."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.results import Results, allocations, columns, union_on_search
from moo_fs.tables.rendering import MISSING, Table, count, number
from moo_fs.worth import CORRELATION, EACH, MEAN, STEP, at_half_rate, sensitivity_correlations

UNITS = {
    "miou": "mIoU",
    "accuracy": "accuracy",
    "rmse": "RMSE",
    "relative_error": "relative error",
    "psnr_db": "PSNR (dB)",
}
SHOWN_STEPS = 10


def uncompressed_table(results: Results) -> Table | None:
    """The network's metrics without compression, on the test part; None if the subject has no metrics."""
    found = [
        (task, metric, float("nan") if value is None else float(value))
        for task, metrics in (results.study.get("uncompressed") or {}).items()
        for metric, value in metrics.items()
    ]
    if not found:
        return None
    return Table(
        name="uncompressed",
        title="The subject uncompressed, on the test part",
        header=("task", "metric", "value"),
        rows=tuple((task, UNITS.get(metric, metric), number(value)) for task, metric, value in found),
        data=pd.DataFrame(found, columns=["task", "metric", "value"]),
        texts=2,
    )


def baseline_table(results: Results) -> Table:
    """Rate, distortions and metrics of the baselines on the test part; of many steps every few, all in the CSV."""
    frame = results.baselines.reset_index(drop=True)
    wanted = columns(results.objectives, "test")
    metrics = {
        f"{task}_{metric}": f"{task} {UNITS.get(metric, metric)}"
        for task, names in results.metrics.items()
        for metric in names
        if f"{task}_{metric}" in frame
    }
    shown = _thinned(frame)
    rows = tuple(
        (str(row["baseline"]), _setting(row), *(number(row[name]) for name in [*wanted, *metrics]))
        for row in shown.to_dict("records")
    )
    kinds = shown["baseline"].tolist()
    thinned = f" {STEP}: every few of {(frame['baseline'] == STEP).sum()} steps, all in the CSV." * (
        len(shown) < len(frame)
    )
    return Table(
        name="baselines",
        title="Baselines on the test part",
        header=("baseline", "setting", "rate (kbit)", *results.tasks, *metrics.values()),
        rows=rows,
        data=frame[["baseline", "setting", *columns(results.objectives), *wanted, *metrics]],
        note=f"Setting: bits per value, or the step. Distortion 0: the uncompressed network, 1: nothing sent.{thinned}",
        rules=frozenset(at for at in range(1, len(kinds)) if kinds[at] != kinds[at - 1]),
    )


def _setting(row: dict[Hashable, Any]) -> str:
    return number(row["setting"]) if row["baseline"] == STEP else count(row["setting"])


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    steps = frame.index[frame["baseline"] == STEP]
    keep = steps[np.unique(np.linspace(0, len(steps) - 1, min(SHOWN_STEPS, len(steps))).round().astype(int))]
    return frame[(frame["baseline"] != STEP) | frame.index.isin(keep)]


def worth_table(results: Results) -> Table | None:
    """An allocation at half the rate of uniform 1 bit against `uniform-step` at the same rate; None without both."""
    worth = at_half_rate(results)
    if worth is None:
        return None
    wanted = [EACH] * len(worth.tasks)
    data = pd.DataFrame(
        {"task": worth.tasks, "found": worth.found, "uniform_step": worth.step, "ratio": worth.ratios, "wanted": wanted}
    )
    mean = {"task": "mean", "found": np.nan, "uniform_step": np.nan, "ratio": worth.mean, "wanted": MEAN}
    data = pd.concat([data, pd.DataFrame([mean])], ignore_index=True)
    rows = tuple(
        (
            str(row["task"]),
            *(number(row[name]) for name in ("found", "uniform_step", "ratio")),
            f"≤ {row['wanted']:.2f}",
            _verdict(row["ratio"], row["wanted"]),
        )
        for row in data.to_dict("records")
    )
    return Table(
        name="worth",
        title="Is the subject worth searching: an allocation at half the rate of uniform 1 bit",
        header=("task", "found", STEP, "ratio", "wanted", "holds"),
        rows=rows,
        data=data,
        note=f"Run {worth.run}, trial {worth.trial}, chosen on the search part at a rate of at most "
        f"{number(worth.limit)} kbit; on the test part it takes {number(worth.rate)} kbit, where {STEP} is "
        "interpolated log-linearly between its points. As a whole: " + ("holds." if worth.holds else "does not hold."),
        rules=frozenset([len(worth.tasks)]),
    )


def _verdict(value: float, wanted: float) -> str:
    if not np.isfinite(value):
        return MISSING
    return "yes" if value <= wanted else "no"


def _in_blocks(lowest: float, highest: float) -> str:
    """Whether correlations are below what is wanted: in every block, in some, or in none."""
    if not np.isfinite(highest):
        return MISSING
    return "yes" if highest < CORRELATION else "no" if lowest >= CORRELATION else "not in every block"


def correlation_table(results: Results) -> Table | None:
    """Rank correlations between the tasks' measured sensitivities; None without them."""
    data = sensitivity_correlations(results)
    if data.empty:
        return None
    rows = tuple(
        (
            str(row["task"]),
            str(row["other"]),
            number(row["median"]),
            f"{number(row['lowest'])} to {number(row['highest'])}",
            _in_blocks(row["lowest"], row["highest"]),
        )
        for row in data.to_dict("records")
    )
    return Table(
        name="sensitivities",
        title="Do the tasks want the same channels: rank correlation of their measured sensitivities",
        header=("task", "other task", "Spearman", "range", f"below {CORRELATION}"),
        rows=rows,
        data=data,
        note="Over channels; median and range over blocks.",
        texts=2,
    )


def front_table(results: Results) -> Table:
    """The front of all runs together, chosen on the search part, for the CSV: allocations as one digit a channel."""
    frame = union_on_search(results.fronts(), results.objectives).drop(columns=["seconds"], errors="ignore")
    frame["bits"] = ["".join(map(str, row.tolist())) for row in allocations(frame)] if len(frame) else []
    return Table(name="fronts", title="Front of all runs together", header=(), rows=(), data=frame)
