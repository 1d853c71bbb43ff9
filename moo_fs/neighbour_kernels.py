"""The compiled loop of Ross's estimator: one row of squared distances serves every task and every labelling.

Points are sorted along one direction. Two points differ along a direction by at most their distance, so that all
points within a radius lie in a window of the sorted order, and only its distances are computed. A window starts at the
reach that the query before needed and grows until it is known to hold every point within the radius; each distance is
computed once. In white noise of many dimensions the window is everything, and little is lost.
"""

from __future__ import annotations

import numba
import numpy as np

# Points at most this much farther than the k-th neighbour count as equally far: rounding must not break a tie.
TIE = 1e-6
_WIDEN = (1.0 + TIE) ** 2


@numba.njit(cache=True, nogil=True)
def sum_of_terms(points, positions, codes, starts, queries, turns, neighbours, psi, slack):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Sums over `queries` (task,) of Ross's terms, `psi[n]` being the digamma of n.

    `points` (dimension, sample) and `codes` (task, sample) are sorted by `positions` (sample,), which differ by at most
    the distance of two points plus `slack`; label c of a task has `starts[task, c + 1] - starts[task, c]` members.
    `turns` are the queries' indices in sorted order; they are summed in the order in which they stand.
    """
    tasks, count = codes.shape
    members, ranks = _members(codes, starts)
    row, terms, total = np.empty(count), np.zeros((len(queries), tasks)), np.zeros(tasks)
    limits, same, nearest = np.empty(tasks), np.empty(tasks, np.int64), np.empty(neighbours + 1)
    usual = 0.0
    for turn in turns:
        query = queries[turn]
        reach = usual
        low, high = _window(positions, query, reach)
        _squared_distances(points, query, low, high, row)
        while True:
            row[query] = np.inf
            largest = _fill_limits(row, low, high, query, codes, members, ranks, starts, nearest, limits, same)
            needed = np.sqrt(largest) * (1.0 + 1e-9) + slack
            if needed <= reach or high - low == count:
                break
            reach = min(needed, _wider(positions, query, reach, low, high))
            lower, higher = _window(positions, query, reach)
            _squared_distances(points, query, lower, low, row)
            _squared_distances(points, query, high, higher, row)
            low, high = lower, higher
        usual = 1.1 * needed
        for task in range(tasks):
            if same[task]:
                label = codes[task, query]
                size = starts[task, label + 1] - starts[task, label]
                within = _within(row[low:high], limits[task])
                terms[turn, task] = psi[count] - psi[size] + psi[same[task]] - psi[within]
    for turn in range(len(queries)):
        total += terms[turn]
    return total


@numba.njit(cache=True, nogil=True)
def _members(codes, starts):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The samples (task, sample) by label, in order, and each sample's rank among those of its label."""
    members, ranks = np.empty_like(codes), np.empty_like(codes)
    for task in range(len(codes)):
        found = np.zeros_like(starts[task])
        for sample, label in enumerate(codes[task]):
            ranks[task, sample] = found[label]
            members[task, starts[task, label] + found[label]] = sample
            found[label] += 1
    return members, ranks


@numba.njit(cache=True, nogil=True)
def _window(positions, query, reach):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The samples `low` to `high` - 1 whose position differs from the query's by at most `reach`."""
    return (
        _first_at_least(positions, 0, query, positions[query] - reach),
        _first_at_least(positions, query, len(positions), np.nextafter(positions[query] + reach, np.inf)),
    )


@numba.njit(cache=True, nogil=True)
def _first_at_least(ascending, first, last, value):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The first index of `first`..`last` - 1 whose entry is at least `value`, else `last`."""
    while first < last:
        middle = (first + last) // 2
        if ascending[middle] < value:
            first = middle + 1
        else:
            last = middle
    return first


@numba.njit(cache=True, nogil=True)
def _wider(positions, query, reach, low, high):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Twice the reach, or what doubles the window on its denser side if that is more."""
    width = high - low
    below = positions[query] - positions[low - width] if low >= width else np.inf
    above = positions[high + width - 1] - positions[query] if high + width <= len(positions) else np.inf
    return max(2.0 * reach, min(below, above))


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _squared_distances(points, query, low, high, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fills `row[low:high]`: float64 and by direct differences, since a matrix product would lose exact ties."""
    dimensions = len(points)
    # Slices: loops from 0 are compiled to vector instructions, loops from `low` are not.
    out = row[low:high]
    out[:] = 0.0
    # Four dimensions a pass: the row is then loaded and stored once for eight operations.
    for d in range(0, dimensions - dimensions % 4, 4):
        qa, qb, qc, qe = points[d, query], points[d + 1, query], points[d + 2, query], points[d + 3, query]
        a, b, c, e = points[d, low:high], points[d + 1, low:high], points[d + 2, low:high], points[d + 3, low:high]
        for j in range(len(out)):
            da, db, dc, de = a[j] - qa, b[j] - qb, c[j] - qc, e[j] - qe
            out[j] += da * da + db * db + dc * dc + de * de
    for d in range(dimensions - dimensions % 4, dimensions):
        qa = points[d, query]
        a = points[d, low:high]
        for j in range(len(out)):
            out[j] += (a[j] - qa) * (a[j] - qa)


@numba.njit(cache=True, nogil=True)
def _fill_limits(row, low, high, query, codes, members, ranks, starts, nearest, limits, same):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fills each task's squared radius and the number of the query's own label within; the largest squared radius."""
    largest = 0.0
    for task in range(len(codes)):
        label = codes[task, query]
        own = members[task, starts[task, label] : starts[task, label + 1]]
        limits[task], same[task] = _own_within(row, low, high, own, ranks[task, query], nearest)
        largest = max(largest, limits[task])
    return largest


@numba.njit(cache=True, nogil=True)
def _own_within(row, low, high, own, rank, nearest):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The squared radius about the `rank`-th of `own`, infinite if the window holds too few, and how many lie in it.

    `nearest` has room for one more than the wanted neighbours: unless that one is tied too, nothing need be counted.
    """
    k = min(len(nearest), len(own)) - 1
    if k == 0:
        return 0.0, 0
    first = _first_at_least(own, 0, rank, low) if low > 0 else 0
    last = _first_at_least(own, rank, len(own), high) if high < len(row) else len(own)
    nearest[:] = np.inf
    # From the query outwards: near ones first, the rest is then passed over.
    worst = np.inf
    for other in own[rank + 1 : last]:
        if row[other] < worst:
            worst = _insert(row[other], nearest, k)
    for other in own[first:rank][::-1]:
        if row[other] < worst:
            worst = _insert(row[other], nearest, k)
    limit = nearest[k - 1] * _WIDEN
    same = k
    if worst <= limit:
        same = 0
        for other in own[first:last]:
            same += row[other] <= limit
    return limit, same


@numba.njit(cache=True, nogil=True)
def _insert(distance, nearest, k):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Puts a distance below the largest of the k + 1 ascending `nearest` in its place; the largest then."""
    at = k
    while at > 0 and nearest[at - 1] > distance:
        nearest[at] = nearest[at - 1]
        at -= 1
    nearest[at] = distance
    return nearest[k]


@numba.njit(cache=True, nogil=True)
def _within(distances, limit):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    within = 0
    for at in range(len(distances)):
        within += distances[at] <= limit
    return within
