"""The compiled loops of the weight simplex: cells of all measures, by cutting the triangle with one rival at a time.

A cell is what is left of the simplex after the half-planes w . (own - rival) <= 0 of all rivals. A convex polygon gains
at most one vertex by a cut, so that the room needed is known. Rivals equal to the measure cut nothing and are counted.

Source: I. E. Sutherland and G. W. Hodgman (1974), "Reentrant polygon clipping".
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def cells(stack):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Shares (set, measure) of the simplex for `stack` (set, measure, task): each cell's, divided among equals."""
    sets, measures, tasks = stack.shape
    found = np.empty((sets, measures))
    here, there = np.empty((measures + 3, tasks)), np.empty((measures + 3, tasks))
    for at in range(sets):
        for own in range(measures):
            count, equals, polygon = _cell(stack[at], own, here, there)
            found[at, own] = _share(polygon, count) / equals
    return found


@numba.njit(cache=True, nogil=True)
def polygon_of(distortions, own):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Vertices (vertex, task) of one cell among `distortions` (measure, task), and its share, not divided."""
    measures, tasks = distortions.shape
    here, there = np.empty((measures + 3, tasks)), np.empty((measures + 3, tasks))
    count, _, polygon = _cell(distortions, own, here, there)
    return polygon[:count].copy(), _share(polygon, count)


@numba.njit(cache=True, nogil=True)
def _cell(distortions, own, here, there):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many vertices the cell has, how many measures are equal to `own`, itself included, and the polygon."""
    measures, tasks = distortions.shape
    here[:tasks] = np.eye(tasks)
    count, equals = tasks, 1
    normal = np.empty(tasks)
    for rival in range(measures):
        if rival == own:
            continue
        cuts = False
        for task in range(tasks):
            normal[task] = distortions[own, task] - distortions[rival, task]
            cuts = cuts or normal[task] != 0.0
        if not cuts:
            equals += 1
            continue
        count = _cut(here, count, normal, there)
        here, there = there, here
        if count == 0:
            break
    return count, equals, here


@numba.njit(cache=True, nogil=True)
def _cut(polygon, count, normal, left):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fills `left` with the part of the polygon where w . normal <= 0; its number of vertices.

    An interval is a polygon of two vertices with one edge: its way back is left out.
    """
    made = 0
    tasks = len(normal)
    for at in range(count):
        following = (at + 1) % count
        value, after = 0.0, 0.0
        for task in range(tasks):
            value += polygon[at, task] * normal[task]
            after += polygon[following, task] * normal[task]
        if value <= 0.0:
            left[made] = polygon[at]
            made += 1
        if (value < 0.0 < after or after < 0.0 < value) and (tasks > 2 or at == 0):
            part = value / (value - after)
            for task in range(tasks):
                left[made, task] = polygon[at, task] + part * (polygon[following, task] - polygon[at, task])
            made += 1
    return made


@numba.njit(cache=True, nogil=True)
def _share(polygon, count):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Length or area as a share of the simplex; the triangle has area one half in its first two weights."""
    if polygon.shape[1] == 2:
        return abs(polygon[0, 0] - polygon[count - 1, 0]) if count else 0.0
    doubled = 0.0
    for at in range(count):
        following = (at + 1) % count
        doubled += polygon[at, 0] * polygon[following, 1] - polygon[following, 0] * polygon[at, 1]
    return abs(doubled)
