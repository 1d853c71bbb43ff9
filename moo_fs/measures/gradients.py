"""Measures by the gradient of a task's loss: what would change if the channel did, to first or second order."""

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


@measure("taylor-squared", needs=("features", "gradients"), per_task=True)
def taylor_squared(batch: Batch, task: str) -> torch.Tensor:
    r"""Mean over images of $(\sum_p g_{ip} x_{ip})^2$: `taylor` with the square in place of the absolute value.

    Molchanov, P. et al. (2019), "Importance estimation for neural network pruning". Twice the Fisher information of a
    gate on the whole channel (Theis, L. et al. (2018), "Faster gaze prediction with dense networks and Fisher
    pruning"), hence the same order as theirs. Cost: as `taylor`.
    """
    return (batch.gradients[task] * batch.features).sum((2, 3)).square().mean(0)


@measure("fisher", needs=("features", "gradients"), per_task=True, whole=True)
def fisher(batch: Batch, task: str) -> torch.Tensor:
    r"""$\tfrac12 \operatorname{Var}(x_i) \sum_p \mathbb{E}[g_{ip}^2]$, the variance over images and positions.

    The second-order damage of replacing the channel by its mean, with the empirical Fisher information's diagonal in
    the Hessian's place: errors of different positions are taken as unrelated, as those of a quantiser are. The form of
    LeCun, Y. et al. (1990), "Optimal brain damage", with activations and the Fisher diagonal, is our choice; the form
    with one gate a channel is `taylor-squared`. Cost: as `taylor`.
    """
    variance = torch.var(batch.features.double(), dim=(0, 2, 3), correction=0)
    return 0.5 * variance * batch.gradients[task].double().square().sum((2, 3)).mean(0)
