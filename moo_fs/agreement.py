"""How far two rankings of channels agree, with intervals by resampling the channels.

All replicates are computed at once, by how often each drew each channel: rank correlations of a resample are those of
its values with that many copies of each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from moo_fs.contracts import Floats, float_array

LEVEL = 0.95
# No interval where resamples of so few channels are mostly copies, or more of them than this have no order at all.
FEWEST, MOST_UNDEFINED = 8, 0.05
REPLICATES = 2000


class Agreement(NamedTuple):
    """A coefficient with the ends of its 95 % percentile interval.

    All NaN where a side is constant; ends NaN below 8 channels, or where over 5 % of the resamples have no order.
    """

    value: float
    low: float
    high: float


def rank_correlation(
    first: Floats, second: Floats, rng: np.random.Generator, replicates: int = REPLICATES
) -> Agreement:
    """Spearman's rho of two score lists (channel,), ties at their average rank.

    Spearman, C. (1904), "The proof and measurement of association between two things".
    """
    a, b = _checked(first, second)
    if _constant(a, b):
        return Agreement(np.nan, np.nan, np.nan)
    copies = _copies(len(a), rng, replicates)
    one, other = (copies @ ((x[None] > x[:, None]) + 0.5 * (x[None] == x[:, None])) for x in (a, b))
    value = float(stats.spearmanr(a, b).statistic)
    return Agreement(value, *_interval(_weighted_correlation(one, other, copies), len(a)))


def concordance(first: Floats, second: Floats, rng: np.random.Generator, replicates: int = REPLICATES) -> Agreement:
    """Kendall's tau-b of two score lists (channel,): the ordered pairs that agree minus those that do not, as a share.

    Kendall, M. G. (1945), "The treatment of ties in ranking problems".
    """
    a, b = _checked(first, second)
    if _constant(a, b):
        return Agreement(np.nan, np.nan, np.nan)
    copies = _copies(len(a), rng, replicates)
    one, other = (np.sign(x[:, None] - x[None]) for x in (a, b))
    together, norms = _form(copies, one * other), _form(copies, one**2) * _form(copies, other**2)
    found = np.divide(together, np.sqrt(norms), out=np.full(len(copies), np.nan), where=norms > 0)
    return Agreement(float(stats.kendalltau(a, b).statistic), *_interval(found, len(a)))


def top_quarter(first: Floats, second: Floats, rng: np.random.Generator, replicates: int = REPLICATES) -> Agreement:
    """The share of one list's best quarter of the channels that is in the other's; 0.25 by chance.

    Of equal scores those of lower channels come first. In a resample a channel that was drawn twice counts twice.
    """
    a, b = _checked(first, second)
    if _constant(a, b):
        return Agreement(np.nan, np.nan, np.nan)
    drawn = rng.integers(len(a), size=(replicates, len(a)))
    return Agreement(float(_shared(a[None], b[None])[0]), *_interval(_shared(a[drawn], b[drawn]), len(a)))


def _shared(first: Floats, second: Floats) -> Floats:
    """(replicate,) share of the best quarters of two tables (replicate, channel) that is in both."""
    count = max(1, round(first.shape[1] / 4))
    best = []
    for values in (first, second):
        mask = np.zeros(values.shape, bool)
        np.put_along_axis(mask, np.argsort(-values, axis=1, kind="stable")[:, :count], True, axis=1)
        best.append(mask)
    return np.asarray((best[0] & best[1]).sum(axis=1) / count)


def _copies(channels: int, rng: np.random.Generator, replicates: int) -> Floats:
    """(replicate, channel): how often each resample drew each channel."""
    return rng.multinomial(channels, np.full(channels, 1 / channels), size=replicates).astype(np.float64)


def _form(copies: Floats, matrix: Floats) -> Floats:
    """(replicate,) w' M w."""
    return np.asarray(((copies @ matrix) * copies).sum(axis=1))


def _weighted_correlation(first: Floats, second: Floats, weights: Floats) -> Floats:
    total = weights.sum(axis=1, keepdims=True)
    a, b = (x - (weights * x).sum(axis=1, keepdims=True) / total for x in (first, second))
    norms = (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
    together = (weights * a * b).sum(axis=1)
    return np.asarray(np.divide(together, np.sqrt(norms), out=np.full(len(weights), np.nan), where=norms > 0))


def _interval(found: Floats, channels: int) -> tuple[float, float]:
    kept = found[np.isfinite(found)]
    if channels < FEWEST or len(kept) < (1 - MOST_UNDEFINED) * len(found):
        return np.nan, np.nan
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _checked(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    a = float_array(first, "first", "channel")
    b = float_array(second, "second", "channel", channel=len(a))
    return a, b


def _constant(first: Floats, second: Floats) -> bool:
    """Whether there is no order to compare."""
    return bool((first == first[:1]).all() or (second == second[:1]).all())
