"""Non-dominated sets: arrays in, arrays out, everything minimised. The work is moocore's."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from moo_fs.contracts import float_array

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
