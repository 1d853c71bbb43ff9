"""The rows of a pruning study: what tells one from all others, what it is called, and which of several is the best."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moo_fs.prune_studies.plan import Variant
from moo_fs.study import canonical
from moo_fs.whole_files import digest

WORK, CURRENT = "work", "current"
# The direction and the cutoff of rows whose counts are another row's.
AT_ONCE, SAME = "one-shot", "counts of the chosen variant"
COLUMNS = ("measure", "formulation", "cutoff", "direction", "seed", "compensate", "fine_tuned")


@dataclass(frozen=True)
class Job:
    """One row: a measure cut in one way on one batch of images; `variant` is None where filters go by scores."""

    measure: str
    formulation: str
    cutoff: str
    direction: str
    seed: int
    compensate: bool = False
    fine_tuned: bool = False
    variant: Variant | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What tells the row from all others."""
        return {name: getattr(self, name) for name in COLUMNS}


def best_first(rows: Sequence[dict[str, Any]], filters: int) -> list[dict[str, Any]]:
    """Rows, best first, each cut once. Our criterion, fixed before any result.

    First those without more than a third of the `filters`, by validation accuracy; then the others, by how few they
    keep. Test images have no say.
    """
    enough = [row for row in rows if 3 * (filters - row["filters_kept"]) > filters]
    others = [row for row in rows if row not in enough]
    ordered = sorted(enough, key=lambda row: -row["validation_accuracy"])
    ordered += sorted(others, key=lambda row: row["filters_kept"])
    seen: dict[str, dict[str, Any]] = {}
    for row in ordered:
        seen.setdefault(json.dumps([one["which"] for one in row["layers"]]), row)
    return list(seen.values())


def columns_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a row that tell it from all others."""
    return {name: row[name] for name in COLUMNS}


def address(key: Any) -> str:
    """The name of the file of what a key describes."""
    return digest(canonical(key).encode())[:20]


def title_of(key: Mapping[str, Any]) -> str:
    """What a row is called while it is made."""
    words = [str(key[name]) for name in ("measure", "formulation", "cutoff", "direction") if key.get(name)]
    words += [f"{name} {key[name]}" for name in ("share", "seed") if name in key]
    return ", ".join([*words, *[name.replace("_", " ") for name in ("compensate", "fine_tuned") if key.get(name)]])
