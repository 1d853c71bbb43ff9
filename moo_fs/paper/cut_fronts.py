"""A search over pruned networks as the paper needs it: its archive with the published cutoffs that lie beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from moo_fs.contracts import MooFsError
from moo_fs.prune_fronts.launch import KIND
from moo_fs.prune_fronts.published import made_from, published
from moo_fs.prune_fronts.report import ALL, figures_of, page_of, tables_of
from moo_fs.results import Results, load_results
from moo_fs.tables import Table

__all__ = ["ALL", "CutFronts", "figures", "load", "page", "tables"]
JOINT = "joint.parquet"


@dataclass(frozen=True)
class CutFronts:
    """The archive, the front of all its runs, and the published study's cutoffs (none without that study)."""

    results: Results
    joint: pd.DataFrame
    cutoffs: pd.DataFrame

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.results.folder

    @property
    def archive_hash(self) -> str:
        """SHA-256 of all that it holds."""
        return self.results.archive_hash

    @property
    def files(self) -> dict[str, str]:
        """Its files with their hashes, and study.json of the study whose cutoffs are shown."""
        return self.results.files | made_from(self.results)


def load(folder: Path) -> CutFronts:
    """The archive in a folder. Raises MooFsError if it is not whole."""
    results = load_results(folder)
    if results.study.get("kind") != KIND or not (folder / JOINT).is_file():
        raise MooFsError(f"{folder}: wanted the archive of a search over pruned networks, got another or a part of one")
    joint = pd.read_parquet(folder / JOINT)
    return CutFronts(results, joint, published(results, joint))


def tables(found: CutFronts) -> dict[str, Table]:
    """The report's tables, by name."""
    return tables_of(found.results, found.joint, found.cutoffs)


def figures(found: CutFronts) -> dict[str, Any]:
    """The report's figures, by name; draw on them only inside `style.styled`."""
    return figures_of(found.results, found.joint, found.cutoffs)


def page(found: CutFronts, tables_: dict[str, Table], names: Sequence[str]) -> str:
    """The report's page."""
    return page_of(found.results, tables_, list(names), found.joint, found.cutoffs)
