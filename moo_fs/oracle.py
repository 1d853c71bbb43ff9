"""The obvious evaluator: heads as they are, eight images at a time, nothing compiled, folded or fused.

The engine must agree with it; it is also the other side of `moo-fs bench engine`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from moo_fs import outcomes
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats
from moo_fs.folding import evaluation_copy
from moo_fs.tasks import Task

BATCH = 8


class Oracle:
    """Same constructor and methods as `moo_fs.engine.Engine`, without a device or a physical batch."""

    def __init__(
        self,
        heads: Mapping[str, nn.Module],
        tasks: Sequence[Task],
        features: Tensor,
        targets: Mapping[str, Tensor],
    ) -> None:
        self.heads = {task.name: evaluation_copy(heads[task.name]) for task in tasks}
        self.tasks, self.targets = list(tasks), targets
        self.features = features.numpy()

    def sums(self, cells: Cells | None) -> dict[str, Floats]:
        """Task -> sums (image, stat) of the features quantised by `cells`; None leaves them untouched."""
        found: dict[str, list[Floats]] = {task.name: [] for task in self.tasks}
        for start in range(0, len(self.features), BATCH):
            part = slice(start, start + BATCH)
            outputs = self.outputs(cells, part)
            for task in self.tasks:
                found[task.name].append(outcomes.image_sums(task, outputs[task.name], self.targets[task.name][part]))
        return {name: np.concatenate(rows) for name, rows in found.items()}

    def outputs(self, cells: Cells | None, images: slice | None = None) -> dict[str, Tensor]:
        """Task -> output of the chosen images (all of them if None)."""
        maps = self.features[images if images is not None else slice(None)]
        received = torch.from_numpy(maps if cells is None else cells.dequantise(maps))
        with torch.inference_mode():  # each head gets its own copy: a head may work in place
            return {task.name: self.heads[task.name](received.clone()) for task in self.tasks}
