"""Moves between allocations: score-guided single steps, swaps, and crossover along the line between two parents."""

from __future__ import annotations

import numpy as np

from moo_fs import decoding
from moo_fs.contracts import MAX_BITS, Bits, Floats
from moo_fs.optimisers.sweep import simplex
from moo_fs.space import Space

FLOOR = 0.02


class Stepper:
    """Changes the depth of single channels, up where a kbit buys most and down where it costs least.

    With `guided`, the worth of a step of channel c is `score x fall of relative error / rise of rate` under random task
    weights; without (or if all scores are zero) every possible step is as likely as another.
    """

    def __init__(self, space: Space, *, guided: bool) -> None:
        self._max = space.max_bits
        self._rate, self._error = space.rate, space.error
        scores = np.zeros((space.channels, len(space.tasks)))
        if guided and space.scores is not None:
            scores = decoding.normalise(space.scores)
        self._scores = scores
        self.guided = bool(scores.any())

    def steps(self, bits: Bits, rng: np.random.Generator, *, mean_steps: float = 2.0) -> Bits:
        """Each row of bits (allocation, channel) after one or more steps, `mean_steps` on average."""
        rows = np.array(bits, dtype=np.int8)
        counts = rng.geometric(1.0 / mean_steps, len(rows))
        joint = self._joint(rng, len(rows))
        for turn in range(int(min(counts.max(initial=0), rows.shape[1]))):
            busy = np.flatnonzero(counts > turn)
            rows[busy] = self._step(rows[busy], joint[busy], rng.random(len(busy)) < 0.5, rng)
        return rows

    def swaps(self, bits: Bits, rng: np.random.Generator) -> Bits:
        """Each row with one channel a step deeper and another a step shallower."""
        rows, joint = np.array(bits, dtype=np.int8), self._joint(rng, len(bits))
        up = np.ones(len(rows), dtype=bool)
        return self._step(self._step(rows, joint, up, rng), joint, ~up, rng)

    def _joint(self, rng: np.random.Generator, count: int) -> Floats:
        weights = simplex(rng, count, self._scores.shape[1])
        return np.asarray(rng.permutation(weights) @ self._scores.T + (FLOOR if self.guided else 0.0))

    def _step(self, rows: Bits, joint: Floats, up: np.ndarray, rng: np.random.Generator) -> Bits:
        move = np.where(up, 1, -1).astype(np.int8)
        goal = np.clip(rows + move[:, None], 0, self._max)
        possible = goal != rows
        chance = np.where(possible, self._worth(rows, goal, joint, up) if self.guided else 1.0, 0.0)
        total = chance.sum(axis=1, keepdims=True)
        chance = np.where(total > 0, chance, possible)
        pick = _draw(chance, rng)
        at = np.arange(len(rows))
        rows = rows.copy()
        rows[at, pick] = goal[at, pick]
        return rows

    def _worth(self, rows: Bits, goal: Bits, joint: Floats, up: np.ndarray) -> Floats:
        channel = np.arange(rows.shape[1])
        gain = np.abs(self._error[channel, rows] - self._error[channel, goal]) * joint
        price = np.abs(self._rate[channel, rows] - self._rate[channel, goal])
        value = np.maximum(gain, 1e-12) / np.maximum(price, 1e-9)
        return np.asarray(np.where(up[:, None], value, 1.0 / value))


def line_crossover(first: Bits, second: Bits, rng: np.random.Generator) -> Bits:
    """Children (allocation, channel) on the line through two parents, a little beyond them too, rounded at random."""
    share = rng.uniform(-0.2, 1.2, (len(first), 1))
    point = first + share * (second.astype(np.float64) - first)
    return np.clip(np.floor(point + rng.random(point.shape)), 0, MAX_BITS).astype(np.int8)


def uniform_crossover(first: Bits, second: Bits, rng: np.random.Generator) -> Bits:
    """Children (allocation, channel) that take each channel's depth from either parent."""
    return np.asarray(np.where(rng.random(first.shape) < 0.5, first, second), dtype=np.int8)


def crossover(first: Bits, second: Bits, rng: np.random.Generator) -> Bits:
    """Half of the children on the line between the parents, half mixed channel by channel."""
    line = rng.random((len(first), 1)) < 0.5
    children = np.where(line, line_crossover(first, second, rng), uniform_crossover(first, second, rng))
    return np.asarray(children, dtype=np.int8)


def _draw(chance: Floats, rng: np.random.Generator) -> np.ndarray:
    """One index a row, with probability proportional to chance (row, index)."""
    cumulated = np.cumsum(chance, axis=1)
    target = rng.random((len(chance), 1)) * cumulated[:, -1:]
    return np.asarray(np.minimum((cumulated <= target).sum(axis=1), chance.shape[1] - 1))
