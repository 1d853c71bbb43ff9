"""Codecs made for pictures, `png` and `hevc`: the symbols of the channels that are sent, as one grey mosaic, lossless.

They know nothing of the fit part's tables. `png` is the naive anchor of the literature on split networks, `hevc` its
usual codec; both carry headers of their own, which are counted, and there is no container around them.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from moo_fs.codecs.interface import CODE_IN_HEADER, Symbols, checked
from moo_fs.codecs.mosaic import mosaic, size, tiles_of
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats, MooFsError

# Of libx265: pictures smaller than its smallest block are refused, and `info` is 2 kB of text on its settings.
SMALLEST = 16
PARAMETERS = "lossless=1:info=0:keyint=1:log-level=none:pools=none:frame-threads=1"


class Png:
    """8-bit grey PNG of the mosaic, as small as zlib makes it; see `moo_fs.codecs.interface.Codec`."""

    makes_stream: ClassVar[bool] = True
    name: ClassVar[str] = "png"
    least: ClassVar[int] = 1

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.sent = np.flatnonzero(cells.levels > 1)

    def encode(self, symbols: Symbols) -> bytes:
        """See `Codec`; nothing at all where no channel is sent."""
        array = checked(symbols, self.cells)
        return self._compressed(mosaic(array[self.sent], least=self.least)) if len(self.sent) else b""

    def decode(self, code: bytes, shape: tuple[int, int, int]) -> Symbols:
        """See `Codec`; refused unless the picture has the size of this allocation's mosaic and no other symbols."""
        if shape[0] != self.cells.channels:
            raise MooFsError(f"codec '{self.name}': wanted symbols of {self.cells.channels} channels, got {shape[0]}")
        found = np.zeros(shape, np.uint8)
        tiles = (len(self.sent), shape[1], shape[2])
        if not len(self.sent):
            if code:
                raise self._refusal("nothing was sent under this allocation")
            return found
        picture = self._picture(code, size(tiles, least=self.least))
        found[self.sent] = tiles_of(picture, tiles)
        if not np.array_equal(mosaic(found[self.sent], least=self.least), picture):
            raise self._refusal("something lies beyond its tiles")
        return checked(found, self.cells)

    def payload_bytes(self, symbols: Symbols) -> Floats:
        """See `Codec`: the lengths of the codes themselves, beyond what lies in the header."""
        checked(symbols, self.cells, axes="image channel height width")
        return np.array([max(0.0, len(self.encode(image)) - CODE_IN_HEADER) for image in symbols])

    def _compressed(self, picture: Symbols) -> bytes:
        content = io.BytesIO()
        Image.fromarray(picture).save(content, format="PNG", optimize=True)
        return content.getvalue()

    def _picture(self, code: bytes, wanted: tuple[int, int]) -> Symbols:
        try:
            with Image.open(io.BytesIO(code), formats=["PNG"]) as image:
                # Before a pixel is unpacked: a small file may say that it is huge.
                if image.mode != "L" or image.size != wanted[::-1]:
                    raise self._refusal(f"wanted a grey picture of {wanted[::-1]}, got '{image.mode}' {image.size}")
                return np.asarray(image)
        except MooFsError:
            raise
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise self._refusal("it is not what this codec writes") from error

    def _refusal(self, why: str) -> MooFsError:
        return MooFsError(f"codec '{self.name}': the code is damaged: {why}; encode again")


class Hevc(Png):
    """Lossless HEVC intra picture (libx265) of the mosaic; needs PyAV, the extra `hevc`.

    ITU-T H.265; sides below 16 pixels are continued with zeros. Grey throughout: a way over yuv420p would make 220
    levels of 256.
    """

    name: ClassVar[str] = "hevc"
    least: ClassVar[int] = SMALLEST

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        self._av = _pyav()

    def _compressed(self, picture: Symbols) -> bytes:
        coder = self._av.CodecContext.create("libx265", "w")
        coder.height, coder.width = picture.shape
        coder.pix_fmt, coder.time_base = "gray", Fraction(1, 25)
        coder.options = {"x265-params": PARAMETERS, "preset": "medium"}
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
        frame.pts = 0
        return b"".join(bytes(packet) for packet in [*coder.encode(frame), *coder.encode(None)])

    def _picture(self, code: bytes, wanted: tuple[int, int]) -> Symbols:
        coder = self._av.CodecContext.create("hevc", "r")
        try:
            frames = [*coder.decode(self._av.Packet(code)), *coder.decode(None)]
        except (self._av.FFmpegError, ValueError) as error:
            raise self._refusal("it is not what this codec writes") from error
        if len(frames) != 1 or frames[0].format.name != "gray" or (frames[0].height, frames[0].width) != wanted:
            raise self._refusal(f"wanted one grey picture of {wanted[::-1]}")
        return np.asarray(frames[0].to_ndarray())


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise MooFsError("codec 'hevc': needs PyAV; install the extra: pip install 'moo-fs[hevc]'") from error
    av.logging.set_level(av.logging.PANIC)
    return av
