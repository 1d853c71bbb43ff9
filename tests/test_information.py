"""Mutual information against theory, against the estimator written out, and at its border."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.feature_selection import mutual_info_classif

from moo_fs import MooFsError
from moo_fs.bench import mi
from moo_fs.information import (
    cluster_outputs,
    discrete_mutual_information,
    pair_mutual_information,
    patch_mutual_information,
)


def rng_of(test):
    return np.random.default_rng(test)


def mixture_information(means):
    """I(X; Y) in nats of X = means[Y] + standard normal noise, Y uniform: H(X) - H(noise), by integration."""

    def minus_p_log_p(x):
        density = np.mean(norm.pdf(x, loc=means))
        return -density * np.log(density)

    entropy = quad(minus_p_log_p, min(means) - 9, max(means) + 9, limit=200)[0]
    return entropy - 0.5 * np.log(2 * np.pi * np.e)


# Theory


@pytest.mark.parametrize("spacing", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("transform", ["rank", "standard", "none"])
def test_a_gaussian_mixture_has_its_information_by_integration(spacing, transform):
    rng = rng_of(1)
    means = spacing * np.arange(4)
    y = rng.integers(4, size=3000)
    x = means[y] + rng.normal(size=3000)
    found = discrete_mutual_information(x[:, None], y, transform=transform)
    assert found == pytest.approx(mixture_information(means), abs=0.04)


@pytest.mark.parametrize("zeros", [0.0, 0.5, 0.93])
@pytest.mark.parametrize("dimension", [1, 4, 16])
def test_independent_labels_have_no_information_however_many_zeros_a_relu_leaves(zeros, dimension):
    rng = rng_of(2)
    x = np.maximum(rng.normal(size=(2000, dimension)) - norm.ppf(zeros if zeros else 1e-300), 0.0)
    # Several labellings: the estimate of one has a standard deviation of about 0.02.
    found = [discrete_mutual_information(x, rng.integers(8, size=2000)) for _ in range(5)]
    assert abs(np.mean(found)) < 0.03


def test_a_relu_does_not_hide_what_its_zeros_say():
    # X = Y (x > 0 exactly where y = 1), so I = H(Y) = ln 2.
    rng = rng_of(3)
    y = rng.integers(2, size=2000)
    x = np.where(y == 1, rng.uniform(1, 2, size=2000), 0.0)
    assert discrete_mutual_information(x[:, None], y) == pytest.approx(np.log(2), abs=0.01)


@pytest.mark.parametrize("transform", ["rank", "standard", "none"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e25])
def test_a_constant_feature_has_exactly_no_information(transform, value):
    y = rng_of(4).integers(5, size=100)
    assert discrete_mutual_information(np.full((100, 3), value), y, transform=transform) == 0.0


def test_labels_of_one_value_have_exactly_no_information():
    assert pair_mutual_information(rng_of(5).normal(size=(1, 2, 50)), np.ones((1, 50), int)) == 0.0


def test_labels_of_one_point_each_have_exactly_no_information():
    assert pair_mutual_information(rng_of(5).normal(size=(1, 2, 50)), np.arange(50)[None]) == 0.0


def test_a_label_of_one_point_contributes_nothing():
    # Four points, labels 0 0 0 1, k = 3 -> k = 2. psi(4) - psi(3) = 1/3 for each of the three, and the third other
    # point lies outside of every radius (psi(2) - psi(2) = 0), so I = 3/4 x 1/3.
    found = pair_mutual_information(np.array([[[0.0, 1.0, 2.0, 9.0]]]), np.array([[0, 0, 0, 1]]), transform="none")
    assert found == pytest.approx(0.25, abs=1e-12)


def test_labels_with_few_members_use_all_of_their_neighbours():
    # Two pairs far apart: k = 1; psi(4) - psi(2) + psi(1) - psi(1) = 1/2 + 1/3.
    found = discrete_mutual_information([[0.0], [1.0], [50.0], [51.0]], [0, 0, 1, 1], transform="none")
    assert found == pytest.approx(5 / 6, abs=1e-12)


@pytest.mark.parametrize("transform", ["rank", "standard", "none"])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e25])
def test_scale_changes_nothing(transform, scale):
    rng = rng_of(6)
    y = rng.integers(4, size=400)
    x = np.maximum(rng.normal(size=(400, 4)) + y[:, None] / 2, 0)
    one = discrete_mutual_information(x, y, transform=transform)
    assert discrete_mutual_information(x * scale, y, transform=transform) == pytest.approx(one, abs=1e-6)


def test_the_rank_transform_makes_monotone_maps_change_nothing():
    rng = rng_of(7)
    y = rng.integers(4, size=400)
    x = rng.normal(size=(400, 3)) + y[:, None]
    assert discrete_mutual_information(np.exp(x), y) == discrete_mutual_information(x, y)


@pytest.mark.parametrize("names", [[3, 1, 0, 2], [-7, 10**12, 5, 0]])
def test_renaming_labels_changes_nothing(names):
    rng = rng_of(8)
    y = rng.integers(4, size=300)
    x = rng.normal(size=(300, 2)) + y[:, None]
    assert discrete_mutual_information(x, np.array(names)[y]) == discrete_mutual_information(x, y)


def test_without_ties_it_is_scikit_learns_estimate_in_one_dimension():
    rng = rng_of(9)
    y = rng.integers(5, size=500)
    x = rng.normal(size=(500, 1)) + y[:, None]
    theirs = mutual_info_classif(x, y, n_neighbors=3, random_state=0)[0]
    assert discrete_mutual_information(x, y, transform="standard") == pytest.approx(theirs, abs=1e-3)


def test_all_tasks_and_channels_at_once_equal_one_at_a_time():
    rng = rng_of(11)
    maps = torch.relu(torch.from_numpy(rng.normal(size=(20, 3, 5, 7)))).float()
    labels = rng.integers(6, size=(2, 20, 2, 3))
    found = patch_mutual_information(maps, torch.from_numpy(labels), patch=2)
    assert found.shape == (3, 2)
    for channel in range(3):
        points = [maps[s, channel, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].flatten().numpy()
                  for s in range(20) for r in range(2) for c in range(3)]  # fmt: skip
        for task in range(2):
            alone = discrete_mutual_information(np.stack(points), labels[task].ravel())
            assert found[channel, task] == pytest.approx(alone, abs=1e-12)


def test_queries_estimate_the_same_and_repeat_without_a_generator():
    rng = rng_of(12)
    y = rng.integers(4, size=2000)
    x = rng.normal(size=(2000, 2)) + y[:, None]
    some = discrete_mutual_information(x, y, queries=800)
    assert some == discrete_mutual_information(x, y, queries=800)
    assert some != discrete_mutual_information(x, y, queries=800, rng=rng_of(13))
    assert some == pytest.approx(discrete_mutual_information(x, y), abs=0.06)


# Clusters of outputs


def test_patches_that_look_alike_share_a_cluster_and_others_do_not():
    # Logits of two classes, left half class 0, right half class 1: two kinds of patches.
    logits = torch.zeros(3, 2, 8, 8)
    logits[:, 0, :, :4], logits[:, 1, :, 4:] = 5.0, 5.0
    labels = cluster_outputs(logits, kind="classes", patch=4, clusters=2, rng=rng_of(0))
    assert labels.shape == (3, 2, 2)
    assert (labels[:, :, 0] == labels[0, 0, 0]).all()
    assert (labels[:, :, 1] == labels[0, 0, 1]).all()
    assert labels[0, 0, 0] != labels[0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "shape", "grid"),
    [
        ("classes", (6, 5, 12, 16), (3, 4)),
        ("classes", (6, 5), (1, 1)),
        ("values", (6, 12, 16), (3, 4)),
        ("values", (6,), (1, 1)),
        ("image", (6, 3, 13, 17), (3, 4)),
        ("custom", (6, 9), (1, 1)),
        ("custom", (6,), (1, 1)),
        ("custom", (6, 7, 5), (1, 1)),
        ("custom", (6, 2, 3, 4, 5), (1, 1)),
    ],
)
def test_every_kind_of_output_is_labelled_and_repeats_by_the_generator(kind, shape, grid):
    output = rng_of(1).normal(size=shape)
    found = [cluster_outputs(output, kind=kind, patch=4, clusters=3, rng=rng_of(2)) for _ in range(2)]
    assert found[0].shape == (6, *grid)
    assert set(np.unique(found[0])) == {0, 1, 2}
    np.testing.assert_array_equal(*found)


# Errors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": [[0.0], [np.nan], [1.0], [2.0]]}, "x: wanted finite numbers, got 1"),
        ({"x": [0.0, 1.0, 2.0, 3.0]}, "x: wanted axes"),
        ({"x": [["a"], ["b"], ["c"], ["d"]]}, "x: wanted numbers"),
        ({"labels": [0, 1]}, r"labels: wanted shape \(4\), got \(2,\)"),
        ({"labels": [0.5, 1, 1, 0]}, "labels: wanted integers"),
        ({"x": [[0.0]], "labels": [0]}, "at least two labels with two samples each, got 0"),
        ({"labels": [1, 1, 1, 1]}, "labels: wanted at least two labels with two samples each, got 1"),
        ({"labels": [0, 1, 1, 2]}, "labels: wanted at least two labels with two samples each, got 1"),
        ({"neighbours": 0}, "neighbours: wanted a whole number from 1, got 0"),
        ({"queries": 0}, "queries: wanted a whole number"),
        ({"transform": "ranks"}, "did you mean 'rank'"),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(change, words):
    arguments = {"x": [[0.0], [1.0], [2.0], [3.0]], "labels": [0, 1, 1, 0]} | change
    with pytest.raises(MooFsError, match=words):
        discrete_mutual_information(arguments.pop("x"), arguments.pop("labels"), **arguments)


@pytest.mark.parametrize(
    ("shape", "patch", "words"),
    [((2, 8, 3, 3), 2, "labels: wanted shape"), ((2, 8, 2, 2), 0, "patch: wanted"), ((2, 8, 2, 2), 9, "patch: wanted")],
)
def test_labels_that_do_not_lie_on_the_patches_are_refused(shape, patch, words):
    with pytest.raises(MooFsError, match=words):
        patch_mutual_information(np.zeros((8, 2, 4, 4)), np.zeros(shape, int), patch=patch)


def test_the_benchmarks_two_sides_give_the_same_estimate_and_queries_shift_it_little():
    small = {"channels": 2, "samples": 300, "blocks": 1, "large_channels": 1, "large_samples": 600, "queries": 300}
    rows = mi.rows(**small)
    assert [row["shift"] == 0 for row in rows] == [True, True, False]
    assert max(row["difference"] for row in rows[:2]) < 1e-2
    assert abs(rows[2]["shift"]) < 0.1
    for row in rows:
        assert row["ratio"] == pytest.approx(row["loop_seconds"] / row["ours_seconds"])
