"""Matrix-based Rényi entropy in nats, and the kernel (Gram) matrices it is taken of.

`S(A) = ln(sum of lambda ** alpha) / (1 - alpha)` over the eigenvalues of a kernel matrix divided by its trace; the
joint entropy of several variables is the entropy of the element-wise (Hadamard) product of their matrices.
Sanchez Giraldo, L. G., Rao, M. and Principe, J. C. (2015), "Measures of entropy from data using infinitely divisible
kernels".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.special import logsumexp

from moo_fs.contracts import Floats, MooFsError, did_you_mean, float_array

WIDTHS = ("median", "published")
# Closer to 1 than this, the limit is taken.
NEAR_ONE = 1e-6
Array = ArrayLike | torch.Tensor


def entropy(gram: Array, *, alpha: float) -> float:
    """Entropy in nats, 0 to ln N, of one variable's kernel matrix (sample, sample); it is divided by its trace here.

    alpha -> 1 is von Neumann's `-sum of lambda ln lambda`; alpha = 2 is `-ln |A|^2` and needs no eigenvalues.

    Raises:
        MooFsError: if the matrix is not square, symmetric and finite, has no trace or (alpha = 2 does not look) a
            negative eigenvalue, or if alpha is not above 0.

    >>> round(entropy([[1.0, 0.0], [0.0, 1.0]], alpha=2), 6)
    0.693147
    """
    matrix = checked_gram(gram, "gram")
    return entropy_of(matrix, checked_order(alpha))


def joint_entropy(grams: Sequence[Array] | Floats, *, alpha: float) -> float:
    """Joint entropy in nats of several variables' kernel matrices, each (sample, sample); errors as `entropy`.

    At least the entropy of each variable, where their kernels have a constant diagonal and no negative entries.

    >>> same, different = [[1.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]
    >>> round(joint_entropy([same, different], alpha=1.01), 6)
    0.693147
    """
    order = checked_order(alpha)
    if not len(grams):
        raise MooFsError("grams: wanted at least one matrix, got none")
    product = np.ones(())
    for index, gram in enumerate(grams):
        matrix = checked_gram(gram, f"grams[{index}]", len(product) if product.ndim else None)
        # By the largest diagonal entry, not the trace: a product of hundreds would vanish.
        product = product * (matrix / matrix.diagonal().max())
    if not product.trace() > 0:
        raise MooFsError("grams: wanted a product with a positive trace, got zero")
    return entropy_of(product, order)


def entropy_of(matrix: Floats, alpha: float) -> float:
    """`entropy` of a matrix that has been checked."""
    normalised = matrix / matrix.trace()
    if alpha == 2:
        return float(-np.log((normalised**2).sum()))
    return entropy_of_eigenvalues(np.linalg.eigvalsh(normalised), alpha)


def entropy_of_eigenvalues(values: Floats, alpha: float) -> float:
    """Entropy in nats of eigenvalues (eigenvalue,) that sum to 1; rounding's negative ones count as 0."""
    if values.min() < -NEAR_ONE:
        raise MooFsError(f"gram: wanted no negative eigenvalue, got {values.min():.3g}; use a kernel matrix")
    values = values[values > 0]
    logarithms = np.log(values)
    if abs(alpha - 1) < NEAR_ONE:
        return float(-(values * logarithms).sum())
    if abs(alpha - 1) < 0.5:
        # sum lambda ** alpha = 1 + sum lambda (lambda ** (alpha - 1) - 1): no digits are lost near alpha = 1.
        return float(np.log1p((values * np.expm1((alpha - 1) * logarithms)).sum()) / (1 - alpha))
    return float(logsumexp(alpha * logarithms) / (1 - alpha))


def gram(variable: Array, width: float) -> Floats:
    """Gaussian kernel (sample, sample) `exp(-|x_a - x_b|^2 / (2 width^2))` of one variable (sample, ...), flattened.

    >>> gram([[0.0], [2.0]], width=2.0).round(3).tolist()
    [[1.0, 0.607], [0.607, 1.0]]
    """
    if not np.isfinite(width) or width <= 0:
        raise MooFsError(f"width: wanted a number above 0, got {width!r}")
    return full(np.exp(-pdist(points_of(variable) / width, "sqeuclidean") / 2))


def label_gram(labels: Array) -> Floats:
    """The delta kernel (sample, sample) of integer labels (sample,): 1 where two samples have the same label."""
    codes = checked_labels(labels, "labels")
    return np.equal.outer(codes, codes).astype(np.float64)


def grams(maps: Array, *, width: str = "median", largest_product: int | None = None) -> Floats:
    """Kernel matrices (channel, sample, sample) of maps (sample, channel, h, w), each channel one variable.

    Args:
        maps: numbers, numpy or torch.
        width: "median" (`width_median`) or "published" (`width_published`).
        largest_product: of "median": how many maps the largest product will have; None: the channels.
    """
    array = checked_maps(maps, "maps")
    largest = array.shape[1] if largest_product is None else largest_product
    kernels, _ = pair_kernels(array, width=width, largest_product=largest)
    return np.stack([full(row) for row in kernels])


def width_published(n: int, d: int) -> float:
    """Width `5 n ** (-1 / (4 + d))` for n samples of d numbers, whatever their scale.

    Vu-Van, T., Du Thanh, D., Ho, N. and Vu, M. (2024), "Pruning Deep Convolutional Neural Network Using Conditional
    Mutual Information", from the authors' code.

    >>> round(width_published(256, 1024), 3)
    4.973
    """
    return float(5.0 * n ** (-1.0 / (4 + d)))


def width_median(variable: Array, *, largest_product: int) -> float:
    """Width of one variable (sample, ...): `sqrt(max(8, C / 10) x median squared distance)`, our rule.

    C, `largest_product`, is the number of maps in the largest product of a run: the wider kernels keep a product of
    many maps from saturating. Where more than half of the distances are 0 (a ReLU that is mostly silent) their mean
    takes the median's place; a constant variable gets width 1.
    """
    checked_count(largest_product)
    points, exponent = _in_range(points_of(variable))
    return float(np.ldexp(_median_width(pdist(points, "sqeuclidean"), largest_product), exponent))


def pair_kernels(maps: Floats, *, width: str, largest_product: int) -> tuple[Floats, Floats]:
    """Kernels (channel, pair) of checked maps, the pairs in the order of `pdist`, and widths (channel,)."""
    if width not in WIDTHS:
        raise MooFsError(f"width: no '{width}'{did_you_mean(str(width), WIDTHS)}")
    checked_count(largest_product)
    samples, channels = maps.shape[:2]
    kernels, widths = np.empty((channels, samples * (samples - 1) // 2)), np.empty(channels)
    for channel in range(channels):
        points, exponent = _in_range(maps[:, channel].reshape(samples, -1))
        distances = pdist(points, "sqeuclidean")
        if width == "median":
            sigma = _median_width(distances, largest_product)
        else:
            sigma = float(np.ldexp(width_published(samples, points.shape[1]), -exponent))
        kernels[channel] = np.exp(-distances / sigma / sigma / 2)
        widths[channel] = np.ldexp(sigma, exponent)
    return kernels, widths


def full(pairs: Floats) -> Floats:
    """The kernel matrix (sample, sample), its diagonal 1, of the values (pair,) above the diagonal."""
    matrix: Floats = squareform(pairs, checks=False)
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _in_range(points: Floats) -> tuple[Floats, int]:
    # A power of two changes no digit, and squares of tiny or huge numbers stay in range.
    exponent = int(np.frexp(np.abs(points).max())[1])
    return np.ldexp(points, -exponent), exponent


def _median_width(distances: Floats, largest_product: int) -> float:
    typical = float(np.median(distances)) or float(distances.mean())
    return float(np.sqrt(max(8.0, largest_product / 10) * typical)) if typical else 1.0


def points_of(variable: Array) -> Floats:
    """One variable (sample, ...) as checked points (sample, dimension)."""
    array = np.asarray(_numpy(variable))
    if array.ndim < 1 or len(array) < 2 or not array.size:
        raise MooFsError(f"variable: wanted numbers of at least 2 samples (sample, ...), got shape {array.shape}")
    return float_array(array.reshape(len(array), -1), "variable", "sample dimension")


def checked_count(largest_product: int) -> None:
    """Refuse a number of maps that is none."""
    if not isinstance(largest_product, int | np.integer) or largest_product < 1:
        raise MooFsError(f"largest_product: wanted a whole number from 1, got {largest_product!r}")


def checked_maps(maps: Array, name: str, samples: int | None = None) -> Floats:
    """Maps (sample, channel, h, w) of at least 2 samples as finite float64."""
    sizes = {} if samples is None else {"sample": samples}
    array = float_array(_numpy(maps), name, "sample channel height width", **sizes)
    if not array.size or len(array) < 2:
        raise MooFsError(f"{name}: wanted at least 2 samples and no empty axis, got shape {array.shape}")
    return array


def checked_gram(gram: Array, name: str, samples: int | None = None) -> Floats:
    """A kernel matrix (sample, sample): square, symmetric, finite, of positive trace and the wanted size."""
    matrix = float_array(_numpy(gram), name, "sample sample")
    if matrix.shape[0] != matrix.shape[1] or samples not in (None, len(matrix)):
        size = "N" if samples is None else samples
        raise MooFsError(f"{name}: wanted a square matrix ({size}, {size}), got shape {matrix.shape}")
    if not matrix.trace() > 0:
        raise MooFsError(f"{name}: wanted a positive trace, got {matrix.trace():.3g}")
    if np.abs(matrix - matrix.T).max() > 1e-8 * np.abs(matrix).max():
        raise MooFsError(f"{name}: wanted a symmetric matrix, got one that differs from its transpose")
    return matrix


def checked_labels(labels: Array, name: str) -> NDArray[np.int64]:
    """Codes 0..L-1 (sample,) of integer labels of any names."""
    array: NDArray[Any] = np.asarray(_numpy(labels))
    if array.ndim != 1 or array.dtype.kind not in "iub" or not len(array):
        raise MooFsError(f"{name}: wanted integers (sample,), got {array.dtype} of shape {array.shape}")
    return np.unique(array, return_inverse=True)[1].reshape(-1).astype(np.int64)


def checked_order(alpha: float) -> float:
    """The order of an entropy, a finite number above 0."""
    if not isinstance(alpha, int | float | np.number) or not np.isfinite(alpha) or alpha <= 0:
        raise MooFsError(f"alpha: wanted a number above 0, got {alpha!r}")
    return float(alpha)


def _numpy(values: Any) -> Any:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
