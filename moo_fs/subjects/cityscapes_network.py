"""The authors' earlier three-task network for Cityscapes: a ResNet-34 trunk and three linear decoders.

Ranjbar Alvar, S., Bajić, I. V. (2019), "Multi-task learning with compressible features for collaborative intelligence"
(arXiv 1902.05179). From the authors' public code of that paper: inputs of 256 x 512 with ImageNet's normalisation, the
two variants and their widths, decoder blocks of a transposed convolution 2 x 2 with stride 2 and a convolution 3 x 3
without normalisation or activation anywhere, then 1 x 1. That code serves the earlier paper; whether the paper on
feature selection uses the same network is not published where we could read it. Ours: the initial values.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import torch
from torch import Tensor, nn

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.subjects import weights_file
from moo_fs.subjects.cityscapes_data import CLASSES
from moo_fs.subjects.resnet34 import Trunk
from moo_fs.tasks import Task

# ImageNet's, for values in [0, 1].
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
# Variant -> groups of residual blocks, widths of the decoders, and of the disparity decoder.
VARIANTS: dict[str, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    "512": (4, (512, 256, 128, 64, 32, 16), (512, 512, 256, 128, 64, 32)),
    "256": (3, (256, 128, 64, 32, 16), (256, 256, 128, 64, 32)),
}
TASKS = [
    Task("segmentation", kind="classes", classes=CLASSES),
    Task("disparity", kind="values"),
    Task("reconstruction", kind="image"),
]
SIDES = 32  # height and width are multiples of it: what the trunk of the larger variant divides by


class Edge(nn.Module):
    """Images (sample, 3, H, W) in [0, 1] to features after a ReLU: "512" at a 32nd, "256" at a 16th of the size."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)
        self.trunk = Trunk(layers)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.trunk((images - self.mean) / self.deviation)
        return features


class Decoder(nn.Module):
    """Features to (sample, outputs, H, W): each block doubles the size, all of it is linear."""

    def __init__(self, widths: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        for inputs, width in itertools.pairwise(widths):
            self.blocks.append(nn.ConvTranspose2d(inputs, width, 2, 2))
            self.blocks.append(nn.Conv2d(width, width, 3, padding=1))
        self.leave = nn.Conv2d(widths[-1], outputs, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                _keep_the_size(module)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        output: Tensor = self.leave(self.blocks(features))
        return output


class DisparityDecoder(Decoder):
    """Features to disparity (sample, H, W) in pixels."""

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return super().forward(features)[:, 0]


class Whole(nn.Module):
    """Edge and heads of a variant, "256" or "512", as one network; untrained, from torch's global generator."""

    def __init__(self, variant: str = "256") -> None:
        super().__init__()
        check_variant(variant)
        layers, widths, disparity_widths = VARIANTS[variant]
        self.variant = variant
        self.edge = Edge(layers)
        self.heads = nn.ModuleDict(
            {
                "segmentation": Decoder(widths, CLASSES),
                "disparity": DisparityDecoder(disparity_widths, 1),
                "reconstruction": Decoder(widths, 3),
            }
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (sample, 3, H, W) in [0, 1] to the tasks' outputs."""
        features = self.edge(images)
        return {name: head(features) for name, head in self.heads.items()}


def check_variant(variant: str) -> None:
    """Raise MooFsError if there is no such variant."""
    if variant not in VARIANTS:
        raise MooFsError(f"cityscapes: no variant '{variant}'{did_you_mean(str(variant), VARIANTS)}")


def load(path: Path, variant: str) -> Whole:
    """The network with the weights of `path`, in evaluation mode; raises MooFsError if they are not its own."""
    network = Whole(variant)
    weights_file.load(network, path, command=f"moo-fs train cityscapes --variant {variant}")
    return network


def _keep_the_size(module: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Initial weights that keep the variance: torch's own shrink it threefold a layer, and nine layers are linear."""
    terms = module.in_channels * (module.kernel_size[0] ** 2 if isinstance(module, nn.Conv2d) else 1)
    nn.init.normal_(module.weight, std=1 / math.sqrt(terms))
    if module.bias is not None:
        nn.init.zeros_(module.bias)
