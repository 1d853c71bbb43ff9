"""The greedy search behind `moo_fs.renyi.rank`; `Exact` and `Frobenius` compare all candidates at each step.

Everything lives on pairs of samples a < b (the order of `scipy.spatial.distance.pdist`): a running product (pair,) of
what is conditioned on and taken so far, and one row of kernel values per candidate. Candidates' kernels have
diagonal 1, so that the product's diagonal never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from moo_fs.contracts import Floats
from moo_fs.renyi_entropy import entropy_of, entropy_of_eigenvalues

# The share of the sum of squares that all dropped pairs together may have had: entropies shift by at most as much.
DROPPED = 1e-12


@dataclass(frozen=True)
class Variables:
    """What is searched: kernels (channel, pair), `prior` and `target` (sample, sample), the entropy's order.

    `starts` (label + 1,) are where each label's samples begin, if the samples are sorted by label; else None.
    """

    kernels: Floats
    prior: Floats
    target: Floats
    starts: NDArray[np.int64] | None
    alpha: float


@dataclass(frozen=True)
class Choice:
    """One step: the channel, I(Y; prior, taken) and S(prior, taken) after it, its lead, how many were compared."""

    channel: int
    information: float
    joint: float
    lead: float
    compared: int


class Chooser(Protocol):
    """Says which of `channels` to take next, given the running `product` (pair,)."""

    def choose(self, product: Floats, channels: NDArray[np.int64]) -> Choice:
        """The next step."""


def search(variables: Variables, chooser: Chooser, channels: NDArray[np.int64]) -> list[Choice]:
    """Greedy steps until every one of `channels` is taken; ties go to the lowest index."""
    product = pairs_of(variables.prior)
    steps = []
    while len(channels):
        step = chooser.choose(product, channels)
        product = product * variables.kernels[step.channel]
        channels = channels[channels != step.channel]
        steps.append(step)
    return steps


def pairs_of(matrix: Floats) -> Floats:
    """The values (pair,) above the diagonal of a symmetric matrix."""
    return np.asarray(squareform(matrix, checks=False))


class Exact:
    """Every candidate by eigenvalues."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.diagonal = variables.prior.diagonal()
        self.target_entropy = entropy_of(variables.target, variables.alpha)

    def choose(self, product: Floats, channels: NDArray[np.int64]) -> Choice:
        """All `channels` compared."""
        return best(channels, self.of_candidates(product, channels))

    def of_candidates(self, product: Floats, channels: NDArray[np.int64]) -> Floats:
        """(candidate, 2): I(Y; prior, taken, candidate) and S(prior, taken, candidate) in nats."""
        return np.array([self.of_product(product * self.variables.kernels[channel]) for channel in channels])

    def of_product(self, product: Floats) -> tuple[float, float]:
        """Information about the target, and entropy, in nats of a product (pair,)."""
        matrix: Floats = squareform(product, checks=False)
        np.fill_diagonal(matrix, self.diagonal)
        joint = entropy_of(matrix, self.variables.alpha)
        return self.target_entropy + joint - self._with_target(matrix), joint

    def _with_target(self, matrix: Floats) -> float:
        starts, alpha = self.variables.starts, self.variables.alpha
        if starts is None or alpha == 2:
            return entropy_of(matrix * self.variables.target, alpha)
        # Samples of different labels share nothing: the eigenvalues are those of the labels' blocks.
        normalised = matrix / matrix.trace()
        blocks = [normalised[a:b, a:b] for a, b in pairwise(starts)]
        return entropy_of_eigenvalues(np.concatenate([np.linalg.eigvalsh(block) for block in blocks]), alpha)


class Frobenius:
    """Every candidate at alpha = 2, where an entropy is a sum over pairs: a product of a matrix and two columns.

    Pairs whose weight has vanished, and rows of channels taken, leave the matrix.
    """

    def __init__(self, variables: Variables, channels: NDArray[np.int64]) -> None:
        self.rows = channels.copy()
        self.squares = variables.kernels[channels] ** 2
        diagonals = np.stack([variables.prior.diagonal(), (variables.prior * variables.target).diagonal()])
        self.diagonal_squares = (diagonals**2).sum(axis=1)
        self.log_traces = np.log(diagonals.sum(axis=1))
        self.target_entropy = entropy_of(variables.target, 2)
        self.weights = np.stack([pairs_of(variables.prior), pairs_of(variables.prior * variables.target)]) ** 2
        self._drop_pairs()

    def choose(self, product: Floats, channels: NDArray[np.int64]) -> Choice:
        """All `channels` compared; `product` is not needed."""
        rows = np.argsort(self.rows)
        step = best(channels, self.of_candidates()[rows])
        self.take(step.channel)
        return step

    def of_candidates(self) -> Floats:
        """(row, 2): I(Y; prior, taken, candidate) and S(prior, taken, candidate) in nats at alpha = 2."""
        sums = _two_products(self.squares[: len(self.rows)], self.weights)
        entropies = 2 * self.log_traces - np.log(self.diagonal_squares + 2 * sums)
        return np.stack([self.target_entropy + entropies[:, 0] - entropies[:, 1], entropies[:, 0]], axis=1)

    def take(self, channel: int) -> None:
        """Multiply the weights by a candidate's kernel and forget the candidate."""
        row, last = int(np.flatnonzero(self.rows == channel)[0]), len(self.rows) - 1
        self.weights = self.weights * self.squares[row]
        self.squares[row], self.rows[row] = self.squares[last], self.rows[last]
        self.rows = self.rows[:last]
        self._drop_pairs()

    def _drop_pairs(self) -> None:
        limit = DROPPED * self.diagonal_squares / max(1, self.weights.shape[1])
        live = (self.weights > limit[:, None]).any(axis=0)
        if live.sum() < 0.75 * len(live):
            self.weights = np.ascontiguousarray(self.weights[:, live])
            self.squares = np.ascontiguousarray(self.squares[: len(self.rows), live])


def best(channels: NDArray[np.int64], values: Floats) -> Choice:
    """The channel of the largest information among `values` (channel, 2); its lead is infinite if it is alone."""
    at = int(values[:, 0].argmax())
    others = np.delete(values[:, 0], at)
    lead = float(values[at, 0] - others.max()) if len(others) else np.inf
    return Choice(int(channels[at]), float(values[at, 0]), float(values[at, 1]), lead, len(channels))


@numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _two_products(rows, weights):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    found = np.empty((len(rows), 2))
    first, second = weights[0], weights[1]
    for at in range(len(rows)):
        row = rows[at]
        a, b = 0.0, 0.0
        for pair in range(len(first)):
            a += row[pair] * first[pair]
            b += row[pair] * second[pair]
        found[at, 0], found[at, 1] = a, b
    return found
