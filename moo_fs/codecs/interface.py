"""What a codec is: a class made for one allocation's `Cells`, which sender and receiver both have.

The stream of one image is a header of 16 bytes and a payload (`moo_fs.streams`). The header holds 12 bytes of its own;
its last four are the first four bytes of the code, whatever the codec. So a code's payload is what follows them.
"""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats, MooFsError

HEADER_BYTES = 16
CODE_IN_HEADER = 4
Symbols = NDArray[np.uint8]


class Codec(Protocol):
    """Codes symbols under `cells`; `makes_stream` is False for one that only estimates sizes.

    `uses_tables` says whether the receiver needs the fit part's code tables beside its ranges and reconstructions.
    A channel of one level has nothing to send: a codec leaves it out, and its symbols are 0 when decoded.
    """

    makes_stream: ClassVar[bool]
    uses_tables: ClassVar[bool]

    def __init__(self, cells: Cells) -> None: ...

    def encode(self, symbols: Symbols) -> bytes:
        """The code of one image's symbols (channel, height, width) uint8.

        Raises MooFsError for symbols that the cells do not have, and if the codec makes no streams.
        """

    def decode(self, code: bytes, shape: tuple[int, int, int]) -> Symbols:
        """The symbols (channel, height, width) of `shape` that were encoded.

        Raises MooFsError for bytes that `encode` does not give for any symbols of this shape, as far as can be told.
        """

    def payload_bytes(self, symbols: Symbols) -> Floats:
        """Bytes (image,) beyond the stream's header of the symbols (image, channel, height, width) of each image."""

    def fixed_bytes(self, symbols: Symbols) -> float:
        """Mean bytes per image of what is the same in each image's code, and could be deployed once.

        Headers that the codec's own format puts before its data; 0 for a code that has none.
        """


def stream_bytes(code: bytes) -> int:
    """Length of the stream that carries a code, header included."""
    return HEADER_BYTES + max(0, len(code) - CODE_IN_HEADER)


def coded_bytes(codec: Codec, symbols: Symbols) -> float:
    """Mean bytes per image of the streams, header included, of symbols (image, channel, height, width)."""
    return HEADER_BYTES + float(codec.payload_bytes(symbols).mean())


def checked(symbols: Any, cells: Cells, *, axes: str = "channel height width") -> Symbols:
    """`symbols` as contiguous uint8 with these axes; raises MooFsError unless the cells have all of them."""
    array = np.asarray(symbols)
    names = axes.split()
    at = names.index("channel")
    if array.dtype != np.uint8 or array.ndim != len(names) or not array.size:
        raise MooFsError(f"symbols: wanted uint8 with axes ({', '.join(names)}), got {array.dtype} {array.shape}")
    if array.shape[at] != cells.channels:
        raise MooFsError(f"symbols: wanted {cells.channels} along 'channel' (axis {at}), got {array.shape[at]}")
    largest = array.max(axis=tuple(axis for axis in range(array.ndim) if axis != at))
    if (largest >= cells.levels).any():
        channel = int(np.argmax(largest >= cells.levels))
        raise MooFsError(
            f"symbols: wanted 0 to {cells.levels[channel] - 1} in channel {channel}, got {largest[channel]}"
        )
    return np.ascontiguousarray(array)
