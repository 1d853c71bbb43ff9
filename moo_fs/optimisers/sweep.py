"""From a few numbers to allocations at wanted rates: what every start and every decoding parameter is drawn from."""

from __future__ import annotations

import numpy as np

from moo_fs import decoding
from moo_fs.contracts import Bits, Floats
from moo_fs.space import Space

LAMBDAS = 48
LEAST_SHARE = 0.06  # of the rate of uniform 1 bit: below it hardly a channel is sent
MOST_DEPTH = 3  # rates above uniform 3 bits buy next to nothing


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
    uniform = space.rate.sum(axis=0)
    return np.geomspace(LEAST_SHARE * uniform[1], uniform[MOST_DEPTH], count)


def lambda_bounds(space: Space) -> tuple[float, float]:
    """(least, largest) lambda worth searching: within `space.lambda_range`, cut where uniform 3 bits' rate is passed."""
    low, high = space.lambda_range
    grid = np.geomspace(low, high, LAMBDAS)
    equal = np.full((LAMBDAS, len(space.tasks)), 1.0 / len(space.tasks))
    rates = space.rate_of(space.decode(equal, grid)) - space.header
    affordable = grid[rates <= space.rate[:, MOST_DEPTH].sum()]
    return (float(affordable[0]) if len(affordable) and affordable[0] < high else low), high


def decode_to_rate(space: Space, joint: Floats, targets: Floats) -> Bits:
    """Bits (allocation, channel): each row of importances `joint` (allocation, channel) decoded to its target rate.

    `targets` (allocation,) in kbit without header. Lambda is found by bisection over the row's useful range, so a row
    ends on the allocation of its Lagrangian sweep whose rate is nearest below the target (nothing sent at worst).
    """
    low, high = space.lambda_range
    joint = np.maximum(joint, 0.0)
    least = np.log(low * np.maximum(joint.max(axis=1), 1e-300) * 1e-3)
    most = np.log(high * np.maximum(joint.max(axis=1), 1e-300))
    for _ in range(26):
        middle = (least + most) / 2
        fits = space.rate_of(_decode_rows(space, joint, np.exp(middle))) - space.header <= targets
        most, least = np.where(fits, middle, most), np.where(fits, least, middle)
    return _decode_rows(space, joint, np.exp(most))


def seeded_start(space: Space, rng: np.random.Generator, count: int) -> Bits:
    """`count` allocations decoded from the scores: task weights x rate levels, shuffled; flat scores if there are none."""
    tasks = len(space.tasks)
    scores = np.ones((space.channels, tasks)) if space.scores is None else decoding.normalise(space.scores)
    joint = simplex(rng, count, tasks) @ scores.T
    joint = np.where(joint.max(axis=1, keepdims=True) > 0, joint, 1.0) ** rng.choice([0.5, 1.0, 1.0, 1.5], (count, 1))
    return decode_to_rate(space, joint, rng.permutation(rate_levels(space, count)))


def stratified_start(space: Space, rng: np.random.Generator, count: int) -> Bits:
    """`count` allocations that know nothing of the tasks: random importances, one rate level each.

    The levels are geometric, because allocation matters at low rates; the first row counts all channels alike.
    """
    spread = rng.uniform(0.3, 2.0, (count, 1))
    spread[:1] = 0.0
    joint = np.exp(spread * rng.standard_normal((count, space.channels)))
    return decode_to_rate(space, joint, rng.permutation(rate_levels(space, count)))


def _decode_rows(space: Space, joint: Floats, lam: Floats) -> Bits:
    cost = joint[:, :, None] * space.error[None] + lam[:, None, None] * space.rate[None]
    return np.asarray(np.argmin(cost, axis=2), dtype=np.int8)
