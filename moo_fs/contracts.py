"""Errors and array checks: the border at which a user's input becomes trusted data."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.int8]
MAX_BITS = 8


class MooFsError(ValueError):
    """The user's input is wrong: one sentence that says what, wanted, got and what to do (exit status 2)."""


class RunError(RuntimeError):
    """Something failed while running: names the run and the trial (exit status 1)."""


class BoundsError(MooFsError):
    """No allocation meets the bounds that were asked for (exit status 3)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A clause that suggests the nearest known name, or lists all of them.

    >>> did_you_mean("varience", ["variance", "l2-norm"])
    "; did you mean 'variance'?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known are {', '.join(known)}" if known else ""


def float_array(values: ArrayLike, name: str, axes: str, **sizes: int) -> Floats:
    """`values` as a finite float64 array whose axes are named in `axes`; sizes of named axes may be fixed.

    >>> float_array([1, 2], "scores", "channel", channel=2)
    array([1., 2.])
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MooFsError(f"{name}: wanted numbers with axes ({axes}), got {type(values).__name__}") from error
    _check_axes(array, name, axes, sizes)
    if not np.isfinite(array).all():
        raise MooFsError(f"{name}: wanted finite numbers, got {int((~np.isfinite(array)).sum())} that are not")
    return array


def bits_array(values: Any, *, channels: int, name: str = "bits") -> Bits:
    """Allocations as int8 with axes (allocation, channel); a single one (channel,) becomes a batch of one.

    Raises MooFsError unless every entry is a whole number from 0 to 8.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise MooFsError(f"{name}: wanted a list of {channels} integers, got a ragged list") from error
    if array.dtype.kind not in "iu" and not (
        array.dtype.kind == "f" and bool(np.isfinite(array).all()) and bool((array == np.round(array)).all())
    ):
        raise MooFsError(f"{name}: wanted whole numbers from 0 to {MAX_BITS}, got {array.dtype} values")
    array = np.atleast_2d(array)
    _check_axes(array, name, "allocation channel", {"channel": channels})
    if array.size and (array.min() < 0 or array.max() > MAX_BITS):
        raise MooFsError(f"{name}: wanted whole numbers from 0 to {MAX_BITS}, got {array.min()} to {array.max()}")
    return array.astype(np.int8)


def _check_axes(array: NDArray[Any], name: str, axes: str, sizes: dict[str, int]) -> None:
    names = axes.split()
    if array.ndim != len(names):
        raise MooFsError(f"{name}: wanted axes ({', '.join(names)}), got an array of shape {array.shape}")
    for axis, (label, size) in enumerate(zip(names, array.shape, strict=True)):
        if label in sizes and sizes[label] != size:
            raise MooFsError(f"{name}: wanted {sizes[label]} along '{label}' (axis {axis}), got {size}")
