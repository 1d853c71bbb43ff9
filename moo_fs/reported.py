"""What a measure returns, checked: scores of the right shape, and what it reports beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from moo_fs.contracts import MAX_BITS, Floats, MooFsError
from moo_fs.split import AXES, Batch, Report


def checked_report(name: str, found: Any, batch: Batch, *, whole: bool) -> Report:
    """Scores (channel, task) and the rest of a `Report` of the measure `name`; bare scores are one without the rest.

    Raises MooFsError, which opens with the measure's name, if anything has the wrong shape or type, or is not finite.
    """
    channels, tasks = batch.features.shape[1], len(batch.tasks)
    if isinstance(found, Report) and not whole:
        raise MooFsError(f"measure '{name}': a Report is of everything drawn; register it with whole=True")
    report = found if isinstance(found, Report) else Report(found)
    values = numbers(name, report.values)
    check_scores(name, values, (channels, tasks) if values.ndim == 2 else (channels,))
    if values.ndim == 1:
        values = np.repeat(values[:, None], tasks, axis=1)
    null, spread = (_of_tasks(name, what, getattr(report, what), tasks) for what in ("null", "spread"))
    details = {what: _detail(name, what, one, batch) for what, one in report.details.items()}
    if not isinstance(report.doubts, tuple | list) or not all(isinstance(one, str) for one in report.doubts):
        raise MooFsError(f"measure '{name}': wanted doubts as a tuple of sentences, got {report.doubts!r}")
    return Report(values, null, spread, details, tuple(report.doubts), report.samples)


def numbers(name: str, values: Any) -> Floats:
    """What a measure returns as float64."""
    try:
        return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MooFsError(
            f"measure '{name}': wanted a tensor of scores (channel,), got {type(values).__name__}"
        ) from error


def check_scores(name: str, values: Floats, shape: tuple[int, ...], where: str = "") -> None:
    """Raise MooFsError unless scores have this shape and are finite; `where` says of which task."""
    if values.shape != shape:
        raise MooFsError(f"measure '{name}': wanted scores of shape {shape}{where}, got {values.shape}")
    if not np.isfinite(values).all():
        channel = int(np.argwhere(~np.isfinite(values))[0][0])
        raise MooFsError(f"measure '{name}': wanted finite scores{where}, got {values[channel]} for channel {channel}")


def _of_tasks(name: str, what: str, values: Any, tasks: int) -> Floats | None:
    """A number a task, or nothing."""
    if values is None:
        return None
    found = numbers(name, values)
    if found.shape != (tasks,) or not np.isfinite(found).all():
        raise MooFsError(f"measure '{name}': wanted {what} of shape ({tasks},), finite, got {found.tolist()}")
    return found


def _detail(name: str, what: str, detail: Any, batch: Batch) -> tuple[str, Floats]:
    if not isinstance(detail, tuple) or len(detail) != 2 or not isinstance(detail[0], str):
        raise MooFsError(f"measure '{name}': details: {what}: wanted (axes, numbers), got {detail!r}")
    axes, values = detail[0].split(), numbers(name, detail[1])
    sizes = {"channel": batch.features.shape[1], "task": len(batch.tasks), "depth": MAX_BITS + 1}
    if any(axis not in AXES for axis in axes) or values.shape != tuple(sizes[axis] for axis in axes):
        raise MooFsError(
            f"measure '{name}': details: {what}: wanted numbers along '{detail[0]}' (axes of {', '.join(AXES)}), "
            f"got shape {values.shape}"
        )
    return detail[0], values
