"""Rows of a pruning study made by several processes, so that who collects them finds them all on the disk."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

from moo_fs.contracts import MooFsError, RunError
from moo_fs.plugins import PluginSpec
from moo_fs.prune_studies.collect import cut_on, orders_of, planted_in, to_tune
from moo_fs.prune_studies.network import Subject, load_subject
from moo_fs.prune_studies.plan import Plan
from moo_fs.prune_studies.runner import Runner
from moo_fs.worker import one_thread, pool


@dataclass(frozen=True)
class Piece:
    """What one process makes in one go: all of a batch, orders and planted filters, or one network's training on."""

    kind: str
    at: int = 0

    @property
    def title(self) -> str:
        """What the piece is called in progress and errors."""
        return {"batch": f"batch {self.at}", "orders": "orders", "tuned": f"training on, network {self.at}"}[self.kind]


def make(plan: Plan, folder: Path, *, device: str, workers: int, tell: Callable[[str], None]) -> None:
    """Make the rows of `plan` in `folder`/work with so many processes; `tell` hears of pieces that are done.

    Batches go first, one a process, and what is trained on as soon as the first batch says which networks those are.
    Rows are the same whoever makes them, their seconds apart. Raises MooFsError or RunError as the first piece that
    fails does; rows that are made stay.
    """
    with pool(workers) as processes:

        def begun(piece: Piece) -> Future[int]:
            return processes.submit(_made, plan, folder, device, piece)

        waiting = {begun(piece): piece for piece in [Piece("batch", seed) for seed in range(plan.seeds)]}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    piece, tuned = waiting.pop(future), future.result()
                    tell(f"{piece.title}: done")
                    following = [Piece("tuned", at) for at in range(tuned)]
                    # Every batch's own orders are made by then, the others are left.
                    if piece.kind == "batch" and all(other.kind != "batch" for other in waiting.values()):
                        following.append(Piece("orders"))
                    waiting |= {begun(one): one for one in following}
        except BaseException:
            processes.shutdown(wait=True, cancel_futures=True)
            raise


def _made(plan: Plan, folder: Path, device: str, piece: Piece) -> int:
    """Make a piece in a process of its own; of the first batch the number of networks to train on."""
    with one_thread():
        try:
            return _make(Runner(plan, _subject(plan.subject, device), folder, lambda title: None), piece)
        except MooFsError:
            raise
        except Exception as error:
            raise RunError(f"{plan.path}: {piece.title}: {type(error).__name__}: {error}") from error


def _make(runner: Runner, piece: Piece) -> int:
    if piece.kind == "batch":
        runner.unpruned()
        cut_on(runner, piece.at)
        runner.curve(piece.at)
        return len(to_tune(runner)) if piece.at == 0 else 0
    if piece.kind == "tuned":
        runner.tuned(to_tune(runner)[piece.at])
        return 0
    orders_of(runner)
    planted_in(runner)
    return 0


@functools.lru_cache(maxsize=1)
def _subject(spec: PluginSpec, device: str) -> Subject:
    return load_subject(spec, device)
