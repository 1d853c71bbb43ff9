"""An additive model of the distortions: each task a sum over channels of sensitivity x relative error at the depth."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from moo_fs import decoding
from moo_fs.contracts import Bits, Floats
from moo_fs.space import Space

LEAST_DISTORTION = 0.02
RIDGE = 1e-4


class Additive:
    """Non-negative ridge regression of distortions on the channels' relative errors, shrunk towards a prior.

    `D_t = sum_c s_tc error(c, bits_c)`, `s >= 0`. The prior is the scores scaled so that nothing sent costs 1 (flat
    without scores). Evaluations count by the square of `1 / (D_t + 0.02)`: small distortions are where the search
    decides, and there a small absolute error matters. Only sums over evaluations are kept, so a refit costs the same
    after a hundred as after a million.
    """

    def __init__(self, space: Space) -> None:
        self._error = space.error
        channels, tasks = space.channels, len(space.tasks)
        scores = np.ones((channels, tasks)) if space.scores is None else decoding.normalise(space.scores)
        scores = np.where(scores.max(axis=0) > 0, scores, 1.0) + 0.01
        self._prior = (scores / scores.sum(axis=0)).T
        self._gram = np.zeros((tasks, channels, channels))
        self._moment = np.zeros((tasks, channels))
        self.sensitivities = self._prior.copy()

    def add(self, bits: Bits, distortions: Floats) -> None:
        """Count evaluations: bits (allocation, channel), distortions (allocation, task)."""
        errors = self._error[np.arange(bits.shape[1]), bits]
        for task, values in enumerate(distortions.T):
            weight = 1.0 / (np.maximum(values, 0.0) + LEAST_DISTORTION) ** 2
            self._gram[task] += (errors * weight[:, None]).T @ errors
            self._moment[task] += errors.T @ (weight * values)

    def refit(self) -> None:
        """Sensitivities (task, channel) from all evaluations counted so far."""
        self.sensitivities = np.array([self._solve(task) for task in range(len(self._prior))])

    def predict(self, bits: Bits) -> Floats:
        """Distortions (allocation, task) of bits (allocation, channel)."""
        return np.asarray(self._error[np.arange(bits.shape[1]), bits] @ self.sensitivities.T)

    def _solve(self, task: int) -> Floats:
        """The non-negative minimiser, in units of the prior: a channel that it thinks unimportant is moved last."""
        prior = self._prior[task]
        scale = np.sqrt(prior * prior.mean())
        gram = self._gram[task] * np.outer(scale, scale)
        ridge = RIDGE * np.trace(gram) / len(prior) + 1e-9
        gram[np.diag_indices_from(gram)] += ridge
        moment = self._moment[task] * scale + ridge * prior / scale
        factor = cholesky(gram, lower=True)
        try:
            solution, _ = nnls(factor.T, solve_triangular(factor, moment, lower=True), maxiter=30 * len(prior))
        except RuntimeError:  # no convergence: what was believed so far is better than a stopped run
            return np.asarray(self.sensitivities[task])
        return np.asarray(solution * scale)
