"""The greedy search that compares a shortlist only: `Hybrid`, and the `Tangent` that predicts who belongs on it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from moo_fs.contracts import Floats
from moo_fs.renyi_search import Choice, Exact, Frobenius, Variables, best, pairs_of

# A shortlist has at least FEWEST candidates, PROPOSED of them by alpha = 2. It ends where the next one would have to
# beat its prediction by more than MARGIN of the largest error seen. On 18 cases that did not choose them (14 strongly
# dependent; 24 or 64 channels) the order was the exact one in 17.
FEWEST, PROPOSED, MARGIN = 5, 1, 0.5
# Eigenvalues are not taken below this: a derivative there says nothing about a step of finite size.
SMALLEST = 1e-12


class Hybrid:
    """Exact values of a shortlist, which lengthens by its own errors.

    First come the candidates that alpha = 2 proposes, then those that the tangent predicts to be best: the information
    linearised at the mean kernel of all candidates, one eigendecomposition for all of them. Candidates are looked at
    until the next one, even with half of the largest error of prediction seen lately, would not win.
    """

    def __init__(self, variables: Variables, channels: NDArray[np.int64]) -> None:
        self.exact, self.tangent = Exact(variables), Tangent(variables)
        self.kernels = variables.kernels
        self.proposals = Frobenius(variables, channels)
        self.total = variables.kernels[channels].sum(axis=0)
        self.error = 0.0

    def choose(self, product: Floats, channels: NDArray[np.int64]) -> Choice:
        """The shortlist compared."""
        # Up to a constant, which the shortlist finds.
        slopes = self.tangent.slopes(product * (self.total / len(channels)))
        predicted = (self.kernels @ (product * slopes))[channels]
        proposed = channels[np.argsort(-self._at_alpha_2()[channels], kind="stable")[:PROPOSED]]
        ranked = np.argsort(-predicted, kind="stable")
        ranked = np.concatenate(
            [np.flatnonzero(np.isin(channels, proposed)), ranked[~np.isin(channels[ranked], proposed)]]
        )
        step = self._shortlist(product, channels[ranked], predicted[ranked])
        self.proposals.take(step.channel)
        self.total = self.total - self.kernels[step.channel]
        return step

    def _at_alpha_2(self) -> Floats:
        information = np.full(len(self.kernels), -np.inf)
        information[self.proposals.rows] = self.proposals.of_candidates()[:, 0]
        return information

    def _shortlist(self, product: Floats, channels: NDArray[np.int64], predicted: Floats) -> Choice:
        count = min(FEWEST, len(channels))
        values = self.exact.of_candidates(product, channels[:count])
        while True:
            errors = values[:, 0] - predicted[:count]
            # What all looked at have missed by, the others miss by as well.
            drift = float(np.median(errors))
            margin = max(self.error, float(np.abs(errors - drift).max()))
            if count == len(channels) or predicted[count] + drift + MARGIN * margin < values[:, 0].max():
                break
            values = np.concatenate([values, self.exact.of_candidates(product, channels[count : count + 1])])
            count += 1
        self.error = margin / 2
        order = np.argsort(channels[:count])
        return best(channels[:count][order], values[order])


class Tangent:
    """Derivatives of the information by the entries of a product.

    Of an entropy: `alpha / (1 - alpha) A ** (alpha - 1) / trace(A ** alpha)`, from eigenvalues and eigenvectors.
    """

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.diagonal = variables.prior.diagonal()

    def slopes(self, product: Floats) -> Floats:
        """(pair,) dI / d(value) of a product (pair,); a value moves both entries of its pair."""
        matrix: Floats = squareform(product, checks=False)
        np.fill_diagonal(matrix, self.diagonal)
        found = self._of_entropy(matrix, [slice(None)])
        target, starts = self.variables.target, self.variables.starts
        blocks = [slice(None)] if starts is None else [slice(a, b) for a, b in pairwise(starts)]
        found -= self._of_entropy(matrix * target, blocks) * target
        return np.asarray(2 * pairs_of(found))

    def _of_entropy(self, matrix: Floats, blocks: list[slice]) -> Floats:
        """DS / d(entry) of a block-diagonal matrix, up to a multiple of the identity."""
        alpha, trace, power = self.variables.alpha, matrix.trace(), 0.0
        found = np.zeros_like(matrix)
        for block in blocks:
            values, vectors = np.linalg.eigh(matrix[block, block] / trace)
            values = np.maximum(values, SMALLEST)
            power += float((values**alpha).sum())
            found[block, block] = (vectors * _powers(values, alpha - 1)) @ vectors.T
        return np.asarray(found * alpha / power / trace)


def _powers(values: Floats, less: float) -> Floats:
    """`values ** less / -less`, up to a constant; `-ln` of the values where `less` is 0."""
    return np.asarray(-np.log(values) if less == 0 else np.expm1(less * np.log(values)) / -less)
