"""Where runs are kept while they run: each an Optuna study, each evaluated allocation a trial.

A journal file a run by default, any storage that Optuna knows by its URL otherwise. Every row that an optimiser asked
for is kept in order, repeats too (marked `repeat_of`), so that a run is resumed by replaying it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.storages import BaseStorage, JournalStorage

from moo_fs.contracts import Bits, Floats, MooFsError, RunError
from moo_fs.journal import HeldLock, JournalFile
from moo_fs.study import RunSpec

ALLOCATION = "bits"
NEW = -1
_ZERO = ord("0")


@dataclass(frozen=True)
class Row:
    """One row that an optimiser asked for: an evaluation (`repeat_of` is NEW) or a repeat of a trial."""

    bits: Bits
    objectives: Floats
    seconds: float = 0.0
    repeat_of: int = NEW
    parameters: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        why: why it ended below its budget; None if it did not.
        for_good: whether it would have ended there with any larger budget too.
        asks: rows that were asked for until then.
        thinking: seconds that its optimiser took.
    """

    why: str | None
    for_good: bool
    asks: int
    thinking: float


class Recorder:
    """The stored rows of one run; `history` is what was there when it was opened."""

    def __init__(
        self, study: optuna.Study, *, where: str, synced: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> None:
        self.where = where
        self._study = study
        self._synced = synced
        self.history: list[Row] = [_row(trial) for trial in study.get_trials(deepcopy=False)]
        self._trials = sum(row.repeat_of == NEW for row in self.history)

    def record(self, rows: Sequence[Row], distributions: Mapping[str, Any] | None = None) -> None:
        """Write rows; they are on the disk when this returns.

        Parameters inside a range, one of Optuna's float `distributions` by name, become the trial's own, others an
        attribute.
        """
        try:
            with self._synced():
                for row in rows:
                    self._study.add_trial(self._trial(row, distributions or {}))
        except optuna.exceptions.StorageInternalError as error:
            raise RunError(f"{self.where}: cannot be written: {error}; run again to go on") from error

    @property
    def ending(self) -> Ending | None:
        """How the run ended when it was last executed; None if it did not."""
        noted = self._study.user_attrs.get("ending")
        return Ending(**noted) if isinstance(noted, dict) and set(noted) == set(Ending.__annotations__) else None

    def close(self, state: str, ending: Ending | None = None) -> None:
        """Note how the run ended ("done", "exhausted", "failed: ..."), for those who look at the storage."""
        if ending is not None and ending != self.ending:
            self._study.set_user_attr("ending", asdict(ending))
        if self._study.user_attrs.get("state") != state:
            self._study.set_user_attr("state", state)

    def _trial(self, row: Row, distributions: Mapping[str, Any]) -> optuna.trial.FrozenTrial:
        attributes: dict[str, Any] = {ALLOCATION: digits(row.bits)}
        if row.repeat_of == NEW:
            attributes |= {"trial": self._trials, "seconds": row.seconds}
            self._trials += 1
        else:
            attributes["repeat_of"] = int(row.repeat_of)
        parameters = {name: float(value) for name, value in (row.parameters or {}).items()}
        spans = {
            name: span
            for name, span in distributions.items()
            if name in parameters and isinstance(span, FloatDistribution) and span.low <= parameters[name] <= span.high
        }
        known = {name: parameters.pop(name) for name in spans}
        if parameters:
            attributes["parameters"] = parameters
        return optuna.trial.create_trial(
            values=row.objectives.tolist(), params=known, distributions=spans, user_attrs=attributes
        )


def digits(bits: Bits) -> str:
    """An allocation (channel,) as one digit a channel.

    >>> digits(np.array([0, 8, 3], dtype=np.int8))
    '083'
    """
    return (bits.astype(np.uint8) + _ZERO).tobytes().decode()


def from_digits(text: str) -> Bits:
    """The allocation (channel,) behind its digits.

    >>> from_digits("083")
    array([0, 8, 3], dtype=int8)
    """
    return (np.frombuffer(text.encode(), dtype=np.uint8) - _ZERO).astype(np.int8)


def journal_path(folder: Path, run: str) -> Path:
    """The journal of a run of the study whose folder is `folder`."""
    return folder / "journals" / f"{run}.log"


def lock_path(folder: Path, run: str) -> Path:
    """The lock that is held while a run is executed."""
    return folder / "journals" / f"{run}.lock"


@contextmanager
def open_run(
    spec: RunSpec,
    *,
    study: str,
    objectives: tuple[str, ...],
    folder: Path,
    storage: str | None = None,
    context: Mapping[str, str] | None = None,
) -> Iterator[Recorder]:
    """The recorder of one run, locked against other processes.

    `context` names what the evaluations depend on beside the run's key (backend, hash of the tables); a store that
    was written under another one is refused. Raises RunError if it is, or if another process executes the run, and
    MooFsError if `storage`, the URL of an Optuna storage, cannot be opened.
    """
    lock = HeldLock(lock_path(folder, spec.key), what=spec.title)
    try:
        path = journal_path(folder, spec.key)
        where = storage or str(path)
        journal = None if storage else JournalFile(path)
        backend = JournalStorage(journal) if journal else open_storage(str(storage))
        opened = _open_study(backend, f"{study}/{spec.key}", objectives)
        _check_context(
            opened, {**(context or {}), "objectives": " ".join(objectives)}, f"{spec.title} in {_public(where)}"
        )
        for name, value in spec.labels.items():
            if opened.user_attrs.get(name) != value:
                opened.set_user_attr(name, value)
        yield Recorder(opened, where=_public(where), synced=journal.synced if journal else nullcontext)
    finally:
        lock.release()


def open_storage(url: str) -> BaseStorage:
    """The Optuna storage at a URL. Raises MooFsError with what is missing."""
    try:
        return optuna.storages.get_storage(url)
    except ImportError as error:
        extra = "; install the extra 'postgres'" if "psycopg" in str(error) or "postgres" in url else ""
        raise MooFsError(f"storage '{_public(url)}': {error}{extra}") from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MooFsError(f"storage '{_public(url)}': cannot be opened: {reason}") from error


def _open_study(backend: BaseStorage, name: str, objectives: tuple[str, ...]) -> optuna.Study:
    with _quiet():
        opened = optuna.create_study(
            storage=backend,
            study_name=name,
            directions=["minimize"] * len(objectives),
            sampler=optuna.samplers.RandomSampler(seed=0),
            load_if_exists=True,
        )
        if opened.metric_names != list(objectives) and len(opened.directions) == len(objectives):
            opened.set_metric_names(list(objectives))
    return opened


def _check_context(opened: optuna.Study, context: Mapping[str, str], what: str) -> None:
    attributes = opened.user_attrs
    for name, value in context.items():
        before = attributes.get(name)
        if before is None:
            opened.set_user_attr(name, value)
        elif before != value:
            raise RunError(
                f"{what} was begun with {name} '{before}', not '{value}'; remove it, or choose another --out"
            )


def _row(trial: optuna.trial.FrozenTrial) -> Row:
    attributes = trial.user_attrs
    return Row(
        bits=from_digits(attributes[ALLOCATION]),
        objectives=np.array(trial.values, dtype=np.float64),
        seconds=float(attributes.get("seconds", 0.0)),
        repeat_of=int(attributes.get("repeat_of", NEW)),
        parameters={**attributes.get("parameters", {}), **trial.params},
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its line a study and its note that metric names are new."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _public(url: str) -> str:
    """A URL without its password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}" if "@" in rest else url
