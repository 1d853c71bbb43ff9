"""What a finished selection study leaves behind: a row a point of every curve, and each image's losses at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs import archive
from moo_fs.contracts import Floats, MooFsError
from moo_fs.study import canonical
from moo_fs.whole_files import digest

SUMMARY, IMAGES, SCORES = "summary.csv", "images.parquet", "scores.parquet"
# The first columns of summary.csv; then distortion_<task> of every task, then metrics in natural units.
COLUMNS = ["subject", "seed", "measure", "task_weights", "method", "fill", "kept", "base_share", "base_qp", "qp"]
COLUMNS += ["codec", "setting", "rate_kbit", "coded_bytes"]
# Where the bytes go (`moo_fs.ledger.Sizes`): header, mask, fixed and payload add up to coded_bytes.
LEDGER = ("nominal_bytes", "header_bytes", "mask_bytes", "fixed_bytes", "base_bytes", "payload_bytes")
COLUMNS += LEDGER
# Those that are there in every study, empty if it has nothing to say in them.
ALWAYS = ("subject", "seed", "measure", "task_weights", "method", "kept", "qp", "codec", "rate_kbit", "coded_bytes")
TEXTS = ("subject", "measure", "task_weights", "method", "fill", "base_qp", "qp", "codec")
UNCOMPRESSED, NOTHING = "uncompressed", "nothing"  # methods of the two rows that distortions are scaled by
NONE = "none"  # the measure, and the task weights, of what needs no scores


@dataclass(frozen=True)
class SelectionResults:
    """One selection study's archive; frames are to be treated as read-only.

    Attributes:
        folder: where it lies.
        study: study.json. `subjects` is a list: label, channels, tasks (name, kind, metrics), test_images,
            search_images, uncompressed (metric -> value), context (backend and hash of what points depend on).
            `coders`: versions of what made the streams. `pieces` is a list: title, seconds that it took to compute.
        rows: summary.csv, all on the test part.
        images: row (of `rows`), task, losses (bytes: float32 (image,), summed over the image's valid pixels) and, for
            the rows `uncompressed`, counts (the same of valid pixels). Of a task's own order that task's only.
        scores: subject, measure, seed, task, channel, score, seconds, head_passes.
    """

    folder: Path
    study: dict[str, Any]
    rows: pd.DataFrame
    images: pd.DataFrame
    scores: pd.DataFrame

    @property
    def files(self) -> dict[str, str]:
        """Name of each file beside study.json -> its SHA-256."""
        return dict(self.study["files"])

    @cached_property
    def archive_hash(self) -> str:
        """SHA-256 of all that study.json says, the hashes of the files among it."""
        return digest(canonical(self.study).encode())

    @property
    def subjects(self) -> list[str]:
        """Labels of the subjects."""
        return [entry["label"] for entry in self.study["subjects"]]

    @property
    def settings(self) -> dict[str, Any]:
        """The study file's [selection], defaults written out."""
        return dict(self.study["specification"]["selection"])

    @property
    def seeds(self) -> int:
        """Blocks a subject."""
        return int(self.settings["seeds"])

    def about(self, subject: str) -> dict[str, Any]:
        """What study.json says of a subject."""
        return next(entry for entry in self.study["subjects"] if entry["label"] == subject)

    def tasks(self, subject: str) -> list[str]:
        """Names of a subject's tasks."""
        return [task["name"] for task in self.about(subject)["tasks"]]

    @cached_property
    def by_subject(self) -> dict[str, pd.DataFrame]:
        """Each subject's rows."""
        return {str(subject): rows for subject, rows in self.rows.groupby("subject", sort=False)}

    @cached_property
    def curves(self) -> dict[Any, Any]:
        """Curves that were made of the rows, so that none is made twice; see `selection_curves.curve_of`."""
        return {}

    @cached_property
    def image_losses(self) -> dict[tuple[int, str], Floats]:
        """(row, task) -> losses (image,)."""
        return {
            (int(row["row"]), str(row["task"])): np.frombuffer(row["losses"], np.float32).astype(np.float64)
            for row in self.images.to_dict("records")
        }

    @cached_property
    def image_counts(self) -> dict[tuple[str, str], Floats]:
        """(subject, task) -> valid pixels (image,)."""
        known = self.images[self.images["counts"].notna()]
        subjects = self.rows["subject"]
        return {
            (str(subjects[row["row"]]), str(row["task"])): np.frombuffer(row["counts"], np.float32).astype(np.float64)
            for row in known.to_dict("records")
        }


def family_of(subject: str) -> str:
    """A subject's name without its options: trainings of one recipe are one family.

    >>> family_of("fashion-scenes[weights=1]")
    'fashion-scenes'
    """
    return subject.partition("[")[0]


def is_selection(folder: Path) -> bool:
    """Whether a folder holds the archive of a selection study."""
    return (folder / archive.STUDY).is_file() and (folder / IMAGES).is_file()


def load_selection(folder: str | Path) -> SelectionResults:
    """The results in a study's folder, from its archive alone.

    Raises MooFsError if it is not whole, or that of another kind of study.
    """
    folder = Path(folder)
    study = archive.read_study_json(folder)
    faults = archive.verify(folder)
    if faults:
        raise MooFsError(f"{faults[0]}; restore it, or remove the folder and run the study again")
    if "selection" not in study.get("specification", {}):
        raise MooFsError(f"{folder}: wanted the archive of a selection study, got another kind")
    rows = pd.read_csv(folder / SUMMARY, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values=[""])
    frames = [pd.read_parquet(folder / name) for name in (IMAGES, SCORES)]
    return SelectionResults(folder, study, rows, *frames)
