"""From scores to bits: the sweep that every score-based search shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from moo_fs.contracts import Bits, Floats, MooFsError, float_array


def normalise(values: ArrayLike) -> Floats:
    """Scores (channel, task) with negative ones counted as 0 and each task's column divided by its largest value.

    A column without a positive score stays zero.

    >>> normalise([[2.0, -1.0], [1.0, 0.0]])
    array([[1. , 0. ],
           [0.5, 0. ]])
    """
    scores = np.maximum(float_array(values, "scores", "channel task"), 0.0)
    largest = scores.max(axis=0, initial=0.0)
    return np.asarray(np.divide(scores, largest, out=np.zeros_like(scores), where=largest > 0))


def decode(
    scores: Floats, error: Floats, rate: Floats, *, weights: ArrayLike, lam: ArrayLike, gamma: ArrayLike = 1.0
) -> Bits:
    """Bits (allocation, channel): each channel takes the depth of least score^gamma x error + lambda x rate.

    `scores` (channel, task) normalised; `error` and `rate` (channel, 9); `weights` (allocation, task) on the simplex;
    `lam` per kbit and `gamma` (allocation,) or scalars. Of equal depths the smaller one is taken.
    """
    weight = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    lam_, gamma_ = (np.broadcast_to(np.asarray(value, dtype=np.float64), len(weight)) for value in (lam, gamma))
    joint = np.maximum(weight @ scores.T, 0.0) ** gamma_[:, None]
    cost = joint[:, :, None] * error[None] + lam_[:, None, None] * rate[None]
    return np.asarray(np.argmin(cost, axis=2), dtype=np.int8)


def lambda_range(error: Floats, rate: Floats) -> tuple[float, float]:
    """(smallest, largest) useful lambda for scores of at most 1: all channels at 8 bits, or none sent.

    The largest is the steepest fall of relative error per kbit from "not sent"; the smallest 1e-5 of it.
    """
    paid = rate[:, 1:] > 0
    fall = np.divide(1.0 - error[:, 1:], rate[:, 1:], out=np.zeros_like(rate[:, 1:]), where=paid)
    largest = float(fall.max(initial=0.0)) or 1.0
    return largest * 1e-5, largest * 1.01


def from_order(order: ArrayLike) -> Floats:
    """Scores (channel,) of an order, the most important channel first: `(C - rank) / C`, rank from 0.

    >>> from_order([2, 0, 1]).round(3)
    array([0.667, 0.333, 1.   ])
    """
    channels = np.asarray(order, dtype=np.intp)
    if sorted(channels.tolist()) != list(range(len(channels))):
        raise MooFsError(f"order: wanted every channel from 0 to {len(channels) - 1} once, got {channels.tolist()}")
    scores = np.empty(len(channels))
    scores[channels] = 1.0 - np.arange(len(channels)) / len(channels)
    return scores
