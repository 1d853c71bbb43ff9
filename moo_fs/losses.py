"""The loss of each image, as torch functions that can be differentiated: what gradients and ablations are of."""

from __future__ import annotations

import torch
from torch.nn import functional

from moo_fs.contracts import MooFsError
from moo_fs.tasks import IGNORED, Task


def loss_of_images(task: Task, output: torch.Tensor, target: torch.Tensor, *, summed: bool = False) -> torch.Tensor:
    """Loss per image (sample,): cross-entropy in nats, squared error, or the task's own loss.

    The mean over an image's valid pixels, or their sum if `summed`; an image without a valid pixel has loss 0. A custom
    loss is what it is either way.
    """
    if task.kind == "custom":
        return _custom(task, output, target)
    if task.kind == "classes":
        target = target.long()
        errors = functional.cross_entropy(output, target, ignore_index=IGNORED, reduction="none")
        valid = target != IGNORED
    else:
        valid = ~torch.isnan(target)
        errors = (output.reshape(target.shape) - torch.where(valid, target, 0.0)).square() * valid
    sums = errors.flatten(1).sum(1) if errors.ndim > 1 else errors
    if summed:
        return sums
    counts = valid.flatten(1).sum(1) if valid.ndim > 1 else valid.long()
    return sums / counts.clamp(min=1)


def _custom(task: Task, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    if task.loss is None:
        raise MooFsError(f"task '{task.name}': wanted a loss")
    loss = task.loss(output, target)
    if loss.shape != (len(target),):
        raise MooFsError(
            f"task '{task.name}': wanted a loss per image of shape ({len(target)},), got {tuple(loss.shape)}"
        )
    return loss
