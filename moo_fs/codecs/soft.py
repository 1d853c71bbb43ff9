"""Soft selection: base and enhancement channels as two grey HEVC mosaics of unequal quality, and one QP for all.

The symbols are those of 8-bit cells. The base's mosaic is lossless or at a low QP, the enhancement's at a higher one,
or it is not sent. One image's code is its base's packet and its enhancement's; where there are both, the length of the
first, 4 bytes little-endian, stands before them. As with every codec the first four bytes of a code lie in the
stream's header of 16 bytes. Which channels are base is fixed by the fit part, so it is deployed once and no stream says
it. Each mosaic has parameter sets of its own. (Two mosaics are the literature's; the format is our choice.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moo_fs.codecs.hevc_coder import SMALLEST, code_pictures, decode_pictures, parameter_bytes
from moo_fs.codecs.interface import Symbols, stream_bytes
from moo_fs.codecs.mosaic import mosaics, tiles_of_all
from moo_fs.contracts import Floats, MooFsError

DROPPED: Literal["dropped"] = "dropped"
LENGTH = struct.Struct("<I")
Qp = int | None
Channels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class SoftCode:
    """Packets of images, and what the receiver finds in them.

    Attributes:
        base: one packet an image, of the base's mosaic; empty where the base has no channel.
        enhancement: the same of the enhancement's.
        symbols: (image, channel, height, width) uint8 as decoded; 0 in channels that are not `received`.
        received: (channel,) bool; in place of the others the receiver has their means over the fit part.
    """

    base: list[bytes]
    enhancement: list[bytes]
    symbols: Symbols
    received: NDArray[np.bool_]

    @property
    def codes(self) -> list[bytes]:
        """The code of each image."""
        return [_joined(*pair) for pair in zip(self.base, self.enhancement, strict=True)]

    @property
    def coded_bytes(self) -> Floats:
        """Bytes (image,) of each image's stream, header included."""
        return np.array([stream_bytes(code) for code in self.codes], float)

    @property
    def fixed_bytes(self) -> Floats:
        """Bytes (image,) of the parameter sets, of two mosaics twice."""
        pairs = zip(self.base, self.enhancement, strict=True)
        return np.array([sum(map(parameter_bytes, pair)) for pair in pairs], float)

    @property
    def base_bytes(self) -> Floats:
        """Bytes (image,) of the base's packets without their parameter sets."""
        return np.array([len(packet) - parameter_bytes(packet) for packet in self.base], float)


def soft(
    symbols: Any, base: Any, *, base_qp: Qp, enhancement_qp: Qp | Literal["dropped"], levels: Any = None
) -> SoftCode:
    """Code symbols (image, channel, height, width) uint8 in two mosaics by the mask `base` (channel,) bool.

    A QP of None is lossless, `enhancement_qp="dropped"` sends no enhancement. `levels` (channel,), if given, are the
    cells' levels: channels of one level are left out, and decoded symbols are clipped to those that the cells have.
    Raises MooFsError as `moo_fs.codecs.hevc_coder.code_pictures` does, and for arrays of other axes.
    """
    array = _checked(symbols)
    mask, known = _mask(base, array.shape[1]), _levels(levels, array.shape[1])
    groups = _groups(mask, known, dropped=enhancement_qp == DROPPED)
    qps = (base_qp, None if enhancement_qp == "dropped" else enhancement_qp)
    first, second = (_coded(array[:, group], qp) for group, qp in zip(groups, qps, strict=True))
    found = np.zeros(array.shape, np.uint8)
    for group, packets in zip(groups, (first, second), strict=True):
        if len(group):
            found[:, group] = tiles_of_all(decode_pictures(packets), (len(group), *array.shape[2:]))
    received = np.isin(np.arange(len(mask)), np.concatenate(groups))
    return SoftCode(first, second, np.minimum(found, np.asarray(known - 1, np.uint8)[:, None, None]), received)


def one_qp(symbols: Any, qp: Qp, *, levels: Any = None) -> SoftCode:
    """All channels in one mosaic at one QP: see `soft`."""
    array = _checked(symbols)
    return soft(array, np.ones(array.shape[1], bool), base_qp=qp, enhancement_qp=DROPPED, levels=levels)


def _coded(tiles: Symbols, qp: Qp) -> list[bytes]:
    if not tiles.shape[1]:
        return [b""] * len(tiles)
    pictures = mosaics(tiles, least=SMALLEST)
    return list(_remembered(pictures.tobytes(), pictures.shape, qp))


@lru_cache(maxsize=2)
def _remembered(content: bytes, shape: tuple[int, ...], qp: Qp) -> tuple[bytes, ...]:
    """Codes of pictures; a base is the same whatever its enhancement's QP, and coding it is most of the time."""
    return tuple(code_pictures(np.frombuffer(content, np.uint8).reshape(shape), qp=qp))


def _joined(base: bytes, enhancement: bytes) -> bytes:
    return LENGTH.pack(len(base)) + base + enhancement if base and enhancement else base + enhancement


def _groups(mask: NDArray[np.bool_], levels: Any, *, dropped: bool) -> tuple[Channels, Channels]:
    """Channels that are sent, of the base and of the enhancement."""
    sent = levels > 1
    return np.flatnonzero(mask & sent), np.flatnonzero(~mask & sent & (not dropped))


def _checked(symbols: Any) -> Symbols:
    array = np.asarray(symbols)
    if array.dtype != np.uint8 or array.ndim != 4 or not array.size:
        wanted = "uint8 with axes (image, channel, height, width)"
        raise MooFsError(f"symbols: wanted {wanted}, got {array.dtype} {array.shape}")
    return array


def _mask(base: Any, channels: int) -> NDArray[np.bool_]:
    mask = np.asarray(base)
    if mask.dtype != np.bool_ or mask.shape != (channels,):
        raise MooFsError(f"base: wanted a bool for each of {channels} channels, got {mask.dtype} {mask.shape}")
    return mask


def _levels(levels: Any, channels: int) -> Any:
    found = np.full(channels, 256) if levels is None else np.asarray(levels)
    if found.shape != (channels,) or found.min() < 1 or found.max() > 256:
        raise MooFsError(f"levels: wanted 1 to 256 for each of {channels} channels, got shape {found.shape}")
    return found
