"""What is done to the dimensions of a channel before distances are taken: scale, heavy tails and correlation removed.

Points that are equal stay equal to the last digit in every transform: the estimator counts exact ties.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from moo_fs.contracts import Floats

TRANSFORMS = ("rank", "standard", "none")
# Our choice: a principal component with less of the largest one's variance holds rounding, and is left out.
SMALLEST_SHARE = 1e-6


def transformed(points: NDArray[Any], transform: str, *, whiten: bool = False) -> Floats:
    """`points` (dimension, sample) with each dimension transformed, then perhaps whitened: (component, sample).

    `transform`: "rank" (normal scores), "standard" (mean 0, variance 1; 0 if constant) or "none" (at most a power of
    two in scale).
    """
    if transform == "rank":
        values = normal_scores(points)
    else:
        # A power of two changes no digit: squares of tiny or huge numbers stay in range, exact ties stay exact.
        values = np.asarray(points, dtype=np.float64)
        values = np.ldexp(values, -int(np.frexp(np.abs(values).max())[1]))
    if transform == "standard":
        values = np.where((values == values[:, :1]).all(axis=1, keepdims=True), 0.0, values)
        spread = values.std(axis=1, keepdims=True)
        values = (values - values.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return whitened(values) if whiten else values


def normal_scores(values: NDArray[Any]) -> Floats:
    """Each row of `values` (dimension, sample) as normal quantiles of its ranks, `Phi^-1(rank / (N + 1))`.

    Ties get their average rank. van der Waerden, B. L. (1952), "Order tests for the two-sample problem".
    """
    count = values.shape[1]
    # Average ranks are multiples of one half: a table of all of them.
    quantiles = ndtri(np.arange(2 * count + 1) / (2 * (count + 1)))
    scores = np.empty(values.shape)
    for row, out in zip(np.ascontiguousarray(values), scores, strict=True):
        _average_ties(np.argsort(row), row, quantiles, out)
    return scores


@numba.njit(cache=True, nogil=True)
def _average_ties(order, row, quantiles, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and row[order[last + 1]] == row[order[first]]:
            last += 1
        for at in range(first, last + 1):
            out[order[at]] = quantiles[first + last + 2]
        first = last + 1


def whitened(values: Floats) -> Floats:
    """`values` (dimension, sample) along their principal directions, each divided by its standard deviation.

    Distances then are Mahalanobis distances, the same for every invertible linear map of the values. Directions with
    less than 1e-6 of the largest variance are left out; values without variance stay as they are.
    Mahalanobis, P. C. (1936), "On the generalised distance in statistics".
    """
    centred = values - values.mean(axis=1, keepdims=True)
    variances, directions = np.linalg.eigh(centred @ centred.T / values.shape[1])
    kept = variances > SMALLEST_SHARE * variances[-1]
    if not kept.any():
        return values
    rotation = directions[:, kept] / np.sqrt(variances[kept])
    found = np.zeros((rotation.shape[1], values.shape[1]))
    # Not a matrix product: its order of summation depends on the column, which would part equal points.
    for weights, row in zip(rotation, centred, strict=True):
        found += weights[:, None] * row
    return found
