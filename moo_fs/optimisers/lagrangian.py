"""The surrogate-assisted Lagrangian sweep: believe in additivity, refit it to every evaluation, and check it."""

from __future__ import annotations

import numpy as np

from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.optimisers import moves, sweep
from moo_fs.optimisers.memory import Memory
from moo_fs.optimisers.rays import Rays, boxes
from moo_fs.optimisers.surrogate import Additive
from moo_fs.space import Space

SWEPT, VARIED = 500, 300
RAYS = 160


class Lagrangian:
    """Refit per-channel sensitivities, re-sweep task weights x rate, take the allocations of greatest predicted gain.

    The start is decoded from the scores. Then a share `local` of every batch are moves around the archive that do not
    ask the model (steps and swaps); the rest are chosen among fresh sweeps and neighbours of the archive by predicted
    hypervolume gain, alternately in the whole box (rate of uniform 2 bits, distortion 1) and in its corner (rate of
    uniform 1 bit, distortion 0.5): the boxes are this optimiser's own, whatever the study's reference. Allocations told
    before are passed over while there are others.
    Everett, H. (1963), "Generalized Lagrange multiplier method for solving problems of optimum allocation".
    """

    uses_scores = True
    encoding = "bits"

    def __init__(
        self, problem: Space, rng: np.random.Generator, *, start: int = 30, batch: int = 20, local: float = 0.3
    ) -> None:
        """`start` allocations are decoded from the scores, then `batch` at a time."""
        if start < 1 or batch < 1 or not 0.0 <= local <= 1.0:
            raise MooFsError("optimiser 'lagrangian': wanted start and batch of 1 or more and local from 0 to 1")
        self._space, self._rng = problem, rng
        self._start, self._batch, self._local = start, batch, local
        self._model = Additive(problem)
        self._ladder = sweep.Ladder(problem.error, problem.rate)
        self._stepper = moves.Stepper(problem, guided=True)
        self._memory, self._boxes = Memory(problem), boxes(problem)
        self._turn = 0

    def ask(self) -> Bits:
        """The next allocations (batch, channel)."""
        if not len(self._memory):
            return sweep.seeded_start(self._space, self._rng, self._start)
        self._turn += 1
        moved = self._memory.fresh(self._moves(4 * self._batch))[: round(self._local * self._batch)]
        chosen = self._predicted(self._batch - len(moved))
        rows = np.concatenate([chosen, moved])
        return rows if len(rows) else self._moves(self._batch)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Objectives (batch, objective) of allocations (batch, channel)."""
        rows, values = self._memory.add(bits, objectives)
        self._model.add(rows, values[:, 1:])

    def _moves(self, count: int) -> Bits:
        """Steps and swaps around members of the archive, not asking the model."""
        parents = self._memory.bits[self._rng.integers(len(self._memory.bits), size=count)]
        steps = self._stepper.steps(parents, self._rng, mean_steps=1.5)
        return np.asarray(np.where(self._rng.random((count, 1)) < 0.5, steps, self._stepper.swaps(parents, self._rng)))

    def _predicted(self, count: int) -> Bits:
        """The `count` candidates of greatest predicted gain."""
        self._model.refit()
        candidates = self._memory.fresh(np.concatenate([self._swept(SWEPT), self._moves(VARIED)]))
        predicted = np.column_stack([self._space.rate_of(candidates), self._model.predict(candidates)])
        box = self._boxes[self._turn % len(self._boxes)]
        rays = Rays(box, self._memory.objectives, self._rng, count=RAYS)
        return candidates[rays.choose(rays.gains(predicted), count)]

    def _swept(self, count: int) -> Bits:
        """Allocations of the present model's Lagrangian sweep: random task weights, rates up to the box's."""
        weights = self._rng.permutation(sweep.simplex(self._rng, count, len(self._space.tasks)))
        share = self._rng.uniform(0.0, 1.0, count) ** 1.5
        return sweep.decode_to_rate(
            self._space, weights @ self._model.sensitivities, share * self._boxes[0][0], ladder=self._ladder
        )
