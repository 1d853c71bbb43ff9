"""Channels ranked by matrix-based Rényi entropy: every candidate's full eigenvalues in a loop, against ours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from moo_fs.contracts import Floats
from moo_fs.renyi import Ranking, grams, label_gram, rank
from moo_fs.seeds import stream

ALPHA, LABELS, FACTORS, SIDE = 1.01, 10, 5, 3
Data = tuple[Floats, NDArray[np.int64]]


def rows(
    *,
    samples: int = 256,
    channels: tuple[int, ...] = (32, 64, 128),
    frobenius_channels: int = 512,
    rounds: int = 3,
    complete: int = 32,
    every: int = 16,
    candidates: int = 16,
) -> list[dict[str, Any]]:
    """Both sides on the same maps, alternately, `rounds` times, one thread each.

    Up to `complete` channels the loop runs in full. Above, it follows our order, a few candidates of every `every`-th
    step are measured, and their mean cost is multiplied by all candidates of all steps: the case says so.

    Row: `case`, `ratio` (loop / ours), `naive_seconds`, `ours_seconds` (medians), `agreement` (share of the top half
    that both have; NaN where the loop's order is not known).
    """
    found = []
    with threadpool_limits(1):
        rank(*weak_maps(20, 6))  # compiles
        for make in (strong_maps, weak_maps):
            for count in channels:
                name = f"hybrid, alpha = {ALPHA}, {make.__name__.replace('_', ' ')}"
                sampled = None if count <= complete else (every, candidates)
                found.append(_row(make(samples, count), name, "hybrid", sampled, rounds))
        maps = strong_maps(samples, frobenius_channels)
        found.append(_row(maps, "alpha = 2, strong maps", "frobenius", (every, candidates), rounds))
    return found


def _row(data: Data, name: str, method: str, sampled: tuple[int, int] | None, rounds: int) -> dict[str, Any]:
    ours, loop, agreement, measured = [], [], float("nan"), 0
    alpha, channels = (2.0 if method == "frobenius" else ALPHA), data[0].shape[1]
    for block in range(rounds):
        ranking, seconds = _timed(lambda: rank(*data, alpha=ALPHA, method=method))
        ours.append(seconds)
        if sampled is None:
            order, seconds = _timed(lambda: obvious(*data, alpha=alpha))
            agreement = _shared(order, ranking)
        else:
            steps = range(sampled[0] * block // rounds, channels, sampled[0])
            seconds, count = _extrapolated(data, ranking, alpha, steps, sampled[1])
            measured += count
        loop.append(seconds)
    extent = "loop in full" if sampled is None else f"loop extrapolated from {measured} measured candidates"
    return {
        "case": f"{name}, n = {len(data[0])}, C = {channels}, {extent}",
        "ratio": float(np.median(loop) / np.median(ours)),
        "naive_seconds": float(np.median(loop)),
        "ours_seconds": float(np.median(ours)),
        "agreement": agreement,
    }


def obvious(maps: Floats, labels: NDArray[np.int64], *, alpha: float) -> list[int]:
    """The greedy order (channel,): at every step, both entropies of every remaining candidate's product."""
    kernels, target = grams(maps), label_gram(labels)
    product, order, left = np.ones_like(target), [], list(range(len(kernels)))
    while left:
        order.append(max(left, key=lambda channel: _candidate(product, kernels[channel], target, alpha)))
        product = product * kernels[order[-1]]
        left.remove(order[-1])
    return order


def _candidate(product: Floats, kernel: Floats, target: Floats, alpha: float) -> float:
    """I(Y; taken, candidate) in nats, up to S(Y), which is the same for all."""
    joint = product * kernel
    return _entropy(joint, alpha) - _entropy(joint * target, alpha)


def _entropy(matrix: Floats, alpha: float) -> float:
    matrix = matrix / np.trace(matrix)
    if alpha == 2:
        return -float(np.log((matrix**2).sum()))
    values = np.linalg.eigvalsh(matrix).clip(0)
    return float(np.log((values**alpha).sum()) / (1 - alpha))


def _extrapolated(data: Data, ranking: Ranking, alpha: float, steps: range, candidates: int) -> tuple[float, int]:
    """Seconds of the whole loop by some candidates of some `steps` on our order, and how many were measured."""
    (kernels, target), seconds = _timed(lambda: (grams(data[0]), label_gram(data[1])))
    product, costs, channels = np.ones_like(target), [], len(kernels)
    for step, taken in enumerate(ranking.order):
        for channel in ranking.order[step : step + candidates] if step in steps else ():
            arguments = (product, kernels[channel], target, alpha)
            costs.append(_timed(_candidate, *arguments)[1])
        product = product * kernels[taken]
    return seconds + float(np.mean(costs)) * channels * (channels + 1) / 2, len(costs)


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work(*arguments)
    return result, time.perf_counter() - start


def _shared(order: list[int], ranking: Ranking) -> float:
    half = len(order) // 2
    return len(set(order[:half]) & set(ranking.order[:half].tolist())) / half


def weak_maps(samples: int, channels: int) -> Data:
    """ReLU maps (sample, channel, h, w) that each know something of their own about the labels (sample,)."""
    rng = stream(0, "bench", "renyi", "weak", channels)
    labels = rng.integers(LABELS, size=samples)
    code = rng.normal(size=(LABELS, channels, SIDE, SIDE)) * rng.gamma(1.0, 0.4, size=(channels, 1, 1))
    return np.maximum(code[labels] + rng.normal(size=(samples, channels, SIDE, SIDE)), 0), labels


def strong_maps(samples: int, channels: int) -> Data:
    """ReLU maps (sample, channel, h, w) that mix a few factors: strongly dependent on one another."""
    rng = stream(0, "bench", "renyi", "strong", channels)
    labels = rng.integers(LABELS, size=samples)
    hidden = 0.7 * rng.normal(size=(LABELS, FACTORS, SIDE, SIDE))[labels]
    hidden = hidden + rng.normal(size=(samples, FACTORS, SIDE, SIDE))
    maps = np.einsum("cf,nfhw->nchw", rng.normal(size=(channels, FACTORS)), hidden)
    return np.maximum(maps + 0.1 * rng.normal(size=maps.shape), 0), labels
