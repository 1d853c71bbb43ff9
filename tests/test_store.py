"""Journals, archives and the state of a study."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pyarrow as pa
import pytest
from toy_runs import OBJECTIVES, ToyProblem, run_toy, spec

from moo_fs import archive, optimisers, registry
from moo_fs.contracts import MooFsError, RunError
from moo_fs.execute import execute
from moo_fs.journal import HeldLock, JournalFile, is_held
from moo_fs.plugins import PluginSpec
from moo_fs.seeds import stream
from moo_fs.status import study_status
from moo_fs.store import Row, digits, from_digits, journal_path, lock_path, open_run, open_storage
from moo_fs.study import Study
from moo_fs.trials import Trials


def toy_study(**changes) -> Study:
    study = Study(
        path=Path("toy.toml"),
        name="toy",
        question="?",
        subject=PluginSpec("toy"),
        objectives=OBJECTIVES,
        reference="uniform-2",
        measures=(PluginSpec("random"),),
        optimisers=(PluginSpec("climber"),),
        seeds=2,
        budget=20,
    )
    return dataclasses.replace(study, **changes)


def stored(folder: Path) -> optuna.Study:
    """The toy run as Optuna reads it, without anything of ours."""
    backend = optuna.storages.journal.JournalFileBackend(str(journal_path(folder, spec().key)))
    return optuna.load_study(study_name=f"toy/{spec().key}", storage=optuna.storages.JournalStorage(backend))


def test_optuna_reads_a_journal_as_any_other(tmp_path):
    """What optuna-dashboard sees: a study with names and values, the allocation in one attribute, repeats marked."""
    outcome, study = run_toy(tmp_path, budget=40), stored(tmp_path)
    assert study.metric_names == list(OBJECTIVES)
    assert [direction.name for direction in study.directions] == ["MINIMIZE"] * 3
    assert study.user_attrs | spec().labels == study.user_attrs
    assert study.user_attrs["state"] == "done"
    new = [trial for trial in study.trials if "repeat_of" not in trial.user_attrs]
    assert len(new) == 40
    assert len(study.trials) - len(new) == outcome.repeats > 0
    np.testing.assert_array_equal([from_digits(trial.user_attrs["bits"]) for trial in new], outcome.trials.bits)
    np.testing.assert_array_equal([trial.values for trial in new], outcome.trials.objectives)
    assert [trial.user_attrs["trial"] for trial in new] == list(range(40))
    for trial in study.trials:
        first = new[trial.user_attrs.get("repeat_of", trial.user_attrs.get("trial"))]
        assert trial.user_attrs["bits"] == first.user_attrs["bits"]
        assert trial.values == first.values


def test_parameters_of_decoding_are_optunas_parameters_where_their_range_is_known(tmp_path):
    given = {"gamma": 0.25, "other": 3.0, "outside": 3.0, "odd": 1.0}
    row = Row(np.zeros(6, np.int8), np.ones(3), 0.5, parameters=given)
    ranges = {
        "gamma": optuna.distributions.FloatDistribution(0.1, 2.0, log=True),
        "outside": optuna.distributions.FloatDistribution(0.0, 1.0),
        "odd": (0.0, 2.0),
        "unused": optuna.distributions.FloatDistribution(0.0, 1.0),
    }
    with open_run(spec(), study="toy", objectives=OBJECTIVES, folder=tmp_path) as recorder:
        recorder.record([row], ranges)
    with open_run(spec(), study="toy", objectives=OBJECTIVES, folder=tmp_path) as recorder:
        assert recorder.history[0].parameters == given
        assert recorder.history[0].seconds == 0.5
    assert stored(tmp_path).trials[0].params == {"gamma": 0.25}


@pytest.mark.parametrize("name", ["tpe", "sobol"])
def test_an_optimiser_that_decodes_shows_its_parameters_in_optuna(name, tmp_path):
    """And a run begun before they were shown, whose trials have them as an attribute, goes on as it was."""
    optimisers.register()

    def run(budget: int, *, shown: bool) -> Trials:
        problem = ToyProblem()
        optimiser = registry.optimisers.load(name)(problem.space, stream(0, "optimiser"))
        ranges = optimiser.distributions
        with open_run(spec(), study="toy", objectives=OBJECTIVES, folder=tmp_path) as recorder:
            record = recorder.record
            recorder.record = lambda rows, ranges: record(rows, ranges if shown else None)
            trials = execute(spec(), problem, optimiser, recorder, budget=budget).trials
        assert problem.calls == budget - 8 * shown
        assert set(trials.parameters[-1]) == set(ranges) == {"weight_a", "weight_b", "lambda", "gamma"}
        return trials

    before, after = run(8, shown=False), run(16, shown=True)
    np.testing.assert_array_equal(after.bits[:8], before.bits)
    assert after.parameters[:8] == before.parameters
    trials = [trial for trial in stored(tmp_path).trials if "repeat_of" not in trial.user_attrs]
    assert [trial.params for trial in trials] == [{}] * 8 + after.parameters[8:]
    assert trials[-1].distributions["lambda"].log


@pytest.mark.parametrize("channels", [1, 64, 512])
def test_an_allocation_is_one_digit_a_channel(channels):
    bits = np.random.default_rng(0).integers(0, 9, channels).astype(np.int8)
    assert len(digits(bits)) == channels
    np.testing.assert_array_equal(from_digits(digits(bits)), bits)


@pytest.mark.parametrize("url", ["nonsense://x", "not a url", "sqlite:////no/such/folder/x.db"])
def test_a_storage_that_cannot_be_opened_is_bad_input(url):
    with pytest.raises(MooFsError, match=r"^storage '.*': ") as refused:
        open_storage(url)
    assert "\n" not in str(refused.value)


def test_a_password_in_a_url_is_not_repeated():
    with pytest.raises(MooFsError) as refused:
        open_storage("nonsense://user:secret@host/db")
    assert "secret" not in str(refused.value)
    assert "host/db" in str(refused.value)


def test_a_lock_is_held_by_one_and_freed_by_its_end(tmp_path):
    path = tmp_path / "deep" / "run.lock"
    assert not is_held(path)
    lock = HeldLock(path, what="run x")
    assert is_held(path)
    with pytest.raises(RunError, match=r"run x is being executed by another process \(\d+\); wait for it or stop it"):
        HeldLock(path, what="run x")
    lock.release()
    lock.release()
    assert not is_held(path)


def test_a_damaged_middle_of_a_journal_is_not_mistaken_for_a_torn_tail(tmp_path):
    run_toy(tmp_path, budget=10)
    path = journal_path(tmp_path, spec().key)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:9], b"{broken\n", *lines[9:]]))
    with pytest.raises(RunError, match=r"journals.*\.log is damaged in its middle"):
        run_toy(tmp_path, budget=10)


def test_records_are_read_back_in_order(tmp_path):
    journal = JournalFile(tmp_path / "x.log")
    with journal.synced():
        for at in range(5):
            journal.append_logs([{"at": at}])
    assert [log["at"] for log in journal.read_logs(2)] == [2, 3, 4]


@pytest.mark.parametrize("synced", [True, False])
def test_a_full_disk_leaves_a_journal_of_whole_lines_that_goes_on(tmp_path, monkeypatch, synced):
    """The disk takes half of the second record, and the third once there is room again."""
    path = tmp_path / "x.log"
    journal = JournalFile(path)
    journal.append_logs([{"at": 0}])
    before, write, left = path.read_bytes(), os.write, [4]

    def half(handle: int, content: bytes) -> int:
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, content[: left.pop()])

    monkeypatch.setattr(os, "write", half)
    with (
        journal.synced() if synced else nullcontext(),
        pytest.raises(RunError, match=r"x\.log: cannot be written: No space left on device"),
    ):
        journal.append_logs([{"at": 1}])
    monkeypatch.setattr(os, "write", write)
    assert not left
    assert path.read_bytes() == before
    journal.append_logs([{"at": 2}])
    assert [log["at"] for log in JournalFile(path).read_logs(0)] == [0, 2]


def test_a_disk_that_writes_little_at_a_time_gets_everything(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:3]))
    journal = JournalFile(tmp_path / "x.log")
    journal.append_logs([{"at": 0}, {"at": 1}])
    assert [log["at"] for log in journal.read_logs(0)] == [0, 1]


# The archive ------------------------------------------------------------------------------------------------------


def frames() -> dict[str, pd.DataFrame]:
    trials = pd.DataFrame({"run": ["ab", "ab"], "trial": [0, 1], "bits": [b"\x00\x08", b"\x01\x01"], "a": [0.1, 1 / 3]})
    return {"trials.parquet": trials, "summary.csv": trials.drop(columns="bits")}


def test_an_archive_is_whole_when_written_and_reads_back_equal(tmp_path):
    written = archive.write_archive(tmp_path, frames(), {"name": "toy", "specification_hash": "h"})
    assert archive.verify(tmp_path) == []
    assert archive.read_study_json(tmp_path) == written
    assert set(written) == {"name", "specification_hash", "versions", "source_hash", "files"}
    assert len(written["source_hash"]) == 64
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "trials.parquet"), frames()["trials.parquet"])
    assert {path.name for path in tmp_path.iterdir()} == {"trials.parquet", "summary.csv", "study.json"}


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in "ab":
        archive.write_archive(tmp_path / name, frames(), {"name": "toy"})
    for file in ("trials.parquet", "summary.csv", "study.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


RESOLVED = {"specification_hash": "h", "reference": [9.0, 1.0], "corner": [3.0, 0.5], "backend": "torch-x"}


@pytest.mark.parametrize(("key", "value"), [("reference", [9.5, 1.0]), ("corner", [3.0, 0.4]), ("backend", "y")])
def test_an_edited_reference_corner_or_backend_is_a_fault(tmp_path, key, value):
    written = archive.write_archive(tmp_path, frames(), RESOLVED)
    assert archive.verify(tmp_path) == []
    (tmp_path / "study.json").write_text(json.dumps(written | {key: value}))
    (fault,) = archive.verify(tmp_path)
    assert fault.endswith(
        "study.json: specification_hash, reference, corner, backend: one of them differs from what 'resolved_hash' says"
    )
    assert not archive.is_finished(tmp_path, "h")
    written.pop("resolved_hash")  # as written before there was one
    (tmp_path / "study.json").write_text(json.dumps(written))
    assert archive.verify(tmp_path) == []


def test_a_changed_or_missing_file_is_a_fault_and_unfinishes_the_study(tmp_path):
    archive.write_archive(tmp_path, frames(), {"specification_hash": "h"})
    assert archive.is_finished(tmp_path, "h")
    assert not archive.is_finished(tmp_path, "other")
    (tmp_path / "summary.csv").write_text("run\n")
    (tmp_path / "trials.parquet").unlink()
    faults = archive.verify(tmp_path)
    assert [fault.rpartition("/")[2] for fault in faults] == [
        "summary.csv: differs from its hash in study.json",
        "trials.parquet: is missing",
    ]
    assert not archive.is_finished(tmp_path, "h")


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"files": {"../x": "0"}}'])
def test_what_is_no_archive_is_said_to_be_none(tmp_path, content):
    if content is not None:
        (tmp_path / "study.json").write_text(content)
    with pytest.raises(MooFsError, match=r"wanted"):
        archive.read_study_json(tmp_path)
    assert len(archive.verify(tmp_path)) == 1
    assert not archive.is_finished(tmp_path, "h")


def test_a_frame_that_cannot_be_written_leaves_the_old_archive_alone(tmp_path):
    archive.write_archive(tmp_path, frames(), {"specification_hash": "h"})
    broken = {**frames(), "fronts.parquet": pd.DataFrame({"x": [object()]})}
    with pytest.raises(pa.ArrowInvalid):
        archive.write_archive(tmp_path, broken, {"specification_hash": "h"})
    with pytest.raises(ValueError, match="JSON compliant"):
        archive.write_archive(tmp_path, frames(), {"specification_hash": float("nan")})
    assert archive.is_finished(tmp_path, "h")
    assert len(list(tmp_path.iterdir())) == 3


# How far a study is -----------------------------------------------------------------------------------------------


def test_the_state_of_runs_is_read_from_their_journals(tmp_path):
    study = toy_study(seeds=4)
    runs = study.runs()
    assert study_status(study, tmp_path).counts == {"done": 0, "running": 0, "waiting": 4, "failed": 0}
    assert study_status(study, tmp_path).seconds_left is None
    run_toy(tmp_path, budget=20, which=runs[0])
    run_toy(tmp_path, budget=7, which=runs[1], pause=0.01)
    with open_run(runs[2], study="toy", objectives=OBJECTIVES, folder=tmp_path) as recorder:
        recorder.close("failed: run x: objectives are not finite")
    lock = HeldLock(lock_path(tmp_path, runs[1].key), what="run")
    status = study_status(study, tmp_path)
    lock.release()
    assert [run.state for run in status.runs] == ["done", "running", "failed", "waiting"]
    assert status.evaluations == 27
    assert status.runs[2].message == "run x: objectives are not finite"
    assert status.seconds > 0
    assert 0 < status.seconds_left < 60
    assert json.loads(json.dumps(status.as_json()))["runs"][0]["run"] == runs[0].key
    assert study_status(study, tmp_path).runs[1].state == "waiting"


def test_a_run_that_is_done_waits_again_when_the_budget_grows(tmp_path):
    study = toy_study(seeds=1)
    run_toy(tmp_path, budget=20)
    assert study_status(study, tmp_path).counts["done"] == 1
    assert study_status(study.with_changes(budget=30), tmp_path).counts["waiting"] == 1


def test_the_state_of_an_archived_study_needs_no_journal(tmp_path):
    study = toy_study()
    rows = [{**run.labels, "evaluations": 20, "seconds": 1.5} for run in study.runs()]
    archive.write_archive(
        tmp_path, {"summary.csv": pd.DataFrame(rows)}, {"specification_hash": study.specification_hash}
    )
    status = study_status(study, tmp_path)
    assert status.archived
    assert status.counts["done"] == 2
    assert (status.evaluations, status.seconds, status.seconds_left) == (40, 3.0, 0.0)


def test_an_archive_with_a_larger_budget_or_more_seeds_holds_the_study_too(tmp_path):
    study, large = toy_study(), toy_study(budget=300, seeds=5)
    rows = [{**run.labels, "evaluations": 300, "seconds": 1.5} for run in large.runs()]
    archive.write_archive(tmp_path, {"summary.csv": pd.DataFrame(rows)}, {"specification": large.specification})
    status = study_status(study, tmp_path)
    assert status.archived
    assert status.counts == {"done": 2, "running": 0, "waiting": 0, "failed": 0}
    assert status.evaluations == 40
    assert archive.is_covered(tmp_path, large)
    for other in ({"budget": 301}, {"seeds": 6}, {"reference": "uniform-3"}, {"measures": (PluginSpec("l2-norm"),)}):
        assert not archive.is_covered(tmp_path, toy_study(**other))
    (tmp_path / "summary.csv").unlink()
    assert not archive.is_covered(tmp_path, study)
    assert not archive.is_covered(tmp_path / "nothing", study)
