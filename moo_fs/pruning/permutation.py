"""The permutation test: does the newest filter's map say more about the target than itself shuffled over samples?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moo_fs.contracts import Floats, MooFsError
from moo_fs.renyi import DETERMINED, variables_of
from moo_fs.renyi_entropy import (
    Array,
    checked_order,
    full,
)
from moo_fs.renyi_search import Exact, pairs_of


def permutation_test(
    maps: Array,
    target: Array,
    order: ArrayLike,
    *,
    alpha: float = 1.01,
    permutations: int = 100,
    level: float = 0.05,
    width: str = "median",
    conditioned_on: Array | None = None,
    largest_product: int | None = None,
    rng: np.random.Generator,
) -> int:
    """Kept count: the filters in `order` before the first whose map says no more than itself shuffled over samples.

    At each step the newest map is permuted over samples `permutations` times, all that comes before it (prior and
    taken) is left as it is, and `p = (1 + number with I(Y; prior, taken, shuffled) at least the observed) / (1 +
    permutations)`; the test stops at `p >= level`. Since I(Y; prior, taken) is the same for all, this compares the
    CMI of the newest map given all before it. Our choice: within 1e-9 nats is "at least" (a constant map never
    passes), and one filter is kept even if the first fails. A step whose p is bound to reach `level` ends early.
    Source: Vu-Van et al. (2024); p after Davison, A. C. and Hinkley, D. V. (1997), "Bootstrap methods".

    Args:
        maps: (sample, channel, h, w), numpy or torch, as given to `renyi.rank`.
        target: integer labels (sample,), or a kernel matrix (sample, sample).
        order: (step,) channels as taken, `Ranking.order` or the first of it.
        alpha: order of the entropies.
        permutations: how many; each costs eigenvalues (sample, sample): 100 of 256 samples 0.3 s on one core.
        level: p at which to stop, above 1 / (1 + permutations).
        width: the rule of the kernel widths, as of `rank`.
        conditioned_on: maps (sample, channel, h, w) or their kernels' product (sample, sample), as of `rank`.
        largest_product: as of `rank`.
        rng: draws the permutations, all of a step at once.

    Raises:
        MooFsError: if shapes disagree, a number is not finite or an argument is out of range.
    """
    _check_test(permutations, level)
    variables, widths = variables_of(
        maps,
        target,
        alpha=checked_order(alpha),
        width=width,
        conditioned_on=conditioned_on,
        largest_product=largest_product,
    )
    channels, samples = _checked_channels(order, len(widths)), len(variables.target)
    exact, product = Exact(variables), pairs_of(variables.prior)
    for kept, channel in enumerate(channels):
        shuffles = rng.permuted(np.tile(np.arange(samples), (permutations, 1)), axis=1)
        if not _passes(exact, product, variables.kernels[channel], shuffles, level):
            return max(1, kept)
        product = product * variables.kernels[channel]
    return len(channels)


def checked_whole(number: object, name: str, least: int, most: float = np.inf) -> None:
    """Refuse what is not a whole number from `least` to `most`."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not least <= number <= most:
        upper = "" if most == np.inf else f" to {most}"
        raise MooFsError(f"{name}: wanted a whole number from {least}{upper}, got {number!r}")


def _passes(exact: Exact, product: Floats, kernel: Floats, shuffles: NDArray[np.int64], level: float) -> bool:
    """Is p below `level`? `product` and `kernel` (pair,), `shuffles` (permutation, sample)."""
    observed = exact.of_product(product * kernel)[0]
    matrix, reached = full(kernel), 0
    for shuffle in shuffles:
        shuffled = pairs_of(matrix[np.ix_(shuffle, shuffle)])
        reached += exact.of_product(product * shuffled)[0] >= observed - DETERMINED
        if (1 + reached) / (1 + len(shuffles)) >= level:
            return False
    return True


def _checked_channels(order: ArrayLike, channels: int) -> NDArray[np.int64]:
    """The order (step,) as distinct channels, at least one."""
    array = np.asarray(order)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
        raise MooFsError(f"order: wanted channels (step,), at least one, got {array.dtype} of shape {array.shape}")
    if array.min() < 0 or array.max() >= channels or len(np.unique(array)) < len(array):
        raise MooFsError(f"order: wanted distinct channels from 0 to {channels - 1}, got {array.min()}..{array.max()}")
    return array.astype(np.int64)


def _check_test(permutations: int, level: float) -> None:
    checked_whole(permutations, "permutations", 1)
    if not 0 < level <= 1:
        raise MooFsError(f"level: wanted a number above 0 and at most 1, got {level!r}")
    if 1 / (1 + permutations) >= level:
        raise MooFsError(
            f"permutations: wanted more than {1 / level - 1:.4g}, since p is at least 1 / (1 + permutations), which "
            f"must lie below the level {level}, got {permutations}"
        )
