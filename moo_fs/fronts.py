"""Non-dominated sets: arrays in, arrays out, everything minimised. The work is moocore's."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from moo_fs.contracts import MooFsError, float_array

Mask = NDArray[np.bool_]


def non_dominated(objectives: ArrayLike) -> Mask:
    """Which rows of (point, objective) no other row dominates: (point,) bool, minimised.

    Of identical rows the first is kept and the others are not, so that a mask never counts a point twice. An empty
    array gives an empty mask. Raises MooFsError on values that are not finite.

    >>> non_dominated([[1, 1], [0, 1], [1, 0], [1, 0]])
    array([False,  True,  True, False])
    """
    points = float_array(objectives, "objectives", "point objective")
    if not len(points):
        return np.zeros(0, dtype=bool)
    return np.asarray(moocore.is_nondominated(points), dtype=bool)


def union_front(objectives: Sequence[ArrayLike]) -> list[Mask]:
    """For each of several sets of points: which of its rows lie on the front of all of them together.

    A point that several sets hold is credited to the first of them.

    >>> [mask.tolist() for mask in union_front([[[0.0, 1.0], [2.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]]])]
    [[True, False], [True, False]]
    """
    sets = [float_array(points, "objectives", "point objective") for points in objectives]
    if len({points.shape[1] for points in sets}) > 1:
        raise MooFsError("objectives: wanted the same number of objectives in every set")
    if not sets:
        return []
    mask = non_dominated(np.concatenate(sets))
    return list(np.split(mask, np.cumsum([len(points) for points in sets])[:-1]))
