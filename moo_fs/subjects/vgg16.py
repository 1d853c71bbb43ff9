"""VGG16 with batch normalisation for images of 32 x 32: 13 convolutions, five poolings, one linear layer.

Simonyan, K., Zisserman, A. (2015), "Very deep convolutional networks for large-scale image recognition", configuration
D; the three fully connected layers of the original shrink to one, as is usual for CIFAR-10. A *filter* is an output
channel of a convolution: 4224 of them at width 1.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from moo_fs.contracts import MooFsError
from moo_fs.subjects import weights_file

FILTERS = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
STAGES = (
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"),
    *("conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3"),
)
POOLED = frozenset({"conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"})
CLASSES = 10
WIDEST = 8.0
# Mean and standard deviation of the 50,000 training images' channels, for values in [0, 1].
MEAN = (0.49139968, 0.48215841, 0.44653091)
DEVIATION = (0.24703223, 0.24348513, 0.26158784)


class Stage(nn.Module):
    """A biased 3 x 3 convolution, batch normalisation, ReLU: (sample, inputs, h, w) to (sample, filters, h, w)."""

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, filters, 3, padding=1)
        self.norm = nn.BatchNorm2d(filters)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """See the class."""
        return functional.relu(self.norm(self.conv(maps)))


class VGG16(nn.Module):
    """Images (sample, 3, 32, 32) in [0, 1] to logits (sample, 10); `filters` are those of the 13 stages.

    The normalisation of the input is part of the network (buffers `mean` and `deviation`).
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, filters: Sequence[int] = FILTERS) -> None:
        super().__init__()
        self.filters = tuple(filters)
        inputs = (3, *self.filters[:-1])
        self.stages = nn.ModuleDict(
            {name: Stage(*sizes) for name, *sizes in zip(STAGES, inputs, self.filters, strict=True)}
        )
        self.classifier = nn.Linear(self.filters[-1], CLASSES)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        for maps in self._maps(images):
            last = maps
        logits: Tensor = self.classifier(functional.max_pool2d(last, 2).flatten(1))
        return logits

    def activations(self, images: Tensor) -> list[Tensor]:
        """The 13 stages' maps after the ReLU and before any pooling, each (sample, channel, h, w), h = 32 .. 2."""
        return list(self._maps(images))

    def _maps(self, images: Tensor) -> Iterator[Tensor]:
        maps = (images - self.mean) / self.deviation
        for name, stage in self.stages.items():
            maps = stage(maps)
            yield maps
            if name in POOLED:
                maps = functional.max_pool2d(maps, 2)


def filters_of(width: float) -> tuple[int, ...]:
    """Filters of the 13 stages at a multiple of the published width, each at least 1.

    >>> sum(filters_of(1.0)), sum(filters_of(0.25)), filters_of(0.25)[:3]
    (4224, 1056, (16, 16, 32))
    """
    if not (math.isfinite(width) and 0 < width <= WIDEST):
        raise MooFsError(f"vgg16: width: wanted a number above 0 and at most {WIDEST:g}, got {width}")
    return tuple(max(1, round(count * width)) for count in FILTERS)


def vgg16(width: float = 1.0) -> VGG16:
    """An untrained network of a width, its weights drawn from torch's global generator."""
    return VGG16(filters_of(width))


class Normalised(nn.Module):
    """Images in [0, 1] (sample, 3, h, w) as a network was trained on them: less `mean`, over `deviation`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: VGG16) -> None:
        super().__init__()
        self.register_buffer("mean", network.mean.clone())
        self.register_buffer("deviation", network.deviation.clone())

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        return (images - self.mean) / self.deviation


def chain(network: VGG16) -> nn.Sequential:
    """The network as a chain of plain layers, which are its own; what filters are removed from.

    Names: input, conv1_1.conv, conv1_1.norm, conv1_1.relu, .., pool1, .., flatten, classifier.
    """
    layers: dict[str, nn.Module] = {"input": Normalised(network)}
    for name, stage in network.stages.items():
        parts: dict[str, Any] = {"conv": stage.conv, "norm": stage.norm, "relu": nn.ReLU()}
        layers[name] = nn.Sequential(OrderedDict(parts))
        if name in POOLED:
            layers[f"pool{name[4]}"] = nn.MaxPool2d(2)
    layers |= {"flatten": nn.Flatten(), "classifier": network.classifier}
    return nn.Sequential(OrderedDict(layers)).train(network.training)


def check_width(path: Path, width: float, *, prefix: str = "") -> None:
    """Raise MooFsError unless the safetensors file `path` holds a network of this width under names with `prefix`."""
    try:
        with safe_open(path, "pt") as file:
            found = tuple(file.get_slice(f"{prefix}stages.{name}.conv.weight").get_shape()[0] for name in STAGES)
    except (SafetensorError, OSError) as error:
        raise MooFsError(f"{path}: not the weights of a VGG16; move it away and train anew") from error
    wanted = filters_of(width)
    if found != wanted:
        raise MooFsError(
            f"{path}: a network of another width, {sum(found)} filters ({found[0]} in {STAGES[0]}); wanted width "
            f"{width:g}, {sum(wanted)} filters ({wanted[0]} in {STAGES[0]})"
        )


def load(path: Path, *, width: float = 1.0) -> VGG16:
    """The network with the weights of `path`, single precision, in evaluation mode.

    Raises MooFsError if there are none, or they are of another network or another width.
    """
    if path.is_file():
        check_width(path, width)
    network = vgg16(width)
    weights_file.load(network, path, command="moo-fs train vgg16-cifar10")
    return network
