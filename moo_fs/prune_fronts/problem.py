"""A network's pruning as something that can be searched: a level for each layer in, size and error out.

Objectives are shares, all minimised: `parameters` and `flops` of the unpruned network's, `error` of the images of a
part that are misclassified. The levels of a layer, and what a search believes before it has asked, are our choices.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from moo_fs.contracts import MAX_BITS, Bits, Floats
from moo_fs.pruning.evaluation import Candidates
from moo_fs.pruning.levels import Levels
from moo_fs.space import Region, Space
from moo_fs.trials import six_digits

# Our choice: no retraining, so that what keeps less than about half of the filters is as good as guessing.
REGION = Region(corner=6, whole=MAX_BITS, most=MAX_BITS, least=0.5, level=2.0)
ONE_LAYER = range(MAX_BITS)


@dataclass(frozen=True)
class Damage:
    """What cutting one layer alone does: `error` (layer, 9) of images, uncut at level 8; `seconds` it took to find."""

    error: Floats
    seconds: float

    @property
    def evaluations(self) -> int:
        """Networks that were run."""
        return len(self.error) * len(ONE_LAYER) + 1

    @property
    def rise(self) -> Floats:
        """How much larger (layer, 9) the error is than that of the unpruned network, at least 0."""
        return np.maximum(self.error - self.error[:, -1:], 0.0)

    @classmethod
    def measured(cls, levels: Levels, candidates: Candidates) -> Damage:
        """Each layer cut to each level, all others whole."""
        started, layers = time.perf_counter(), len(levels.filters)
        whole = np.full(layers, MAX_BITS)
        single = [np.where(np.arange(layers) == layer, level, whole) for layer in range(layers) for level in ONE_LAYER]
        rows = [whole, *single]
        errors = 1.0 - candidates.accuracies([levels.kept(row) for row in rows])
        table = np.column_stack([errors[1:].reshape(layers, -1), np.full(layers, errors[0])])
        return cls(six_digits(table), time.perf_counter() - started)


def space_of(levels: Levels, damage: Damage, objectives: Sequence[str]) -> Space:
    """What an optimiser is given: a network's layers look to it like channels, their levels like depths.

    `error` is the rise of the error when the layer alone is cut, as a share of that at level 0; a layer's score for the
    objective `error` is that rise at level 0, so that the two multiplied are what was measured. `rate` is the share of
    the first objective that a layer's filters above level 0 add, scaled so that all of them together are the whole
    network's (a weight belongs to two layers, so that shares of single layers add up to more). The score for another
    size is the rise times the layer's rate over its rate in that size: decoding then pays in that size.
    A search that trusts sums over layers is misled by as much as pruning is not additive; what it is told is measured.
    """
    rise = damage.rise
    # A layer that costs nothing is as if its error fell evenly: it is never a reason to keep filters.
    even = np.linspace(1.0, 0.0, MAX_BITS + 1)
    error = np.divide(rise, rise[:, :1], out=np.tile(even, (len(rise), 1)), where=rise[:, :1] > 0)
    rate, least = _rates(getattr(levels, objectives[0]), len(rise))
    prices = {name: _rates(getattr(levels, name), len(rise))[0][:, -1] for name in objectives if name != "error"}
    first = rate[:, -1]
    scores = np.column_stack([rise[:, 0] * first / prices.get(name, first) for name in objectives[1:]])
    return Space(tuple(objectives), error, rate, scores, header=least, region=REGION)


def _rates(cost: Callable[[Floats], Floats], layers: int) -> tuple[Floats, float]:
    """Rates (layer, 9) of single layers, 0 at level 0, and the share that the smallest network costs."""
    whole = np.full((1, layers), MAX_BITS)
    most, least = float(cost(whole)[0]), float(cost(np.zeros((1, layers)))[0])
    alone = np.empty((layers, MAX_BITS + 1))
    for layer in range(layers):
        rows = np.repeat(whole, MAX_BITS + 1, axis=0)
        rows[:, layer] = np.arange(MAX_BITS + 1)
        alone[layer] = cost(rows)
    added = alone - alone[:, :1]
    return added * (most - least) / added[:, -1].sum() / most, least / most


class Problem:
    """One run's problem: `evaluate` networks on the search part; those evaluated before come from `cache`."""

    def __init__(self, space: Space, levels: Levels, candidates: Candidates, cache: dict[bytes, Floats]) -> None:
        self.space, self._levels, self._candidates, self._cache = space, levels, candidates, cache

    def evaluate(self, bits: Bits) -> Floats:
        """Objectives (network, objective) of levels (network, layer), rounded to 6 significant digits."""
        unknown = [row for row in {row.tobytes(): row for row in bits}.values() if row.tobytes() not in self._cache]
        if unknown:
            found = values_of_levels(np.stack(unknown), self._levels, self._candidates)
            rows = np.column_stack([found[name] for name in self.space.objectives])
            self._cache |= {row.tobytes(): values for row, values in zip(unknown, rows, strict=True)}
        return np.array([self._cache[row.tobytes()] for row in bits]).reshape(len(bits), len(self.space.objectives))


def values_of_levels(rows: Bits, levels: Levels, candidates: Candidates) -> Mapping[str, Floats]:
    """`parameters`, `flops` and `error`, each (network,), of levels (network, layer)."""
    whole = np.full((1, rows.shape[1]), MAX_BITS)
    return {
        "parameters": six_digits(levels.parameters(rows) / levels.parameters(whole)),
        "flops": six_digits(levels.flops(rows) / levels.flops(whole)),
        "error": six_digits(1.0 - candidates.accuracies([levels.kept(row) for row in rows])),
    }


def counted(rows: Bits, levels: Levels) -> pd.DataFrame:
    """`filters_kept`, `parameter_count` and `flop_count` of levels (network, layer)."""
    return pd.DataFrame(
        {
            "filters_kept": levels.counts(rows).sum(axis=1),
            "parameter_count": levels.parameters(rows),
            "flop_count": levels.flops(rows),
        }
    )


def uniform(layers: int) -> Bits:
    """Levels 0 to 8 (9, layer), the same in all layers."""
    return np.repeat(np.arange(MAX_BITS + 1, dtype=np.int8)[:, None], layers, axis=1)
