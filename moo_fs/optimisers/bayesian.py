"""Optuna's samplers behind ask and tell, on the few parameters of decoding: task weights, lambda and gamma."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.optimisers.memory import Memory
from moo_fs.optimisers.parameters import Decoding
from moo_fs.space import Space


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna without its notes on studies made, optional packages and experimental samplers."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


class OptunaSearch:
    """An Optuna sampler on decoding parameters, in an in-memory study; asked and told in small batches.

    The study remembers at most `history` trials (0: all): the newer half, and every so many of the older ones. Optuna's
    multi-objective split picks its best trials by hypervolume, which costs 45 ms a trial at 500 and grows.
    """

    uses_scores = True
    encoding = "decoding"

    def __init__(self, problem: Space, rng: np.random.Generator, *, batch: int = 5, history: int = 0) -> None:
        if batch < 1 or history < 0:
            raise MooFsError(
                f"optimiser: wanted batch of 1 or more and history of 0 or more, got {batch} and {history}"
            )
        self._batch, self._history, self._decoding = batch, history, Decoding(problem)
        self.distributions: dict[str, BaseDistribution] = {**self._decoding.distributions}
        self.parameters: list[dict[str, float]] = []
        self._trials: list[optuna.Trial] = []
        self._study = self._empty_study(self._sampler(int(rng.integers(2**31))), len(problem.objectives))

    def _sampler(self, seed: int) -> BaseSampler:
        raise NotImplementedError

    @staticmethod
    def _empty_study(sampler: BaseSampler, objectives: int) -> optuna.Study:
        with quiet():
            return optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)

    def _forget(self) -> None:
        """Thin the study once it holds a quarter more than `history` trials; the sampler goes on as it is."""
        trials = self._study.get_trials(deepcopy=False)
        if not self._history or len(trials) <= 1.25 * self._history:
            return
        newer = self._history // 2
        older = np.linspace(0, len(trials) - newer - 1, self._history - newer).astype(int)
        self._study = self._empty_study(self._study.sampler, len(self._study.directions))
        self._study.add_trials([trials[index] for index in older] + trials[-newer:])

    def ask(self) -> Bits:
        """The next allocations (batch, channel); `parameters` says what they were decoded from."""
        with quiet():
            self._trials = [self._study.ask(self.distributions) for _ in range(self._batch)]
        self.parameters = [{name: float(value) for name, value in trial.params.items()} for trial in self._trials]
        return self._decoding.decode(self.parameters)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Objectives (batch, objective) of what was asked last, in its order."""
        for trial, values in zip(self._trials, np.asarray(objectives, dtype=np.float64), strict=True):
            self._study.tell(trial, [float(value) for value in values])
        self._forget()


class Tpe(OptunaSearch):
    """Multivariate TPE: Ozaki et al. (2022), "Multiobjective tree-structured Parzen estimator".

    All of the sampler's arguments that matter are given, because Optuna's defaults move between versions.
    """

    def __init__(
        self, problem: Space, rng: np.random.Generator, *, batch: int = 5, startup: int = 20, history: int = 160
    ) -> None:
        self._startup = startup
        super().__init__(problem, rng, batch=batch, history=history)

    def _sampler(self, seed: int) -> BaseSampler:
        options: dict[str, Any] = {"multivariate": True, "group": False, "constant_liar": False}
        return TPESampler(seed=seed, n_startup_trials=self._startup, n_ei_candidates=24, **options)


class OptunaNsga2(OptunaSearch):
    """Optuna's NSGA-II on decoding parameters: Deb et al. (2002), with Optuna's own crossover and mutation."""

    def __init__(self, problem: Space, rng: np.random.Generator, *, batch: int = 10, population: int = 40) -> None:
        if population < 2:
            raise MooFsError(f"optimiser 'optuna-nsga2': population: wanted 2 or more, got {population}")
        self._population = population
        super().__init__(problem, rng, batch=batch)

    def _sampler(self, seed: int) -> BaseSampler:
        return NSGAIISampler(seed=seed, population_size=self._population, crossover_prob=0.9)


class Gp(OptunaSearch):
    """Gaussian processes with expected hypervolume improvement, on decoding parameters.

    A trial costs seconds, and more of them the longer it runs: so it stops by itself after `stop` distinct allocations
    (its `ask` then returns no rows), unless told otherwise; 0 never stops. `candidates` points are looked at before the
    best of them are refined; Optuna's own 2,048 take most of the time with four objectives, 256 are our choice.
    Daulton, S., Balandat, M. and Bakshy, E. (2020), "Differentiable expected hypervolume improvement".
    """

    def __init__(
        self,
        problem: Space,
        rng: np.random.Generator,
        *,
        batch: int = 1,
        startup: int = 12,
        stop: int = 60,
        candidates: int = 256,
    ) -> None:
        if startup < 1 or stop < 0 or candidates < 1:
            raise MooFsError("optimiser 'gp': wanted startup and candidates of 1 or more and stop of 0 or more")
        self._startup, self._stop, self._candidates = startup, stop, candidates
        self._memory, self._nothing = Memory(problem), np.zeros((0, problem.channels), dtype=np.int8)
        super().__init__(problem, rng, batch=batch)

    def ask(self) -> Bits:
        """The next allocations (batch, channel), or none once it has stopped."""
        if self._stop and len(self._memory) >= self._stop:
            self.parameters, self._trials = [], []
            return self._nothing
        return super().ask()

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Objectives (batch, objective) of what was asked last, in its order."""
        super().tell(bits, objectives)
        self._memory.add(bits, objectives)

    def _sampler(self, seed: int) -> BaseSampler:
        with quiet():
            sampler = GPSampler(seed=seed, n_startup_trials=self._startup, deterministic_objective=True)
        sampler._n_preliminary_samples = self._candidates  # Optuna has no argument for it
        return sampler
