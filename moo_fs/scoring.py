"""From a measure to scores: collect what it needs from the heads, in batches, and count what that costs."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moo_fs.coding.quantiser import QuantiserTables
from moo_fs.contracts import Floats, MooFsError, did_you_mean
from moo_fs.folding import exact
from moo_fs.head_passes import BATCH, HeadRunner, evaluating
from moo_fs.registry import Measure, options_of
from moo_fs.reported import check_scores, checked_report, numbers
from moo_fs.seeds import stream
from moo_fs.split import Batch, Report
from moo_fs.tasks import Task

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """What a measure says of one subject.

    Attributes:
        values: (channel, task), higher = matters more, no scale promised.
        null: (task,), the mean under permuted labels, or None if none was asked for; `spread` (task,), its deviation.
        seconds: wall-clock time, collecting included.
        head_passes: images x passes of all heads: one head alone counts 1 / tasks, a gradient 3 forward passes.
        samples: images of the fit part that were used.
        details: name -> (axes, numbers) that the measure reports beside its scores (see `moo_fs.split.Report`).
        doubts: sentences of the measure on why its scores may not be believed.
    """

    values: Floats
    null: Floats | None
    seconds: float
    head_passes: float
    samples: int
    spread: Floats | None = None
    details: Mapping[str, tuple[str, Floats]] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """What scores are computed from: the whole fit part.

    `features` (image, channel, h, w), `targets` {task: (image, ...)}, `means` (channel,) over the fit part,
    `weights` of the layer that makes the channels (channel, ...) and `scale` (channel,) of the batch normalisation
    after it, if known; `tables`, the channels' quantisers, if there are any.
    """

    heads: Mapping[str, nn.Module]
    tasks: Sequence[Task]
    features: Tensor
    targets: Mapping[str, Tensor]
    means: Tensor
    weights: Tensor | None = None
    scale: Tensor | None = None
    tables: QuantiserTables | None = None


def score(
    measure: Measure,
    source: Source,
    *,
    seed: int,
    options: Mapping[str, Any] | None = None,
    drawn: Indices | None = None,
    batch_size: int = BATCH,
) -> Scores:
    """Scores of `measure` on `drawn` fit images; None: the block's draw, a random half (at least 2), set by `seed`.

    The gradients are of the per-image loss summed over an image's valid pixels (squared error for values and image,
    cross-entropy for classes: our choice, the same weights as in the pooled loss), `ablate` returns its mean over them.
    A measure that is not per task gives every task the same column, unless it returns (channel, task) by itself.

    Raises:
        MooFsError: if an option is unknown, the measure needs what the source does not have, or its result has the
            wrong shape or is not finite.
    """
    chosen = dict(options or {})
    _check_options(measure, chosen)
    _check_needs(measure, source)
    if "rng" in inspect.signature(measure.function).parameters:
        chosen["rng"] = stream(seed, "scores")
    drawn = draw(len(source.features), seed) if drawn is None else drawn
    start = time.perf_counter()
    runner = HeadRunner(source.heads, source.tasks, source.means)
    device = next((one.device for head in source.heads.values() for one in head.parameters()), "cpu")
    with evaluating(source.heads), exact(device):
        if measure.whole:
            report = _called(measure, _joined(measure, source, runner, drawn, batch_size), chosen)
        else:
            report = Report(_averaged(measure, _batches(measure, source, runner, drawn, batch_size), chosen))
    return Scores(
        report.values,
        report.null,
        time.perf_counter() - start,
        runner.passes,
        len(drawn) if report.samples is None else report.samples,
        report.spread,
        report.details,
        report.doubts,
    )


def draw(images: int, seed: int) -> Indices:
    """Indices, sorted, of the fit images of block `seed`: a random half, never fewer than 2 (or than there are)."""
    count = min(images, max(2, images // 2))
    return np.sort(stream(seed, "fit-draw").choice(images, count, replace=False))


def _batches(measure: Measure, source: Source, runner: HeadRunner, drawn: Indices, size: int) -> Iterator[Batch]:
    """What the measure needs of the drawn images, in batches."""
    for at in range(0, len(drawn), size):
        index = torch.from_numpy(drawn[at : at + size])
        features = source.features[index]
        targets = {name: target[index] for name, target in source.targets.items()}
        outputs, gradients = {}, {}
        for task in source.tasks:
            if "gradients" in measure.needs:
                outputs[task.name], gradients[task.name] = runner.gradient(features, targets[task.name], task)
            elif "outputs" in measure.needs:
                outputs[task.name] = runner.forward(features, task)
        yield Batch(
            features,
            tasks=tuple(source.tasks),
            outputs=outputs,
            targets=targets if "targets" in measure.needs else {},
            gradients=gradients,
            weights=source.weights if "weights" in measure.needs else None,
            scale=source.scale if "scale" in measure.needs else None,
            **_calls(measure, source, runner, features, targets),
        )


def _calls(
    measure: Measure, source: Source, runner: HeadRunner, features: Tensor, targets: Mapping[str, Tensor]
) -> dict[str, Any]:
    """The functions that a batch hands to a measure which asks the heads itself."""
    found: dict[str, Any] = {}
    if "ablate" in measure.needs:
        found["ablate"] = runner.ablate(features, targets)
    if "depths" in measure.needs and source.tables is not None:
        found["at_depths"] = runner.at_depths(features, targets, source.tables)
        found["errors"] = source.tables.error
    if "heads" in measure.needs:
        found["run"] = runner.run()
    return found


def _joined(measure: Measure, source: Source, runner: HeadRunner, drawn: Indices, size: int) -> Batch:
    """Everything that was drawn as one batch."""
    parts = list(_batches(measure, source, runner, drawn, size))
    index = torch.from_numpy(drawn)
    features = source.features[index]
    targets = {name: target[index] for name, target in source.targets.items()}
    return replace(
        parts[0],
        features=features,
        outputs={name: torch.cat([part.outputs[name] for part in parts]) for name in parts[0].outputs},
        targets=targets if "targets" in measure.needs else {},
        gradients={name: torch.cat([part.gradients[name] for part in parts]) for name in parts[0].gradients},
        **_calls(measure, source, runner, features, targets),
    )


def _averaged(measure: Measure, batches: Iterator[Batch], options: dict[str, Any]) -> Floats:
    total, samples = None, 0
    for batch in batches:
        report = _called(measure, batch, options)
        weight = len(batch.features)
        total = report.values * weight if total is None else total + report.values * weight
        samples += weight
    if total is None:
        raise MooFsError(f"measure '{measure.name}': the fit part has no images")
    return np.asarray(total / samples)


def _called(measure: Measure, batch: Batch, options: dict[str, Any]) -> Report:
    """What the measure says of one batch: checked scores (channel, task), and what is reported with them."""
    if not measure.per_task:
        return checked_report(measure.name, measure.function(batch, **options), batch, whole=measure.whole)
    columns = []
    for task in batch.tasks:
        column = numbers(measure.name, measure.function(batch, task.name, **options))
        check_scores(measure.name, column, (batch.features.shape[1],), f" for task '{task.name}'")
        columns.append(column)
    return Report(np.stack(columns, axis=1))


def _check_options(measure: Measure, options: Mapping[str, Any]) -> None:
    known = options_of(measure.function, reserved=("batch", "task", "rng"))
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) or "; it has no options"
            raise MooFsError(f"measure '{measure.name}': no option '{name}'{hint}")


def _check_needs(measure: Measure, source: Source) -> None:
    if "weights" in measure.needs and source.weights is None:
        raise MooFsError(f"measure '{measure.name}': needs weights, but the layer that makes the channels is not known")
    if "scale" in measure.needs and source.scale is None:
        raise MooFsError(f"measure '{measure.name}': needs scale, but no batch normalisation follows that layer")
    if "depths" in measure.needs and source.tables is None:
        raise MooFsError(f"measure '{measure.name}': needs depths, but the subject's channels are not quantised")
    missing = [task.name for task in source.tasks if task.name not in source.targets]
    if missing and {"targets", "gradients", "ablate", "depths"} & set(measure.needs):
        raise MooFsError(f"measure '{measure.name}': needs targets of task '{missing[0]}', which the fit part lacks")
