"""No search at all: a fixed lattice of task weights, rates and gamma, decoded from the scores.

What such a run finds depends on the scores alone, so two measures that are swept are told apart by nothing else.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import lcm

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from moo_fs import decoding
from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.optimisers import sweep
from moo_fs.space import Space

# Our choices. Scores that are alike for all tasks have one allocation for all task weights, so levels and gammas alone
# must be enough of them for 300 distinct allocations of 64 channels. Where all channels count alike too ("none"), only
# the levels tell allocations apart: such a sweep ends short of that, with at most as many allocations as LEVELS.
DIVISIONS = 6
LEVELS = 125
GAMMAS = (1.0, 0.5, 2.0, 0.71, 1.41, 0.59, 1.68, 0.84, 1.19)


class Sweep:
    """Every combination of task weights, rate level and gamma, once; then nothing is left to ask for.

    The order is fixed and any beginning of it covers the whole lattice, as a low-discrepancy sequence does. It knows
    neither budget nor seed, and nothing is learnt, so it is the same for every measure, block and budget.
    """

    uses_scores = True
    encoding = "decoding"

    def __init__(self, problem: Space, rng: np.random.Generator, *, batch: int = 25) -> None:
        """`batch` allocations at a time; they do not depend on it, and not on `rng`."""
        if batch < 1:
            raise MooFsError(f"optimiser '{self._name()}': batch: wanted 1 or more, got {batch}")
        self._space, self._batch, self._at = problem, batch, 0
        self._ladder = sweep.Ladder(problem.error, problem.rate)
        self._importance = self._scores(problem)
        self._weights = simplex_lattice(len(problem.tasks))
        self._levels = sweep.rate_levels(problem, LEVELS)[spread_order(LEVELS)]
        self._points = walk(LEVELS, len(self._weights), len(GAMMAS))

    def ask(self) -> Bits:
        """The next allocations (batch, channel); none (0, channel) at the end of the lattice."""
        level, weights, gamma = self._points[self._at : self._at + self._batch].T
        self._at += len(level)
        joint = self._weights[weights] @ self._importance.T
        # Task weights that meet zeros only say nothing of any channel: then every channel counts alike.
        joint = np.where(joint.max(axis=1, keepdims=True, initial=0.0) > 0, joint, 1.0)
        joint = joint ** np.array(GAMMAS)[gamma][:, None]
        return sweep.decode_to_rate(self._space, joint, self._levels[level], ladder=self._ladder)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Nothing is learnt."""

    def _scores(self, space: Space) -> Floats:
        """Importances (channel, task) from 0 to 1; without scores every channel counts alike."""
        return np.ones((space.channels, len(space.tasks))) if space.scores is None else decoding.normalise(space.scores)

    @classmethod
    def _name(cls) -> str:
        return "sweep"


class RankSweep(Sweep):
    """`sweep` with each task's scores replaced by their ranks: the order of the channels decides, not the scale."""

    def _scores(self, space: Space) -> Floats:
        return np.ones((space.channels, len(space.tasks))) if space.scores is None else ranked(space.scores)

    @classmethod
    def _name(cls) -> str:
        return "rank-sweep"


def ranked(scores: Floats) -> Floats:
    """(C - rank) / C of scores (channel, task): rank 0 is the highest of a task's C channels, equal scores share one.

    >>> ranked(np.array([[30.0], [-1.0], [2.0], [2.0]])).ravel().tolist()
    [1.0, 0.25, 0.625, 0.625]
    """
    return np.asarray(rankdata(scores, axis=0) / len(scores))


def simplex_lattice(tasks: int, divisions: int = DIVISIONS) -> Floats:
    """Task weights (point, task) in steps of 1 / `divisions`: the centre or what is nearest, then what is farthest.

    Each next point is the one farthest from all before it, so that any beginning covers the simplex: the corners come
    early. Scheffé, H. (1958), "Experiments with mixtures"; the order is our choice.
    """
    counts = [
        np.bincount(np.array(drawn, dtype=np.int64), minlength=tasks)
        for drawn in combinations_with_replacement(range(tasks), divisions)
    ]
    points = np.array(counts) / divisions
    order = [int(np.argmin(np.square(points - 1.0 / tasks).sum(axis=1).round(9)))]
    nearest = np.full(len(points), np.inf)
    while len(order) < len(points):
        nearest = np.minimum(nearest, np.square(points - points[order[-1]]).sum(axis=1).round(9))
        order.append(int(np.argmax(nearest)))
    return points[order]


def spread_order(count: int) -> NDArray[np.int64]:
    """0 to `count` - 1 in the order of their reversed binary digits (van der Corput): any beginning is spread out.

    >>> spread_order(8).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    digits = max(1, (count - 1).bit_length())
    reversed_ = [int(f"{number:0{digits}b}"[::-1], 2) for number in range(2**digits)]
    return np.array([number for number in reversed_ if number < count])


def walk(*sizes: int) -> NDArray[np.int64]:
    """Every combination of indices below `sizes`, once: (combination, axis), all axes moving at every step.

    With sizes that share no factor, step i stands at i modulo each size (the Chinese remainder theorem), as Halton's
    points do; where they share one, the later axis slips by one a period.
    """
    steps = np.arange(int(np.prod(sizes)))
    axes, period = [], 1
    for size in sizes:
        within = steps % (period * size)
        axes.append((within + within // lcm(period, size)) % size)
        period *= size
    return np.stack(axes, axis=1)
