"""Matrix-based Rényi entropy, and channels ranked by conditional mutual information with a target, in nats.

The next channel is the one that, with all before it, says most about the target. The chain rule is exact in this
estimator: `I(Y; rest | prior, taken) = I(Y; prior, all) - I(Y; prior, taken)`, so that the curve costs nothing extra.
Yu, S., Sanchez Giraldo, L. G., Jenssen, R. and Principe, J. C. (2020), "Multivariate extension of matrix-based Rényi's
alpha-order entropy functional"; Vu-Van, T., Du Thanh, D., Ho, N. and Vu, M. (2024), "Pruning Deep Convolutional Neural
Network Using Conditional Mutual Information".
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moo_fs.contracts import Floats, MooFsError, did_you_mean
from moo_fs.renyi_entropy import (
    Array,
    checked_gram,
    checked_labels,
    checked_maps,
    checked_order,
    entropy,
    full,
    gram,
    grams,
    joint_entropy,
    label_gram,
    pair_kernels,
    width_median,
    width_published,
)
from moo_fs.renyi_hybrid import Hybrid
from moo_fs.renyi_search import Choice, Chooser, Exact, Frobenius, Variables, pairs_of, search
from moo_fs.renyi_targets import conditioning, target_gram

__all__ = [
    "Ranking",
    "UndeterminedOrderWarning",
    "conditioning",
    "entropy",
    "gram",
    "grams",
    "joint_entropy",
    "label_gram",
    "rank",
    "target_gram",
    "width_median",
    "width_published",
]
METHODS = ("exact", "hybrid", "frobenius")
# Gains and leads below this many nats are rounding.
DETERMINED = 1e-9


class UndeterminedOrderWarning(UserWarning):
    """Less than half of a ranking is determined by the data; the rest is rounding."""


@dataclass(frozen=True)
class Ranking:
    """Channels in the order in which they were taken.

    Attributes:
        order: (channel,), all channels; constant ones last.
        cmi: (step,) nats, I(Y; not yet taken | prior, taken) after step + 1 selections; the last is 0.
        determined: how many steps come before the first whose gain, or lead over the second, is below 1e-9 nats.
        method: "exact", "hybrid" (an approximation: `shortlist` says of how many) or "frobenius".
        alpha: the order of the entropies; of "frobenius" always 2.
        width: the rule of the kernel widths; `widths` (channel,) are the widths.
        information: (step,) nats, I(Y; prior, taken); at most `target_entropy`, S(Y).
        saturation: (step,) S(prior, taken) / ln N: at 1 all samples differ and nothing more can be learnt.
        shortlist: (step,), how many candidates were compared at the order alpha; of "exact", all that were left.
    """

    order: NDArray[np.int64]
    cmi: Floats
    determined: int
    method: str
    alpha: float
    width: str
    widths: Floats
    information: Floats
    target_entropy: float
    saturation: Floats
    shortlist: NDArray[np.int64]


def rank(
    maps: Array,
    target: Array,
    *,
    alpha: float = 1.01,
    width: str = "median",
    conditioned_on: Array | None = None,
    method: str = "hybrid",
    largest_product: int | None = None,
) -> Ranking:
    """Rank channels by what they tell about `target` beyond the channels before them and `conditioned_on`.

    Args:
        maps: (sample, channel, h, w), numpy or torch; each channel's map is one variable.
        target: integer labels (sample,), under the delta kernel, or a kernel matrix (sample, sample).
        alpha: order of the entropies.
        width: "median" (`width_median`) or "published" (`width_published`: saturates unless values are small).
        conditioned_on: maps (sample, channel, h, w), under the same rule, or their kernels' product (sample, sample).
        method: "exact" (eigenvalues of every candidate), "hybrid" (eigenvalues of a shortlist) or
            "frobenius" (alpha = 2 throughout, whatever `alpha` says).
        largest_product: maps in the largest product of the run; None: the channels and maps conditioned on here.

    Warns:
        UndeterminedOrderWarning: if fewer than half of the steps are determined.

    Raises:
        MooFsError: if shapes disagree, a number is not finite or an argument is out of range.
    """
    order = 2.0 if method == "frobenius" else checked_order(alpha)
    if method not in METHODS:
        raise MooFsError(f"method: no '{method}'{did_you_mean(str(method), METHODS)}")
    method = "frobenius" if method == "hybrid" and order == 2 else method
    variables, widths = variables_of(
        maps, target, alpha=order, width=width, conditioned_on=conditioned_on, largest_product=largest_product
    )
    ranking = _ranking(variables, method, width, widths)
    _warn(ranking)
    return ranking


def variables_of(
    maps: Array,
    target: Array,
    *,
    alpha: float,
    width: str,
    conditioned_on: Array | None = None,
    largest_product: int | None = None,
) -> tuple[Variables, Floats]:
    """What a ranking looks at, checked, samples sorted by label, and the channels' widths (channel,); see `rank`."""
    array = checked_maps(maps, "maps")
    prior, count = _prior(conditioned_on, len(array))
    largest = array.shape[1] + count if largest_product is None else largest_product
    matrix, starts, by_label = _target(target, len(array))
    if prior.ndim == 4:
        prior = full(pair_kernels(prior, width=width, largest_product=largest)[0].prod(axis=0))
    kernels, widths = pair_kernels(array[by_label], width=width, largest_product=largest)
    return Variables(kernels, prior[np.ix_(by_label, by_label)], matrix, starts, alpha), widths


def _ranking(variables: Variables, method: str, width: str, widths: Floats) -> Ranking:
    constant = (variables.kernels == 1).all(axis=1)
    informative, exact = np.flatnonzero(~constant), Exact(variables)
    before, joint = exact.of_product(pairs_of(variables.prior))
    steps = search(variables, _chooser(method, variables, informative), informative)
    for channel in np.flatnonzero(constant):
        last = steps[-1] if steps else Choice(0, before, joint, 0.0, 0)
        steps.append(Choice(int(channel), last.information, last.joint, 0.0, 0))
    information = np.array([step.information for step in steps])
    gains = np.diff(information, prepend=before)
    unclear = (gains < DETERMINED) | (np.array([step.lead for step in steps]) < DETERMINED)
    return Ranking(
        order=np.array([step.channel for step in steps]),
        cmi=information[-1] - information,
        determined=int(unclear.argmax()) if unclear.any() else len(steps),
        method=method,
        alpha=variables.alpha,
        width=width,
        widths=widths,
        information=information,
        target_entropy=exact.target_entropy,
        saturation=np.array([step.joint for step in steps]) / np.log(len(variables.target)),
        shortlist=np.array([step.compared for step in steps]),
    )


def _chooser(method: str, variables: Variables, channels: NDArray[np.int64]) -> Chooser:
    if method == "exact":
        return Exact(variables)
    return Hybrid(variables, channels) if method == "hybrid" else Frobenius(variables, channels)


def _prior(conditioned_on: Array | None, samples: int) -> tuple[Floats, int]:
    """What is conditioned on, as a matrix (sample, sample) or as maps, and how many maps it is known to hold."""
    if conditioned_on is None:
        return np.ones((samples, samples)), 0
    if getattr(conditioned_on, "ndim", None) == 4:
        maps = checked_maps(conditioned_on, "conditioned_on", samples)
        return maps, maps.shape[1]
    matrix = checked_gram(conditioned_on, "conditioned_on", samples)
    return matrix / matrix.diagonal().max(), 0


def _target(target: Array, samples: int) -> tuple[Floats, NDArray[np.int64] | None, NDArray[np.int64]]:
    """The target's kernel matrix, where each label begins (None of a matrix), and the samples' order."""
    if np.ndim(target) == 2:
        matrix = checked_gram(target, "target", samples)
        return matrix / matrix.diagonal().max(), None, np.arange(samples)
    codes = checked_labels(target, "target")
    if len(codes) != samples:
        raise MooFsError(f"target: wanted {samples} labels, one a sample of maps, got {len(codes)}")
    sizes = np.bincount(codes)
    if (sizes >= 2).sum() < 2:
        raise MooFsError(f"target: wanted at least two labels with two samples each, got {(sizes >= 2).sum()}")
    by_label = np.argsort(codes, kind="stable")
    return label_gram(codes[by_label]), np.concatenate([[0], np.cumsum(sizes)]), by_label


def _warn(ranking: Ranking) -> None:
    if ranking.determined < len(ranking.order) / 2:
        warnings.warn(
            f"only {ranking.determined} of {len(ranking.order)} steps are determined (width '{ranking.width}', entropy "
            f"at {ranking.saturation[0]:.0%} of ln N after the first map); the rest of the order is rounding",
            UndeterminedOrderWarning,
            stacklevel=3,
        )
