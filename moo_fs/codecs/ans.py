"""The codec `ans`: a stack of symbols under static tables, coded by constriction.

Duda, J. (2009), "Asymmetric numeral systems"; Bamler, R. (2022), "Understanding entropy coding with asymmetric numeral
systems: a statistician's perspective". The code is the stack as little-endian words of 32 bits, without the zero bytes
at its top. The stack starts with one word: on an empty one the first symbols cost either 24 bits or nothing at all, on
this one they cost what their table says, and a code that does not leave just this word is not one of ours. It takes 3.6
bytes, and the header has room for 4, so that on average the last byte's unused bits are paid for too.
"""

from __future__ import annotations

from typing import Any, ClassVar

import constriction
import numpy as np

from moo_fs.codecs.interface import CODE_IN_HEADER, Symbols, checked
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats, MooFsError

WORD = np.dtype("<u4")
PRECISION = 2.0**24  # of constriction's tables
BOTTOM = 2**28  # of the stack


class Ans:
    """See `moo_fs.codecs.interface.Codec`; one table a channel, made once for all images."""

    makes_stream: ClassVar[bool] = True
    uses_tables: ClassVar[bool] = True

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self._models = {int(channel): _model(cells, int(channel)) for channel in np.flatnonzero(cells.levels > 1)}

    def encode(self, symbols: Symbols) -> bytes:
        """See `Codec`."""
        array = checked(symbols, self.cells)
        return self._code(array.reshape(len(array), -1).astype(np.int32))

    def decode(self, code: bytes, shape: tuple[int, int, int]) -> Symbols:
        """See `Codec`; refused unless the stack's first word is left after the last symbol."""
        if shape[0] != self.cells.channels:
            raise MooFsError(f"codec 'ans': wanted symbols of {self.cells.channels} channels, got {shape[0]}")
        if code.endswith(b"\0"):
            raise MooFsError("codec 'ans': a code does not end with a zero byte, so this is none; encode again")
        padded = code + bytes(-len(code) % WORD.itemsize)
        coder = _stack(np.frombuffer(padded, WORD))
        found = np.zeros((shape[0], shape[1] * shape[2]), np.uint8)
        for channel, model in self._models.items():
            found[channel] = coder.decode(model, found.shape[1])
        if coder.get_compressed().tolist() != [BOTTOM]:
            raise MooFsError("codec 'ans': the code does not end where its symbols do; it is damaged, encode again")
        return found.reshape(shape)

    def payload_bytes(self, symbols: Symbols) -> Floats:
        """See `Codec`: the lengths of the codes themselves, beyond what lies in the header."""
        array = checked(symbols, self.cells, axes="image channel height width")
        rows = array.reshape(*array.shape[:2], -1).astype(np.int32)
        return np.array([max(0.0, len(self._code(row)) - CODE_IN_HEADER) for row in rows])

    def fixed_bytes(self, symbols: Symbols) -> float:
        """See `Codec`: there are none."""
        return 0.0

    def _code(self, rows: Any) -> bytes:
        """The code of symbols (channel, position) int32. Last in, first out: the receiver finds channel 0 first."""
        coder = _stack([BOTTOM])
        for channel, model in reversed(self._models.items()):
            coder.encode_reverse(rows[channel], model)
        return coder.get_compressed().astype(WORD).tobytes().rstrip(b"\0")  # type: ignore[no-any-return]


def _stack(words: Any) -> Any:
    return constriction.stream.stack.AnsCoder(np.array(words, np.uint32))


def _model(cells: Cells, channel: int) -> Any:
    """A table of whole numbers, so that the last digit of a machine's powers of two does not decide."""
    relative = np.exp2(-cells.code_bits[channel, : cells.levels[channel]])
    return constriction.stream.model.Categorical(np.maximum(np.rint(relative * PRECISION), 1.0), perfect=False)
