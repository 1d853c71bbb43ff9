"""Compiled loops over feature maps: symbols, their tallies and their rates. No fast-math: results are deterministic.

Maps come as (image, channel, position), a quantiser as the arrays of `moo_fs.coding.cells.Cells`. The symbol of x is
clip(floor((x - offset) * scale), 0, levels - 1), computed in float32 everywhere, so that every twin agrees bit for bit.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, inline="always")
def symbol_of(value, offset, scale, last):  # type: ignore[no-untyped-def]
    """The symbol of one float32 value; `last` is the largest symbol as float32."""
    level = np.floor((value - offset) * scale)
    return int(min(max(level, np.float32(0.0)), last))


@njit(cache=True, nogil=True)
def tally(maps, channel, offset, scale, levels):  # type: ignore[no-untyped-def]
    """(counts, sums) per symbol (256,) of one channel."""
    counts, sums = np.zeros(256), np.zeros(256)
    last = np.float32(levels - 1)
    for image in range(maps.shape[0]):
        for value in maps[image, channel]:
            symbol = symbol_of(value, offset, scale, last)
            counts[symbol] += 1.0
            sums[symbol] += value
    return counts, sums


@njit(cache=True, nogil=True)
def squared_error(maps, channel, offset, scale, levels, centroids):  # type: ignore[no-untyped-def]
    """Sum of squares of one channel's values minus their reconstructions."""
    total = 0.0
    last = np.float32(levels - 1)
    for image in range(maps.shape[0]):
        for value in maps[image, channel]:
            gap = float(value) - centroids[symbol_of(value, offset, scale, last)]
            total += gap * gap
    return total


@njit(cache=True, nogil=True)
def code_bits_of(maps, offset, scale, levels, code_bits):  # type: ignore[no-untyped-def]
    """Bits (image, channel) of every map's symbols; the quantiser has one row per channel."""
    images, channels = maps.shape[:2]
    found = np.zeros((images, channels))
    for image in range(images):
        for channel in range(channels):
            if levels[channel] < 2:
                continue
            last = np.float32(levels[channel] - 1)
            total = 0.0
            for value in maps[image, channel]:
                total += code_bits[channel, symbol_of(value, offset[channel], scale[channel], last)]
            found[image, channel] = total
    return found


@njit(cache=True, nogil=True)
def dequantise_positions(maps, offset, scale, last, centroids, out):  # type: ignore[no-untyped-def]
    """Reconstructions of `maps` (position, channel) into `out`, both channels-last; `last` = levels - 1, float32."""
    channels = maps.shape[1]
    for position in range(maps.shape[0]):
        for channel in range(channels):
            level = np.floor((maps[position, channel] - offset[channel]) * scale[channel])
            level = min(max(level, np.float32(0.0)), last[channel])
            out[position, channel] = centroids[channel, int(level)]
