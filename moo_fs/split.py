"""A split network and what an importance measure gets to see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from moo_fs.contracts import Floats
from moo_fs.tasks import Task

Part = Literal["fit", "search", "test"]
PARTS: tuple[Part, ...] = ("fit", "search", "test")
AXES = ("channel", "depth", "task")
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
    means over the fit part; `at_depths(task, bits)` -> the same loss with channels at depths `bits` (channel,) 0 to 8,
    -1 = left untouched, and `errors` (channel, 9) their squared errors over the variance; `run(task, features)` -> the
    task's output for other features of the same shape; `weights` (channel, ...) of the layer that makes the channels;
    `scale` (channel,) of the batch normalisation after it. `ablate` and `at_depths` take `images=n`: so many
    of the images only, spread evenly.
    """

    features: torch.Tensor
    tasks: tuple[Task, ...] = ()
    outputs: Mapping[str, torch.Tensor] = field(default_factory=dict)
    targets: Mapping[str, torch.Tensor] = field(default_factory=dict)
    gradients: Mapping[str, torch.Tensor] = field(default_factory=dict)
    ablate: Callable[..., torch.Tensor] | None = None
    at_depths: Callable[..., torch.Tensor] | None = None
    errors: Floats | None = None
    run: Callable[[str, torch.Tensor], torch.Tensor] | None = None
    weights: torch.Tensor | None = None
    scale: torch.Tensor | None = None


@dataclass(frozen=True)
class Report:
    """Scores, and what their measure knows of how far to believe them; a measure with `whole` may return it.

    Attributes:
        values: (channel,) or (channel, task), higher = matters more.
        null: (task,), mean score under permuted labels; `spread` (task,), its deviation over channels and permutations.
        details: name -> (axes, numbers), axes being words of `AXES`: ("", 3000), ("task", ...), ("channel task", ...).
        doubts: sentences, each a reason not to believe the scores.
        samples: images that were looked at, if not all of the batch.
    """

    values: Any
    null: Any | None = None
    spread: Any | None = None
    details: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    samples: int | None = None
