"""The smallest loop around an optimiser on the analytic subject: cache, rounding and budget as in the framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from moo_fs import registry
from moo_fs.contracts import Bits, Floats
from moo_fs.seeds import stream
from moo_fs.space import Space
from moo_fs.subjects.linear_gaussian import AnalyticModel

OPTIONS: dict[str, dict[str, Any]] = {"gp": {"startup": 4}}  # a trial of it costs a second


@dataclass
class Log:
    """What an optimiser asked and was told, batch by batch, and the distinct allocations' objectives."""

    asked: list[Bits] = field(default_factory=list)
    told: list[Floats] = field(default_factory=list)
    objectives: list[Floats] = field(default_factory=list)


def space_of(model: AnalyticModel, scores: Floats | None, *, tasks: int = 3) -> Space:
    return Space(("rate", *model.task_names[:tasks]), model.error, model.rate, scores)


def noisy_scores(model: AnalyticModel, block: int, *, spread: float = 0.7) -> Floats:
    """The model's own weights, each off by a log-normal factor: (channel, task)."""
    wrong = stream(block, "test-scores").normal(0.0, spread, model.weights.T.shape)
    return np.asarray(model.weights.T * np.exp(wrong))


def evaluate(model: AnalyticModel, space: Space, bits: Bits) -> Floats:
    values = np.column_stack([space.rate_of(bits), model.losses(bits)[:, : len(space.tasks)]])
    return np.array([[float(f"{value:.6g}") for value in row] for row in values])


def make(name: str, space: Space, block: int, **options: Any) -> Any:
    return registry.optimisers.load(name)(space, stream(block, "optimiser", name), **OPTIONS.get(name, {}) | options)


def search(name: str, model: AnalyticModel, space: Space, *, budget: int, block: int = 0, **options: Any) -> Log:
    optimiser, log = make(name, space, block, **options), Log()
    seen: set[bytes] = set()
    asks = 0
    while len(seen) < budget and asks < 5 * budget:
        bits = optimiser.ask()
        if not len(bits):
            break
        values = evaluate(model, space, bits)
        asks += len(bits)
        log.asked.append(bits)
        log.told.append(values)
        for row, value in zip(bits, values, strict=True):
            if row.tobytes() not in seen and len(seen) < budget:
                seen.add(row.tobytes())
                log.objectives.append(value)
        optimiser.tell(bits, values)
    return log
