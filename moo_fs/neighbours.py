"""Ross's estimator on labels grouped by value: the compiled loop of `neighbour_kernels`, and its slow twin.

`information_of_labels_slowly` is the same sum written out, the oracle of the compiled loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from moo_fs.contracts import Floats
from moo_fs.neighbour_kernels import TIE, sum_of_terms

# Products with the covariance that find about the principal direction: where they find another, only speed is lost.
POWER_STEPS = 4


@dataclass(frozen=True)
class Labels:
    """Labels of several tasks, renamed 0..L-1.

    Attributes:
        codes: (task, sample), 0..L-1.
        starts: (task, L + 1), where each label's members begin in a list sorted by label.
    """

    codes: NDArray[np.int32]
    starts: NDArray[np.int32]


def group(labels: NDArray[Any]) -> Labels:
    """Labels (task, sample) of any integers, renamed and counted within each task."""
    coded = [np.unique(row, return_inverse=True)[1].reshape(-1) for row in labels]
    largest = max(int(codes.max()) for codes in coded) + 1
    starts = [np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=largest))]) for codes in coded]
    return Labels(np.array(coded, np.int32), np.array(starts, np.int32))


def information_of_labels(points: Floats, labels: Labels, *, neighbours: int, queries: NDArray[np.int64]) -> Floats:
    """Ross's estimate (task,) in nats of the information between `points` (dimension, sample) and each task's labels.

    The mean over `queries` (indices of samples) of `psi(N) - psi(N_y) + psi(k~) - psi(m)`: r is the distance to the
    k-th neighbour of the same label, k~ and m count the same-label points and all points within r, never the point
    itself. k is `neighbours`, or N_y - 1 where that is smaller; a label of one point contributes 0.
    Ross, B. C. (2014), "Mutual information between discrete and continuous data sets".
    """
    dimensions, count = points.shape
    psi = np.concatenate([[0.0], digamma(np.arange(1, count + 1))])
    positions = _along_principal_direction(points)
    order = np.argsort(positions)
    places = np.empty(count, dtype=np.int64)
    places[order] = np.arange(count)
    # Rounding moves a position by less than this.
    slack = 1e-14 * dimensions**1.5 * float(np.abs(points).max())
    total = sum_of_terms(
        np.take(points, order, axis=1), positions[order], labels.codes[:, order], labels.starts,
        places[queries], np.argsort(places[queries]), neighbours, psi, slack,
    )  # fmt: skip
    return np.asarray(total / len(queries))


def _along_principal_direction(points: Floats) -> Floats:
    """Positions (sample,) of `points` (dimension, sample) along about their first principal direction."""
    # Numbers of at most 1 keep every product in range.
    scale = float(np.abs(points).max()) or 1.0
    centred = points / scale
    centred -= centred.mean(axis=1, keepdims=True)
    direction = centred @ centred[np.argmax((centred**2).sum(axis=1))]
    for _ in range(POWER_STEPS):
        direction = centred @ (direction / (np.linalg.norm(direction) or 1.0) @ centred)
    return np.asarray(scale * (direction / (np.linalg.norm(direction) or 1.0) @ centred))


def information_of_labels_slowly(points: Floats, labels: NDArray[Any], *, neighbours: int) -> float:
    """`information_of_labels` of one task and all samples, by the definition: what the kernel is tested against."""
    count = points.shape[1]
    terms = np.zeros(count)
    for i in range(count):
        distance = np.sqrt(((points - points[:, i : i + 1]) ** 2).sum(axis=0))
        others = np.arange(count) != i
        same = others & (labels == labels[i])
        if same.any():
            k = min(neighbours, int(same.sum()))
            radius = np.sort(distance[same])[k - 1] * (1 + TIE)
            k_tie, m = int((distance[same] <= radius).sum()), int((distance[others] <= radius).sum())
            terms[i] = digamma(count) - digamma(same.sum() + 1) + digamma(k_tie) - digamma(m)
    return float(terms.mean())
