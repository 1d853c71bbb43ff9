"""What bounds an estimate of information before it is made: equal points, and the entropy of the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from moo_fs.contracts import Floats


def tied_share(points: NDArray[Any]) -> Floats:
    """Share (channel,) in `[0, 1]` of the points that equal another point of their channel in every dimension.

    `points` (channel, dimension, pair), as of `moo_fs.information.cut`. Near 1 (a channel that a ReLU has silenced) a
    nearest-neighbour estimate rests on the few points that differ.

    >>> tied_share(np.array([[[0.0, 0.0, 1.0, 2.0], [5.0, 5.0, 5.0, 5.0]]]))
    array([0.5])
    """
    return np.array([_share(channel) for channel in points])


def _share(channel: NDArray[Any]) -> float:
    # Adding 0 makes -0 the same bytes as 0; rows of bytes sort much faster than rows of numbers.
    rows = np.ascontiguousarray(channel.T + 0.0)
    counts = np.unique(rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))), return_counts=True)[1]
    return float(counts[counts > 1].sum() / len(rows))


def label_entropy(labels: NDArray[Any]) -> Floats:
    """Entropy (task,) in nats of `labels` (task, pair): `-sum p ln p` over the shares p of the labels, 0 for one label.

    No information with the labels exceeds it. Shannon, C. E. (1948), "A mathematical theory of communication".

    >>> label_entropy(np.array([[3, 3, 8, 8], [1, 1, 1, 1]])).round(6)
    array([0.693147, 0.      ])
    """
    shares = [np.unique(row, return_counts=True)[1] / len(row) for row in labels]
    return np.array([-(share * np.log(share)).sum() + 0.0 for share in shares])
