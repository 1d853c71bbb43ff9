"""How many filters a layer keeps: cutoffs read off a curve of conditional mutual information, and the choice of one.

A curve is `moo_fs.renyi.Ranking.cmi`: (step,) nats, `curve[i]` after i + 1 selections, so that a cutoff at index i
keeps i + 1 filters. All cutoffs here return kept counts, 1 to the number of filters.
Vu-Van, T., Du Thanh, D., Ho, N. and Vu, M. (2024), "Pruning Deep Convolutional Neural Network Using Conditional Mutual
Information". The released code runs the scree test on the list of the order, not on the CMI values, is off by one in
its indices, and leaves out the conditioning set when it permutes a map; none of that is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans

from moo_fs.contracts import Floats, MooFsError, float_array
from moo_fs.pruning.permutation import checked_whole, permutation_test
from moo_fs.renyi import DETERMINED

__all__ = ["bic", "choose", "fixed_share", "permutation_test", "scree", "x_means"]

# How many elbows the scree test proposes.
ELBOWS = 3
# Our choice: differences below this share of a curve's range are no structure to X-Means.
RESOLUTION = 0.01
# Accuracies are quotients of counts: their difference from a tolerance is not decided by rounding.
ROUNDING = 1e-9
# Random starts of a split in two, of which the best is taken.
STARTS = 10


def scree(curve: ArrayLike) -> list[int]:
    """Kept counts at the three sharpest elbows of a curve (step,) in nats, the sharpest first, equal ones by count.

    `Q_i = (c_{i-1} - c_i) / (c_i - c_{i+1})`, of the CMI values: a fall that ends at index i, which keeps i + 1
    filters. The first and the last index have one neighbour and no Q; a curve of fewer than 3 steps has no candidate.
    Our choice: a fall after i below 1e-9 nats, be it 0 or a rise, counts as 1e-9, so that of two elbows before a flat
    stretch the deeper is sharper; without a fall of 1e-9 nats before it, i is no elbow and no candidate.
    On an even slope, straight or exponential, all Q are equal and rounding chooses.
    Source: Vu-Van et al. (2024), after Cattell, R. B. (1966), "The scree test for the number of factors".

    Raises:
        MooFsError: if the curve is empty or not finite.

    >>> scree([0.40, 0.39, 0.10, 0.09, 0.05, 0.04, 0.01])
    [3, 5, 6]
    """
    falls = -np.diff(_checked(curve))
    before, after = falls[:-1], falls[1:]
    quotients = np.where(before >= DETERMINED, before / np.maximum(after, DETERMINED), 0.0)
    sharpest = np.argsort(-quotients, kind="stable")[:ELBOWS]
    # Place 0 of `quotients` is index 1 of the curve, which keeps 2.
    return [int(at) + 2 for at in sharpest if quotients[at] > 0]


def x_means(curve: ArrayLike, *, most: int = 20, rng: np.random.Generator) -> list[int]:
    """Kept counts where a later cluster of the points (i, CMI_i) begins, ascending: its first index i keeps i + 1.

    X-Means: from two clusters on, each is split in two where that raises its own BIC, until none is or there are
    `most`. Pelleg, D. and Moore, A. (2000), "X-means: extending k-means with efficient estimation of the number of
    clusters". An own version on scikit-learn's KMeans: pyclustering is unmaintained, fails under NumPy 1.24 and later.
    Held against its version 0.10.1.2 on the points that are clustered here (tests/test_x_means.py): with its criterion
    in the place of `bic` the search gives its cuts. With `bic`, both find every planted level of curves with noise of
    at most 1 %, and pyclustering splits a level further in 5 of 14, since its variance has no floor. On a slope it
    proposes fewer (2 where this proposes 11), since it subtracts the penalty once a cluster instead of once, so that a
    split of R points is charged 4.5 ln R instead of 1.5 ln R.

    Our choice of scales: the CMI axis spans 1, the index axis 0.01, and a variance counts as at least 0.01 squared.
    With raw axes the index would decide alone, and any stretch of a line is split until no points are left, since
    spherical clusters in the plane fit it ever better. So the CMI decides, the index separates equal values, and
    a stretch is flat if it changes by less than about 1 % of the range. A long slope still yields many candidates.
    A curve whose range is below 1e-9 nats has none.

    Raises:
        MooFsError: if the curve is empty or not finite, or `most` is not a whole number from 2.
    """
    values = _checked(curve)
    checked_whole(most, "most", 2)
    spread = np.ptp(values)
    if spread < DETERMINED:
        return []
    places = np.linspace(0, RESOLUTION, len(values))
    points = np.stack([places, (values - values.min()) / spread], axis=1)
    clusters = _halves(points, rng)
    while len(clusters) < most and (centres := _after_splits(clusters, most, rng)) is not None:
        labels = KMeans(len(centres), init=centres, n_init=1).fit(points).labels_
        clusters = [points[labels == label] for label in np.unique(labels)]
    firsts = sorted(int(np.searchsorted(places, cluster[0, 0])) for cluster in clusters)
    return [first + 1 for first in firsts[1:]]


def bic(clusters: Sequence[Floats], *, floor: float = 0.0) -> float:
    """The Bayesian information criterion of clusters, each (point, axis), as spherical Gaussians; higher is better.

    `l - p / 2 ln R` with R points, K clusters, M axes, `p = (K - 1) + M K + 1`, and the log-likelihood
    `l = sum R_n ln(R_n / R) - R M / 2 ln(2 pi s) - SS / (2 s)`; SS is the sum of squares about the clusters' means and
    `s = SS / (M (R - K))`, at least `floor`. Source: Pelleg and Moore (2000), whose printed s lacks the M that
    a variance per axis needs. Minus infinity unless R > K; infinity where s is 0.
    """
    sizes = np.array([len(cluster) for cluster in clusters])
    count, k, axes = int(sizes.sum()), len(clusters), clusters[0].shape[1]
    if count <= k:
        return -np.inf
    squares = float(sum(((cluster - cluster.mean(axis=0)) ** 2).sum() for cluster in clusters))
    variance = max(squares / (axes * (count - k)), floor)
    if variance == 0:
        return np.inf
    likelihood = (sizes * np.log(sizes / count)).sum() - count * axes / 2 * np.log(2 * np.pi * variance)
    return float(likelihood - squares / (2 * variance) - (k - 1 + axes * k + 1) / 2 * np.log(count))


def fixed_share(channels: int, share: float) -> int:
    """Kept count of a layer of `channels` filters that keeps a `share` in (0, 1]: the nearest, halves up, at least 1.

    >>> fixed_share(64, 0.66), fixed_share(8, 0.01)
    (42, 1)
    """
    checked_whole(channels, "channels", 1)
    if not 0 < share <= 1:
        raise MooFsError(f"share: wanted a share kept above 0 and at most 1, got {share!r}")
    return max(1, int(share * channels + 0.5))


def choose(
    candidates: Iterable[int], accuracy: Callable[[int], float], *, channels: int, full: float, tolerance: float
) -> int:
    """The smallest candidate whose accuracy is within `tolerance` of `full`; all `channels` if none is. Our choice.

    Args:
        candidates: kept counts, 1 to `channels`, in any order.
        accuracy: of a kept count, asked at most once each and in ascending order until one will do; measured on
            held-out training images, never on test data. In the unit of `full`.
        channels: filters of the layer: what is kept if no candidate will do. It is not asked for.
        full: accuracy before this cut.
        tolerance: how far below `full` will do, at least 0.

    Raises:
        MooFsError: if a candidate is not a count of filters, or an accuracy is not finite.

    >>> choose([40, 12, 30], {12: 0.90, 30: 0.93, 40: 0.94}.get, channels=64, full=0.94, tolerance=0.01)
    30
    """
    checked_whole(channels, "channels", 1)
    if not np.isfinite(full) or not np.isfinite(tolerance) or tolerance < 0:
        raise MooFsError(f"wanted finite full and tolerance, the tolerance at least 0, got {full!r} and {tolerance!r}")
    counts = set(candidates)
    for kept in counts:
        checked_whole(kept, "candidates", 1, channels)
    for kept in sorted(counts - {channels}):
        found = accuracy(kept)
        if not np.isfinite(found):
            raise MooFsError(f"accuracy: wanted a finite number for {kept} filters kept, got {found!r}")
        if found >= full - tolerance - ROUNDING:
            return int(kept)
    return channels


def _checked(curve: ArrayLike) -> Floats:
    values = float_array(curve, "curve", "step")
    if not len(values):
        raise MooFsError("curve: wanted at least one step, got none")
    return values


def _halves(points: Floats, rng: np.random.Generator) -> list[Floats]:
    """Points (point, axis) in two clusters."""
    labels = KMeans(2, n_init=STARTS, random_state=int(rng.integers(2**31))).fit(points).labels_
    return [points[labels == label] for label in (0, 1)]


def _after_splits(clusters: list[Floats], most: int, rng: np.random.Generator) -> Floats | None:
    """Centres (cluster, axis) after every split that raises BIC, the largest rise first; None if none does."""
    rises, halves = [], []
    for cluster in clusters:
        pair = _halves(cluster, rng) if len(cluster) > 2 else [cluster, cluster]
        halves.append(pair)
        floor = RESOLUTION**2
        rises.append(bic(pair, floor=floor) - bic([cluster], floor=floor) if len(cluster) > 2 else -np.inf)
    split = {int(at) for at in np.argsort(rises)[::-1][: most - len(clusters)] if rises[at] > 0}
    if not split:
        return None
    parts = [part for at, cluster in enumerate(clusters) for part in (halves[at] if at in split else [cluster])]
    return np.array([part.mean(axis=0) for part in parts])
