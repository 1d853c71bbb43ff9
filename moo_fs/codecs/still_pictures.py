"""The codecs `jpeg-xl` and `jpeg-ls`: the mosaic of `png`, lossless, by imagecodecs, the extra of that name.

ISO/IEC 18181 (libjxl, effort 7 of 9: 8 and 9 take 2 to 6 times as long for 1-2 % fewer bytes) and ISO/IEC 14495-1
(CharLS). There is no container: of JPEG XL the bare codestream, of JPEG-LS no SPIFF segment, which no decoder needs.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from moo_fs.codecs.interface import Symbols
from moo_fs.codecs.markers import START_OF_IMAGE, bytes_before_scan
from moo_fs.codecs.pictures import Png
from moo_fs.coding.cells import Cells
from moo_fs.contracts import MooFsError

EFFORT = 7
SPIFF = b"\xff\xe8"


class JpegXl(Png):
    """Lossless JPEG XL codestream of the mosaic; see `moo_fs.codecs.interface.Codec`."""

    name: ClassVar[str] = "jpeg-xl"

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        self._library = imagecodecs(self.name)

    def _headers(self, code: bytes) -> int:
        return 0  # the header ends within a byte, and where the data's first bits lie

    def _compressed(self, picture: Symbols) -> bytes:
        code = self._library.jpegxl_encode(picture, lossless=True, effort=EFFORT, usecontainer=False, numthreads=1)
        return bytes(code)

    def _picture(self, code: bytes, wanted: tuple[int, int]) -> Symbols:
        return self._unpacked(self._library.jpegxl_decode, code, wanted)

    def _unpacked(self, decoder: Any, code: bytes, wanted: tuple[int, int]) -> Symbols:
        """The picture of a foreign code: into a given array, so that none of another size is unpacked."""
        try:
            return np.asarray(decoder(code, out=np.empty(wanted, np.uint8)))
        except (RuntimeError, ValueError, TypeError) as error:
            raise self._refusal(f"it is no grey picture of {wanted[::-1]} of this codec") from error


class JpegLs(JpegXl):
    """Lossless JPEG-LS of the mosaic; see `moo_fs.codecs.interface.Codec`."""

    name: ClassVar[str] = "jpeg-ls"

    def _headers(self, code: bytes) -> int:
        return bytes_before_scan(code)

    def _compressed(self, picture: Symbols) -> bytes:
        code = bytes(self._library.jpegls_encode(picture))
        body = code[len(START_OF_IMAGE) :]
        while body.startswith(SPIFF):
            body = body[len(SPIFF) + int.from_bytes(body[2:4], "big") :]
        return START_OF_IMAGE + body

    def _picture(self, code: bytes, wanted: tuple[int, int]) -> Symbols:
        return self._unpacked(self._library.jpegls_decode, code, wanted)


def imagecodecs(codec: str) -> Any:
    """The library; raises MooFsError, which names the extra, where it is missing."""
    try:
        import imagecodecs
    except ImportError as error:
        raise MooFsError(
            f"codec '{codec}': needs imagecodecs; install the extra: pip install 'moo-fs[imagecodecs]'"
        ) from error
    return imagecodecs
