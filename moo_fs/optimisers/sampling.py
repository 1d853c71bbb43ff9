"""Samplers that do not learn: the null of every comparison, and a sweep by a low-discrepancy sequence."""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.optimisers.parameters import Decoding
from moo_fs.space import Space


class Random:
    """Allocations that know nothing: a level of total bits, then that many bits thrown at the channels.

    The mean depth is drawn log-uniformly from 0.1 (the space's `region.level`) to 8 bits a channel, because uniform
    depths would all cost about 4 bits a channel and miss the region where allocation matters; bits beyond 8 in a
    channel are lost. Neither scores nor tables are looked at.
    """

    uses_scores = False
    encoding = "bits"

    def __init__(self, problem: Space, rng: np.random.Generator, *, batch: int = 10) -> None:
        if batch < 1:
            raise MooFsError(f"optimiser 'random': batch: wanted 1 or more, got {batch}")
        self._space, self._rng, self._batch = problem, rng, batch

    def ask(self) -> Bits:
        """The next allocations (batch, channel)."""
        return throw_bits(self._space, self._rng, self._batch)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Nothing is learnt."""


class Sobol:
    """Scrambled Sobol points over task weights, log lambda and log gamma, decoded by the scores: no learning at all.

    Sobol, I. M. (1967), "On the distribution of points in a cube and the approximate evaluation of integrals".
    """

    uses_scores = True
    encoding = "decoding"

    def __init__(self, problem: Space, rng: np.random.Generator, *, batch: int = 8) -> None:
        """`batch` points at a time, a power of two so that every batch is balanced."""
        if batch < 1 or batch & (batch - 1):
            raise MooFsError(f"optimiser 'sobol': batch: wanted a power of two, got {batch}")
        self._decoding, self._batch = Decoding(problem), batch
        self._points = qmc.Sobol(len(self._decoding.bounds), scramble=True, rng=rng)
        self.distributions = self._decoding.distributions
        self.parameters: list[dict[str, float]] = []

    def ask(self) -> Bits:
        """The next allocations (batch, channel); `parameters` says what they were decoded from."""
        self.parameters = self._decoding.from_unit(self._points.random(self._batch))
        return self._decoding.decode(self.parameters)

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """Nothing is learnt."""


def throw_bits(space: Space, rng: np.random.Generator, count: int) -> Bits:
    """`count` allocations: a total of bits at a log-uniform level, thrown one by one at channels drawn uniformly."""
    channels = space.channels
    level = np.exp(rng.uniform(np.log(space.region.level), np.log(space.max_bits), count))
    totals = np.rint(level * channels).astype(np.int64)
    rows = [rng.multinomial(total, np.full(channels, 1.0 / channels)) for total in totals]
    return np.minimum(np.array(rows), space.max_bits).astype(np.int8)
