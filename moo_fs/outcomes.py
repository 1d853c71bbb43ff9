"""What a task's output is worth: sums per image, and the losses and metrics that follow from them. The plain form.

Sums are kept per image, so that any subset of a part, a bootstrap of it or the whole are pooled from the same numbers.
Columns per kind: `classes` (cross-entropy in nats, valid pixels, confusion matrix row by row: target x prediction),
`values` (squared error, valid pixels, relative error, pixels of non-zero target), `image` (squared error, values),
`custom` (loss, 1).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from moo_fs.contracts import Floats, MooFsError, RunError
from moo_fs.tasks import IGNORED, Task

LEAST_MSE = 1e-12  # a perfect image has 120 dB, not infinitely many


def stats(task: Task) -> int:
    """How many sums an image has."""
    return {"classes": 2 + (task.classes or 0) ** 2, "values": 4, "image": 2, "custom": 2}[str(task.kind)]


def image_sums(task: Task, output: Tensor, target: Tensor) -> Floats:
    """Sums (image, stat) float64 of outputs against targets, with or without spatial axes.

    Raises MooFsError if the output does not fit the target.
    """
    _check(task, output, target)
    if task.kind == "classes":
        columns = _class_sums(output, target, classes=task.classes or 0)
    elif task.kind == "values":
        columns = _value_sums(output, target)
    elif task.kind == "image":
        gap = (output.double() - target.double()).flatten(1)
        columns = torch.stack([gap.square().sum(1), torch.full_like(gap[:, 0], gap.shape[1])], dim=1)
    else:
        columns = _custom_sums(task, output, target)
    return columns.detach().cpu().numpy()


def loss(task: Task, sums: Floats) -> float:
    """Loss pooled over images (image, stat): mean cross-entropy in nats, RMSE, MSE, or the mean custom loss."""
    total, count = sums[:, 0].sum(), sums[:, 1].sum()
    if count == 0:
        raise RunError(f"task '{task.name}': its targets have no valid pixel in this part")
    return float(np.sqrt(total / count)) if task.kind == "values" else float(total / count)


def metrics(task: Task, sums: Floats) -> dict[str, float]:
    """Metrics in natural units, pooled over images (image, stat); {} for a custom task, whose metrics need outputs.

    `miou` is the mean over classes of intersection over union, classes absent from target and prediction left out;
    `accuracy` the share of valid pixels; `rmse` in the target's unit; `relative_error` the mean of |error| / |target|
    over targets that are not zero (nan if all are); `psnr_db` of the pooled MSE for a peak of 1.
    """
    pooled = loss(task, sums)
    if task.kind == "classes":
        confusion = sums[:, 2:].sum(axis=0).reshape(task.classes or 0, -1)
        return {"miou": _mean_iou(confusion), "accuracy": float(np.trace(confusion) / confusion.sum())}
    if task.kind == "values":
        relative, counted = sums[:, 2].sum(), sums[:, 3].sum()
        return {"rmse": pooled, "relative_error": float(relative / counted) if counted else float("nan")}
    if task.kind == "image":
        return {"psnr_db": float(-10 * np.log10(max(pooled, LEAST_MSE)))}
    return {}


def _class_sums(output: Tensor, target: Tensor, *, classes: int) -> Tensor:
    labels = target.reshape(len(target), -1)
    logits = output.double().reshape(len(target), classes, -1)
    valid = labels != IGNORED
    entropy = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none").sum(1)
    pairs = torch.where(valid, labels * classes + logits.argmax(1), classes**2)
    counts = functional.one_hot(pairs, classes**2 + 1).sum(1)[:, :-1]
    return torch.cat([entropy[:, None], valid.sum(1, keepdim=True).double(), counts.double()], dim=1)


def _value_sums(output: Tensor, target: Tensor) -> Tensor:
    wanted = target.double().reshape(len(target), -1)
    gap = output.double().reshape(len(output), -1) - wanted
    valid = ~wanted.isnan()
    counted = valid & (wanted != 0)
    squares = torch.where(valid, gap.square(), 0.0).sum(1)
    relative = torch.where(counted, gap.abs() / wanted.abs(), 0.0).sum(1)
    return torch.stack([squares, valid.sum(1).double(), relative, counted.sum(1).double()], dim=1)


def _custom_sums(task: Task, output: Tensor, target: Tensor) -> Tensor:
    if task.loss is None:
        raise MooFsError(f"task '{task.name}': wanted a loss for a task without a kind")
    found = task.loss(output, target)
    if tuple(found.shape) != (len(target),):
        raise MooFsError(
            f"task '{task.name}': its loss: wanted shape ({len(target)},), one an image, got {tuple(found.shape)}"
        )
    return torch.stack([found.double(), torch.ones_like(found, dtype=torch.float64)], dim=1)


def _mean_iou(confusion: Floats) -> float:
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
    seen = union > 0
    return float((np.diag(confusion)[seen] / union[seen]).mean())


def _check(task: Task, output: Tensor, target: Tensor) -> None:
    if task.kind == "classes":
        wanted: tuple[int, ...] = (len(target), task.classes or 0, *target.shape[1:])
    elif task.kind in ("values", "image"):
        wanted = tuple(target.shape)
    else:
        return
    if tuple(output.shape) != wanted:
        raise MooFsError(f"task '{task.name}': wanted an output of shape {wanted}, got {tuple(output.shape)}")
