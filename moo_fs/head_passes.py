"""Runs of the heads for importance measures: outputs, gradients and ablations, each image counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from moo_fs.coding.quantiser import QuantiserTables
from moo_fs.contracts import MAX_BITS, MooFsError, did_you_mean
from moo_fs.losses import loss_of_images
from moo_fs.tasks import Task

BATCH = 32
# Our choice: forward and backward together cost three forward passes.
GRADIENT_PASSES = 3


@dataclass
class HeadRunner:
    """Runs `heads` on the device where they are; `means` (channel,) fill ablated channels; counts images."""

    heads: Mapping[str, nn.Module]
    tasks: Sequence[Task]
    means: Tensor
    images: int = field(default=0)

    @property
    def passes(self) -> float:
        """Images x passes of all heads so far: one head alone counts 1 / tasks, a gradient 3 forward passes."""
        return self.images / len(self.tasks)

    def forward(self, features: Tensor, task: Task) -> Tensor:
        """Output of one head without a graph."""
        self.images += len(features)
        head = self.heads[task.name]
        with torch.no_grad():
            output: Tensor = head(features.to(_device(head, features)))
        return output.to(features.device)

    def gradient(self, features: Tensor, targets: Tensor, task: Task) -> tuple[Tensor, Tensor]:
        """Output of one head and the gradient of its summed per-image loss by the features."""
        self.images += GRADIENT_PASSES * len(features)
        head = self.heads[task.name]
        # Only the features' own gradient is asked for: nothing is left on the head's parameters.
        inputs = features.to(_device(head, features)).detach().clone().requires_grad_()
        with torch.enable_grad():
            output = head(inputs)
            loss = loss_of_images(task, output, targets.to(inputs.device), summed=True).sum()
            (gradient,) = torch.autograd.grad(loss, inputs)
        return output.detach().to(features.device), gradient.to(features.device)

    def run(self) -> Callable[[str, Tensor], Tensor]:
        """`(task, features) -> output` of one head, in batches."""

        def output(task: str, features: Tensor) -> Tensor:
            parts = range(0, len(features), BATCH)
            return torch.cat([self.forward(features[at : at + BATCH], self._task(task, "run")) for at in parts])

        return output

    def ablate(self, features: Tensor, targets: Mapping[str, Tensor]) -> Callable[[str, Any], Tensor]:
        """`(task, dropped (channel,) bool) -> loss (sample,)` with the dropped channels at their means.

        A third argument `images` asks for so many of the images only, spread evenly.
        """
        means = self.means.to(features).reshape(1, -1, 1, 1)

        def loss(task: str, dropped: Any, images: int | None = None) -> Tensor:
            mask = torch.as_tensor(dropped, dtype=torch.bool)
            if mask.shape != (features.shape[1],):
                raise MooFsError(f"ablate: wanted dropped of shape ({features.shape[1]},), got {tuple(mask.shape)}")
            filled = mask.to(features.device).reshape(1, -1, 1, 1)
            return self._losses(
                task, "ablate", features, targets, lambda maps: torch.where(filled, means, maps), images
            )

        return loss

    def at_depths(
        self, features: Tensor, targets: Mapping[str, Tensor], tables: QuantiserTables
    ) -> Callable[[str, Any], Tensor]:
        """`(task, bits (channel,)) -> loss (sample,)` with channels as decoded at their depth; -1 = untouched.

        A third argument `images` asks for so many of the images only, spread evenly.
        """

        def loss(task: str, bits: Any, images: int | None = None) -> Tensor:
            depths = np.asarray(bits)
            if depths.shape != (features.shape[1],) or depths.min() < -1 or depths.max() > MAX_BITS:
                raise MooFsError(f"at_depths: wanted bits ({features.shape[1]},) from -1 to {MAX_BITS}, got {depths!r}")
            sent = np.flatnonzero(depths >= 0)
            cells = tables.select(np.maximum(depths, 0)).of(sent)

            def received(maps: Tensor) -> Tensor:
                changed = maps.clone()
                if len(sent):
                    changed[:, sent] = torch.from_numpy(cells.dequantise(maps[:, sent].cpu().numpy())).to(maps)
                return changed

            return self._losses(task, "at_depths", features, targets, received, images)

        return loss

    def _losses(
        self,
        task: str,
        caller: str,
        features: Tensor,
        targets: Mapping[str, Tensor],
        change: Callable[[Tensor], Tensor],
        images: int | None,
    ) -> Tensor:
        """Loss (sample,) of one task on changed features, in batches."""
        known, parts = self._task(task, caller), []
        chosen = spread_evenly(len(features), images)
        for at in range(0, len(chosen), BATCH):
            index = chosen[at : at + BATCH]
            output = self.forward(change(features[index]), known)
            parts.append(loss_of_images(known, output, targets[task][index]))
        return torch.cat(parts)

    def _task(self, name: str, caller: str) -> Task:
        tasks = {task.name: task for task in self.tasks}
        if name not in tasks:
            raise MooFsError(f"{caller}: no task '{name}'{did_you_mean(name, tasks)}")
        return tasks[name]


def spread_evenly(count: int, wanted: int | None) -> Tensor:
    """Indices of `wanted` of so many images, spread over all: they may lie in an order that means something.

    >>> spread_evenly(10, 4).tolist()
    [1, 3, 6, 8]
    """
    if wanted is None or wanted >= count:
        return torch.arange(count)
    return ((torch.arange(wanted) + 0.5) * count / wanted).long()


def _device(head: nn.Module, features: Tensor) -> torch.device:
    parameter = next(head.parameters(), None)
    return features.device if parameter is None else parameter.device


@contextmanager
def evaluating(heads: Mapping[str, nn.Module]) -> Iterator[None]:
    """Evaluation mode inside; every module's own mode is restored afterwards."""
    modes = [(module, module.training) for head in heads.values() for module in head.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes:
            module.training = mode
