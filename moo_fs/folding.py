"""Heads rewritten for inference: batch normalisation folded, convolutions packed with their ReLU, channels last.

Nothing here is trusted: `prepare` runs every rewritten head beside the head as given and takes the first that agrees.
A head that cannot be traced, or whose layout matters, runs as it was given.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor, fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

TOLERANCE = 1e-5
RELUS = (functional.relu, torch.relu, torch.relu_, functional.relu_, "relu", "relu_")
Form = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PreparedHead:
    """A head ready to run on maps in a channels-last buffer that heads share.

    `form` names what was chosen: "packed", "folded" or "eager". `copies`: the head wants its own contiguous maps.
    """

    call: Form
    form: str
    copies: bool

    def __call__(self, maps: Tensor) -> Tensor:
        """The output of maps (image, channel, height, width); the maps are left as they were."""
        if self.copies:
            maps = maps.clone(memory_format=torch.contiguous_format)
        return self.call(maps)


def prepare(head: nn.Module, maps: Tensor) -> PreparedHead:
    """The fastest form of `head` that agrees with it to 1e-5 on `maps`, one physical batch in channels-last layout.

    The head itself is not changed, and runs in evaluation mode.
    """
    given = evaluation_copy(head)
    with torch.inference_mode():
        wanted = given(maps.clone(memory_format=torch.contiguous_format))
        for form, make in (("packed", packed), ("folded", folded)):
            if form == "packed" and (
                maps.device.type != "cpu" or not torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
            ):
                continue
            candidate = _attempt(make, given)
            if candidate is not None and _agrees(candidate, maps, wanted):
                return PreparedHead(candidate, form, copies=False)
    return PreparedHead(given, "eager", copies=True)


def exact(device: torch.device | str) -> AbstractContextManager[Any]:
    """Full float32 and one deterministic algorithm on CUDA, for the calls inside only; nothing to do on the CPU."""
    if torch.device(device).type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def evaluation_copy(head: nn.Module) -> nn.Module:
    """A copy of `head` in evaluation mode; the head itself if it cannot be copied."""
    try:
        return copy.deepcopy(head).eval()
    except (TypeError, RuntimeError, NotImplementedError):
        return head


def folded(head: nn.Module) -> nn.Module:
    """`head` traced, its batch normalisations folded into the convolutions before them, weights channels-last."""
    graph: nn.Module = _fused(head)
    return graph.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def packed(head: nn.Module) -> nn.Module:
    """`folded`, with each convolution's weights packed once for oneDNN and a ReLU that follows computed with it."""
    graph = _fused(head)
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        module = _module(node, modules)
        if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and not isinstance(module.padding, str):
            relu = _only_relu(node, modules)
            graph.add_submodule(f"packed_{node.name}", PackedConvolution(module, relu=relu is not None))
            node.target = f"packed_{node.name}"
            if relu is not None:
                _erase(graph, relu, node)
        elif node.op == "call_function" and node.target in (functional.pixel_shuffle, torch.pixel_shuffle):
            node.target = pixel_shuffle
    graph.recompile()
    rewritten: nn.Module = graph
    return rewritten


def _fused(head: nn.Module) -> Any:
    """`head` traced, batch normalisations that alone follow a convolution folded into it."""
    graph: Any = fx.symbolic_trace(head)
    modules = dict(graph.named_modules())
    for node in list(graph.graph.nodes):
        norm = _module(node, modules)
        if not isinstance(norm, nn.BatchNorm2d) or not norm.track_running_stats:
            continue
        source = node.args[0]
        convolution = _module(source, modules)
        if isinstance(convolution, nn.Conv2d) and len(source.users) == 1:
            name = f"fused_{source.name}"
            modules[name] = fuse_conv_bn_eval(convolution, norm)
            graph.add_submodule(name, modules[name])
            source.target = name
            _erase(graph, node, source)
    graph.recompile()
    return graph


def _erase(graph: Any, node: fx.Node, heir: fx.Node) -> None:
    node.replace_all_uses_with(heir)
    graph.graph.erase_node(node)


def _module(node: fx.Node, modules: dict[str, nn.Module]) -> nn.Module | None:
    """The module that `node` calls, if it calls one."""
    return modules.get(str(node.target)) if node.op == "call_module" else None


class PackedConvolution(nn.Module):
    """A convolution whose weights are packed once, not at every call; computes the ReLU after it if asked.

    The packing that oneDNN wants depends on the maps' shape, so it is done for the first maps and redone for others.
    """

    def __init__(self, convolution: nn.Conv2d, *, relu: bool) -> None:
        super().__init__()
        self.geometry = (list(convolution.padding), list(convolution.stride), list(convolution.dilation))
        self.groups, self.after = convolution.groups, "relu" if relu else "none"
        self.bias = None if convolution.bias is None else convolution.bias.detach()
        self.weight = convolution.weight.detach().contiguous(memory_format=torch.channels_last)
        self.shape: list[int] = []
        self.packed = self.weight

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (image, channel, height, width) to maps, channels-last."""
        maps = maps.contiguous(memory_format=torch.channels_last)
        if list(maps.shape) != self.shape:
            self.shape = list(maps.shape)
            pack = torch.ops.mkldnn._reorder_convolution_weight
            self.packed = pack(self.weight, *self.geometry, self.groups, self.shape)
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(
            maps, self.packed, self.bias, *self.geometry, self.groups, self.after, [], ""
        )
        return found


def pixel_shuffle(maps: Tensor, upscale_factor: int) -> Tensor:
    """`torch.pixel_shuffle` from channels-last maps straight into contiguous (image, channel, height, width)."""
    images, channels, height, width = maps.shape
    side = upscale_factor
    rows = maps.permute(0, 2, 3, 1).contiguous().numpy()
    out = torch.empty((images, channels // side**2, height * side, width * side))
    _shuffle(rows, side, out.numpy())
    return out


@njit(cache=True, nogil=True)
def _shuffle(rows: np.ndarray, side: int, out: np.ndarray) -> None:
    for image in range(out.shape[0]):
        for channel in range(out.shape[1]):
            for row in range(rows.shape[1]):
                for down in range(side):
                    first = (channel * side + down) * side
                    for column in range(rows.shape[2]):
                        for right in range(side):
                            value = rows[image, row, column, first + right]
                            out[image, channel, row * side + down, column * side + right] = value


def _only_relu(node: fx.Node, modules: dict[str, nn.Module]) -> fx.Node | None:
    """The ReLU that alone uses `node`, if there is one."""
    if len(node.users) != 1:
        return None
    user = next(iter(node.users))
    return user if user.target in RELUS or isinstance(_module(user, modules), nn.ReLU) else None


def _attempt(make: Callable[[nn.Module], nn.Module], head: nn.Module) -> nn.Module | None:
    """`make(head)`, or None: tracing a user's module may fail in any way there is."""
    try:
        return make(head)
    except Exception:
        return None


def _agrees(candidate: nn.Module, maps: Tensor, wanted: Tensor) -> bool:
    """Does it give the same output, and leave its input alone?"""
    given = maps.clone()
    try:
        found = candidate(given)
    except Exception:
        return False
    if not torch.equal(given, maps) or found.shape != wanted.shape:
        return False
    return bool((found - wanted).abs().max() <= TOLERANCE * wanted.abs().max())
