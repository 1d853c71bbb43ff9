"""Kernels of tasks' outputs by their definition, and what each formulation conditions on."""

import numpy as np
import pytest
import torch

from moo_fs import MooFsError
from moo_fs.renyi import conditioning, grams, label_gram, rank, target_gram


def rng_of(test):
    return np.random.default_rng(test)


def kernel_by_hand(points):
    """The Gaussian kernel of points (sample, number) whose squared width is the median squared distance."""
    squared = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    above = squared[np.triu_indices(len(points), 1)]
    typical = np.median(above) or above.mean()
    return np.exp(-squared / (2 * typical))


def cells_by_hand(maps, rows, columns):
    """Means (sample, value * cell) of maps whose sides the cells divide."""
    samples, values, height, width = maps.shape
    cut = maps.reshape(samples, values, rows, height // rows, columns, width // columns)
    return cut.mean(axis=(3, 5)).reshape(samples, -1)


def one_hot(labels):
    return (labels[:, None] == np.arange(5)[:, None, None]).astype(float)


# Definition


def test_classes_without_space_have_the_delta_kernel():
    logits, y = rng_of(1).normal(size=(12, 4)), rng_of(2).integers(4, size=12)
    y[:2] = 255
    assert (target_gram(logits, kind="classes") == label_gram(logits.argmax(axis=1))).all()
    assert (target_gram(y, kind="classes", labels=True) == label_gram(y)).all()


def test_logits_with_space_are_compared_by_class_probabilities_of_cells():
    logits = rng_of(3).normal(size=(7, 3, 16, 24))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = kernel_by_hand(cells_by_hand(shares, 8, 8))
    np.testing.assert_allclose(target_gram(logits, kind="classes"), expected, atol=1e-12)
    single = target_gram(torch.from_numpy(logits).float(), kind="classes")
    np.testing.assert_allclose(single, expected, atol=1e-5)


@pytest.mark.parametrize("names", [np.arange(5), np.array([3, -1, 7, 100, 254])])
def test_labels_with_space_are_compared_by_one_hot_codes_of_cells_and_ignored_pixels_are_of_no_class(names):
    y = rng_of(4).integers(5, size=(7, 16, 8))
    codes, named = one_hot(y), names[y]
    ignored = rng_of(5).random(y.shape) < 0.2
    codes[np.broadcast_to(ignored[:, None], codes.shape)] = 0
    named[ignored] = 255
    expected = kernel_by_hand(cells_by_hand(codes, 8, 8))
    np.testing.assert_allclose(target_gram(named, kind="classes", labels=True), expected, atol=1e-12)


def test_values_are_compared_by_means_of_cells():
    maps = rng_of(6).normal(size=(6, 16, 4))
    expected = kernel_by_hand(cells_by_hand(maps[:, None], 8, 4))
    np.testing.assert_allclose(target_gram(maps, kind="values"), expected, atol=1e-12)
    np.testing.assert_allclose(target_gram(maps[:, None], kind="values"), expected, atol=1e-12)
    numbers = rng_of(7).normal(size=9)
    np.testing.assert_allclose(target_gram(numbers, kind="values"), kernel_by_hand(numbers[:, None]), atol=1e-12)


def test_invalid_values_leave_the_mean_of_the_valid_ones_of_the_cell_of_the_samples_or_of_all():
    maps = rng_of(8).normal(size=(4, 16, 16)) + 5
    maps[0, 0, 0] = np.nan  # one of four pixels of the cell
    maps[1, 2:4, 0:2] = np.nan  # a whole cell of one sample
    maps[:, 4:6, 4:6] = np.nan  # a whole cell of all samples
    points = np.array([[np.nanmean(m[i : i + 2, j : j + 2]) if np.isfinite(m[i : i + 2, j : j + 2]).any() else np.nan
                        for i in range(0, 16, 2) for j in range(0, 16, 2)] for m in maps])  # fmt: skip
    points[1, 8] = np.nanmean(maps[:, 2:4, 0:2])
    points[:, 2 * 8 + 2] = np.nanmean(maps)
    np.testing.assert_allclose(target_gram(maps, kind="values"), kernel_by_hand(points), atol=1e-12)
    numbers = np.array([1.0, np.nan, 3.0, 8.0])
    expected = kernel_by_hand(np.array([[1.0], [4.0], [3.0], [8.0]]))
    np.testing.assert_allclose(target_gram(numbers, kind="values"), expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["image", "vector", "boxes"])
def test_other_kinds_are_averaged_over_cells_or_flattened(kind):
    rng = rng_of(9)
    image, vector, boxes = rng.normal(size=(6, 3, 8, 32)), rng.normal(size=(6, 5)), rng.normal(size=(6, 4, 5))
    expected = [cells_by_hand(image, 8, 8), vector, boxes.reshape(6, -1), vector[:, :1]]
    for output, points in zip([image, vector, boxes, vector[:, 0]], expected, strict=True):
        np.testing.assert_allclose(target_gram(output, kind=kind), kernel_by_hand(points), atol=1e-12)


def test_the_mean_distance_takes_the_place_of_a_median_of_0_and_scale_changes_nothing():
    numbers = np.array([0.0] * 9 + [2.0])
    found = target_gram(numbers, kind="values")
    assert found[0, 9] == pytest.approx(np.exp(-4 / (2 * 0.8)))
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(target_gram(scale * numbers, kind="values"), found, atol=1e-12)


def test_a_kernel_of_an_output_is_a_target_that_ranks_the_channel_it_was_made_of_first():
    rng = rng_of(10)
    maps = rng.normal(size=(40, 6, 2, 2))
    assert rank(maps, target_gram(maps[:, 4] ** 3, kind="values")).order[0] == 4


# Formulations


def test_each_formulation_conditions_on_its_layers():
    rng = rng_of(11)
    first, last = rng.normal(size=(20, 3, 4, 4)), rng.normal(size=(20, 2, 2, 2))
    kept = [first, torch.from_numpy(last)]
    assert conditioning(kept, formulation="per-layer") is None
    assert conditioning([], formulation="full") is None
    both = grams(first, largest_product=30).prod(axis=0) * grams(last, largest_product=30).prod(axis=0)
    found = conditioning(kept, formulation="full", largest_product=30)
    np.testing.assert_allclose(found, both, atol=1e-13)
    np.testing.assert_allclose(conditioning(kept, formulation="compact"), grams(last).prod(axis=0), atol=1e-13)
    one = conditioning(kept[:1], formulation="full", width="published")
    np.testing.assert_allclose(one, grams(first, width="published").prod(axis=0), atol=1e-13)


def test_a_ranking_conditioned_on_the_product_is_the_ranking_conditioned_on_the_maps():
    rng = rng_of(12)
    maps, before, y = rng.normal(size=(30, 5, 2, 2)), rng.normal(size=(30, 4, 3, 3)), rng.integers(3, size=30)
    product = conditioning([before], formulation="compact", largest_product=9)
    by_product = rank(maps, y, conditioned_on=product, largest_product=9)
    by_maps = rank(maps, y, conditioned_on=before)
    assert by_product.order.tolist() == by_maps.order.tolist()
    np.testing.assert_allclose(by_product.cmi, by_maps.cmi, atol=1e-12)


# Refusals


@pytest.mark.parametrize(
    ("output", "options", "told"),
    [
        (np.ones((4, 3)), {"kind": "classes"}, "says nothing, since it is the same for all 4 samples"),
        (np.full(4, 7), {"kind": "classes", "labels": True}, "says nothing"),
        (np.ones((4, 1, 8, 8)), {"kind": "classes"}, "says nothing"),
        (np.zeros((4, 8, 8)), {"kind": "values"}, "says nothing"),
        (np.full((4, 3, 8, 8), 0.1), {"kind": "image"}, "says nothing"),
        (np.full((4, 8, 8), 255), {"kind": "classes", "labels": True}, "ignored"),
        (np.full((4, 8, 8), np.nan), {"kind": "values"}, "NaN everywhere"),
        (np.array([1.0, np.inf, 2.0]), {"kind": "values"}, "finite numbers, got 1"),
        (np.array([[1.0], [np.nan]]), {"kind": "image"}, "finite numbers, got 1"),
        (np.array([0.5, 1.5]), {"kind": "classes", "labels": True}, "wanted integers"),
        (np.array([0, 1]), {"kind": "values", "labels": True}, "labels: wanted False for kind 'values'"),
        (np.array(["a", "b"]), {"kind": "values"}, "wanted numbers"),
        (np.array([1.0]), {"kind": "values"}, "at least 2 samples"),
        (np.ones((4, 3, 2)), {"kind": "classes"}, "wanted logits"),
        (np.ones((4, 3), int), {"kind": "classes", "labels": True}, "wanted labels"),
    ],
)
def test_an_output_that_is_no_target_is_refused_in_one_sentence(output, options, told):
    with pytest.raises(MooFsError, match=told) as caught:
        target_gram(output, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "options", "told"),
    [
        ([], {"formulation": "ful"}, "did you mean 'full'"),
        ([np.ones((4, 2, 2))], {"formulation": "full"}, r"kept\[0\]: wanted axes"),
        ([np.ones((4, 1, 2, 2)), np.ones((5, 1, 2, 2))], {"formulation": "compact"}, r"kept\[1\]: wanted 4"),
        ([np.ones((4, 1, 2, 2))], {"formulation": "full", "width": "medain"}, "did you mean 'median'"),
        ([np.ones((4, 1, 2, 2))], {"formulation": "full", "largest_product": 0}, "largest_product"),
    ],
)
def test_layers_that_cannot_be_conditioned_on_are_refused(kept, options, told):
    with pytest.raises(MooFsError, match=told):
        conditioning(kept, **options)
