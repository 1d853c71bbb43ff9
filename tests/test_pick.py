"""Picking an allocation to deploy: the bounds are on the test part, over all runs' fronts."""

from __future__ import annotations

import json

import pytest
from synthetic_archive import write_archive

from moo_fs.contracts import BoundsError, MooFsError
from moo_fs.pick import pick
from moo_fs.results import load_results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_results(write_archive(tmp_path_factory.mktemp("pick") / "study", evaluations=30))


def test_the_lowest_rate_that_meets_the_bounds_is_picked(results):
    bounds = {"segmentation": 0.4, "depth": 0.3}
    fronts = results.fronts()
    meets = fronts[(fronts["segmentation_test"] <= 0.4) & (fronts["depth_test"] <= 0.3)]
    found = pick(results, bounds)
    assert len(meets) > 1
    assert found.objectives["rate"] == meets["rate_kbit_test"].min()
    assert all(found.objectives[name] <= limit for name, limit in bounds.items())


def test_with_a_bounded_rate_the_lowest_mean_distortion_is_picked(results):
    fronts = results.fronts()
    meets = fronts[(fronts["rate_kbit_test"] <= 6.0) & (fronts["depth_test"] <= 0.9)]
    found = pick(results, {"rate": 6.0, "depth": 0.9})
    means = meets[["segmentation_test", "depth_test", "reconstruction_test"]].mean(axis=1)
    assert found.objectives["rate"] <= 6.0
    assert sum(found.objectives[task] for task in results.tasks) / 3 == pytest.approx(means.min())


def test_a_pick_is_the_row_that_it_names(results):
    found = pick(results, {"depth": 0.5}).as_dict()
    fronts = results.fronts()
    row = fronts[(fronts["run"] == found["run"]) & (fronts["trial"] == found["trial"])].iloc[0]
    assert bytes(found["bits"]) == row["bits"]
    assert found["metrics"]["segmentation_miou"] == row["segmentation_miou"]
    assert set(found) == {"run", "trial", "bits", "objectives", "metrics"}
    assert set(found["metrics"]) == {"segmentation_miou", "segmentation_accuracy", "depth_rmse"} | {
        "depth_relative_error",
        "reconstruction_psnr_db",
    }
    assert json.loads(json.dumps(found)) == found


def test_a_bound_on_the_search_part_is_not_what_counts(results):
    fronts = results.fronts()
    tight = float(fronts["rate_kbit_test"].min())
    assert fronts["rate_kbit"].min() < tight
    assert pick(results, {"rate": tight}).objectives["rate"] == tight
    with pytest.raises(BoundsError):
        pick(results, {"rate": tight * 0.999})


def test_without_bounds_the_lowest_rate_is_picked(results):
    assert pick(results).objectives["rate"] == results.fronts()["rate_kbit_test"].min()


def test_bounds_that_nothing_meets_name_the_nearest(results):
    with pytest.raises(BoundsError, match=r"the nearest is run [0-9a-f]{12} trial \d+: rate") as caught:
        pick(results, {"rate": 2.0, "depth": 0.01})
    assert "\n" not in str(caught.value)


def test_an_objective_that_does_not_exist_is_refused_with_a_suggestion(results):
    with pytest.raises(MooFsError, match="did you mean 'depth'") as caught:
        pick(results, {"dept": 0.1})
    assert not isinstance(caught.value, BoundsError)


@pytest.mark.parametrize("value", [float("nan"), "0.1", True, None])
def test_a_bound_that_is_no_number_is_refused(results, value):
    with pytest.raises(MooFsError, match="finite number"):
        pick(results, {"depth": value})
