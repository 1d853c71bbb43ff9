"""Channel groups: one depth for several channels, so that wide networks have few enough variables to be searched.

Groups exist in the search alone: an optimiser is given a space with a variable a group, and what it asks for is spread
over the channels before anything is evaluated, recorded or archived. All that is done here is our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moo_fs.contracts import Bits, Floats, MooFsError, bits_array
from moo_fs.space import Space


@dataclass(frozen=True, eq=False)
class Groups:
    """Which channels share a depth.

    Attributes:
        of: (channel,) the group of each channel, 0 to `count` - 1, numbered by the first channel in them.
    """

    of: NDArray[np.intp]

    @property
    def count(self) -> int:
        """How many groups there are."""
        return int(self.of.max()) + 1

    @property
    def first(self) -> NDArray[np.intp]:
        """(group,) the first channel of each."""
        return np.unique(self.of, return_index=True)[1]

    def spread(self, bits: Bits) -> Bits:
        """Bits (allocation, channel) of bits (allocation, group)."""
        return bits[:, self.of]

    def gather(self, bits: Bits) -> Bits:
        """Bits (allocation, group) of bits (allocation, channel) that `spread` gave."""
        return bits[:, self.first]

    def space(self, channels: Space) -> Space:
        """The space of groups in which decoding does nearly what the sum over each group's channels would do.

        A channel adds score x error + lambda x rate to what decoding minimises. A group's rate is therefore the sum of
        its channels' rates, its relative error their mean (1 at depth 0), its score (`pooled`) the sum of theirs: the
        same as channel by channel, but for a factor on lambda, with gamma = 1 and where the channels of a group have
        the same relative errors or the same scores; with other gammas where they have the same scores and groups the
        same size.
        """
        sizes = np.bincount(self.of)[:, None]
        scores = None if channels.scores is None else self.pooled(channels.scores)
        return replace(
            channels, error=self._sums(channels.error) / sizes, rate=self._sums(channels.rate), scores=scores
        )

    def pooled(self, scores: Floats) -> Floats:
        """Scores (group, task) of scores (channel, task): sums, in which negative ones count as 0, as in decoding.

        A group without a positive score has the sum of its negative ones, so that the order of such groups is kept.
        """
        positive = self._sums(np.maximum(scores, 0.0))
        return np.where(positive > 0, positive, self._sums(scores))

    def _sums(self, values: Floats) -> Floats:
        found = np.zeros((self.count, values.shape[1]))
        np.add.at(found, self.of, values)
        return found


class Grouped:
    """An optimiser of groups as one of channels: what it asks for is spread, what it is told is gathered."""

    def __init__(self, optimiser: Any, groups: Groups) -> None:
        self._optimiser, self._groups = optimiser, groups

    def ask(self) -> Bits | None:
        """The next batch (batch, channel); None or an empty one if there is none."""
        asked = self._optimiser.ask()
        if asked is None or not np.size(asked):
            return None
        return self._groups.spread(bits_array(asked, channels=self._groups.count, name="bits of groups: ask()"))

    def tell(self, bits: Bits, objectives: Floats) -> None:
        """The batch (batch, channel) with its objectives (batch, objective)."""
        self._optimiser.tell(self._groups.gather(bits), objectives)

    @property
    def parameters(self) -> Any:
        """What a decoding optimiser searched, a mapping a row of the last batch; None for others."""
        return getattr(self._optimiser, "parameters", None)

    @property
    def distributions(self) -> Mapping[str, Any] | None:
        """Ranges of these parameters."""
        return getattr(self._optimiser, "distributions", None)


def equal_groups(maps: NDArray[np.float32], count: int, *, subject: str) -> Groups:
    """`count` groups of equally many channels, more or less one, alike in variance.

    `maps` (image, channel, height, width) of the fit part. Channels are sorted by their variance, equals by their
    number, and cut into consecutive groups. Neither scores nor the search and test parts are looked at, so that all
    measures are compared on the same space; but it suits the measure `variance`, whose scores are alike within these
    groups, more than others. Groups alike in rate at 1 bit were tried: they gave no better fronts than groups drawn at
    random. Raises MooFsError, which names the `subject`, unless `count` is 1 to the number of channels.
    """
    channels = maps.shape[1]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= channels:
        raise MooFsError(
            f"subject '{subject}': groups: wanted 1 to {channels}, its channels, or 0 for none, got {count!r}"
        )
    variance = [maps[:, channel].var(dtype=np.float64) for channel in range(channels)]
    placed = np.empty(channels, dtype=np.intp)
    placed[np.argsort(variance, kind="stable")] = np.arange(channels) * count // channels
    first = np.unique(placed, return_index=True)[1]
    return Groups(np.argsort(np.argsort(first))[placed])
