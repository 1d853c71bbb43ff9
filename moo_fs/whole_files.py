"""Files that are there whole or not at all, and the digests by which they are recognised."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`, its folder made where it is missing; a file with that content stays as it is.

    No reader, and no crash, ever sees half of it. Raises OSError and leaves nothing behind if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_bytes() == content:
        return
    write_together({path: content})


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files such that all are complete before the first appears; they appear in the order given.

    So the last may vouch for the others. Raises OSError and leaves nothing beside them if one cannot be written.
    """
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in contents}
    try:
        for path, content in contents.items():
            with beside[path].open("wb") as file:
                file.write(content)
                file.flush()
                # Else a crash of the machine may leave the new name on an empty file.
                os.fsync(file.fileno())
        for path, part in beside.items():
            part.replace(path)
    finally:
        for part in beside.values():
            part.unlink(missing_ok=True)


def digest(content: bytes) -> str:
    """SHA-256 in hex.

    >>> digest(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    return digest(path.read_bytes())
