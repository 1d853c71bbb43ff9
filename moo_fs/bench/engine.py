"""The engine beside its plain oracle, on the heads of `fashion-scenes`: milliseconds per image for one allocation."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from moo_fs.coding.cells import Cells
from moo_fs.coding.quantiser import fit_tables
from moo_fs.engine import Engine
from moo_fs.oracle import Oracle
from moo_fs.seeds import stream
from moo_fs.subjects import network
from moo_fs.tasks import Task

IMAGES = 32
PAIRS = 9
CLASSES = 11
TASKS = [
    Task("segmentation", kind="classes", classes=CLASSES),
    Task("depth", kind="values"),
    Task("reconstruction", kind="image"),
]


def rows() -> list[dict[str, str | float]]:
    """One row per case: `case`, `ratio` (oracle over engine), `oracle_ms`, `engine_ms`; medians over pairs, per image.

    Uses as many threads as torch is set to. The weights are drawn, which takes as long as trained ones.
    """
    maps, targets = _part()
    heads = dict(network.heads(CLASSES).eval().items())
    cells = fit_tables(maps.numpy()).select(stream(0, "bench").integers(0, 3, network.CHANNELS))
    cases = {"three heads": TASKS} | {f"{task.name} alone": [task] for task in TASKS}
    return [
        _row(
            f"{case}, {len(maps)} images of 64 x 64, 0 to 2 bits",
            Oracle(heads, tasks, maps, targets),
            Engine(heads, tasks, maps, targets),
            cells,
        )
        for case, tasks in cases.items()
    ]


def _part() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Sparse non-negative features as the network has, and targets of the tasks' shapes."""
    rng = stream(0, "bench", "engine")
    features = np.maximum(rng.normal(-0.3, 1, (IMAGES, network.CHANNELS, 16, 16)), 0)
    targets = {
        "segmentation": torch.from_numpy(rng.integers(0, CLASSES, (IMAGES, 64, 64))),
        "depth": torch.from_numpy(rng.random((IMAGES, 64, 64))).float(),
        "reconstruction": torch.from_numpy(rng.random((IMAGES, 3, 64, 64))).float(),
    }
    return torch.from_numpy(features).float(), targets


def _row(case: str, oracle: Oracle, engine: Engine, cells: Cells) -> dict[str, str | float]:
    sides: tuple[Callable[[Cells], object], ...] = (oracle.sums, engine.sums)
    seconds: list[list[float]] = [[], []]
    for pair in range(PAIRS + 1):
        for side, taken in zip(sides, seconds, strict=True):
            start = time.perf_counter()
            side(cells)
            if pair:  # the first pair warms up
                taken.append(time.perf_counter() - start)
    ratio = float(np.median(np.divide(seconds[0], seconds[1])))
    plain, fast = (float(np.median(taken)) * 1000 / engine.images for taken in seconds)
    return {"case": case, "ratio": ratio, "oracle_ms": plain, "engine_ms": fast}
