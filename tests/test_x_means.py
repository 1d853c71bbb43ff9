"""X-Means held against pyclustering's: its cut points on curves that both are given, and what the two differ in.

The cut points were made once with pyclustering 0.10.1.2 under Python 3.11 and NumPy 1.23.5 (under later ones it fails):

    clusters = xmeans(points, kmax=20, criterion=BAYESIAN_INFORMATION_CRITERION, ccore=False, repeat=40,
                      tolerance=1e-9, random_state=seed).process().get_clusters()
    cuts = sorted(min(cluster) + 1 for cluster in clusters)[1:]

with the points that `x_means` clusters, (place of 0 to 0.01, value of 0 to 1), for seeds 0 to 4, of which the most
frequent answer was taken.
"""

import numpy as np
import pytest

from moo_fs.pruning import cutoffs
from moo_fs.pruning.cutoffs import x_means

# Seed, plateaus, noise as a share of the range -> pyclustering's cut points.
PLATEAUS = {
    (1, 2, 0.002): [26],
    (2, 2, 0.01): [37],
    (4, 3, 0.002): [34, 73],
    (5, 3, 0.01): [32, 67, 69, 70, 74],
    (7, 4, 0.002): [40, 70, 101],
    (8, 4, 0.01): [33, 54, 57, 72],
    (20, 2, 0.002): [38],
    (21, 3, 0.002): [21, 55],
    (22, 4, 0.002): [35, 37, 57, 88],
    (23, 2, 0.005): [14],
    (24, 3, 0.005): [3, 24, 45],
    (25, 4, 0.005): [27, 43, 49, 79],
    (26, 4, 0.002): [37, 63, 91],
    (27, 3, 0.005): [13, 45],
}
# Noise of 2 % of the range, no noise, and a slope: where the two differ most.
ROUGH, BARE, SLOPE = [25, 62, 101, 106, 108], [10, 19, 28, 37, 52], [8, 17]
# Here k-means ends elsewhere in its last rounds: [32, 67, 69, 70].
ELSEWHERE = (5, 3, 0.01)


def plateaus(seed, count, noise):
    """`count` levels, each that of 12 to 40 filters, with noise; and the kept counts at which a level begins."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(12, 41, size=count)
    levels = np.cumsum(rng.uniform(0.2, 0.6, size=count))[::-1]
    curve = np.repeat(levels, lengths) + noise * np.ptp(levels) * rng.normal(size=lengths.sum())
    return curve, [int(first) + 1 for first in np.cumsum(lengths)[:-1]]


def slope():
    return 2 * np.exp(-np.arange(32) / 12)


def their_score(clusters, *, floor):
    """pyclustering's criterion: the penalty once a cluster, a variance without the axes' number and without a floor."""
    sizes, k = np.array([len(cluster) for cluster in clusters]), len(clusters)
    count, axes = sizes.sum(), clusters[0].shape[1]
    if count <= k:
        return np.inf
    squares = sum(((cluster - cluster.mean(axis=0)) ** 2).sum() for cluster in clusters) / (count - k)
    spread = axes / 2 * np.log(squares) if squares > 0 else -np.inf
    penalty = ((k - 1) + axes * k + 1) / 2 * np.log(count)
    shares = np.log(sizes / count) - np.log(2 * np.pi) / 2 - spread
    return float((sizes * shares - (sizes - k) / 2 - penalty).sum())


@pytest.fixture
def theirs(monkeypatch):
    """The search of `x_means` with pyclustering's criterion in the place of ours."""
    monkeypatch.setattr(cutoffs, "bic", their_score)


def found(curve):
    return x_means(curve, rng=np.random.default_rng(0))


@pytest.mark.parametrize("case", PLATEAUS, ids=str)
def test_both_find_every_plateau_and_ours_splits_none(case):
    curve, planted = plateaus(*case)
    assert found(curve) == planted
    assert set(planted) <= set(PLATEAUS[case])
    assert x_means(curve, rng=np.random.default_rng(1)) == planted


def test_the_two_are_the_same_on_most_plateaus():
    same = [case for case in PLATEAUS if found(plateaus(*case)[0]) == PLATEAUS[case]]
    assert len(same) == 9


@pytest.mark.parametrize("case", [case for case in PLATEAUS if case != ELSEWHERE], ids=str)
def test_with_their_criterion_our_search_finds_what_theirs_finds(case, theirs):
    assert found(plateaus(*case)[0]) == PLATEAUS[case]


def test_with_their_criterion_it_does_so_where_the_two_differ_most(theirs):
    assert found(plateaus(9, 4, 0.02)[0]) == ROUGH
    assert found(slope()) == SLOPE


def test_ours_leaves_bare_plateaus_whole_and_proposes_more_on_a_slope():
    # Without a floor of the variance points that differ by their number alone are split; with the penalty taken once a
    # cluster each split is charged 4.5 ln R instead of 1.5 ln R, of R points.
    curve, planted = plateaus(0, 2, 0.0)
    assert found(curve) == planted
    assert set(planted) < set(BARE)
    assert set(SLOPE) < set(found(slope()))
    assert len(found(slope())) == 11
