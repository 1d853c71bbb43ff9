"""How good are candidates for a pruned network: what `removed` would answer, without running what they share twice.

A layer's maps depend on what is kept in it and before it alone, so candidates that keep the same filters up to some
layer share everything up to there. Maps are kept by that prefix, within a bound of memory, and the rest is computed
with the filters really gone: a convolution of half the filters on half the maps is a quarter of the work.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from moo_fs.contracts import Floats, MooFsError
from moo_fs.pruning.stages import Layer, chain_of, stage_of, stages_kept

Prefix = tuple[bytes, ...]
Kept = Mapping[Layer, Any]
NOTHING_IN_EVALUATION = (nn.Dropout, nn.Dropout2d, nn.Identity)


class Candidates:
    """Candidates for a pruned `network` judged on labelled images; filters not kept are zero after the ReLU.

    Predictions equal those of `removed(network, kept)`. Images are taken in blocks of `batch`, always the same, so a
    candidate's numbers depend on neither the candidates beside it nor what was computed before.
    """

    def __init__(
        self, network: nn.Module, images: Tensor, labels: Tensor, *, batch: int = 250, memory: int = 512 * 2**20
    ) -> None:
        """`network` as of `removed`, images (image, channel, height, width), labels (image,) of whole numbers.

        `memory` bytes of maps are kept from one call to the next, those unused for the longest forgotten first; the
        maps of one block through one candidate come on top. Raises MooFsError if images and labels do not fit, or a
        filter of any convolution could not be removed.
        """
        if images.ndim != 4 or not len(images) or labels.shape != images.shape[:1] or labels.is_floating_point():
            raise MooFsError(
                "images: wanted axes (image, channel, height, width) and a whole number for each as labels, got shapes "
                f"{tuple(images.shape)} and {tuple(labels.shape)} ({labels.dtype})"
            )
        if batch < 1 or memory < 0:
            raise MooFsError(f"batch, memory: wanted 1 or more and 0 or more, got {batch} and {memory}")
        self._chain = chain_of(copy.deepcopy(network).eval())
        self._filters = {
            name: len(module.weight) for name, module in self._chain.items() if isinstance(module, nn.Conv2d)
        }
        before, self._stages, self._last = _taken_apart(self._chain)
        self._labels, self._cache = labels.cpu().numpy(), _Recent(memory)
        images = images.to(self._stages[0].weight).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            self._blocks = [_run(before, block) for block in torch.split(images, batch)]

    def accuracy(self, kept: Kept) -> float:
        """The share of images that one candidate classifies as labelled."""
        return float(self.accuracies([kept])[0])

    def accuracies(self, candidates: Sequence[Kept]) -> Floats:
        """The shares (candidate,) of images that each candidate classifies as labelled."""
        return np.asarray(self.correct(candidates).mean(axis=1, dtype=np.float64))

    def correct(self, candidates: Sequence[Kept]) -> NDArray[np.bool_]:
        """Which images each candidate classifies as labelled (candidate, image)."""
        return np.asarray(self.outputs(candidates).argmax(dim=2).cpu().numpy() == self._labels)

    def outputs(self, candidates: Sequence[Kept]) -> Tensor:
        """The network's outputs (candidate, image, class); each candidate is layers -> what they keep, as of `removed`.

        Raises MooFsError, as `removed` does, if a candidate does not fit the network.
        """
        keys = [self._key(kept) for kept in candidates]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        if not keys:
            raise MooFsError("candidates: wanted one or more, got none")
        found: list[list[Tensor]] = [[] for _ in keys]
        with torch.inference_mode():
            for number in range(len(self._blocks)):
                for at, output in zip(order, self._block(number, [keys[at] for at in order]), strict=True):
                    found[at].append(output)
        return torch.stack([torch.cat(blocks) for blocks in found])

    def _key(self, kept: Kept) -> Prefix:
        """A mask a stage, as bytes; stages not named keep all."""
        named = {stage.name: mask for stage, mask in stages_kept(self._chain, kept)}
        return tuple(named.get(name, np.ones(count, dtype=bool)).tobytes() for name, count in self._filters.items())

    def _block(self, number: int, keys: Sequence[Prefix]) -> Iterator[Tensor]:
        """Outputs of one block of images for each key; sorted keys share most with the one before."""
        path: dict[Prefix, Tensor] = {(): self._blocks[number]}
        for key in keys:
            path = {prefix: maps for prefix, maps in path.items() if key[: len(prefix)] == prefix}
            yield self._last(self._maps(number, key, path), key[-1])

    def _maps(self, number: int, key: Prefix, path: dict[Prefix, Tensor]) -> Tensor:
        """Maps of a block after the last stage of `key`: from the path or from memory, else from the maps before."""
        if key in path:
            return path[key]
        maps = self._cache.get((number, key))
        if maps is None:
            before = self._maps(number, key[:-1], path)
            maps = self._stages[len(key) - 1](before, key[-1], key[-2] if len(key) > 1 else None)
            self._cache.put((number, key), maps)
        path[key] = maps
        return maps


class _Recent:
    """Maps by name, at most so many bytes of them: those unused for the longest go first."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._maps: OrderedDict[tuple[int, Prefix], Tensor] = OrderedDict()

    def get(self, name: tuple[int, Prefix]) -> Tensor | None:
        maps = self._maps.get(name)
        if maps is not None:
            self._maps.move_to_end(name)
        return maps

    def put(self, name: tuple[int, Prefix], maps: Tensor) -> None:
        self._maps[name] = maps
        self._size += maps.nbytes
        while self._size > self._limit:
            _, oldest = self._maps.popitem(last=False)
            self._size -= oldest.nbytes


@dataclass(frozen=True)
class _Convolution:
    """A convolution and what follows up to the next one; normalisation is folded into `weight` and `bias`."""

    layer: Any
    weight: Tensor
    bias: Tensor | None
    after: tuple[nn.Module, ...]

    def __call__(self, maps: Tensor, filters: bytes, inputs: bytes | None) -> Tensor:
        """Maps (image, kept, h, w) of the filters kept from those of the inputs kept (None: all)."""
        kept = _indices(filters, self.weight)
        weight = self.weight[kept]
        if inputs is not None:
            weight = weight[:, _indices(inputs, weight)]
        bias = None if self.bias is None else self.bias[kept]
        maps = self.layer._conv_forward(maps, weight.contiguous(memory_format=torch.channels_last), bias)
        for module in self.after:
            if isinstance(module, nn.BatchNorm2d):
                scale, shift = (values[kept].reshape(1, -1, 1, 1) for values in _affine(module))
                maps = maps * scale + shift
            else:
                maps = functional.relu_(maps) if type(module) is nn.ReLU else module(maps)
        return maps


@dataclass(frozen=True)
class _Classifier:
    """The linear layer after the last convolution of so many `filters`, and what follows it."""

    linear: Any
    filters: int
    after: tuple[nn.Module, ...]

    def __call__(self, flat: Tensor, filters: bytes) -> Tensor:
        positions = torch.arange(self.linear.in_features, device=flat.device).reshape(self.filters, -1)
        weight = self.linear.weight[:, positions[_indices(filters, flat)].flatten()]
        return _run(self.after, functional.linear(flat, weight, self.linear.bias))


def _taken_apart(chain: dict[str, nn.Module]) -> tuple[list[nn.Module], list[_Convolution], _Classifier]:
    """What runs before the first convolution, the stages, and the linear layers."""
    names = list(chain)
    convolutions = [name for name in names if isinstance(chain[name], nn.Conv2d)]
    if not convolutions:
        raise MooFsError("network: wanted convolutions, got none")
    stages = []
    for name in convolutions:
        stage = stage_of(chain, name)
        if type(chain[name]) is not nn.Conv2d:
            raise MooFsError(f"layer '{name}': wanted a plain convolution, got {type(chain[name]).__name__}")
        inside = names[names.index(name) + 1 : names.index(stage.consumer)]
        stages.append(_stage(chain[name], [chain[at] for at in inside]))
    consumer = chain[stage.consumer]
    if not isinstance(consumer, nn.Linear):
        raise MooFsError(f"layer '{stage.consumer}': wanted a linear layer after the last convolution")
    rest = tuple(chain[at] for at in names[names.index(stage.consumer) + 1 :])
    before = [chain[at] for at in names[: names.index(convolutions[0])]]
    return before, stages, _Classifier(consumer, stage.filters, rest)


@torch.no_grad()
def _stage(convolution: Any, modules: list[nn.Module]) -> _Convolution:
    """A stage, a normalisation right after its convolution folded into the weights."""
    after = [module for module in modules if not isinstance(module, NOTHING_IN_EVALUATION)]
    weight, bias = convolution.weight.detach(), convolution.bias
    while after and isinstance(after[0], nn.BatchNorm2d):
        scale, shift = _affine(after.pop(0))
        weight = weight * scale.reshape(-1, 1, 1, 1)
        bias = shift if bias is None else bias * scale + shift
    return _Convolution(convolution, weight, bias, tuple(after))


def _affine(norm: Any) -> tuple[Tensor, Tensor]:
    """Scale and shift (channel,) of a normalisation by its running moments."""
    if norm.running_var is None:
        raise MooFsError("network: wanted batch normalisation with running moments, got one that uses the batch's")
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.detach()
    shift = -norm.running_mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias.detach()


def _indices(mask: bytes, like: Tensor) -> Tensor:
    """Indices (kept,) of a mask's bytes, on the device of `like`."""
    return torch.from_numpy(np.flatnonzero(np.frombuffer(mask, dtype=bool))).to(like.device)


def _run(modules: Sequence[nn.Module], maps: Tensor) -> Tensor:
    for module in modules:
        maps = module(maps)
    return maps
