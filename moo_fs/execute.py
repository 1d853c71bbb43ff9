"""One run: ask, evaluate, record, tell, until the budget is spent; resumed by replaying what was recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from moo_fs.contracts import Bits, Floats, RunError, bits_array
from moo_fs.run_parts import Evaluates, Optimises, Records, RunOutcome
from moo_fs.store import NEW, Ending, Row
from moo_fs.study import RunSpec
from moo_fs.trials import Trials, six_digits

ASKS_PER_EVALUATION = 5
BATCHES_WITHOUT_NEWS = 20
CHUNK = 16
CHUNK_SECONDS = 0.5


@dataclass
class _Run:
    spec: RunSpec
    problem: Evaluates
    optimiser: Optimises
    recorder: Records
    budget: int
    on_progress: Callable[[int], None]
    should_stop: Callable[[], bool]
    trials: Trials = field(init=False)
    asks: int = 0
    repeats: int = 0
    idle_batches: int = 0
    chunk: int = CHUNK
    thinking: float = 0.0
    exhausted: str | None = None
    for_good: bool = False
    interrupted: bool = False

    def __post_init__(self) -> None:
        space = self.problem.space
        self.trials = Trials(space.channels, tuple(space.objectives))
        self.pending = list(reversed(self.recorder.history))

    @property
    def name(self) -> str:
        return self.spec.title

    def is_recorded(self) -> bool:
        """Whether the record alone is the whole run: then its optimiser need not think again.

        Only if it ended at the very row where this budget ends: a run that was killed before it noted its end, or
        that had another budget, is replayed.
        """
        ending = self.recorder.ending
        if ending is None:
            return False
        for row in self.recorder.history:
            if self.is_over():
                break
            self._count(row)
        if not self.is_over() and ending.for_good:
            self.exhausted, self.for_good = ending.why, True
        self.thinking = ending.thinking
        return self.is_over() and self.asks == ending.asks

    def is_over(self) -> bool:
        """Whether the run ends here; asked before each batch and, but for idleness, before each row."""
        if len(self.trials) >= self.budget:
            return True
        if self.asks >= ASKS_PER_EVALUATION * self.budget:
            self.exhausted = f"{self.asks} allocations were asked for, {ASKS_PER_EVALUATION} times the budget"
        elif self.idle_batches >= BATCHES_WITHOUT_NEWS:
            self.exhausted, self.for_good = f"{BATCHES_WITHOUT_NEWS} batches in a row brought no new allocation", True
        return self.exhausted is not None

    def step(self) -> None:
        """One batch, or as much of it as the budget allows; only a whole batch is told."""
        bits, parameters = self._ask()
        if not len(bits):
            if not self.asks:
                raise RunError(f"{self.name}, trial 0: the optimiser asked for nothing")
            self.exhausted, self.for_good = "the optimiser has nothing left to ask for", True
            return
        before, told = len(self.trials), np.empty((len(bits), len(self.trials.names)))
        at = 0
        while at < len(bits) and not self.is_over() and not self.interrupted:
            rows = self._replayed(bits[at]) or self._evaluated(bits[at:], parameters[at:])
            for row in rows:
                told[at] = row.objectives
                at += 1
            self.interrupted = not self.pending and self.should_stop()
        if at == len(bits):
            self.idle_batches = 0 if len(self.trials) > before else self.idle_batches + 1
            started = time.perf_counter()
            self.optimiser.tell(bits.copy(), told)
            self.thinking += time.perf_counter() - started

    def _ask(self) -> tuple[Bits, Sequence[Mapping[str, float] | None]]:
        started = time.perf_counter()
        asked = self.optimiser.ask()
        self.thinking += time.perf_counter() - started
        if asked is None or not np.size(asked):
            return np.empty((0, self.trials.channels), dtype=np.int8), []
        bits = bits_array(asked, channels=self.trials.channels, name=f"optimiser '{self.spec.optimiser.name}': ask()")
        given = getattr(self.optimiser, "parameters", None)
        if isinstance(given, list) and len(given) == len(bits) and all(isinstance(row, Mapping) for row in given):
            return bits, given
        return bits, [None] * len(bits)

    def _replayed(self, bits: Bits) -> list[Row]:
        """The recorded row in whose place `bits` (channel,) were asked for now; none if all are used up."""
        if not self.pending:
            return []
        row = self.pending.pop()
        if not np.array_equal(row.bits, bits):
            raise RunError(
                f"{self.name}, trial {len(self.trials)}: the optimiser asks for another allocation than the recorded "
                f"one, so something it depends on has changed; remove {self.recorder.where} to start this run again"
            )
        self._count(row)
        return [row]

    def _evaluated(self, bits: Bits, parameters: Sequence[Mapping[str, float] | None]) -> list[Row]:
        """The next few rows of `bits` (batch, channel), evaluated where they are new, and recorded."""
        fresh, count = self._portion(bits)
        started = time.perf_counter()
        values = self._objectives(bits[list(fresh.values())])
        seconds = (time.perf_counter() - started) / max(1, len(fresh))
        self.chunk = max(1, min(CHUNK, int(CHUNK_SECONDS / max(seconds, 1e-9)))) if fresh else self.chunk
        numbers = {key: len(self.trials) + at for at, key in enumerate(fresh)}
        rows = []
        for at, row in enumerate(bits[:count]):
            key = row.tobytes()
            if fresh.get(key) == at:
                rows.append(Row(row, values[numbers[key] - len(self.trials)], seconds, NEW, parameters[at]))
            elif key in numbers:
                rows.append(Row(row, values[numbers[key] - len(self.trials)], 0.0, numbers[key], parameters[at]))
            else:
                number = self.trials.number_of(row)
                rows.append(Row(row, self.trials.objectives_of(number), 0.0, number, parameters[at]))
        self._record(rows)
        return rows

    def _portion(self, bits: Bits) -> tuple[dict[bytes, int], int]:
        """(where in `bits` the next new allocations first stand, rows up to the last of them).

        A chunk at most (half a second), so that an interruption loses little, and what budget and asks allow.
        """
        room = min(self.chunk, self.budget - len(self.trials))
        asks = bits[: ASKS_PER_EVALUATION * self.budget - self.asks]
        fresh: dict[bytes, int] = {}
        for at, row in enumerate(asks):
            if row.tobytes() not in fresh and row not in self.trials:
                fresh[row.tobytes()] = at
            if len(fresh) == room:
                return fresh, at + 1
        return fresh, len(asks)

    def _objectives(self, bits: Bits) -> Floats:
        if not len(bits):
            return np.empty((0, len(self.trials.names)))
        values = six_digits(self.problem.evaluate(bits))
        if values.shape != (len(bits), len(self.trials.names)):
            wanted = (len(bits), len(self.trials.names))
            raise RunError(f"{self.name}: evaluate() gave an array of shape {values.shape}, wanted {wanted}")
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            bad = int(np.argmin(finite))
            raise RunError(
                f"{self.name}, trial {len(self.trials) + bad}: objectives "
                f"{dict(zip(self.trials.names, values[bad].tolist(), strict=True))} are not finite"
            )
        return values

    def _record(self, rows: list[Row]) -> None:
        ranges = getattr(self.optimiser, "distributions", None)
        self.recorder.record(rows, ranges if isinstance(ranges, Mapping) else None)
        for row in rows:
            self._count(row)
        self.on_progress(len(self.trials))

    def _count(self, row: Row) -> None:
        self.asks += 1
        if row.repeat_of == NEW:
            self.trials.append(row.bits, row.objectives, row.seconds, row.parameters)
        else:
            self.repeats += 1

    def ending(self) -> Ending:
        return Ending(self.exhausted, self.for_good, self.asks, self.thinking)

    def outcome(self) -> RunOutcome:
        seconds = float(self.trials.seconds.sum()) + self.thinking
        return RunOutcome(self.trials, self.repeats, self.asks, self.exhausted, seconds, self.interrupted)


def execute(
    spec: RunSpec,
    problem: Evaluates,
    optimiser: Optimises,
    recorder: Records,
    *,
    budget: int,
    on_progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> RunOutcome:
    """Run until `budget` distinct allocations are evaluated; what the recorder holds already is replayed.

    `optimiser` must be a new one, from the same random stream as when the run began; it is not asked at all if the
    record holds the whole run. The run also ends after
    5 x budget asks, after 20 batches in a row without a new allocation, or when `ask()` returns nothing. A budget that
    ends inside a batch leaves that batch untold, so that a run extended is the run started with the larger budget.
    `on_progress` gets the number of trials; `should_stop` ends the run early, everything evaluated so far kept.
    Raises RunError, with run and trial, if the optimiser no longer asks for what was recorded, if an objective is not
    finite, and in place of anything else that the optimiser or the problem raises.
    """

    def begun() -> _Run:
        return _Run(spec, problem, optimiser, recorder, budget, on_progress or _ignore, should_stop or _never)

    run = begun()
    if run.is_recorded():
        return run.outcome()
    run = begun()
    try:
        while not run.is_over() and not run.interrupted:
            run.step()
    except RunError as error:
        _close_failed(recorder, error)
        raise
    except Exception as error:
        failure = RunError(f"{run.name}, trial {len(run.trials)}: {type(error).__name__}: {error}")
        _close_failed(recorder, failure)
        raise failure from error
    if not run.interrupted:
        recorder.close("exhausted" if run.exhausted else "done", run.ending())
    return run.outcome()


def _close_failed(recorder: Records, error: RunError) -> None:
    with suppress(Exception):  # a full disk takes no note either: the first error is the one to tell
        recorder.close(f"failed: {error}")


def _ignore(trials: int) -> None:
    """Progress that nobody watches."""


def _never() -> bool:
    return False
