"""An additive model of the distortions: a function of each is a sum over channels of sensitivity x relative error."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from moo_fs import decoding
from moo_fs.contracts import Bits, Floats
from moo_fs.space import Space

LEAST = 0.02
RIDGE = 1e-4
MEMORY = 0.8


class Link(ABC):
    """A rising function g with g(0) = 0 and g(1) = 1 that makes distortions additive over channels."""

    @abstractmethod
    def additive(self, distortion: Floats) -> Floats:
        """G of distortions >= 0."""

    @abstractmethod
    def slope(self, distortion: Floats) -> Floats:
        """The derivative of g, kept finite at 0."""

    @abstractmethod
    def distortion(self, additive: Floats) -> Floats:
        """The inverse of g."""


@dataclass(frozen=True)
class Power(Link):
    """g(D) = D^p: root mean squares are additive once squared."""

    power: float

    def additive(self, distortion: Floats) -> Floats:
        """See `Link`."""
        return np.asarray(distortion**self.power)

    def slope(self, distortion: Floats) -> Floats:
        """See `Link`."""
        return np.asarray(self.power * (distortion + LEAST) ** (self.power - 1.0))

    def distortion(self, additive: Floats) -> Floats:
        """See `Link`."""
        return np.asarray(additive ** (1.0 / self.power))


@dataclass(frozen=True)
class Saturating(Link):
    """g(D) = -ln(1 - (1 - e^-k) D) / k: damage that levels off, as a classifier's loss near chance does."""

    rate: float

    @property
    def _top(self) -> float:
        return float(1.0 - np.exp(-self.rate))

    def additive(self, distortion: Floats) -> Floats:
        """See `Link`; a distortion beyond the level counts as just below it."""
        return np.asarray(-np.log1p(-np.minimum(self._top * distortion, 0.99)) / self.rate)

    def slope(self, distortion: Floats) -> Floats:
        """See `Link`."""
        return np.asarray(self._top / self.rate / (1.0 - np.minimum(self._top * distortion, 0.99)))

    def distortion(self, additive: Floats) -> Floats:
        """See `Link`."""
        return np.asarray((1.0 - np.exp(-self.rate * additive)) / self._top)


LINKS: tuple[Link, ...] = (Power(1.0), Power(2.0), Power(0.5), Saturating(1.5), Saturating(4.0))


class Additive:
    """Non-negative ridge regression of distortions on the channels' relative errors, shrunk towards a prior.

    `g_t(D_t) = sum_c s_tc error(c, bits_c)`, `s >= 0`. Each task takes the link g that foretold the latest evaluations
    best, before they were learnt from. The prior is the scores, scaled so that nothing sent costs 1 (flat without
    scores). Evaluations count by the inverse square of `D_t + 0.02`: small distortions are where the search decides.
    Only sums over evaluations are kept, so a refit costs the same after a hundred as after a million.
    """

    def __init__(self, space: Space) -> None:
        self._error = space.error
        channels, tasks = space.channels, len(space.tasks)
        scores = np.ones((channels, tasks)) if space.scores is None else decoding.normalise(space.scores)
        scores = np.where(scores.max(axis=0) > 0, scores, 1.0) + 0.01
        self._prior = (scores / scores.sum(axis=0)).T
        self._gram = np.zeros((len(LINKS), tasks, channels, channels))
        self._moment = np.zeros((len(LINKS), tasks, channels))
        self._learnt = np.tile(self._prior, (len(LINKS), 1, 1))
        self._missed = np.zeros((len(LINKS), tasks))
        self._counted = 0

    @property
    def sensitivities(self) -> Floats:
        """Sensitivities (task, channel) under each task's link."""
        return np.asarray(self._learnt[self._chosen, np.arange(len(self._prior))])

    @property
    def links(self) -> list[Link]:
        """The link of each task."""
        return [LINKS[index] for index in self._chosen]

    def add(self, bits: Bits, distortions: Floats) -> None:
        """Count evaluations: bits (allocation, channel), distortions (allocation, task).

        The first ones are taken in two halves, so that the second can be foretold from the first.
        """
        errors, values = self._error[np.arange(bits.shape[1]), bits], np.maximum(distortions, 0.0)
        if not self._counted and len(bits) > 1:
            half = len(bits) // 2
            self._learn(errors[:half], values[:half])
            self.refit()
            errors, values = errors[half:], values[half:]
        if len(errors):
            self._judge(errors, values)
            self._learn(errors, values)

    def refit(self) -> None:
        """Find the sensitivities from all evaluations counted so far."""
        for link in range(len(LINKS)):
            for task in range(len(self._prior)):
                self._learnt[link, task] = self._solve(link, task)

    def predict(self, bits: Bits) -> Floats:
        """Distortions (allocation, task) of bits (allocation, channel)."""
        summed = self._error[np.arange(bits.shape[1]), bits] @ self.sensitivities.T
        return np.column_stack([link.distortion(column) for link, column in zip(self.links, summed.T, strict=True)])

    @property
    def _chosen(self) -> NDArray[np.int64]:
        return np.asarray(self._missed.argmin(axis=0))

    def _learn(self, errors: Floats, distortions: Floats) -> None:
        self._counted += len(errors)
        for index, link in enumerate(LINKS):
            weight = (link.slope(distortions) * (distortions + LEAST)) ** -2.0
            for task, values in enumerate(link.additive(distortions).T):
                weighted = errors * weight[:, task, None]
                self._gram[index, task] += weighted.T @ errors
                self._moment[index, task] += weighted.T @ values

    def _judge(self, errors: Floats, distortions: Floats) -> None:
        """Add each link's mean squared log error on new evaluations, the past forgotten at a fifth a batch."""
        for index, link in enumerate(LINKS):
            predicted = link.distortion(errors @ self._learnt[index].T)
            missed = np.log((predicted + LEAST) / (distortions + LEAST)) ** 2
            self._missed[index] = MEMORY * self._missed[index] + missed.mean(axis=0)

    def _solve(self, link: int, task: int) -> Floats:
        """The non-negative minimiser, in units of the prior: a channel that it thinks unimportant is moved last."""
        prior = self._prior[task]
        scale = np.sqrt(prior * prior.mean())
        gram = self._gram[link, task] * np.outer(scale, scale)
        ridge = RIDGE * np.trace(gram) / len(prior) + 1e-9
        gram[np.diag_indices_from(gram)] += ridge
        moment = self._moment[link, task] * scale + ridge * prior / scale
        factor = cholesky(gram, lower=True)
        try:
            solution, _ = nnls(factor.T, solve_triangular(factor, moment, lower=True), maxiter=30 * len(prior))
        except RuntimeError:  # no convergence: what was believed so far is better than a stopped run
            return np.asarray(self._learnt[link, task])
        return np.asarray(solution * scale)
