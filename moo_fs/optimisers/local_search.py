"""Archive-based Pareto local search: neighbours of non-dominated allocations, and children between them."""

from __future__ import annotations

import numpy as np

from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.optimisers import moves, sweep
from moo_fs.optimisers.memory import Memory
from moo_fs.optimisers.rays import Rays, boxes
from moo_fs.space import Space

TRIES = 4
MIXED = 0.35


class LocalSearch:
    """Steps, swaps and line crossover around the archive of non-dominated allocations; never asks a model.

    The start is decoded from the scores (random importances at stratified rates without). Parents are the archive
    members that reach farthest along random rays through the box of uniform 2 bits and its corner in turn, so that the
    region that counts is worked on and long flat ends are not. A third of the children are mixtures of two parents.
    Paquete, L., Chiarandini, M. and Stuetzle, T. (2004), "Pareto local optimum sets in the biobjective traveling
    salesman problem: an experimental study".
    """

    uses_scores = True
    encoding = "bits"

    def __init__(
        self, problem: Space, rng: np.random.Generator, *, start: int = 60, batch: int = 20, guided: bool = True
    ) -> None:
        """`start` allocations first, then `batch` at a time; `guided` biases steps by the scores."""
        if start < 1 or batch < 1:
            raise MooFsError(f"optimiser 'local-search': wanted start and batch of 1 or more, got {start} and {batch}")
        self._space, self._rng, self._start, self._batch = problem, rng, start, batch
        self._stepper = moves.Stepper(problem, guided=guided)
        self._memory, self._boxes, self._turn = Memory(problem), boxes(problem), 0

    def ask(self) -> Bits:
        """The next allocations (batch, channel), new ones while the neighbourhood has any."""
        if not len(self._memory):
            start = sweep.stratified_start if self._space.scores is None else sweep.seeded_start
            return start(self._space, self._rng, self._start)
        self._turn += 1
        count = TRIES * self._batch
        first, second = self._parents(count), self._parents(count)
        mixed = moves.crossover(first, second, self._rng)
        base = np.where(self._rng.random((count, 1)) < MIXED, mixed, first).astype(np.int8)
        children = self._moved(base)
        fresh = self._memory.fresh(children)
        return (fresh if len(fresh) else children)[: self._batch]

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Objectives (batch, objective) of allocations (batch, channel)."""
        self._memory.add(bits, objectives)

    def _moved(self, base: Bits) -> Bits:
        steps = self._stepper.steps(base, self._rng, mean_steps=1.5)
        swapped = self._rng.random((len(base), 1)) < 0.4
        return np.asarray(np.where(swapped, self._stepper.swaps(base, self._rng), steps), dtype=np.int8)

    def _parents(self, count: int) -> Bits:
        archive = self._memory
        box = self._boxes[self._turn % len(self._boxes)]
        rays = Rays(box, archive.objectives[:0], self._rng, count=count)
        return np.asarray(archive.bits[rays.farthest(archive.objectives, self._rng)])
