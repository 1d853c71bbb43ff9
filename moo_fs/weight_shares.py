"""Shares of the weight simplex over rate, and how far they are known: over blocks, and over images.

The two intervals answer different questions and never mix. Over blocks: would another draw of scores and streams give
the same, these images kept. Over images: would other images, these scores kept. Bands are pointwise, a rate at a time.

Source: B. Efron (1979), "Bootstrap methods: another look at the jackknife" (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from moo_fs.contracts import Floats, MooFsError, float_array
from moo_fs.contrasts import ENOUGH_PAIRS, LEVEL
from moo_fs.rate_curves import Curve
from moo_fs.seeds import stream
from moo_fs.task_weights import share_against, share_of_all, winning_polygon

REPLICATES = 2000
MORE, LESS, OPEN = VERDICTS = ("more than half", "less than half", "not decided")


class Interval(NamedTuple):
    """A value with the ends of its 95 % percentile interval, and the range of what it was made of; each (...)."""

    value: Floats
    low: Floats
    high: Floats
    lowest: Floats
    highest: Floats


def distortions_at(curves: Sequence[Curve], rates: ArrayLike) -> Floats:
    """Distortions (rate, measure, task) of the measures' curves at the same coded bytes (rate,).

    Raises MooFsError where a curve does not reach a rate, and if tasks differ: ask within `rate_curves.common_range`.
    """
    if not curves:
        raise MooFsError("curves: wanted one for each measure, got none")
    if len({curve.losses.shape[1] for curve in curves}) > 1:
        raise MooFsError("curves: wanted the same tasks in all of them; compare measures on one subject")
    return np.stack([curve.at(rates) for curve in curves], axis=1)


def shares_over_rate(curves: Sequence[Curve], rates: ArrayLike) -> Floats:
    """Share of the simplex (rate, measure) where each measure beats all rivals at once, at equal coded bytes (rate,).

    A curve a measure, its losses the distortions of two or three tasks in one normalisation. Over the rates of
    `rate_curves.common_rates` the plain mean is the mean over the logarithm of the rate. Raises MooFsError outside the
    common range of the curves.
    """
    return share_of_all(distortions_at(curves, rates))


def pair_shares_over_rate(curves: Sequence[Curve], rates: ArrayLike) -> Floats:
    """Share of the simplex (rate, measure, rival) where the measure beats that one rival; 0.5 against itself.

    Arguments and errors as for `shares_over_rate`.
    """
    vectors = distortions_at(curves, rates)
    return share_against(vectors[:, :, None], vectors[:, None])


def over_blocks(shares: ArrayLike, *, replicates: int = REPLICATES, seed: int = 0) -> Interval:
    """Mean over blocks of `shares` (block, ...), and the bootstrap interval of that mean: blocks drawn anew.

    `lowest` and `highest` are the range of the blocks. All entries share the draws, which depend on the number of
    blocks only: differences of measures stay paired. Below 12 blocks `low` and `high` are NaN: show the range.
    Raises MooFsError without a block.
    """
    values = np.asarray(shares, dtype=np.float64)
    if values.ndim < 1 or not len(values):
        raise MooFsError(f"shares: wanted axes (block, ...), at least one block, got an array of shape {values.shape}")
    flat = float_array(values.reshape(len(values), -1), "shares", "block entry")
    low = high = np.full(flat.shape[1], np.nan)
    if len(flat) >= ENOUGH_PAIRS:
        drawn = stream(seed, "weight shares", "blocks").integers(len(flat), size=(replicates, len(flat)))
        copies = np.stack([np.bincount(row, minlength=len(flat)) for row in drawn])
        low, high = np.quantile(copies @ flat / len(flat), [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return _shaped(values.shape[1:], flat.mean(axis=0), low, high, flat.min(axis=0), flat.max(axis=0))


def over_images(value: ArrayLike, replicates: ArrayLike) -> Interval:
    """`value` (...) of all images, and the percentile interval of `replicates` (replicate, ...) of resampled images.

    The caller draws the images anew, pools each task's loss over them and computes each replicate as it did `value`;
    a share is not linear in the losses, so that it is no mean of anything. `lowest` and `highest` are the replicates'.
    Raises MooFsError unless shapes agree.
    """
    values, again = np.asarray(value, dtype=np.float64), np.asarray(replicates, dtype=np.float64)
    if again.ndim < 1 or not len(again) or again.shape[1:] != values.shape:
        raise MooFsError(
            f"replicates: wanted axes (replicate, ...) over values of shape {values.shape}, got {again.shape}"
        )
    flat = float_array(again.reshape(len(again), -1), "replicates", "replicate entry")
    low, high = np.quantile(flat, [LEVEL / 2, 1 - LEVEL / 2], axis=0)
    return _shaped(values.shape, values.ravel(), low, high, flat.min(axis=0), flat.max(axis=0))


def majority_ranges(rates: ArrayLike, shares: ArrayLike) -> list[tuple[float, float]]:
    """First and last of the neighbouring `rates` (rate,), in rising order, at which `shares` (rate,) exceed one half.

    A mean over rates does not say that a measure wins at some and loses at others: these ranges do.

    >>> majority_ranges([100, 200, 400, 800], [0.9, 0.6, 0.4, 0.7])
    [(100.0, 200.0), (800.0, 800.0)]
    """
    at = np.flatnonzero(np.asarray(shares) > 0.5)
    runs = np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if len(at) else []
    places = np.asarray(rates, dtype=np.float64)
    return [(float(places[run[0]]), float(places[run[-1]])) for run in runs]


def verdict(low: float, high: float) -> str:
    """What an interval of a share says of the claim that it is more than half: one of `VERDICTS`.

    Ends that are NaN, or an interval that holds one half, decide nothing.

    >>> verdict(0.55, 0.7)
    'more than half'
    """
    if low > 0.5:
        return MORE
    return LESS if high < 0.5 else OPEN


def cells_of(distortions: ArrayLike, measures: Sequence[str], tasks: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a map of the winner: `measure`, `share`, `vertex` (0, 1, ...), and `weight_<task>` of each vertex.

    `distortions` are (measure, task). Vertices go around the cell; a measure that wins nowhere has no row. Measures of
    equal distortions have the same cell, each with its part of the share. Raises MooFsError unless tasks are 2 or 3.
    """
    vectors = float_array(distortions, "distortions", "measure task", measure=len(measures), task=len(tasks))
    shares = share_of_all(vectors)
    return [
        {"measure": measure, "share": float(shares[at]), "vertex": vertex}
        | {f"weight_{task}": float(weight) for task, weight in zip(tasks, weights, strict=True)}
        for at, measure in enumerate(measures)
        for vertex, weights in enumerate(winning_polygon(vectors, at))
    ]


def _shaped(shape: tuple[int, ...], *parts: Floats) -> Interval:
    return Interval(*(np.asarray(part).reshape(shape) for part in parts))
