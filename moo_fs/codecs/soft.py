"""Soft selection: base and enhancement channels as two grey HEVC mosaics of unequal quality, and one QP for all.

The symbols are those of 8-bit cells. The base's mosaic is lossless or at a low QP, the enhancement's at a higher one,
or it is not sent. One image's code is its base's packet and its enhancement's; where there are both, the length of the
first, 4 bytes little-endian, stands before them. As with every codec the first four bytes of a code lie in the
stream's header of 16 bytes. Which channels are base is a mask of a bit a channel: fixed by the fit part, so deployed
once and 0 per image, unless `mask_deployed` is False. (Two mosaics are the literature's; the format is our choice.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from moo_fs.codecs.hevc_coder import SMALLEST, code_pictures, decode_pictures
from moo_fs.codecs.interface import CODE_IN_HEADER, HEADER_BYTES, Symbols
from moo_fs.codecs.mosaic import mosaics, size, tiles_of_all
from moo_fs.contracts import Floats, MooFsError
from moo_fs.ledger import Item, Ledger

DROPPED: Literal["dropped"] = "dropped"
LENGTH = struct.Struct("<I")
NOMINAL_BITS = 8
Qp = int | None
Channels = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class SoftCode:
    """Codes of images, and what the receiver finds in them.

    Attributes:
        codes: one an image; a sequence's depend on those before.
        symbols: (image, channel, height, width) uint8 as decoded; 0 in channels that are not `received`.
        received: (channel,) bool; in place of the others the receiver has their means over the fit part.
        base_bytes: (image,) bytes of the base's packets.
        enhancement_bytes: (image,) bytes of the enhancement's packets.
        mask_bytes: of a bit a channel; 0 where there is nothing to tell.
        mask_deployed: whether the mask is deployed once, and counts 0 per image.
    """

    codes: list[bytes]
    symbols: Symbols
    received: NDArray[np.bool_]
    base_bytes: Floats
    enhancement_bytes: Floats
    mask_bytes: int
    mask_deployed: bool

    @property
    def coded_bytes(self) -> Floats:
        """Bytes (image,) of each image's stream, header included."""
        code = np.array([max(0, len(code) - CODE_IN_HEADER) for code in self.codes], float)
        return HEADER_BYTES + code + (0 if self.mask_deployed else self.mask_bytes)

    @property
    def ledger(self) -> Ledger:
        """Means over the images: base, enhancement, mask, header; the entropy is NaN, as no table fits lossy codes."""
        base, enhancement = float(self.base_bytes.mean()), float(self.enhancement_bytes.mean())
        mask = 0 if self.mask_deployed else self.mask_bytes
        header = float(self.coded_bytes.mean()) - base - enhancement - mask
        items = (
            Item("header", header, False, "of the stream, with the base's length; without code bytes in it"),
            Item("base", base, False, "packets of the base's mosaic"),
            Item("enhancement", enhancement, False, "packets of the enhancement's mosaic"),
            Item("mask", float(self.mask_bytes), self.mask_deployed, "which channels are base, a bit a channel"),
        )
        nominal = NOMINAL_BITS * float(self.received.sum()) * self.symbols[0, 0].size / 8
        return Ledger(items, nominal, float("nan"))


def soft(
    symbols: Any,
    base: Any,
    *,
    base_qp: Qp,
    enhancement_qp: Qp | Literal["dropped"],
    levels: Any = None,
    sequence: bool = False,
    mask_deployed: bool = True,
) -> SoftCode:
    """Code symbols (image, channel, height, width) uint8 in two mosaics by the mask `base` (channel,) bool.

    A QP of None is lossless, `enhancement_qp="dropped"` sends no enhancement. `levels` (channel,), if given, are the
    cells' levels: channels of one level are left out, and decoded symbols are clipped to those that the cells have.
    With `sequence` the images are a sequence (`moo_fs.codecs.hevc_coder.code_pictures`). Raises MooFsError as that
    does, and for arrays of other axes.
    """
    array = _checked(symbols)
    mask, known = _mask(base, array.shape[1]), _levels(levels, array.shape[1])
    groups = _groups(mask, known, dropped=enhancement_qp == DROPPED)
    qps = (base_qp, None if enhancement_qp == "dropped" else enhancement_qp)
    packets = [_coded(array[:, group], qp, sequence) for group, qp in zip(groups, qps, strict=True)]
    codes = [_joined(*pair) for pair in zip(*packets, strict=True)]
    told = 0 if mask.all() or not mask.any() else -(-len(mask) // 8)
    received = np.isin(np.arange(len(mask)), np.concatenate(groups))
    first, second = (np.array([len(packet) for packet in group], float) for group in packets)
    found = _decoded(codes, groups, array.shape[1:], known)
    return SoftCode(codes, found, received, first, second, told, mask_deployed)


def one_qp(symbols: Any, qp: Qp, *, levels: Any = None, sequence: bool = False) -> SoftCode:
    """All channels in one mosaic at one QP: see `soft`; there is no mask."""
    array = _checked(symbols)
    every = np.ones(array.shape[1], bool)
    return soft(array, every, base_qp=qp, enhancement_qp=DROPPED, levels=levels, sequence=sequence)


def decode(
    codes: list[bytes], base: Any, *, shape: tuple[int, int, int], levels: Any = None, dropped: bool = False
) -> Symbols:
    """The symbols (image, channel, height, width) of `codes`, of `shape` (channel, height, width) an image.

    `base` and `levels` as they were given to `soft`; `dropped` if no enhancement was sent. Raises MooFsError for codes
    that `soft` does not give.
    """
    mask, known = _mask(base, shape[0]), _levels(levels, shape[0])
    return _decoded(codes, _groups(mask, known, dropped=dropped), shape, known)


def _decoded(codes: list[bytes], groups: tuple[Channels, Channels], shape: Any, levels: Any) -> Symbols:
    found = np.zeros((len(codes), *shape), np.uint8)
    for group, packets in zip(groups, zip(*[_parted(code, groups) for code in codes], strict=True), strict=True):
        tiles = (len(group), shape[1], shape[2])
        if len(group):
            pictures = decode_pictures(list(packets))
            if pictures.shape[1:] != size(tiles, least=SMALLEST):
                raise MooFsError(f"soft: wanted mosaics of {tiles}, got pictures of {pictures.shape[1:]}; encode again")
            found[:, group] = tiles_of_all(pictures, tiles)
    return np.minimum(found, np.asarray(levels - 1, np.uint8)[:, None, None])


def _coded(tiles: Symbols, qp: Qp, sequence: bool) -> list[bytes]:
    if not tiles.shape[1]:
        return [b""] * len(tiles)
    pictures = mosaics(tiles, least=SMALLEST)
    return list(_remembered(pictures.tobytes(), pictures.shape, qp, sequence))


@lru_cache(maxsize=2)
def _remembered(content: bytes, shape: tuple[int, ...], qp: Qp, sequence: bool) -> tuple[bytes, ...]:
    """Codes of pictures; a base is the same whatever its enhancement's QP, and coding it is most of the time."""
    pictures = np.frombuffer(content, np.uint8).reshape(shape)
    return tuple(code_pictures(pictures, qp=qp, sequence=sequence))


def _joined(base: bytes, enhancement: bytes) -> bytes:
    return LENGTH.pack(len(base)) + base + enhancement if base and enhancement else base + enhancement


def _parted(code: bytes, groups: tuple[Channels, Channels]) -> tuple[bytes, bytes]:
    """Base and enhancement of one image's code."""
    base, enhancement = map(len, groups)
    if not (base and enhancement):
        return (code, b"") if base else (b"", code)
    if len(code) < LENGTH.size:
        raise MooFsError("soft: the code is cut off; encode again")
    at = LENGTH.size + LENGTH.unpack(code[: LENGTH.size])[0]
    return code[LENGTH.size : at], code[at:]


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
