"""Where in the space of task weights a measure wins: exact shares of the weight simplex, by clipping polygons.

A weighting w has one weight a task, none negative, and they sum to 1: the simplex, an interval for two tasks and a
triangle for three. At equal rate P beats Q for the weights with w . (D_P - D_Q) < 0, which is one side of a straight
cut. Every share is one of the simplex's length or area, that is, the chance of winning under weights drawn uniformly;
that all weights count alike is our choice. Equal distortions tie everywhere and share evenly: our choice too.

Sources: I. E. Sutherland and G. W. Hodgman (1974), "Reentrant polygon clipping"; relative distortions as in the
analysis that this replicates (S. Ranjbar Alvar and I. V. Bajić, 2024, "Compressive feature selection for remote visual
multi-task inference"), their exact form being our reading of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from moo_fs.contracts import Floats, MooFsError, did_you_mean, float_array
from moo_fs.weight_kernels import cells, polygon_of

LOSS_SPAN, RELATIVE = NORMALISATIONS = ("loss span", "relative")
NATURAL = {"classes": "miou", "values": "rmse", "image": "psnr_db"}  # the metric of a kind that "relative" is about
# A cell below this share of the simplex is rounding: vectors that differ in their last digits, or a touching corner.
SMALLEST = 1e-12


def relative_distortions(metrics: ArrayLike, uncompressed: ArrayLike, kinds: Sequence[str]) -> Floats:
    """Distortions (point, task) relative to the uncompressed network, from metrics (point, task) in `NATURAL`'s units.

    `classes`: (mIoU0 - mIoU) / mIoU0; `values`: (RMSE - RMSE0) / RMSE0; `image`: (MSE - MSE0) / MSE0, which is
    10^((PSNR0 - PSNR) / 10) - 1. The index 0 is `uncompressed` (task,). 0 = as without compression, no upper end: the
    unit of a task's distortion is its own, and an image's is often the largest by far.

    Raises MooFsError for other kinds, which have no such form, and where mIoU0 or RMSE0 is not positive.
    """
    unknown = [kind for kind in kinds if kind not in NATURAL]
    if unknown:
        raise MooFsError(
            f"relative distortions: wanted kinds among {', '.join(NATURAL)}, got '{unknown[0]}'; use '{LOSS_SPAN}'"
        )
    values = float_array(metrics, "metrics", "point task", task=len(kinds))
    zero = float_array(uncompressed, "uncompressed", "task", task=len(kinds))
    found = np.empty_like(values)
    for task, kind in enumerate(kinds):
        if kind == "image":
            found[:, task] = np.expm1((zero[task] - values[:, task]) * (np.log(10) / 10))
            continue
        if zero[task] <= 0:
            raise MooFsError(
                f"uncompressed: wanted a positive {NATURAL[kind]} of task {task}, got {zero[task]:g}; "
                f"use '{LOSS_SPAN}' for this subject"
            )
        rise = (values[:, task] - zero[task]) / zero[task]
        found[:, task] = -rise if kind == "classes" else rise
    return found


def normalised(
    how: str, *, distortions: ArrayLike, metrics: ArrayLike, uncompressed: ArrayLike, kinds: Sequence[str]
) -> Floats:
    """Distortions (point, task) in one of `NORMALISATIONS`, so that a caller may loop over both.

    "loss span" takes `distortions` (point, task) as they are: 0 = uncompressed, 1 = nothing sent. "relative" takes
    `relative_distortions` of the other arguments. The unit of a task decides how much it counts under equal weights.
    Raises MooFsError for any other name.
    """
    if how not in NORMALISATIONS:
        raise MooFsError(f"normalisation: no '{how}'{did_you_mean(how, NORMALISATIONS)}")
    if how == RELATIVE:
        return relative_distortions(metrics, uncompressed, kinds)
    return float_array(distortions, "distortions", "point task", task=len(kinds))


def share_against(ours: ArrayLike, theirs: ArrayLike) -> Floats:
    """Share of the simplex (...) where `ours` (..., task) beats `theirs` (..., task), which broadcast; in [0, 1].

    Closed form: with d = ours - theirs at the corners and one corner a below 0, the cut leaves a corner of the triangle
    of share a / (a - b) . a / (a - c); with two below 0, the rest of such a corner; for two tasks a / (a - b). Equal
    vectors: 0.5. `share_against(p, q) + share_against(q, p)` is 1. Raises MooFsError unless tasks are 2 or 3.

    >>> float(share_against([0.0, 1.0, 1.0], [1.0, 0.0, 0.0]))
    0.25
    """
    one, other = _vectors(ours, "ours"), _vectors(theirs, "theirs")
    if one.shape[-1] != other.shape[-1]:
        raise MooFsError(f"theirs: wanted {one.shape[-1]} tasks as in ours, got {other.shape[-1]}")
    apart = np.sort(one - other, axis=-1)
    lowest, highest = apart[..., 0], apart[..., -1]
    if apart.shape[-1] == 2:
        found = _ratio(lowest, highest)
    else:
        middle = apart[..., 1]
        one_below = _ratio(lowest, middle) * _ratio(lowest, highest)
        one_above = _ratio(-highest, -middle) * _ratio(-highest, -lowest)
        found = np.where(middle < 0, 1 - one_above, one_below)
    found = np.where(lowest >= 0, 0.0, np.where(highest <= 0, 1.0, found))
    return np.asarray(np.where((lowest == 0) & (highest == 0), 0.5, found))


def share_of_all(distortions: ArrayLike) -> Floats:
    """Share of the simplex (..., measure) where each of `distortions` (..., measure, task) beats all rivals at once.

    The cells of the measures partition the simplex: shares sum to 1. Measures of equal distortions share their cell
    evenly. Raises MooFsError unless tasks are 2 or 3.

    >>> share_of_all([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]).round(3).tolist()
    [0.333, 0.333, 0.333]
    """
    vectors = _vectors(distortions, "distortions")
    if vectors.ndim < 2 or not vectors.shape[-2]:
        raise MooFsError(f"distortions: wanted axes (..., measure, task), got an array of shape {vectors.shape}")
    flat = np.ascontiguousarray(vectors.reshape(-1, *vectors.shape[-2:]))
    return np.asarray(cells(flat), dtype=np.float64).reshape(vectors.shape[:-1])


def winning_polygon(distortions: ArrayLike, measure: int) -> Floats:
    """The cell of `measure` among `distortions` (measure, task): its vertices (vertex, task) as weights, in order.

    Empty (0, task) if the measure wins nowhere. Measures of equal distortions have the same cell, each in full. The
    cell is convex, and its ends for two tasks. Raises MooFsError unless tasks are 2 or 3, and for an unknown measure.
    """
    vectors = _vectors(distortions, "distortions")
    if vectors.ndim != 2:
        raise MooFsError(f"distortions: wanted axes (measure, task), got an array of shape {vectors.shape}")
    if not 0 <= measure < len(vectors):
        raise MooFsError(f"measure: wanted 0 to {len(vectors) - 1}, got {measure}")
    vertices, share = polygon_of(np.ascontiguousarray(vectors), measure)
    return np.asarray(vertices if share > SMALLEST else vertices[:0], dtype=np.float64)


def _ratio(below: Floats, other: Floats) -> Floats:
    """Share of an edge on the side of `below`, below / (below - other); 0 where that has no meaning."""
    apart = below - other
    return np.divide(below, apart, out=np.zeros_like(apart), where=apart != 0)


def _vectors(values: ArrayLike, name: str) -> Floats:
    """Finite float64 values with axes (..., task), two or three tasks."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 1 or array.shape[-1] not in (2, 3):
        tasks = array.shape[-1] if array.ndim else 0
        raise MooFsError(
            f"{name}: wanted two or three tasks, whose weights are an interval or a triangle, got {tasks}; "
            "name two or three of them"
        )
    if not np.isfinite(array).all():
        raise MooFsError(f"{name}: wanted finite numbers, got {int((~np.isfinite(array)).sum())} that are not")
    return array
