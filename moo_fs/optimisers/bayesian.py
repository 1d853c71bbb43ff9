"""Optuna's samplers behind ask and tell, on the few parameters of decoding: task weights, lambda and gamma."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, TPESampler

from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.optimisers import sweep
from moo_fs.space import Space

GAMMA = (0.25, 2.0)


class Decoding:
    """The parameters of decoding and what they mean: uniform numbers in, bits out.

    Task weights are `-log u` normalised (uniform on the simplex for uniform u; none for a single task); lambda and
    gamma are searched on a logarithmic scale.
    """

    def __init__(self, space: Space) -> None:
        # All scores zero would decode to nothing sent whatever the parameters: then every channel counts alike.
        blind = space.scores is not None and not (space.scores > 0).any()
        self._space = replace(space, scores=None) if blind else space
        tasks = space.tasks if len(space.tasks) > 1 else ()
        self.names = [f"weight_{task}" for task in tasks]
        low, high = sweep.lambda_bounds(space)
        self.bounds = {
            **dict.fromkeys(self.names, (1e-3, 1.0 - 1e-3)),
            "lambda": (low, high),
            "gamma": GAMMA,
        }

    @property
    def distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """The search space in Optuna's words."""
        logarithmic = {"lambda", "gamma"}
        return {
            name: optuna.distributions.FloatDistribution(*bound, log=name in logarithmic)
            for name, bound in self.bounds.items()
        }

    def from_unit(self, unit: Floats) -> list[dict[str, float]]:
        """Points of the unit cube (point, parameter) as parameters."""
        return [
            {
                name: float(low * (high / low) ** u) if name in ("lambda", "gamma") else float(low + (high - low) * u)
                for (name, (low, high)), u in zip(self.bounds.items(), row, strict=True)
            }
            for row in unit
        ]

    def decode(self, rows: list[dict[str, float]]) -> Bits:
        """Bits (row, channel) of parameters."""
        raw = np.array([[-np.log(row[name]) for name in self.names] or [1.0] for row in rows])
        lam, gamma = (np.array([row[name] for row in rows]) for name in ("lambda", "gamma"))
        return self._space.decode(raw / raw.sum(axis=1, keepdims=True), lam, gamma)


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
        self.parameters: list[dict[str, float]] = []
        self._trials: list[optuna.Trial] = []
        self._study = self._empty_study(self._sampler(int(rng.integers(2**31))), len(problem.objectives))

    def _sampler(self, seed: int) -> BaseSampler:
        raise NotImplementedError

    @staticmethod
    def _empty_study(sampler: BaseSampler, objectives: int) -> optuna.Study:
        verbosity = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            return optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
        finally:
            optuna.logging.set_verbosity(verbosity)

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
        distributions = self._decoding.distributions
        self._trials = [self._study.ask(distributions) for _ in range(self._batch)]
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
