"""Quantisers fitted on the fit part: one per (channel, depth), and the common step of the baseline.

Every table is deployed once: clipping, reconstructions and code lengths come from the fit part alone, and the rate of
other images is the cross-entropy of their symbols under these tables (Cover, T. and Thomas, J. (2006), "Elements of
information theory", theorem 5.4.3: the price of a table that was made elsewhere).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moo_fs.coding import kernels
from moo_fs.coding.cells import BITS_PER_KBIT, SYMBOLS, Cells, Maps, feature_maps, flat_maps
from moo_fs.coding.clipping import best_ranges
from moo_fs.contracts import MAX_BITS, Floats, MooFsError, bits_array, did_you_mean

HEADER_KBIT = 0.128
DEPTHS = MAX_BITS + 1
MODES = ("mse", "minmax")
# A symbol that the fit part never showed counts as half an occurrence: it costs many bits, not infinitely many.
COUNT_FLOOR = 0.5
NARROWEST = 1e-35  # of a cell: the inverse of anything narrower overflows float32, so the channel counts as constant


@dataclass(frozen=True, eq=False)
class QuantiserTables:
    """One quantiser per (channel, depth 0 to 8), as in `Cells` with an axis for the depth.

    Attributes:
        mode: "mse" (clipping for squared error, centroids) or "minmax" (range, mid-points).
        error: (channel, 9), squared error over variance on the fit part; 1 at depth 0; a constant channel has 0 from
            depth 1 on, at rate 0.
        rate: (channel, 9), kbit per image on the fit part, without the header; 0 at depth 0.
        offset, scale, levels: (channel, 9). centroids, code_bits: (channel, 9, 256).
    """

    mode: str
    error: Floats
    rate: Floats
    offset: NDArray[np.float32]
    scale: NDArray[np.float32]
    levels: NDArray[np.int32]
    centroids: NDArray[np.float32]
    code_bits: Floats

    def select(self, bits: Any) -> Cells:
        """The quantisers of one allocation, bits (channel,)."""
        row = bits_array(bits, channels=len(self.error))
        if len(row) != 1:
            raise MooFsError(f"bits: wanted one allocation (channel,), got {len(row)}")
        at = (np.arange(len(self.error)), row[0].astype(np.intp))
        return Cells(self.offset[at], self.scale[at], self.levels[at], self.centroids[at], self.code_bits[at])

    def depth(self, depth: int) -> Cells:
        """All channels at one depth."""
        return self.select(np.full(len(self.error), depth))

    def part_rates(self, maps: Any) -> Floats:
        """Kbit (image, channel, 9) of each image's symbols under the fit part's tables, without the header.

        Rates are additive: an allocation's rate is the sum over channels, the mean over images, plus HEADER_KBIT.
        """
        flat = flat_maps(feature_maps(maps, channels=len(self.error)))
        bits = np.empty((*flat.shape[:2], DEPTHS))
        for depth in range(DEPTHS):
            cells = self.depth(depth)
            bits[:, :, depth] = kernels.code_bits_of(flat, cells.offset, cells.scale, cells.levels, cells.code_bits)
        return bits / BITS_PER_KBIT


def fit_tables(maps: Any, *, mode: str = "mse") -> QuantiserTables:
    """Fit the quantisers of all channels and depths on maps (image, channel, height, width) of the fit part.

    `mode`: "mse" searches the clipping range for least squared error and reconstructs at centroids; "minmax" takes the
    whole range and mid-points. Raises MooFsError for maps of another shape, values that are not finite or another mode.
    """
    if mode not in MODES:
        raise MooFsError(f"quantiser: no mode '{mode}'{did_you_mean(mode, MODES)}")
    flat = flat_maps(feature_maps(maps))
    channels = flat.shape[1]
    ordered = np.sort(flat.transpose(1, 0, 2).reshape(channels, -1), axis=1)
    ranges = _ranges(ordered, mode)
    cells = [_not_sent(ordered)]
    for depth in range(1, DEPTHS):
        cells.append(_fit_depth(flat, ranges[:, depth - 1], 2**depth, midpoints=mode == "minmax"))
    error = np.stack([_relative_error(flat, one) for one in cells], axis=1)
    error[:, 0] = 1.0
    arrays = {name: np.stack([getattr(one, name) for one in cells], axis=1) for name in Cells.__dataclass_fields__}
    tables = QuantiserTables(mode=mode, error=error, rate=np.zeros((channels, DEPTHS)), **arrays)
    tables.rate[:] = tables.part_rates(maps).mean(axis=0)
    for array in (tables.error, tables.rate, *arrays.values()):
        array.flags.writeable = False
    return tables


def uniform_step(maps: Any, *, step: float) -> Cells:
    """The baseline `uniform-step`: one step for all channels, zero-centred rounding, centroids, entropy-coded.

    A channel has at most 256 symbols; beyond, its range is cut as far from zero as can be. `step` in units of the
    features, positive.
    """
    if not (np.isfinite(step) and step > 0):
        raise MooFsError(f"step: wanted a positive number, got {step}")
    flat = flat_maps(feature_maps(maps))
    first = np.rint(flat.min(axis=(0, 2)).astype(np.float64) / step)
    last = np.rint(flat.max(axis=(0, 2)).astype(np.float64) / step)
    wide = last - first >= SYMBOLS
    first = np.where(wide, np.clip(-SYMBOLS // 2, first, last - SYMBOLS + 1), first)
    levels = np.minimum(last - first + 1, SYMBOLS).astype(np.int32)
    low = (first - 0.5) * step
    return _fit_cells(flat, low, np.full(len(low), step), levels, midpoints=False)


def step_ladder(maps: Any, *, count: int) -> list[float]:
    """`count` steps for the baseline's curve, coarse to fine, whose rates are in about equal ratios.

    The coarsest sends about 1 kbit per image (a quarter of everything if that is less), the finest as much as all
    channels at 8 bits with clipping for squared error, or as much as any step if 256 symbols do not reach that far.
    """
    if count < 2:
        raise MooFsError(f"count: wanted 2 steps or more, got {count}")
    values = feature_maps(maps)[:64]  # rates move slowly with the step: 64 images place the ends well enough
    spans = (values.max(axis=(0, 2, 3)) - values.min(axis=(0, 2, 3))).astype(np.float64)
    if not (spans > 0).any():
        raise MooFsError("maps: every channel is constant, so no step sends anything")
    most = float(fit_tables(values).rate[:, MAX_BITS].sum())
    steps, rates = _walk(values, 2 * spans.max(), np.median(spans[spans > 0]) / SYMBOLS, most)
    finest = int(rates.argmax())
    least = min(1.0, rates[finest] / 4)
    first = max(int((rates >= least).argmax()), 1)
    coarsest = np.interp(least, rates[first - 1 : first + 1], np.log(steps[first - 1 : first + 1]))
    dense = np.geomspace(np.exp(coarsest), steps[finest], 4 * count)
    found = np.log([uniform_step(values[:16], step=float(step)).rate_kbit(values[:16]) for step in dense])
    # Where a finer step costs less (values in step with it), the slope keeps the ladder descending.
    rising = np.maximum.accumulate(found) + 1e-6 * np.arange(len(dense))
    wanted = np.linspace(rising[0], rising[-1], count)
    return [float(step) for step in np.exp(np.interp(wanted, rising, np.log(dense)))]


def _walk(maps: Maps, coarse: float, fine: float, most: float) -> tuple[Floats, Floats]:
    """Steps from `coarse` (which sends nothing) down to `fine` with their rates, until one reaches `most` kbit.

    Rates do not grow without end: once 256 symbols cut a channel's range, a finer step sends less of it.
    """
    steps, rates = [], []
    for step in np.geomspace(coarse, fine, int(np.ceil(np.log(coarse / fine) / 0.2)) + 1):
        steps.append(float(step))
        rates.append(uniform_step(maps, step=float(step)).rate_kbit(maps))
        if rates[-1] >= most:
            break
    return np.array(steps), np.array(rates)


def _ranges(ordered: Maps, mode: str) -> Floats:
    """Clipping ranges (channel, 8, 2) for depths 1 to 8; a constant channel keeps an empty range."""
    ends = ordered[:, [0, -1]].astype(np.float64)
    ranges = np.repeat(ends[:, None, :], MAX_BITS, axis=1)
    varies = ends[:, 1] > ends[:, 0]
    if mode == "mse" and varies.any():
        ranges[varies] = best_ranges(ordered[varies])
    return ranges


def _not_sent(ordered: Maps) -> Cells:
    """Depth 0: every channel at its mean over the fit part, nothing sent."""
    channels = len(ordered)
    means = ordered.mean(axis=1, dtype=np.float64).astype(np.float32)
    nothing = np.zeros(channels, np.float32)
    centroids = np.repeat(means[:, None], SYMBOLS, axis=1)
    return Cells(nothing, nothing, np.ones(channels, np.int32), centroids, np.zeros((channels, SYMBOLS)))


def _fit_depth(flat: Maps, ranges: Floats, levels: int, *, midpoints: bool) -> Cells:
    low, width = ranges[:, 0], (ranges[:, 1] - ranges[:, 0]) / levels
    counts = np.where(width > NARROWEST, levels, 1).astype(np.int32)
    return _fit_cells(flat, low, width, counts, midpoints=midpoints)


def _fit_cells(flat: Maps, low: Floats, width: Floats, levels: NDArray[np.int32], *, midpoints: bool) -> Cells:
    """Reconstructions and code lengths of given cells; a channel of one level is not sent and stands at its mean."""
    channels = len(low)
    scale = np.divide(1.0, width, out=np.zeros(channels), where=(width > NARROWEST) & (levels > 1)).astype(np.float32)
    offset = low.astype(np.float32)
    centroids = np.zeros((channels, SYMBOLS), np.float32)
    code_bits = np.zeros((channels, SYMBOLS))
    for channel in range(channels):
        size = int(levels[channel])
        counts, sums = kernels.tally(flat, channel, offset[channel], scale[channel], size)
        middle = low[channel] + (np.arange(size) + 0.5) * width[channel]
        if not midpoints or size == 1:
            inside = np.clip(middle, flat[:, channel].min(), flat[:, channel].max())
            middle = np.divide(sums[:size], counts[:size], out=inside, where=counts[:size] > 0)
        centroids[channel] = middle[-1]  # symbols beyond the last never occur
        centroids[channel, :size] = middle
        code_bits[channel, :size] = _code_bits(counts[:size])
    return Cells(offset, scale, levels, centroids, code_bits)


def _code_bits(counts: Floats) -> Floats:
    """-log2 of relative frequencies after flooring the counts; exactly 0 for a single symbol."""
    floored = np.maximum(counts, COUNT_FLOOR)
    return np.asarray(np.log2(floored.sum()) - np.log2(floored))


def _relative_error(flat: Maps, cells: Cells) -> Floats:
    """Squared error over variance (channel,); 0 for a constant channel."""
    found = np.zeros(flat.shape[1])
    for channel in range(flat.shape[1]):
        values = flat[:, channel].astype(np.float64)
        total = float(((values - values.mean()) ** 2).sum())
        if total > 0 and flat[:, channel].min() < flat[:, channel].max():
            arrays = (cells.offset[channel], cells.scale[channel], cells.levels[channel], cells.centroids[channel])
            found[channel] = kernels.squared_error(flat, channel, *arrays) / total
    return found
