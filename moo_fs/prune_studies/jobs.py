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
AT_ONCE, SAME, BEST = "one-shot", "counts of the chosen variant", "counts of the best one trained on"
UNPRUNED = "unpruned"
COLUMNS = ("measure", "formulation", "cutoff", "direction", "seed", "compensate", "fine_tuned", "training_seed")


@dataclass(frozen=True)
class Job:
    """One row: a measure cut in one way on one batch of images; `variant` is None where filters go by scores.

    `seed` is the batch, `training_seed` that of training on.
    """

    measure: str
    formulation: str
    cutoff: str
    direction: str
    seed: int
    compensate: bool = False
    fine_tuned: bool = False
    training_seed: int = 0
    variant: Variant | None = None

    @property
    def cut(self) -> bool:
        """Whether anything is cut: one row is the network as it was."""
        return self.measure != UNPRUNED

    @property
    def columns(self) -> dict[str, Any]:
        """What tells the row from all others."""
        return {name: getattr(self, name) for name in COLUMNS}


def without_a_third(row: Mapping[str, Any], filters: int) -> bool:
    """Whether more than a third of the `filters` is gone."""
    return bool(3 * (filters - row["filters_kept"]) > filters)


def best_first(rows: Sequence[dict[str, Any]], filters: int) -> list[dict[str, Any]]:
    """Rows, best first, each cut once. Our criterion, fixed before any result.

    First those without more than a third of the `filters`, by validation accuracy; then the others, by how few they
    keep. Test images have no say.
    """
    enough = [row for row in rows if without_a_third(row, filters)]
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
    words += [f"{key['epochs']} epochs"] if key.get("fine_tuned") else []
    return ", ".join([*words, *[name.replace("_", " ") for name in ("compensate", "fine_tuned") if key.get(name)]])
