"""Measures that look at the size of a channel's feature map only; they know nothing of the tasks."""

from __future__ import annotations

import torch

from moo_fs.registry import measure
from moo_fs.split import Batch


@measure("l1-norm")
def l1_norm(batch: Batch) -> torch.Tensor:
    r"""Mean over images of $\lVert X_i \rVert_1$, the absolute sum of a channel's map; 0 for a channel of zeros.

    Li, H. et al. (2017), "Pruning filters for efficient ConvNets", with feature maps in the place of filters.
    Cost: one pass over the features, no head.
    """
    return batch.features.abs().sum((2, 3)).mean(0)


@measure("l2-norm")
def l2_norm(batch: Batch) -> torch.Tensor:
    r"""Mean over images of $\lVert X_i \rVert_2$, the Euclidean norm of a channel's map; 0 for a channel of zeros.

    Li, H. et al. (2017), "Pruning filters for efficient ConvNets", with feature maps in the place of filters.
    Cost: one pass over the features, no head.
    """
    norms: torch.Tensor = torch.linalg.vector_norm(batch.features, dim=(2, 3))
    return norms.mean(0)


@measure("variance", whole=True)
def variance(batch: Batch) -> torch.Tensor:
    r"""$\operatorname{Var}(x_i)$ over images and positions (divided by the count); 0 for a constant channel.

    The squared error of a channel that is replaced by its mean, hence the natural score if all tasks listened to all
    channels alike. Cost: one pass over the features, no head.
    """
    return torch.var(batch.features.double(), dim=(0, 2, 3), correction=0)
