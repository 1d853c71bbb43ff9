"""What the information measures look at: patches of the channels and cluster labels of the aligned output patches."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from moo_fs.contracts import Floats, MooFsError
from moo_fs.information import cluster_outputs, cut
from moo_fs.information_limits import label_entropy, tied_share
from moo_fs.split import Batch
from moo_fs.tasks import Task

# Fewer pairs than this a cluster and the estimate is of little worth (our choice; the default draws at least 20).
FEW_PAIRS = 20
SATURATED = 0.9
FEW_IMAGES = 8
# A channel counts as above the null if it lies more than two of the null's standard deviations above its mean.
ABOVE, HALF = 2.0, 0.5


class Drawn(NamedTuple):
    """Patches as points (channel, value, pair) and the labels (task, pair) of the same pairs.

    `whole` (task, image, place) are the labels of all patches, `pairs` the indices of those drawn among them.
    """

    points: NDArray[Any]
    labels: NDArray[np.int64]
    whole: NDArray[np.int64]
    pairs: NDArray[np.int64]

    def shuffled(self, rng: np.random.Generator, permutations: int) -> NDArray[np.int64]:
        """Labels (permutation, task, pair) that say nothing of the patches: those of the same places of other images.

        Patches of one image are alike, and so are its labels: shuffled pair by pair they would lose that, and a
        channel that is only smooth would seem to say something. Below 8 images pairs are shuffled all the same.
        """
        images = self.whole.shape[1]
        if images < FEW_IMAGES:
            return np.stack([rng.permuted(self.labels, axis=1) for _ in range(permutations)])
        found = []
        for _ in range(permutations):
            order = rng.permutation(images)
            other = np.empty(images, np.int64)
            other[order] = np.roll(order, 1)  # no image keeps its own
            found.append(self.whole[:, other].reshape(len(self.whole), -1)[:, self.pairs])
        return np.stack(found)


def draw_patches(
    measure: str, batch: Batch, rng: np.random.Generator, *, patch: int | None, clusters: int | None, pairs: int
) -> Drawn:
    """The pairs, the same ones for every channel and task.

    Args:
        measure: its name, for refusals.
        batch: features and outputs of all images drawn.
        rng: draws the pairs and the k-means start.
        patch: side of a feature patch, None for 2 (1 if the map has no 2 x 2); the output's patch is as many times
            larger as the output is. An output without space is one patch, which labels all patches of its image.
        clusters: of each task's output patches; None for min(64, pairs used // 20), or 2 if that is less. Pairs that
            share an output's only patch count once: as many clusters as pairs allow would be one for each image.
        pairs: how many to draw, at most all.
    """
    patch = min(2, *batch.features.shape[2:]) if patch is None else patch
    _check(measure, batch, patch=patch, clusters=clusters, pairs=pairs)
    points = cut(batch.features.cpu().numpy(), patch)
    count = points.shape[2]
    drawn = np.sort(rng.choice(count, min(pairs, count), replace=False))
    labels = np.stack([_labels(batch, task, patch, clusters, len(drawn), rng) for task in batch.tasks])
    whole = labels.reshape(len(labels), len(batch.features), -1)
    return Drawn(points[:, :, drawn], whole.reshape(len(labels), -1)[:, drawn], whole, drawn)


def believed(drawn: Drawn, values: Floats, batch: Batch) -> tuple[dict[str, tuple[str, Any]], list[str]]:
    """Details of information `values` (channel, task) in nats, and doubts that hold for every estimator.

    Details: "pairs" used, "clusters" (task,), "label_entropy" (task,) nats, "share_of_entropy" (channel, task), and
    "tied" (channel,), the share of patches that equal another one.
    """
    entropies = label_entropy(drawn.labels)
    shares = np.divide(values, entropies, out=np.zeros_like(values), where=entropies > 0)
    clusters: Floats = np.array([len(np.unique(row)) for row in drawn.labels], dtype=np.float64)
    samples = drawn.labels.shape[1]
    details = {
        "pairs": ("", samples),
        "clusters": ("task", clusters),
        "label_entropy": ("task", entropies),
        "share_of_entropy": ("channel task", shares),
        "tied": ("channel", tied_share(drawn.points)),
    }
    doubts = []
    for column, task in enumerate(batch.tasks):
        if not usable(drawn.labels[column]):
            doubts.append(f"{task.name}: the output's patches make fewer than two clusters, which say nothing")
        elif samples < FEW_PAIRS * clusters[column]:
            doubts.append(f"{task.name}: {samples} pairs for {clusters[column]:.0f} clusters are too few")
        if (shares[:, column] > SATURATED).mean() > HALF:
            doubts.append(f"{task.name}: saturated, most channels tell over {SATURATED:.0%} of the labels' entropy")
    return details, doubts


def below_null(batch: Batch, values: Floats, mean: Floats, spread: Floats) -> list[str]:
    """A doubt for each task where fewer than half of the channels lie two spreads above the null's mean (task,)."""
    above = (values > mean + ABOVE * spread).mean(axis=0)
    return [
        f"{task.name}: only {share:.0%} of the channels lie above the null"
        for task, share in zip(batch.tasks, above, strict=True)
        if share < HALF
    ]


def usable(labels: NDArray[np.int64]) -> bool:
    """Whether at least two labels have two pairs each."""
    return int((np.unique(labels, return_counts=True)[1] >= 2).sum()) >= 2


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
    wanted = max(2, min(64, pairs // FEW_PAIRS)) if clusters is None else clusters
    found = cluster_outputs(output, kind=str(task.kind), patch=side, clusters=wanted, rng=rng)
    return np.broadcast_to(found, (len(output), height, width))


def _aligned(output: torch.Tensor, task: Task, patch: int, side: int, size: torch.Size) -> torch.Tensor:
    """The output with exactly `side` pixels for `patch` positions of the feature map, in both directions."""
    wanted = (size[0] * side // patch, size[1] * side // patch)
    if task.kind == "values" and output.ndim == 3:
        return output if output.shape[1:] == wanted else functional.adaptive_avg_pool2d(output[:, None], wanted)[:, 0]
    return output if output.shape[2:] == wanted else functional.adaptive_avg_pool2d(output, wanted)


def check_permutations(measure: str, permutations: int, least: int) -> None:
    """Raise MooFsError unless there are at least so many."""
    if not _whole(permutations) or permutations < least:
        raise MooFsError(f"measure '{measure}': wanted permutations of {least} or more, got {permutations!r}")


def _whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check(measure: str, batch: Batch, *, patch: int, clusters: int | None, pairs: int) -> None:
    largest = min(batch.features.shape[2:])
    for name, value in (("patch", patch), ("clusters", 2 if clusters is None else clusters), ("pairs", pairs)):
        if not _whole(value):
            raise MooFsError(f"measure '{measure}': wanted {name} as a whole number, got {value!r}")
    if not 1 <= patch <= largest:
        raise MooFsError(f"measure '{measure}': wanted patch from 1 to {largest}, the map's side, got {patch}")
    if pairs < FEW_PAIRS:
        raise MooFsError(f"measure '{measure}': wanted at least {FEW_PAIRS} pairs, got {pairs}")
    if clusters is not None and clusters < 2:
        raise MooFsError(f"measure '{measure}': wanted at least 2 clusters, got {clusters}")
