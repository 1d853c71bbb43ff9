"""What a ranking by Rényi entropy is given: a task's output as a kernel matrix, and the layers that came before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.special import softmax
from torch.nn import functional

from moo_fs.contracts import Floats, MooFsError, did_you_mean
from moo_fs.renyi_entropy import Array, checked_maps, full, label_gram, pair_kernels

# Our choice: an output with space is averaged over at most CELLS x CELLS cells.
CELLS = 8
# The label of pixels that belong to no class.
IGNORED = 255
FORMULATIONS = ("per-layer", "full", "compact")


def target_gram(output: Array, *, kind: str, labels: bool = False) -> Floats:
    """Kernel matrix (sample, sample) of a task's `output`, or of its ground truth: the target of a ranking.

    Classes without space have the delta kernel, 1 where two samples have the same class. Everything else, our choice:
    averages over at most 8 x 8 cells under the Gaussian kernel `exp(-|y_a - y_b|^2 / (2 sigma^2))`, `sigma^2` the
    median squared distance of two samples, or the mean where the median is 0.

    Args:
        output: numbers, numpy or torch, their shape by kind.
        kind: "classes": logits (sample, class[, H, W]), of which class probabilities are averaged; "values":
            (sample[, H, W]), where NaN is invalid: a cell without a valid value has the mean of that cell over the
            samples, or of everything; any other, such as "image": (sample, value[, H, W]), and of any other number of
            axes, such as boxes (sample, box, number), all numbers.
        labels: of "classes": `output` is integer labels (sample[, H, W]), of which one-hot codes are averaged; pixels
            of label 255 count for no class. Without space 255 is a label like any other.

    Raises:
        MooFsError: if the shape does not fit the kind, a number is not finite (NaN of "values" is), or all samples'
            outputs are equal.
    """
    values = np.asarray(output.detach().cpu().numpy() if isinstance(output, torch.Tensor) else output)
    wanted = "iub" if labels else "fiub"
    if values.dtype.kind not in wanted or values.ndim < 1 or len(values) < 2 or not values.size:
        numbers = "integers" if labels else "numbers"
        raise MooFsError(
            f"output: wanted {numbers} of at least 2 samples (sample, ...), got {values.dtype} of shape {values.shape}"
        )
    if labels and kind != "classes":
        raise MooFsError(f"labels: wanted False for kind '{kind}', since labels are of kind 'classes'")
    invalid = int((np.isinf(values) if kind == "values" else ~np.isfinite(values)).sum())
    if invalid:
        raise MooFsError(f"output: wanted finite numbers, got {invalid} that are not")
    if kind == "classes":
        return _of_labels(values) if labels else _of_logits(values)
    return _gaussian(_of_values(values) if kind == "values" else _pooled(_as_maps(values)))


def conditioning(
    kept: Sequence[Array], *, formulation: str, width: str = "median", largest_product: int | None = None
) -> Floats | None:
    """What `rank(conditioned_on=...)` takes for the next layer: a kernel matrix (sample, sample), or None.

    "per-layer" conditions on nothing, "full" on the maps kept of all layers pruned so far, "compact" on those of the
    layer pruned last: the Hadamard product of their kernels.
    Vu-Van, T., Du Thanh, D., Ho, N. and Vu, M. (2024), "Pruning Deep Convolutional Neural Network Using Conditional
    Mutual Information".

    Args:
        kept: the maps kept of each layer pruned so far, in order, each (sample, channel, h, w) of its own h and w.
        formulation: "per-layer", "full" or "compact".
        width: the rule of the kernel widths, as of `rank`.
        largest_product: maps in the largest product of the run: give `rank` the same, since it cannot count those in
            a matrix; None: the maps conditioned on.
    """
    if formulation not in FORMULATIONS:
        raise MooFsError(f"formulation: no '{formulation}'{did_you_mean(str(formulation), FORMULATIONS)}")
    if formulation == "per-layer" or not len(kept):
        return None
    layers = [checked_maps(kept[0], "kept[0]")]
    for index, maps in enumerate(kept[1:], start=1):
        layers.append(checked_maps(maps, f"kept[{index}]", len(layers[0])))
    layers = layers if formulation == "full" else layers[-1:]
    largest = sum(layer.shape[1] for layer in layers) if largest_product is None else largest_product
    product = np.ones(())
    for layer in layers:
        product = product * pair_kernels(layer, width=width, largest_product=largest)[0].prod(axis=0)
    return full(np.asarray(product))


def _of_logits(logits: NDArray[Any]) -> Floats:
    if logits.ndim == 2:
        return _delta(logits.argmax(axis=1))
    if logits.ndim != 4:
        raise MooFsError(f"output: wanted logits (sample, class[, H, W]), got shape {logits.shape}")
    # A sample at a time: the probabilities of all pixels may not fit.
    return _gaussian(np.concatenate([_pooled(softmax(sample[None].astype(np.float64), axis=1)) for sample in logits]))


def _of_labels(labels: NDArray[Any]) -> Floats:
    if labels.ndim == 1:
        return _delta(labels)
    if labels.ndim != 3:
        raise MooFsError(f"output: wanted labels (sample[, H, W]), got shape {labels.shape}")
    classes = [code for code in np.unique(labels) if code != IGNORED]
    if not classes:
        raise MooFsError(f"output: wanted labels of some class, got {IGNORED} (ignored) everywhere")
    return _gaussian(np.concatenate([_pooled((labels == code)[:, None]) for code in classes], axis=1))


def _of_values(values: NDArray[Any]) -> Floats:
    """Points (sample, cell): the mean of a cell's valid values, of the cell over the samples, or of everything."""
    maps = _as_maps(values[:, None] if values.ndim in (1, 3) else values)
    valid = ~np.isnan(maps)
    if not valid.any():
        raise MooFsError("output: wanted some valid values, got NaN everywhere")
    shares, sums = _pooled(valid), _pooled(np.where(valid, maps, 0))
    points = sums / np.where(shares > 0, shares, 1)
    overall, seen = sums.sum() / shares.sum(), shares.sum(axis=0)
    typical = np.where(seen > 0, sums.sum(axis=0) / np.where(seen > 0, seen, 1), overall)
    return np.where(shares > 0, points, typical)


def _as_maps(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers (sample, value[, H, W]) as maps (sample, value, H, W); of any other number of axes, flattened."""
    return values if values.ndim == 4 else values.reshape(len(values), -1, 1, 1)


def _pooled(maps: NDArray[Any]) -> Floats:
    """Points (sample, value * cell) of maps (sample, value, H, W), averaged over at most 8 x 8 cells."""
    cells = (min(CELLS, maps.shape[2]), min(CELLS, maps.shape[3]))
    tensors = (torch.from_numpy(sample.astype(np.float64)) for sample in maps)
    return np.stack([functional.adaptive_avg_pool2d(tensor, cells).flatten().numpy() for tensor in tensors])


def _delta(labels: NDArray[Any]) -> Floats:
    _refuse_equal(bool((labels == labels[0]).all()), len(labels))
    return label_gram(labels)


def _gaussian(points: Floats) -> Floats:
    """Gaussian kernel of points (sample, number), its width by the median squared distance."""
    # By the largest number: squares of tiny or huge ones stay in range.
    squared = pdist(points / (np.abs(points).max() or 1.0), "sqeuclidean")
    typical = float(np.median(squared)) or float(squared.mean())
    _refuse_equal(typical == 0, len(points))
    return full(np.exp(-squared / typical / 2))


def _refuse_equal(equal: bool, samples: int) -> None:
    if equal:
        raise MooFsError(f"output: it says nothing, since it is the same for all {samples} samples; use other samples")
