"""What a selection study finds, on archives whose answer is known beforehand."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from synthetic_selection import BYTES, FALLING, TASKS, by, curve, study, two_measures

from moo_fs.contrasts import holm, signed_rank_p
from moo_fs.selection_curves import RELATIVE, Block, Way, blocks_of, curve_of, distortions_of, families
from moo_fs.selection_findings import (
    contrasts,
    hard_way,
    mean_distortions,
    measures_of,
    order_agreements,
    rates_of,
    weight_shares,
    with_holm,
)
from moo_fs.task_weights import LOSS_SPAN

# Blocks and curves


def test_trainings_of_one_recipe_are_one_family_and_a_block_is_one_draw_on_one_of_them():
    results = study(two_measures)
    assert families(results) == {"net": ["net[draw=0]", "net[draw=1]", "net[draw=2]"]}
    assert len(blocks_of(results, "net")) == 12
    assert blocks_of(results, "net")[5] == Block("net[draw=1]", 1)
    assert measures_of(results) == ["good", "poor"]


def test_a_way_has_its_own_rows_only():
    def curves(subject, seed):
        other = FALLING + seed
        rows = curve(subject, "hard", other, **by("good")) + curve(
            subject, "hard", FALLING + 7, **by("good", fill="zero")
        )
        rows += curve(subject, "hard", FALLING + 8, **by("good", task_weights="depth"))
        return rows + curve(subject, "one-qp", FALLING + 9)

    results = study(curves, subjects=2)
    block = Block("net[draw=1]", 3)
    wanted = [(hard_way(results, "good"), 3), (hard_way(results, "good", "depth"), 8), (Way("one-qp"), 9)]
    for way, offset in wanted:
        np.testing.assert_array_equal(curve_of(results, way, block).losses, FALLING + offset)
    assert curve_of(results, hard_way(results, "absent"), block) is None


def test_relative_distortions_are_in_the_units_of_the_tasks():
    results = study(two_measures, subjects=1, seeds=1)
    rows = hard_way(results, "good").rows(results, Block("net[draw=0]", 0))
    found = distortions_of(results, rows, RELATIVE)
    # Of .8 mIoU half of the distortion is lost; RMSE and MSE grow from 1 by one and by three times the distortion.
    np.testing.assert_allclose(found, FALLING * [0.5, 1, 3], atol=1e-12)


# At equal bytes


def test_distortions_are_compared_at_the_bytes_that_all_ways_reach():
    results = study(two_measures, subjects=1, seeds=2)
    ways = [hard_way(results, name) for name in ("good", "poor")]
    rates = rates_of(results, ways, Block("net[draw=0]", 0))
    assert (rates[0], rates[-1], len(rates)) == (1000, 10000, 25)
    found = mean_distortions(results, "net", ways)
    assert len(found) == 2 * 2 * 3
    # Lines over the log bytes: the mean of .5 and 0, and of .6 and .2.
    np.testing.assert_allclose(found.loc[found["way"] == "good", "distortion"], 0.25, rtol=1e-9)
    np.testing.assert_allclose(found.loc[found["way"] == "poor", "distortion"], 0.4, rtol=1e-9)
    assert set(found["low_bytes"]) == {1000}
    assert set(found["high_bytes"]) == {10000}
    alone = mean_distortions(results, "net", ways[:1])
    np.testing.assert_allclose(alone["distortion"], 0.5, rtol=1e-9)


def test_ways_without_common_bytes_are_not_compared():
    def apart(subject, seed):
        far = curve(subject, "hard", FALLING, BYTES * 1000, **by("far"))
        return curve(subject, "hard", FALLING, **by("good")) + far

    results = study(apart, subjects=1)
    ways = [hard_way(results, name) for name in ("good", "far")]
    assert not len(rates_of(results, ways, Block("net[draw=0]", 0)))
    assert mean_distortions(results, "net", ways).empty
    assert weight_shares(results, "net", ways, LOSS_SPAN) is None


def test_what_stands_beside_the_ways_is_read_at_their_rates_and_narrows_nothing():
    def curves(subject, seed):
        short = curve(subject, "uniform", FALLING[1:], BYTES[1:])
        return two_measures(subject, seed) + curve(subject, "uniform-step", FALLING / 2) + short

    results = study(curves, subjects=1, seeds=2)
    ways, beside = [hard_way(results, "good")], [Way("uniform-step"), Way("uniform")]
    found = mean_distortions(results, "net", ways, beside=beside).groupby("way")["distortion"]
    assert found.count().to_dict() == {"good": 6, "uniform-step": 6, "uniform": 0}  # NaN: not from 100 bytes on
    np.testing.assert_allclose(found.first()["good"], 0.5, rtol=1e-9)
    np.testing.assert_allclose(found.first()["uniform-step"], 0.25, rtol=1e-9)


def values_of(gaps, tasks=("depth",)):
    """Distortions of `ours`, below `theirs` by the gaps (pair,)."""
    rows = [
        {
            "subject": f"s{at // 4}",
            "seed": at % 4,
            "task": task,
            "way": way,
            "distortion": 0.5 - (gap if way == "ours" else 0),
        }
        for task in tasks
        for at, gap in enumerate(gaps)
        for way in ("theirs", "ours")
    ]
    return pd.DataFrame(rows)


def test_a_contrast_below_zero_says_that_ours_is_better():
    gaps = 0.01 * np.arange(1, 13)
    found = contrasts(values_of(gaps), [("ours", "theirs"), ("theirs", "ours")], ["depth"])
    first, second = found.to_dict("records")
    assert (first["way"], first["against"], first["pairs"]) == ("ours", "theirs", 12)
    assert first["median"] == pytest.approx(-0.065)
    assert (first["lowest"], first["highest"]) == (pytest.approx(-0.12), pytest.approx(-0.01))
    assert first["low"] < first["median"] < first["high"] < 0 < second["low"]
    assert second["median"] == pytest.approx(0.065)
    assert (first["a12"], second["a12"]) == (1, 0)
    # All twelve signs alike: 2 of 2^12 ways; and twice that after Holm, over both rows.
    assert first["p"] == pytest.approx(2 / 2**12)
    assert first["p_holm"] == pytest.approx(4 / 2**12)


def test_holms_family_is_all_contrasts_of_all_tasks():
    gaps = np.array([0.1, -0.2, 0.3, 0.4, 0.5, 0.6, 0.7, -0.8, 0.9, 1.0, 1.1, 1.2])
    values = pd.concat([values_of(gaps), values_of(abs(gaps), ["segmentation"])])
    found = contrasts(values, [("ours", "theirs")], ["depth", "segmentation"])
    wanted = [signed_rank_p(-gaps), signed_rank_p(-abs(gaps))]
    np.testing.assert_allclose(found["p"], wanted)
    np.testing.assert_allclose(found["p_holm"], holm(wanted))
    assert found["p_holm"][1] == 2 * wanted[1]


def test_holm_over_tables_put_together_counts_all_their_rows_and_needs_every_p():
    single = contrasts(values_of(0.01 * np.arange(1, 13)), [("ours", "theirs")], ["depth"])
    assert single["p_holm"].tolist() == single["p"].tolist()
    found = with_holm(pd.concat([single] * 5, ignore_index=True))
    np.testing.assert_allclose(found["p_holm"], 5 * single["p"][0])
    assert with_holm(found.assign(p=[np.nan, *found["p"][1:]]))["p_holm"].isna().all()


def test_below_twelve_pairs_there_is_a_range_but_no_p_and_no_interval():
    (row,) = contrasts(values_of(0.01 * np.arange(1, 12)), [("ours", "theirs")], ["depth"]).to_dict("records")
    assert (row["pairs"], row["lowest"], row["highest"]) == (11, pytest.approx(-0.11), pytest.approx(-0.01))
    assert np.isnan([row[name] for name in ("low", "high", "p", "p_holm")]).all()
    assert contrasts(values_of([0.1]), [("ours", "absent")], ["depth"]).empty


# Orders


def scored(values, measure="mi", subjects=3, seeds=4):
    """Rows of scores: `values(task, subject, seed)` are (channel,)."""
    return [
        {
            "subject": f"net[draw={subject}]",
            "measure": measure,
            "seed": seed,
            "task": task,
            "channel": at,
            "score": score,
        }
        for subject, seed, task in itertools.product(range(subjects), range(seeds), TASKS)
        for at, score in enumerate(values(task, subject, seed))
    ]


def agreements(values, **sizes):
    results = study(two_measures, scores=scored(values, **sizes), **sizes)
    found = order_agreements(results, "net", "mi")
    return {(row["what"], row["first"], row["second"]): row for row in found.to_dict("records")}


def test_orders_of_two_tasks_agree_as_planted_and_draws_of_one_task_agree_fully():
    order = np.array([3.0, 1, 4, 1.5, 9])
    planted = {"segmentation": order, "depth": np.exp(order), "reconstruction": -order}
    found = agreements(lambda task, subject, seed: planted[task])
    assert found["tasks", "segmentation", "depth"]["mean"] == pytest.approx(1)
    assert found["tasks", "segmentation", "reconstruction"]["mean"] == pytest.approx(-1)
    assert found["tasks", "depth", "reconstruction"]["high"] == pytest.approx(-1)
    for task in TASKS:
        assert found["draws", task, task]["mean"] == pytest.approx(1)
    assert len(found) == 6


def test_draws_that_turn_the_order_around_agree_by_the_mean_over_the_others():
    # Four draws, the last one reversed: the first three agree with two of three, the last with none.
    found = agreements(lambda task, subject, seed: np.arange(5.0) * (-1 if seed == 3 else 1))
    row = found["draws", "depth", "depth"]
    assert row["mean"] == pytest.approx(np.mean([1 / 3, 1 / 3, 1 / 3, -1]))
    assert (row["lowest"], row["highest"]) == (pytest.approx(-1), pytest.approx(1 / 3))
    assert row["low"] < row["mean"] < row["high"]


def test_a_constant_column_has_no_order_and_one_draw_has_no_other():
    found = agreements(lambda task, subject, seed: np.zeros(5), seeds=1)
    assert found["tasks", "segmentation", "depth"]["mean"] == 0
    assert {what for what, *_ in found} == {"tasks"}
    assert np.isnan(found["tasks", "segmentation", "depth"]["low"])  # three blocks


def test_one_stream_of_the_best_channels_is_not_a_base_without_its_enhancement():
    def curves(subject, seed):
        # With both methods and one codec, rows of the two differ in the base's share alone.
        return curve(subject, "hard", FALLING + 7, **by("good")) + curve(
            subject, "hard", FALLING, **by("good", base_share=0.25)
        )

    results = study(curves, subjects=1)
    found = curve_of(results, hard_way(results, "good"), Block("net[draw=0]", 0))
    np.testing.assert_array_equal(found.losses, FALLING + 7)
