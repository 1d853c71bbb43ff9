"""Hypervolume gains of many candidates at once, by the lengths of rays from the reference towards the ideal point.

The volume that a set dominates is the mean over directions of (longest ray)^m, up to a constant; so a candidate's gain
is how much it lengthens rays. Deng, J. and Zhang, Q. (2019), "Approximating hypervolume and hypervolume contributions
using polar coordinate".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moo_fs.contracts import Floats
from moo_fs.space import Space

CORNER_DISTORTION = 0.5


def boxes(space: Space) -> tuple[Floats, Floats]:
    """The two boxes (objective,) that searches aim at, whatever a study's reference: the whole and its corner.

    Up to 1.1 times the rate of uniform 2 bits and distortion 1; up to the rate of uniform 1 bit and distortion 0.5;
    the depths are those of the space's region.
    """
    uniform, tasks = space.rate.sum(axis=0) + space.header, len(space.tasks)
    whole = np.array([1.1 * uniform[space.region.whole], *[1.0] * tasks])
    corner = np.array([uniform[space.region.corner], *[CORNER_DISTORTION] * tasks])
    return whole, corner


class Rays:
    """Random rays through a box, and how far a growing set of points reaches along each of them."""

    def __init__(self, box: Floats, front: Floats, rng: np.random.Generator, *, count: int) -> None:
        """`box` (objective,) the reference, `front` (point, objective) what is dominated already."""
        self._box = box
        directions = np.abs(rng.standard_normal((count, len(box))))
        self._inverse = np.linalg.norm(directions, axis=1, keepdims=True) / np.maximum(directions, 1e-12)
        self._volume = self._reach(front).max(axis=0, initial=0.0)

    def gains(self, points: Floats) -> Floats:
        """Volume gained on every ray by every point alone: (point, ray); pass it to `choose`."""
        return self._reach(points)

    def choose(self, volumes: Floats, count: int) -> list[int]:
        """Up to `count` rows of `gains`, greedily: each gains most beside those chosen before it."""
        chosen: list[int] = []
        for _ in range(min(count, len(volumes))):
            gain = np.maximum(volumes - self._volume, 0.0).sum(axis=1)
            best = int(np.argmax(gain))
            if gain[best] <= 0.0:
                break
            chosen.append(best)
            self._volume = np.maximum(self._volume, volumes[best])
        return chosen

    def farthest(self, points: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
        """For each ray the row of `points` (point, objective) that reaches farthest; any row where none does."""
        volumes = self._reach(points)
        missed = volumes.max(axis=0) <= 0.0
        return np.where(missed, rng.integers(len(points), size=len(missed)), volumes.argmax(axis=0))

    def _reach(self, points: Floats) -> Floats:
        """(point, ray) volumes: the ray's length inside what the point dominates, to the power of the objectives."""
        room = np.clip((self._box - points) / self._box, 0.0, 1.0)
        reach = np.full((len(points), len(self._inverse)), np.inf)
        for objective in range(len(self._box)):
            np.minimum(reach, room[:, objective, None] * self._inverse[None, :, objective], out=reach)
        return np.asarray(reach ** len(self._box))
