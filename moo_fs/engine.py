"""The fast evaluator of a network's heads: what `moo_fs.oracle` computes, in fixed physical batches.

Images are evaluated in batches of one fixed size at fixed places, padded at the end, so the numbers of an allocation
depend on the allocation alone (a convolution over another batch size may differ in its last digits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from moo_fs import compiled_outcomes, outcomes
from moo_fs.coding import kernels
from moo_fs.coding.cells import Cells, Maps
from moo_fs.contracts import Floats, MooFsError
from moo_fs.folding import evaluation_copy, exact, prepare
from moo_fs.tasks import Task


class Engine:
    """Heads on the quantised features of one part of the data.

    `features` (image, channel, height, width) float32, `targets` per task, `device` "cpu" or a CUDA device. Raises
    MooFsError if heads, targets and features do not belong together.
    """

    def __init__(
        self,
        heads: Mapping[str, nn.Module],
        tasks: Sequence[Task],
        features: Tensor,
        targets: Mapping[str, Tensor],
        *,
        device: str = "cpu",
        physical_batch: int = 16,
    ) -> None:
        _check(heads, tasks, features, targets, physical_batch)
        self.tasks, self.device, self.images = list(tasks), torch.device(device), len(features)
        self.channels, self.physical_batch = features.shape[1], physical_batch
        self._source = _padded(features, physical_batch).to(self.device)
        self._buffer = torch.empty_like(self._source[0]).contiguous(memory_format=torch.channels_last)
        self._buffer.copy_(self._source[0])
        with exact(self.device):
            self._heads = {task.name: prepare(_on(heads[task.name], self.device), self._buffer) for task in self.tasks}
        self._targets = {task.name: targets[task.name].to(self.device) for task in self.tasks}
        compiled = self.device.type == "cpu"
        self._scorers = {
            task.name: compiled_outcomes.scorer(task, self._targets[task.name]) if compiled else None
            for task in self.tasks
        }

    @property
    def forms(self) -> dict[str, str]:
        """Task -> how its head runs: "packed", "folded" or "eager"."""
        return {name: head.form for name, head in self._heads.items()}

    def sums(self, cells: Cells | None) -> dict[str, Floats]:
        """Task -> sums (image, stat) as in `moo_fs.outcomes`, features quantised by `cells`; None: left untouched."""
        return self._sums(self._source, self._prepared(cells))

    def received(self, features: Tensor) -> dict[str, Floats]:
        """Task -> the same sums of other features of these images, of the same shape: what a server was sent."""
        wanted = (self.images, *self._source.shape[2:])
        if tuple(features.shape) != wanted:
            raise MooFsError(f"features: wanted shape {wanted}, got {tuple(features.shape)}")
        return self._sums(_padded(features, self.physical_batch).to(self.device), None)

    def _sums(self, source: Tensor, prepared: tuple[Any, ...] | None) -> dict[str, Floats]:
        found = {task.name: np.empty((self.images, outcomes.stats(task))) for task in self.tasks}
        with torch.inference_mode(), exact(self.device):
            for batch in range(len(source)):
                first = batch * self.physical_batch
                part = slice(first, min(first + self.physical_batch, self.images))
                maps = self._receive(source[batch], prepared)
                for task in self.tasks:
                    output = self._heads[task.name](maps)[: part.stop - first]
                    found[task.name][part] = self._score(task, output, part)
        return found

    def outputs(self, cells: Cells | None, images: slice | None = None) -> dict[str, Tensor]:
        """Task -> output of the chosen images (all of them if None), on the CPU; the same numbers as in `sums`."""
        chosen = np.arange(self.images)[images if images is not None else slice(None)]
        prepared = self._prepared(cells)
        found: dict[str, list[Tensor]] = {task.name: [] for task in self.tasks}
        with torch.inference_mode(), exact(self.device):
            for batch in np.unique(chosen // self.physical_batch):
                maps = self._receive(self._source[int(batch)], prepared)
                here = torch.from_numpy(chosen[chosen // self.physical_batch == batch] % self.physical_batch)
                for name, rows in found.items():
                    rows.append(self._heads[name](maps).cpu()[here])
        return {name: torch.cat(rows) for name, rows in found.items()}

    def _score(self, task: Task, output: Tensor, part: slice) -> Floats:
        scorer = self._scorers[task.name]
        if scorer is not None:
            return scorer(output, part)
        return outcomes.image_sums(task, output, self._targets[task.name][part])

    def _prepared(self, cells: Cells | None) -> tuple[Any, ...] | None:
        """Offset, scale, largest symbol and centroids: arrays for the kernel, tensors elsewhere."""
        if cells is None:
            return None
        if cells.channels != self.channels:
            raise MooFsError(f"cells: wanted {self.channels} channels, got {cells.channels}")
        arrays = (cells.offset, cells.scale, (cells.levels - 1).astype(np.float32), cells.centroids)
        if self.device.type == "cpu":
            return tuple(np.ascontiguousarray(array) for array in arrays)
        return tuple(torch.as_tensor(array, device=self.device) for array in arrays)

    def _receive(self, source: Tensor, prepared: tuple[Any, ...] | None) -> Tensor:
        """Put what the decoder receives of one physical batch into the buffer."""
        if prepared is None:
            return self._buffer.copy_(source)
        if self.device.type == "cpu":
            kernels.dequantise_positions(_rows(source), *prepared, _rows(self._buffer))
            return self._buffer
        offset, scale, last, centroids = prepared
        column = (slice(None), None, None)
        level = ((source - offset[column]) * scale[column]).floor().clamp_min(0).minimum(last[column]).long()
        channel = torch.arange(self.channels, device=self.device)[:, None, None]
        return self._buffer.copy_(centroids[channel, level])


def _padded(features: Tensor, size: int) -> Tensor:
    """(batch, image of the batch, channel, height, width), channels last in memory; padded by copies of image 0."""
    missing = -len(features) % size
    full = torch.cat([features.float(), features[:1].float().expand(missing, -1, -1, -1)])
    rows = full.permute(0, 2, 3, 1).contiguous()
    return rows.reshape(-1, size, *rows.shape[1:]).permute(0, 1, 4, 2, 3)


def _rows(maps: Tensor) -> Maps:
    """A view (position, channel) of channels-last maps."""
    return np.asarray(maps.permute(0, 2, 3, 1).numpy().reshape(-1, maps.shape[1]))


def _on(head: nn.Module, device: torch.device) -> nn.Module:
    """The head on the device; the head of the user stays where it is."""
    if device.type == "cpu" or not isinstance(head, nn.Module):
        return head
    return evaluation_copy(head).to(device)


def _check(
    heads: Mapping[str, nn.Module], tasks: Sequence[Task], features: Tensor, targets: Mapping[str, Tensor], batch: int
) -> None:
    if features.ndim != 4 or not len(features):
        raise MooFsError(f"features: wanted axes (image, channel, height, width), got shape {tuple(features.shape)}")
    if batch < 1:
        raise MooFsError(f"physical_batch: wanted 1 or more images, got {batch}")
    for task in tasks:
        if task.name not in heads or task.name not in targets:
            raise MooFsError(f"task '{task.name}': wanted a head and targets of that name")
        if len(targets[task.name]) != len(features):
            raise MooFsError(
                f"task '{task.name}': wanted {len(features)} targets, one an image, got {len(targets[task.name])}"
            )
