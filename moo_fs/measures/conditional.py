"""Importance as what a channel adds to the channels before it: rankings by conditional mutual information."""

from __future__ import annotations

import warnings

import numpy as np
import torch

from moo_fs import renyi
from moo_fs.contracts import MooFsError, did_you_mean
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
    found: list[renyi.Ranking | str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", renyi.UndeterminedOrderWarning)  # said by a doubt, with the task's name
        for task in batch.tasks:
            seen = (batch.outputs if target == "output" else batch.targets)[task.name][drawn]
            labels = target == "labels" and task.kind == "classes"
            try:
                kernel = renyi.target_gram(seen, kind=str(task.kind), labels=labels)
                found.append(renyi.rank(maps, kernel, alpha=alpha, width=width, method=method))
            except MooFsError as error:
                found.append(f"{task.name}: no order: {error}")
    if not any(isinstance(one, renyi.Ranking) for one in found):
        raise MooFsError(f"measure 'conditional-mutual-information': {found[0]}")
    return _report(batch, found, samples=len(drawn))


def _report(batch: Batch, found: list[renyi.Ranking | str], *, samples: int) -> Report:
    """One column a task; 0 with a doubt for one whose output orders nothing."""
    tasks, steps = len(batch.tasks), batch.features.shape[1]
    scores, information = np.zeros((steps, tasks)), np.zeros((steps, tasks))
    of_task = {name: np.zeros(tasks) for name in ("determined", "saturation", "target_entropy")}
    doubts = []
    for column, (task, ranking) in enumerate(zip(batch.tasks, found, strict=True)):
        if isinstance(ranking, str):
            doubts.append(ranking)
            continue
        scores[:, column], information[ranking.order, column] = from_order(ranking.order), ranking.information
        of_task["determined"][column] = ranking.determined / steps
        of_task["saturation"][column] = ranking.saturation[0]
        of_task["target_entropy"][column] = ranking.target_entropy
        if ranking.determined < steps / 2:
            said = f"only {ranking.determined} of {steps} steps are determined, the rest of the order is rounding"
            doubts.append(f"{task.name}: {said}")
    details = {name: ("task", values) for name, values in of_task.items()}
    return Report(
        scores, details=details | {"information": ("channel task", information)}, doubts=tuple(doubts), samples=samples
    )
