"""A toy problem and optimiser, and a program that executes one run of them: killed and resumed by the tests."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from moo_fs.contracts import MooFsError
from moo_fs.execute import execute
from moo_fs.plugins import PluginSpec
from moo_fs.run_parts import RunOutcome
from moo_fs.seeds import stream
from moo_fs.space import Space
from moo_fs.store import open_run
from moo_fs.study import RunSpec
from moo_fs.workers import run_all

OBJECTIVES = ("rate", "a", "b")
CHANNELS = 6


def spec(optimiser: str = "climber", seed: int = 0) -> RunSpec:
    return RunSpec(PluginSpec("toy"), PluginSpec("random"), PluginSpec(optimiser), seed)


def space(channels: int = CHANNELS) -> Space:
    rng = np.random.default_rng(7)
    depths = np.arange(9)
    error = np.repeat(4.0 ** -depths[None], channels, axis=0)
    rate = rng.uniform(0.5, 1.5, (channels, 1)) * depths**0.8
    return Space(OBJECTIVES, error, rate, rng.uniform(0, 1, (channels, 2)))


class ToyProblem:
    """Additive distortions; `pause` seconds an allocation; `calls` counts allocations evaluated."""

    def __init__(self, channels: int = CHANNELS, pause: float = 0.0) -> None:
        self.space = space(channels)
        self.pause = pause
        self.calls = 0

    def evaluate(self, bits: np.ndarray) -> np.ndarray:
        time.sleep(self.pause * len(bits))
        self.calls += len(bits)
        error = self.space.error[np.arange(self.space.channels), bits]
        return np.column_stack([self.space.rate_of(bits), error @ self.space.scores / self.space.scores.sum(0)])


class Climber:
    """Moves around the best rows so far, so that what it asks depends on every told number; many repeats."""

    def __init__(self, problem: Space, rng: np.random.Generator, *, batch: int = 7) -> None:
        self.problem, self.rng, self.batch = problem, rng, batch
        self.bits = np.zeros((0, problem.channels), np.int8)
        self.values = np.zeros((0, len(problem.objectives)))

    def ask(self) -> np.ndarray:
        if not len(self.bits):
            return self.rng.integers(0, 4, (self.batch, self.problem.channels)).astype(np.int8)
        best = self.bits[np.argsort(self.values @ self.rng.dirichlet(np.ones(self.values.shape[1])))[:3]]
        parents = best[self.rng.integers(0, len(best), self.batch)].astype(int)
        moves = self.rng.integers(-1, 2, parents.shape) * (self.rng.random(parents.shape) < 0.4)
        return np.clip(parents + moves, 0, 8).astype(np.int8)

    def tell(self, bits: np.ndarray, objectives: np.ndarray) -> None:
        self.bits = np.concatenate([self.bits, bits])
        self.values = np.concatenate([self.values, objectives])


class Memory:
    """A recorder that keeps nothing on disk."""

    where, ending = "memory", None

    def __init__(self, history=()) -> None:
        self.history, self.rows, self.states = list(history), list(history), []

    def record(self, rows, distributions=None) -> None:
        self.rows += rows

    def close(self, state: str, ending=None) -> None:
        self.states.append(state)


def run_toy(
    folder: Path,
    *,
    budget: int,
    pause: float = 0.0,
    storage: str | None = None,
    which: RunSpec | None = None,
    **changes,
) -> RunOutcome:
    which, problem = which or spec(), ToyProblem(pause=pause)
    with open_run(which, study="toy", objectives=OBJECTIVES, folder=folder, storage=storage) as recorder:
        optimiser = Climber(problem.space, stream(which.seed, "optimiser"))
        if which.optimiser.name == "fails":
            problem.evaluate = lambda bits: np.full((len(bits), 3), np.nan)
        elif which.optimiser.name == "raises":
            optimiser.tell = lambda bits, objectives: {}["missing"]
        elif which.optimiser.name == "kills itself":
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(which, problem, optimiser, recorder, budget=budget, **changes)


class ToyRunner:
    def __init__(self, folder: Path, budget: int, pause: float) -> None:
        self.folder, self.budget, self.pause = folder, budget, pause

    def __call__(self, which: RunSpec, *, on_progress, should_stop):
        if which.optimiser.name == "is bad input":
            raise MooFsError("no such thing")
        changes = {"on_progress": on_progress, "should_stop": should_stop}
        outcome = run_toy(self.folder, budget=self.budget, pause=self.pause, which=which, **changes)
        return os.getpid(), outcome.trials.bits.tobytes()


def load_toys(folder: Path, budget: int, pause: float) -> ToyRunner:
    if budget < 1:
        raise MooFsError(f"budget {budget}")
    return ToyRunner(folder, budget, pause)


if __name__ == "__main__":
    where, how_many, rest = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if len(rest) == 1:
        run_toy(where, budget=how_many, pause=float(rest[0]))
    else:
        try:
            work = [[spec(seed=seed)] for seed in range(int(rest[1]))]
            run_all(work, partial(load_toys, where, how_many, float(rest[0])), int(rest[1]))
        except KeyboardInterrupt:
            sys.exit(130)
