"""Importance as information between patches of a channel and what the network puts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from moo_fs.information import pair_mutual_information
from moo_fs.measures.patches import Drawn, believed, below_null, check_permutations, draw_patches, usable
from moo_fs.pairwise_information import LARGEST_SELF_SHARE, PairwiseInformation, pairwise_mutual_information
from moo_fs.registry import measure
from moo_fs.split import Batch, Report


@measure("mutual-information", needs=("features", "outputs"), whole=True)
def mutual_information(
    batch: Batch,
    *,
    rng: np.random.Generator,
    patch: int | None = None,
    clusters: int | None = None,
    neighbours: int = 3,
    pairs: int = 3000,
    transform: str = "rank",
    whiten: bool = False,
    queries: int | None = None,
    permutations: int = 0,
) -> Report:
    r"""$I(X_i; Y_j)$ in nats: a patch of channel i against the cluster of the aligned patch of the model's output j.

    Ranjbar Alvar, S., Bajić, I. V. (2024), "Compressive feature selection for remote visual multi-task inference"; the
    estimator is Ross's (`moo_fs.information`), and every number below is our choice. About 0 (also slightly negative)
    for a channel that says nothing, exactly 0 for a constant one, at most the entropy of the clusters.
    Cost: one pass of all heads an image, then at most `pairs`^2 distances a channel, shared by the tasks.

    Reports what `patches.believed` does, and with `permutations` the null's mean and spread over channels and
    permutations.

    Args:
        batch: features and outputs of all images drawn.
        rng: draws the pairs, the k-means start and the permutations.
        patch: side of a feature patch, see `patches.draw_patches`.
        clusters: of each task's output patches, see there.
        neighbours: k of the estimator.
        pairs: patch pairs drawn, the same ones for every channel and task; 3000 is fast, 5000 and more is steadier.
        transform: "rank", "standard" or "none".
        whiten: whether each channel's patches are whitened (principal components) after that.
        queries: average over this many of the pairs instead of all.
        permutations: for the null: whole images' labels are shuffled so often; 0 for none.
    """
    options = {"neighbours": neighbours, "transform": transform, "whiten": whiten, "queries": queries}
    check_permutations("mutual-information", permutations, 0)
    drawn = draw_patches("mutual-information", batch, rng, patch=patch, clusters=clusters, pairs=pairs)
    return _ross(batch, drawn, rng, permutations, options)


@measure("shuffled-mutual-information", needs=("features", "outputs"), whole=True)
def shuffled_mutual_information(
    batch: Batch,
    *,
    rng: np.random.Generator,
    patch: int | None = None,
    clusters: int | None = None,
    neighbours: int = 3,
    pairs: int = 3000,
    transform: str = "rank",
    whiten: bool = False,
    queries: int | None = None,
    permutations: int = 0,
) -> Report:
    """`mutual_information` of the same pairs after their labels were shuffled, each task's by itself: a null.

    What a comparison must call no better than random: it has the estimator, its cost and the distribution of labels,
    but what a label says of its patch is gone, and that patches of an image are alike as well. Scores are the
    estimator's noise about 0. Options as there.
    """
    options = {"neighbours": neighbours, "transform": transform, "whiten": whiten, "queries": queries}
    check_permutations("shuffled-mutual-information", permutations, 0)
    drawn = draw_patches("shuffled-mutual-information", batch, rng, patch=patch, clusters=clusters, pairs=pairs)
    shuffled = drawn._replace(labels=rng.permuted(drawn.labels, axis=1))
    return _ross(batch, shuffled, rng, permutations, options)


@measure("mutual-information-kde", needs=("features", "outputs"), whole=True)
def mutual_information_kde(
    batch: Batch,
    *,
    rng: np.random.Generator,
    patch: int | None = None,
    clusters: int | None = 16,
    pairs: int = 3000,
    variance: float = 0.2,
    permutations: int = 2,
) -> Report:
    r"""$I(X_i; Y_j)$ in nats as `mutual_information`, by the pairwise-distance estimator under Gaussian noise.

    Kolchinsky, A., Tracey, B. D. (2017), "Estimating mixture entropy with pairwise distances". What independent labels
    would give (the mean over `permutations`, of each channel and task) is subtracted, because it is no small number;
    the null's mean is what was subtracted, its spread that of one permutation.
    Exactly 0 for a constant channel. Cost: as there, with an exponential a distance.

    Reports, beside what `patches.believed` does, "self_share" (channel, task): a channel whose points see mostly
    themselves in a label's sum, over one half, is scored 0 and named in a doubt: its estimate says nothing.

    Args:
        batch: features and outputs of all images drawn.
        rng: draws the pairs, the k-means start and the permutations.
        patch: side of a feature patch, see `patches.draw_patches`.
        clusters: of each task's output patches; None as for `mutual_information`, our choice is fewer.
        pairs: patch pairs drawn, the same ones for every channel and task.
        variance: of the noise, per dimension of the standardised patches.
        permutations: whose mean is subtracted, at least 2; whole images' labels are shuffled.
    """
    check_permutations("mutual-information-kde", permutations, 2)
    drawn = draw_patches("mutual-information-kde", batch, rng, patch=patch, clusters=clusters, pairs=pairs)
    found = _pairwise(drawn, rng, variance=variance, permutations=permutations)
    refused = found.self_share > LARGEST_SELF_SHARE
    values = np.where(refused, 0.0, found.values)
    details, doubts = believed(drawn, values, batch)
    for task, share in zip(batch.tasks, refused.mean(axis=0), strict=True):
        if share:
            doubts.append(f"{task.name}: {share:.0%} of the channels are refused, their points see mostly themselves")
    spread = np.sqrt((found.spread**2).mean(axis=0))
    doubts += below_null(batch, values, np.zeros(len(spread)), spread)
    details |= {"self_share": ("channel task", found.self_share), "raw": ("channel task", found.raw)}
    return Report(values, found.null.mean(axis=0), spread, details, tuple(doubts))


def _pairwise(drawn: Drawn, rng: np.random.Generator, *, variance: float, permutations: int) -> PairwiseInformation:
    """The estimates, all zero of a task whose labels say nothing."""
    channels, tasks = len(drawn.points), len(drawn.labels)
    found = {name: np.zeros((channels, tasks)) for name in PairwiseInformation.__dataclass_fields__}
    kept = [task for task in range(tasks) if usable(drawn.labels[task])]
    if kept:
        estimates = pairwise_mutual_information(
            drawn.points, drawn.labels[kept], variance_per_dimension=variance, rng=rng,
            shuffled=drawn.shuffled(rng.spawn(1)[0], permutations)[:, kept],
        )  # fmt: skip
        for name, values in found.items():
            values[:, kept] = getattr(estimates, name)
    return PairwiseInformation(**found)


def _ross(
    batch: Batch, drawn: Drawn, rng: np.random.Generator, permutations: int, options: Mapping[str, Any]
) -> Report:
    labels = drawn.labels
    # A stream of its own: the null, asked for or not, moves no score.
    nulls = drawn.shuffled(rng.spawn(1)[0], permutations) if permutations else np.empty((0, *labels.shape), np.int64)
    found = pair_mutual_information(drawn.points, np.concatenate([labels, *nulls]), rng=rng, **options)
    values = found[:, : len(labels)]
    details, doubts = believed(drawn, values, batch)
    if not permutations:
        return Report(values, details=details, doubts=tuple(doubts))
    null = found[:, len(labels) :].reshape(len(values), permutations, len(labels))
    mean, spread = null.mean((0, 1)), null.std((0, 1))
    return Report(values, mean, spread, details, (*doubts, *below_null(batch, values, mean, spread)))
