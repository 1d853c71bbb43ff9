"""Journal files that survive kill -9: locks that the kernel releases, torn tails cut off, one fsync a batch.

Optuna's own lock object is a file that a killed process leaves behind, and after a torn last line its next append glues
on and makes the file unreadable; both are replaced here.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from moo_fs.contracts import MooFsError, RunError

CREATE_TRIAL = 4
PATIENCE = 1.5


class HeldLock:
    """An exclusive lock on a file for as long as this process lives, or until `release`."""

    def __init__(self, path: Path, *, what: str) -> None:
        """Raises RunError if another process holds it, MooFsError if the folder cannot be written.

        `what` opens the sentence. Waits a moment first: workers of a parent that was killed take one to follow it.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise MooFsError(f"{path.parent}: wanted a folder to write to, got: {error.strerror}") from error
        if not self._acquired():
            holder = os.read(self._handle, 20).decode(errors="replace").strip() or "unknown"
            self.release()
            raise RunError(f"{what} is being executed by another process ({holder}); wait for it or stop it")
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def _acquired(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.02)
            else:
                return True

    def release(self) -> None:
        """Let others have it; harmless when repeated."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def is_held(path: Path) -> bool:
    """Whether some process holds the lock on `path`."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


class FlockLock:
    """Lock of Optuna's journal on `fcntl.flock`: released by the kernel when its holder dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let others have it."""
        os.close(self._handle)
        self._handle = -1


class JournalFile(BaseJournalBackend):
    """Optuna's journal file with the lock above and with fsync when `synced` ends instead of at every line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = FlockLock(path)
        self._batch = False
        repair(path)
        self._reader = JournalFileBackend(str(path), lock_obj=self._lock)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Records from number `log_number_from` on. Raises RunError on a damaged file."""
        try:
            yield from self._reader.read_logs(log_number_from)
        except ValueError as error:
            raise RunError(f"{self._path} is damaged in its middle; remove it to start its run again") from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records under the lock, all or none. Raises RunError if the disk does not take them."""
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            self._append(text.encode())
        except OSError as error:
            raise RunError(f"{self._path}: cannot be written: {error.strerror}") from error
        finally:
            self._lock.release()

    def _append(self, content: bytes) -> None:
        """Write at the end; what a full disk took of it is cut off again, or the next line would be glued to it."""
        with self._path.open("ab", buffering=0) as file:  # a buffer would be written once more when the file closes
            size = os.fstat(file.fileno()).st_size
            try:
                while content:
                    content = content[os.write(file.fileno(), content) :]
                if not self._batch:
                    os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):  # `repair` cuts it when the journal is opened next
                    os.ftruncate(file.fileno(), size)
                raise

    @contextmanager
    def synced(self) -> Iterator[None]:
        """Everything appended inside is on the disk when the context ends."""
        self._batch = True
        try:
            yield
        finally:
            self._batch = False
            with self._path.open("ab") as file:
                os.fsync(file.fileno())


def repair(path: Path) -> int:
    """Cut what a kill or a power cut left half written off the end of a journal; returns the bytes cut.

    Whole lines that are not JSON are cut at the end only: in the middle they are no torn tail but a damaged file.
    """
    if not path.exists():
        return 0
    lock = FlockLock(path)
    lock.acquire()
    try:
        content = path.read_bytes()
        whole = len(content)
        while content and not _ends_well(content):
            content = content[: content.rstrip(b"\n").rfind(b"\n") + 1]
        if len(content) < whole:
            os.truncate(path, len(content))
        return whole - len(content)
    finally:
        lock.release()


def trial_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a journal that create trials, without Optuna; a torn tail is passed over."""
    yield from (record for record in _records(path) if record.get("op_code") == CREATE_TRIAL)


def journal_state(path: Path) -> str:
    """How the journal's run last ended ("done", "exhausted", "failed: ..."); empty if it has not, or goes on."""
    state = ""
    for record in _records(path):
        if record.get("op_code") == CREATE_TRIAL:
            state = ""
        elif "state" in record.get("user_attr", {}):
            state = str(record["user_attr"]["state"])
    return state


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
            except ValueError:
                return
            if isinstance(record, dict):
                yield record


def _ends_well(content: bytes) -> bool:
    if not content.endswith(b"\n"):
        return False
    last = content[content.rfind(b"\n", 0, -1) + 1 :]
    try:
        return isinstance(json.loads(last), dict)
    except ValueError:
        return False
