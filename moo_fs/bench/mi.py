"""Mutual information of patches and labels: scikit-learn's nearest neighbours in a loop, against the kernel."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma
from scipy.stats import norm, rankdata
from sklearn.neighbors import KDTree, NearestNeighbors

from moo_fs.contracts import Floats
from moo_fs.information import patch_mutual_information
from moo_fs.seeds import stream

TASKS, NEIGHBOURS, PATCH = 3, 3, 4
LABELS = 8


def rows(*, channels: int = 8, samples: int = 2000, blocks: int = 4) -> list[dict[str, Any]]:
    """Both sides on the same channels, alternately, `blocks` times on a share of the channels; seconds are of all.

    Row: `case`, `ratio` (loop / ours), `loop_seconds`, `ours_seconds`, `difference` (largest, nats; the features have
    no exact ties, so that the two differ by distances within 1e-6 of each other only).
    """
    maps, labels = _data(channels, samples)
    patch_mutual_information(maps[:20, :1], labels[:, :20], patch=PATCH)  # compiles
    seconds, difference = np.zeros(2), 0.0
    for block in np.array_split(np.arange(channels), blocks):
        start = time.perf_counter()
        slow = np.array([[obvious(maps[:, channel], row) for row in labels[:, :, 0, 0]] for channel in block])
        middle = time.perf_counter()
        fast = patch_mutual_information(maps[:, block], labels, patch=PATCH, neighbours=NEIGHBOURS)
        seconds += [middle - start, time.perf_counter() - middle]
        difference = max(difference, float(np.abs(slow - fast).max()))
    case = f"N = {samples}, {channels} channels x {TASKS} tasks, {PATCH * PATCH} dimensions, k = {NEIGHBOURS}"
    return [
        {
            "case": case,
            "ratio": float(seconds[0] / seconds[1]),
            "loop_seconds": float(seconds[0]),
            "ours_seconds": float(seconds[1]),
            "difference": difference,
        }
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
