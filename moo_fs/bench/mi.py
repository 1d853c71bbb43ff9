"""Mutual information of patches and labels: scikit-learn's nearest neighbours in a loop, against the kernel."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import norm, rankdata
from sklearn.neighbors import KDTree, NearestNeighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from moo_fs.contracts import Floats
from moo_fs.information import patch_mutual_information
from moo_fs.seeds import stream

TASKS, NEIGHBOURS, PATCH = 3, 3, 4
LABELS = 8


def rows(
    *,
    channels: int = 64,
    samples: int = 2000,
    blocks: int = 8,
    large_channels: int = 4,
    large_samples: int = 10_000,
    queries: int = 1000,
) -> list[dict[str, Any]]:
    """Three cases, one thread: `samples`; `large_samples`; the latter with `queries`, against the same exact loop.

    All sides run on the same channels, alternately, `blocks` times on a share of the channels; seconds are of all.
    Row: `case`, `ratio` (loop / ours), `loop_seconds`, `ours_seconds`, `difference` (largest, nats) of the loop and
    ours: the features have no exact ties, so that exact estimates differ by distances within 1e-6 of each other only.
    `shift` (nats): the mean over channels and tasks of the estimates minus ours of all samples, 0 if these are they.
    """
    with threadpool_limits(1):
        small = _compared(channels, samples, blocks, (None,))
        large = _compared(large_channels, large_samples, min(blocks, large_channels), (None, queries))
    return small + large


def _compared(channels: int, samples: int, blocks: int, queries: tuple[int | None, ...]) -> list[dict[str, Any]]:
    """A row for each number of queries, the first being None: all samples."""
    maps, labels = _data(channels, samples)
    patch_mutual_information(maps[:20, :1], labels[:, :20], patch=PATCH)  # compiles
    seconds, found = np.zeros(1 + len(queries)), np.zeros((1 + len(queries), channels, TASKS))
    for block in np.array_split(np.arange(channels), blocks):
        times = [time.perf_counter()]
        found[0, block] = [[obvious(maps[:, channel], row) for row in labels[:, :, 0, 0]] for channel in block]
        times.append(time.perf_counter())
        for side, drawn in enumerate(queries, start=1):
            found[side, block] = patch_mutual_information(
                maps[:, block], labels, patch=PATCH, neighbours=NEIGHBOURS, queries=drawn
            )
            times.append(time.perf_counter())
        seconds += np.diff(times)
    case = f"N = {samples}, {channels} channels x {TASKS} tasks, {PATCH * PATCH} dimensions, k = {NEIGHBOURS}"
    return [
        {
            "case": case if drawn is None else f"{case}, {drawn} queries",
            "ratio": float(seconds[0] / seconds[side]),
            "loop_seconds": float(seconds[0]),
            "ours_seconds": float(seconds[side]),
            "difference": float(np.abs(found[side] - found[0]).max()),
            "shift": float((found[side] - found[1]).mean()),
        }
        for side, drawn in enumerate(queries, start=1)
    ]


def obvious(maps: Floats, labels: NDArray[np.int64]) -> float:
    """Ross's estimate in nats for one channel's maps (sample, h, w) and one task, as scikit-learn writes it for 1-D."""
    flat = maps.reshape(len(maps), -1)
    points = norm.ppf(rankdata(flat, axis=0) / (len(flat) + 1))
    radius = np.empty(len(points))
    for label in np.unique(labels):
        own = points[labels == label]
        found = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(own).kneighbors()[0]
        radius[labels == label] = found[:, -1]
    # As scikit-learn counts: a radius a little smaller and the point itself included, in place of the k-th neighbour.
    within = KDTree(points).query_radius(points, radius * (1 - 1e-9), count_only=True)
    sizes = np.bincount(labels)[labels]
    return float(digamma(len(points)) - digamma(sizes).mean() + digamma(NEIGHBOURS) - digamma(within).mean())


def _data(channels: int, samples: int) -> tuple[Floats, NDArray[np.int64]]:
    rng = stream(0, "bench", "mi")
    labels = rng.integers(LABELS, size=(TASKS, samples, 1, 1))
    # Smooth inside a patch, as features are: search trees find nothing to prune in white noise of 16 dimensions.
    level = rng.normal(size=(samples, channels, 1, 1)) + 0.2 * labels.sum(0)[:, :, None]
    maps = level + 0.3 * rng.normal(size=(samples, channels, PATCH, PATCH))
    return maps, labels
