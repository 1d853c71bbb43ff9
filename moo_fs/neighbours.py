"""The compiled parts of Ross's estimator: one row of distances in a buffer serves every task and every labelling.

Distances are squared, float64 and by direct differences: the matrix-product form loses the exact ties on which the
estimator depends (zeros of a ReLU). `information_of_labels_slowly` is the same sum written out, the kernel's oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, ndtri

from moo_fs.contracts import Floats

# Points at most this much farther than the k-th neighbour count as equally far: rounding must not break a tie.
TIE = 1e-6
_WIDEN = (1.0 + TIE) ** 2


@dataclass(frozen=True)
class Labels:
    """Labels of several tasks, grouped by value.

    Attributes:
        codes: (task, sample), 0..L-1.
        members: (task, sample), the samples sorted by label.
        starts: (task, L + 1), where each label's members begin.
    """

    codes: NDArray[np.int32]
    members: NDArray[np.int32]
    starts: NDArray[np.int32]


def group(labels: NDArray[Any]) -> Labels:
    """Labels (task, sample) of any integers, grouped by label within each task."""
    coded = [np.unique(row, return_inverse=True)[1].reshape(-1) for row in labels]
    largest = max(int(codes.max()) for codes in coded) + 1
    starts = [np.searchsorted(np.sort(codes), np.arange(largest + 1)) for codes in coded]
    members = [np.argsort(codes, kind="stable") for codes in coded]
    return Labels(np.array(coded, np.int32), np.array(members, np.int32), np.array(starts, np.int32))


def information_of_labels(points: Floats, labels: Labels, *, neighbours: int, queries: NDArray[np.int64]) -> Floats:
    """Ross's estimate (task,) in nats of the information between `points` (dimension, sample) and each task's labels.

    The mean over `queries` (indices of samples) of `psi(N) - psi(N_y) + psi(k~) - psi(m)`: r is the distance to the
    k-th neighbour of the same label, k~ and m count the same-label points and all points within r, never the point
    itself. k is `neighbours`, or N_y - 1 where that is smaller; a label of one point contributes 0.
    Ross, B. C. (2014), "Mutual information between discrete and continuous data sets".
    """
    psi = np.zeros(points.shape[1] + 1)
    psi[1:] = digamma(np.arange(1, points.shape[1] + 1))
    total = _sum_of_terms(
        np.ascontiguousarray(points), labels.codes, labels.members, labels.starts, queries, neighbours, psi
    )
    return np.asarray(total / len(queries))


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _sum_of_terms(points, codes, members, starts, queries, neighbours, psi):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    tasks, count = codes.shape
    total = np.zeros(tasks)
    row = np.empty(count)
    nearest = np.empty(neighbours)
    for query in queries:
        _squared_distances(points, query, row)
        row[query] = np.inf
        for task in range(tasks):
            first, last = starts[task, codes[task, query]], starts[task, codes[task, query] + 1]
            if last - first < 2:
                continue
            own = members[task, first:last]
            limit = _kth_smallest(row, own, nearest[: min(neighbours, last - first - 1)]) * _WIDEN
            same = 0
            for other in own:
                same += row[other] <= limit
            within = 0
            for other in range(count):
                within += row[other] <= limit
            total[task] += psi[count] - psi[last - first] + psi[same] - psi[within]
    return total


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _squared_distances(points, query, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    dimensions, count = points.shape
    row[:] = 0.0
    # Four dimensions a pass: the row is then loaded and stored once for eight operations.
    for d in range(0, dimensions - dimensions % 4, 4):
        a, b, c, e = points[d], points[d + 1], points[d + 2], points[d + 3]
        qa, qb, qc, qe = a[query], b[query], c[query], e[query]
        for j in range(count):
            da, db, dc, de = a[j] - qa, b[j] - qb, c[j] - qc, e[j] - qe
            row[j] += da * da + db * db + dc * dc + de * de
    for d in range(dimensions - dimensions % 4, dimensions):
        a = points[d]
        qa = a[query]
        for j in range(count):
            row[j] += (a[j] - qa) * (a[j] - qa)


@numba.njit(cache=True, nogil=True)
def _kth_smallest(row, own, nearest):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    nearest[:] = np.inf
    last = len(nearest) - 1
    for other in own:
        distance = row[other]
        if distance < nearest[last]:
            at = last
            while at > 0 and nearest[at - 1] > distance:
                nearest[at] = nearest[at - 1]
                at -= 1
            nearest[at] = distance
    return nearest[last]


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


def normal_scores(values: NDArray[Any]) -> Floats:
    """Each row of `values` (dimension, sample) as normal quantiles of its ranks, `Phi^-1(rank / (N + 1))`.

    Ties get their average rank. van der Waerden, B. L. (1952), "Order tests for the two-sample problem".
    """
    count = values.shape[1]
    # Average ranks are multiples of one half: a table of all of them.
    quantiles = ndtri(np.arange(2 * count + 1) / (2 * (count + 1)))
    scores = np.empty(values.shape)
    for row, out in zip(np.ascontiguousarray(values), scores, strict=True):
        _average_ties(np.argsort(row), row, quantiles, out)
    return scores


@numba.njit(cache=True, nogil=True)
def _average_ties(order, row, quantiles, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    first = 0
    while first < len(order):
        last = first
        while last + 1 < len(order) and row[order[last + 1]] == row[order[first]]:
            last += 1
        for at in range(first, last + 1):
            out[order[at]] = quantiles[first + last + 2]
        first = last + 1
