"""The codec `ans-raw`: `ans`, but a channel whose table does not fit the image is sent as plain bits.

A table of the fit part can be so wrong for an image that coding costs more than bits x positions. The code is that of
`ans` where no channel is sent plainly. Else it is, in this order,

    flags    one bit a channel that is sent, most significant first, 1 = plain; zeros up to a byte
    bits     the plain channels' symbols, ceil(log2(levels)) bits each, most significant first; zeros up to a byte
    code     of `ans` for the other channels
    a zero byte, with which no code of `ans` ends

and it is chosen only where it is shorter. (Format and rule are our choice. Rates of archives are of `ans`.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from moo_fs.codecs.ans import Ans
from moo_fs.codecs.interface import CODE_IN_HEADER, Symbols, checked
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats, MooFsError

MARK = b"\0"
Mask = NDArray[np.bool_]


class AnsRaw:
    """See `moo_fs.codecs.interface.Codec`."""

    makes_stream: ClassVar[bool] = True
    uses_tables: ClassVar[bool] = True

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.sent = np.flatnonzero(cells.levels > 1)
        self.widths = np.array([int(levels - 1).bit_length() for levels in cells.levels])
        self._ans = Ans(cells)

    def encode(self, symbols: Symbols) -> bytes:
        """See `Codec`."""
        array = checked(symbols, self.cells)
        plain = self.plain(array)
        coded = self._ans.encode(array)
        if not plain.any():
            return coded
        mixed = (
            np.packbits(plain[self.sent]).tobytes()
            + self._bits(array, plain)
            + self._rest(plain).encode(np.where(plain[:, None, None], 0, array).astype(np.uint8))
        )
        return min(coded, mixed + MARK, key=len)

    def decode(self, code: bytes, shape: tuple[int, int, int]) -> Symbols:
        """See `Codec`; refused unless the symbols that are found give just this code."""
        if not code.endswith(MARK):
            found = self._ans.decode(code, shape)
        else:
            if shape[0] != self.cells.channels:
                raise _refusal(f"wanted symbols of {self.cells.channels} channels, got {shape[0]}")
            found = self._mixed(code[: -len(MARK)], shape)
        if self.encode(checked(found, self.cells)) != code:
            raise _refusal("the code is damaged: its symbols have another one; encode again")
        return found

    def payload_bytes(self, symbols: Symbols) -> Floats:
        """See `Codec`: the lengths of the codes themselves, beyond what lies in the header."""
        checked(symbols, self.cells, axes="image channel height width")
        return np.array([max(0.0, len(self.encode(image)) - CODE_IN_HEADER) for image in symbols])

    def fixed_bytes(self, symbols: Symbols) -> float:
        """See `Codec`: there are none."""
        return 0.0

    def plain(self, symbols: Symbols) -> Mask:
        """Which channels (channel,) of symbols (channel, height, width) cost more by their table than as plain bits."""
        rows = symbols.reshape(len(symbols), -1)
        by_table = self.cells.code_bits[np.arange(len(rows))[:, None], rows].sum(axis=1)
        return np.asarray(by_table > self.widths * rows.shape[1])

    def _rest(self, plain: Mask) -> Ans:
        """The coder of the channels that are not plain: for it those have one level."""
        return Ans(replace(self.cells, levels=np.where(plain, 1, self.cells.levels).astype(np.int32)))

    def _bits(self, symbols: Symbols, plain: Mask) -> bytes:
        parts = []
        for channel in np.flatnonzero(plain):
            rows = np.unpackbits(symbols[channel].reshape(-1, 1), axis=1)
            parts.append(rows[:, 8 - self.widths[channel] :].ravel())
        return np.packbits(np.concatenate(parts)).tobytes()

    def _mixed(self, code: bytes, shape: tuple[int, int, int]) -> Symbols:
        """The symbols of a code without its mark; what is wrong with it shows when they are coded again."""
        front = -(-len(self.sent) // 8)
        flags = np.unpackbits(np.frombuffer(code[:front], np.uint8))
        if len(flags) < len(self.sent):
            raise _refusal("the code is cut off; encode again")
        plain = np.zeros(shape[0], bool)
        plain[self.sent] = flags[: len(self.sent)].astype(bool)
        positions = shape[1] * shape[2]
        wanted = int(self.widths[plain].sum()) * positions
        end = front + -(-wanted // 8)
        bits = np.unpackbits(np.frombuffer(code[front:end], np.uint8))
        if len(bits) < wanted:
            raise _refusal("the code is cut off; encode again")
        found = self._rest(plain).decode(code[end:], shape)
        at = 0
        for channel in np.flatnonzero(plain):
            width = int(self.widths[channel])
            rows = bits[at : at + width * positions].reshape(positions, width)
            found[channel] = np.packbits(np.pad(rows, [(0, 0), (8 - width, 0)]), axis=1).reshape(shape[1:])
            at += width * positions
        return found


def _refusal(why: str) -> MooFsError:
    return MooFsError(f"codec 'ans-raw': {why}")
