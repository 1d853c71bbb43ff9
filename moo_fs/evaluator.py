"""How good is an allocation on one part of the data: losses, distortions, rate and metrics.

Two kinds of subject answer that question: a network (`NetworkEvaluator`) and an analytic model
(`AnalyticEvaluator`); everything above this module sees one interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from moo_fs import outcomes
from moo_fs.codecs import interface
from moo_fs.codecs.ans import Ans
from moo_fs.coding.cells import Cells
from moo_fs.coding.quantiser import HEADER_KBIT, QuantiserTables
from moo_fs.contracts import Bits, Floats
from moo_fs.engine import Engine
from moo_fs.split import Part
from moo_fs.subjects.linear_gaussian import AnalyticModel
from moo_fs.tasks import Task


@dataclass(frozen=True)
class Outcome:
    """One allocation (or one uniform step) on one part of the data.

    Attributes:
        rate_kbit: kbit per image, header included.
        distortions: task -> distortion, 0 = the uncompressed network, 1 = nothing sent.
        metrics: "<task>_<metric>" -> value in natural units.
        sums: task -> (image, stat), per-image sums from which the losses are pooled; empty for analytic subjects.
        coded_bytes: mean length of the images' streams under codec `ans`, header included; computed with the metrics,
            else NaN, as it is for analytic subjects, which have no symbols.
    """

    rate_kbit: float
    distortions: dict[str, float]
    metrics: dict[str, float]
    sums: dict[str, np.ndarray]
    coded_bytes: float = float("nan")

    @property
    def objectives(self) -> Floats:
        """(objective,): the rate, then the distortions."""
        return np.array([self.rate_kbit, *self.distortions.values()])


class Evaluator(Protocol):
    """What a part of a subject can be asked."""

    images: int
    uncompressed: dict[str, float]

    def outcome(self, bits: Bits, *, metrics: bool = False) -> Outcome:
        """One allocation, bits (channel,)."""

    def step_outcome(self, setting: float, cells: Cells) -> Outcome | None:
        """The baseline `uniform-step`; None where it has no meaning."""


class NetworkEvaluator:
    """A network's heads on one part: the engine, the part's rates and the losses that distortions are scaled by."""

    def __init__(
        self,
        engine: Engine,
        tasks: Sequence[Task],
        tables: QuantiserTables,
        maps: np.ndarray,
        targets: Mapping[str, torch.Tensor],
    ) -> None:
        self.engine, self.tasks, self.tables, self.targets, self.maps = engine, tasks, tables, targets, maps
        self.images = len(maps)
        self.image_rates = tables.part_rates(maps)
        self.rates = self.image_rates.mean(axis=0)
        nothing = tables.select(np.zeros(maps.shape[1], np.int8))
        clean = engine.sums(None)
        self.best = {task.name: outcomes.loss(task, clean[task.name]) for task in tasks}
        worst = engine.sums(nothing)
        self.worst = {task.name: outcomes.loss(task, worst[task.name]) for task in tasks}
        self.uncompressed = self._metrics(clean, None)

    def outcome(self, bits: Bits, *, metrics: bool = False) -> Outcome:
        """See `Evaluator`."""
        rate = float(self.rates[np.arange(len(bits)), bits].sum()) + HEADER_KBIT
        return self._outcome(rate, self.tables.select(bits), codec=Ans if metrics else None)

    def step_outcome(self, setting: float, cells: Cells) -> Outcome:
        """See `Evaluator`."""
        return self.quantised(cells)

    def quantised(self, cells: Cells, codec: type[interface.Codec] = Ans) -> Outcome:
        """Any quantiser a channel, with metrics; `coded_bytes` under a codec that makes streams."""
        return self._outcome(cells.rate_kbit(self.maps) + HEADER_KBIT, cells, codec=codec)

    def received(self, maps: np.ndarray, *, rate_kbit: float, coded_bytes: float) -> Outcome:
        """What the heads make of maps (image, channel, h, w) received of this part by any other way than `Cells`.

        With the built-in metrics; a custom task's own metrics are not computed.
        """
        sums = self.engine.received(torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32)))
        found = {
            f"{task.name}_{name}": value
            for task in self.tasks
            for name, value in outcomes.metrics(task, sums[task.name]).items()
        }
        return Outcome(rate_kbit, self._distortions(sums), found, sums, coded_bytes)

    def _outcome(self, rate: float, cells: Cells, *, codec: type[interface.Codec] | None) -> Outcome:
        """With metrics and coded bytes if a codec is named."""
        sums = self.engine.sums(cells)
        distortions = self._distortions(sums)
        if codec is None:
            return Outcome(rate, distortions, {}, sums)
        coded = interface.coded_bytes(codec(cells), cells.symbols(self.maps))
        return Outcome(rate, distortions, self._metrics(sums, cells), sums, coded)

    def _distortions(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {
            task.name: (outcomes.loss(task, sums[task.name]) - self.best[task.name])
            / _span(self.worst[task.name], self.best[task.name])
            for task in self.tasks
        }

    def _metrics(self, sums: Mapping[str, np.ndarray], cells: Cells | None) -> dict[str, float]:
        found: dict[str, float] = {}
        for task in self.tasks:
            values = outcomes.metrics(task, sums[task.name])
            if task.metrics:
                output = self.engine.outputs(cells)[task.name].cpu()
                target = self.targets[task.name]
                values = {name: float(function(output, target)) for name, function in task.metrics.items()}
            found |= {f"{task.name}_{name}": value for name, value in values.items()}
        return found


class AnalyticEvaluator:
    """A closed form in place of a network; its distortions are the metrics."""

    def __init__(self, model: AnalyticModel, part: Part) -> None:
        self.model, self.part = model, part
        self.images = model.samples[part]
        self.uncompressed = {f"{task.name}_distortion": 0.0 for task in model.tasks}

    def outcome(self, bits: Bits, *, metrics: bool = False) -> Outcome:
        """See `Evaluator`."""
        losses = self.model.losses(bits[None, :], self.part)[0]
        distortions = {task.name: float(loss) for task, loss in zip(self.model.tasks, losses, strict=True)}
        rate = float(self.model.rate[np.arange(len(bits)), bits].sum()) + HEADER_KBIT
        return Outcome(rate, distortions, {f"{n}_distortion": v for n, v in distortions.items()} if metrics else {}, {})

    def step_outcome(self, setting: float, cells: Cells) -> None:
        """An analytic subject has tables for whole bits only, so there is no common step."""
        return


def _span(worst: float, best: float) -> float:
    """The loss that there is to lose; a task that needs no feature at all has distortion 0 everywhere."""
    return worst - best if abs(worst - best) > 1e-12 else np.inf
