"""What keeping a run costs: our journal against Optuna's with one parameter a channel, asked and told."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from moo_fs.contracts import Bits, Floats
from moo_fs.execute import execute
from moo_fs.plugins import PluginSpec
from moo_fs.seeds import stream
from moo_fs.space import Space
from moo_fs.store import open_run
from moo_fs.study import RunSpec

OBJECTIVES = ("rate", "a", "b", "c")
ROUNDS = 4
PLAIN_TRIALS = 10


class _Free:
    """A problem that costs nothing, so that what is measured is the framework."""

    def __init__(self, channels: int) -> None:
        depths = np.arange(9.0)
        rate = np.repeat(depths[None], channels, axis=0)
        self.space = Space(OBJECTIVES, 4.0 ** -np.repeat(depths[None], channels, axis=0), rate)

    def evaluate(self, bits: Bits) -> Floats:
        return np.repeat(bits.mean(axis=1, keepdims=True), len(OBJECTIVES), axis=1)


class _Uniform:
    """Asks for random bits, 16 at a time."""

    def __init__(self, space: Space, rng: np.random.Generator) -> None:
        self._space, self._rng = space, rng

    def ask(self) -> Bits:
        return self._rng.integers(0, 9, (16, self._space.channels)).astype(np.int8)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Learns nothing."""


def rows(*, channels: int = 64, trials: int = 2000) -> list[dict[str, Any]]:
    """One row: milliseconds an evaluation, ours (everything but evaluating) and plain, measured alternately.

    Ours executes a run of `trials`, in rounds; a round of plain asks and tells 10 trials of a study on Optuna's journal
    with one parameter a channel. `resume_seconds` is what reading and replaying the whole run takes.
    """
    ours, plain = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = _plain_study(folder / "plain.log")
        for round_ in range(1, ROUNDS + 1):
            ours.append(_ours(folder, channels, trials * round_ // ROUNDS) / (trials // ROUNDS))
            plain.append(_plain(study, channels) / PLAIN_TRIALS)
        resumed = _ours(folder, channels, trials)
    # Each of our rounds replays the ones before, as a resumed run does; that is part of its cost.
    first, second = float(np.median(ours)) * 1e3, float(np.median(plain)) * 1e3
    return [
        {
            "case": f"{channels} channels, {trials} trials",
            "ratio": second / first,
            "ours_ms": first,
            "plain_optuna_ms": second,
            "resume_seconds": resumed,
        }
    ]


def _ours(folder: Path, channels: int, budget: int) -> float:
    spec = RunSpec(PluginSpec("bench"), PluginSpec("none"), PluginSpec("uniform"), 0)
    problem = _Free(channels)
    started = time.perf_counter()
    with open_run(spec, study="bench", objectives=OBJECTIVES, folder=folder) as recorder:
        execute(spec, problem, _Uniform(problem.space, stream(0, "optimiser")), recorder, budget=budget)
    return time.perf_counter() - started


def _plain_study(path: Path) -> optuna.Study:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        backend = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        sampler = optuna.samplers.RandomSampler(seed=0)
        return optuna.create_study(storage=backend, directions=["minimize"] * len(OBJECTIVES), sampler=sampler)
    finally:
        optuna.logging.set_verbosity(level)


def _plain(study: optuna.Study, channels: int) -> float:
    started = time.perf_counter()
    for _ in range(PLAIN_TRIALS):
        trial = study.ask()
        bits = [trial.suggest_int(f"channel_{channel}", 0, 8) for channel in range(channels)]
        study.tell(trial, [float(np.mean(bits))] * len(OBJECTIVES))
    return time.perf_counter() - started
