"""Mutual information between continuous points and discrete labels, in nats, from all pairs of distances.

Every point is blurred by Gaussian noise; the entropy of the mixture, and of each label's own, is estimated from the
distances between points. The difference is an estimator, not a bound, and independent labels give it large values:
the mean over permuted labels is always subtracted.
Kolchinsky, A. and Tracey, B. D. (2017), "Estimating mixture entropy with pairwise distances".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from moo_fs.contracts import Floats, MooFsError, float_array
from moo_fs.neighbours import Labels, group
from moo_fs.seeds import stream

# Our choice: above this mean share of a point's own term in its label's sum, one channel's estimate is refused.
LARGEST_SELF_SHARE = 0.5
# exp(x) = 2^k exp(r): ln 2 in two parts, the first of few digits; below SMALLEST a term beside exp(0) = 1 is nothing.
_PER_LN2, _LN2_HIGH, _LN2_LOW, _SMALLEST = 1 / np.log(2), 6.93147180369123816490e-01, 1.90821492927058770002e-10, -700.0
# Added to a small number, it leaves the nearest integer in the lowest digits of the sum.
_ROUNDER = 1.5 * 2.0**52


@dataclass(frozen=True)
class PairwiseInformation:
    """Estimates of mutual information in nats, each array (channel, task).

    Attributes:
        values: `raw - null`; exactly 0 for a constant channel.
        raw: the estimate as published; independent labels do not give 0.
        null: the mean of the same estimate under permuted labels.
        spread: its standard deviation over the permutations; NaN of a single one.
        self_share: 0 to 1, the mean over points of the share that a point's own term, exp(0) = 1, has in the sum over
            its label. Near 1 the points are too few or too far apart, and the estimate says nothing.
    """

    values: Floats
    raw: Floats
    null: Floats
    spread: Floats
    self_share: Floats


def pairwise_mutual_information(
    points: ArrayLike,
    labels: ArrayLike,
    *,
    variance_per_dimension: float = 0.2,
    permutations: int = 2,
    shuffled: ArrayLike | None = None,
    rng: np.random.Generator,
) -> PairwiseInformation:
    """Mutual information (channel, task) in nats of `points` (channel, dimension, pair) and `labels` (task, pair).

    `I = H(M) - sum_y p(y) H(M | y)` with `H(M) = -1/N sum_i ln(1/N sum_j exp(-|m_i - m_j|^2 / (2 v))) + const`; both
    sums hold the point itself. Our choices: every dimension is standardised (a constant one becomes 0, so that scale
    changes nothing), `v = 0.2 d`, and the mean over permuted labels is subtracted. One pass of distances serves all
    tasks and permutations.
    Kolchinsky, A. and Tracey, B. D. (2017), "Estimating mixture entropy with pairwise distances".

    Args:
        points: finite numbers.
        labels: integers; their names do not matter.
        variance_per_dimension: v / d, d counting constant dimensions too, in units of a standardised dimension.
        permutations: permuted labellings, from 1; the same for every channel and task.
        shuffled: labels (permutation, task, pair) that say nothing, in the place of permuted pairs: pairs that are
            not independent of one another, such as patches of one image, want another null than that.
        rng: draws the permutations.

    Raises:
        MooFsError: if shapes disagree, a number is not finite, an argument is out of range or a task has fewer than
            two labels with two points each.
    """
    array, coded = _checked_points(points), _checked_labels(labels)
    if array.shape[2] != coded.shape[1]:
        raise MooFsError(f"labels: wanted {array.shape[2]} a task, one a pair, got {coded.shape[1]}")
    _check_options(variance_per_dimension, permutations)
    if shuffled is None:
        nulls = [coded[:, rng.permutation(coded.shape[1])] for _ in range(permutations)]
    else:
        nulls = [_checked_labels(one) for one in np.asarray(shuffled)]
        permutations = len(nulls)
    labellings = group(np.concatenate([coded, *nulls]))
    width = np.sqrt(2 * variance_per_dimension * array.shape[1])
    members = np.argsort(labellings.codes, axis=1, kind="stable").astype(np.int32)
    means = np.stack([_means(_standardised(channel) / width, labellings, members) for channel in array])
    tasks = len(coded)
    estimates = means[:, :, 0].reshape(len(array), 1 + permutations, tasks)
    raw, of_nulls = estimates[:, 0], estimates[:, 1:]
    spread = of_nulls.std(axis=1, ddof=1) if permutations > 1 else np.full(raw.shape, np.nan)
    null = of_nulls.mean(axis=1)
    return PairwiseInformation(raw - null, raw, null, spread, means[:, :tasks, 1])


def pairwise_discrete_mutual_information(
    x: ArrayLike,
    labels: ArrayLike,
    *,
    variance_per_dimension: float = 0.2,
    permutations: int = 2,
    rng: np.random.Generator | None = None,
) -> float:
    """Mutual information in nats between `x` (sample, dimension) and integer `labels` (sample,).

    As `pairwise_mutual_information` of one channel and one task, the null subtracted; without `rng` the permutations
    are always the same ones.

    Raises:
        MooFsError: also if the points' own terms are more than half of their labels' sums: then it would say nothing.
    """
    points, coded = float_array(x, "x", "sample dimension"), np.asarray(labels)
    if coded.ndim != 1:
        raise MooFsError(f"labels: wanted integers (sample,), got an array of shape {coded.shape}")
    found = pairwise_mutual_information(
        points.T[None], coded[None], variance_per_dimension=variance_per_dimension, permutations=permutations,
        rng=stream(0, "information", "permutations") if rng is None else rng,
    )  # fmt: skip
    share = float(found.self_share[0, 0])
    if share > LARGEST_SELF_SHARE:
        sizes = np.unique(coded, return_counts=True)[1]
        raise MooFsError(
            f"x: estimate refused, since {share:.0%} of what is summed over a label is the point itself "
            f"({sizes.min()} to {sizes.max()} samples a label, {points.shape[1]} dimensions); "
            f"use fewer clusters, more pairs or a larger variance_per_dimension than {variance_per_dimension:g}"
        )
    return float(found.values[0, 0])


def pairwise_mutual_information_slowly(
    points: Floats, labels: NDArray[Any], *, variance_per_dimension: float = 0.2
) -> tuple[float, float]:
    """Raw estimate in nats and self share of `points` (dimension, pair) and one labelling, by the definition."""
    dimensions, count = points.shape
    spread = points.std(axis=1, keepdims=True)
    z = (points - points.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    squared = ((z[:, :, None] - z[:, None, :]) ** 2).sum(axis=0)
    kernel = np.exp(-squared / (2 * variance_per_dimension * dimensions))
    information, shares = -float(np.log(kernel.mean(axis=1)).mean()), 0.0
    for label in np.unique(labels):
        own = kernel[np.ix_(labels == label, labels == label)]
        information -= len(own) / count * -float(np.log(own.mean(axis=1)).mean())
        shares += float((1 / own.sum(axis=1)).sum())
    return information, shares / count


def _means(points: Floats, labellings: Labels, members: NDArray[np.int32]) -> Floats:
    """(labelling, 2): the raw estimate in nats and the self share of `points` (dimension, pair), scaled."""
    return np.asarray(_sums(np.ascontiguousarray(points), labellings.codes, members, labellings.starts))


@numba.njit(cache=True, nogil=True)
def _sums(points, codes, members, starts):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    labellings, count = codes.shape
    found = np.zeros((labellings, 2))
    row, powers = np.empty(count), np.empty(count, np.int64)
    for i in range(count):
        _negative_squared_distances(points, i, row)
        exponential(row, powers)
        whole = row.sum() / count
        for labelling in range(labellings):
            first, last = starts[labelling, codes[labelling, i]], starts[labelling, codes[labelling, i] + 1]
            own = _sum_of(row, members[labelling, first:last])
            found[labelling, 0] += np.log(own / (last - first) / whole)
            found[labelling, 1] += 1 / own
    return found / count


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _negative_squared_distances(points, query, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    row[:] = 0.0
    for axis in points:
        at = axis[query]
        for j in range(len(row)):
            row[j] -= (axis[j] - at) * (axis[j] - at)


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def exponential(row, powers):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """`exp` of each number of `row` (at most 0), in place, to a relative 1e-14; no branch, so that it is vectorised.

    `powers` is an int64 buffer of the same length. Numbers below -700 count as -700.
    """
    scales = powers.view(np.float64)
    for j in range(len(row)):
        scales[j] = max(row[j], _SMALLEST) * _PER_LN2 + _ROUNDER
    for j in range(len(row)):
        k = scales[j] - _ROUNDER
        r = (max(row[j], _SMALLEST) - k * _LN2_HIGH) - k * _LN2_LOW
        # Taylor's series to r^11: |r| is at most ln(2) / 2.
        p = 1 / 3628800 + r * (1 / 39916800)
        p = 1 / 40320 + r * (1 / 362880 + r * p)
        p = 1 / 720 + r * (1 / 5040 + r * p)
        p = 1 / 24 + r * (1 / 120 + r * p)
        row[j] = 1 + r * (1 + r * (1 / 2 + r * (1 / 6 + r * p)))
    for j in range(len(row)):
        powers[j] = (powers[j] << 52) + (1023 << 52)
    for j in range(len(row)):
        row[j] *= scales[j]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc"})
def _sum_of(row, members):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    total = 0.0
    for member in members:
        total += row[member]
    return total


def _standardised(channel: NDArray[Any]) -> Floats:
    """Each dimension of (dimension, pair) with mean 0 and variance 1; a constant one is 0."""
    values = np.ascontiguousarray(channel, dtype=np.float64)
    # A power of two changes no digit: squares of tiny or huge numbers stay in range.
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=1, keepdims=True))[1])
    values = np.where((values == values[:, :1]).all(axis=1, keepdims=True), 0.0, values)
    spread = values.std(axis=1, keepdims=True)
    return np.asarray((values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0))


def _checked_points(points: ArrayLike) -> NDArray[Any]:
    array = points if isinstance(points, np.ndarray) else float_array(points, "points", "channel dimension pair")
    if array.dtype.kind not in "fiub":
        raise MooFsError(f"points: wanted numbers, got {array.dtype} values")
    if array.ndim != 3 or not array.size:
        raise MooFsError(f"points: wanted axes (channel, dimension, pair), none empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise MooFsError(f"points: wanted finite numbers, got {int((~np.isfinite(array)).sum())} that are not")
    return array


def _checked_labels(labels: ArrayLike) -> NDArray[Any]:
    array = np.asarray(labels)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "iub":
        raise MooFsError(f"labels: wanted integers (task, pair), got {array.dtype} values of shape {array.shape}")
    for task, row in enumerate(array):
        shared = int((np.unique(row, return_counts=True)[1] >= 2).sum())
        if shared < 2:
            raise MooFsError(f"labels[{task}]: wanted at least two labels with two points each, got {shared}")
    return array


def _check_options(variance_per_dimension: float, permutations: int) -> None:
    if not isinstance(permutations, int | np.integer) or isinstance(permutations, bool) or permutations < 1:
        raise MooFsError(f"permutations: wanted a whole number from 1, got {permutations!r}")
    number = isinstance(variance_per_dimension, int | float | np.number)
    if not number or not 0 < variance_per_dimension < np.inf:
        raise MooFsError(f"variance_per_dimension: wanted a number above 0, got {variance_per_dimension!r}")
