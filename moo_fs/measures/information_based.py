"""Importance as information about what the network puts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from moo_fs.contracts import Floats, MooFsError
from moo_fs.information import cluster_outputs, cut, pair_mutual_information
from moo_fs.registry import measure
from moo_fs.split import Batch
from moo_fs.tasks import Task


class WithNull(NamedTuple):
    """Scores (channel, task) and their mean under permuted labels (task,)."""

    values: Floats
    null: Floats


@measure("mutual-information", needs=("features", "outputs"), whole=True)
def mutual_information(
    batch: Batch,
    *,
    rng: np.random.Generator,
    patch: int | None = None,
    clusters: int | None = None,
    neighbours: int = 3,
    pairs: int = 3000,
    transform: str = "rank",
    queries: int | None = None,
    permutations: int = 0,
) -> Floats | WithNull:
    r"""$I(X_i; Y_j)$ in nats: a patch of channel i against the cluster of the aligned patch of the model's output j.

    Ranjbar Alvar, S., Bajić, I. V. (2024), "Compressive feature selection for remote visual multi-task inference"; the
    estimator is Ross's (`moo_fs.information`), and every number below is our choice. About 0 (also slightly negative)
    for a channel that says nothing, exactly 0 for a constant one, at most the entropy of the clusters.
    Cost: one pass of all heads an image, then `pairs`^2 distances a channel, shared by the tasks.

    Args:
        batch: features and outputs of all images drawn.
        rng: draws the pairs, the k-means start and the permutations.
        patch: side of a feature patch, None for 2 (1 if the map has no 2 x 2); the output's patch is as many times
            larger as the output is. An output without space is one patch, which labels all patches of its image.
        clusters: of each task's output patches; None for min(64, pairs used // 20), or 2 if that is less. Pairs that
            share an output's only patch count once: as many clusters as pairs allow would be one for each image.
        neighbours: k of the estimator.
        pairs: patch pairs drawn, the same ones for every channel and task; 3000 is fast, 5000 and more is steadier.
        transform: "rank", "standard" or "none".
        queries: average over this many of the pairs instead of all.
        permutations: label permutations for the null's mean (task,), over channels and permutations; 0 for none.
    """
    options = {"neighbours": neighbours, "transform": transform, "queries": queries}
    drawn = _drawn(batch, rng, patch=patch, clusters=clusters, pairs=pairs, permutations=permutations)
    return _information(drawn, rng, permutations, options)


@measure("shuffled-mutual-information", needs=("features", "outputs"), whole=True)
def shuffled_mutual_information(
    batch: Batch,
    *,
    rng: np.random.Generator,
    patch: int | None = None,
    clusters: int | None = None,
    neighbours: int = 3,
    pairs: int = 3000,
    transform: str = "rank",
    queries: int | None = None,
    permutations: int = 0,
) -> Floats | WithNull:
    """`mutual_information` of the same pairs after their labels were shuffled, each task's by itself: a null.

    What a comparison must call no better than random: it has the estimator, its cost and the distribution of labels,
    but what a label says of its patch is gone. Scores are the estimator's noise about 0. Options as there.
    """
    options = {"neighbours": neighbours, "transform": transform, "queries": queries}
    drawn = _drawn(batch, rng, patch=patch, clusters=clusters, pairs=pairs, permutations=permutations)
    shuffled = drawn._replace(labels=rng.permuted(drawn.labels, axis=1))
    return _information(shuffled, rng, permutations, options)


class _Drawn(NamedTuple):
    """Patches as points (channel, value, pair) and the labels (task, pair) of the same pairs."""

    points: NDArray[Any]
    labels: NDArray[np.int64]


def _drawn(
    batch: Batch, rng: np.random.Generator, *, patch: int | None, clusters: int | None, pairs: int, permutations: int
) -> _Drawn:
    patch = min(2, *batch.features.shape[2:]) if patch is None else patch
    _check(batch, patch=patch, clusters=clusters, pairs=pairs, permutations=permutations)
    points = cut(batch.features.cpu().numpy(), patch)
    count = points.shape[2]
    drawn = np.sort(rng.choice(count, min(pairs, count), replace=False))
    labels = np.stack(
        [_labels(batch, task, patch, clusters, len(drawn), rng).reshape(-1)[drawn] for task in batch.tasks]
    )
    return _Drawn(points[:, :, drawn], labels)


def _information(
    drawn: _Drawn, rng: np.random.Generator, permutations: int, options: Mapping[str, Any]
) -> Floats | WithNull:
    labels = drawn.labels
    rows = np.concatenate([labels, *[rng.permuted(labels, axis=1) for _ in range(permutations)]])
    found = pair_mutual_information(drawn.points, rows, rng=rng, **options)
    values, null = found[:, : len(labels)], found[:, len(labels) :]
    if not permutations:
        return values
    return WithNull(values, null.reshape(len(null), permutations, len(labels)).mean((0, 1)))


def _labels(
    batch: Batch, task: Task, patch: int, clusters: int | None, pairs: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Labels (sample, h // patch, w // patch) of a task; an output without space labels all patches of its image."""
    height, width = batch.features.shape[2] // patch, batch.features.shape[3] // patch
    output, side = batch.outputs[task.name], 1
    space = output.shape[1:] if task.kind == "values" and output.ndim == 3 else output.shape[2:]
    if len(space) == 2 and max(space) > 1:
        side = max(1, round(patch * space[0] / batch.features.shape[2]))
        output = _aligned(output, task, patch, side, batch.features.shape[2:])
    else:
        pairs = min(pairs, len(output))
    wanted = max(2, min(64, pairs // 20)) if clusters is None else clusters
    found = cluster_outputs(output, kind=str(task.kind), patch=side, clusters=wanted, rng=rng)
    return np.broadcast_to(found, (len(output), height, width))


def _aligned(output: torch.Tensor, task: Task, patch: int, side: int, size: torch.Size) -> torch.Tensor:
    """The output with exactly `side` pixels for `patch` positions of the feature map, in both directions."""
    wanted = (size[0] * side // patch, size[1] * side // patch)
    if task.kind == "values" and output.ndim == 3:
        return output if output.shape[1:] == wanted else functional.adaptive_avg_pool2d(output[:, None], wanted)[:, 0]
    return output if output.shape[2:] == wanted else functional.adaptive_avg_pool2d(output, wanted)


def _check(batch: Batch, *, patch: int, clusters: int | None, pairs: int, permutations: int) -> None:
    largest = min(batch.features.shape[2:])
    if not 1 <= patch <= largest:
        raise MooFsError(f"measure 'mutual-information': wanted patch from 1 to {largest}, the map's side, got {patch}")
    if pairs < 20:
        raise MooFsError(f"measure 'mutual-information': wanted at least 20 pairs, got {pairs}")
    if clusters is not None and clusters < 2:
        raise MooFsError(f"measure 'mutual-information': wanted at least 2 clusters, got {clusters}")
    if permutations < 0:
        raise MooFsError(f"measure 'mutual-information': wanted permutations of 0 or more, got {permutations}")
