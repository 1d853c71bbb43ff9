"""Measures by how many directions a channel's maps have."""

from __future__ import annotations

import torch

from moo_fs.registry import measure
from moo_fs.split import Batch


@measure("effective-rank")
def effective_rank(batch: Batch) -> torch.Tensor:
    r"""Mean over images of $\exp H(\sigma / \sum \sigma)$, $\sigma$ the singular values of the channel's map (h, w).

    From 1 (all rows alike) to min(h, w); 0 for a map of zeros. Roy, O. and Vetterli, M. (2007), "The effective rank: a
    measure of effective dimensionality", in the place of the rank of Lin, M. et al. (2020), "HRank: filter pruning
    using high-rank feature map", which rounding decides. Scale does not matter. Cost: a small decomposition a map.
    """
    singular = torch.linalg.svdvals(batch.features.double())
    total = singular.sum(-1, keepdim=True)
    shares = torch.where(total > 0, singular / total.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    ranks = torch.exp(-torch.xlogy(shares, shares).sum(-1))
    return torch.where(total[..., 0] > 0, ranks, 0.0).mean(0)
