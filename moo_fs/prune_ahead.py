"""Rows of a pruning study made by several processes, so that who collects them finds them all on the disk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from moo_fs.contracts import MooFsError, RunError
from moo_fs.plugins import PluginSpec
from moo_fs.prune_studies import trained
from moo_fs.prune_studies.collect import cut_on, orders_of, planted_in
from moo_fs.prune_studies.network import Subject, load_subject
from moo_fs.prune_studies.plan import Plan
from moo_fs.prune_studies.runner import Runner
from moo_fs.worker import one_thread, pool


@dataclass(frozen=True)
class Piece:
    """What one process makes in one go; `kind` is one of PIECES."""

    kind: str
    at: int = 0

    @property
    def title(self) -> str:
        """What the piece is called in progress and errors."""
        return f"{self.kind} {self.at}"


def _batch(runner: Runner, at: int) -> None:
    runner.unpruned()
    cut_on(runner, at)
    runner.curve(at)


def _orders(runner: Runner, _: int) -> None:
    orders_of(runner)
    planted_in(runner)


def _against(runner: Runner, at: int) -> None:
    row, seed = trained.against_best(runner)[at]
    runner.trained(row, training_seed=seed)


PIECES: dict[str, Callable[[Runner, int], object]] = {
    "batch": _batch,
    "ladder": lambda runner, at: runner.climbed(runner.plan.ladders[at]),
    "orders": _orders,
    "screening": lambda runner, at: runner.screened(trained.to_screen(runner)[at]),
    "training": lambda runner, at: runner.trained(trained.to_tune(runner)[at]),
    "control": _against,
}


def make(runner: Runner, plan: Plan, folder: Path, source: str, *, workers: int, tell: Callable[[str], None]) -> None:
    """Make the rows of `plan` in `folder`/work with so many processes; `tell` hears of pieces that are done.

    `runner` is this process's own, which reads what the others have made to know what is next. Rows are the same
    whoever makes them, their seconds apart. Raises MooFsError or RunError as the first piece that fails does; rows
    that are made stay.
    """
    made = functools.partial(_made, plan, folder, source, runner.subject.device)
    with pool(workers) as processes:
        for pieces in _rounds(runner):
            waiting = {processes.submit(made, piece): piece for piece in pieces}
            try:
                for future in as_completed(waiting):
                    future.result()
                    tell(f"{waiting[future].title}: done")
            except BrokenProcessPool as error:
                raise RunError(
                    f"{plan.path}: a process was killed, perhaps for want of memory; finished rows are kept: run "
                    "again, with fewer --workers if it happens again"
                ) from error


def _rounds(runner: Runner) -> Iterator[list[Piece]]:
    """What can be made side by side, round after round: a round says what the next one is."""
    batches = [Piece("batch", seed) for seed in range(runner.plan.seeds)]
    yield batches + [Piece("ladder", at) for at in range(len(runner.plan.ladders))]
    yield [Piece("orders"), *(Piece("screening", at) for at in range(len(trained.to_screen(runner))))]
    yield [Piece("training", at) for at in range(len(trained.to_tune(runner)))]
    yield [Piece("control", at) for at in range(len(trained.against_best(runner)))]


def _made(plan: Plan, folder: Path, source: str, device: str, piece: Piece) -> None:
    """Make a piece in a process of its own."""
    with one_thread():
        try:
            runner = Runner(plan, _subject(plan.subject, device), folder, lambda title: None, source)
            PIECES[piece.kind](runner, piece.at)
        except MooFsError:
            raise
        except Exception as error:
            raise RunError(f"{plan.path}: {piece.title}: {type(error).__name__}: {error}") from error


@functools.lru_cache(maxsize=1)
def _subject(spec: PluginSpec, device: str) -> Subject:
    return load_subject(spec, device)
