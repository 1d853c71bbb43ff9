"""Sampled Shapley values: what a channel adds, on average over all orders in which channels could be sent."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from moo_fs.contracts import Floats, MooFsError
from moo_fs.registry import measure
from moo_fs.split import Batch, Report


@measure("shapley", needs=("features", "targets", "ablate"), whole=True)
def shapley(batch: Batch, *, rng: np.random.Generator, orders: int = 8, images: int = 32) -> Report:
    """How much the task's mean loss falls when the channel is sent, averaged over sampled orders of sending.

    The value of a set of channels is minus the mean loss with all others at their fit-part means, so that the scores
    add up to the loss with nothing sent minus the loss untouched. Orders come in pairs, one the reverse of the other.
    Castro, J., Gómez, D. and Tejada, J. (2009), "Polynomial calculation of the Shapley value based on sampling";
    Mitchell, R. et al. (2022), "Sampling permutations for Shapley value estimation" (pairs). Unlike leave-one-out, a
    channel that others can replace keeps its share. Cost: orders x (C + 1) passes of all heads on
    `images` of the images, spread evenly.

    Reports "error" (channel, task): the standard error over pairs of orders; a doubt where it is most of the scores'
    spread.

    Args:
        batch: what the framework collects.
        rng: draws the orders, the same ones for every task.
        orders: how many, an even number from 4.
        images: how many of those drawn are looked at.
    """
    if batch.ablate is None:
        raise ValueError("shapley needs batch.ablate")
    if images < 1:
        raise MooFsError(f"measure 'shapley': wanted images of 1 or more, got {images}")
    if orders < 4 or orders % 2:
        raise MooFsError(f"measure 'shapley': wanted orders to be an even number from 4, got {orders}")
    channels = batch.features.shape[1]
    drawn = [rng.permutation(channels) for _ in range(orders // 2)]
    found, errors, doubts = np.empty((channels, len(batch.tasks))), np.empty((channels, len(batch.tasks))), []
    for column, task in enumerate(batch.tasks):
        gains = np.stack([_gains(batch, task.name, one, images) for one in drawn])
        found[:, column] = gains.mean(axis=0)
        errors[:, column] = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
        if np.median(errors[:, column]) > found[:, column].std():
            doubts.append(f"{task.name}: the standard errors are larger than the scores' spread; sample more orders")
    samples = min(images, len(batch.features))
    return Report(found, details={"error": ("channel task", errors)}, doubts=tuple(doubts), samples=samples)


def _gains(batch: Batch, task: str, order: NDArray[np.int64], images: int) -> Floats:
    """(channel,) by how much the loss falls as each channel is sent in its turn, mean of `order` and its reverse."""
    if batch.ablate is None:
        raise ValueError("shapley needs batch.ablate")
    gains = np.zeros(len(order))
    for one in (order, order[::-1]):
        dropped = torch.ones(len(order), dtype=torch.bool)
        losses = [float(batch.ablate(task, dropped, images).mean())]
        for channel in one:
            dropped[int(channel)] = False
            losses.append(float(batch.ablate(task, dropped, images).mean()))
        gains[one] -= np.diff(losses) / 2
    return gains
