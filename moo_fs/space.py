"""What an optimiser is given: the channels' tables, the scores if there are any, and the decoding of scores to bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from moo_fs import decoding
from moo_fs.contracts import MAX_BITS, Bits, Floats


@dataclass(frozen=True)
class Region:
    """Where in a space a search is worth its while: our choices, as uniform depths unless it says otherwise.

    The defaults are those of bit allocation, where what counts happens at 0 to 3 bits.

    Attributes:
        corner: up to its rate and values 0.5 reaches the corner, the smaller box that searches aim at.
        whole: up to 1.1 times its rate and values 1 reaches the larger box.
        most: rates above its rate buy next to nothing.
        least: share of the corner's rate below which there is nothing to look for.
        level: mean depth, not a uniform one, at which allocations without any knowledge begin.
    """

    corner: int = 1
    whole: int = 2
    most: int = 3
    least: float = 0.06
    level: float = 0.1


@dataclass(frozen=True)
class Space:
    """The search space of one run. All arrays are read-only.

    Attributes:
        objectives: "rate" first, then the tasks' names; all minimised.
        error: (channel, 9), squared error of the quantiser over the channel's variance on the fit part; 1 at depth 0.
        rate: (channel, 9), kbit per image on the fit part, without the header; 0 at depth 0.
        scores: (channel, task) importance as measured (any scale), or None if the run has no measure.
        header: kbit per image that every allocation costs.
        region: where to search.
    """

    objectives: tuple[str, ...]
    error: Floats
    rate: Floats
    scores: Floats | None = None
    header: float = 0.128
    region: Region = Region()

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self.rate)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The objectives but the rate."""
        return self.objectives[1:]

    @property
    def max_bits(self) -> int:
        """The greatest depth."""
        return MAX_BITS

    def rate_of(self, bits: ArrayLike) -> Floats:
        """Rate of allocations (allocation, channel) on the fit part in kbit per image, header included."""
        rows = np.atleast_2d(np.asarray(bits))
        return np.asarray(self.rate[np.arange(self.channels), rows].sum(axis=1) + self.header)

    def decode(self, weights: ArrayLike, lam: ArrayLike, gamma: ArrayLike = 1.0) -> Bits:
        """Bits (allocation, channel) decoded from the scores: see `moo_fs.decoding.decode`.

        Without scores every channel counts alike. `weights` (allocation, task) on the simplex, `lam` and `gamma`
        (allocation,) or scalars.
        """
        scores = np.ones((self.channels, len(self.tasks))) if self.scores is None else self.scores
        return decoding.decode(decoding.normalise(scores), self.error, self.rate, weights=weights, lam=lam, gamma=gamma)

    @property
    def lambda_range(self) -> tuple[float, float]:
        """(smallest, largest) useful lambda: nearly everything is sent at the first, nothing at the last."""
        return decoding.lambda_range(self.error, self.rate)
