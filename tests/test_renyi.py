"""Matrix-based Rényi entropy against theory and eigenvalues; greedy rankings against the loop written out."""

import numpy as np
import pytest
import torch

import moo_fs
from moo_fs import MooFsError
from moo_fs.renyi import (
    UndeterminedOrderWarning,
    entropy,
    gram,
    grams,
    joint_entropy,
    label_gram,
    rank,
    width_median,
    width_published,
)

ORDERS = [0.5, 0.999, 1.0, 1.01, 1.5, 2, 2.0001, 5.0]


def rng_of(test):
    return np.random.default_rng(test)


def kernel(rng, samples=20, width=2.0):
    return gram(rng.normal(size=(samples, 3)), width)


def entropy_by_eigenvalues(matrix, alpha):
    values = np.linalg.eigvalsh(matrix / np.trace(matrix)).clip(0)
    values = values[values > 0]
    if alpha == 1:
        return -(values * np.log(values)).sum()
    return np.log((values**alpha).sum()) / (1 - alpha)


def weak_maps(rng, samples, channels, labels=5):
    """ReLU maps that each know something of their own about the labels."""
    y = rng.integers(labels, size=samples)
    code = rng.normal(size=(labels, channels, 3, 3)) * rng.gamma(1.0, 0.4, size=(channels, 1, 1))
    return np.maximum(code[y] + rng.normal(size=(samples, channels, 3, 3)), 0), y


def strong_maps(rng, samples, channels, labels=5, factors=5):
    """ReLU maps that are mixtures of a few factors: strongly dependent on one another."""
    y = rng.integers(labels, size=samples)
    hidden = 0.7 * rng.normal(size=(labels, factors, 3, 3))[y] + rng.normal(size=(samples, factors, 3, 3))
    maps = np.einsum("cf,nfhw->nchw", rng.normal(size=(channels, factors)), hidden)
    return np.maximum(maps + 0.1 * rng.normal(size=maps.shape), 0), y


def ranked_by_hand(kernels, target, prior, alpha):
    """Greedy order, I(Y; prior, taken) and CMI = S(Y,T) + S(R,T) - S(Y,R,T) - S(T) with every product written out."""

    def product(matrices):
        return np.prod([np.ones_like(target), prior, *matrices], axis=0)

    def information(taken):
        matrix = product(kernels[taken])
        return (
            entropy_by_eigenvalues(target, alpha)
            + entropy_by_eigenvalues(matrix, alpha)
            - entropy_by_eigenvalues(matrix * target, alpha)
        )

    taken, left, curve, gained = [], list(range(len(kernels))), [], []
    while left:
        values = [information([*taken, channel]) for channel in left]
        gained.append(max(values))
        taken.append(left.pop(int(np.argmax(values))))
        s, rest = product(kernels[taken]), np.prod(kernels[left], axis=0) if left else np.ones_like(target)
        parts = [target * s, rest * s, target * rest * s, s]
        a, b, c, d = (entropy_by_eigenvalues(part, alpha) for part in parts)
        curve.append(a + b - c - d)
    return taken, gained, curve


# Theory


@pytest.mark.parametrize("alpha", ORDERS)
def test_an_entropy_lies_between_0_and_ln_n_and_reaches_both(alpha):
    rng = rng_of(1)
    assert 0 < entropy(kernel(rng), alpha=alpha) < np.log(20)
    assert entropy(np.ones((20, 20)), alpha=alpha) == pytest.approx(0, abs=1e-6 if alpha < 1 else 1e-12)
    assert entropy(3 * np.eye(20), alpha=alpha) == pytest.approx(np.log(20), abs=1e-12)


@pytest.mark.parametrize("alpha", ORDERS)
def test_an_entropy_does_not_depend_on_the_order_of_the_samples_or_the_scale_of_the_matrix(alpha):
    rng = rng_of(2)
    matrix, order = kernel(rng), rng.permutation(20)
    expected = pytest.approx(entropy(matrix, alpha=alpha), abs=1e-10)
    assert entropy(matrix[np.ix_(order, order)], alpha=alpha) == expected
    assert entropy(1e30 * matrix, alpha=alpha) == expected


def test_von_neumanns_entropy_is_the_limit_at_1_from_both_sides_without_a_jump():
    matrix = kernel(rng_of(3))
    limit = entropy(matrix, alpha=1)
    for distance in (1e-3, 1e-5, 1.1e-6, 0.9e-6, 1e-9):
        below, above = (entropy(matrix, alpha=1 + sign * distance) for sign in (-1, 1))
        assert below == pytest.approx(limit, abs=2 * distance + 1e-12)
        assert above == pytest.approx(limit, abs=2 * distance + 1e-12)
        assert below >= limit - 1e-12
        assert above <= limit + 1e-12


def test_the_frobenius_norm_at_2_is_the_limit_of_the_eigenvalues():
    matrix = kernel(rng_of(4))
    assert entropy(matrix, alpha=2) == pytest.approx(entropy(matrix, alpha=2 + 1e-9), abs=1e-8)


def test_an_entropy_falls_with_its_order():
    matrix = kernel(rng_of(5))
    values = [entropy(matrix, alpha=alpha) for alpha in ORDERS]
    assert (np.diff(values) < 0).all()


@pytest.mark.parametrize("alpha", [1.0, 1.01, 2])
def test_a_joint_entropy_is_at_least_each_entropy_and_at_most_their_sum(alpha):
    rng = rng_of(6)
    a, b = kernel(rng), kernel(rng)
    joint = joint_entropy([a, b], alpha=alpha)
    assert max(entropy(a, alpha=alpha), entropy(b, alpha=alpha)) < joint
    assert joint < entropy(a, alpha=alpha) + entropy(b, alpha=alpha)


def test_a_constant_variable_adds_nothing_to_a_joint_entropy():
    a = kernel(rng_of(7))
    constant = gram(np.full((20, 4), 0.1), width=2.0)
    assert joint_entropy([a, constant], alpha=1.01) == pytest.approx(entropy(a, alpha=1.01), abs=1e-13)


def test_a_joint_entropy_of_hundreds_of_matrices_does_not_vanish():
    maps = rng_of(8).normal(size=(20, 400, 2, 2))
    assert joint_entropy(grams(maps), alpha=1.01) > 1


@pytest.mark.parametrize("method", ["exact", "hybrid", "frobenius"])
def test_the_chain_rule_holds_exactly_along_a_ranking(method):
    maps, y = strong_maps(rng_of(9), 40, 8)
    found = rank(maps, y, method=method)
    matrices, target = grams(maps), label_gram(y)
    _, _, curve = ranked_in_order(matrices, target, found.order, found.alpha)
    np.testing.assert_allclose(found.cmi, curve, atol=1e-10)
    assert found.cmi[-1] == 0


def ranked_in_order(kernels, target, order, alpha):
    curve = []
    for step in range(1, len(order) + 1):
        s, rest = (kernels[order[:step]].prod(axis=0), kernels[order[step:]].prod(axis=0))
        parts = [target * s, rest * s, target * rest * s, s]
        a, b, c, d = (entropy_by_eigenvalues(part, alpha) for part in parts)
        curve.append(a + b - c - d)
    return order, None, curve


# Oracle


@pytest.mark.parametrize("alpha", [0.5, 1, 1.01, 1.5, 2, 5.0])
def test_entropies_equal_those_of_the_eigenvalues(alpha):
    rng = rng_of(10)
    for width in (0.3, 2.0, 10.0):
        a, b = kernel(rng, 60, width), kernel(rng, 60, width)
        # At orders below 1 the rounding of eigenvalues that are 0 shows, in the oracle as well.
        tolerance = 1e-10 if alpha >= 1 else 1e-6
        assert entropy(a, alpha=alpha) == pytest.approx(entropy_by_eigenvalues(a, alpha), abs=tolerance)
        assert joint_entropy([a, b], alpha=alpha) == pytest.approx(entropy_by_eigenvalues(a * b, alpha), abs=tolerance)


def test_a_kernel_is_the_gaussian_of_distances_written_out():
    x = rng_of(11).normal(size=(6, 2, 2))
    expected = [[np.exp(-((a - b) ** 2).sum() / (2 * 1.7**2)) for b in x] for a in x]
    np.testing.assert_allclose(gram(torch.from_numpy(x), 1.7), expected, atol=1e-14)


@pytest.mark.parametrize("width", ["median", "published"])
@pytest.mark.parametrize("conditioned", [False, True])
@pytest.mark.parametrize("dense", [False, True])
def test_exact_is_the_greedy_loop_with_every_product_written_out(width, conditioned, dense):
    rng = rng_of(12)
    maps, y = weak_maps(rng, 30, 6)
    maps = maps if width == "median" else 0.3 * maps
    before = rng.normal(size=(30, 2, 2, 2)) if conditioned else None
    largest = 8 if conditioned else 6
    prior = grams(before, width=width, largest_product=largest).prod(axis=0) if conditioned else np.ones((30, 30))
    target = gram(rng.normal(size=(30, 4)), 2.0) if dense else label_gram(y)
    order, gained, curve = ranked_by_hand(grams(maps, width=width, largest_product=largest), target, prior, 1.01)
    found = rank(maps, target if dense else y, width=width, conditioned_on=before, method="exact")
    assert found.order.tolist() == order
    assert found.determined == 6
    np.testing.assert_allclose(found.information, gained, atol=1e-10)
    np.testing.assert_allclose(found.cmi, curve, atol=1e-10)


@pytest.mark.parametrize("make", [weak_maps, strong_maps])
@pytest.mark.parametrize("method", ["frobenius", "exact", "hybrid"])
def test_rankings_at_alpha_2_are_the_greedy_loop_written_out(make, method):
    maps, y = make(rng_of(13), 30, 8)
    order, gained, curve = ranked_by_hand(grams(maps), label_gram(y), np.ones((30, 30)), 2)
    found = rank(maps, y, method=method, alpha=2)
    assert found.order.tolist() == order
    np.testing.assert_allclose(found.information, gained, atol=1e-10)
    np.testing.assert_allclose(found.cmi, curve, atol=1e-10)


def test_pairs_whose_weight_has_vanished_change_nothing_when_dropped():
    # Narrow kernels: after a few maps nearly all pairs are gone.
    maps, y = weak_maps(rng_of(14), 30, 10)
    maps = 2.0 * maps
    found = rank(maps, y, method="frobenius", width="published")
    order, gained, _ = ranked_by_hand(grams(maps, width="published"), label_gram(y), np.ones((30, 30)), 2)
    assert found.order[: found.determined].tolist() == order[: found.determined]
    np.testing.assert_allclose(found.information, gained, atol=1e-10)


@pytest.mark.parametrize("make", [weak_maps, strong_maps])
def test_hybrid_follows_the_exact_curve_and_keeps_its_top_half(make):
    shared = []
    for seed in range(6):
        maps, y = make(rng_of([15, seed]), 64, 20)
        exact, hybrid = (rank(maps, y, method=method) for method in ("exact", "hybrid"))
        np.testing.assert_allclose(hybrid.cmi[:-1], exact.cmi[:-1], rtol=0.02, atol=1e-9)
        shared.append(len(set(exact.order[:10]) & set(hybrid.order[:10])) / 10)
        assert hybrid.method == "hybrid"
        assert hybrid.shortlist.sum() < 0.7 * exact.shortlist.sum()
    assert min(shared) >= 0.85


def test_hybrid_serves_a_dense_target_and_conditioning_as_well():
    rng = rng_of(16)
    maps, _ = strong_maps(rng, 50, 16)
    target, before = gram(maps[:, 3] + rng.normal(size=(50, 3, 3)), 4.0), rng.normal(size=(50, 2, 2, 2))
    exact, hybrid = (rank(maps, target, method=method, conditioned_on=before) for method in ("exact", "hybrid"))
    np.testing.assert_allclose(hybrid.cmi[:-1], exact.cmi[:-1], rtol=0.02, atol=1e-9)
    assert hybrid.order[0] == 3


# Contract


@pytest.mark.parametrize("method", ["exact", "hybrid", "frobenius"])
def test_an_order_holds_every_channel_once_and_constant_ones_last(method):
    maps, y = weak_maps(rng_of(17), 40, 10)
    maps[:, [0, 4]] = [[[0.0]], [[2.5]]]
    found = rank(torch.from_numpy(maps).float(), torch.from_numpy(y), method=method)
    assert sorted(found.order) == list(range(10))
    assert found.order[-2:].tolist() == [0, 4]
    assert found.information[-1] == found.information[-2] == found.information[-3]
    assert found.determined == 8


@pytest.mark.parametrize("method", ["exact", "hybrid", "frobenius"])
def test_the_order_does_not_depend_on_the_order_of_samples_on_label_names_or_on_scale(method):
    rng = rng_of(18)
    maps, y = weak_maps(rng, 40, 9)
    samples, channels = rng.permutation(40), rng.permutation(9)
    found = rank(maps, y, method=method)
    changed = rank(1e-30 * maps[samples][:, channels], 100 - 7 * y[samples], method=method)
    assert channels[changed.order].tolist() == found.order.tolist()
    np.testing.assert_allclose(changed.cmi, found.cmi, atol=1e-10)


@pytest.mark.parametrize("method", ["exact", "hybrid", "frobenius"])
def test_exact_copies_stop_the_order_from_being_determined_where_they_lead(method):
    maps, y = weak_maps(rng_of(19), 40, 6)
    best = rank(maps, y, method="exact").order[0]
    copied = np.concatenate([maps, maps[:, best : best + 1]], axis=1)
    with pytest.warns(UndeterminedOrderWarning, match="only 0 of 7 steps"):
        assert rank(copied, y, method=method).determined == 0


@pytest.mark.parametrize("method", ["exact", "hybrid", "frobenius"])
def test_saturation_of_the_published_width_is_found_and_warned_of(method):
    rng = rng_of(20)
    maps, y = rng.normal(size=(40, 6, 32, 32)), rng.integers(4, size=40)
    with pytest.warns(UndeterminedOrderWarning, match="published"):
        found = rank(maps, y, width="published", method=method)
    assert found.saturation[0] == pytest.approx(1, abs=1e-6)
    assert found.determined < 3
    assert found.target_entropy - found.information[0] == pytest.approx(0, abs=1e-6)
    wide = rank(maps, y, method=method)
    assert wide.saturation[0] < 0.5
    assert wide.determined == 6


def test_conditioning_on_maps_or_on_their_product_is_the_same_and_lowers_what_a_copy_tells():
    rng = rng_of(21)
    maps, y = weak_maps(rng, 40, 5)
    first = rank(maps, y).order[0]
    before = maps[:, [first]]
    by_maps = rank(maps, y, conditioned_on=before, largest_product=100)
    by_gram = rank(maps, y, conditioned_on=grams(before, largest_product=100).prod(axis=0), largest_product=100)
    assert by_maps.order.tolist() == by_gram.order.tolist()
    np.testing.assert_allclose(by_maps.cmi, by_gram.cmi, atol=1e-12)
    assert by_maps.order[0] != first


def test_widths_follow_their_rules():
    x = np.array([[0.0], [1.0], [3.0]])  # squared distances 1, 4, 9
    assert width_median(x, largest_product=3) == pytest.approx(np.sqrt(8 * 4))
    assert width_median(x, largest_product=200) == pytest.approx(np.sqrt(20 * 4))
    assert width_median(1e200 * x, largest_product=3) == pytest.approx(1e200 * np.sqrt(8 * 4))
    assert width_median(np.array([0.0] * 9 + [2.0]), largest_product=3) == pytest.approx(np.sqrt(8 * 0.8))
    assert width_median(np.zeros((4, 2)), largest_product=3) == 1.0
    assert width_published(256, 10) == pytest.approx(5 * 256 ** (-1 / 14))
    maps = rng_of(22).normal(size=(10, 2, 3, 3))
    expected = [width_median(maps[:, channel], largest_product=120) for channel in range(2)]
    np.testing.assert_allclose(rank(maps, [0, 1] * 5, largest_product=120).widths, expected)
    np.testing.assert_allclose(rank(maps, [0, 1] * 5, width="published", alpha=1).widths, width_published(10, 9))


def test_the_module_is_reached_from_the_package():
    assert moo_fs.renyi.entropy is entropy


@pytest.mark.parametrize(
    ("matrix", "alpha", "told"),
    [
        (np.ones((2, 3)), 1.01, "square"),
        (np.ones(3), 1.01, "axes"),
        ([[1.0, 0.5], [0.2, 1.0]], 1.01, "symmetric"),
        ([[1.0, np.nan], [np.nan, 1.0]], 1.01, "finite"),
        (np.zeros((2, 2)), 1.01, "positive trace"),
        ([[1.0, 2.0], [2.0, 1.0]], 1.01, "negative eigenvalue"),
        (np.eye(2), -1, "alpha"),
        (np.eye(2), 0, "alpha"),
        (np.eye(2), np.nan, "alpha"),
        (np.eye(2), "two", "alpha"),
    ],
)
def test_an_impossible_matrix_or_order_is_refused_in_one_sentence(matrix, alpha, told):
    with pytest.raises(MooFsError, match=told) as caught:
        entropy(matrix, alpha=alpha)
    assert "\n" not in str(caught.value)


def test_matrices_of_different_sizes_none_at_all_or_without_a_common_sample_have_no_joint_entropy():
    with pytest.raises(MooFsError, match=r"grams\[1\]: wanted a square matrix \(2, 2\)"):
        joint_entropy([np.eye(2), np.eye(3)], alpha=1.01)
    with pytest.raises(MooFsError, match="at least one"):
        joint_entropy([], alpha=1.01)
    with pytest.raises(MooFsError, match="positive trace, got zero"):
        joint_entropy([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])], alpha=1.01)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"maps": np.full((8, 2, 2, 2), np.nan)}, "maps: wanted finite"),
        ({"maps": np.ones((8, 2, 2))}, "maps: wanted axes"),
        ({"maps": np.ones((8, 0, 2, 2))}, "no empty axis"),
        ({"target": np.arange(8) % 2 + 0.5}, "target: wanted integers"),
        ({"target": [0, 1] * 3}, "target: wanted 8 labels"),
        ({"target": np.zeros(8, int)}, "two labels"),
        ({"target": np.arange(8)}, "two labels"),
        ({"target": np.eye(7)}, r"target: wanted a square matrix \(8, 8\)"),
        ({"conditioned_on": np.eye(7)}, "conditioned_on: wanted a square"),
        ({"conditioned_on": np.ones((7, 1, 2, 2))}, "conditioned_on: wanted 8 along 'sample'"),
        ({"alpha": -1}, "alpha"),
        ({"width": "medain"}, "did you mean 'median'"),
        ({"method": "exat"}, "did you mean 'exact'"),
        ({"largest_product": -3}, "largest_product"),
    ],
)
def test_impossible_arguments_of_a_ranking_are_refused_in_one_sentence(changed, told):
    arguments = {"maps": rng_of(23).normal(size=(8, 2, 2, 2)), "target": [0, 1] * 4} | changed
    with pytest.raises(MooFsError, match=told) as caught:
        rank(arguments.pop("maps"), arguments.pop("target"), **arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("width", [0, -1.0, np.inf])
def test_an_impossible_width_is_refused(width):
    with pytest.raises(MooFsError, match="width"):
        gram(np.ones((3, 2)), width)
