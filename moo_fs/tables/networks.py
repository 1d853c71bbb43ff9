"""Subjects side by side: how large they are, and how good without compression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from moo_fs.results import Results
from moo_fs.tables.rendering import MISSING, Table, count, number
from moo_fs.tables.subject import UNITS

SIZES = {"channels": "channels", "search_images": "search images", "test_images": "test images"}


@dataclass(frozen=True)
class Subject:
    """A network as an archive has it: the archive's name, the network's name, and the archive itself."""

    archive: str
    network: str
    results: Results

    @property
    def name(self) -> str:
        """What the study calls its subject."""
        declared = (self.results.study.get("specification") or {}).get("subject", "subject")
        return str(declared.get("name", "subject") if isinstance(declared, dict) else declared)


def subjects_table(subjects: Sequence[Subject]) -> Table:
    """Archive, network, sizes and uncompressed quality on the test part, a column a subject."""
    found = [_metrics(one.results) for one in subjects]
    keys = list(dict.fromkeys(key for metrics in found for key in metrics))
    rows = [("", "archive", *(one.archive for one in subjects)), ("", "network", *(one.network for one in subjects))]
    rows += [("", words, *(_count(one.results.study.get(key)) for one in subjects)) for key, words in SIZES.items()]
    above = len(rows)
    rows += [
        (task, UNITS.get(metric, metric), *(number(one.get((task, metric))) for one in found)) for task, metric in keys
    ]
    data = [
        {"archive": one.archive, "network": one.network}
        | {key: one.results.study.get(key) for key in SIZES}
        | {f"{task}_{metric}": metrics.get((task, metric)) for task, metric in keys}
        for one, metrics in zip(subjects, found, strict=True)
    ]
    return Table(
        name="subjects",
        title="Subjects and their uncompressed quality on the test part",
        header=("task", "quantity", *(one.name for one in subjects)),
        rows=tuple(rows),
        data=pd.DataFrame(data),
        rules=frozenset([above] if keys else []),
        texts=2,
    )


def _metrics(results: Results) -> dict[tuple[str, str], float | None]:
    found = results.study.get("uncompressed") or {}
    return {(task, metric): value for task, metrics in found.items() for metric, value in metrics.items()}


def _count(value: Any) -> str:
    return MISSING if value is None else count(float(value))
