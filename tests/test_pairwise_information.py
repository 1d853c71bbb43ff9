"""The pairwise-distance estimate of mutual information against its definition, theory, and impossible input."""

import numpy as np
import pytest

from moo_fs import MooFsError, information
from moo_fs.pairwise_information import (
    exponential,
    pairwise_discrete_mutual_information,
    pairwise_mutual_information,
    pairwise_mutual_information_slowly,
)


def rng_of(test):
    return np.random.default_rng(test)


def planted(rng, shape=(2, 4, 300), labels=5, signal=0.5):
    """Points (channel, dimension, pair) that know something of the first of two tasks' labels (task, pair)."""
    y = rng.integers(labels, size=(2, shape[2]))
    centres = rng.normal(size=(*shape[:2], labels))
    return signal * centres[:, :, y[0]] + rng.normal(size=shape), y


def estimate(x, y, **options):
    return pairwise_discrete_mutual_information(x, y, **options)


# Oracle


@pytest.mark.parametrize(("dimensions", "variance"), [(1, 0.2), (4, 0.2), (5, 0.7), (16, 0.2)])
def test_the_kernel_equals_the_definition_for_every_channel_task_and_permutation(dimensions, variance):
    points, y = planted(rng_of(1), (2, dimensions, 150))
    found = pairwise_mutual_information(points, y, variance_per_dimension=variance, permutations=3, rng=rng_of(2))
    rng = rng_of(2)
    shuffles = [rng.permutation(150) for _ in range(3)]
    for channel in range(2):
        for task in range(2):
            labellings = [y[task], *(y[task, shuffle] for shuffle in shuffles)]
            slow = [
                pairwise_mutual_information_slowly(points[channel], labels, variance_per_dimension=variance)
                for labels in labellings
            ]
            raw, null = slow[0][0], [information for information, _ in slow[1:]]
            at = (channel, task)
            assert found.raw[at] == pytest.approx(raw, abs=1e-10)
            assert found.null[at] == pytest.approx(np.mean(null), abs=1e-10)
            assert found.spread[at] == pytest.approx(np.std(null, ddof=1), abs=1e-10)
            assert found.values[at] == pytest.approx(raw - np.mean(null), abs=1e-10)
            assert found.self_share[at] == pytest.approx(slow[0][1], abs=1e-10)


def test_the_exponential_is_numpys_to_a_relative_1e_13():
    x = -np.concatenate([[0.0, 1e-300, 699.9], np.geomspace(1e-12, 699, 20_001), rng_of(3).uniform(0, 40, 20_000)])
    found = x.copy()
    exponential(found, np.empty(len(x), np.int64))
    np.testing.assert_allclose(found, np.exp(x), rtol=1e-13)
    assert found[0] == 1
    far = np.array([-1e4, -1e300])
    exponential(far, np.empty(2, np.int64))
    assert ((far > 0) & (far < 1e-300)).all()


# Theory


def test_well_separated_clusters_give_the_entropy_of_their_labels():
    rng = rng_of(4)
    y = rng.integers(2, size=2000)
    assert estimate(y[:, None] + 0.01 * rng.normal(size=(2000, 1)), y) == pytest.approx(np.log(2), abs=0.01)
    four = rng.integers(4, size=2000)
    corners = np.stack([four // 2, four % 2], axis=1) + 0.01 * rng.normal(size=(2000, 2))
    assert estimate(corners, four) == pytest.approx(np.log(4), abs=0.03)
    assert estimate(corners, four // 2) == pytest.approx(np.log(2), abs=0.03)


@pytest.mark.parametrize("dimensions", [1, 4, 16])
@pytest.mark.parametrize("seed", range(3))
def test_independent_labels_give_nearly_0_once_the_null_is_subtracted(dimensions, seed):
    rng = rng_of(5 + seed)
    points, y = rng.normal(size=(1, dimensions, 2000)), rng.integers(8, size=(1, 2000))
    found = pairwise_mutual_information(points, y, rng=rng)
    assert abs(found.values[0, 0]) < 0.03
    assert found.raw[0, 0] > found.values[0, 0]


def test_more_signal_means_more_information():
    rng = rng_of(8)
    y, noise, direction = rng.integers(4, size=1500), rng.normal(size=(1500, 4)), rng.normal(size=(4, 4))
    values = [estimate(signal * direction[y] + noise, y) for signal in (0, 0.3, 0.6, 1.2, 2.4)]
    assert (np.diff(values) > 0.01).all()


def test_a_constant_channel_gives_exactly_0_and_a_constant_dimension_no_more_than_that():
    points, y = planted(rng_of(9), (3, 2, 200))
    points[0], points[1, 1] = 0.1, -1e25
    found = pairwise_mutual_information(points, y, rng=rng_of(10))
    assert found.values[0].tolist() == found.raw[0].tolist() == found.null[0].tolist() == [0, 0]
    alone = pairwise_mutual_information(points[1:2, :1], y, variance_per_dimension=0.4, rng=rng_of(10))
    np.testing.assert_allclose(found.values[1], alone.values[0], atol=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 7.0, 1e25])
def test_scale_and_shift_change_nothing(scale):
    points, y = planted(rng_of(11))
    scales = np.array([scale, 1.0, 1 / scale, -scale])[None, :, None]
    expected, found = (
        pairwise_mutual_information(values, y, rng=rng_of(12)) for values in (points, scales * (points + 3))
    )
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.self_share, expected.self_share, atol=1e-6)


def test_the_names_of_labels_other_tasks_and_other_channels_change_nothing():
    points, y = planted(rng_of(13))
    expected = pairwise_mutual_information(points, y, rng=rng_of(14))
    renamed = pairwise_mutual_information(points, 10**12 - 7 * y, rng=rng_of(14))
    np.testing.assert_allclose(renamed.values, expected.values, atol=1e-12)
    single = pairwise_mutual_information(points[1:], y[1:], rng=rng_of(14))
    np.testing.assert_allclose(single.values, expected.values[1:, 1:], atol=1e-12)


def test_without_an_rng_the_permutations_are_always_the_same_and_one_has_no_spread():
    points, y = planted(rng_of(15))
    assert estimate(points[0].T, y[0]) == estimate(points[0].T.copy(), y[0].astype(np.int8))
    one = pairwise_mutual_information(points, y, permutations=1, rng=rng_of(16))
    assert np.isnan(one.spread).all()
    assert np.isfinite(one.values).all()


# Refusals


def test_a_label_of_one_point_has_self_share_1_and_too_few_points_are_refused():
    rng = rng_of(17)
    x, y = rng.normal(size=(40, 16)), np.repeat(np.arange(20), 2)
    with pytest.raises(MooFsError, match=r"estimate refused.*2 to 2 samples a label.*fewer clusters") as caught:
        estimate(x, y)
    assert "\n" not in str(caught.value)
    assert np.isfinite(estimate(x, y // 10, variance_per_dimension=2))
    alone = np.concatenate([[0, 0, 1, 1], np.arange(2, 38)])
    found = pairwise_mutual_information(x.T[None], alone[None], rng=rng)
    slow = pairwise_mutual_information_slowly(x.T, alone)[1]
    assert 36 / 40 < found.self_share[0, 0] == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"points": np.full((1, 2, 8), np.nan)}, "points: wanted finite numbers, got 16"),
        ({"points": np.ones((2, 8))}, "points: wanted axes"),
        ({"points": np.ones((1, 0, 8))}, "none empty"),
        ({"points": [[["a"] * 8]]}, "points: wanted numbers"),
        ({"points": np.full((1, 2, 8), "a")}, "points: wanted numbers"),
        ({"labels": [[0, 1] * 3]}, "labels: wanted 8 a task, one a pair, got 6"),
        ({"labels": [0, 1] * 4}, r"labels: wanted integers \(task, pair\)"),
        ({"labels": np.ones((1, 8)) / 2}, "labels: wanted integers"),
        ({"labels": [[0, 1] * 4, [0] * 8]}, r"labels\[1\]: wanted at least two labels with two points each, got 1"),
        ({"labels": [[0] * 7 + [1]]}, "at least two labels"),
        ({"permutations": 0}, "permutations"),
        ({"permutations": True}, "permutations"),
        ({"variance_per_dimension": 0}, "variance_per_dimension"),
        ({"variance_per_dimension": np.nan}, "variance_per_dimension"),
        ({"variance_per_dimension": "wide"}, "variance_per_dimension"),
    ],
)
def test_impossible_arguments_are_refused_in_one_sentence(changed, told):
    arguments = {"points": rng_of(18).normal(size=(1, 2, 8)), "labels": [[0, 1] * 4], "rng": rng_of(19)} | changed
    with pytest.raises(MooFsError, match=told) as caught:
        pairwise_mutual_information(arguments.pop("points"), arguments.pop("labels"), **arguments)
    assert "\n" not in str(caught.value)


def test_one_channel_refuses_samples_and_labels_that_do_not_fit():
    with pytest.raises(MooFsError, match="x: wanted axes"):
        estimate(np.ones(8), [0, 1] * 4)
    with pytest.raises(MooFsError, match="labels: wanted integers"):
        estimate(np.ones((8, 1)), [[0, 1] * 4])


def test_both_estimators_are_reached_in_one_place():
    assert information.pairwise_discrete_mutual_information is pairwise_discrete_mutual_information
