"""The trunk of ResNet-34 without global pooling and classifier, its parameters named as in torchvision.

He, K., Zhang, X., Ren, S., Sun, J. (2016), "Deep residual learning for image recognition": 34 layers of basic blocks.
So a state file of an ImageNet ResNet-34 that the user has is a starting point. None ships.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from moo_fs.contracts import MooFsError
from moo_fs.subjects.weights_file import COUNTER

BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
CLASSIFIER = "fc."


class Block(nn.Module):
    """Two 3 x 3 convolutions around a shortcut, which is a strided 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (sample, channel, h, w) to maps of `outputs` channels, h and w divided by the stride."""
        inner = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(maps)))))
        return functional.relu(inner + (maps if self.downsample is None else self.downsample(maps)))


class Trunk(nn.Module):
    """Normalised images (sample, 3, H, W) to maps after the last of `layers` (1 to 4) groups of blocks.

    Those are (sample, 64, H / 4, W / 4) after one, and each further one doubles channels and halves the sides.
    """

    def __init__(self, layers: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layers = layers
        inputs = WIDTHS[0]
        for number in range(layers):
            blocks = [Block(inputs, WIDTHS[number], stride=1 if number == 0 else 2)]
            blocks += [Block(WIDTHS[number], WIDTHS[number], stride=1) for _ in range(BLOCKS[number] - 1)]
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
            inputs = WIDTHS[number]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        maps = functional.max_pool2d(functional.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        for number in range(self.layers):
            maps = getattr(self, f"layer{number + 1}")(maps)
        return maps


def start_from(trunk: Trunk, path: Path) -> None:
    """Put the weights of a whole ResNet-34's state file into `trunk`, in place.

    `path` is a `.safetensors` file or one that torch saved (`.pth`, `.pt`; read with `weights_only=True`). The
    classifier and groups of blocks that the trunk lacks are ignored, counters of batches may be missing. Raises
    MooFsError if the file cannot be read, or anything else is missing, unknown, of another shape or not finite.
    """
    state = {name: value for name, value in _read(path).items() if not name.startswith(CLASSIFIER)}
    with torch.device("meta"):
        wanted = {name: value.shape for name, value in Trunk().state_dict().items()}
    known = {name: value for name, value in state.items() if not name.endswith(COUNTER)}
    needed = {name for name in wanted if not name.endswith(COUNTER)}
    for what, names in (("lacks", needed - known.keys()), ("has an unknown", state.keys() - wanted.keys())):
        if names:
            raise MooFsError(f"{path}: wanted the state of torchvision's resnet34, this one {what} {min(names)}")
    for name, value in known.items():
        if value.shape != wanted[name] or not value.is_floating_point() or not value.isfinite().all():
            raise MooFsError(
                f"{path}: {name}: wanted finite numbers of shape {tuple(wanted[name])} as in torchvision's resnet34, "
                f"got {value.dtype} of shape {tuple(value.shape)}"
            )
    own = trunk.state_dict()
    trunk.load_state_dict(own | {name: value.float() for name, value in known.items() if name in own})


def fingerprint(path: Path) -> str:
    """Eight hex digits of the SHA-256 of the file, so that a training goes on from its own start only."""
    _check_there(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def _read(path: Path) -> Mapping[str, Tensor]:
    _check_there(path)
    try:
        found: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError) as error:
        raise MooFsError(f"{path}: not a readable .safetensors or .pth file of tensors alone") from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise MooFsError(f"{path}: wanted names and tensors (a state_dict), got {type(found).__name__} of other things")
    return found


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise MooFsError(f"{path}: no such file; wanted the state of an ImageNet ResNet-34 (.safetensors or .pth)")
