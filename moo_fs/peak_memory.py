"""How much more memory this process held at most while something ran."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY = 0.005
STATM = Path("/proc/self/statm")
MEGABYTE = 1e6


@dataclass
class Peak:
    """`megabytes` above what was held at the start, sampled every 5 ms; complete once the block has ended."""

    megabytes: float = 0.0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """The peak of the process's resident memory inside, above its start; memory of a GPU is not counted.

    What the process holds already, freed or not, is no growth: the allocator is asked to give it back first. Where the
    system does not tell the present size, it is what the process's own high-water mark rose by: 0 where an earlier
    peak was higher.
    """
    _give_back()
    peak, start, done = Peak(), _resident(), threading.Event()

    def look() -> None:
        while not done.wait(LOOK_EVERY):
            peak.megabytes = max(peak.megabytes, (_resident() - start) / MEGABYTE)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
        peak.megabytes = max(peak.megabytes, (_resident() - start) / MEGABYTE)


def _give_back() -> None:
    """Freed memory returns to the system, where the C library can do that."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    """Bytes of resident memory."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource  # not on Windows

    high_water = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(high_water * (1 if sys.platform == "darwin" else 1024))
