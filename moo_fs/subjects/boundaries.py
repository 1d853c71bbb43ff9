"""How far a pixel is from the nearest boundary between two classes, signed: a dense target made from labels alone.

All of it is our choice; no paper defines this task.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from moo_fs.tasks import IGNORED


def signed_distance(
    labels: NDArray[np.uint8], *, things: Collection[int], limit: float = np.inf
) -> NDArray[np.float32]:
    """Signed distances (..., height, width) in pixels to the nearest boundary of labels (..., height, width).

    The size is the Euclidean distance from the pixel's centre to the nearest centre of a pixel of another class, minus
    0.5: so 0.5 beside a straight boundary, where the boundary is half a pixel away. It is positive where the pixel's
    class is one of `things` and negative elsewhere; NaN where the label is 255. Unlabelled pixels are of no class: a
    border with them is no boundary. Clipped to -limit .. limit, which is also the distance where there is one class.
    """
    found = np.full(labels.shape, np.nan, np.float32)
    for place in np.ndindex(labels.shape[:-2]):
        found[place] = _of_one(labels[place], things, limit)
    return found


def _of_one(labels: NDArray[np.uint8], things: Collection[int], limit: float) -> NDArray[np.float32]:
    found = np.full(labels.shape, np.nan, np.float32)
    present = [int(label) for label in np.unique(labels) if label != IGNORED]
    for label in present:
        members = labels == label
        others = ~members & (labels != IGNORED)
        size = ndimage.distance_transform_edt(~others) - 0.5 if len(present) > 1 else np.full(labels.shape, np.inf)
        signed = np.minimum(size, limit) * (1.0 if label in things else -1.0)
        found[members] = signed[members]
    return found
