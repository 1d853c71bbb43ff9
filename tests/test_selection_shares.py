"""Delta rates and shares of the task weights of a selection study whose answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_selection import BYTES, FALLING, by, curve, study, two_measures

from moo_fs import selection_findings
from moo_fs.selection_curves import RELATIVE, Way, image_copies
from moo_fs.selection_findings import (
    delta_rates,
    hard_way,
    weight_shares,
)
from moo_fs.task_weights import LOSS_SPAN


@pytest.fixture(autouse=True)
def _few_replicates(monkeypatch):
    monkeypatch.setattr(selection_findings, "image_copies", lambda images: image_copies(images, 12))


# Delta rates


def rates_against(curves, way, anchor=None, **sizes):
    results = study(curves, **sizes)
    found = delta_rates(results, "net", anchor or Way("one-qp"), [way], over=[way])
    return found.set_index("task")


def test_twice_the_bytes_for_the_same_losses_are_a_hundred_percent_more():
    def curves(subject, seed):
        return curve(subject, "one-qp", FALLING) + curve(subject, "soft", FALLING, 2 * BYTES, **by("good"))

    found = rates_against(curves, Way("soft", "good"))
    assert found["way"].tolist() == ["good"] * 3
    for column in ("mean", "low", "high", "lowest", "highest", "image_low", "image_high"):
        np.testing.assert_allclose(found[column], 100, rtol=1e-4)
    assert (found["blocks"] == 12).all()
    assert (found["reason"] == "").all()
    results = study(curves)
    turned = delta_rates(results, "net", Way("soft", "good"), [Way("one-qp")], over=[])
    np.testing.assert_allclose(turned["mean"], -50, rtol=1e-6)
    assert "image_low" not in turned


def test_images_that_differ_give_a_delta_rate_an_interval_of_its_own():
    def curves(subject, seed):
        rows = curve(subject, "soft", FALLING, 2 * BYTES, **by("good", spread=0.5))
        return curve(subject, "one-qp", FALLING, spread=0.0) + rows

    found = rates_against(curves, Way("soft", "good"))
    np.testing.assert_allclose(found[["mean", "low", "high"]], 100, rtol=1e-6)  # all blocks are alike, images are not
    assert (found["image_low"] < 95).all()
    assert (found["image_high"] > 105).all()


def test_what_needs_no_scores_counts_once_a_subject():
    def curves(subject, seed):
        return curve(subject, "one-qp", FALLING) + curve(subject, "klt", FALLING, BYTES / 2)

    found = rates_against(curves, Way("klt"))
    np.testing.assert_allclose(found["mean"], -50, rtol=1e-6)
    assert (found["all_blocks"] == 3).all()
    assert found["low"].isna().all()


def test_below_twelve_blocks_a_delta_rate_has_a_range_only():
    def curves(subject, seed):
        sizes = BYTES * (2 if seed else 4)
        return curve(subject, "one-qp", FALLING) + curve(subject, "soft", FALLING, sizes, **by("good"))

    found = rates_against(curves, Way("soft", "good"), subjects=1, seeds=2)
    np.testing.assert_allclose(found["mean"], 200, rtol=1e-6)
    np.testing.assert_allclose(found["lowest"], 100, rtol=1e-6)
    np.testing.assert_allclose(found["highest"], 300, rtol=1e-6)
    assert found[["low", "high"]].isna().all(axis=None)


def test_losses_that_do_not_overlap_give_no_delta_rate_but_a_reason():
    def curves(subject, seed):
        rows = curve(subject, "one-qp", FALLING)
        far = FALLING + np.array([5.0, 0.0, 0.0]) if seed == 0 else FALLING
        return rows + curve(subject, "soft", far, 2 * BYTES, **by("good"))

    found = rates_against(curves, Way("soft", "good"))
    assert found["blocks"].tolist() == [9, 12, 12]
    assert found.loc["segmentation", "reason"].startswith("no overlap: the anchor's losses are 0 to 1")
    np.testing.assert_allclose(found["mean"], 100, rtol=1e-6)
    assert np.isnan(found.loc["segmentation", "low"])  # nine blocks
    assert np.isnan(found.loc["segmentation", "image_low"])
    assert delta_rates(study(curves), "net", Way("one-qp"), [Way("absent")], over=[]).empty


def test_a_delta_rate_says_over_which_losses_it_is_a_mean():
    def curves(subject, seed):
        part = FALLING * 0.6 if seed else FALLING * 0.6 + 0.1
        return curve(subject, "one-qp", FALLING) + curve(subject, "soft", part, 2 * BYTES, **by("good"))

    found = rates_against(curves, Way("soft", "good"))
    np.testing.assert_allclose(found["loss_low"], 0, atol=1e-12)
    np.testing.assert_allclose(found["loss_high"], 0.7, rtol=1e-12)


def test_bytes_that_are_the_same_in_every_stream_can_be_taken_off_both_sides():
    def curves(subject, seed):
        return curve(subject, "one-qp", FALLING, BYTES + 50, fixed_bytes=50.0) + curve(
            subject, "soft", FALLING, 3 * BYTES + 90, **by("good", fixed_bytes=90.0)
        )

    results, way = study(curves), Way("soft", "good")
    deployed = delta_rates(results, "net", Way("one-qp"), [way], over=[way], deployed=True)
    np.testing.assert_allclose(deployed["mean"], 200, rtol=1e-6)
    assert "image_low" not in deployed
    assert (delta_rates(results, "net", Way("one-qp"), [way])["mean"] < 199).all()
    without = {"unknown": {"fixed_bytes": np.nan}, "older": {}}
    for told in without.values():
        lacking = study(
            lambda subject, seed, told=told: (
                curve(subject, "one-qp", FALLING, **told) + curve(subject, "soft", FALLING, **by("good", **told))
            )
        )
        assert delta_rates(lacking, "net", Way("one-qp"), [way], deployed=True).empty
        assert len(delta_rates(lacking, "net", Way("one-qp"), [way])) == 3


# Shares of task weights


def shares(curves, how, **sizes):
    results = study(curves, **sizes)
    return weight_shares(results, "net", [hard_way(results, name) for name in ("good", "poor")], how)


@pytest.mark.parametrize("how", [LOSS_SPAN, RELATIVE])
def test_a_measure_that_dominates_is_the_best_for_all_task_weights(how):
    found = shares(two_measures, how)
    assert (found["rates"][0], found["rates"][-1]) == (1000, 10000)
    np.testing.assert_allclose(found["shares"].value, np.tile([1.0, 0.0], (25, 1)))
    np.testing.assert_allclose(found["mean"].value, [1, 0])
    np.testing.assert_allclose([found["mean"].low, found["mean"].high], [[1, 0], [1, 0]])
    np.testing.assert_allclose(found["pairs"].value, [[0.5, 1], [0, 0.5]])
    if how == LOSS_SPAN:
        np.testing.assert_allclose([found["images"].low, found["images"].high], [[1, 0], [1, 0]])
    else:
        assert found["images"] is None


def conflicting(subject, seed):
    """`good` is better for segmentation and as much worse for the two others: the best on w > 1/2, a quarter."""
    good, poor = FALLING + np.array([0.0, 0.2, 0.2]), FALLING + np.array([0.2, 0.0, 0.0])
    return curve(subject, "hard", good, **by("good")) + curve(subject, "hard", poor, **by("poor"))


def test_shares_are_areas_and_depend_on_the_unit_of_a_task():
    span = shares(conflicting, LOSS_SPAN)
    np.testing.assert_allclose(span["mean"].value, [0.25, 0.75])
    np.testing.assert_allclose(span["images"].value, [0.25, 0.75])
    np.testing.assert_allclose(span["images"].low, [0.25, 0.75], atol=1e-5)
    # Relative gaps are (-.1, .2, .6): the corner of segmentation up to 1/3 and 1/7 of its sides.
    np.testing.assert_allclose(shares(conflicting, RELATIVE)["mean"].value, [1 / 21, 20 / 21])


def test_below_twelve_blocks_a_share_has_a_range_only():
    def curves(subject, seed):
        return two_measures(subject, seed) if seed else conflicting(subject, seed)

    found = shares(curves, LOSS_SPAN, subjects=1, seeds=2)
    assert np.isnan([found["mean"].low, found["mean"].high]).all()
    assert np.isnan(found["shares"].low).all()
    np.testing.assert_allclose(found["mean"].lowest, [0.25, 0])
    np.testing.assert_allclose(found["mean"].highest, [1, 0.75])
    np.testing.assert_allclose(found["mean"].value, [0.625, 0.375])
