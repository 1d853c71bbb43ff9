"""The clipping range of a uniform quantiser that is best for squared error when the decoder puts cell means.

With cells of equal width and means as reconstructions, squared error = total sum of squares - sum over cells of
S^2 / n (S the cell's sum, n its count). Cells are runs of the sorted values, so a range is judged exactly by one
binary search a cell. Two levels: all thresholds are tried. More: pattern searches from the previous depth's range and
from the best of two grids, one of wide and one of narrow ranges: squared error has several minima under long tails.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from moo_fs.coding.cells import Maps
from moo_fs.contracts import MAX_BITS, Floats

# Shares of the value range at which searches start; features have long upper tails, hence the geometric highs.
LOWS = np.array([0.0, 0.02, 0.1, 0.2, 0.35])
HIGHS = np.array([[1.0, 0.85, 0.7, 0.55, 0.4], [0.28, 0.2, 0.14, 0.07, 0.03]])
FINEST = 1 / 24  # of a cell's width: below, the error no longer moves


def best_ranges(ordered: Maps) -> Floats:
    """Ranges (channel, 8, 2) for depths 1 to 8 of sorted values (channel, value), none of them constant."""
    found = np.empty((len(ordered), MAX_BITS, 2))
    for channel, values in enumerate(ordered.astype(np.float64)):
        sums = np.concatenate([[0.0], np.cumsum(values - values.mean())])
        found[channel] = _ranges(values, sums)
    return found


@njit(cache=True, nogil=True)
def _ranges(values, sums):  # type: ignore[no-untyped-def]
    found = np.empty((MAX_BITS, 2))
    found[0] = _two_levels(values, sums)
    for depth in range(2, MAX_BITS + 1):
        best = -1.0
        for start in range(1 + len(HIGHS)):
            low, high = found[depth - 2]  # splits each of the previous depth's cells in two: the error cannot grow
            if start > 0:
                low, high = _grid(values, sums, 2**depth, HIGHS[start - 1])
            low, high, gain = _pattern(values, sums, 2**depth, low, high)
            if gain > best:
                best = gain
                found[depth - 1] = low, high
    return found


@njit(cache=True, nogil=True)
def _two_levels(values, sums):  # type: ignore[no-untyped-def]
    """A range whose middle is the best threshold; it lies between two values that differ."""
    count, best, threshold = len(values), -1.0, values[0]
    for first in range(1, count):
        if values[first] > values[first - 1]:
            gain = sums[first] ** 2 / first + (sums[count] - sums[first]) ** 2 / (count - first)
            if gain > best:
                best, threshold = gain, 0.5 * (values[first - 1] + values[first])
    half = max(values[count - 1] - threshold, threshold - values[0])
    return np.array([threshold - half, threshold + half])


@njit(cache=True, nogil=True)
def _gain(values, sums, levels, low, high):  # type: ignore[no-untyped-def]
    """Sum over cells of S^2 / n; the outermost cells reach to infinity."""
    width = (high - low) / levels
    count, gain, first = len(values), 0.0, 0
    for cell in range(1, levels + 1):
        last = count if cell == levels else first + np.searchsorted(values[first:], low + cell * width)
        if last > first:
            gain += (sums[last] - sums[first]) ** 2 / (last - first)
        first = last
    return gain


@njit(cache=True, nogil=True)
def _grid(values, sums, levels, shares):  # type: ignore[no-untyped-def]
    """(low, high) of the best starting range whose high end is one of `shares` of the value range."""
    least, span = values[0], values[-1] - values[0]
    low, high, best = least, values[-1], -1.0
    for share in shares:
        for lower in LOWS:
            if lower < share:
                below = least + lower * span
                above = least + share * span
                if lower == 0.0:  # let the first cell end half a cell above the least value: exact zeros of ReLU
                    below -= 0.5 * (above - below) / levels
                gain = _gain(values, sums, levels, below, above)
                if gain > best:
                    low, high, best = below, above, gain
    return low, high


@njit(cache=True, nogil=True)
def _pattern(values, sums, levels, low, high):  # type: ignore[no-untyped-def]
    """(low, high, gain) after moving each end, and both, by steps that are halved once nothing improves."""
    best = _gain(values, sums, levels, low, high)
    step = (high - low) / 8
    while step > FINEST * (high - low) / levels:
        improved = False
        for down, up in ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (-1.0, -1.0)):
            below, above = low + down * step, high + up * step
            if above > below:
                gain = _gain(values, sums, levels, below, above)
                if gain > best:
                    low, high, best, improved = below, above, gain, True
        if not improved:
            step *= 0.5
    return low, high, best
