"""Frames that a study keeps in its `work/` folder as they are computed, so that one that was killed repeats none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd


def kept_frame(path: Path, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The frame in a Parquet file, computed and written there if it is not there yet."""
    if not path.is_file():
        publish_frame(path, compute())
    return pd.read_parquet(path)


def publish_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame whole or not at all; of two workers that computed it the first one's stays for both."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    frame.to_parquet(partial)
    with contextlib.suppress(FileExistsError):
        os.link(partial, path)
    partial.unlink()
