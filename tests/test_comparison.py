"""Comparisons of measures: what their files mean, what is reused, and what is refused."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import planted
import pytest

import moo_fs
from moo_fs import cli, registry
from moo_fs.archive import STUDY, verify
from moo_fs.comparison import compare, folder_for, load_comparison, read_comparison
from moo_fs.contracts import MooFsError
from moo_fs.results import recheck
from moo_fs.scoring import score
from moo_fs.study import read_study

GOOD = """\
name = "small"
question = "Which measure?"
subject = {name = "linear-gaussian", channels = 6}
objectives = ["rate", "a", "b", "c"]

[compare]
measures = ["random", "l2-norm", "variance"]
networks = {seed = [0, 1]}
seeds = 1
budget = 12
"""
OWN = """\
import moo_fs

def peak(batch):
    return batch.features.abs().amax((0, 2, 3))

def variance(batch):
    return batch.features.var((0, 2, 3))

def wrong(batch):
    raise KeyError("no such thing")
"""
SHIPPED = sorted((Path(__file__).parents[1] / "studies").glob("*.toml"))
TIMES = ["scoring_seconds", "seconds"]


def write(folder: Path, text: str = GOOD, *, stem: str = "small") -> Path:
    path = folder / "studies" / f"{stem}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    (folder / "own.py").write_text(OWN)
    return path


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def rows(summary: pd.DataFrame, measures=None) -> pd.DataFrame:
    kept = summary if measures is None else summary[summary["measure"].isin(measures)]
    return kept.drop(columns=TIMES).sort_values("run").reset_index(drop=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module", autouse=True)
def _hasty():
    """No waiting for the disk: what survives a power cut is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A finished comparison, to be read or copied."""
    folder = tmp_path_factory.mktemp("base")
    compare(write(folder))
    return folder


@pytest.fixture
def here(base, tmp_path, monkeypatch):
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# What a file means


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


# What is computed, and what is not again


def test_the_rows_of_all_networks_lie_together_with_their_archives(base):
    found = load_comparison(base / "results" / "small")
    assert len(found.summary) == 2 * 3 * 3
    assert list(found.networks) == ["0", "1"]
    for network, results in found.networks.items():
        mine = found.summary[found.summary["network"] == network].drop(columns="network").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, results.hypervolumes(), check_dtype=False)
    assert found.about["nulls"] == ["random"]
    assert (found.about["random"], found.about["upper"], found.about["own"]) == ("random", None, [])
    assert found.about["ways"] == ["sweep", "rank-sweep", "nsga2"]


def test_a_finished_comparison_returns_at_once_and_changes_nothing(here, monkeypatch):
    before = content(here / "results")
    monkeypatch.setattr("moo_fs.launch.prepare", lambda setting: pytest.fail("prepared again"))
    studies = []
    found = compare(here / "studies" / "small.toml", on_study=studies.append)
    assert studies == []
    assert content(here / "results") == before
    assert found.archive_hash == load_comparison(here / "results" / "small").archive_hash


def test_a_comparison_stopped_anywhere_ends_like_one_that_was_not(base, tmp_path):
    seen = []

    def stop(event):
        seen.append(event.kind)
        if len(seen) in (3, 12, 45):
            raise KeyboardInterrupt

    path = write(tmp_path)
    for _ in range(3):  # in the first run, in the second, and on the second network
        with pytest.raises(KeyboardInterrupt):
            compare(path, on_event=stop)
        assert not (tmp_path / "results" / "small" / "comparison.json").exists()
    assert (tmp_path / "results" / "small" / "network-0" / STUDY).is_file()
    found = compare(path, on_event=stop)
    pd.testing.assert_frame_equal(rows(found.summary), rows(load_comparison(base / "results" / "small").summary))


def test_an_own_measure_is_placed_among_the_others_and_only_it_is_computed(here):
    before, ran = content(here / "results" / "small"), []
    found = compare("studies/small.toml", measures=["own.py:peak", "l1-norm"], on_event=lambda event: ran.append(event))
    assert {event.run.measure.label for event in ran} == {"peak", "l1-norm"}
    assert content(here / "results" / "small") == before
    assert found.folder == here / "results" / "small-own"
    assert found.about["own"] == ["peak", "l1-norm"]
    assert len(found.summary) == 2 * 3 * 5
    base = load_comparison(here / "results" / "small")
    shared = found.summary[~found.summary["measure"].isin(["peak", "l1-norm"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, base.summary)
    ran.clear()
    again = compare("studies/small.toml", measures=["own.py:peak", "l1-norm"], on_event=lambda event: ran.append(event))
    assert ran == []
    assert again.archive_hash == found.archive_hash


def test_a_measure_added_later_has_the_rows_of_one_in_the_file(here, tmp_path_factory):
    """What is placed among others must not depend on when it was."""
    added = compare("studies/small.toml", measures=["l1-norm"]).summary
    other = tmp_path_factory.mktemp("whole")
    whole = compare(write(other, changed('"variance"]', '"variance", "l1-norm"]'))).summary
    pd.testing.assert_frame_equal(rows(added), rows(whole))


def test_without_an_archive_everything_is_computed_beside_the_own_measure(base, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notes = []
    found = compare(write(tmp_path), measures=["own.py:peak"], on_note=notes.append)
    assert len(notes) == 2
    assert "no archive there" in notes[0]
    assert not (tmp_path / "results" / "small").exists()
    shared = rows(found.summary, ["random", "l2-norm", "variance"])
    pd.testing.assert_frame_equal(shared, rows(load_comparison(base / "results" / "small").summary))


def damaged(folder: Path) -> None:
    (folder / "trials.parquet").write_bytes(b"something else")


def otherwise_evaluated(folder: Path) -> None:
    path, about = folder / "baselines.parquet", json.loads((folder / STUDY).read_text())
    frame = pd.read_parquet(path)
    frame["a"] *= 1.001
    frame.to_parquet(path)
    about["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / STUDY).write_text(json.dumps(about))
    assert verify(folder) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (damaged, "its archive is damaged"),
        (otherwise_evaluated, "what it was evaluated with differs from what is here (baselines)"),
    ],
)
def test_an_archive_that_does_not_fit_is_computed_again_elsewhere_and_that_is_said(change, sentence, here, base):
    folder, notes = here / "results" / "small" / "network-1", []
    change(folder)
    before = content(folder)
    found = compare("studies/small.toml", measures=["own.py:peak"], on_note=notes.append)
    assert [sentence in note and str(folder) in note for note in notes] == [True]
    assert content(folder) == before
    assert found.networks["0"].folder == here / "results" / "small" / "network-0"
    assert found.networks["1"].folder == here / "results" / "small-own" / "network-1"
    shared = rows(found.summary, ["random", "l2-norm", "variance"])
    pd.testing.assert_frame_equal(shared, rows(load_comparison(base / "results" / "small").summary))


def test_another_comparison_of_that_name_is_not_mixed_in(here):
    notes = []
    write(here, changed("budget = 12", "budget = 14"))
    found = compare("studies/small.toml", measures=["own.py:peak"], on_note=notes.append)
    assert len(notes) == 2
    assert "its archive is of another comparison" in notes[0]
    assert set(found.summary["evaluations"]) == {14}


@pytest.mark.parametrize(
    ("measures", "sentence"),
    [
        (["own.py:variance"], "the name 'variance' is taken"),
        (["l2-norm"], "'l2-norm' is compared already"),
        (["own.py:peak", "own.py:peak"], "'peak' is compared already"),
        (["own.py:peek"], "no 'peek' in"),
        (["taylr"], "no measure 'taylr'; did you mean 'taylor'"),
        (["own.py:wrong"], "--measure: wrong: KeyError"),
    ],
)
def test_an_own_measure_that_cannot_be_placed_is_refused_and_nothing_written(measures, sentence, here):
    with pytest.raises(MooFsError, match=re.escape(sentence)):
        compare("studies/small.toml", measures=measures)
    assert not (here / "results" / "small-own").exists()


def test_an_own_measure_is_never_written_into_the_comparison_it_adds_to(here):
    with pytest.raises(MooFsError, match="choose another --out"):
        compare("studies/small.toml", measures=["own.py:peak"], out="results/small")


# What a changed archive says


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: edit(folder / "comparison.csv", "0.", "1."), "differs from its hash in comparison.json"),
        (lambda folder: edit(folder / "comparison.json", "random", "randon"), "differs from what was written"),
        (lambda folder: (folder / "comparison.csv").unlink(), "is missing"),
        (lambda folder: (folder / "comparison.json").unlink(), "no comparison there"),
        (lambda folder: (folder / "comparison.json").write_text("{"), "wanted JSON"),
        (lambda folder: damaged(folder / "network-0"), "differs from its hash in study.json"),
        (lambda folder: otherwise_evaluated(folder / "network-0"), "is another archive than"),
        (lambda folder: shutil.rmtree(folder / "network-1"), "found no study.json"),
    ],
)
def test_a_comparison_changed_anywhere_is_not_loaded(change, sentence, here):
    folder = here / "results" / "small"
    change(folder)
    with pytest.raises(MooFsError, match=re.escape(sentence)):
        load_comparison(folder)


COMMITTED = sorted((Path(__file__).parents[1] / "results").glob("*/comparison.json"))


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.parent.name)
def test_a_committed_comparison_matches_its_hashes_and_its_recomputation(path):
    found = load_comparison(path.parent)
    for results in found.networks.values():
        assert recheck(results) == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_can_be_compared(path):
    plan = read_comparison(path)
    assert plan.whole.question.endswith("?")
    keys = [run.key for network in plan.networks for run in plan.study(network).runs()]
    assert len(set(keys)) == len(keys)


# The null measure


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


# The command line


def test_other_commands_cope_with_a_comparison(here, capsys):
    assert cli.status_of(["list", "studies"]) == 0
    assert cli.status_of(["status", "studies/small.toml"]) == 0
    assert cli.status_of(["run", "studies/small.toml"]) == 2
    assert cli.status_of(["pick", "studies/small.toml"]) == 2
    said = capsys.readouterr()
    assert "Which measure?" in said.out
    assert "small-network-1: 9 done, 0 running" in said.out
    assert "use moo-fs compare studies/small.toml" in said.err
    assert "name one's folder with --out" in said.err


def test_compare_prints_a_ranking_of_every_way_and_writes_its_report(here, capsys):
    assert cli.status_of(["compare", "studies/small.toml", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["ways"]) == ["sweep", "rank-sweep", "nsga2"]
    assert Path(said["report"]).is_file()
    summary = load_comparison(said["folder"]).summary
    for way, ranking in said["ways"].items():
        assert [row["mean_rank"] for row in ranking] == sorted(row["mean_rank"] for row in ranking)
        for row in ranking:
            mine = summary[(summary["optimiser"] == way) & (summary["measure"] == row["measure"])]
            assert row["corner_test"] == pytest.approx(mine["corner_test"].median())
            assert row["scoring_seconds"] == pytest.approx(mine["scoring_seconds"].median())
            assert row.get("p_holm") is None  # two pairs are not enough for a test
            assert ("median_difference" in row) == (row["measure"] != "random")


def test_compare_with_an_own_measure_names_it_and_where_the_report_lies(here, capsys, monkeypatch):
    reported = []
    monkeypatch.setattr("moo_fs.comparison_report.write_comparison_report", lambda to: reported.append(to) or [])
    assert cli.status_of(["compare", "studies/small.toml", "--measure", "own.py:peak"]) == 0
    said = capsys.readouterr().out
    assert said.count("peak (own)") == 3
    assert "random (null)" in said
    assert "fewer than 12, so no test" in said
    assert f"comparison: {here / 'results' / 'small-own'}" in said
    assert cli.status_of(["report", "studies/small.toml", "--out", "results/small-own"]) == 0
    assert [path.resolve() for path in reported] == [here / "results" / "small-own"] * 2
    assert cli.status_of(["compare", "studies/small.toml", "--measure", "own.py:peek"]) == 2
