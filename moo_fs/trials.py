"""The columnar record of one run: a row for every distinct allocation that was evaluated, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from moo_fs.contracts import Bits, Floats

DIGITS = 6


def six_digits(values: ArrayLike) -> Floats:
    """Values rounded to 6 significant digits; rounding twice changes nothing.

    >>> six_digits([1.23456789, 1e-9 / 3])
    array([1.23457e+00, 3.33333e-10])
    """
    array = np.asarray(values, dtype=np.float64)
    rounded = [float(f"{value:.{DIGITS}g}") for value in array.ravel().tolist()]
    return np.array(rounded, dtype=np.float64).reshape(array.shape)


class Trials:
    """Trials of one run; trial = row number. Rows are appended and never change."""

    def __init__(self, channels: int, objectives: tuple[str, ...]) -> None:
        self.channels = channels
        self.names = objectives
        self._bits: list[bytes] = []
        self._objectives: list[Floats] = []
        self._seconds: list[float] = []
        self._parameters: list[Mapping[str, float]] = []
        self._number: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._bits)

    def append(
        self, bits: Bits, objectives: Floats, seconds: float = 0.0, parameters: Mapping[str, float] | None = None
    ) -> int:
        """Add one allocation (channel,) with its objectives (objective,); returns its trial number."""
        key = bits.astype(np.int8).tobytes()
        if key in self._number:
            raise ValueError(f"this allocation is trial {self._number[key]} already")
        number = self._number[key] = len(self._bits)
        self._bits.append(key)
        self._objectives.append(np.asarray(objectives, dtype=np.float64))
        self._seconds.append(float(seconds))
        self._parameters.append(dict(parameters or {}))
        return number

    def __contains__(self, bits: Bits) -> bool:
        return bits.astype(np.int8).tobytes() in self._number

    def number_of(self, bits: Bits) -> int:
        """The trial that evaluated this allocation (channel,); raises KeyError if none did."""
        return self._number[bits.astype(np.int8).tobytes()]

    def objectives_of(self, trial: int) -> Floats:
        """Objectives (objective,) of one trial."""
        return self._objectives[trial]

    @property
    def bits(self) -> Bits:
        """Allocations (trial, channel)."""
        return np.frombuffer(b"".join(self._bits), dtype=np.int8).reshape(len(self), self.channels)

    @property
    def objectives(self) -> Floats:
        """Objectives (trial, objective), the rate in kbit per image first."""
        return np.array(self._objectives, dtype=np.float64).reshape(len(self), len(self.names))

    @property
    def seconds(self) -> Floats:
        """Seconds that each evaluation took (trial,)."""
        return np.array(self._seconds, dtype=np.float64)

    @property
    def parameters(self) -> list[Mapping[str, float]]:
        """What a decoding optimiser searched, a mapping a trial; empty ones for bits."""
        return list(self._parameters)

    def frame(self, labels: Mapping[str, Any]) -> pd.DataFrame:
        """Rows of trials.parquet: labels (run, measure, optimiser, seed), trial, bits, rate_kbit, tasks, seconds."""
        columns: dict[str, Any] = {name: [value] * len(self) for name, value in labels.items()}
        columns["trial"] = np.arange(len(self), dtype=np.int64)
        columns["bits"] = list(self._bits)
        objectives = self.objectives
        for at, name in enumerate(self.names):
            columns["rate_kbit" if name == "rate" else name] = objectives[:, at]
        columns["seconds"] = self.seconds
        return pd.DataFrame(columns)
