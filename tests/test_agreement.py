"""Agreement of two rankings against scipy's coefficients, and its intervals against resampling written out."""

import numpy as np
import pytest
from scipy import stats

from moo_fs.agreement import concordance, rank_correlation, top_quarter


def pair(seed=0, channels=40, noise=1.0):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=channels)
    return first, first + noise * rng.normal(size=channels)


def by_resampling(coefficient, first, second, replicates, seed):
    """The interval with each resample written out."""
    rng, values = np.random.default_rng(seed), []
    for copies in rng.multinomial(len(first), np.full(len(first), 1 / len(first)), size=replicates):
        index = np.repeat(np.arange(len(first)), copies)
        values.append(coefficient(first[index], second[index]).statistic)
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("ours", "theirs"), [(rank_correlation, stats.spearmanr), (concordance, stats.kendalltau)], ids=["rho", "tau"]
)
def test_coefficients_and_intervals_are_those_of_resamples_written_out(ours, theirs, ties):
    first, second = pair()
    if ties:
        first, second = np.round(first), np.round(second, 1)
    found = ours(first, second, np.random.default_rng(3), 200)
    assert found.value == pytest.approx(theirs(first, second).statistic)
    np.testing.assert_allclose(found[1:], by_resampling(theirs, first, second, 200, 3), atol=1e-9)
    assert found.low < found.value < found.high


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    # Bivariate normal with correlation r: Spearman's rho is 6 / pi asin(r / 2).
    truth, r = 6 / np.pi * np.arcsin(0.5 / 2), 0.5
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        first = rng.normal(size=64)
        found = rank_correlation(first, r * first + np.sqrt(1 - r * r) * rng.normal(size=64), rng, 400)
        hits += found.low <= truth <= found.high
    assert 0.88 < hits / 200 <= 1.0


def test_the_top_quarter_is_shared_whole_by_equal_lists_and_by_a_quarter_of_unrelated_ones():
    first, _ = pair(channels=64)
    assert top_quarter(first, 3 * first, np.random.default_rng(0)).value == 1.0
    assert top_quarter(first, -first, np.random.default_rng(0)).value == 0.0
    chance = [top_quarter(*pair(seed, 64, noise=1e9), np.random.default_rng(0), 10).value for seed in range(300)]
    assert np.mean(chance) == pytest.approx(0.25, abs=0.03)


def test_the_interval_of_the_top_quarter_is_that_of_resamples_written_out():
    first, second = np.round(pair()[0], 1), pair()[1]
    drawn = np.random.default_rng(3).integers(40, size=(300, 40))

    def shared(a, b):
        best = [set(np.argsort(-x, kind="stable")[:10]) for x in (a, b)]
        return len(best[0] & best[1]) / 10

    found = top_quarter(first, second, np.random.default_rng(3), 300)
    wanted = np.quantile([shared(first[index], second[index]) for index in drawn], [0.025, 0.975])
    assert found[1:] == pytest.approx(tuple(wanted))


@pytest.mark.parametrize("channels", [3, 7])
def test_few_channels_have_a_coefficient_and_no_interval(channels):
    found = rank_correlation(np.arange(channels), np.arange(channels), np.random.default_rng(0))
    assert found.value == pytest.approx(1)
    assert np.isnan(found.low)


@pytest.mark.parametrize("coefficient", [rank_correlation, concordance, top_quarter])
def test_a_list_without_an_order_agrees_with_nothing(coefficient):
    assert np.isnan(coefficient(np.ones(8), np.arange(8.0), np.random.default_rng(0))).all()
    assert np.isnan(coefficient(np.arange(8.0), np.zeros(8), np.random.default_rng(0))).all()


@pytest.mark.parametrize("coefficient", [rank_correlation, concordance, top_quarter])
def test_an_increasing_map_of_either_list_changes_nothing(coefficient):
    first, second = pair(5)
    one = coefficient(first, second, np.random.default_rng(1))
    assert coefficient(np.exp(first), 7 * second - 3, np.random.default_rng(1)) == pytest.approx(one)
