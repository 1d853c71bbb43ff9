"""How much of each layer a candidate keeps, as a level from 0 to 8, and what the candidate then costs.

Level l keeps the first `max(1, round(filters (l + 1) / 9))` filters of the layer's order: 8 keeps all, 0 a ninth. The
ladder is our choice. A pruned network is a row of levels, which searches treat as they treat depths of channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from moo_fs.contracts import MAX_BITS, MooFsError
from moo_fs.pruning.stages import Layer, chain_of, stage_of

Counts = NDArray[np.int64]


class Levels:
    """Levels of all convolutions of a chain, first to last; `orders` are its filters, most important first."""

    def __init__(self, network: nn.Module, orders: Sequence[ArrayLike], *, shape: Sequence[int]) -> None:
        """`network` as of `moo_fs.pruning.removal.removed`, `shape` (channel, height, width) of one image.

        Raises MooFsError if there is not an order of all filters for each convolution.
        """
        self._costs = Costs(network, shape=shape)
        self.filters = self._costs.filters
        self.orders = [np.asarray(order, dtype=np.int64) for order in orders]
        wanted = [list(range(count)) for count in self.filters]
        if [np.sort(order).tolist() for order in self.orders] != wanted:
            raise MooFsError(f"orders: wanted every filter of each layer once, {self.filters.tolist()} of them")

    def counts(self, levels: ArrayLike) -> Counts:
        """Filters kept (candidate, layer) by levels (candidate, layer)."""
        shares = (np.atleast_2d(np.asarray(levels)) + 1) / (MAX_BITS + 1)
        return np.maximum(1, np.rint(self.filters * shares)).astype(np.int64)

    def kept(self, levels: ArrayLike) -> Mapping[Layer, Any]:
        """What each layer keeps, by its number, of levels (layer,): what `removed` takes."""
        (counts,) = self.counts(levels)
        return {at: np.sort(order[:count]) for at, (order, count) in enumerate(zip(self.orders, counts, strict=True))}

    def parameters(self, levels: ArrayLike) -> Counts:
        """Parameters (candidate,) of the smaller networks."""
        return self._costs.parameters(self.counts(levels))

    def flops(self, levels: ArrayLike) -> Counts:
        """Floating-point operations (candidate,) for one image, as `moo_fs.pruning.removal.flops` counts them."""
        return self._costs.flops(self.counts(levels))


class Costs:
    """Parameters and operations of a chain by how many filters its layers keep, without making the network."""

    def __init__(self, network: nn.Module, *, shape: Sequence[int]) -> None:
        """See `Levels`."""
        chain: dict[str, Any] = chain_of(network)
        places = _positions(chain, shape)
        stages = [stage_of(chain, name) for name, module in chain.items() if isinstance(module, nn.Conv2d)]
        self.filters = np.array([stage.filters for stage in stages], dtype=np.int64)
        self._images = int(shape[0])
        self._area = np.array([chain[stage.name].weight[0, 0].numel() for stage in stages])
        self._places = np.array([places[stage.name] for stage in stages])
        own = [[chain[stage.name].bias, *_learnt(chain, stage.norms)] for stage in stages]
        self._own = np.array([sum(value is not None for value in values) for values in own])
        last = chain[stages[-1].consumer]
        self._linear = last.weight.numel() // int(self.filters[-1])
        layers = [module for name, module in chain.items() if isinstance(module, nn.Linear) and module is not last]
        self._more = 2 * sum(module.weight.numel() for module in layers)
        whole = sum(value.numel() for module in chain.values() for value in module.parameters())
        self._fixed = whole - int(self._removable(self.filters[None])[0])

    def parameters(self, counts: Counts) -> Counts:
        """Parameters (candidate,) of counts (candidate, layer)."""
        return np.asarray(self._removable(counts) + self._fixed, dtype=np.int64)

    def flops(self, counts: Counts) -> Counts:
        """Operations (candidate,) of counts (candidate, layer): 2 x multiply-adds of convolutions and linear layers."""
        weights = counts * self._inputs(counts) * self._area * self._places
        return np.asarray(2 * (weights.sum(axis=1) + counts[:, -1] * self._linear) + self._more, dtype=np.int64)

    def _removable(self, counts: Counts) -> Counts:
        weights = counts * (self._inputs(counts) * self._area + self._own)
        return np.asarray(weights.sum(axis=1) + counts[:, -1] * self._linear, dtype=np.int64)

    def _inputs(self, counts: Counts) -> Counts:
        return np.concatenate([np.full((len(counts), 1), self._images), counts[:, :-1]], axis=1)


def _learnt(chain: dict[str, Any], norms: Sequence[str]) -> list[Any]:
    return [value for name in norms for value in (chain[name].weight, chain[name].bias)]


@torch.no_grad()
def _positions(chain: dict[str, Any], shape: Sequence[int]) -> dict[str, int]:
    """Positions of each convolution's maps for one image."""
    like = next(value for module in chain.values() for value in module.parameters())
    maps, found = torch.zeros(1, *shape, dtype=like.dtype, device=like.device), {}
    for name, module in chain.items():
        training = module.training
        try:
            maps = module.eval()(maps)
        except RuntimeError as error:
            raise MooFsError(f"shape: wanted an image that the network takes, got {tuple(shape)}: {error}") from error
        finally:
            module.train(training)
        found[name] = maps[0, 0].numel() if maps.ndim == 4 else 1
    return found
