"""Results come from the archive alone; fronts and hypervolumes equal slow, obvious twins."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from synthetic_archive import write_archive

from moo_fs import archive
from moo_fs.contracts import MooFsError
from moo_fs.results import SUMMARY, front_of, load_results, recheck, summarise, union_on_search, values_of
from moo_fs.worth import at_half_rate, sensitivity_correlations, step_distortion

OBJECTIVES = ("rate", "depth")


def frame(rows, run="a" * 12):
    values = pd.DataFrame(rows, columns=["rate_kbit", "depth"])
    labels = {"run": run, "measure": "random", "optimiser": "nsga2", "seed": 0, "trial": range(len(rows))}
    return pd.DataFrame(labels | {"bits": [bytes([at]) for at in range(len(rows))]}).join(values).assign(seconds=0.5)


def with_test(front, shift=0.0):
    return front.assign(rate_kbit_test=front["rate_kbit"], depth_test=front["depth"] + shift)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("archives") / "study")


def test_a_front_holds_the_rows_that_a_double_loop_keeps():
    rows = np.random.default_rng(0).uniform(0, 1, (60, 2))
    kept = {
        at for at, one in enumerate(rows) if not any((other <= one).all() and (other < one).any() for other in rows)
    }
    front = front_of(frame(rows), OBJECTIVES)
    assert set(front["trial"]) == kept
    assert front["rate_kbit"].is_monotonic_increasing


def test_a_summary_of_two_boxes_is_known_by_hand():
    # Box 10 x 1, points (2, .5) and (5, .1): area 3 x .5 + 5 x .9 = 6 of 10; corner 4 x .8: (4 - 2) x .3 = .6 of 3.2.
    trials = frame([(2.0, 0.5), (5.0, 0.1), (20.0, 0.05), (9.0, 0.9)])
    fronts = with_test(front_of(trials, OBJECTIVES), shift=0.1)
    effort = pd.DataFrame({"run": ["a" * 12], "repeats": [7], "scoring_evaluations": [2.5]})
    effort = effort.assign(scoring_seconds=1.0, seconds=3.0)
    row = summarise(trials, fronts, objectives=OBJECTIVES, reference=[10.0, 1.0], corner=[4.0, 0.8], effort=effort)
    assert list(row) == SUMMARY
    found = row.iloc[0]
    assert found["hypervolume_search"] == pytest.approx(0.6)
    assert found["hypervolume_test"] == pytest.approx((3 * 0.4 + 5 * 0.8) / 10)
    assert found["corner_search"] == pytest.approx(2 * 0.3 / 3.2)
    assert (found["beyond_reference"], found["evaluations"], found["repeats"]) == (1, 4, 7)
    assert found["scoring_evaluations"] == 2.5


def test_an_objective_below_zero_counts_as_zero():
    trials = frame([(5.0, -0.3)])
    fronts = with_test(front_of(trials, OBJECTIVES))
    row = summarise(trials, fronts, objectives=OBJECTIVES, reference=[10.0, 1.0], corner=[10.0, 1.0]).iloc[0]
    assert row["hypervolume_search"] == row["corner_test"] == 0.5
    assert row["seconds"] == 0.5


def test_an_archive_is_read_back_as_it_was_written(folder):
    results = load_results(folder)
    assert results.objectives == ("rate", "segmentation", "depth", "reconstruction")
    assert len(results.trials) == 4 * 3 * 3 * 60
    assert len(results.hypervolumes()) == 36
    assert results.reference.shape == results.corner.shape == (4,)
    assert results.measures == ["random", "l2-norm", "mutual-information", "sensitivity"]
    assert {"segmentation_miou", "rate_kbit_test", "depth_test"} <= set(results.fronts())
    assert set(results.baselines["baseline"]) == {"uniform", "uniform-step"}
    assert results.metrics["depth"] == ("rmse", "relative_error")


def test_fronts_and_hypervolumes_of_an_archive_equal_their_recomputation(folder):
    assert recheck(load_results(folder)) == []


def test_a_changed_hypervolume_is_found_by_recomputation(tmp_path):
    folder = write_archive(tmp_path / "study", seeds=1, evaluations=20, pictures=False)
    results = load_results(folder)
    wrong = results.hypervolumes()
    wrong.loc[3, "corner_test"] += 0.01
    object.__setattr__(results, "stored_summary", wrong)
    assert [fault for fault in recheck(results) if "corner_test" in fault and wrong.loc[3, "run"] in fault]
    object.__setattr__(results, "stored_fronts", results.fronts().iloc[1:])
    assert any("fronts.parquet" in fault for fault in recheck(results))


def test_what_is_returned_may_be_changed_without_changing_the_results(folder):
    results = load_results(folder)
    fronts, summary = results.fronts(), results.hypervolumes()
    fronts["depth"], summary["corner_test"] = -1.0, -1.0
    assert results.fronts()["depth"].min() >= 0
    assert results.hypervolumes()["corner_test"].min() >= 0


def test_a_union_of_fronts_is_chosen_on_the_search_part_alone(folder):
    fronts, objectives = load_results(folder).fronts(), ("rate", "segmentation", "depth", "reconstruction")
    union = union_on_search(fronts, objectives)
    rows, kept = values_of(fronts, objectives), values_of(union, objectives)
    dominated = [bool(((rows <= one).all(axis=1) & (rows < one).any(axis=1)).any()) for one in rows]
    assert 50 < len(union) < len(fronts)
    assert {tuple(row) for row in kept} == {tuple(row) for row in rows[~np.array(dominated)]}
    shuffled = fronts.assign(**{f"{name}_test": fronts[f"{name}_test"].to_numpy()[::-1] for name in objectives[1:]})
    assert union_on_search(shuffled, objectives)["bits"].tolist() == union["bits"].tolist()


@pytest.mark.parametrize("name", ["trials.parquet", "fronts.parquet", "baselines.parquet", "summary.csv"])
def test_an_archive_without_one_of_its_files_is_refused_by_name(tmp_path, name):
    folder = write_archive(tmp_path / "study", seeds=1, evaluations=10, pictures=False)
    (folder / name).unlink()
    with pytest.raises(MooFsError, match=name):
        load_results(folder)


def test_a_folder_without_an_archive_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(MooFsError, match="moo-fs run") as caught:
        load_results(tmp_path / "nowhere")
    assert "nowhere" in str(caught.value)


@pytest.mark.parametrize("damage", ["flip", "cut", "json", "keys"])
def test_a_damaged_archive_is_refused(tmp_path, damage):
    folder = write_archive(tmp_path / "study", seeds=1, evaluations=10, pictures=False)
    target, study = folder / "trials.parquet", folder / "study.json"
    content = bytearray(target.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        target.write_bytes(content)
    elif damage == "cut":
        target.write_bytes(content[:-10])
    elif damage == "json":
        study.write_text(study.read_text()[:-20])
    else:
        study.write_text(json.dumps({"name": "study", "files": {}}))
    with pytest.raises(MooFsError, match=r"study\.json"):
        load_results(folder)


def test_the_archive_hash_moves_with_any_file(tmp_path):
    one = write_archive(tmp_path / "one" / "study", seeds=1, evaluations=10, pictures=False)
    same = write_archive(tmp_path / "same" / "study", seeds=1, evaluations=10, pictures=False)
    other = write_archive(tmp_path / "other" / "study", seeds=1, evaluations=11, pictures=False)
    hashes = [load_results(folder).archive_hash for folder in (one, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_step_between_two_points_is_log_linear_and_nan_outside():
    assert step_distortion([4.0, 2.0], [0.1, 0.4], 3.0) == pytest.approx(0.2)
    assert step_distortion([2.0, 4.0], [0.4, 0.1], 4.0) == pytest.approx(0.1)
    assert step_distortion([2.0, 4.0], [0.4, 0.1], 2.0) == pytest.approx(0.4)
    assert step_distortion([2.0, 4.0], [0.4, -0.2], 3.0) == pytest.approx(0.1)
    assert np.isnan(step_distortion([2.0, 4.0], [0.4, 0.1], 4.1))
    assert np.isnan(step_distortion([2.0, 4.0], [0.4, 0.1], 1.9))
    assert np.isnan(step_distortion([], [], 1.9))


def test_what_is_worth_searching_is_chosen_on_the_search_part_and_measured_on_the_test_part(folder):
    results = load_results(folder)
    worth = at_half_rate(results)
    fronts, half = results.fronts(), results.baselines.loc[0, "rate_kbit"] / 2
    row = fronts[(fronts["run"] == worth.run) & (fronts["trial"] == worth.trial)].iloc[0]
    assert worth.limit == half
    assert row["rate_kbit"] <= half
    assert worth.found.tolist() == [row[f"{task}_test"] for task in results.tasks]
    low = fronts[fronts["rate_kbit"] <= half]
    steps = results.baselines[results.baselines["baseline"] == "uniform-step"]
    target = [step_distortion(steps["rate_kbit"], steps[task], half) for task in results.tasks]
    shares = low[list(results.tasks)].to_numpy() / target
    best = np.maximum(shares.max(axis=1) / 0.9, shares.mean(axis=1) / 0.75).min()
    mine = row[list(results.tasks)].to_numpy(dtype=float) / target
    assert max(mine.max() / 0.9, mine.mean() / 0.75) == pytest.approx(best)


def test_sensitivities_correlate_as_their_ranks_do(folder):
    results = load_results(folder)
    table = sensitivity_correlations(results)
    assert len(table) == 3
    scores = results.scores[(results.scores["measure"] == "sensitivity") & (results.scores["seed"] == 0)]
    ranks = [scores.loc[scores["task"] == task, "score"].rank().to_numpy() for task in ("segmentation", "depth")]
    truth = np.corrcoef(*ranks)[0, 1]
    assert table.loc[0, "lowest"] - 1e-9 <= truth <= table.loc[0, "highest"] + 1e-9


def test_without_a_step_baseline_or_sensitivities_nothing_is_claimed(tmp_path):
    folder = write_archive(tmp_path / "s", seeds=1, evaluations=10, steps=0, scored=False, pictures=False)
    results = load_results(folder)
    assert at_half_rate(results) is None
    assert sensitivity_correlations(results).empty
    assert results.scores.empty
    assert results.examples.empty
    assert archive.verify(folder) == []
