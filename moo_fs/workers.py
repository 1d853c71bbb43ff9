"""Runs in several processes: each loads the study once and works through groups of runs, one group at a time.

The parent talks to each worker over a pipe of its own, so that a worker killed at any moment leaves no lock behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from moo_fs.contracts import MooFsError, RunError
from moo_fs.study import RunSpec
from moo_fs.worker import Event, Loader, Worker, failure, one_thread, start

Group = Sequence[RunSpec]
PATIENCE = 60.0


def groups(runs: Iterable[RunSpec], uses_scores: Callable[[RunSpec], bool]) -> list[Group]:
    """Runs as groups that one process executes: one run each, but all measures of a seed if scores change nothing."""
    together: dict[tuple[str, int, str], list[RunSpec]] = {}
    for run in runs:
        alone = run.key if uses_scores(run) else ""
        together.setdefault((run.optimiser.label, run.seed, alone), []).append(run)
    return list(together.values())


def run_all(
    work: Sequence[Group], loader: Loader, workers: int, on_event: Callable[[Event], None] | None = None
) -> dict[str, Any]:
    """Execute every run of every group; returns each runner's result by the run's key.

    `loader` is called once in each of `workers` processes and must pickle (a function of a module, or a partial of
    one); with one worker everything happens in this process. A run that fails, whatever its runner raises, does not
    stop the others; what the loader raises passes on. Raises RunError that names the first failed run when all others
    have ended; KeyboardInterrupt lets each worker finish and record what it is evaluating, then passes on.
    """
    listen = on_event or _ignore
    if workers < 1:
        raise MooFsError(f"workers: wanted 1 or more, got {workers}")
    if min(workers, len(work)) <= 1:
        results, failures = _run_here(work, loader, listen)
    else:
        results, failures = _Pool(work, loader, min(workers, len(work)), listen).run()
    if failures:
        others = f" ({len(failures)} runs failed)" if len(failures) > 1 else ""
        raise RunError(f"{next(iter(failures.values()))}{others}")
    return results


def _run_here(
    work: Sequence[Group], loader: Loader, listen: Callable[[Event], None]
) -> tuple[dict[str, Any], dict[str, str]]:
    results: dict[str, Any] = {}
    failures: dict[str, str] = {}
    if not work:
        return results, failures
    runner = loader()
    for spec in (spec for group in work for spec in group):
        listen(Event("started", spec))
        try:
            with one_thread():
                results[spec.key] = runner(spec, on_progress=partial(_progress, listen, spec), should_stop=_never)
        except Exception as error:
            failures[spec.key] = failure(spec, error)
            listen(Event("failed", spec, message=failures[spec.key]))
        else:
            listen(Event("done", spec, result=results[spec.key]))
    return results, failures


class _Pool:
    """The parent's side: hands out groups, listens, notices workers that die."""

    def __init__(self, work: Sequence[Group], loader: Loader, size: int, listen: Callable[[Event], None]) -> None:
        self._waiting = [list(group) for group in work]
        self._loader, self._size, self._listen = loader, size, listen
        self._workers: list[Worker] = []
        self.results: dict[str, Any] = {}
        self.failures: dict[str, str] = {}

    def run(self) -> tuple[dict[str, Any], dict[str, str]]:
        try:
            self._workers = [start(self._loader) for _ in range(self._size)]
            while self._workers:
                self._listen_once()
        except KeyboardInterrupt:
            self._stop_gently()
            raise
        finally:
            for worker in self._workers:
                worker.process.kill()
                worker.process.join()
        return self.results, self.failures

    def _listen_once(self) -> None:
        for pipe in wait([worker.pipe for worker in self._workers]):
            worker = next(worker for worker in self._workers if worker.pipe is pipe)
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                self._lost(worker)
                continue
            if isinstance(message, Event):
                self._heard(worker, message)
            elif isinstance(message, BaseException):
                raise message
            else:
                self._hand_out(worker)

    def _hand_out(self, worker: Worker) -> None:
        if self._waiting:
            worker.group = self._waiting.pop(0)
            with contextlib.suppress(OSError):  # it died just now: the next wait finds out
                worker.pipe.send(list(worker.group))
        else:
            worker.pipe.close()
            worker.process.join()
            self._workers.remove(worker)

    def _heard(self, worker: Worker, event: Event) -> None:
        if event.kind in ("done", "failed"):
            worker.group = [spec for spec in worker.group if spec.key != event.run.key]
        if event.kind == "done":
            self.results[event.run.key] = event.result
        elif event.kind == "failed":
            self.failures[event.run.key] = event.message
        self._listen(event)

    def _lost(self, worker: Worker) -> None:
        worker.process.join()
        self._workers.remove(worker)
        if not worker.group:
            raise RunError(f"a worker process ended with status {worker.process.exitcode} before it began; see above")
        first, *rest = worker.group
        message = (
            f"{first.title}: its process ended with status {worker.process.exitcode} (killed, or out of memory?); "
            "run again, with fewer --workers"
        )
        self._heard(worker, Event("failed", first, message=message))
        if rest:
            self._waiting.append(rest)
        if self._waiting:
            self._workers.append(start(self._loader))

    def _stop_gently(self) -> None:
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.pipe.send("stop")
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(KeyboardInterrupt):
            for worker in self._workers:
                while worker.process.is_alive() and time.monotonic() < deadline:
                    with contextlib.suppress(EOFError, OSError):
                        while worker.pipe.poll():
                            worker.pipe.recv()
                    worker.process.join(0.02)


def _progress(listen: Callable[[Event], None], spec: RunSpec, trials: int) -> None:
    listen(Event("progress", spec, trials))


def _ignore(event: Event) -> None:
    """Events that nobody watches."""


def _never() -> bool:
    return False
