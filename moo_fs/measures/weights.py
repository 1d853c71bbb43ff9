"""Measures that look at the layer that makes the channels, and at no image."""

from __future__ import annotations

import torch

from moo_fs.contracts import MooFsError
from moo_fs.registry import measure
from moo_fs.split import Batch


@measure("l1-norm-weights", needs=("weights",), whole=True)
def l1_norm_weights(batch: Batch) -> torch.Tensor:
    r"""$\lVert W_i \rVert_1$ of the filter that makes channel i.

    Li, H. et al. (2017), "Pruning filters for efficient ConvNets". Not the same as `l1-norm`, which is of the feature
    maps: a normalisation after the filter, or its input, can undo any size of its weights. Cost: nothing is run.
    """
    return _filters(batch).abs().sum(1)


@measure("l2-norm-weights", needs=("weights",), whole=True)
def l2_norm_weights(batch: Batch) -> torch.Tensor:
    r"""$\lVert W_i \rVert_2$ of the filter that makes channel i; not `l2-norm`, which is of the feature maps.

    He, Y. et al. (2018), "Soft filter pruning for accelerating deep convolutional neural networks". Cost: nothing.
    """
    return torch.linalg.vector_norm(_filters(batch), dim=1)  # type: ignore[no-any-return]


@measure("geometric-median-weights", needs=("weights",), whole=True)
def geometric_median_weights(batch: Batch) -> torch.Tensor:
    r"""$\sum_j \lVert W_i - W_j \rVert_2$ over all filters of the layer: what is near the others can be replaced.

    He, Y. et al. (2019), "Filter pruning via geometric median for deep convolutional neural networks acceleration", as
    published; `geometric-median` is the form on feature maps. Cost: C^2 distances of filters.
    """
    filters = _filters(batch)
    return torch.cdist(filters, filters, compute_mode="donot_use_mm_for_euclid_dist").sum(1)


@measure("batch-norm-scale", needs=("scale",), whole=True)
def batch_norm_scale(batch: Batch) -> torch.Tensor:
    r"""$\lvert \gamma_i \rvert$ of the batch normalisation right after the layer that makes the channels.

    Liu, Z. et al. (2017), "Learning efficient convolutional networks through network slimming". Refused where there is
    no such normalisation. Cost: nothing is run.
    """
    if batch.scale is None:
        raise MooFsError("measure 'batch-norm-scale': needs batch.scale")
    return batch.scale.abs()


def _filters(batch: Batch) -> torch.Tensor:
    """(channel, value) of the layer's weights, float64."""
    if batch.weights is None:
        raise MooFsError("a measure of weights needs batch.weights")
    return batch.weights.double().flatten(1)
