"""Channel groups: one depth for all channels of a group in the search, one depth a channel everywhere else."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import optuna
import pytest
from tiny import CHANNELS, tiny_model

import moo_fs
from moo_fs import decoding, prepared
from moo_fs.contracts import MooFsError
from moo_fs.groups import Groups, equal_groups
from moo_fs.loading import load_subject
from moo_fs.results import allocations
from moo_fs.seeds import stream
from moo_fs.space import Space

OWN = f"""
import sys
sys.path.insert(0, r"{Path(__file__).parent}")
import torch
from torch import nn
import moo_fs
import tiny
from tiny import tiny_model

def subject(device):
    return tiny_model()

def wide(device):
    torch.manual_seed(1)
    edge = nn.Sequential(nn.Conv2d(3, 512, 8, 8), nn.ReLU())
    head = nn.Sequential(nn.Conv2d(512, 192, 1), nn.PixelShuffle(8), nn.Sigmoid())
    def data(part):
        images = tiny.images_of(part)
        return images, {{"reconstruction": images}}
    tasks = [moo_fs.Task("reconstruction", kind="image")]
    return moo_fs.SplitModel(name="wide", edge=edge, heads={{"reconstruction": head}}, tasks=tasks, data=data)
"""
STUDY = """
name = "grouped"
question = "What do groups change?"
subject = {{name = "../own.py:{subject}"{option}}}
objectives = ["rate", "reconstruction"]
[grid]
measures = ["variance"]
optimisers = {optimisers}
seeds = 1
budget = {budget}
"""


def study(folder, *, subject="subject", groups=None, optimisers=("nsga2",), budget=20):
    (folder / "own.py").write_text(OWN)
    (folder / "studies").mkdir(exist_ok=True)
    path = folder / "studies" / "grouped.toml"
    option = "" if groups is None else f", groups = {groups}"
    path.write_text(STUDY.format(subject=subject, option=option, optimisers=json.dumps(optimisers), budget=budget))
    return path


def random_space(channels=12, tasks=3):
    rng = stream(0, "grouped space")
    error = np.sort(rng.uniform(0, 1, (channels, 9)), axis=1)[:, ::-1].copy()
    error[:, 0] = 1.0
    rate = np.sort(rng.uniform(0, 2, (channels, 9)), axis=1)
    rate[:, 0] = 0.0
    return Space(("rate", *"abc"[:tasks]), error, rate, rng.uniform(0.1, 1, (channels, tasks)))


def maps_of(variance):
    """Maps (image, channel, 1, 2) of given variances: plus and minus their roots."""
    root = np.sqrt(np.asarray(variance, dtype=np.float32))
    return np.stack([np.stack([root, -root], axis=1)] * 2)[:, :, None, :] + np.float32(7)


def test_groups_are_consecutive_in_variance_and_numbered_by_their_first_channel():
    # Variances sorted: channels 1, 3 | 2, 0 | 4, cut at 5 x group / 3.
    groups = equal_groups(maps_of([9.0, 0.25, 4.0, 0.25, 81.0]), 3, subject="toy")
    assert groups.of.tolist() == [0, 1, 0, 1, 2]
    assert groups.count == 3


@pytest.mark.parametrize(("channels", "count"), [(64, 16), (7, 3), (5, 5), (9, 1), (512, 100)])
def test_groups_have_equally_many_channels_more_or_less_one(channels, count):
    groups = equal_groups(maps_of(stream(1, "variance").uniform(size=channels)), count, subject="toy")
    sizes = np.bincount(groups.of)
    assert len(sizes) == count == groups.count
    assert sizes.max() - sizes.min() <= 1


def test_what_is_gathered_is_what_was_spread():
    groups = equal_groups(maps_of(stream(1, "variance").uniform(size=20)), 6, subject="toy")
    bits = stream(2, "bits").integers(0, 9, (4, 6)).astype(np.int8)
    spread = groups.spread(bits)
    assert all(len(set(row[groups.of == group])) == 1 for row in spread for group in range(6))
    assert np.array_equal(groups.gather(spread), bits)


def test_a_group_decodes_to_what_the_sum_over_its_channels_gives():
    """Oracle: all depths of a group are tried, each channel's own score, error and rate summed.

    Channels of a group have the same relative errors here, where the two are the same up to a factor on lambda.
    """
    groups = Groups(np.array([0, 1, 0, 2, 1, 2, 2, 0, 1, 0, 2, 1]))
    whole = random_space()
    whole = dataclasses.replace(whole, error=whole.error[groups.first][groups.of])
    grouped = groups.space(whole)
    weights = np.array([0.0, 1.0, 0.0])  # one task: its column's factor is a factor on lambda
    scores = decoding.normalise(whole.scores) @ weights
    factor = np.bincount(groups.of, scores).max()
    for lam in np.geomspace(0.01, 3, 25):
        cost = scores[:, None] * whole.error + lam * whole.rate
        summed = [cost[groups.of == group].sum(axis=0).argmin() for group in range(3)]
        assert grouped.decode(weights, lam / factor)[0].tolist() == summed


def test_tables_of_a_group_are_relative_errors_and_the_rates_that_allocations_have():
    whole, groups = random_space(), Groups(np.array([0, 0, 1, 2, 2, 2, 0, 1, 1, 2, 0, 1]))
    grouped = groups.space(whole)
    assert np.all(grouped.error[:, 0] == 1.0)
    assert grouped.error[1, 4] == pytest.approx(whole.error[[2, 7, 8, 11], 4].mean())
    bits = stream(3, "bits").integers(0, 9, (6, 3)).astype(np.int8)
    assert np.allclose(grouped.rate_of(bits), whole.rate_of(groups.spread(bits)))


def test_scores_of_a_group_are_sums_in_which_negative_ones_count_as_nothing_unless_all_are():
    groups = Groups(np.array([0, 1, 0, 1, 2, 2]))
    scores = np.array([[1.0], [-1.0], [-5.0], [-2.0], [0.5], [0.25]])
    assert groups.pooled(scores).tolist() == [[1.0], [-3.0], [0.75]]


def test_as_many_groups_as_channels_search_exactly_what_no_groups_do(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "STEPS", 2)
    ways = ["nsga2", "lagrangian", "tpe", "rank-sweep", "random"]
    plain = moo_fs.run(study(tmp_path, optimisers=ways), out=tmp_path / "plain")
    grouped = moo_fs.run(study(tmp_path, groups=CHANNELS, optimisers=ways), out=tmp_path / "grouped")
    for name in ("optimiser", "trial", "bits", "rate_kbit", "reconstruction"):
        assert plain.trials[name].tolist() == grouped.trials[name].tolist(), name
    assert plain.study["subject_hash"] == grouped.study["subject_hash"]
    assert set(plain.trials["run"]).isdisjoint(grouped.trials["run"])


def test_none_is_said_by_zero():
    assert load_subject(tiny_model(), options={"groups": 0}).groups is None
    assert load_subject(tiny_model()).searched(None).channels == CHANNELS


def test_a_network_of_512_channels_is_searched_in_16_groups_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "STEPS", 2)  # of the baseline, which takes most of the time
    path = study(tmp_path, subject="wide", groups=16, optimisers=["nsga2", "tpe"], budget=24)
    fresh = moo_fs.run(path)
    bits = allocations(fresh.trials)
    assert bits.shape == (2 * 24, 512)
    columns, channels = np.unique(bits, axis=1, return_counts=True)
    assert columns.shape[1] == 16
    assert set(channels) == {32}
    assert fresh.study["channels"] == 512

    shutil.copytree(tmp_path / "results" / "grouped" / "journals", tmp_path / "torn" / "journals")
    for journal in (tmp_path / "torn" / "journals").glob("*.log"):
        journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])
    torn = moo_fs.run(path, out=tmp_path / "torn")
    assert torn.trials.drop(columns="seconds").equals(fresh.trials.drop(columns="seconds"))


def test_what_was_found_is_evaluated_and_picked_as_any_allocation(tmp_path):
    results = moo_fs.run(study(tmp_path, groups=2))
    row = results.trials.iloc[3]
    table = moo_fs.evaluate(tiny_model(), np.frombuffer(row["bits"], np.int8), part="search")
    assert table["rate_kbit"][0] == pytest.approx(row["rate_kbit"], rel=1e-5)
    assert table["reconstruction"][0] == pytest.approx(row["reconstruction"], rel=1e-5)


def test_own_loops_search_groups_and_keep_channels():
    problem = moo_fs.problem(tiny_model(), measure="variance", options={"groups": 2})
    assert moo_fs.problem(load_subject(tiny_model(), options={"groups": 2})).space.channels == 2
    assert problem.space.channels == problem.as_pymoo().n_var == problem.space.scores.shape[0] == 2
    bits = np.array([[1, 3], [0, 8]], np.int8)
    table = moo_fs.evaluate(problem.prepared, problem.spread(bits), part="search")
    assert np.allclose(problem.evaluate(bits)[:, 0], table["rate_kbit"], rtol=1e-5)
    objective = problem.as_optuna("bits")
    found = optuna.create_study(directions=objective.directions, sampler=optuna.samplers.RandomSampler(seed=0))
    found.optimize(objective, n_trials=1)
    assert set(found.trials[0].params) == {"group_0", "group_1"}
    digits = np.array([list(found.trials[0].user_attrs["bits"])]).astype(np.int8)
    assert np.array_equal(problem.spread(problem.prepared.groups.gather(digits)), digits)
    assert digits.shape == (1, CHANNELS)


@pytest.mark.parametrize("groups", [-1, CHANNELS + 1])
def test_an_impossible_number_of_groups_is_refused_with_the_file_and_nothing_is_written(tmp_path, groups):
    path = study(tmp_path, groups=groups)
    with pytest.raises(MooFsError, match=f"groups: wanted 1 to {CHANNELS}, its channels, or 0 for none, got {groups}$"):
        moo_fs.run(path)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("groups", ['"two"', "2.0", "true"])
def test_what_is_not_a_whole_number_of_groups_is_refused(tmp_path, groups):
    with pytest.raises(MooFsError, match="option groups: wanted int like 0"):
        moo_fs.run(study(tmp_path, groups=groups))


def test_an_analytic_subject_has_no_groups():
    with pytest.raises(MooFsError, match="'linear-gaussian': groups: an analytic subject has none"):
        load_subject("linear-gaussian", options={"groups": 4})
