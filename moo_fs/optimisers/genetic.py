"""pymoo's evolutionary algorithms behind ask and tell, on integer depths.

Operators are our own (children on the line between two parents, score-guided single steps), so no repair is needed.
There is no termination: who asks owns the budget. Selection, ranking and survival are pymoo's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.algorithms.moo.sms import SMSEMOA
from pymoo.core.crossover import Crossover
from pymoo.core.evaluator import Evaluator
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem
from pymoo.util.ref_dirs import get_reference_directions

from moo_fs.contracts import MAX_BITS, Bits, Floats, MooFsError
from moo_fs.optimisers import moves, sweep
from moo_fs.optimisers.sampling import throw_bits
from moo_fs.space import Space


class Genetic:
    """What the genetic algorithms share: start, operators, ask and tell. Subclasses choose pymoo's algorithm."""

    uses_scores = True
    encoding = "bits"

    def __init__(
        self,
        problem: Space,
        rng: np.random.Generator,
        *,
        population: int = 80,
        offspring: int = 20,
        seeded: bool = True,
        guided: bool = True,
    ) -> None:
        """See the class; `population` survive, `offspring` are asked for at a time.

        `seeded` decodes the start from the scores (otherwise random importances at stratified rates), `guided` biases
        mutation by the scores.
        """
        for name, value, least in (("population", population, 4), ("offspring", offspring, 2)):
            if value < least:
                raise MooFsError(f"optimiser: {name}: wanted {least} or more, got {value}")
        self._space, self._rng = problem, rng
        self._problem = PymooProblem(
            n_var=problem.channels, n_obj=len(problem.objectives), xl=0, xu=MAX_BITS, vtype=int
        )
        with_scores = seeded and problem.scores is not None
        start = sweep.seeded_start if with_scores else sweep.stratified_start
        self._algorithm = self._make(
            pop_size=population,
            n_offsprings=offspring,
            sampling=_Start(start(problem, rng, population)),
            crossover=_Crossover(),
            mutation=_Steps(moves.Stepper(problem, guided=guided)),
        )
        self._algorithm.setup(self._problem, termination=NoTermination(), seed=int(rng.integers(2**31)))
        self._asked: Any = None

    def _make(self, **common: Any) -> Any:
        raise NotImplementedError

    def ask(self) -> Bits:
        """The next allocations (batch, channel): the start, then offspring that are new to the population."""
        asked = self._algorithm.ask()
        if asked is None or not len(asked):
            # Mating found nothing new (a tiny space): immigrants keep the run alive.
            asked = Population.new(X=throw_bits(self._space, self._rng, self._algorithm.n_offsprings).astype(int))
        self._asked = asked
        return np.asarray(asked.get("X"), dtype=np.int8)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Objectives (batch, objective) of what was asked last, in its order."""
        Evaluator().eval(StaticProblem(self._problem, F=np.asarray(objectives, dtype=np.float64)), self._asked)
        self._algorithm.tell(infills=self._asked)


class Nsga2(Genetic):
    """NSGA-II: Deb et al. (2002), "A fast and elitist multiobjective genetic algorithm: NSGA-II"."""

    def _make(self, **common: Any) -> Any:
        return NSGA2(**common)


class Nsga3(Genetic):
    """NSGA-III: Deb and Jain (2014), "An evolutionary many-objective optimization algorithm ...", Part I.

    Reference directions are those of Das and Dennis, as many as the population can serve.
    """

    def _make(self, **common: Any) -> Any:
        return NSGA3(ref_dirs=_directions(len(self._space.objectives), common["pop_size"]), **common)


class SmsEmoa(Genetic):
    """SMS-EMOA: Beume, Naujoks and Emmerich (2007), "SMS-EMOA: multiobjective selection based on dominated ..."."""

    def _make(self, **common: Any) -> Any:
        return SMSEMOA(**common)


def _directions(objectives: int, most: int) -> Any:
    """Das and Dennis's directions (direction, objective): the finest grid of at most `most`."""
    partitions = 1
    while math.comb(partitions + objectives, objectives - 1) <= most:
        partitions += 1
    return get_reference_directions("das-dennis", objectives, n_partitions=partitions)


class _Start(Sampling):
    def __init__(self, bits: Bits) -> None:
        super().__init__()
        self._bits = bits

    def _do(self, problem: Any, n_samples: int, **_: Any) -> Any:
        return self._bits[:n_samples].astype(int)


class _Crossover(Crossover):
    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=0.9)

    def _do(self, problem: Any, X: Any, *_: Any, random_state: Any = None, **__: Any) -> Any:  # noqa: N803 - pymoo's name
        pair = [moves.crossover(X[0], X[1], random_state), moves.crossover(X[1], X[0], random_state)]
        return np.array(pair).astype(int)


class _Steps(Mutation):
    def __init__(self, stepper: moves.Stepper) -> None:
        super().__init__(prob=0.9)
        self._stepper = stepper

    def _do(self, problem: Any, X: Any, *_: Any, random_state: Any = None, **__: Any) -> Any:  # noqa: N803 - pymoo's name
        return self._stepper.steps(X, random_state).astype(int)
