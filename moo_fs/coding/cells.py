"""One quantiser per channel: what an allocation, or a uniform step, resolves to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moo_fs.coding import kernels
from moo_fs.contracts import Floats, MooFsError

SYMBOLS = 256
BITS_PER_KBIT = 1000.0
Maps = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cells:
    """Symbols, reconstructions and code lengths of every channel.

    Attributes:
        offset: (channel,) float32; symbol = clip(floor((x - offset) * scale), 0, levels - 1).
        scale: (channel,) float32, cells per unit; 0 for a channel that is not sent.
        levels: (channel,) int32, 1 to 256; 1 for a channel that is not sent.
        centroids: (channel, 256) float32, what the decoder puts in a symbol's place.
        code_bits: (channel, 256) float64, -log2 of the symbol's floored relative frequency on the fit part; 0 for a
            channel that is not sent.
    """

    offset: NDArray[np.float32]
    scale: NDArray[np.float32]
    levels: NDArray[np.int32]
    centroids: NDArray[np.float32]
    code_bits: Floats

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self.offset)

    def of(self, channels: NDArray[np.intp]) -> Cells:
        """The cells of some channels, in the order given."""
        return Cells(*[getattr(self, name)[channels] for name in self.__dataclass_fields__])

    def symbols(self, maps: Any) -> NDArray[np.uint8]:
        """Symbols (image, channel, height, width) of maps of that shape, the plain way."""
        values = feature_maps(maps, channels=self.channels)
        column = (slice(None), None, None)
        level = np.floor((values - self.offset[column]) * self.scale[column])
        return np.asarray(np.clip(level, 0, (self.levels - 1)[column]).astype(np.uint8))

    def dequantise(self, maps: Any) -> Maps:
        """What the decoder sees of maps (image, channel, height, width): the centroid of every symbol."""
        return self.values(self.symbols(maps))

    def values(self, symbols: Any) -> Maps:
        """What symbols (image, channel, height, width) uint8 stand for: their centroids."""
        channel = np.arange(self.channels)[:, None, None]
        return np.asarray(self.centroids[channel, symbols])

    def image_kbit(self, maps: Any) -> Floats:
        """Rate (image,) in kbit of each image's symbols under the fit part's table, without the header."""
        flat = flat_maps(feature_maps(maps, channels=self.channels))
        bits = kernels.code_bits_of(flat, self.offset, self.scale, self.levels, self.code_bits)
        return np.asarray(bits.sum(axis=1) / BITS_PER_KBIT)

    def rate_kbit(self, maps: Any) -> float:
        """Mean rate in kbit per image, without the header."""
        return float(self.image_kbit(maps).mean())


def feature_maps(maps: Any, *, channels: int | None = None) -> Maps:
    """`maps` as float32 with axes (image, channel, height, width); raises MooFsError with what was wanted and got."""
    values = np.asarray(maps, dtype=np.float32)
    if values.ndim != 4 or not values.size:
        raise MooFsError(f"maps: wanted axes (image, channel, height, width), none empty, got shape {values.shape}")
    if channels is not None and values.shape[1] != channels:
        raise MooFsError(f"maps: wanted {channels} along 'channel' (axis 1), got {values.shape[1]}")
    if not np.isfinite(values).all():
        raise MooFsError(f"maps: wanted finite numbers, got {int((~np.isfinite(values)).sum())} that are not")
    return values


def flat_maps(maps: Maps) -> Maps:
    """(image, channel, height, width) as contiguous (image, channel, position)."""
    return np.ascontiguousarray(maps).reshape(*maps.shape[:2], -1)
