"""A network as a chain of stages, convolution -> (normalisation) -> ReLU, and the layers that take one's place.

A network is an `nn.Sequential`, nested as deep as one likes: it is walked, not traced, so that layers keep the names
the user knows. A network of another class is given as `nn.Sequential(net.features, nn.Flatten(), net.classifier)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moo_fs.contracts import MooFsError, did_you_mean

# A convolution: its name, or which it is of all convolutions, from 0.
Layer = str | int
# What leaves each channel to itself, and a constant zero map zero.
CHANNELWISE = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout, nn.Identity)
BEFORE_RELU = (nn.BatchNorm2d, *CHANNELWISE)
AFTER_RELU = (nn.ReLU, nn.Dropout2d, nn.Flatten, *CHANNELWISE)


@dataclass(frozen=True)
class Stage:
    """One convolution and what its filters reach, all by name.

    Attributes:
        name: the convolution.
        norms: batch normalisations between it and the ReLU.
        relu: the first ReLU after it.
        between: layers after that ReLU and before the consumer: pooling, dropout, flattening.
        consumer: the next convolution or linear layer.
        filters: of the convolution.
    """

    name: str
    norms: tuple[str, ...]
    relu: str
    between: tuple[str, ...]
    consumer: str
    filters: int


class MaskedReLU(nn.ReLU):
    """A ReLU whose output is multiplied by `mask` (1, channel, 1, 1), to which `fill` (1, channel, 1, 1) is added."""

    mask: Tensor
    fill: Tensor

    def __init__(self, mask: Tensor, fill: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.register_buffer("fill", fill)

    def forward(self, input: Tensor) -> Tensor:
        """Maps (image, channel, h, w) to maps."""
        return super().forward(input) * self.mask + self.fill


class CompensatedConv2d(nn.Conv2d):
    """A convolution to whose output `constant` (1, out, h, w) is added: what filters no longer there gave on average.

    Raises:
        MooFsError: if the output's height and width are not those of the constant.
    """

    constant: Tensor

    def __init__(self, convolution: nn.Conv2d, constant: Tensor) -> None:
        given: Any = convolution
        # On "meta" nothing is drawn: the weights are those of the convolution.
        super().__init__(
            given.in_channels,
            given.out_channels,
            given.kernel_size,
            given.stride,
            given.padding,
            given.dilation,
            padding_mode=given.padding_mode,
            device="meta",
        )
        self.weight, self.bias = given.weight, given.bias
        self.register_buffer("constant", constant)
        self.train(given.training)

    def forward(self, input: Tensor) -> Tensor:
        """Maps (image, in, h, w) to maps (image, out, h, w)."""
        maps = super().forward(input)
        if maps.shape[2:] != self.constant.shape[2:]:
            wanted, got = (" x ".join(map(str, values.shape[2:])) for values in (self.constant, maps))
            raise MooFsError(f"a convolution was compensated for outputs of {wanted}, got {got}; use maps of that size")
        return maps + self.constant


def chain_of(network: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    """The layers of a network by name, in the order in which they run."""
    if type(network).forward is not nn.Sequential.forward:
        kind = type(network).__name__
        raise MooFsError(f"network: wanted an nn.Sequential, got {kind}; wrap its parts, in order, in nn.Sequential")
    layers: dict[str, nn.Module] = {}
    for name, module in network._modules.items():
        if isinstance(module, nn.Sequential):
            layers |= chain_of(module, f"{prefix}{name}.")
        elif module is not None:
            layers[prefix + name] = module
    return layers


def name_of(chain: dict[str, nn.Module], layer: Layer, argument: str) -> str:
    """The name of a convolution given by name or by number."""
    names = [name for name, module in chain.items() if isinstance(module, nn.Conv2d)]
    if isinstance(layer, str):
        if layer not in names:
            raise MooFsError(f"{argument}: no convolution '{layer}'{did_you_mean(layer, names)}")
        return layer
    if isinstance(layer, bool) or not isinstance(layer, int | np.integer) or not 0 <= layer < len(names):
        raise MooFsError(f"{argument}: no convolution {layer!r}; the network has {len(names)}, counted from 0")
    return names[layer]


def stage_of(chain: dict[str, nn.Module], name: str) -> Stage:
    """The stage of a convolution; an error if a filter of it could not be deleted exactly."""
    inside = _until(chain, name, name, (nn.ReLU,), BEFORE_RELU)
    after = _until(chain, name, inside[-1], (nn.Conv2d, nn.Linear), AFTER_RELU)
    convolution, consumer = chain[name], chain[after[-1]]
    if isinstance(chain[inside[-1]], MaskedReLU):
        raise MooFsError(f"layer '{name}': it is masked already; use the network as it was before")
    for other in (name, after[-1]):
        _check_plain(chain, other)
    flat = [at for at in after[:-1] if isinstance(chain[at], nn.Flatten)]
    if len(flat) != isinstance(consumer, nn.Linear) or any(chain[at].start_dim != 1 for at in flat):
        raise MooFsError(
            f"layer '{name}': wanted one nn.Flatten() before '{after[-1]}' if that is linear, and else none"
        )
    filters = int(convolution.out_channels)  # type: ignore[arg-type]
    if isinstance(consumer, nn.Linear) and consumer.in_features % filters:
        raise MooFsError(
            f"layer '{after[-1]}': wanted a multiple of {filters} inputs, those of '{name}', got {consumer.in_features}"
        )
    norms = tuple(at for at in inside if isinstance(chain[at], nn.BatchNorm2d))
    return Stage(name, norms, inside[-1], tuple(after[:-1]), after[-1], filters)


def stages_kept(chain: dict[str, nn.Module], kept: Mapping[Layer, Any]) -> list[tuple[Stage, NDArray[np.bool_]]]:
    """Stages in the order in which they run, each with a mask (filter,) of what is kept."""
    found: dict[str, tuple[Stage, NDArray[np.bool_]]] = {}
    for layer, values in kept.items():
        name = name_of(chain, layer, "kept")
        if name in found:
            raise MooFsError(f"kept: wanted each layer once, got '{name}' by name and by number")
        stage = stage_of(chain, name)
        found[name] = stage, _mask(values, f"kept[{layer!r}]", stage.filters)
    return [found[name] for name in chain if name in found]


def _until(
    chain: dict[str, nn.Module],
    convolution: str,
    start: str,
    ends: tuple[type[nn.Module], ...],
    passes: tuple[type[nn.Module], ...],
) -> list[str]:
    """The layers after `start` up to and with the first of `ends`, only `passes` between."""
    names, found = list(chain), []
    wanted = " or ".join(kind.__name__ for kind in ends)
    for name in names[names.index(start) + 1 :]:
        found.append(name)
        if isinstance(chain[name], ends):
            return found
        if not isinstance(chain[name], passes):
            kind = type(chain[name]).__name__
            raise MooFsError(f"layer '{convolution}': wanted {wanted} to follow '{start}', got {kind} at '{name}'")
    raise MooFsError(f"layer '{convolution}': wanted {wanted} to follow '{start}', got the end of the network")


def _check_plain(chain: dict[str, nn.Module], name: str) -> None:
    """Refuse a convolution of several groups, and a layer used more than once."""
    groups = getattr(chain[name], "groups", 1)
    if groups != 1:
        raise MooFsError(f"layer '{name}': wanted a convolution of one group, got {groups} groups")
    if sum(module is chain[name] for module in chain.values()) > 1:
        raise MooFsError(f"layer '{name}': wanted a layer used once, got one that is shared")


def _mask(values: Any, name: str, filters: int) -> NDArray[np.bool_]:
    """A mask (filter,) of a mask or of indices."""
    array = np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)
    if array.ndim != 1 or (array.dtype.kind not in "biu" and array.size):
        raise MooFsError(f"{name}: wanted a mask or indices (filter,), got {array.dtype} of shape {array.shape}")
    if array.dtype == bool and len(array) != filters:
        raise MooFsError(f"{name}: wanted a mask of {filters} filters, got {len(array)}")
    mask = np.zeros(filters, dtype=bool)
    if array.dtype == bool:
        mask = array.copy()
    elif array.size:
        if array.min() < 0 or array.max() >= filters or len(np.unique(array)) < len(array):
            raise MooFsError(f"{name}: wanted distinct indices from 0 to {filters - 1}, got {array.tolist()}")
        mask[array] = True
    if not mask.any():
        raise MooFsError(f"{name}: wanted at least one of {filters} filters, got none; a layer cannot be removed whole")
    return mask
