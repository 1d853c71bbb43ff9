"""Filters really gone from a network: parameters and multiply-adds go with them, and what it computes does not change.

A removed filter is zero *after* the ReLU. Zeroing its weights alone is not that: the filter would still emit the
constant `ReLU(beta + gamma (b - mu) / sqrt(var + eps))`, which the network would miss once it is deleted. Removal is
ours, as is `compensate`; the released code of Vu-Van, T. et al. (2024), "Pruning Deep Convolutional Neural Network
Using Conditional Mutual Information", zeroes weights only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from moo_fs.contracts import Floats, MooFsError, float_array
from moo_fs.pruning.stages import (
    CompensatedConv2d,
    Layer,
    MaskedReLU,
    Stage,
    chain_of,
    name_of,
    stages_kept,
)

__all__ = ["CompensatedConv2d", "Layer", "MaskedReLU", "flops", "masked", "parameters", "removed"]


def masked(
    network: nn.Module, kept: Mapping[Layer, Any], *, compensate: Mapping[Layer, ArrayLike] | None = None
) -> nn.Module:
    """A copy of `network` in which filters not kept are zero after the ReLU: the slow, obvious twin of `removed`.

    Args:
        network: an `nn.Sequential`, nested or not, of stages Conv2d -> (BatchNorm2d) -> ReLU, pooling, Flatten, Linear.
        kept: convolution, by name or by its number among the convolutions from 0 -> mask (filter,) or indices of the
            filters kept. Convolutions not named keep all.
        compensate: convolution -> means (filter,) after the ReLU: filters not kept have their mean, not zero.

    Raises:
        MooFsError: if a layer is not there or loses all filters, a mask has the wrong length, or the network is not
            such a chain.
    """
    chain = chain_of(network)
    stages = stages_kept(chain, kept)
    means = _means(chain, compensate)
    copied = copy.deepcopy(network)
    for stage, mask in stages:
        like = _module(copied, stage.name).weight
        fill = np.where(mask, 0.0, means.get(stage.name, np.zeros(len(mask))))
        buffers = [torch.as_tensor(values).to(like).reshape(1, -1, 1, 1) for values in (mask, fill)]
        _replace(copied, stage.relu, MaskedReLU(*buffers).train(network.training))
    return copied


def removed(
    network: nn.Module,
    kept: Mapping[Layer, Any],
    *,
    compensate: Mapping[Layer, ArrayLike] | None = None,
    shape: Sequence[int] | None = None,
) -> nn.Module:
    """A copy of `network` without the filters not kept; it computes what `masked` with the same arguments computes.

    A filter takes along its weights and bias, its normalisation and the next layer's inputs (after a Flatten of
    h x w, h w of them). Names of layers stay. With `compensate` the next convolution becomes a `CompensatedConv2d`,
    which adds its response to constant maps of the means: not one number a filter, since next to the zero-padded
    border fewer weights see the map; the next linear layer's bias takes the response. This is exact for the one
    height and width of input in `shape`. A network without filters may be given again.

    Args:
        network: as of `masked`.
        kept: as of `masked`.
        compensate: as of `masked`; convolutions not named are not compensated.
        shape: (channel, height, width) of one input; needed with `compensate`.

    Raises:
        MooFsError: as `masked`, and if there are means but no `shape`, or one that the network does not take.
    """
    chain = chain_of(network)
    stages = stages_kept(chain, kept)
    means = _means(chain, compensate)
    if means and shape is None:
        raise MooFsError("shape: wanted (channel, height, width) of one input with compensate, got None")
    sizes = _sizes(network, shape) if means and shape is not None else {}
    smaller = copy.deepcopy(network)
    for stage, mask in stages:
        if stage.name in means and not mask.all():
            _compensate(smaller, stage, np.where(mask, 0.0, means[stage.name]), sizes[stage.relu])
        _cut(smaller, stage, torch.as_tensor(np.flatnonzero(mask)))
    return smaller


def parameters(network: nn.Module) -> int:
    """How many parameters there are; buffers (statistics, a compensation's constant) are not counted."""
    return sum(parameter.numel() for parameter in network.parameters())


def flops(network: nn.Module, shape: Sequence[int]) -> int:
    """Floating-point operations for one input (channel, height, width): 2 x multiply-adds of Conv2d and Linear layers.

    Biases, normalisations, activations and pooling are not counted. Any module that takes one batch will do.

    >>> flops(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(), nn.Linear(8 * 16, 10)), (3, 4, 4))
    9472
    """
    copied, counts = copy.deepcopy(network).eval(), []

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        weight: Any = module.weight
        # Each output value is a sum over all weights of its filter.
        counts.append(2 * output.numel() * weight[0].numel())

    for module in copied.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    _run(copied, _blank(copied, shape), shape)
    return sum(counts)


def _means(chain: dict[str, nn.Module], compensate: Mapping[Layer, ArrayLike] | None) -> dict[str, Floats]:
    means = {}
    for layer, values in (compensate or {}).items():
        name = name_of(chain, layer, "compensate")
        filters: Any = chain[name].out_channels
        array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
        means[name] = float_array(array, f"compensate[{layer!r}]", "filter", filter=filters)
    return means


def _sizes(network: nn.Module, shape: Sequence[int]) -> dict[str, torch.Size]:
    """Height and width of each layer's output, by name."""
    copied = copy.deepcopy(network).eval()
    maps, sizes = _blank(copied, shape), {}
    for name, module in chain_of(copied).items():
        maps = _run(module, maps, shape)
        sizes[name] = maps.shape[2:]
    return sizes


def _blank(network: nn.Module, shape: Sequence[int]) -> Tensor:
    if len(shape) != 3 or not all(isinstance(size, int | np.integer) and size > 0 for size in shape):
        raise MooFsError(f"shape: wanted (channel, height, width) of one input, got {tuple(shape)}")
    like = next(network.parameters(), torch.empty(0))
    return torch.zeros(1, *shape, dtype=like.dtype, device=like.device)


@torch.no_grad()
def _run(module: nn.Module, maps: Tensor, shape: Sequence[int]) -> Tensor:
    try:
        output: Tensor = module(maps)
    except RuntimeError as error:
        raise MooFsError(f"shape: wanted an input that the network takes, got {tuple(shape)}: {error}") from error
    return output


@torch.no_grad()
def _compensate(network: nn.Module, stage: Stage, means: Floats, size: torch.Size) -> None:
    """Add to the consumer its response to constant maps of `means` (filter,), computed in float64."""
    consumer = _module(network, stage.consumer)
    plain = copy.deepcopy(consumer).double()
    plain.bias = None
    maps = torch.as_tensor(means, device=consumer.weight.device).reshape(1, -1, 1, 1).repeat(1, 1, *size)
    for name in stage.between:
        maps = copy.deepcopy(_module(network, name)).eval()(maps)
    if isinstance(consumer, nn.Linear):
        response = plain(maps)[0].to(consumer.weight)
        bias = response if consumer.bias is None else consumer.bias.detach() + response
        consumer.bias = nn.Parameter(bias, consumer.weight.requires_grad)
        return
    constant = nn.Conv2d.forward(plain, maps)
    if isinstance(consumer, CompensatedConv2d):
        constant = constant + consumer.constant
    _replace(network, stage.consumer, CompensatedConv2d(consumer, constant.to(consumer.weight)))


def _cut(network: nn.Module, stage: Stage, filters: Tensor) -> None:
    """Keep `filters` (kept,) of a stage, in its own layers and among its consumer's inputs."""
    convolution, consumer = _module(network, stage.name), _module(network, stage.consumer)
    _keep(convolution, filters, ("weight", "bias"))
    _keep(convolution, filters, ("constant",), axis=1)
    convolution.out_channels = len(filters)
    for name in stage.norms:
        norm = _module(network, name)
        _keep(norm, filters, ("weight", "bias", "running_mean", "running_var"))
        norm.num_features = len(filters)
    if isinstance(consumer, nn.Linear):
        positions = torch.arange(consumer.in_features).reshape(stage.filters, -1)
        _keep(consumer, positions[filters].flatten(), ("weight",), axis=1)
        consumer.in_features = consumer.weight.shape[1]
    else:
        _keep(consumer, filters, ("weight",), axis=1)
        consumer.in_channels = len(filters)


def _keep(module: nn.Module, places: Tensor, names: tuple[str, ...], axis: int = 0) -> None:
    """Keep some places along an axis of those of a module's tensors that it has."""
    for name in names:
        tensor = getattr(module, name, None)
        if tensor is not None:
            part = tensor.detach().index_select(axis, places.to(tensor.device)).clone()
            learnt = isinstance(tensor, nn.Parameter)
            setattr(module, name, nn.Parameter(part, tensor.requires_grad) if learnt else part)


def _module(network: nn.Module, name: str) -> Any:
    return network.get_submodule(name)


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
