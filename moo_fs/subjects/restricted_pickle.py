"""Reading a pickle without trusting it: plain containers, bytes, strings, numbers and arrays of numbers, nothing else.

A pickle is a program. Here the only names it may look up are those that old and new pickles of arrays and bytes use,
and each stands for a class of this file: numpy's own unpickling is never given what the file says unchecked, and
no name of the file is ever imported.
"""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from moo_fs.contracts import MooFsError

CODES = frozenset({"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"})
ORDERS = frozenset({"|", "<", ">", "="})


def load(path: Path) -> Any:
    """What the pickle `path` holds; strings of Python 2 become bytes, arrays are numpy's.

    Raises MooFsError if the file asks for anything but containers, bytes, strings, numbers and arrays of numbers, or
    is damaged; nothing of it has been executed then.
    """
    try:
        return _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except _RefusedError as refused:
        raise MooFsError(
            f"{path}: a pickle that asks for {refused}; wanted lists, dictionaries, bytes, strings, numbers and "
            "arrays only, so it was not read"
        ) from refused
    except Exception as error:  # a damaged pickle can raise anything: what it means to the user is the same
        raise MooFsError(f"{path}: not a readable pickle, or cut short; download it again") from error


class _RefusedError(Exception):
    """What a pickle asked for and does not get."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        """The class that stands for a name; raises for every name but those in `STAND_INS`."""
        if (module, name) not in STAND_INS:
            raise _RefusedError(f"'{module}.{name}'")
        return STAND_INS[module, name]


class _Kind:
    """Stands for `numpy.ndarray`, which pickles name and never call."""

    def __new__(cls, *args: object) -> NoReturn:
        raise _RefusedError("an array made in an unusual way")

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("a changed class")


class _Text:
    """Stands for `_codecs.encode`: pickles of Python 3 in protocol 2 write bytes as latin-1 text."""

    def __new__(cls, text: str, encoding: str | bytes) -> Any:
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1", b"latin1", b"latin-1"):
            raise _RefusedError(f"the encoding {encoding!r}")
        return text.encode("latin-1")

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError("a changed class")


class _Number:
    """Stands for `numpy.dtype`: a number of fixed size, `code` such as "u1" and `order` of its bytes."""

    def __init__(self, code: str | bytes, *flags: object) -> None:
        self.code = code.decode("latin-1") if isinstance(code, bytes) else code
        self.order = "="
        if self.code not in CODES:
            raise _RefusedError(f"arrays of {self.code!r}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1].decode("latin-1") if isinstance(state[1], bytes) else state[1]
        if order not in ORDERS or any(part is not None for part in state[2:5]):
            raise _RefusedError("an array of structures")
        self.order = order


class _Array(np.ndarray[Any, Any]):
    """Stands for numpy's `_reconstruct`: an empty array, filled by a state that was checked."""

    def __new__(cls, kind: object, *placeholders: object) -> _Array:
        if kind is not _Kind:
            raise _RefusedError("an array of an unusual kind")
        return np.empty(0, np.uint8).view(cls)

    def __setstate__(self, state: Any, /) -> None:
        _, shape, number, by_columns, raw = state
        sizes = tuple(int(size) for size in shape)
        if not isinstance(number, _Number) or not isinstance(raw, bytes) or any(size < 0 for size in sizes):
            raise _RefusedError("an array of something else than numbers")
        dtype = np.dtype(number.order + number.code)
        if len(raw) != math.prod(sizes) * dtype.itemsize:
            raise _RefusedError(f"an array of shape {sizes} from {len(raw)} bytes")
        checked: Any = (1, sizes, dtype, bool(by_columns), raw)
        super().__setstate__(checked)


STAND_INS: dict[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Kind,
    ("numpy", "dtype"): _Number,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _Text,
}
