"""Mutual information between continuous features and discrete labels, in nats.

Ross's nearest-neighbour estimator with two additions. Ties: neighbours at equal distance (up to 1e-6) are counted
together on both sides, so that the exact zeros of a ReLU do not pass for information. Ranks: each dimension is first
replaced by its normal scores, which makes the estimate invariant to scale and to heavy tails.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch.nn import functional

from moo_fs.contracts import Floats, MooFsError, did_you_mean
from moo_fs.information_limits import label_entropy as label_entropy
from moo_fs.information_limits import tied_share as tied_share
from moo_fs.neighbours import Labels, group, information_of_labels
from moo_fs.pairwise_information import pairwise_discrete_mutual_information as pairwise_discrete_mutual_information
from moo_fs.seeds import stream
from moo_fs.transforms import TRANSFORMS, transformed

# Our choice: k-means sees at most this many patches; all of them are then labelled.
FITTED_PATCHES = 10_000


def discrete_mutual_information(
    x: ArrayLike | torch.Tensor,
    labels: ArrayLike | torch.Tensor,
    *,
    neighbours: int = 3,
    transform: str = "rank",
    whiten: bool = False,
    queries: int | None = None,
    rng: np.random.Generator | None = None,
) -> float:
    """Mutual information in nats between `x` (sample, dimension) and integer `labels` (sample,).

    `psi(N) - <psi(N_y)> + <psi(k~)> - <psi(m)>`: see `moo_fs.neighbours.information_of_labels`. Not clipped:
    independent labels give values around 0, also negative ones. Exactly 0 for a constant `x`.
    Ross, B. C. (2014), "Mutual information between discrete and continuous data sets".

    Args:
        x: numbers, numpy or torch.
        labels: integers; their names do not matter, labels of one sample count 0.
        neighbours: k, the neighbour of the same label whose distance is the radius.
        transform: of each dimension: "rank" (normal scores), "standard" (mean 0, variance 1) or "none".
        whiten: then rotate to principal components and divide each by its standard deviation (`transforms.whitened`).
            Our choice: off. It may rank channels of many dimensions better, but makes small what one strong direction
            says: channels of 64 much correlated dimensions are then estimated too low.
        queries: average over this many samples instead of all; their neighbours are still sought among all.
        rng: draws the queries; None always draws the same ones.

    Raises:
        MooFsError: if shapes disagree, a number is not finite, an argument is out of range, or fewer than two labels
            have two samples each.

    >>> round(discrete_mutual_information([[0.0], [0.1], [5.0], [5.1]], [7, 7, 9, 9], transform="none"), 6)
    0.833333
    """
    points = _numbers(x, "x", ("sample", "dimension"))
    coded = _integers(labels, "labels", (len(points),))
    _refuse_few(coded, "labels")
    return float(
        pair_mutual_information(
            points.T[None], coded[None],
            neighbours=neighbours, transform=transform, whiten=whiten, queries=queries, rng=rng,
        )[0, 0]
    )  # fmt: skip


def patch_mutual_information(
    maps: ArrayLike | torch.Tensor,
    labels: ArrayLike | torch.Tensor,
    *,
    patch: int = 2,
    neighbours: int = 3,
    transform: str = "rank",
    whiten: bool = False,
    queries: int | None = None,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Mutual information (channel, task) in nats between patches of each channel and labels of the aligned places.

    `maps` (sample, channel, h, w) is cut into patches of side `patch` without overlap (what is left over at the lower
    and right border is not used); `labels` (task, sample, h // patch, w // patch) are integers. One pass of distances
    serves all tasks. The other arguments and the errors: `discrete_mutual_information`.
    """
    array = _numbers(maps, "maps", ("sample", "channel", "height", "width"), dtype=None)
    if not _whole_number(patch) or not 1 <= patch <= min(array.shape[2:]):
        raise MooFsError(f"patch: wanted a whole number from 1 to {min(array.shape[2:])}, got {patch!r}")
    grid = (array.shape[2] // patch, array.shape[3] // patch)
    coded = _integers(labels, "labels", (None, len(array), *grid))
    for task, row in enumerate(coded):
        _refuse_few(row.reshape(-1), f"labels[{task}]")
    return pair_mutual_information(
        cut(array, patch), coded.reshape(len(coded), -1),
        neighbours=neighbours, transform=transform, whiten=whiten, queries=queries, rng=rng,
    )  # fmt: skip


def pair_mutual_information(
    points: NDArray[Any],
    labels: NDArray[Any],
    *,
    neighbours: int = 3,
    transform: str = "rank",
    whiten: bool = False,
    queries: int | None = None,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Mutual information (channel, task) in nats of `points` (channel, dimension, pair) and `labels` (task, pair).

    As the functions above, which check more: here labels that say nothing give exactly 0.
    """
    grouped, drawn = _prepare(labels, neighbours, transform, queries, rng)
    estimates = np.zeros((len(points), len(labels)))
    for channel, found in zip(points, estimates, strict=True):
        if not bool((channel == channel[:, :1]).all()):
            values = transformed(channel, transform, whiten=whiten)
            found[:] = information_of_labels(values, grouped, neighbours=neighbours, queries=drawn)
    return estimates


def cut(maps: NDArray[Any], patch: int) -> NDArray[Any]:
    """Maps (sample, channel, h, w) as patches (channel, patch * patch, sample * (h // patch) * (w // patch))."""
    samples, channels, height, width = maps.shape
    rows, columns = height // patch, width // patch
    tiles = maps[:, :, : rows * patch, : columns * patch].reshape(samples, channels, rows, patch, columns, patch)
    return tiles.transpose(1, 3, 5, 0, 2, 4).reshape(channels, patch * patch, samples * rows * columns)


def cluster_outputs(
    output: ArrayLike | torch.Tensor, *, kind: str, patch: int, clusters: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Cluster labels (sample, row, column), 0..clusters - 1, of the patches of side `patch` of a task's output.

    k-means on what a patch looks like, our choice: `classes` (logits (sample, class[, H, W])) class probabilities
    averaged over 4 x 4 cells; `values` ((sample[, H, W])) and every other kind ((sample, value[, H, W])) the values
    averaged over at most 8 x 8 cells. An output without space is one patch: (sample, 1, 1); so is one of any other
    number of axes, such as boxes (sample, box, number), by all of its numbers.
    """
    maps = _output_maps(output, kind)
    side = patch if min(maps.shape[2:]) > 1 else 1
    if not _whole_number(patch) or not 1 <= side <= min(maps.shape[2:]):
        raise MooFsError(f"patch: wanted a whole number from 1 to {min(maps.shape[2:])}, got {patch!r}")
    if not _whole_number(clusters) or clusters < 1:
        raise MooFsError(f"clusters: wanted a whole number from 1, got {clusters!r}")
    rows, columns = maps.shape[2] // side, maps.shape[3] // side
    cells = min(side, 4 if kind == "classes" else 8)
    pooled = functional.adaptive_avg_pool2d(
        maps[:, :, : rows * side, : columns * side], (rows * cells, columns * cells)
    )
    looks = cut(pooled.numpy(), cells)
    return _k_means(looks.reshape(-1, looks.shape[-1]).T, clusters, rng).reshape(len(maps), rows, columns)


def _output_maps(output: ArrayLike | torch.Tensor, kind: str) -> torch.Tensor:
    """An output as float64 maps (sample, feature, H, W) whose mean over a patch means something."""
    values = torch.from_numpy(_numbers(output, "output", None))
    if kind == "values" and values.ndim in (1, 3):
        values = values[:, None]
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim not in (0, 2, 4) and kind != "classes" and values.numel():
        values = values.flatten(1)
    if values.ndim == 2:
        values = values[:, :, None, None]
    if values.ndim != 4 or not values.numel():
        raise MooFsError(
            f"output: wanted (sample, feature[, H, W]), or (sample[, H, W]) for values, of kind '{kind}', "
            f"got shape {tuple(values.shape)}"
        )
    return values.softmax(dim=1) if kind == "classes" else values


def _k_means(looks: NDArray[np.float64], clusters: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (patch,) of `looks` (patch, feature); one thread, since the order of a parallel sum would show."""
    fitted = looks
    if len(looks) > FITTED_PATCHES:
        fitted = looks[np.sort(rng.choice(len(looks), FITTED_PATCHES, replace=False))]
    seed = int(rng.integers(2**31))
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer different patches than clusters: the surplus clusters stay empty, which is what they should do.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means = KMeans(min(clusters, len(fitted)), n_init=1, max_iter=100, random_state=seed).fit(fitted)
        return np.asarray(means.predict(looks), dtype=np.int64)


def _prepare(
    labels: NDArray[Any], neighbours: int, transform: str, queries: int | None, rng: np.random.Generator | None
) -> tuple[Labels, NDArray[np.int64]]:
    """Checked arguments: grouped labels and the indices of the queries."""
    count = labels.shape[1]
    if count < 2:
        raise MooFsError(f"labels: wanted at least 2 samples, got {count}")
    if not _whole_number(neighbours) or neighbours < 1:
        raise MooFsError(f"neighbours: wanted a whole number from 1, got {neighbours!r}")
    if transform not in TRANSFORMS:
        raise MooFsError(f"transform: no '{transform}'{did_you_mean(str(transform), TRANSFORMS)}")
    if queries is not None and (not _whole_number(queries) or queries < 1):
        raise MooFsError(f"queries: wanted a whole number from 1, or None for all samples, got {queries!r}")
    if queries is None or queries >= count:
        return group(labels), np.arange(count)
    draws = stream(0, "information", "queries") if rng is None else rng
    return group(labels), np.sort(draws.choice(count, queries, replace=False))


def _numbers(
    values: ArrayLike | torch.Tensor, name: str, axes: tuple[str, ...] | None, dtype: Any = np.float64
) -> NDArray[Any]:
    try:
        raw = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
        array = np.asarray(raw, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise MooFsError(f"{name}: wanted numbers, got {type(values).__name__}") from error
    if array.dtype.kind not in "fiub":
        raise MooFsError(f"{name}: wanted numbers, got {array.dtype} values")
    if axes is not None and (array.ndim != len(axes) or 0 in array.shape):
        raise MooFsError(f"{name}: wanted axes ({', '.join(axes)}), got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise MooFsError(f"{name}: wanted finite numbers, got {int((~np.isfinite(array)).sum())} that are not")
    return array


def _refuse_few(labels: NDArray[Any], name: str) -> None:
    usable = int((np.unique(labels, return_counts=True)[1] >= 2).sum())
    if usable < 2:
        raise MooFsError(f"{name}: wanted at least two labels with two samples each, got {usable}")


def _integers(values: ArrayLike | torch.Tensor, name: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    array = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.dtype.kind not in "iub" and not all(isinstance(value, int) for value in array.flat):
        raise MooFsError(f"{name}: wanted integers, got {array.dtype} values")
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("task" if size is None else str(size) for size in shape)
        raise MooFsError(f"{name}: wanted shape ({wanted}), got {array.shape}")
    return array


def _whole_number(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
