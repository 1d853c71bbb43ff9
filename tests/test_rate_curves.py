"""Curves over coded bytes and Bjøntegaard's delta rate, against hand computations and slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from moo_fs.contracts import MooFsError
from moo_fs.rate_curves import Curve, bd_rate, bytes_at, common_range, common_rates, envelope

BYTES = np.array([1000.0, 2100, 4300, 9000, 20000])
LOSSES = np.array([[0.62, 0.9], [0.41, 0.5], [0.2, 0.3], [0.07, 0.2], [0.02, 0.15]])
ANCHOR = Curve(BYTES, LOSSES)
OTHER = Curve([700, 2300, 3900, 12000], [[0.55], [0.3], [0.18], [0.03]])


def cubic_between(x, y, at):
    """Fritsch and Carlson's curve by its textbook formulas, one point at a time (three points or more)."""
    h, slope = np.diff(x), np.diff(y) / np.diff(x)
    d = np.zeros(len(x))
    for k in range(1, len(x) - 1):
        if slope[k - 1] * slope[k] > 0:
            first, second = 2 * h[k] + h[k - 1], h[k] + 2 * h[k - 1]
            d[k] = (first + second) / (first / slope[k - 1] + second / slope[k])
    for end, near, step, next_step in ((0, slope[0], h[0], h[1]), (-1, slope[-1], h[-1], h[-2])):
        other = slope[1] if end == 0 else slope[-2]
        d[end] = ((2 * step + next_step) * near - step * other) / (step + next_step)
        if np.sign(d[end]) != np.sign(near):
            d[end] = 0
        elif np.sign(near) != np.sign(other) and abs(d[end]) > 3 * abs(near):
            d[end] = 3 * near
    k = int(np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(h) - 1))
    t = (at - x[k]) / h[k]
    return (
        y[k] * (1 + 2 * t) * (1 - t) ** 2
        + h[k] * d[k] * t * (1 - t) ** 2
        + y[k + 1] * t**2 * (3 - 2 * t)
        + h[k] * d[k + 1] * t**2 * (t - 1)
    )


def slow_bd_rate(anchor, test, steps=4000):
    """The same integral by the mid-point rule, log rates by `cubic_between`."""
    sides = [(losses[::-1, 0], np.log(coded)[::-1]) for coded, losses in (anchor, test)]
    low, high = max(x[0] for x, _ in sides), min(x[-1] for x, _ in sides)
    places = low + (np.arange(steps) + 0.5) / steps * (high - low)
    means = [np.mean([cubic_between(x, y, place) for place in places]) for x, y in sides]
    return 100 * (math.exp(means[1] - means[0]) - 1)


def test_a_curve_sorts_its_points_and_passes_through_them():
    order = [3, 0, 4, 2, 1]
    curve = Curve(BYTES[order], LOSSES[order])
    assert np.array_equal(curve.coded_bytes, BYTES)
    assert np.allclose(curve.at(BYTES), LOSSES, rtol=1e-12)
    assert curve.range == (1000, 20000)


def test_between_its_points_a_curve_is_the_textbook_cubic_over_log_bytes():
    places = np.geomspace(1000, 20000, 41)
    expected = [[cubic_between(np.log(BYTES), column, np.log(at)) for column in LOSSES.T] for at in places]
    assert np.allclose(ANCHOR.at(places), expected, rtol=1e-10)


def test_of_equal_bytes_the_point_of_smaller_mean_loss_is_kept_whole():
    curve = Curve([10, 5, 10], [[0.1, 0.9], [1, 1], [0.4, 0.5]])
    assert curve.coded_bytes.tolist() == [5, 10]
    assert curve.losses.tolist() == [[1, 1], [0.4, 0.5]]


def test_dominated_points_stay_on_a_curve_but_not_on_its_envelope():
    curve = Curve([1, 2, 3, 4], [[0.5], [0.7], [0.5], [0.2]])
    assert curve.at([2.0])[0, 0] == 0.7
    coded, losses = envelope(curve, 0)
    assert coded.tolist() == [1, 4]
    assert losses.tolist() == [0.5, 0.2]


def test_outside_its_range_a_curve_refuses_or_gives_nan_as_asked():
    with pytest.raises(MooFsError, match="wanted 1000 to 20000"):
        ANCHOR.at([1500, 999])
    found = ANCHOR.at([999, 1000, 20001], outside="nan")
    assert np.isnan(found[[0, 2]]).all()
    assert np.array_equal(found[1], LOSSES[0])


def test_a_curve_of_one_point_has_that_rate_only():
    curve = Curve([100], [[0.5, 0.25]])
    assert curve.at([100]).tolist() == [[0.5, 0.25]]
    assert np.isnan(curve.at([101], outside="nan")).all()


def test_the_common_range_is_the_overlap_and_its_grid_has_both_ends():
    assert common_range([ANCHOR, OTHER]) == (1000, 12000)
    rates = common_rates([ANCHOR, OTHER], 7)
    assert rates[0] == 1000
    assert rates[-1] == 12000
    assert np.allclose(np.diff(np.log(rates)), np.log(12) / 6)
    OTHER.at(rates)
    assert common_range([ANCHOR, Curve([1, 2], [[1], [0]])]) is None
    assert common_rates([ANCHOR, Curve([1, 2], [[1], [0]])], 5).shape == (0,)


@pytest.mark.parametrize("size", [1403.7, 8.3e3, 0.1 + 0.2, 123456.789])
def test_rates_never_leave_their_range_by_rounding_not_even_where_it_is_one_rate(size):
    alone = Curve([size], [[0.5]])
    assert common_rates([alone], 25).tolist() == [size] * 25
    assert alone.at(common_rates([alone], 25)).tolist() == [[0.5]] * 25
    wide = Curve([size, 7 * size], [[0.5], [0.1]])
    assert np.isfinite(wide.at(common_rates([wide], 25))).all()


def test_bytes_at_a_loss_are_those_of_the_textbook_cubic_through_the_envelope():
    curve = Curve(np.append(BYTES, 5000), np.vstack([LOSSES, [0.5, 0.6]]))  # a dominated point changes nothing
    asked = [0.55, 0.41, 0.1, 0.02]
    expected = [np.exp(cubic_between(LOSSES[::-1, 0], np.log(BYTES[::-1]), at)) for at in asked]
    found = bytes_at(curve, task=0, losses=asked)
    assert np.allclose(found, expected, rtol=1e-10)
    assert found[1] == pytest.approx(2100)
    assert np.allclose(bytes_at(curve, task=1, losses=LOSSES[:, 1]), BYTES)


def test_losses_beyond_a_curves_ends_have_no_bytes():
    found = bytes_at(ANCHOR, task=0, losses=[0.63, 0.62, 0.02, 0.01])
    assert np.isnan(found[[0, 3]]).all()
    assert found[1:3].tolist() == pytest.approx([1000, 20000])
    alone = Curve([100], [[0.5, 0.25]])
    assert bytes_at(alone, task=1, losses=[0.25]).tolist() == [100]
    assert np.isnan(bytes_at(alone, task=1, losses=[0.2, 0.3])).all()


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.25, 3.0])
def test_bytes_times_a_factor_are_exactly_that_many_percent(factor):
    for task in (0, 1):
        change = bd_rate(ANCHOR, Curve(BYTES * factor, LOSSES), task=task)
        assert change.percent == pytest.approx(100 * (factor - 1), abs=1e-9)
        assert change.overlap == 1
        assert (change.low, change.high) == (LOSSES[-1, task], LOSSES[0, task])
        assert change.reason == ""


def test_swapping_the_sides_inverts_the_factor():
    there, back = bd_rate(ANCHOR, OTHER_OF_TWO, task=0).percent, bd_rate(OTHER_OF_TWO, ANCHOR, task=0).percent
    assert there < 0 < back
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1, rel=1e-12)


OTHER_OF_TWO = Curve(OTHER.coded_bytes, np.repeat(OTHER.losses, 2, axis=1))


def test_a_change_equals_a_slow_integral_and_the_published_packages():
    """The package bjontegaard 1.3.0, method "pchip", gives these two."""
    anchor = Curve([9487.76, 4593.60, 2486.44, 1358.24], [[-40.037], [-38.615], [-36.845], [-34.851]])
    test = Curve([9787.80, 4469.00, 2451.52, 1356.24], [[-40.121], [-38.651], [-36.970], [-34.987]])
    assert bd_rate(anchor, test, task=0).percent == pytest.approx(-4.417485350589045, rel=1e-9)
    found = bd_rate(ANCHOR, OTHER_OF_TWO, task=0)
    assert found.percent == pytest.approx(-25.546693750751803, rel=1e-9)
    slow = slow_bd_rate((BYTES, LOSSES), (OTHER.coded_bytes, OTHER.losses))
    assert found.percent == pytest.approx(slow, rel=1e-5)


def test_curves_without_common_losses_are_refused_with_both_ranges():
    change = bd_rate(ANCHOR, Curve(BYTES, LOSSES + 1), task=0)
    assert math.isnan(change.percent)
    assert change.overlap == 0
    assert change.reason == "no overlap: the anchor's losses are 0.02 to 0.62, those here 1.02 to 1.62"


def test_too_small_an_overlap_is_refused_and_allowed_on_request():
    """Losses 0..1 and 0.6..2.6: they share 0.4 of the narrower."""
    anchor, test = Curve([1, 2, 4], [[1], [0.5], [0]]), Curve([1, 2, 4], [[2.6], [1.2], [0.6]])
    refused = bd_rate(anchor, test, task=0)
    assert math.isnan(refused.percent)
    assert refused.overlap == pytest.approx(0.4)
    assert "40% of the narrower range of losses, wanted 50%" in refused.reason
    allowed = bd_rate(anchor, test, task=0, least_overlap=0.4 - 1e-9)
    assert allowed.percent > 100
    assert (allowed.low, allowed.high, allowed.reason) == (0.6, 1, "")


def test_a_curve_with_one_useful_point_is_refused_by_its_side():
    worse = Curve([1, 2], np.array([[0.5, 0.5], [0.6, 0.6]]))
    assert "the test has one useful point" in bd_rate(ANCHOR, worse, task=1).reason
    assert "the anchor has one useful point" in bd_rate(worse, ANCHOR, task=1).reason


def test_a_dominated_point_changes_no_rate_change():
    more = Curve(np.append(BYTES, 5000), np.vstack([LOSSES, [0.5, 0.6]]))
    assert bd_rate(more, OTHER_OF_TWO, task=0) == bd_rate(ANCHOR, OTHER_OF_TWO, task=0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Curve([], np.zeros((0, 2))), "at least one point"),
        (lambda: Curve([0, 1], [[1], [2]]), "positive"),
        (lambda: Curve([1, 2], [[1], [np.nan]]), "finite"),
        (lambda: Curve([1, 2], [[1], [2], [3]]), "wanted 2 along 'point'"),
        (lambda: common_range([]), "at least one"),
        (lambda: bd_rate(ANCHOR, OTHER, task=0), "same tasks"),
        (lambda: bd_rate(ANCHOR, ANCHOR, task=2), "wanted 0 to 1"),
        (lambda: bytes_at(ANCHOR, task=2, losses=[0.5]), "wanted 0 to 1"),
        (lambda: bd_rate(ANCHOR, ANCHOR, task=0, least_overlap=2), "share from 0 to 1"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make, words):
    with pytest.raises(MooFsError, match=words):
        make()
