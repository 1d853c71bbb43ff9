"""One allocation to deploy: the cheapest of all fronts' that meets the bounds, by the test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.contracts import BoundsError, Floats, MooFsError, did_you_mean
from moo_fs.results import Results, columns, values_of


@dataclass(frozen=True)
class Picked:
    """An allocation (channel,) with its run and trial, its objectives and its metrics on the test part."""

    run: str
    trial: int
    bits: tuple[int, ...]
    objectives: dict[str, float]
    metrics: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        return {
            "run": self.run,
            "trial": self.trial,
            "bits": list(self.bits),
            "objectives": dict(self.objectives),
            "metrics": dict(self.metrics),
        }


def pick(results: Results, bounds: Mapping[str, float] | None = None) -> Picked:
    """The allocation of lowest rate that meets all upper bounds, or of lowest mean distortion if the rate is bounded.

    `bounds` maps "rate" (kbit per image) or a task (its distortion) to the largest value allowed on the test part. All
    runs' fronts are looked at. Raises MooFsError on an objective that the study does not have or a bound that is not a
    number, and BoundsError, which tells the nearest allocation, if none meets the bounds.
    """
    bounds = dict(bounds or {})
    _check(bounds, results.objectives)
    fronts = results.fronts()
    if fronts.empty:
        raise BoundsError(f"{results.folder}: no run has a front to pick from; run the study first")
    values = values_of(fronts, results.objectives, "test")
    limits = np.array([bounds.get(name, np.inf) for name in results.objectives])
    meets = np.all(values <= limits, axis=1)
    if not meets.any():
        raise BoundsError(_nearest(results, fronts, values, limits))
    rate, distortion = values[:, 0], values[:, 1:].mean(axis=1)
    first, second = (distortion, rate) if "rate" in bounds else (rate, distortion)
    order = np.lexsort((fronts["trial"], fronts["run"], second, first))
    return _picked(results, fronts.iloc[int(order[meets[order]][0])])


def _check(bounds: Mapping[str, float], objectives: tuple[str, ...]) -> None:
    for name, value in bounds.items():
        if name not in objectives:
            raise MooFsError(f"no objective '{name}' in this study{did_you_mean(name, objectives)}")
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise MooFsError(f"bound on '{name}': wanted a finite number, got {value!r}")


def _nearest(results: Results, fronts: pd.DataFrame, values: Floats, limits: Floats) -> str:
    """A sentence on the allocation whose worst excess, in units of the reference, is least."""
    bounded = np.isfinite(limits)
    excess = ((values - limits) / results.reference)[:, bounded].max(axis=1)
    at = int(np.argmin(excess))
    names = [name for name, wanted in zip(results.objectives, bounded, strict=True) if wanted]
    asked = ", ".join(f"{name} <= {limit:.6g}" for name, limit in zip(names, limits[bounded], strict=True))
    got = ", ".join(f"{name} {value:.4g}" for name, value in zip(results.objectives, values[at], strict=True))
    row = fronts.iloc[at]
    return f"no allocation meets {asked} on the test part; the nearest is run {row['run']} trial {row['trial']}: {got}"


def _picked(results: Results, row: pd.Series) -> Picked:
    wanted = columns(results.objectives, "test")
    names = [f"{task}_{metric}" for task, metrics in results.metrics.items() for metric in metrics]
    return Picked(
        run=str(row["run"]),
        trial=int(row["trial"]),
        bits=tuple(np.frombuffer(row["bits"], dtype=np.int8).tolist()),
        objectives={name: float(row[column]) for name, column in zip(results.objectives, wanted, strict=True)},
        metrics={name: float(row[name]) for name in names if name in row.index and pd.notna(row[name])},
    )
