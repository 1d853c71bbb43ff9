"""Which layer of an edge network makes its channels: what measures of weights look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

POINTWISE = (nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Softplus,
             nn.Dropout, nn.Dropout2d, nn.Identity)  # fmt: skip
FUNCTIONS = ("relu", "relu_", "relu6", "hardtanh", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "clamp",
             "clamp_", "clip", "softplus", "dropout", "contiguous")  # fmt: skip
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
MAKERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class MakingLayer:
    """`weights` (channel, ...) of the layer that makes the channels, `scale` (channel,) of a batch norm right after."""

    weights: Tensor | None = None
    scale: Tensor | None = None


def making_layer(edge: nn.Module, channels: int) -> MakingLayer:
    """The layer behind the features, walking back from the output of `edge` through functions of single values.

    Nothing is known (both None) where channels are made by more than one layer, as after an addition or a
    concatenation, or where the network cannot be traced.
    """
    try:
        graph = fx.symbolic_trace(edge).graph
    except Exception:  # whatever a forward pass that depends on its values raises
        return MakingLayer()
    modules, scale = dict(edge.named_modules()), None
    (node,) = next(one for one in graph.nodes if one.op == "output").all_input_nodes[:1] or (None,)
    while node is not None:
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, NORMALISATIONS):
            scale = module.weight
        elif isinstance(module, (*MAKERS, *TRANSPOSED)):
            return _of(module, scale, channels)
        elif not (isinstance(module, POINTWISE) or _is_pointwise(node)):
            break
        else:
            scale = None  # a normalisation further on does not follow the layer itself
        node = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
    return MakingLayer()


def _of(module: nn.Module, scale: Any, channels: int) -> MakingLayer:
    weights: Any = module.weight
    if isinstance(module, TRANSPOSED):  # (input, output / groups, ...)
        weights = weights.transpose(0, 1)
    if len(weights) != channels:
        return MakingLayer()
    return MakingLayer(weights.detach().cpu(), None if scale is None else scale.detach().cpu())


def _is_pointwise(node: fx.Node) -> bool:
    if node.op == "call_method":
        return node.target in FUNCTIONS
    if node.op != "call_function":
        return False
    sources = (torch, functional)
    return any(node.target is getattr(source, name, None) for source in sources for name in FUNCTIONS)
