"""Worker processes: one that executes the groups of runs that come through its pipe, and a pool for other pieces."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event as Flag
from typing import Any, Literal

import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from moo_fs.contracts import MooFsError, RunError
from moo_fs.study import RunSpec

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
PARENT_CHECK = 0.2
PROGRESS_EVERY = 0.2
Runner = Callable[..., Any]
"""runner(spec, on_progress=..., should_stop=...) executes one run and returns something that pickles."""
Loader = Callable[[], Runner]


@dataclass(frozen=True)
class Event:
    """What happened to a run: it "started", made "progress" (`trials` so far), is "done" (`result`) or "failed"."""

    kind: Literal["started", "progress", "done", "failed"]
    run: RunSpec
    trials: int = 0
    result: Any = None
    message: str = ""


@dataclass
class Worker:
    """The parent's view of a worker; `group` is what it still has to execute."""

    process: BaseProcess
    pipe: Connection
    group: list[RunSpec] = field(default_factory=list)


def start(loader: Loader) -> Worker:
    """A new process that will say that it is ready; on one thread, because processes share the cores."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, loader, os.getpid()), daemon=True)
    with _environment(ONE_THREAD), _without_interrupts():
        process.start()
    theirs.close()
    return Worker(process, mine)


@contextlib.contextmanager
def pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes for pieces of work that leave what they make on the disk.

    If an exception leaves the block they end at once, in the middle of a piece; if this process is killed they end soon
    after it.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    processes = ProcessPoolExecutor(workers, mp_context=context, initializer=_obey, initargs=(os.getpid(), stop))
    try:
        yield processes
    except BaseException:
        stop.set()
        raise
    finally:
        processes.shutdown(cancel_futures=True)


def failure(spec: RunSpec, error: Exception) -> str:
    """What made a run fail, with its name: only RunError says that itself."""
    return str(error) if isinstance(error, RunError) else f"{spec.title}: {type(error).__name__}: {error}"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and linear algebra: sums over several differ in their last bits, and so would runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


def _work(pipe: Connection, loader: Loader, parent: int) -> None:
    """A worker: load once, then run groups until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    stop = _Stop(pipe)
    try:
        runner = loader()
        while True:
            pipe.send("ready")
            group = pipe.recv()
            for spec in group if isinstance(group, list) else ():
                _work_on(spec, runner, pipe, stop)
                if stop():
                    return
            if not isinstance(group, list):
                return
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send(_portable(error))


def _work_on(spec: RunSpec, runner: Runner, pipe: Connection, stop: Callable[[], bool]) -> None:
    last = 0.0

    def progress(trials: int) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_EVERY:
            last = time.monotonic()
            with _ending_with_the_parent():
                pipe.send(Event("progress", spec, trials))

    pipe.send(Event("started", spec))
    try:
        with one_thread():
            result = runner(spec, on_progress=progress, should_stop=stop)
    except Exception as error:
        pipe.send(Event("failed", spec, message=failure(spec, error)))
    else:
        pipe.send(Event("done", spec, result=result))


class _Stop:
    """Whether the parent said stop; asked between portions of a batch."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._said = pipe, False

    def __call__(self) -> bool:
        with _ending_with_the_parent():
            if not self._said and self._pipe.poll():
                self._said = self._pipe.recv() == "stop"
        return self._said


@contextlib.contextmanager
def _ending_with_the_parent() -> Iterator[None]:
    """End this process, and fail no run, if the pipe inside a run turns out to have no other end any more."""
    try:
        yield
    except (EOFError, OSError) as error:
        raise SystemExit(1) from error


def _obey(parent: int, stop: Flag) -> None:
    """A process of a pool: leave Ctrl-C to the parent, and end with it or when it says so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with, args=(parent, stop.is_set), daemon=True).start()


def _die_with(parent: int, stopped: Callable[[], bool] = lambda: False) -> None:
    """End this process soon after its parent is gone, however that ended: what is recorded is on the disk."""
    while os.getppid() == parent and not stopped():
        time.sleep(PARENT_CHECK)
    os._exit(1)


def _portable(error: Exception) -> Exception:
    """An error that survives pickling, with its traceback for those who debug."""
    if isinstance(error, MooFsError | RunError):
        return type(error)(str(error))
    return RunError(f"a worker process failed: {error!r}\n{traceback.format_exc()}")


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for processes started inside; those of this process are put back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started inside ignore Ctrl-C from their first moment on: their parent tells them to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
