"""Where a subject's data lie: the option `data`, else the environment variable MOO_FS_DATA."""

from __future__ import annotations

import os
from pathlib import Path

from moo_fs.contracts import MooFsError

VARIABLE = "MOO_FS_DATA"


def find(subject: str, *, named: str, inside: str, holds: str) -> Path:
    """The folder `named` ("": that of MOO_FS_DATA), or its subfolder `inside` if there is one.

    `holds` says in words what the folder holds. Raises MooFsError if neither names a folder, or one that is not there;
    what lies in it is for the reader of the data to say.
    """
    folder = named or os.environ.get(VARIABLE, "")
    if not folder:
        raise MooFsError(f"subject '{subject}': wanted the folder of {holds}; set {VARIABLE} to it, or the option data")
    if not Path(folder).is_dir():
        came = "the option data" if named else VARIABLE
        raise MooFsError(f"subject '{subject}': {came}: {folder}: no such folder; wanted the folder of {holds}")
    return within(Path(folder), inside)


def within(folder: Path, inside: str) -> Path:
    """The subfolder `inside` if there is one, else the folder: one MOO_FS_DATA serves several data sets."""
    return folder / inside if (folder / inside).is_dir() else folder
