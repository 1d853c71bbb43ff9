"""What a search has seen: every allocation told, and the non-dominated ones with their objectives."""

from __future__ import annotations

import numpy as np

from moo_fs.contracts import Bits, Floats
from moo_fs.fronts import non_dominated
from moo_fs.space import Space


class Memory:
    """Allocations told so far. `bits` (member, channel) and `objectives` (member, objective) are the archive."""

    def __init__(self, space: Space) -> None:
        self._known: set[bytes] = set()
        self.bits: Bits = np.zeros((0, space.channels), dtype=np.int8)
        self.objectives: Floats = np.zeros((0, len(space.objectives)))

    def __len__(self) -> int:
        """How many distinct allocations were told."""
        return len(self._known)

    def add(self, bits: Bits, objectives: Floats) -> tuple[Bits, Floats]:
        """Take in allocations and their objectives; returns those that are new, each once."""
        rows, values = np.asarray(bits, dtype=np.int8), np.asarray(objectives, dtype=np.float64)
        new = self._new(rows)
        self._known.update(rows[index].tobytes() for index in new)
        if new:
            joined = np.concatenate([self.objectives, values[new]])
            keep = non_dominated(joined)
            self.objectives, self.bits = joined[keep], np.concatenate([self.bits, rows[new]])[keep]
        return rows[new], values[new]

    def fresh(self, bits: Bits) -> Bits:
        """The rows (allocation, channel) that were not told yet, each once."""
        return bits[self._new(bits)]

    def _new(self, rows: Bits) -> list[int]:
        first: dict[bytes, int] = {}
        for index, row in enumerate(rows):
            key = row.tobytes()
            if key not in self._known:
                first.setdefault(key, index)
        return list(first.values())
