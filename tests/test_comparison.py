"""Comparing measures: what is computed, what is reused, what is refused, and what the commands say."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from small_comparison import changed, damaged, otherwise_evaluated, write

import moo_fs
from moo_fs import archive, launch
from moo_fs.comparison import compare, load_comparison, read_comparison
from moo_fs.contracts import MooFsError

TIMES = ["scoring_seconds", "seconds"]


def rows(summary: pd.DataFrame) -> pd.DataFrame:
    return summary.drop(columns=TIMES).sort_values("run").reset_index(drop=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def served(placed, monkeypatch):
    """Studies that were computed once are copied from there, not computed again; the folders they went to."""
    finished = {archive.read_study_json(path.parent)["specification_hash"]: path.parent for path in studies(placed[0])}
    folders = []

    def serve(study, *, out, **_):
        shutil.copytree(finished[study.specification_hash], out, dirs_exist_ok=True)
        folders.append(out)
        return moo_fs.load_results(out)

    monkeypatch.setattr("moo_fs.launch.run", serve)
    return folders


def studies(folder: Path) -> list[Path]:
    return sorted((folder / "results").rglob(archive.STUDY))


def test_the_rows_of_all_networks_lie_together_with_their_archives(compared):
    found = moo_fs.load_comparison(compared / "results" / "small")
    assert len(found.summary) == 2 * 3 * 3
    assert list(found.networks) == ["0", "1"]
    for network, results in found.networks.items():
        mine = found.summary[found.summary["network"] == network].drop(columns="network").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, results.hypervolumes(), check_dtype=False)
    assert found.about["nulls"] == ["random"]
    assert (found.about["random"], found.about["upper"], found.about["own"]) == ("random", None, [])
    assert found.about["ways"] == ["sweep", "rank-sweep", "nsga2"]
    assert found.budget == 12


def test_a_finished_comparison_returns_at_once_and_changes_nothing(here, monkeypatch):
    before = content(here / "results")
    monkeypatch.setattr("moo_fs.launch.prepare", lambda setting: pytest.fail("prepared again"))
    launched, notes = [], []
    found = compare(here / "studies" / "small.toml", on_study=launched.append, on_note=notes.append)
    assert (launched, notes) == ([], [])
    assert content(here / "results") == before
    assert found.archive_hash == load_comparison(here / "results" / "small").archive_hash


def test_a_comparison_stopped_anywhere_ends_like_one_that_was_not(compared, tmp_path):
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
    assert (tmp_path / "results" / "small" / "network-0" / archive.STUDY).is_file()
    found = compare(path, on_event=stop)
    pd.testing.assert_frame_equal(rows(found.summary), rows(load_comparison(compared / "results" / "small").summary))


def test_an_own_measure_is_placed_among_the_others_and_only_it_is_computed(compared, placed):
    folder, ran = placed
    assert set(ran) == {"peak", "l1-norm"}
    assert content(folder / "results" / "small") == content(compared / "results" / "small")
    found = load_comparison(folder / "results" / "small-own")
    assert found.about["own"] == ["peak", "l1-norm"]
    assert len(found.summary) == 2 * 3 * 5
    shared = found.summary[~found.summary["measure"].isin(["peak", "l1-norm"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, load_comparison(compared / "results" / "small").summary)


def test_a_measure_added_later_has_the_rows_of_one_in_the_file(placed, tmp_path):
    """What is placed among others must not depend on when it was."""
    plan = read_comparison(write(tmp_path, changed('"variance"', '"l1-norm"')))
    together = launch.run(dataclasses.replace(plan.study("0"), measures=plan.whole.measures[1:])).hypervolumes()
    added = load_comparison(placed[0] / "results" / "small-own").summary
    mine = added[added["run"].isin(together["run"])].drop(columns="network")
    assert set(mine["measure"]) == {"l2-norm", "l1-norm"}
    pd.testing.assert_frame_equal(rows(mine), rows(together), check_dtype=False)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (shutil.rmtree, "no archive there"),
        (damaged, "its archive is damaged"),
        (lambda folder: otherwise_evaluated(folder, "a"), "evaluated with differs from what is here (baselines)"),
    ],
    ids=["none", "damaged", "other"],
)
def test_an_archive_that_does_not_fit_is_computed_again_elsewhere_and_that_is_said(
    change, sentence, here, compared, served
):
    folder, notes, own = here / "results" / "small" / "network-1", [], here / "results" / "small-own"
    change(folder)
    before = content(here / "results" / "small")
    found = compare("studies/small.toml", measures=["own.py:peak"], on_note=notes.append)
    assert [sentence in note and str(folder) in note for note in notes] == [True]
    assert content(here / "results" / "small") == before
    assert [path.relative_to(own).parts[0] for path in served] == ["own", "own", "network-1"]
    assert found.networks["0"].folder == here / "results" / "small" / "network-0"
    assert found.networks["1"].folder == own / "network-1"
    shared = found.summary[found.summary["measure"] != "peak"]
    pd.testing.assert_frame_equal(rows(shared), rows(load_comparison(compared / "results" / "small").summary))


def test_another_comparison_of_that_name_is_not_mixed_in(here):
    def stop(note):
        raise InterruptedError(note)

    write(here, changed("budget = 12", "budget = 14"))
    with pytest.raises(InterruptedError, match="its archive is of another comparison"):
        compare("studies/small.toml", measures=["own.py:peak"], on_note=stop)


def test_an_archive_that_holds_more_than_the_file_asks_for_is_not_the_comparison(here, monkeypatch):
    """Nothing is computed before all networks were looked at: here the first one is missing."""
    shutil.rmtree(here / "results" / "small" / "network-0")
    write(here, changed("budget = 12", "budget = 11"))
    monkeypatch.setattr("moo_fs.launch.run", lambda *_, **__: pytest.fail("launched"))
    with pytest.raises(MooFsError, match="network-1: holds more than this file asks for"):
        compare("studies/small.toml")


def test_runs_of_another_version_are_reused_and_that_is_said(here, monkeypatch):
    monkeypatch.setattr("moo_fs.archive.source_hash", lambda: "of another version")
    notes = []
    compare("studies/small.toml", on_note=notes.append)
    assert ["computed by another version of moo_fs" in note for note in notes] == [True]


@pytest.mark.parametrize(
    ("measures", "sentence"),
    [
        (["own.py:variance"], "the name 'variance' is taken"),
        (["l2-norm"], "'l2-norm' is compared already"),
        (["own.py:peak", "own.py:peak"], "'peak' is compared already"),
        (["own.py:peek"], "no 'peek' in"),
        (["taylr"], "no measure 'taylr'; did you mean 'taylor'"),
        (["own.py:wrong"], "--measure: wrong: KeyError"),
        (["own.py:peak", "own.py:wrong"], "--measure: wrong: KeyError"),
    ],
)
def test_an_own_measure_that_cannot_be_placed_is_refused_and_nothing_written(measures, sentence, here):
    with pytest.raises(MooFsError, match=re.escape(sentence)):
        compare("studies/small.toml", measures=measures)
    assert not (here / "results" / "small-own").exists()


def test_own_measures_are_never_written_into_another_comparison(here):
    with pytest.raises(MooFsError, match="choose another --out"):
        compare("studies/small.toml", measures=["own.py:peak"], out="results/small")
    shutil.copytree("results/small", "results/copy")
    with pytest.raises(MooFsError, match="holds the comparison without --measure"):
        compare("studies/small.toml", measures=["own.py:peak"], out="results/copy")
