"""Importance as what a channel adds to the channels before it: rankings by conditional mutual information."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from moo_fs import renyi
from moo_fs.contracts import Floats, MooFsError, did_you_mean
from moo_fs.decoding import from_order
from moo_fs.registry import measure
from moo_fs.split import Batch, Report

TARGETS = ("output", "labels")


@measure("conditional-mutual-information", needs=("features", "outputs", "targets"), whole=True)
def conditional_mutual_information(
    batch: Batch,
    *,
    rng: np.random.Generator,
    target: str = "output",
    images: int = 256,
    alpha: float = 1.01,
    width: str = "median",
    method: str = "hybrid",
) -> Report:
    r"""A greedy order per task: next comes the channel that, with all before it, tells most about the task's output.

    Vu-Van, T. et al. (2024), "Pruning deep convolutional neural network using conditional mutual information", with
    dense outputs as targets in the place of labels (our choice). An image is a sample, a channel's whole map a
    variable; matrix-based Rényi entropies (`moo_fs.renyi.rank`). The score of an order is $(C - rank) / C$. Scale and
    sign of the maps do not matter; constant channels come last. Cost: one pass of all heads an image, then a few
    eigenvalue problems (image x image) a step and task.

    Reports per task "determined" (share of the steps that are not rounding), "saturation" (entropy of the first map
    over ln N), "target_entropy" (nats), "information" (channel, task): nats that are told once the channel is taken.

    Args:
        batch: features, outputs and targets of all images drawn.
        rng: draws the images where there are more than `images`.
        target: "output" (what the model puts out) or "labels" (the task's targets).
        images: at most so many are looked at; a step costs their cube.
        alpha: order of the entropies.
        width: of the kernels, "median" or "published".
        method: "exact", "hybrid" or "frobenius".
    """
    if target not in TARGETS:
        raise MooFsError(
            f"measure 'conditional-mutual-information': no target '{target}'{did_you_mean(target, TARGETS)}"
        )
    if images < 3:
        raise MooFsError(f"measure 'conditional-mutual-information': wanted images of 3 or more, got {images}")
    count = len(batch.features)
    drawn = torch.from_numpy(np.sort(rng.choice(count, min(images, count), replace=False)))
    maps = batch.features[drawn].cpu().numpy()
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", renyi.UndeterminedOrderWarning)  # said by a doubt, with the task's name
        for task in batch.tasks:
            seen = (batch.outputs if target == "output" else batch.targets)[task.name][drawn]
            try:
                kernel = renyi.target_gram(
                    seen, kind=str(task.kind), labels=target == "labels" and task.kind == "classes"
                )
            except MooFsError as error:
                raise MooFsError(f"measure 'conditional-mutual-information': task '{task.name}': {error}") from error
            found.append(renyi.rank(maps, kernel, alpha=alpha, width=width, method=method))
    return _report(batch, found)


def _report(batch: Batch, found: list[renyi.Ranking]) -> Report:
    steps = len(found[0].order)
    determined = np.array([ranking.determined / steps for ranking in found])
    doubts = [
        f"{task.name}: only {ranking.determined} of {steps} steps are determined, the rest of the order is rounding"
        for task, ranking in zip(batch.tasks, found, strict=True)
        if ranking.determined < steps / 2
    ]
    details = {
        "determined": determined,
        "saturation": np.array([ranking.saturation[0] for ranking in found]),
        "target_entropy": np.array([ranking.target_entropy for ranking in found]),
        "information": np.stack([_by_channel(ranking) for ranking in found], axis=1),
    }
    return Report(np.stack([from_order(r.order) for r in found], axis=1), details=details, doubts=tuple(doubts))


def _by_channel(ranking: renyi.Ranking) -> Floats:
    values = np.empty(len(ranking.order))
    values[ranking.order] = ranking.information
    return values
