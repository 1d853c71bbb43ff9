"""Measures that ask the heads: what does a task's loss, or its output, do when a channel goes away or gets worse?"""

from __future__ import annotations

import numpy as np
import torch

from moo_fs.contracts import MAX_BITS, Floats, MooFsError
from moo_fs.registry import measure
from moo_fs.split import Batch, Report
from moo_fs.tasks import Task

UNTOUCHED = -1


@measure("sensitivity", needs=("features", "ablate"), per_task=True)
def sensitivity(batch: Batch, task: str) -> torch.Tensor:
    """Mean over images of the task's loss with the channel alone at its fit-part mean, minus the loss untouched.

    Leave-one-out, no approximation: negative where a channel does harm, about 0 where others can stand in for it, so
    the sum over channels is not the damage of dropping them all. Cost: C + 1 passes of the head an image.
    """
    if batch.ablate is None:
        raise ValueError("sensitivity needs batch.ablate")
    channels = batch.features.shape[1]
    whole = batch.ablate(task, torch.zeros(channels, dtype=torch.bool)).mean()
    alone = torch.eye(channels, dtype=torch.bool)
    return torch.stack([batch.ablate(task, dropped).mean() - whole for dropped in alone])


@measure("sensitivity-1-bit", needs=("features", "targets", "depths"), per_task=True)
def sensitivity_1_bit(batch: Batch, task: str, *, others: int = 1) -> torch.Tensor:
    """Mean loss with all channels at 1 bit and this one not sent, minus the loss with all channels at 1 bit.

    The counterfactual that bit allocation meets: at low rates channels have 0 or 1 bit, so what a channel is worth is
    what its one bit changes while the others have theirs. Our choice. Cost: C + 1 passes of the head an image.

    Args:
        batch: what the framework collects.
        task: the task's name.
        others: depth of the other channels, and of this one before it is dropped; 1 to 8.
    """
    if batch.at_depths is None:
        raise ValueError("sensitivity-1-bit needs batch.at_depths")
    if not 1 <= others <= MAX_BITS:
        raise MooFsError(f"measure 'sensitivity-1-bit': wanted others from 1 to {MAX_BITS}, got {others}")
    bits = np.full(batch.features.shape[1], others)
    whole, dropped = batch.at_depths(task, bits).mean(), []
    for channel in range(len(bits)):
        dropped.append(batch.at_depths(task, np.where(np.arange(len(bits)) == channel, 0, bits)).mean() - whole)
    return torch.stack(dropped)


@measure("distortion-table", needs=("features", "targets", "depths"), whole=True)
def distortion_table(batch: Batch, *, images: int = 32) -> Report:
    r"""One number from the whole table of losses by channel and depth: how its loss grows with its squared error.

    $D_{idj}$ is the mean loss of task j with channel i alone at depth d = 0..8, minus the loss untouched (reported as
    "distortions" (channel, depth, task)); the score is the slope of the least-squares line through 0 of $D_{id}$ over
    the squared error $e_{id}$ relative to the variance, $\sum_d D e / \sum_d e^2$: what decoding multiplies the error
    by. Our choice. 0 for a constant channel. Cost: 9 C + 1 passes of all heads on `images` images, spread evenly.
    """
    if images < 1:
        raise MooFsError(f"measure 'distortion-table': wanted images of 1 or more, got {images}")
    if batch.at_depths is None or batch.errors is None:
        raise ValueError("distortion-table needs batch.at_depths and batch.errors")
    channels = batch.features.shape[1]
    table = np.empty((channels, MAX_BITS + 1, len(batch.tasks)))
    for column, task in enumerate(batch.tasks):
        untouched = np.full(channels, UNTOUCHED)
        whole = float(batch.at_depths(task.name, untouched, images).mean())
        for channel, depth in np.ndindex(channels, MAX_BITS + 1):
            bits = np.where(np.arange(channels) == channel, depth, UNTOUCHED)
            table[channel, depth, column] = float(batch.at_depths(task.name, bits, images).mean()) - whole
    products = (table * batch.errors[:, :, None]).sum(axis=1)
    scores = products / (batch.errors**2).sum(axis=1)[:, None]
    details = {"distortions": ("channel depth task", table)}
    return Report(scores, details=details, samples=min(images, len(batch.features)))


@measure("noise-sensitivity", needs=("features", "heads"), whole=True)
def noise_sensitivity(batch: Batch, *, rng: np.random.Generator, noise: float = 0.5) -> Floats:
    r"""Mean square of $f_j(X + \sigma_i n e_i) - f_j(X)$ over images and values: how the output moves with the channel.

    n is standard normal, the same for every channel, and $\sigma_i$ is `noise` times the channel's deviation; of
    `classes` the probabilities are compared, of other kinds the output as it is. Labels are not needed, so that harm
    and benefit count alike. 0 for a constant channel or one that the head ignores. Our choice; the idea is that of
    Zhou, Y. et al. (2018), "Adaptive quantization for deep neural network". Cost: C + 1 passes of all heads an image.
    """
    if batch.run is None:
        raise ValueError("noise-sensitivity needs batch.run")
    if not noise > 0:
        raise MooFsError(f"measure 'noise-sensitivity': wanted noise above 0, got {noise}")
    features = batch.features
    draws = torch.from_numpy(rng.standard_normal((len(features), *features.shape[2:]), dtype=np.float32))
    deviations = noise * features.double().std(dim=(0, 2, 3), correction=0).float()
    found = np.empty((features.shape[1], len(batch.tasks)))
    for column, task in enumerate(batch.tasks):
        clean = _comparable(task, batch.run(task.name, features))
        for channel, deviation in enumerate(deviations):
            moved = features.clone()
            moved[:, channel] += deviation * draws.to(features)
            found[channel, column] = float((_comparable(task, batch.run(task.name, moved)) - clean).square().mean())
    return found


def _comparable(task: Task, output: torch.Tensor) -> torch.Tensor:
    return output.double().softmax(1) if task.kind == "classes" else output.double()
