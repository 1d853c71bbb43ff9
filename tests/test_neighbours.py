"""The compiled kernel against the estimator written out, transforms and limits of the estimates by their definition."""

import numpy as np
import pytest
from scipy.stats import norm

from moo_fs.information import discrete_mutual_information, label_entropy, tied_share
from moo_fs.neighbours import group, information_of_labels, information_of_labels_slowly
from moo_fs.transforms import normal_scores, whitened


def rng_of(test):
    return np.random.default_rng(test)


# The kernel


def features_with_ties(kind, dimension, rng):
    x = rng.normal(size=(250, dimension))
    if kind == "relu":
        return np.maximum(x - 0.8, 0.0)
    return rng.integers(0, 3, size=(250, dimension)).astype(float) if kind == "grid" else x


@pytest.mark.parametrize("kind", ["continuous", "relu", "grid"])
@pytest.mark.parametrize("dimension", [1, 3, 4, 9])
@pytest.mark.parametrize("neighbours", [1, 3, 7])
def test_the_kernel_equals_the_estimator_written_out(kind, dimension, neighbours):
    rng = rng_of(10)
    x = features_with_ties(kind, dimension, rng).T
    labels = np.stack([rng.integers(size, size=250) for size in (2, 9, 120)])
    fast = information_of_labels(x, group(labels), neighbours=neighbours, queries=np.arange(250))
    slow = [information_of_labels_slowly(x, row, neighbours=neighbours) for row in labels]
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-10)


def large_features(kind, rng, count=1500):
    """Points (dimension, sample) whose windows differ: narrow, wide, all, and changing from query to query."""
    level = rng.normal(size=(1, count))
    if kind == "correlated":
        return level + 0.1 * rng.normal(size=(9, count))
    if kind == "silent half":
        return np.maximum(level + 0.1 * rng.normal(size=(4, count)), 0.0)
    if kind == "outlier":
        return np.where(np.arange(count) == 17, 1e9, level + 0.1 * rng.normal(size=(4, count)))
    if kind == "equal but few":
        return np.where(np.arange(count) % 300 == 0, level, 0.0) * np.ones((3, 1))
    if kind == "clumps":
        return np.round(3 * level) * 1e3 + 0.1 * rng.normal(size=(2, count))
    return rng.integers(0, 40, size=(1, count)) + np.zeros((2, 1)) if kind == "line" else np.ones((2, count))


@pytest.mark.parametrize("neighbours", [3, 8])
@pytest.mark.parametrize(
    "kind", ["correlated", "silent half", "outlier", "equal but few", "clumps", "line", "all equal"]
)
def test_windows_of_the_sorted_points_hold_every_neighbour(kind, neighbours):
    rng = rng_of(14)
    x = large_features(kind, rng)
    # Many labelings at once: two labels, many, one point each, one rare, one label, and labels that X decides.
    labels = np.stack(
        [rng.integers(size, size=x.shape[1]) for size in (2, 8, 400)]
        + [np.arange(x.shape[1]), np.arange(x.shape[1]) < 5, np.ones(x.shape[1]), x[0] > np.median(x[0])]
    ).astype(int)
    fast = information_of_labels(x, group(labels), neighbours=neighbours, queries=np.arange(x.shape[1]))
    slow = [information_of_labels_slowly(x, row, neighbours=neighbours) for row in labels]
    np.testing.assert_allclose(fast, slow, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["correlated", "silent half", "outlier", "clumps"])
def test_queries_in_any_order_are_the_mean_of_each_alone(kind):
    rng = rng_of(15)
    x, queries = large_features(kind, rng), rng.permutation(1500)[:60]
    labels = group(rng.integers(8, size=(3, 1500)))
    alone = [information_of_labels(x, labels, neighbours=3, queries=queries[i : i + 1]) for i in range(60)]
    found = information_of_labels(x, labels, neighbours=3, queries=queries)
    np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=0, atol=1e-12)


# Transforms


def test_normal_scores_give_ties_their_average_rank():
    # Ranks 1, 2.5, 2.5, 4 of N = 4.
    found = normal_scores(np.array([[-5.0, 0.0, 0.0, 100.0]]))
    np.testing.assert_allclose(found, norm.ppf(np.array([[1, 2.5, 2.5, 4]]) / 5), atol=1e-12)


# Whitening


def map_of(dimension, rng):
    """An invertible linear map, its singular values from 1 to 3."""
    rotations = [np.linalg.qr(rng.normal(size=(dimension, dimension)))[0] for _ in range(2)]
    return rotations[0] @ np.diag(np.linspace(1, 3, dimension)) @ rotations[1]


@pytest.mark.parametrize("transform", ["standard", "none"])
@pytest.mark.parametrize("dimension", [2, 5, 16])
def test_whitened_an_invertible_linear_map_changes_nothing(transform, dimension):
    rng = rng_of(16)
    y = rng.integers(4, size=600)
    x = rng.normal(size=(600, dimension)) + y[:, None] / 2
    one, other = (
        discrete_mutual_information(points, y, transform=transform, whiten=True)
        for points in (x, x @ map_of(dimension, rng) - 5.0)
    )
    assert other == pytest.approx(one, abs=1e-6)
    plain = discrete_mutual_information(x @ map_of(dimension, rng), y, transform=transform)
    assert abs(plain - one) > 1e-3


@pytest.mark.parametrize("transform", ["rank", "standard", "none"])
def test_whitened_a_repeated_or_constant_dimension_changes_nothing(transform):
    rng = rng_of(17)
    y = rng.integers(4, size=400)
    x = np.maximum(rng.normal(size=(400, 3)) + y[:, None] / 2, 0.0)
    more = np.column_stack([x, x[:, 0], np.full(400, 7.0)])
    found = discrete_mutual_information(more, y, transform=transform, whiten=True)
    # The repeated dimension only rotates and scales, which whitening undoes.
    assert found == pytest.approx(discrete_mutual_information(x, y, transform=transform, whiten=True), abs=1e-9)


def test_whitened_equal_points_stay_equal_and_components_are_uncorrelated():
    rng = rng_of(18)
    x = rng.integers(0, 3, size=(6, 1001)).astype(float)
    found = whitened(x)
    np.testing.assert_allclose(found @ found.T / 1001, np.eye(6), atol=1e-9)
    # Ties are exact: as many different points after it as before.
    assert len(np.unique(found, axis=1).T) == len(np.unique(x, axis=1).T)


# Limits


def test_the_tied_share_counts_points_that_equal_another_in_every_dimension():
    # Channel 0: points 0 and 2 are equal (-0 is 0), the others share one dimension only. Channel 1: all different.
    points = [[[0.0, 0.0, -0.0, 1.0], [1.0, 2.0, 1.0, 2.0]], [[0.0, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]]]
    np.testing.assert_array_equal(tied_share(np.array(points)), [0.5, 0.0])
    np.testing.assert_array_equal(tied_share(np.zeros((2, 3, 5), dtype=np.float32)), [1.0, 1.0])


def test_the_entropy_of_labels_is_that_of_their_shares():
    labels = np.array([[5, 5, 5, 5], [0, 1, 2, 3], [9, 9, 9, -1]])
    expected = [0.0, np.log(4), -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))]
    np.testing.assert_allclose(label_entropy(labels), expected, rtol=0, atol=1e-12)
