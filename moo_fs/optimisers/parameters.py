"""The few numbers that decoding is searched over, and what they mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from optuna.distributions import FloatDistribution

from moo_fs.contracts import Bits, Floats
from moo_fs.optimisers import sweep
from moo_fs.space import Space

LOGARITHMIC = ("lambda", "gamma")
GAMMA = (0.25, 2.0)


class Decoding:
    """The parameters of decoding and what they mean: uniform numbers in, bits out.

    Task weights are `-log u` normalised (uniform on the simplex for uniform u; none for a single task); lambda and
    gamma are searched on a logarithmic scale.
    """

    def __init__(self, space: Space) -> None:
        # All scores zero would decode to nothing sent whatever the parameters: then every channel counts alike.
        blind = space.scores is not None and not (space.scores > 0).any()
        self._space = replace(space, scores=None) if blind else space
        tasks = space.tasks if len(space.tasks) > 1 else ()
        self.names = [f"weight_{task}" for task in tasks]
        low, high = sweep.lambda_bounds(space)
        self.bounds = {
            **dict.fromkeys(self.names, (1e-3, 1.0 - 1e-3)),
            "lambda": (low, high),
            "gamma": GAMMA,
        }

    @property
    def distributions(self) -> dict[str, FloatDistribution]:
        """The bounds as Optuna's: they make an optimiser's `parameters` those of the recorded trials."""
        return {name: FloatDistribution(*ends, log=name in LOGARITHMIC) for name, ends in self.bounds.items()}

    def from_unit(self, unit: Floats) -> list[dict[str, float]]:
        """Points of the unit cube (point, parameter) as parameters."""
        return [
            {
                name: float(low * (high / low) ** u) if name in LOGARITHMIC else float(low + (high - low) * u)
                for (name, (low, high)), u in zip(self.bounds.items(), row, strict=True)
            }
            for row in unit
        ]

    def decode(self, rows: list[dict[str, float]]) -> Bits:
        """Bits (row, channel) of parameters."""
        raw = np.array([[-np.log(row[name]) for name in self.names] or [1.0] for row in rows])
        lam, gamma = (np.array([row[name] for row in rows]) for name in ("lambda", "gamma"))
        return self._space.decode(raw / raw.sum(axis=1, keepdims=True), lam, gamma)
