"""Cutoffs of a curve of conditional mutual information: planted curves, formulas written out, planted filters."""

import numpy as np
import pytest

from moo_fs import MooFsError, renyi
from moo_fs.pruning.cutoffs import bic, choose, fixed_share, permutation_test, scree, x_means
from moo_fs.renyi import gram, joint_entropy, label_gram, rank, width_median
from moo_fs.renyi_search import Exact

# Falls of 0.5 at indices 3 and 6: 4 and 7 filters reach the two lower levels.
PLATEAUS = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]


def rng_of(test):
    return np.random.default_rng(test)


def planted_maps(rng, samples=60, informative=3, noise=3, labels=3):
    """ReLU maps of which the first few each know something of their own about the labels; sorted by label."""
    y = np.sort(np.arange(samples) % labels)
    maps = rng.normal(size=(samples, informative + noise, 2, 2))
    maps[:, :informative] += 1.5 * rng.normal(size=(labels, informative, 2, 2))[y]
    return np.maximum(maps, 0), y


def kept_by_hand(maps, y, order, prior, rng, *, alpha, permutations, level):
    """Kept count: maps themselves shuffled, every entropy from the list of all kernels."""
    channels = maps.shape[1] + prior.shape[1]
    target = label_gram(y)

    def kernel(variable):
        return gram(variable, width_median(variable, largest_product=channels))

    def information(taken):
        return joint_entropy(taken, alpha=alpha) - joint_entropy([*taken, target], alpha=alpha)

    taken = [np.ones((len(y), len(y))), *(kernel(prior[:, at]) for at in range(prior.shape[1]))]
    for kept, channel in enumerate(order):
        shuffles = rng.permuted(np.tile(np.arange(len(y)), (permutations, 1)), axis=1)
        observed = information([*taken, kernel(maps[:, channel])])
        reached = sum(information([*taken, kernel(maps[at, channel])]) >= observed - 1e-9 for at in shuffles)
        if (1 + reached) / (1 + permutations) >= level:
            return max(1, kept)
        taken.append(kernel(maps[:, channel]))
    return len(order)


def test_scree_finds_planted_falls_at_the_count_that_reaches_the_lower_level():
    assert scree(PLATEAUS) == [4, 7]


def test_scree_equals_its_formula_written_out():
    for case in range(20):
        curve = np.sort(rng_of(case).gamma(1.0, size=12))[::-1]
        q = {i + 1: (curve[i - 1] - curve[i]) / (curve[i] - curve[i + 1]) for i in range(1, 11)}
        assert scree(curve) == sorted(q, key=q.get, reverse=True)[:3]


def test_scree_of_a_ranking_is_of_its_values_and_not_of_its_order():
    maps, y = planted_maps(rng_of(1), informative=2, noise=4)
    moved = maps[:, [5, 3, 0, 4, 1, 2]]
    assert scree(rank(maps, y).cmi) == scree(rank(moved, y).cmi)
    assert 2 in scree(rank(maps, y).cmi)


def test_scree_counts_no_elbow_without_a_fall_and_takes_a_rise_for_a_flat_stretch():
    assert scree([0.3, 0.3, 0.3, 0.3]) == []
    assert scree([0.1, 0.2, 0.3, 0.4]) == []
    # Index 1 falls by 0.2 and rises after; index 3 falls by 0.3 before a flat stretch: both perfect, 3 the deeper.
    assert scree([0.5, 0.3, 0.4, 0.1, 0.1]) == [4, 2]
    assert scree([0.5, 0.3, 0.4, 0.2, 0.15]) == [2, 4]
    assert scree([0.5, 0.2]) == scree([0.5]) == []


def test_x_means_finds_planted_plateaus_exactly():
    assert x_means(PLATEAUS, rng=rng_of(0)) == [4, 7]
    for case in range(10):
        rng = rng_of(case)
        lengths = rng.integers(4, 30, size=rng.integers(2, 9))
        levels = np.cumsum(rng.uniform(1.0, 3.0, size=len(lengths)))[::-1]
        curve = np.repeat(levels, lengths) + 1e-3 * rng.normal(size=lengths.sum())
        assert x_means(curve, rng=rng) == [int(first) + 1 for first in np.cumsum(lengths)[:-1]]


def test_x_means_does_not_depend_on_the_unit_of_the_curve():
    curve = np.exp(-np.arange(40) / 8)
    found = x_means(curve, rng=rng_of(0))
    assert x_means(curve * 2.0**-10, rng=rng_of(0)) == found
    assert found == sorted(set(found))
    assert 1 < found[0] < found[-1] <= 40


def test_x_means_makes_no_more_clusters_than_it_may():
    line = np.linspace(1, 0, 64)
    assert len(x_means(line, rng=rng_of(0))) <= 19
    assert [len(x_means(line, most=most, rng=rng_of(0))) for most in (2, 3, 5)] == [1, 2, 4]
    assert x_means(PLATEAUS, most=3, rng=rng_of(0)) == [4, 7]


def test_x_means_of_a_flat_curve_proposes_nothing():
    assert x_means([0.2] * 9, rng=rng_of(0)) == x_means([0.2], rng=rng_of(0)) == []


def test_bic_equals_a_case_by_hand():
    pair = [np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[10.0, 0.0], [12.0, 0.0]])]
    # Two clusters: SS = 4 x 1, s = 4 / (2 (4 - 2)) = 1, p = 1 + 4 + 1. One: SS = 36 + 16 + 16 + 36, s = 104 / 6, p = 3.
    two = 4 * np.log(1 / 2) - 4 * np.log(2 * np.pi) - 4 / 2 - 6 / 2 * np.log(4)
    one = -4 * np.log(2 * np.pi * 104 / 6) - 104 / (2 * 104 / 6) - 3 / 2 * np.log(4)
    assert bic(pair) == pytest.approx(two, rel=1e-14)
    assert bic([np.concatenate(pair)]) == pytest.approx(one, rel=1e-14)
    assert two > one


def test_bic_of_points_that_are_all_equal_needs_a_floor():
    equal = [np.zeros((4, 2))]
    assert bic(equal) == np.inf
    assert bic(equal, floor=0.25) == pytest.approx(-4 * np.log(2 * np.pi * 0.25) - 1.5 * np.log(4))
    assert bic([np.zeros((1, 2)), np.ones((1, 2))]) == -np.inf


@pytest.mark.parametrize("case", range(6))
def test_the_permutation_test_equals_the_loop_written_out(case):
    maps, y = planted_maps(rng_of(case), samples=30, informative=2, noise=2)
    prior, order = np.maximum(rng_of(case).normal(size=(30, 1, 2, 2)), 0), rng_of(case).permutation(4)
    options = {"alpha": 1.01 if case % 2 else 2, "permutations": 40, "level": 0.1}
    wanted = kept_by_hand(maps, y, order, prior, rng_of(9), **options)
    assert permutation_test(maps, y, order, conditioned_on=prior, rng=rng_of(9), **options) == wanted


@pytest.mark.parametrize("width", ["median", "published"])
def test_the_permutation_test_keeps_the_planted_filters(width):
    # A map of noise passes once in 20: so of the six, most and not all stop at the planted count.
    kept = []
    for case in range(6):
        maps, y = planted_maps(rng_of(case))
        kept.append(permutation_test(maps, y, rank(maps, y).order, width=width, rng=rng_of(case)))
    assert min(kept) == 3
    assert kept.count(3) >= 4


def test_the_permutation_test_does_not_drop_what_is_conditioned_on():
    # Label bits a xor b and c xor d: without a and c, the maps b and d say nothing; given them, each says one bit.
    a, b, c, d, noise = rng_of(3).integers(2, size=(5, 160))
    y = 2 * (a ^ b) + (c ^ d)
    maps, given = (np.stack(bits, axis=1)[:, :, None, None] for bits in ([b, d, noise], [a, c]))
    assert permutation_test(maps, y, [0, 1, 2], conditioned_on=given, rng=rng_of(0)) == 2
    assert permutation_test(maps, y, [0, 1, 2], rng=rng_of(0)) == 1
    kernel = np.prod([gram(bits, width_median(bits, largest_product=5)) for bits in (a, c)], axis=0)
    arguments = {"conditioned_on": kernel, "largest_product": 5, "rng": rng_of(0)}
    assert permutation_test(maps, y, [0, 1, 2], **arguments) == 2


def test_the_permutation_test_takes_a_kernel_for_a_target_and_samples_in_any_order():
    maps, y = planted_maps(rng_of(2))
    shuffled = rng_of(5).permutation(len(y))
    for target in (y[shuffled], label_gram(y[shuffled])):
        assert permutation_test(maps[shuffled], target, range(6), rng=rng_of(0)) == 3


def test_a_constant_map_never_passes_and_one_filter_is_kept():
    maps, y = planted_maps(rng_of(0))
    maps[:, 1] = 2.0
    assert permutation_test(maps, y, [0, 1, 2], rng=rng_of(0)) == 1
    assert permutation_test(maps, y, [1, 0, 2], rng=rng_of(0)) == 1


def test_a_step_ends_once_its_p_is_bound_to_reach_the_level(monkeypatch):
    maps, y = planted_maps(rng_of(0))
    maps[:, 0] = 1.0
    calls, whole = [], Exact.of_product
    monkeypatch.setattr(Exact, "of_product", lambda self, product: calls.append(0) or whole(self, product))
    permutation_test(maps, y, [0], rng=rng_of(0))
    # The observed value, and 5 that reach it: (1 + 5) / 101 is the first p of at least 0.05.
    assert len(calls) == 6
    calls.clear()
    permutation_test(maps, y, [0], permutations=39, rng=rng_of(0))
    # (1 + 1) / 40 is 0.05 itself.
    assert len(calls) == 2


def test_kernels_are_as_wide_as_those_of_the_ranking(monkeypatch):
    maps, y = planted_maps(rng_of(0), samples=12)
    counts, whole = [], renyi.pair_kernels
    monkeypatch.setattr(renyi, "pair_kernels", lambda *a, **k: counts.append(k["largest_product"]) or whole(*a, **k))
    for options in ({}, {"conditioned_on": maps[:, :2]}, {"conditioned_on": maps, "largest_product": 99}):
        permutation_test(maps, y, [0], rng=rng_of(0), **options)
    assert counts == [6, 8, 8, 99, 99]


def test_a_fixed_share_is_rounded_and_keeps_at_least_one():
    assert [fixed_share(64, share) for share in (1, 0.66, 0.5, 1 / 128, 1e-9)] == [64, 42, 32, 1, 1]
    assert fixed_share(3, 0.5) == 2


def test_the_smallest_count_that_will_do_is_chosen_and_none_is_asked_twice():
    asked, accuracies = [], {5: 0.60, 9: 0.70, 12: 0.69, 30: 0.8}

    def accuracy(kept):
        asked.append(kept)
        return accuracies[kept]

    def chosen(candidates, tolerance):
        asked.clear()
        return choose(candidates, accuracy, channels=64, full=0.8, tolerance=tolerance)

    # 0.8 - 0.1 is above 0.7 in binary: the tolerance is not decided by rounding.
    assert chosen([30, 9, 5, 12, 9, 64], 0.1) == 9
    assert asked == [5, 9]
    assert chosen([12, 9, 9, 5], 0.05) == 64
    assert asked == [5, 9, 12]
    assert chosen([], 0.1) == chosen([64], 0.1) == 64
    assert asked == []


def test_bad_input_is_refused_in_one_sentence():
    maps, y = planted_maps(rng_of(0), samples=12)
    rng = rng_of(0)
    refused = [
        (lambda: scree([]), "curve: wanted at least one step, got none"),
        (lambda: scree([[1.0]]), r"curve: wanted axes \(step\)"),
        (lambda: x_means([1.0, np.nan], rng=rng), "curve: wanted finite numbers, got 1"),
        (lambda: x_means(PLATEAUS, most=1, rng=rng), "most: wanted a whole number from 2, got 1"),
        (lambda: permutation_test(maps, y[:5], [0], rng=rng), "target: wanted 12 labels, one a sample of maps, got 5"),
        (lambda: permutation_test(maps, y, [0, 0], rng=rng), "order: wanted distinct channels from 0 to 5"),
        (lambda: permutation_test(maps, y, [6], rng=rng), "order: wanted distinct channels from 0 to 5"),
        (lambda: permutation_test(maps, y, [], rng=rng), "order: wanted channels"),
        (lambda: permutation_test(maps, y, [0], permutations=10, rng=rng), "permutations: wanted more than 19"),
        (lambda: permutation_test(maps, y, [0], level=0.0, rng=rng), "level: wanted a number above 0"),
        (lambda: permutation_test(maps, y, [0], width="medium", rng=rng), "width: no 'medium'; did you mean 'median'"),
        (lambda: fixed_share(8, 0.0), "share: wanted a share kept above 0 and at most 1, got 0.0"),
        (lambda: fixed_share(0, 0.5), "channels: wanted a whole number from 1, got 0"),
        (lambda: choose([9], float, channels=8, full=1, tolerance=0), "candidates: wanted a whole number from 1 to 8"),
        (lambda: choose([2], float, channels=8, full=1, tolerance=-1), "the tolerance at least 0, got 1 and -1"),
        (lambda: choose([2], lambda _: np.nan, channels=8, full=1, tolerance=0), "accuracy: wanted a finite number"),
    ]
    for call, sentence in refused:
        with pytest.raises(MooFsError, match=sentence):
            call()
