"""What a run is made of: a problem, an optimiser, a recorder; and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from moo_fs.contracts import Bits, Floats
from moo_fs.store import Ending, Row
from moo_fs.trials import Trials


class Evaluates(Protocol):
    """What a run needs of a problem: a space, and objectives (allocation, objective) of bits (allocation, channel)."""

    @property
    def space(self) -> Any:
        """The search space, with `channels` and `objectives`."""

    def evaluate(self, bits: Bits) -> Floats:
        """Objectives (allocation, objective)."""


class Optimises(Protocol):
    """What a run needs of an optimiser."""

    def ask(self) -> Bits:
        """The next batch (batch, channel)."""

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """The batch with its objectives (batch, objective)."""


class Records(Protocol):
    """What a run needs of a store."""

    where: str
    history: list[Row]

    def record(self, rows: Sequence[Row], distributions: Mapping[str, Any] | None = None) -> None:
        """Rows that are safe when this returns."""

    @property
    def ending(self) -> Ending | None:
        """How the run ended when it was last executed; None if it did not."""

    def close(self, state: str, ending: Ending | None = None) -> None:
        """How the run ended."""


@dataclass(frozen=True)
class RunOutcome:
    """A run's trials, and what else it took.

    `asks` counts rows asked for, `repeats` those answered from the cache; `exhausted` says why a run ended below its
    budget (None if it did not); `seconds` are those of evaluating, asking and telling, from its beginning.
    """

    trials: Trials
    repeats: int
    asks: int
    exhausted: str | None
    seconds: float
    interrupted: bool = False
