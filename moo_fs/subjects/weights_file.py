"""Trained weights of a subject's network in one safetensors file, in half precision."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from moo_fs.contracts import MooFsError

COUNTER = "num_batches_tracked"


def save(network: nn.Module, path: Path, *, about: dict[str, float] | None = None) -> None:
    """Write half-precision weights, with what to know `about` them as JSON metadata; replaces `path` atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    # One key only: safetensors writes several in an order that changes, and the same weights are to be the same file.
    save_file(half(network), partial, metadata={"about": json.dumps(about)} if about else None)
    partial.replace(path)


def load(network: nn.Module, path: Path, *, command: str) -> None:
    """Put the weights of `path` into `network`, in place, single precision, in evaluation mode.

    Raises MooFsError, which names the training `command`, if there are none or they are of another network.
    """
    if not path.is_file():
        raise MooFsError(f"{path}: no weights; train them with `{command}`")
    try:
        restore(network, load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise MooFsError(f"{path}: not the weights of this network; train them with `{command}`") from error
    network.eval()


def half(network: nn.Module) -> dict[str, Tensor]:
    """The network's weights and running moments in half precision."""
    return {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith(COUNTER)
    }


def restore(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put weights as `half` gives them into the network, in place."""
    counters = {name: value for name, value in network.state_dict().items() if name.endswith(COUNTER)}
    network.load_state_dict({name: value.float() for name, value in weights.items()} | counters)
