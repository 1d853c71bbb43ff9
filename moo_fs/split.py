"""A split network and what an importance measure gets to see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from moo_fs.tasks import Task

Part = Literal["fit", "search", "test"]
PARTS: tuple[Part, ...] = ("fit", "search", "test")
Pair = tuple[torch.Tensor, Mapping[str, torch.Tensor]]


@dataclass(frozen=True)
class SplitModel:
    """A network cut in two: `edge` (images -> features) and one head a task (features -> output).

    `data(part)` returns (images (sample, 3, H, W), {task: targets}) as tensors, or an iterable of such pairs.
    """

    name: str
    edge: torch.nn.Module
    heads: Mapping[str, torch.nn.Module]
    tasks: list[Task]
    data: Callable[[Part], Pair | Iterable[Pair]]

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names in the order of `tasks`."""
        return tuple(task.name for task in self.tasks)


@dataclass(frozen=True)
class Batch:
    """What a measure sees: `features` (sample, channel, height, width) float32, and per task what it declared to need.

    `outputs[task]`, `targets[task]`; `gradients[task]`, like features, of the per-image loss SUMMED over its valid
    pixels (squared error for values and image, cross-entropy for classes); `ablate(task, dropped)` -> that loss's MEAN
    over the valid pixels of each image (sample,), with the channels of `dropped` (channel,) bool replaced by their
    means over the fit part; `weights` (channel, ...) of the layer that makes the channels.
    """

    features: torch.Tensor
    tasks: tuple[Task, ...] = ()
    outputs: Mapping[str, torch.Tensor] = field(default_factory=dict)
    targets: Mapping[str, torch.Tensor] = field(default_factory=dict)
    gradients: Mapping[str, torch.Tensor] = field(default_factory=dict)
    ablate: Callable[[str, Any], torch.Tensor] | None = None
    weights: torch.Tensor | None = None
