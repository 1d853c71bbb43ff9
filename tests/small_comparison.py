"""A comparison that takes seconds: its file, measures of a user's own beside it, and ways to spoil its archives."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from moo_fs.archive import STUDY, verify

GOOD = """\
name = "small"
question = "Which measure?"
subject = {name = "linear-gaussian", channels = 6}
objectives = ["rate", "a", "b", "c"]

[compare]
measures = ["random", "l2-norm", "variance"]
networks = {seed = [0, 1]}
seeds = 1
budget = 12
"""
OWN = """\
import moo_fs

def peak(batch):
    return batch.features.abs().amax((0, 2, 3))

def variance(batch):
    return batch.features.var((0, 2, 3))

def wrong(batch):
    raise KeyError("no such thing")
"""
OWN_MEASURES = ("own.py:peak", "l1-norm")  # what is placed among those of the file


def write(folder: Path, text: str = GOOD, *, stem: str = "small") -> Path:
    path = folder / "studies" / f"{stem}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    (folder / "own.py").write_text(OWN)
    return path


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def damaged(folder: Path) -> None:
    (folder / "trials.parquet").write_bytes(b"something else")


def otherwise_evaluated(folder: Path, objective: str) -> None:
    path, about = folder / "baselines.parquet", json.loads((folder / STUDY).read_text())
    frame = pd.read_parquet(path)
    frame[objective] *= 1.001
    frame.to_parquet(path)
    about["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / STUDY).write_text(json.dumps(about))
    assert verify(folder) == []
