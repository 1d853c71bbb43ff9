"""Does a user's split network fit its tasks and data? Asked on a few images, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from moo_fs.contracts import MooFsError
from moo_fs.split import SplitModel
from moo_fs.tasks import IGNORED, Task

IMAGES = 2


def check(
    model: SplitModel, images: torch.Tensor, targets: Mapping[str, torch.Tensor], *, part: str, device: str
) -> None:
    """Run edge and heads on the first images; raises MooFsError, one sentence on the first thing that does not fit."""
    where = f"subject '{model.name}', {part} part"
    names = list(model.task_names)
    _check_columns(where, model)
    if not names or len(set(names)) != len(names):
        raise MooFsError(f"{where}: wanted tasks with different names, got {names}")
    if set(model.heads) != set(names):
        raise MooFsError(f"{where}: wanted one head for each of the tasks {names}, got heads {sorted(model.heads)}")
    missing = [name for name in names if name not in targets]
    if missing:
        raise MooFsError(f"{where}: data gives no targets for task '{missing[0]}'")
    if images.ndim != 4:
        raise MooFsError(
            f"{where}: images: wanted axes (sample, channel, height, width), got shape {tuple(images.shape)}"
        )
    try:
        features = model.edge(images[:IMAGES].to(device))
    except Exception as error:
        raise MooFsError(f"{where}: edge fails on its own data: {_first(error)}") from error
    _check_tensor(where, "edge", features)
    if features.ndim != 4 or len(features) != min(IMAGES, len(images)):
        raise MooFsError(
            f"{where}: edge: wanted features with axes (sample, channel, height, width), got {tuple(features.shape)}"
        )
    for task in model.tasks:
        try:
            output = model.heads[task.name](features)
        except Exception as error:
            raise MooFsError(f"{where}: head '{task.name}' fails on the features: {_first(error)}") from error
        _check_tensor(where, f"head '{task.name}'", output)
        if len(targets[task.name]) != len(images):
            raise MooFsError(
                f"{where}: task '{task.name}': wanted {len(images)} targets, got {len(targets[task.name])}"
            )
        _check_output(f"{where}: task '{task.name}'", task, output.cpu(), targets[task.name][: len(features)].cpu())


def _check_columns(where: str, model: SplitModel) -> None:
    """Every task and metric gets a column of its own in the archive."""
    columns = ["rate_kbit", "rate_kbit_test", "baseline", "setting", "coded_bytes"]
    for task in model.tasks:
        columns += [task.name, f"{task.name}_test", *(f"{task.name}_{metric}" for metric in task.metric_names)]
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated and len(set(model.task_names)) == len(model.tasks):
        raise MooFsError(f"{where}: two things would be called '{repeated[0]}' in the results; rename a task or metric")


def _check_tensor(where: str, what: str, output: object) -> None:
    if not isinstance(output, torch.Tensor):
        raise MooFsError(f"{where}: {what}: wanted a tensor from it, got {type(output).__name__}")


def _check_output(where: str, task: Task, output: torch.Tensor, target: torch.Tensor) -> None:
    if task.kind == "classes":
        wanted = (len(target), task.classes, *target.shape[1:])
        if tuple(output.shape) != wanted:
            raise MooFsError(f"{where}: wanted logits of shape {wanted}, got {tuple(output.shape)}")
        if target.dtype != torch.int64:
            raise MooFsError(f"{where}: wanted int64 labels, got {target.dtype}")
        valid = target[target != IGNORED]
        if len(valid) and (int(valid.min()) < 0 or int(valid.max()) >= (task.classes or 0)):
            raise MooFsError(
                f"{where}: wanted labels 0 to {(task.classes or 0) - 1} or {IGNORED} (ignored), "
                f"got {int(valid.min())} to {int(valid.max())}"
            )
    elif task.kind in ("values", "image"):
        if output.shape != target.shape:
            raise MooFsError(f"{where}: wanted output like the target {tuple(target.shape)}, got {tuple(output.shape)}")
        if task.kind == "image" and (float(target.min()) < 0 or float(target.max()) > 1):
            raise MooFsError(
                f"{where}: wanted images in [0, 1], got {float(target.min()):g} to {float(target.max()):g}"
            )
    else:
        loss = task.loss(output, target) if task.loss is not None else output
        if tuple(loss.shape) != (len(target),):
            raise MooFsError(f"{where}: its loss: wanted shape ({len(target)},), one an image, got {tuple(loss.shape)}")


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()}".partition("\n")[0]
