"""Quality of a set of points: the hypervolume, as the contract counts it. The work is moocore's."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from moo_fs.contracts import Floats, MooFsError, float_array
from moo_fs.fronts import non_dominated


def hypervolume(objectives: ArrayLike, reference: ArrayLike) -> float:
    r"""Volume that (point, objective) dominates inside the box from 0 to `reference` (objective,), minimised.

    $\lambda(\bigcup_i [\max(f_i, 0), r])$, in `[0, \prod r]`; 0 without points. An objective below 0 counts as 0; a
    point that does not lie strictly below the reference in every objective counts nothing (see `beyond_reference`).
    Raises MooFsError on values that are not finite.
    Zitzler, E. and Thiele, L. (1998), "Multiobjective optimization using evolutionary algorithms".

    >>> hypervolume([[1.0, 2.0], [-1.0, 3.0], [9.0, 0.0]], [4.0, 4.0])
    7.0
    """
    points, bound = _checked(objectives, reference)
    inside = np.maximum(points[_within(points, bound)], 0.0)
    return float(moocore.hypervolume(inside, ref=bound)) if len(inside) else 0.0


def normalised_hypervolume(objectives: ArrayLike, reference: ArrayLike) -> float:
    """`hypervolume` divided by the box from 0 to the reference: in [0, 1].

    >>> normalised_hypervolume([[1.0, 2.0]], [4.0, 4.0])
    0.375
    """
    return hypervolume(objectives, reference) / box_volume(reference)


def box_volume(reference: ArrayLike) -> float:
    """Volume of the box from 0 to the reference.

    >>> box_volume([2.0, 3.0])
    6.0
    """
    return float(np.prod(_bound(reference)))


def beyond_reference(objectives: ArrayLike, reference: ArrayLike) -> int:
    """How many points count nothing because they do not lie strictly below the reference in every objective.

    >>> beyond_reference([[1.0, 2.0], [9.0, 0.0]], [4.0, 4.0])
    1
    """
    points, bound = _checked(objectives, reference)
    return int((~_within(points, bound)).sum())


def hypervolume_curve(objectives: ArrayLike, reference: ArrayLike, *, at: Sequence[int]) -> Floats:
    """Hypervolume of the first n evaluations for each n in `at` (rising): (count,).

    `objectives` (evaluation, objective) in the order of evaluation; an n past the end counts all of them.

    >>> hypervolume_curve([[2.0, 2.0], [1.0, 1.0]], [4.0, 4.0], at=[0, 1, 2])
    array([0., 4., 9.])
    """
    points, bound = _checked(objectives, reference)
    if any(late < early for early, late in itertools.pairwise(at)):
        raise MooFsError("at: wanted evaluation counts in rising order")
    front, done, values = points[:0], 0, np.zeros(len(at))
    for index, count in enumerate(at):
        joined = np.concatenate([front, points[done : max(count, done)]])
        front, done = joined[non_dominated(joined)], max(count, done)
        values[index] = hypervolume(front, bound)
    return values


def _checked(objectives: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    bound = _bound(reference)
    points = np.asarray(objectives, dtype=np.float64)
    if points.size == 0:
        points = points.reshape(0, len(bound))
    return float_array(points, "objectives", "point objective", objective=len(bound)), bound


def _bound(reference: ArrayLike) -> Floats:
    bound = float_array(reference, "reference", "objective")
    if (bound <= 0).any():
        raise MooFsError(f"reference: wanted positive numbers, got {bound.tolist()}")
    return bound


def _within(points: Floats, bound: Floats) -> NDArray[np.bool_]:
    return np.asarray((points < bound).all(axis=1))
