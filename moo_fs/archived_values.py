"""What an archive knows already, so that a study extended without its journals evaluates nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from moo_fs.archive import STUDY, verify
from moo_fs.contracts import Floats
from moo_fs.results import columns, load_results, values_of


@dataclass(frozen=True)
class ArchivedValues:
    """Allocations (as bytes) that an archive holds.

    Attributes:
        searched: objectives (objective,) on the search part, as recorded.
        tested: columns of the test part, of the members of fronts.
    """

    searched: dict[bytes, Floats] = field(default_factory=dict)
    tested: dict[bytes, dict[str, float]] = field(default_factory=dict)


def archived_values(folder: Path, objectives: tuple[str, ...], context: Mapping[str, str]) -> ArchivedValues:
    """What the archive in `folder` holds for these objectives.

    Nothing unless it is whole and was evaluated in the same `context`: backend, and hash of the subject.
    """
    if not (folder / STUDY).is_file() or verify(folder):
        return ArchivedValues()
    results = load_results(folder)
    before = {"backend": results.study.get("backend"), "subject": results.study.get("subject_hash")}
    if results.objectives != objectives or before != dict(context):
        return ArchivedValues()
    return ArchivedValues(
        dict(zip(results.trials["bits"], values_of(results.trials, objectives), strict=True)),
        _tested(results.fronts(), columns(objectives, "test")),
    )


def _tested(fronts: pd.DataFrame, first: list[str]) -> dict[bytes, dict[str, float]]:
    """Columns from the first of the test part on; none of an archive older than its last one, `coded_bytes`."""
    if "coded_bytes" not in fronts:
        return {}
    names = list(fronts.columns[list(fronts.columns).index(first[0]) :])
    rows = fronts[names].to_numpy(dtype=np.float64).tolist()
    return {bits: dict(zip(names, row, strict=True)) for bits, row in zip(fronts["bits"], rows, strict=True)}
