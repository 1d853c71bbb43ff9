"""The quantiser against theory, against its contract and against brute force."""

from __future__ import annotations

import time

import numpy as np
import pytest

from moo_fs.coding.cells import Cells
from moo_fs.coding.quantiser import HEADER_KBIT, fit_tables, step_ladder, uniform_step
from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream


def features(images: int = 24, channels: int = 6) -> np.ndarray:
    """ReLU maps (image, channel, 16, 16): scales and shares of zeros differ, one channel is dead, one is signed."""
    rng = stream(0, "quantiser tests")
    maps = rng.normal(rng.uniform(-1, 1, (1, channels, 1, 1)), rng.uniform(0.1, 3, (1, channels, 1, 1)))
    maps = maps + rng.normal(size=(images, channels, 16, 16))
    maps[:, 2:] = np.maximum(maps[:, 2:], 0)
    maps[:, 1] = 0
    return maps.astype(np.float32)


@pytest.fixture(scope="module")
def maps() -> np.ndarray:
    return features()


@pytest.fixture(scope="module")
def tables(maps):
    return fit_tables(maps)


def one_channel(values) -> np.ndarray:
    return np.asarray(values, np.float32).reshape(1, 1, 1, -1)


def test_the_contract_example_costs_3_245_bits():
    # Symbols 0 0 1 0 under .75 / .25: 3 x .415 + 2 = 3.245 bits; with the header 0.1312 kbit.
    example = np.array([[[[0, 0], [1, 0]]]], np.float32)
    tables = fit_tables(example)
    assert tables.select(np.array([1])).symbols(example).ravel().tolist() == [0, 0, 1, 0]
    assert tables.rate[0, 1] * 1000 == pytest.approx(3.245, abs=5e-4)
    assert tables.rate[0, 1] + HEADER_KBIT == pytest.approx(0.1312, abs=5e-5)


def test_one_bit_of_a_normal_channel_reaches_the_lloyd_max_error():
    # Max, J. (1960), "Quantizing for minimum distortion": 1 - 2 / pi = .3634 at two levels. For a half-normal the
    # optimum is two levels of the positive half of his 4-level quantiser: error .1175 of E x^2, over variance 1 - 2/pi.
    normal = stream(0, "normal").normal(size=(16, 1, 64, 64))
    assert fit_tables(normal).error[0, 1] == pytest.approx(1 - 2 / np.pi, rel=0.01)
    assert fit_tables(np.abs(normal)).error[0, 1] == pytest.approx(0.1175 / (1 - 2 / np.pi), rel=0.02)


@pytest.mark.parametrize(("depth", "optimum"), [(2, 0.1188), (3, 0.03744), (4, 0.01154), (5, 0.003495)])
def test_uniform_cells_of_a_normal_channel_reach_the_published_optimum(depth, optimum):
    # Max (1960), table II: least mean squared error of equally spaced levels, mid-points; centroids can only be better.
    error = fit_tables(stream(1, "normal").normal(size=(16, 1, 64, 64))).error[0, depth]
    assert 0.93 * optimum < error < 1.02 * optimum


@pytest.mark.parametrize("depth", range(1, 9))
def test_a_uniform_channel_loses_a_factor_of_four_a_bit(depth):
    values = np.linspace(0, 1, 64 * 64 * 4).reshape(4, 1, 64, 64)
    tables = fit_tables(values)
    assert tables.error[0, depth] == pytest.approx(4.0**-depth, rel=0.02)
    assert tables.rate[0, depth] * 1000 == pytest.approx(64 * 64 * depth, rel=0.01)


def test_one_bit_of_a_mostly_zero_channel_equals_a_search_over_all_thresholds():
    values = np.maximum(stream(2, "relu").normal(-1, 1, 900), 0).astype(np.float32)
    ordered = np.unique(values)
    best = min(
        sum(((part - part.mean()) ** 2).sum() for part in (values[values < t], values[values >= t]))
        for t in 0.5 * (ordered[1:] + ordered[:-1]).astype(np.float64)
    )
    found = fit_tables(one_channel(values)).error[0, 1]
    assert found == pytest.approx(best / ((values - values.mean()) ** 2).sum(), rel=1e-4)


def test_one_bit_is_far_better_than_min_max_which_is_worse_than_dropping_the_channel():
    values = np.maximum(stream(2, "relu").normal(-0.5, 1, (8, 1, 32, 32)), 0)
    assert fit_tables(values, mode="minmax").error[0, 1] > 1 > 0.4 > fit_tables(values).error[0, 1]


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_a_long_tail_is_clipped_as_well_as_brute_force_would(depth):
    # One value in a thousand is 30 times as large as the rest: squared error then has several minima over the range.
    rng = stream(4, "tails")
    values = np.abs(rng.normal(4, 1.5, 8000)) * np.where(rng.random(8000) < 1e-3, 30 * rng.random(8000), 1)
    values = np.sort(values)
    best = np.inf
    for high in np.quantile(values, 1 - np.geomspace(1e-4, 0.2, 60)).tolist() + np.geomspace(5, 150, 60).tolist():
        for low in (-0.5 * high / 2**depth, 0.0, *np.quantile(values, [0.01, 0.05])):
            cells = np.clip(np.floor((values - low) / (high - low) * 2**depth), 0, 2**depth - 1).astype(int)
            counts, sums = np.bincount(cells), np.bincount(cells, values)
            best = min(best, (values**2).sum() - (sums[counts > 0] ** 2 / counts[counts > 0]).sum())
    total = ((values - values.mean()) ** 2).sum()
    assert fit_tables(one_channel(values)).error[0, depth] <= 1.03 * best / total


def test_errors_never_grow_with_the_depth_and_never_exceed_min_max(maps, tables):
    assert (np.diff(tables.error, axis=1) <= 1e-9).all()
    assert (tables.error[:, 1:] <= fit_tables(maps, mode="minmax").error[:, 1:] + 1e-12).all()


def test_centroids_are_never_worse_than_mid_points_of_the_same_cells(maps):
    cells = uniform_step(maps, step=0.7)
    symbols = cells.symbols(maps)
    low = np.rint(maps.min((0, 2, 3)) / 0.7)[:, None, None] * 0.7
    middle = low + symbols * 0.7
    by_mean = ((cells.dequantise(maps) - maps) ** 2).sum((0, 2, 3))
    assert (by_mean <= ((middle - maps) ** 2).sum((0, 2, 3)) * (1 + 1e-6)).all()
    assert (np.abs(middle - maps) <= 0.35 + 1e-5).all()


def test_error_is_what_the_plain_reconstruction_loses(maps, tables):
    for depth in (1, 3, 8):
        lost = ((tables.depth(depth).dequantise(maps).astype(float) - maps) ** 2).sum((0, 2, 3))
        total = ((maps - maps.mean((0, 2, 3), dtype=float)[:, None, None]) ** 2).sum((0, 2, 3))
        wanted = np.divide(lost, total, out=np.zeros_like(total), where=total > 0)
        assert tables.error[:, depth] == pytest.approx(wanted, rel=1e-5, abs=1e-9)


def test_a_centroid_is_the_mean_of_its_cell_on_the_fit_part(maps, tables):
    cells = tables.depth(2)
    symbols = cells.symbols(maps)
    for channel in (0, 3):
        for symbol in range(4):
            inside = maps[:, channel][symbols[:, channel] == symbol]
            assert cells.centroids[channel, symbol] == pytest.approx(inside.mean(), rel=1e-4)


def test_depth_zero_sends_nothing_and_stands_at_the_mean(maps, tables):
    cells = tables.depth(0)
    assert cells.rate_kbit(maps) == 0
    assert (tables.error[:, 0] == 1).all()
    assert (tables.rate[:, 0] == 0).all()
    assert cells.dequantise(maps)[3, :, 2, 5] == pytest.approx(maps.mean((0, 2, 3)), abs=1e-5)


def test_a_constant_channel_costs_nothing_and_loses_nothing(maps, tables):
    assert tables.error[1, 1:].tolist() == [0] * 8
    assert tables.rate[1].tolist() == [0] * 9
    assert tables.depth(5).levels[1] == 1
    assert (tables.depth(5).dequantise(maps + 1)[:, 1] == 0).all()


def test_rates_of_the_fit_part_are_the_tables_rates(maps, tables):
    assert tables.part_rates(maps).mean(axis=0) == pytest.approx(tables.rate, rel=1e-12)


def test_rates_are_cross_entropies_under_the_fit_parts_table(maps, tables):
    fresh = np.roll(maps, 1, axis=1)[:5] * 1.3
    cells = tables.depth(3)
    symbols = cells.symbols(fresh)
    for channel in (0, 4):
        counts = np.bincount(cells.symbols(maps)[:, channel].ravel(), minlength=8)
        probability = np.maximum(counts, 0.5) / np.maximum(counts, 0.5).sum()
        wanted = -np.log2(probability[symbols[:, channel]]).sum((1, 2)) / 1000
        assert tables.part_rates(fresh)[:, channel, 3] == pytest.approx(wanted, rel=1e-12)


def test_rates_are_additive_over_channels(maps, tables):
    bits = np.array([3, 1, 0, 8, 2, 1])
    found = tables.part_rates(maps[:7])
    assert tables.select(bits).image_kbit(maps[:7]) == pytest.approx(found[:, np.arange(6), bits].sum(1), rel=1e-12)


def test_symbols_the_fit_part_never_showed_cost_finite_bits():
    cells = fit_tables(one_channel([0, 0, 0, 1])).depth(8)
    assert np.isfinite(cells.code_bits).all()
    assert 0 < cells.rate_kbit(one_channel([0.25, 0.5])) < 1


def test_a_step_rounds_about_zero_and_keeps_at_most_256_symbols(maps):
    cells = uniform_step(maps, step=0.5)
    assert (cells.symbols(maps)[:, 4] == np.floor(maps[:, 4] / np.float32(0.5) + 0.5)).all()
    fine = uniform_step(maps, step=1e-3)
    assert fine.levels.max() == 256
    assert np.isfinite(fine.dequantise(maps)).all()


def test_a_step_wider_than_everything_sends_nothing(maps):
    cells = uniform_step(maps, step=1000)
    assert cells.rate_kbit(maps) == 0
    assert cells.dequantise(maps)[0, :, 0, 0] == pytest.approx(maps.mean((0, 2, 3)), abs=1e-5)


def test_the_ladder_starts_near_one_kbit_and_rates_grow_along_it(maps):
    steps = step_ladder(maps, count=8)
    rates = [uniform_step(maps, step=step).rate_kbit(maps) for step in steps]
    assert len(steps) == 8
    assert rates[0] == pytest.approx(1.0, rel=0.15)
    assert (np.diff(rates) > 0).all()
    assert 0.7 * fit_tables(maps).rate[:, 8].sum() < rates[-1] < 1.2 * fit_tables(maps).rate[:, 8].sum()


def test_the_ladder_of_a_tiny_network_still_descends():
    for values in (np.arange(40.0), np.arange(40.0) + 1000, -(np.arange(40.0) ** 3)):
        steps = step_ladder(one_channel(values), count=3)
        assert steps[0] > steps[1] > steps[2] > 0


def test_fitting_is_deterministic_and_tables_are_read_only(maps, tables):
    again = fit_tables(maps)
    assert (again.error == tables.error).all()
    assert (again.code_bits == tables.code_bits).all()
    with pytest.raises(ValueError, match="read-only"):
        tables.rate[0, 0] = 1


def test_fitting_64_channels_on_256_images_takes_seconds():
    maps = np.maximum(stream(3, "speed").normal(size=(256, 64, 16, 16)), 0).astype(np.float32)
    fit_tables(maps[:2])
    start = time.perf_counter()
    fit_tables(maps)
    assert time.perf_counter() - start < 12  # about 1 s on an idle core


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m, t: fit_tables(m[0]), "wanted axes"),
        (lambda m, t: fit_tables(m[:0]), "none empty"),
        (lambda m, t: fit_tables(np.full((1, 1, 2, 2), np.nan)), "wanted finite numbers, got 4"),
        (lambda m, t: fit_tables(m, mode="mes"), "did you mean 'mse'"),
        (lambda m, t: t.part_rates(m[:, :2]), "wanted 6 along 'channel'"),
        (lambda m, t: t.select(np.array([1, 2])), "wanted 6 along 'channel'"),
        (lambda m, t: t.select(np.full(6, 9)), "0 to 8"),
        (lambda m, t: t.select(np.zeros((2, 6), int)), "wanted one allocation"),
        (lambda m, t: uniform_step(m, step=0), "wanted a positive number"),
        (lambda m, t: step_ladder(m, count=1), "2 steps or more"),
        (lambda m, t: step_ladder(m[:, 1:2], count=4), "constant"),
    ],
)
def test_wrong_input_is_one_sentence(maps, tables, call, sentence):
    with pytest.raises(MooFsError, match=sentence):
        call(maps, tables)


def test_compiled_and_plain_forms_agree_bit_for_bit(maps, tables):
    from moo_fs.coding import kernels

    cells: Cells = tables.select(np.array([4, 2, 0, 8, 1, 6]))
    wanted = cells.dequantise(maps * 1.5 - 0.2)
    rows = np.ascontiguousarray((maps * 1.5 - 0.2).transpose(0, 2, 3, 1)).reshape(-1, 6)
    out = np.empty_like(rows)
    last = (cells.levels - 1).astype(np.float32)
    kernels.dequantise_positions(rows, cells.offset, cells.scale, last, cells.centroids, out)
    assert (out.reshape(24, 16, 16, 6).transpose(0, 3, 1, 2) == wanted).all()
