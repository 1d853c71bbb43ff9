"""Measures that ask the heads: what does a task's loss do when a channel goes away?"""

from __future__ import annotations

import torch

from moo_fs.registry import measure
from moo_fs.split import Batch


@measure("taylor", needs=("features", "gradients"), per_task=True)
def taylor(batch: Batch, task: str) -> torch.Tensor:
    r"""Mean over images of $\lvert \sum_p g_{ip} x_{ip} \rvert$ (p: positions), g the gradient of the task's loss.

    The absolute first-order change of an image's loss if the channel were 0; 0 for a channel of zeros or one that the
    head ignores. The absolute form of Molchanov, P. et al. (2017), "Pruning convolutional neural networks for resource
    efficient inference" (2019's paper squares). Cost: one forward and one backward pass of the head an image.
    """
    return (batch.gradients[task] * batch.features).sum((2, 3)).abs().mean(0)


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
