"""The one place that composes subject, quantiser, engine and scores into something that can be searched."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from moo_fs import model_checks
from moo_fs.coding.quantiser import fit_tables, step_ladder, uniform_step
from moo_fs.contracts import MAX_BITS, Bits, Floats, MooFsError
from moo_fs.edge_layers import MakingLayer, making_layer
from moo_fs.engine import Engine
from moo_fs.evaluator import AnalyticEvaluator, Evaluator, NetworkEvaluator, Outcome
from moo_fs.folding import exact
from moo_fs.groups import equal_groups
from moo_fs.head_passes import evaluating
from moo_fs.scoring import Source
from moo_fs.space import Space
from moo_fs.split import PARTS, Pair, Part, SplitModel
from moo_fs.subjects.linear_gaussian import AnalyticModel
from moo_fs.trials import six_digits

STEPS = 24
BATCH = 32


class Prepared:
    """A subject made ready: features of every part, tables fitted on the fit part, one evaluator a part on demand.

    `model` is a `SplitModel` or an `AnalyticModel`; `quantiser` is "mse" or "minmax"; `groups` is how many groups of
    channels are searched (`moo_fs.groups`), 0 if every channel has its own depth. Raises MooFsError if the model does
    not fit its tasks and data, or cannot have these groups.
    """

    def __init__(
        self, model: SplitModel | AnalyticModel, *, device: str = "cpu", quantiser: str = "mse", groups: int = 0
    ) -> None:
        self.model, self.device = model, device
        self.tasks = list(model.tasks)
        self._data: dict[Part, tuple[torch.Tensor, dict[str, torch.Tensor]]] = {}
        fit = self.features("fit")
        if isinstance(model, AnalyticModel):
            if quantiser != "mse":
                raise MooFsError(f"subject '{model.name}': quantiser: an analytic subject has tables of its own")
            if groups != 0:
                raise MooFsError(f"subject '{model.name}': groups: an analytic subject has none; leave the option out")
            self.error, self.rate = model.error, model.rate
        else:
            self.tables = fit_tables(fit.numpy(), mode=quantiser)
            self.error, self.rate = self.tables.error, self.tables.rate
        self.channels = fit.shape[1]
        none = groups == 0 and not isinstance(groups, bool)
        self.groups = None if none else equal_groups(fit.numpy(), groups, subject=model.name)
        self._evaluators: dict[Part, Evaluator] = {}

    @property
    def objectives(self) -> tuple[str, ...]:
        """The rate, then the tasks."""
        return ("rate", *(task.name for task in self.tasks))

    @property
    def backend(self) -> str:
        """What computes the objectives: results are reproducible bit for bit within one backend."""
        if isinstance(self.model, AnalyticModel):
            return "analytic"
        return f"torch-{torch.__version__.partition('+')[0]}-{self.device}-float32"

    def features(self, part: Part) -> torch.Tensor:
        """Features of a part (image, channel, height, width) float32, on the CPU."""
        return self._part(part)[0]

    def evaluator(self, part: Part) -> Evaluator:
        """The evaluator of a part, built when first asked for."""
        if part not in self._evaluators:
            self._evaluators[part] = self._evaluator(part)
        return self._evaluators[part]

    @cached_property
    def source(self) -> Source:
        """What scores are computed from: the fit part."""
        features, targets = self._part("fit")
        network = not isinstance(self.model, AnalyticModel)
        layer = making_layer(self.model.edge, self.channels) if isinstance(self.model, SplitModel) else MakingLayer()
        return Source(
            heads=self.model.heads,
            tasks=self.tasks,
            features=features,
            targets=targets,
            means=features.mean((0, 2, 3)),
            weights=layer.weights,
            scale=layer.scale,
            tables=self.tables if network else None,
        )

    def space(self, scores: Floats | None, objectives: tuple[str, ...] | None = None) -> Space:
        """The space of channels with these scores (channel, task of the objectives)."""
        return Space(objectives or self.objectives, self.error, self.rate, scores)

    def searched(self, scores: Floats | None, objectives: tuple[str, ...] | None = None) -> Space:
        """The space that an optimiser is given: that of channels, or of their groups if there are any."""
        space = self.space(scores, objectives)
        return space if self.groups is None else self.groups.space(space)

    def uniform(self, bits: int, part: Part, *, metrics: bool = False) -> Outcome:
        """All channels at one depth."""
        return self.evaluator(part).outcome(np.full(self.channels, bits, np.int8), metrics=metrics)

    def baselines(self) -> pd.DataFrame:
        """Rows of `uniform` (depths 1 to 8) and `uniform-step` on the search and test parts: see results/README.md."""
        rows = [
            _baseline_row("uniform", depth, *(self.uniform(depth, part, metrics=True) for part in PARTS[1:]))
            for depth in range(1, MAX_BITS + 1)
        ]
        if not isinstance(self.model, AnalyticModel):
            maps = self.features("fit").numpy()
            for step in step_ladder(maps, count=STEPS):
                cells = uniform_step(maps, step=step)
                found = [self.evaluator(part).step_outcome(step, cells) for part in PARTS[1:]]
                rows.append(_baseline_row("uniform-step", step, *(one for one in found if one is not None)))
        return pd.DataFrame(rows)

    def _evaluator(self, part: Part) -> Evaluator:
        if isinstance(self.model, AnalyticModel):
            return AnalyticEvaluator(self.model, part)
        features, targets = self._part(part)
        engine = Engine(self.model.heads, self.tasks, features, targets, device=self.device)
        return NetworkEvaluator(engine, self.tasks, self.tables, features.numpy(), targets)

    def _part(self, part: Part) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if part not in self._data:
            if isinstance(self.model, AnalyticModel):
                self._data[part] = (self.model.maps(part), self.model.targets(part))
            else:
                self._data[part] = _collect(self.model, part, self.device)
        return self._data[part]


class Problem:
    """One run's problem: `evaluate` allocations on the search part; repeats come from a cache that runs may share."""

    def __init__(self, prepared: Prepared, space: Space, *, cache: dict[bytes, Floats] | None = None) -> None:
        self.prepared, self.space = prepared, space
        self._cache: dict[bytes, Floats] = {} if cache is None else cache
        self._wanted = [prepared.objectives.index(name) for name in space.objectives]

    def evaluate(self, bits: Bits) -> Floats:
        """Objectives (allocation, objective) of bits (allocation, channel), rounded to 6 significant digits."""
        return np.stack([self._one(row) for row in bits]) if len(bits) else np.empty((0, len(self._wanted)))

    def _one(self, row: Bits) -> Floats:
        key = row.tobytes()
        if key not in self._cache:
            outcome = self.prepared.evaluator("search").outcome(row)
            self._cache[key] = six_digits(outcome.objectives)
        return self._cache[key][self._wanted]


def _baseline_row(baseline: str, setting: float, search: Outcome, test: Outcome) -> dict[str, float | str]:
    row: dict[str, float | str] = {"baseline": baseline, "setting": float(setting), "rate_kbit": search.rate_kbit}
    row |= search.distortions
    row["rate_kbit_test"] = test.rate_kbit
    row |= {f"{task}_test": value for task, value in test.distortions.items()}
    return row | test.metrics | {"coded_bytes": test.coded_bytes}


def _collect(model: SplitModel, part: Part, device: str) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    features: list[torch.Tensor] = []
    targets: list[dict[str, torch.Tensor]] = []
    # A module just built is in training mode: it would normalise by the batch, and remember it.
    with torch.inference_mode(), exact(device), evaluating({"": model.edge, **model.heads}):
        for images, labels in _pairs(model, part):
            model_checks.check(model, images, labels, part=part, device=device)
            for start in range(0, len(images), BATCH):
                features.append(model.edge(images[start : start + BATCH].to(device)).float().cpu())
            targets.append({task.name: labels[task.name].cpu() for task in model.tasks})
    if not features:
        raise MooFsError(f"subject '{model.name}': data('{part}') is empty")
    joined = {task.name: torch.cat([one[task.name] for one in targets]) for task in model.tasks}
    maps = torch.cat(features).clone()
    if not torch.isfinite(maps).all():
        raise MooFsError(f"subject '{model.name}': edge gives values that are not finite on the {part} part")
    return maps, joined


def images_of(model: SplitModel | AnalyticModel, part: Part) -> torch.Tensor:
    """The images of a part (image, 3, H, W); raises MooFsError for an analytic model, which has none."""
    if isinstance(model, AnalyticModel):
        raise MooFsError(f"subject '{model.name}': wanted a network that takes images, got a closed form")
    return torch.cat([images for images, _ in _pairs(model, part)])


def image_pixels(model: SplitModel, part: Part) -> int:
    """Height times width of a part's images, as its first batch has them."""
    images, _ = next(iter(_pairs(model, part)))
    return images.shape[-2] * images.shape[-1]


def _pairs(model: SplitModel, part: Part) -> Iterable[Pair]:
    """The part's (images, targets) pairs, one after another, however the user gives them."""
    try:
        data: Any = model.data(part)
        whole = isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[0], torch.Tensor)
        pairs: Any = ((images, labels) for images, labels in ([data] if whole else data))
        yield from pairs
    except MooFsError:
        raise
    except Exception as error:
        raise MooFsError(
            f"subject '{model.name}': data('{part}'): wanted (images, {{task: targets}}) or batches of such pairs, "
            f"got {type(error).__name__}: {error}"
        ) from error
