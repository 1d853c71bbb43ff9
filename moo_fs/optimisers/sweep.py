"""From a few numbers to allocations at wanted rates: what every start and every decoding parameter is drawn from."""

from __future__ import annotations

import numpy as np

from moo_fs import decoding
from moo_fs.contracts import Bits, Floats
from moo_fs.space import Space

LAMBDAS = 48
HALVINGS = 18


def simplex(rng: np.random.Generator, count: int, tasks: int) -> Floats:
    """Task weights (count, task): corners, then the centre, then uniform on the simplex or near its edges."""
    weights = rng.dirichlet(np.ones(tasks), count)
    sharp = rng.random(count) < 0.3
    weights[sharp] = weights[sharp] ** 3 / (weights[sharp] ** 3).sum(axis=1, keepdims=True)
    fixed = np.vstack([np.full((1, tasks), 1.0 / tasks), np.eye(tasks)])[:count]
    weights[: len(fixed)] = fixed
    return np.asarray(weights)


def rate_levels(space: Space, count: int) -> Floats:
    """`count` rates in kbit without header, spaced geometrically over the region where allocation matters."""
    uniform, region = space.rate.sum(axis=0), space.region
    return np.geomspace(region.least * uniform[region.corner], uniform[region.most], count)


def lambda_bounds(space: Space) -> tuple[float, float]:
    """(least, largest) lambda worth searching: within `space.lambda_range`, cut at the rate of the region's `most`."""
    low, high = space.lambda_range
    grid = np.geomspace(low, high, LAMBDAS)
    equal = np.full((LAMBDAS, len(space.tasks)), 1.0 / len(space.tasks))
    rates = space.rate_of(space.decode(equal, grid)) - space.header
    affordable = grid[rates <= space.rate[:, space.region.most].sum()]
    return (float(affordable[0]) if len(affordable) and affordable[0] < high else low), high


class Ladder:
    """Which depth each channel takes at a price: the breakpoints of its table, found once, so that sweeps are cheap.

    At price `mu = lambda / importance` the depth of least `error + mu x rate` lies on the table's lower convex hull;
    going down in price, a channel climbs from rung to rung. The same allocations as `moo_fs.decoding.decode`.
    """

    def __init__(self, error: Floats, rate: Floats) -> None:
        """`error` and `rate` (channel, 9)."""
        channels, depths = error.shape
        self._rate = rate
        self._prices = np.zeros((channels, depths - 1))
        self._depths = np.zeros((channels, depths), dtype=np.int8)
        for channel in range(channels):
            self._climb(channel, error[channel], rate[channel])

    def _climb(self, channel: int, error: Floats, rate: Floats) -> None:
        depth, rung = 0, 0
        while depth < len(error) - 1:
            fall, rise = error[depth] - error[depth + 1 :], rate[depth + 1 :] - rate[depth]
            price = np.divide(fall, rise, out=np.where(fall > 0, np.inf, 0.0), where=rise > 0)
            best = np.flatnonzero(price == price.max())
            step = best[np.argmin(error[depth + 1 + best])]
            if price[step] <= 0:
                break
            depth, rung = depth + 1 + int(step), rung + 1
            self._prices[channel, rung - 1] = price[step]
            self._depths[channel, rung:] = depth

    def depths(self, joint: Floats, lam: Floats) -> Bits:
        """Bits (allocation, channel) for importances `joint` (allocation, channel) and `lam` (allocation,) per kbit."""
        price = np.divide(lam[:, None], joint, out=np.full(joint.shape, np.inf), where=joint > 0)
        rungs = np.zeros(joint.shape, dtype=np.int8)
        for rung in range(self._prices.shape[1]):
            rungs += price < self._prices[:, rung]
        return self._depths[np.arange(len(self._depths)), rungs]


def decode_to_rate(space: Space, joint: Floats, targets: Floats, *, ladder: Ladder | None = None) -> Bits:
    """Bits (allocation, channel): each row of importances `joint` (allocation, channel) decoded to its target rate.

    `targets` (allocation,) in kbit without header. Lambda is found by bisection over the row's useful range, so a row
    ends on the allocation of its Lagrangian sweep whose rate is nearest below the target (nothing sent at worst).
    """
    ladder = ladder or Ladder(space.error, space.rate)
    low, high = space.lambda_range
    joint = np.maximum(joint, 0.0)
    least = np.log(low * np.maximum(joint.max(axis=1), 1e-300) * 1e-3)
    most = np.log(high * np.maximum(joint.max(axis=1), 1e-300))
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        fits = space.rate_of(ladder.depths(joint, np.exp(middle))) - space.header <= targets
        most, least = np.where(fits, middle, most), np.where(fits, least, middle)
    return ladder.depths(joint, np.exp(most))


def seeded_start(space: Space, rng: np.random.Generator, count: int) -> Bits:
    """`count` allocations decoded from the scores: task weights x rate levels, shuffled; flat if there are none."""
    tasks = len(space.tasks)
    scores = np.ones((space.channels, tasks)) if space.scores is None else decoding.normalise(space.scores)
    joint = simplex(rng, count, tasks) @ scores.T
    joint = np.where(joint.max(axis=1, keepdims=True) > 0, joint, 1.0) ** rng.choice([0.5, 1.0, 1.0, 1.5], (count, 1))
    return decode_to_rate(space, joint, rng.permutation(rate_levels(space, count)))


def stratified_start(space: Space, rng: np.random.Generator, count: int) -> Bits:
    """`count` allocations that know nothing of the tasks: random importances, one rate level each.

    The levels are geometric, because allocation matters at low rates; the first row counts all channels alike.
    """
    spread = rng.uniform(0.0, 1.0, (count, 1))
    spread[:1] = 0.0
    joint = np.exp(spread * rng.standard_normal((count, space.channels)))
    return decode_to_rate(space, joint, rng.permutation(rate_levels(space, count)))
