"""The codec `entropy`: sizes of an ideal coder, the `rate` of every table in bytes, and no stream."""

from __future__ import annotations

from typing import ClassVar, NoReturn

import numpy as np

from moo_fs.codecs.interface import Symbols, checked
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats, MooFsError


class Entropy:
    """-log2 of each symbol's floored relative frequency on the fit part, summed: see `moo_fs.codecs.interface`."""

    makes_stream: ClassVar[bool] = False
    uses_tables: ClassVar[bool] = True

    def __init__(self, cells: Cells) -> None:
        self.cells = cells

    def encode(self, symbols: Symbols) -> NoReturn:
        """Always refused."""
        raise MooFsError("codec 'entropy': it is an estimate and makes no stream; use codec 'ans'")

    def decode(self, code: bytes, shape: tuple[int, int, int]) -> NoReturn:
        """Always refused."""
        raise MooFsError("codec 'entropy': it is an estimate and there is no stream of it; use codec 'ans'")

    def payload_bytes(self, symbols: Symbols) -> Floats:
        """See `moo_fs.codecs.interface.Codec`; a fraction of a byte counts as such."""
        array = checked(symbols, self.cells, axes="image channel height width")
        bits = np.zeros(len(array))
        for channel in np.flatnonzero(self.cells.levels > 1):
            bits += self.cells.code_bits[channel][array[:, channel]].sum(axis=(1, 2))
        return bits / 8

    def fixed_bytes(self, symbols: Symbols) -> float:
        """See `Codec`: there are none."""
        return 0.0
