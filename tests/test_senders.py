"""Senders: what the server receives, what it costs, and what the heads then make of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sent import ORDER, TASKS, assert_alike, depth_distortion, maps_of, means_of, spied
from tiny import CHANNELS, tiny_model
from torch import nn

import moo_fs
from moo_fs import registry
from moo_fs.coding.quantiser import HEADER_KBIT, uniform_step
from moo_fs.contracts import MooFsError
from moo_fs.loading import load_subject
from moo_fs.prepared import Prepared
from moo_fs.senders import whole
from moo_fs.senders.hard import hard, hard_cells, kept_count, order_of
from moo_fs.senders.points import evaluator


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    torch.set_num_threads(1)
    return Prepared(tiny_model())


# Orders and hard selection


def test_the_order_is_by_weighted_scores_each_task_over_its_largest():
    scores = np.array([[10.0, 0.1], [0.0, 0.4], [9.0, 0.3]])
    assert order_of(scores, np.array([1.0, 0.0])).tolist() == [0, 2, 1]
    assert order_of(scores, np.array([0.0, 1.0])).tolist() == [1, 2, 0]
    # 1 + .25, 0 + 1, .9 + .75: without the division by 10 and .4 channel 0 would be first
    assert order_of(scores, np.array([0.5, 0.5])).tolist() == [2, 0, 1]


def test_equal_scores_keep_the_order_of_the_channels_and_negative_ones_equal_zero():
    assert order_of(np.array([[1.0], [-5.0], [2.0], [0.0], [1.0]]), np.ones(1)).tolist() == [2, 0, 4, 1, 3]
    assert order_of(np.zeros((4, 2)), np.array([0.5, 0.5])).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("channels", "share", "count"), [(64, 0.1, 6), (10, 0.25, 3), (5, 0.5, 3), (10, 0.24, 2), (6, 0.01, 1), (7, 1.0, 7)]
)
def test_a_share_is_the_nearest_number_of_channels_halves_up_and_at_least_one(channels, share, count):
    assert kept_count(channels, share) == count


@pytest.mark.parametrize("fill", ["mean", "zero"])
def test_channels_not_sent_stand_at_their_mean_over_the_fit_part_or_at_zero(prepared, fill):
    kept, dropped = ORDER[:2], ORDER[2:]
    found = hard_cells(prepared, ORDER, kept=2, depth=3, fill=fill).dequantise(maps_of(prepared))
    sent = prepared.tables.depth(3).dequantise(maps_of(prepared))
    np.testing.assert_array_equal(found[:, kept], sent[:, kept])
    wanted = means_of(prepared)[dropped] if fill == "mean" else np.zeros(4)
    np.testing.assert_allclose(found[:, dropped], np.broadcast_to(wanted[None, :, None, None], (7, 4, 4, 4)), rtol=1e-5)
    (point,) = hard(prepared, "test", ORDER, kept=[0.33], depth=3, fills=[fill], codecs=["ans"])
    assert point.labels == {"method": "hard", "fill": fill, "kept": 2, "codec": "ans", "setting": 3.0}
    assert point.outcome.distortions["depth"] == pytest.approx(depth_distortion(prepared, found), rel=1e-4)


def test_a_fill_is_free(prepared):
    mean, zero = hard(prepared, "test", ORDER, kept=[0.5], depth=4, fills=["mean", "zero"], codecs=["ans"])
    assert mean.outcome.coded_bytes == zero.outcome.coded_bytes
    assert mean.outcome.rate_kbit == zero.outcome.rate_kbit
    assert mean.outcome.distortions != zero.outcome.distortions


def test_hard_selection_of_all_channels_is_uniform_8(prepared):
    (point,) = hard(prepared, "test", ORDER, kept=[1.0], depth=8, fills=["mean"], codecs=["ans"])
    last = list(whole.uniform(prepared, "test"))[-1]
    assert last.labels["setting"] == 8
    assert (point.outcome.rate_kbit, point.outcome.coded_bytes) == (last.outcome.rate_kbit, last.outcome.coded_bytes)
    assert_alike(point.outcome, last.outcome)
    assert_alike(point.outcome, prepared.uniform(8, "test", metrics=True))


def test_shares_of_the_same_number_of_channels_are_one_point(prepared):
    points = list(hard(prepared, "test", ORDER, kept=[0.5, 0.51, 1], depth=8, fills=["mean"], codecs=["ans", "png"]))
    assert [(point.labels["kept"], point.labels["codec"]) for point in points] == [
        (3, "ans"),
        (3, "png"),
        (6, "ans"),
        (6, "png"),
    ]
    assert_alike(points[0].outcome, points[1].outcome)  # both codecs are lossless: only the bytes differ
    assert points[0].outcome.coded_bytes != points[1].outcome.coded_bytes


def test_lossless_codecs_differ_in_bytes_alone_and_their_headers_are_told(prepared):
    codecs = ["ans", "ans-raw", "png", "hevc", "hevc-sequence", "jpeg-xl", "jpeg-ls"]
    points = list(hard(prepared, "test", ORDER, kept=[0.5], depth=8, fills=["mean"], codecs=codecs))
    symbols = hard_cells(prepared, ORDER, kept=3, depth=8, fill="mean").symbols(maps_of(prepared))
    for point, name in zip(points, codecs, strict=True):
        assert_alike(point.outcome, points[0].outcome)
        coder = registry.codecs.load(name)(hard_cells(prepared, ORDER, kept=3, depth=8, fill="mean"))
        codes = coder.codes(symbols) if name == "hevc-sequence" else [coder.encode(one) for one in symbols]
        assert point.outcome.coded_bytes == pytest.approx(np.mean([len(code) for code in codes]) + 12)
        sizes = point.sizes.columns()
        told = {"hevc": 78, "hevc-sequence": 78 / 7, "png": 33, "jpeg-ls": 25}.get(name, 0)  # 7 images
        assert sizes["fixed_bytes"] == pytest.approx(told)
        assert sizes["payload_bytes"] == pytest.approx(np.mean([len(code) for code in codes]) - told - 4)
        assert (sizes["header_bytes"], sizes["nominal_bytes"]) == (16, 3 * 16)
    assert len({point.outcome.coded_bytes for point in points}) == len(codecs) - 1  # no table of these fails to pay


# What is received


@pytest.mark.parametrize("depths", [[1, 0, 3, 2, 8, 0], [0] * 6, [8] * 6])
def test_received_maps_count_as_what_the_quantiser_makes_of_the_part(prepared, depths):
    cells = prepared.tables.select(np.array(depths, np.int8))
    measured = evaluator(prepared, "test")
    quantised = measured.quantised(cells)
    received = measured.received(cells.dequantise(maps_of(prepared)), rate_kbit=1.0, coded_bytes=2.0)
    assert (received.rate_kbit, received.coded_bytes) == (1.0, 2.0)
    for task in TASKS:
        np.testing.assert_array_equal(received.sums[task], quantised.sums[task])
    assert_alike(received, quantised)


def test_the_untouched_features_have_no_distortion_and_other_shapes_are_refused(prepared):
    measured = evaluator(prepared, "test")
    clean = measured.received(maps_of(prepared), rate_kbit=np.nan, coded_bytes=np.nan)
    assert clean.distortions == dict.fromkeys(TASKS, 0.0)
    assert clean.metrics == measured.uncompressed
    with pytest.raises(MooFsError, match=r"features: wanted shape \(7, 6, 4, 4\), got \(6, 6, 4, 4\)"):
        measured.received(maps_of(prepared)[1:], rate_kbit=1, coded_bytes=1)


def test_a_closed_form_has_nothing_to_send():
    with pytest.raises(MooFsError, match="wanted a network for a selection study, got a closed form"):
        evaluator(load_subject("linear-gaussian", options={"channels": 4}), "test")


# Transforms


def test_the_transform_is_orthonormal_and_leaves_no_covariance(prepared):
    maps = maps_of(prepared, "fit")
    mean, basis = whole._principal(maps)
    np.testing.assert_allclose(basis.T @ basis, np.eye(CHANNELS), atol=1e-12)
    np.testing.assert_allclose(mean, maps.mean((0, 2, 3)), rtol=1e-5)
    rows = whole._turned(maps, mean, basis).transpose(0, 2, 3, 1).reshape(-1, CHANNELS)
    covariance = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-6)
    assert (np.diff(np.diag(covariance)) <= 1e-9).all()  # from the largest variance to the smallest


def test_with_a_small_step_the_features_come_back_from_the_transform(prepared, monkeypatch):
    maps = maps_of(prepared, "fit")
    step = float(np.ptp(whole._turned(maps, *whole._principal(maps)))) / 250  # 256 symbols still reach the ends
    monkeypatch.setattr(whole, "step_ladder", lambda maps, count: [step])
    seen = spied(prepared, monkeypatch, "fit")
    (point,) = whole.klt(prepared, "fit")
    # An orthonormal basis keeps lengths: each of 6 components is off by half a step at most.
    assert np.abs(seen[0] - maps).max() <= np.sqrt(CHANNELS) * step / 2
    assert (seen[0].min((0, 2, 3)) >= maps.min((0, 2, 3))).all()
    assert max(point.outcome.distortions.values()) < 0.01


class Twice(nn.Module):
    """Two channels that are one: the image's first, and the same with a sign and an offset."""

    def forward(self, images):
        first = images[:, :1]
        return torch.cat([first, 1 - first], 1)


def twin_model():
    def data(part):
        images = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(len(part)))
        return images, {"values": images[:, 0]}

    class Head(nn.Module):
        def forward(self, features):
            return features[:, 0]

    tasks = [moo_fs.Task("values", kind="values")]
    return moo_fs.SplitModel(name="twins", edge=Twice(), heads={"values": Head()}, tasks=tasks, data=data)


def test_two_perfectly_correlated_channels_cost_about_what_one_does(monkeypatch):
    # (x, 1 - x) turned is (sqrt(2) x, 0): with step sqrt(2) s it has the symbols of x with step s, and nothing else.
    twins = Prepared(twin_model())
    step = 0.02
    monkeypatch.setattr(whole, "step_ladder", lambda maps, count: [np.sqrt(2) * step])
    (turned,) = whole.klt(twins, "test")
    maps = maps_of(twins, "fit")
    one = uniform_step(maps[:, :1], step=step).rate_kbit(maps_of(twins)[:, :1])
    assert turned.outcome.rate_kbit - HEADER_KBIT == pytest.approx(one, rel=0.03)
    monkeypatch.setattr(whole, "step_ladder", lambda maps, count: [step])
    (plain,) = whole.uniform_steps(twins, "test")
    assert plain.outcome.rate_kbit - HEADER_KBIT == pytest.approx(2 * one, rel=0.03)
    assert turned.outcome.distortions["values"] == pytest.approx(plain.outcome.distortions["values"], rel=0.05)
    assert turned.outcome.coded_bytes == pytest.approx(turned.outcome.rate_kbit * 125, rel=0.03)


def test_baselines_without_scores_are_those_of_every_search(prepared):
    rows = prepared.baselines()
    found = [*whole.uniform(prepared, "test"), *whole.uniform_steps(prepared, "test")]
    assert [point.labels["method"] for point in found] == rows["baseline"].tolist()
    np.testing.assert_allclose([point.outcome.coded_bytes for point in found], rows["coded_bytes"])
    np.testing.assert_allclose([point.outcome.distortions["depth"] for point in found], rows["depth_test"], rtol=1e-9)


def test_an_allocation_is_sent_as_it_is_evaluated(prepared):
    bits = np.array([1, 0, 3, 2, 8, 0], np.int8)
    (point,) = whole.allocations(prepared, "test", [bits])
    assert point.labels == {"method": "allocation", "kept": 4, "codec": "ans", "setting": 0.0}
    assert_alike(point.outcome, prepared.evaluator("test").outcome(bits, metrics=True))
