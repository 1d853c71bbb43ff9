"""Pruning as a search: the same optimisers, store and fronts as bit allocation, on a level a layer."""

from __future__ import annotations

from moo_fs.prune_fronts.launch import run
from moo_fs.prune_fronts.report import report

__all__ = ["report", "run"]
