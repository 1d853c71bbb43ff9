"""Codecs made for pictures, `png` and `hevc`: the symbols of the channels that are sent, as one grey mosaic, lossless.

They know nothing of the fit part's tables. `png` is the naive anchor of the literature on split networks, `hevc` its
usual codec; both carry headers of their own, which are counted, and there is no container around them. `hevc-sequence`
is `hevc` where the receiver has all images before.
"""

from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
from PIL import Image

from moo_fs.codecs.hevc_coder import SMALLEST, code_pictures, decode_pictures, parameter_bytes, pyav
from moo_fs.codecs.interface import CODE_IN_HEADER, Symbols, checked
from moo_fs.codecs.mosaic import mosaic, mosaics, size, tiles_of
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats, MooFsError

PNG_HEADERS = 8 + 25  # the signature and the chunk IHDR


class Png:
    """8-bit grey PNG of the mosaic, as small as zlib makes it; see `moo_fs.codecs.interface.Codec`."""

    makes_stream: ClassVar[bool] = True
    uses_tables: ClassVar[bool] = False
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

    def fixed_bytes(self, symbols: Symbols) -> float:
        """See `Codec`: alike in each image's code, so that one is looked at."""
        return float(self._headers(self.encode(symbols[0]))) if len(self.sent) else 0.0

    def _headers(self, code: bytes) -> int:
        """Bytes of a code that it has in common with those of other pictures of its size."""
        return PNG_HEADERS

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
    """Lossless HEVC intra picture of the mosaic, see `moo_fs.codecs.hevc_coder`; needs PyAV, the extra `hevc`.

    Sides below 16 pixels are continued with zeros.
    """

    name: ClassVar[str] = "hevc"
    least: ClassVar[int] = SMALLEST

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        pyav()

    def _headers(self, code: bytes) -> int:
        return parameter_bytes(code)

    def _compressed(self, picture: Symbols) -> bytes:
        return code_pictures(picture[None], qp=None)[0]

    def _picture(self, code: bytes, wanted: tuple[int, int]) -> Symbols:
        try:
            picture = decode_pictures([code])[0]
        except MooFsError as error:
            raise self._refusal("it is not what this codec writes") from error
        if picture.shape != wanted:
            raise self._refusal(f"wanted one grey picture of {wanted[::-1]}")
        return np.asarray(picture)


class HevcSequence(Hevc):
    """`hevc`, but the images are pictures of one sequence: each but the first is predicted from those before it.

    Sizes are those of all images in their order. The code of one image, which `encode` gives, is the first picture's.
    """

    name: ClassVar[str] = "hevc-sequence"

    def payload_bytes(self, symbols: Symbols) -> Floats:
        """See `Codec`; an image's code is decoded after those of all images before it."""
        codes = self.codes(symbols)
        return np.array([max(0.0, len(code) - CODE_IN_HEADER) for code in codes])

    def fixed_bytes(self, symbols: Symbols) -> float:
        """See `Codec`: the first picture alone has parameter sets."""
        return super().fixed_bytes(symbols) / len(symbols)

    def codes(self, symbols: Symbols) -> list[bytes]:
        """The codes of the symbols (image, channel, height, width) of images that follow one another."""
        array = checked(symbols, self.cells, axes="image channel height width")
        if not len(self.sent):
            return [b""] * len(array)
        return code_pictures(mosaics(array[:, self.sent], least=self.least), qp=None, sequence=True)

    def _compressed(self, picture: Symbols) -> bytes:
        return code_pictures(picture[None], qp=None, sequence=True)[0]
