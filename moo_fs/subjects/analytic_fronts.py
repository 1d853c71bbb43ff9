"""Fronts of the analytic subject: by a fine Lagrangian sweep, by enumeration, and with continuous depths."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike

from moo_fs import decoding
from moo_fs.contracts import MAX_BITS, Bits, Floats, MooFsError, float_array
from moo_fs.fronts import non_dominated
from moo_fs.subjects.linear_gaussian import AnalyticModel

FINE = 64


def simplex_grid(parts: int, *, steps: int) -> Floats:
    """All points of the simplex whose coordinates are multiples of 1 / steps: (point, parts).

    >>> simplex_grid(2, steps=2)
    array([[0. , 1. ],
           [0.5, 0.5],
           [1. , 0. ]])
    """
    cuts = itertools.combinations(range(steps + parts - 1), parts - 1)
    edges = np.array([(-1, *cut, steps + parts - 1) for cut in cuts])
    return np.asarray((np.diff(edges, axis=1) - 1) / steps)


def objectives(model: AnalyticModel, bits: ArrayLike, *, header: float = 0.128) -> Floats:
    """(allocation, 1 + task): rate in kbit with the header, and the distortions without noise."""
    rows = np.atleast_2d(np.asarray(bits))
    rate = model.rate[np.arange(model.channels), rows].sum(axis=1) + header
    return np.column_stack([rate, model.losses(rows, "test")])


def discrete_front(model: AnalyticModel, *, steps: int = 20, lambdas: int = 150) -> Bits:
    """Integer allocations (allocation, channel) that minimise `sum_t w_t D_t + lambda R` for some weights and lambda.

    Every one is on the discrete front; together they are its convex part, without duplicates, in lexical order. With
    interactions it is an approximation, because the sum no longer splits by channels.
    Everett, H. (1963), "Generalized Lagrange multiplier method for solving problems of optimum allocation".
    """
    found: set[bytes] = set()
    for weight in simplex_grid(len(model.tasks), steps=steps):
        shares = (weight @ model.weights)[:, None]
        low, high = decoding.lambda_range(model.error, model.rate)
        lam = np.geomspace(low * shares.max(), high * shares.max(), lambdas)
        bits = decoding.decode(shares, model.error, model.rate, weights=np.ones((lambdas, 1)), lam=lam)
        found.update(row.tobytes() for row in bits)
    rows = np.array([np.frombuffer(row, np.int8) for row in sorted(found)])
    return np.asarray(rows[non_dominated(objectives(model, rows))])


def enumerate_front(model: AnalyticModel) -> Bits:
    """The whole discrete front by looking at all 9^channels allocations; at most 6 channels."""
    if model.channels > 6:
        raise MooFsError(f"enumerate_front: wanted at most 6 channels, got {model.channels}")
    rows = np.stack(np.unravel_index(np.arange(9**model.channels), (9,) * model.channels), axis=1).astype(np.int8)
    return np.asarray(rows[non_dominated(objectives(model, rows))])


def continuous_front(model: AnalyticModel, weights: ArrayLike, *, points: int = 200, header: float = 0.128) -> Floats:
    """The front of continuous depths for one weighting of the tasks: (point, 1 + task), kbit and distortions.

    Depths in steps of 1/64 bit, rates interpolated linearly between whole depths. To be drawn only: no integer
    allocation lies below it for these weights. The reverse water-filling of Shannon, C. E. (1959), "Coding theorems
    for a discrete source with a fidelity criterion", solved by the multiplier's sweep.
    """
    weight = float_array(weights, "weights", "task", task=len(model.tasks))
    whole, fine = np.arange(MAX_BITS + 1), np.arange(MAX_BITS * FINE + 1) / FINE
    rate = np.array([np.interp(fine, whole, row) for row in model.rate])
    error = np.tile(4.0**-fine, (model.channels, 1))
    shares = weight @ model.weights
    low, high = decoding.lambda_range(error, rate)
    rows = []
    for lam in np.geomspace(low * shares.max(), high * shares.max(), points):
        chosen = np.argmin(shares[:, None] * error + lam * rate, axis=1)
        at = np.arange(model.channels), chosen
        rows.append([rate[at].sum() + header, *(model.weights @ error[at])])
    return np.array(rows)
