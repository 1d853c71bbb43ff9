"""Hypervolumes and non-dominated sets of four objectives: ours beside pymoo's and Optuna's, milliseconds a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna._hypervolume import compute_hypervolume
from pymoo.indicators.hv import Hypervolume
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from moo_fs.contracts import Floats
from moo_fs.fronts import non_dominated
from moo_fs.indicators import hypervolume
from moo_fs.seeds import stream

OBJECTIVES = 4
SIZES = (100, 500)
PAIRS = 5


def rows() -> list[dict[str, str | float]]:
    """One row per case: `case`, `ratio` (theirs over ours), `ours_ms`, `theirs_ms`; medians over alternating pairs.

    Points lie on a sphere's positive part, none dominated, as on a front; the dominated half of the sets for the
    masks lies behind it. pymoo's own hypervolume is moocore's too, so what is compared there is the way to it.
    """
    reference = np.ones(OBJECTIVES)
    pymoo_volume, pymoo_sorting = Hypervolume(ref_point=reference), NonDominatedSorting()
    cases = []
    for size in SIZES:
        front, mixed = _points(size, behind=False), _points(size, behind=True)
        cases += [
            _row(f"hypervolume, {size} points, pymoo", _volume, pymoo_volume.do, front),
            _row(f"hypervolume, {size} points, optuna", _volume, _optuna_volume, front),
            _row(f"non-dominated, {2 * size} points, pymoo", non_dominated, _first_front(pymoo_sorting), mixed),
        ]
    return cases


def _points(size: int, *, behind: bool) -> Floats:
    directions = np.abs(stream(0, "bench", "fronts", size).standard_normal((size, OBJECTIVES)))
    front = 1.0 - 0.9 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return np.concatenate([front, front + 0.01]) if behind else front


def _volume(points: Floats) -> float:
    return hypervolume(points, np.ones(OBJECTIVES))


def _optuna_volume(points: Floats) -> float:
    return float(compute_hypervolume(points, np.ones(OBJECTIVES)))


def _first_front(sorting: Any) -> Callable[[Floats], Any]:
    return lambda points: sorting.do(points, only_non_dominated_front=True)


def _row(
    case: str, ours: Callable[[Floats], Any], theirs: Callable[[Floats], Any], points: Floats
) -> dict[str, str | float]:
    seconds: list[list[float]] = [[], []]
    for pair in range(PAIRS + 1):
        for side, taken in zip((ours, theirs), seconds, strict=True):
            start = time.perf_counter()
            side(points)
            if pair:  # the first pair warms up
                taken.append(time.perf_counter() - start)
    ratio = float(np.median(np.divide(seconds[1], seconds[0])))
    fast, slow = (float(np.median(taken)) * 1000 for taken in seconds)
    return {"case": case, "ratio": ratio, "ours_ms": fast, "theirs_ms": slow}
