"""Measures by a channel's nearness to the others: what a neighbour can replace matters less."""

from __future__ import annotations

import torch

from moo_fs.registry import measure
from moo_fs.split import Batch


@measure("geometric-median")
def geometric_median(batch: Batch) -> torch.Tensor:
    r"""$g_i = \sum_j \mathbb{E} \lVert X_i - X_j \rVert_2$ over images; 0 only if all channels are equal.

    He, Y. et al. (2019), "Filter pruning via geometric median for deep convolutional neural networks acceleration",
    with feature maps in the place of filters: channels near the geometric median of all are the replaceable ones. A
    dead channel is not nearest to the median, so it need not score lowest. Cost: C^2 distances of maps an image.
    """
    maps = batch.features.flatten(2)
    # By differences: the matrix-product form leaves noise where two channels are equal.
    distances = torch.cdist(maps, maps, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.sum(2).mean(0)
