"""Runs in several processes: all are executed, failures are named, and nothing outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from toy_runs import load_toys, run_toy, spec

from moo_fs.contracts import MooFsError, RunError
from moo_fs.journal import journal_state
from moo_fs.store import journal_path
from moo_fs.workers import groups, run_all

TOYS = Path(__file__).with_name("toy_runs.py")
SEEDS = 3


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_runs_whose_optimiser_does_not_look_at_scores_share_a_process():
    runs = [spec(optimiser, seed) for seed in (0, 1) for optimiser in ("random", "climber") for _ in "ab"]
    found = groups(runs, lambda run: run.optimiser.name != "random")
    assert sorted(len(group) for group in found) == [2, 2, 2, 2]
    distinct = [spec("random", 0), spec("climber", 0)]
    assert [len(group) for group in groups(distinct, lambda run: True)] == [1, 1]


def test_several_processes_give_what_one_gives(tmp_path):
    work = [[spec(seed=seed)] for seed in range(SEEDS)]
    events = []
    several = run_all(work, partial(load_toys, tmp_path / "two", 40, 0.0), 2, events.append)
    one = run_all(work, partial(load_toys, tmp_path / "one", 40, 0.0), 1)
    assert {key: trials for key, (_, trials) in several.items()} == {key: trials for key, (_, trials) in one.items()}
    assert len({pid for pid, _ in several.values()}) <= 2
    assert os.getpid() not in {pid for pid, _ in several.values()}
    assert {pid for pid, _ in one.values()} == {os.getpid()}
    assert sorted(event.kind for event in events if event.kind != "progress") == ["done"] * SEEDS + ["started"] * SEEDS


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_is_named_and_does_not_stop_the_others_whatever_it_raises(tmp_path, workers):
    work = [[spec("fails")], [spec("raises"), spec("is bad input"), spec(seed=0)], [spec(seed=1)]]
    events = []
    with pytest.raises(RunError, match=r"run .* \(3 runs failed\)"):
        run_all(work, partial(load_toys, tmp_path, 20, 0.0), workers, events.append)
    assert [event.kind for event in events].count("done") == 2
    failed = {event.run.optimiser.name: event.message for event in events if event.kind == "failed"}
    assert set(failed) == {"fails", "raises", "is bad input"}
    assert all(message.startswith(f"run {spec(name).key} ({name}, random, seed 0)") for name, message in failed.items())
    assert failed["fails"].endswith("are not finite")
    assert failed["raises"].endswith(", trial 7: KeyError: 'missing'")
    assert failed["is bad input"].endswith("seed 0): MooFsError: no such thing")


def test_a_worker_that_is_killed_costs_its_run_only(tmp_path):
    work = [[spec("kills itself")], [spec(seed=0)], [spec(seed=1)]]
    events = []
    with pytest.raises(RunError, match=rf"run {spec('kills itself').key} .*ended with status -9"):
        run_all(work, partial(load_toys, tmp_path, 20, 0.0), 2, events.append)
    assert [event.kind for event in events].count("done") == 2


def test_bad_input_met_while_loading_is_still_bad_input(tmp_path):
    with pytest.raises(MooFsError, match="budget 0"):
        run_all([[spec()], [spec(seed=1)]], partial(load_toys, tmp_path, 0, 0.0), 2)
    with pytest.raises(MooFsError, match="workers: wanted 1 or more, got 0"):
        run_all([], partial(load_toys, tmp_path, 1, 0.0), 0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent_and_what_they_evaluated_is_kept(tmp_path, how):
    command = [sys.executable, TOYS, tmp_path, "100000", "0.005", "2"]
    # Where the tests run in the background, SIGINT is ignored, and children would inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard)
    journals = [journal_path(tmp_path, spec(seed=seed).key) for seed in range(2)]
    deadline = time.monotonic() + 60
    while not all(path.exists() and path.stat().st_size > 3000 for path in journals) and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = [int(line) for line in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    if how == signal.SIGKILL:
        parent.kill()
    else:
        os.killpg(parent.pid, signal.SIGINT)
    assert parent.wait(30) == (130 if how == signal.SIGINT else -9)
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers) >= 2
    assert not any(alive(pid) for pid in workers)
    assert [journal_state(path) for path in journals] == ["", ""]
    resumed = run_toy(tmp_path, budget=10)
    assert resumed.trials.bits.tobytes() == run_toy(tmp_path / "fresh", budget=10).trials.bits.tobytes()


POOL = """
import time
from moo_fs.worker import pool
with pool(2) as processes:
    # A job counts as running while its process still imports: both processes have to be there first.
    list(processes.map(time.sleep, [0.5] * 2))
    jobs = [processes.submit(time.sleep, 600) for _ in range(5)]
    time.sleep(0.5)
    print("both at work", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_pool_ends_with_its_parent_in_the_middle_of_its_work(how):
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    parent = subprocess.Popen(
        [sys.executable, "-c", POOL],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=heard,
    )  # fmt: skip
    assert parent.stdout.readline() == "both at work\n"
    children = [int(line) for line in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
    os.killpg(parent.pid, how) if how == signal.SIGINT else parent.kill()
    # Neither what is at work nor what waits in line is waited for.
    assert parent.wait(20) == -how
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) >= 2
    assert not any(alive(pid) for pid in children)
