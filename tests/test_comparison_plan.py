"""Comparisons of measures: what their files mean, what is refused, and which measures are baselines."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import planted
import pytest
from small_comparison import GOOD, changed, write

import moo_fs
from moo_fs import registry
from moo_fs.comparison import folder_for, read_comparison
from moo_fs.contracts import MooFsError
from moo_fs.scoring import score
from moo_fs.study import read_study
from moo_fs.study_fields import kind_of

SEARCHES = ("grid", "compare")
SHIPPED = [path for path in sorted((Path(__file__).parents[1] / "studies").glob("*.toml")) if kind_of(path) in SEARCHES]


def test_a_comparison_is_one_ordinary_study_a_network(tmp_path):
    plan = read_comparison(write(tmp_path))
    assert list(plan.networks) == ["0", "1"]
    first, second = (plan.study(network) for network in plan.networks)
    assert [spec.label for spec in first.optimisers] == ["sweep", "rank-sweep", "nsga2"]
    assert (first.subject.options, second.subject.options) == ({"channels": 6, "seed": 0}, {"channels": 6, "seed": 1})
    assert len(first.runs()) == 3 * 3
    assert not {run.key for run in first.runs()} & {run.key for run in second.runs()}
    assert folder_for(plan) == tmp_path / "results" / "small"


def test_a_grids_study_is_compared_with_both_nulls_at_300_evaluations_or_fewer(tmp_path):
    grid = GOOD.replace("[compare]", "[grid]\noptimisers = ['tpe']").replace("networks = {seed = [0, 1]}\n", "")
    plan = read_comparison(write(tmp_path, grid.replace("budget = 12", "budget = 500").replace('"random", ', "")))
    labels = [spec.label for spec in plan.whole.measures]
    assert labels == ["l2-norm", "variance", "random", "shuffled-mutual-information"]
    assert (list(plan.networks), plan.whole.budget, plan.whole.seeds) == (["0"], 300, 1)
    assert plan.study("0").subject.options == {"channels": 6}
    assert folder_for(plan) == tmp_path / "results" / "small-compare"
    assert read_comparison(write(tmp_path, grid)).whole.budget == 12


NETWORKS = "networks = {seed = [0, 1]}"
BAD = {
    "an unknown key": (changed("seeds = 1", "seds = 2"), "unknown key 'compare.seds'; did you mean 'seeds'"),
    "optimisers": (changed("seeds = 1", "seeds = 1\noptimisers = ['tpe']"), "unknown key 'compare.optimisers'"),
    "a missing key": (changed("budget = 12\n", ""), "key 'compare.budget' is missing"),
    "no budget": (changed("budget = 12", "budget = 0"), "compare.budget: wanted a whole number from 1"),
    "too many seeds": (changed("seeds = 1", "seeds = 10001"), "compare.seeds: wanted a whole number from 1 to 10000"),
    "a grid besides": (GOOD + "[grid]\n", "has both [grid] and [compare]"),
    "no table": (changed("[compare]", "[other]"), "unknown key 'other'"),
    "without random": (changed('"random"', '"taylor"'), 'compare.measures: wanted "random" among them'),
    "two measures": (changed(', "variance"', ""), "compare.measures: wanted 3 or more to compare, got 2"),
    "a measure twice": (changed("variance", "l2-norm"), "compare.measures: 'l2-norm' is listed twice"),
    "an unknown measure": (changed("variance", "varience"), "compare.measures: no measure 'varience'; did you mean"),
    "networks that are no table": (changed(NETWORKS, "networks = [0, 1]"), "networks: wanted one option of the"),
    "two options": (changed(NETWORKS, "networks = {seed = [0], noise = [1]}"), "like {weights = [0, 1]}, got 2"),
    "no option": (changed(NETWORKS, "networks = {}"), "like {weights = [0, 1]}, got 0"),
    "an unknown option": (changed(NETWORKS, "networks = {sed = [0]}"), "unknown option 'sed'; did you mean 'seed'"),
    "an option that is set": (changed(NETWORKS, "networks = {channels = [6]}"), "the subject has 'channels' already"),
    "the subject's name": (changed(NETWORKS, "networks = {name = ['a']}"), "the subject has 'name' already"),
    "a value of another type": (changed(NETWORKS, "networks = {seed = ['a']}"), "option seed: wanted int like 0"),
    "no values": (changed(NETWORKS, "networks = {seed = []}"), "compare.networks: wanted at least one entry"),
    "one value": (changed(NETWORKS, "networks = {seed = 1}"), "wanted a list of numbers or texts for 'seed', got 1"),
    "lists": (changed(NETWORKS, "networks = {seed = [[1]]}"), "wanted a list of numbers or texts for 'seed'"),
    "no number": (changed(NETWORKS, "networks = {noise = [nan]}"), "wanted a list of numbers or texts for 'noise'"),
    "a value twice": (changed(NETWORKS, "networks = {seed = [1, 1]}"), "compare.networks: '1' is listed twice"),
    "no folder's name": (changed(NETWORKS, "networks = {seed = ['../x']}"), "networks: wanted letters, digits"),
    "capitals": (changed(NETWORKS, "networks = {seed = ['a', 'A']}"), "differ in more than capitals"),
    "another name": (changed('"small"', '"other"'), "name: wanted the file's stem 'small', got 'other'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_comparison_is_refused_in_one_sentence_with_file_key_and_value(case, tmp_path):
    text, sentence = BAD[case]
    path = write(tmp_path, text)
    with pytest.raises(MooFsError) as refused:
        read_comparison(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert sentence in message
    assert "\n" not in message


def test_what_runs_studies_says_how_to_run_a_comparison(tmp_path):
    path = write(tmp_path)
    for read in (read_study, moo_fs.run):
        with pytest.raises(MooFsError, match=re.escape(f"use moo-fs compare {path}")):
            read(path)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_can_be_compared(path):
    plan = read_comparison(path)
    assert plan.whole.question.endswith("?")
    keys = [run.key for network in plan.networks for run in plan.study(network).runs()]
    assert len(set(keys)) == len(keys)


def test_nulls_and_upper_baseline_keep_their_role_whoever_named_them(tmp_path):
    null = '{name = "shuffled-mutual-information", clusters = 4}'
    plan = read_comparison(write(tmp_path, changed('"variance"', f'"variance", "sensitivity", {null}')))
    assert plan.upper == ["sensitivity"]
    assert plan.nulls == ["random", "shuffled-mutual-information[clusters=4]"]
    plan = read_comparison(write(tmp_path)).with_own(["sensitivity", "shuffled-mutual-information"], folder=tmp_path)
    assert plan.upper == ["sensitivity"]
    assert plan.nulls == ["random", "shuffled-mutual-information"]


def test_shuffled_labels_leave_nothing_of_the_information_that_was_planted():
    source = planted.source()
    measured, null = (
        score(registry.as_measure(registry.measures.load(name)), source, seed=0, options={"clusters": 4}).values
        for name in ("mutual-information", "shuffled-mutual-information")
    )
    decisive = [(planted.DECISIVE[task.name], at) for at, task in enumerate(planted.TASKS[:2])]
    assert all(measured[at] > 0.3 for at in decisive)
    assert np.abs(null[:, :3]).max() < 0.1
    assert np.abs(null[planted.DEAD]).max() == 0
