"""Runs that are killed, torn, extended or raced end as if nothing had happened."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from toy_runs import CHANNELS, OBJECTIVES, Climber, ToyProblem, run_toy, space, spec

from moo_fs import optimisers
from moo_fs.contracts import RunError
from moo_fs.execute import execute
from moo_fs.journal import repair
from moo_fs.registry import optimisers as table
from moo_fs.seeds import stream
from moo_fs.store import Recorder, journal_path, open_run

BUDGET = 120
TOYS = Path(__file__).with_name("toy_runs.py")


def same(one, other) -> bool:
    return (
        one.trials.frame({}).drop(columns="seconds").equals(other.trials.frame({}).drop(columns="seconds"))
        and (one.repeats, one.asks, one.exhausted) == (other.repeats, other.asks, other.exhausted)
    )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run_toy(tmp_path_factory.mktemp("fresh"), budget=BUDGET)


def test_a_run_killed_again_and_again_ends_equal_to_one_that_was_not(tmp_path, uninterrupted):
    rng, journal, sizes = random.Random(0), journal_path(tmp_path, spec().key), []
    for _ in range(4):
        child = subprocess.Popen([sys.executable, TOYS, tmp_path, str(BUDGET), "0.005"])
        before = journal.stat().st_size if journal.exists() else 0
        deadline = time.monotonic() + 60
        while (not journal.exists() or journal.stat().st_size <= before + 300) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        sizes.append(journal.stat().st_size)
    assert sizes == sorted(set(sizes))
    assert same(run_toy(tmp_path, budget=BUDGET), uninterrupted)


def test_a_journal_torn_anywhere_resumes_to_the_same_run(tmp_path, uninterrupted):
    run_toy(tmp_path, budget=BUDGET)
    journal = journal_path(tmp_path, spec().key)
    content, rng = journal.read_bytes(), random.Random(1)
    for at in [0, 1, 40, 400, 900, len(content) - 1, *rng.sample(range(len(content)), 8)]:
        journal.write_bytes(content[:at])
        assert same(run_toy(tmp_path, budget=BUDGET), uninterrupted), at


def test_a_tail_of_zeros_after_a_power_cut_is_cut_off(tmp_path):
    journal = tmp_path / "torn.log"
    journal.write_bytes(b'{"op_code": 4}\n\x00\x00\x00\n{"op')
    assert repair(journal) == 8
    assert journal.read_bytes() == b'{"op_code": 4}\n'


def test_a_larger_budget_extends_a_stored_run_to_the_fresh_one(tmp_path, uninterrupted):
    for budget in (3, 40, 41, BUDGET):
        extended = run_toy(tmp_path, budget=budget)
    assert same(extended, uninterrupted)


def test_a_smaller_budget_gives_the_beginning_and_loses_nothing(tmp_path, uninterrupted):
    run_toy(tmp_path, budget=BUDGET)
    small = run_toy(tmp_path, budget=30)
    np.testing.assert_array_equal(small.trials.bits, uninterrupted.trials.bits[:30])
    assert same(run_toy(tmp_path, budget=BUDGET), uninterrupted)


def test_a_finished_run_is_read_back_without_evaluating_anything(tmp_path):
    run_toy(tmp_path, budget=50)
    started = time.perf_counter()
    run_toy(tmp_path, budget=50, pause=1.0)
    assert time.perf_counter() - started < 5


def test_a_finished_run_does_not_ask_its_optimiser_again(tmp_path, monkeypatch):
    first = run_toy(tmp_path, budget=50)
    monkeypatch.setattr(Climber, "ask", lambda self: pytest.fail("was asked"))
    again = run_toy(tmp_path, budget=50)
    assert same(again, first)
    assert again.seconds == pytest.approx(first.seconds)


def test_a_run_killed_before_it_noted_its_end_is_charged_for_all_its_thinking(tmp_path, monkeypatch):
    """The end that it noted at a smaller budget is not taken for its own."""
    ask = Climber.ask
    monkeypatch.setattr(Climber, "ask", lambda self: time.sleep(0.01) or ask(self))
    run_toy(tmp_path, budget=20)
    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "close", lambda self, state, ending=None: None)
        killed = run_toy(tmp_path, budget=BUDGET)
    resumed = run_toy(tmp_path, budget=BUDGET)
    assert same(resumed, killed)
    assert resumed.seconds > 0.01 * resumed.asks / 7


@pytest.mark.parametrize("batches", [3, 10**6])
def test_a_run_that_ended_below_its_budget_says_again_why_and_goes_on_only_if_there_is_more(tmp_path, batches):
    class Few(Climber):
        def ask(self):
            self.batches = getattr(self, "batches", 0) + 1
            wanted = np.full((1, CHANNELS), min(self.batches, 5), np.int8)
            return wanted if self.batches <= batches else wanted[:0]

    def run(budget: int):
        with open_run(spec(), study="toy", objectives=OBJECTIVES, folder=tmp_path) as recorder:
            return execute(spec(), ToyProblem(), Few(space(), stream(0, "few")), recorder, budget=budget)

    first = run(9)
    assert first.exhausted
    assert run(9).exhausted == first.exhausted
    assert run(30).exhausted == run(30).exhausted
    assert ("nothing left" in run(30).exhausted) == (batches == 3)
    assert len(run(30).trials) == min(batches, 5)


def test_a_database_resumes_like_a_journal(tmp_path):
    url = f"sqlite:///{tmp_path}/runs.db"
    run_toy(tmp_path, budget=9, storage=url)
    assert same(run_toy(tmp_path, budget=20, storage=url), run_toy(tmp_path / "journal", budget=20))
    stored = optuna.load_study(study_name=f"toy/{spec().key}", storage=url)
    assert sum("repeat_of" not in trial.user_attrs for trial in stored.trials) == 20
    assert not list((tmp_path / "journals").glob("*.log"))


def test_two_processes_never_execute_the_same_run(tmp_path):
    with open_run(spec(), study="toy", objectives=OBJECTIVES, folder=tmp_path):
        child = subprocess.run([sys.executable, TOYS, tmp_path, "5", "0"], capture_output=True, text=True, check=False)
    assert child.returncode == 1
    assert "is being executed by another process" in child.stderr
    run_toy(tmp_path, budget=5)


def test_a_store_written_under_another_backend_is_refused(tmp_path):
    for backend in ("torch-a", "torch-a"):
        with open_run(spec(), study="t", objectives=OBJECTIVES, folder=tmp_path, context={"backend": backend}):
            pass
    with (
        pytest.raises(RunError, match="was begun with backend 'torch-a', not 'torch-b'"),
        open_run(spec(), study="t", objectives=OBJECTIVES, folder=tmp_path, context={"backend": "torch-b"}),
    ):
        pass


# Seconds a trial: just enough of them to go past its first, random ones.
SLOW = {"gp": ({"startup": 4}, (3, 5, 6))}


@pytest.mark.parametrize("name", sorted(optimisers.BUILTIN))
def test_every_optimiser_resumed_or_extended_asks_for_what_it_would_have_asked_for(name, tmp_path):
    optimisers.register()
    problem = ToyProblem(12)
    options, (first, second, last) = SLOW.get(name, ({}, (37, 60, 90)))

    def run(folder: Path, budget: int, stop_after: int = 10**6):
        which, seen = spec(name), []
        with open_run(which, study="toy", objectives=OBJECTIVES, folder=folder) as recorder:
            return execute(
                which,
                problem,
                table.load(name)(space(12), stream(0, "optimiser"), **options),
                recorder,
                budget=budget,
                on_progress=seen.append,
                should_stop=lambda: bool(seen) and seen[-1] >= stop_after,
            )

    fresh = run(tmp_path / "fresh", last)
    run(tmp_path / "other", first)
    run(tmp_path / "other", last, stop_after=second)
    assert same(run(tmp_path / "other", last), fresh)
