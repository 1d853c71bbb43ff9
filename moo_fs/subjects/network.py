"""A three-task split network (`fashion-scenes`, `camvid`): a residual encoder, 64 bounded ReLU channels, three heads.

No batch normalisation stands right before the split: it would equalise the channels, and then a uniform depth is
nearly unbeatable and there is nothing to allocate. The features are bounded at 6 (ReLU6, as on fixed-point devices):
left free, a few channels grow rare spikes far beyond their usual size, which no depth codes well.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 64
DOWN = 4
CEILING = 6.0


def conv_bn(inputs: int, outputs: int, *, side: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution and batch normalisation, same padding."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_bn(channels, channels)
        self.second = conv_bn(channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (sample, channel, height, width) to maps of the same shape."""
        return functional.relu(maps + self.second(functional.relu(self.first(maps))))


class Context(nn.Module):
    """A branch at half the resolution that sees far, added back: a large view for few multiplications."""

    def __init__(self, channels: int, inner: int, *, blocks: int) -> None:
        super().__init__()
        self.down = conv_bn(channels, inner, stride=2)
        self.inner = nn.Sequential(*[Residual(inner) for _ in range(blocks)])
        self.back = conv_bn(inner, channels, side=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (sample, channel, height, width), even sides, to maps of the same shape."""
        far = self.back(self.inner(functional.relu(self.down(maps))))
        return functional.relu(maps + functional.interpolate(far, scale_factor=2.0, mode="nearest"))


class Edge(nn.Module):
    """Images (sample, 3, H, W) in [0, 1] to features (sample, 64, H / 4, W / 4) in [0, `ceiling`]."""

    def __init__(self) -> None:
        super().__init__()
        self.ceiling = CEILING
        self.body = nn.Sequential(
            conv_bn(3, 24, side=5, stride=2),
            nn.ReLU(),
            Residual(24),
            conv_bn(24, 64, stride=2),
            nn.ReLU(),
            Residual(64),
            Context(64, 80, blocks=1),
            Residual(64),
        )
        self.split = nn.Conv2d(64, CHANNELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        free: Tensor = self.split(self.body(images - 0.5))
        return free.clamp(0.0, self.ceiling)


class Head(nn.Module):
    """Features (sample, 64, h, w) to a task's output (sample, outputs, 4 h, 4 w) by pixel shuffling."""

    def __init__(self, outputs: int, width: int, *, inner: int, blocks: int, side: int) -> None:
        super().__init__()
        self.enter = conv_bn(CHANNELS, width, side=1)
        self.context = Context(width, inner, blocks=blocks) if inner else nn.Identity()
        self.body = Residual(width)
        self.leave = nn.Conv2d(width, outputs * DOWN * DOWN, side, padding=side // 2)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        maps = self.body(self.context(functional.relu(self.enter(features))))
        return functional.pixel_shuffle(self.leave(maps), DOWN)


@dataclass(frozen=True)
class Values:
    """The task of one value a pixel: its name, and what the head's raw output is multiplied by and added to."""

    name: str
    middle: float
    scale: float = 1.0


DEPTH = Values("depth", middle=2.3)


class ValueHead(Head):
    """One value a pixel, (sample, 4 h, 4 w), in the task's own unit (`depth`: the nearest garment's distance)."""

    def __init__(self, values: Values) -> None:
        super().__init__(1, 32, inner=48, blocks=1, side=1)
        self.values = values

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return super().forward(features)[:, 0] * self.values.scale + self.values.middle


class ImageHead(Head):
    """The reconstruction head: an image (sample, 3, 4 h, 4 w), nominally in [0, 1]."""

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        return super().forward(features) + 0.5


def heads(classes: int, values: Values = DEPTH) -> nn.ModuleDict:
    """The three heads by task name."""
    return nn.ModuleDict(
        {
            "segmentation": Head(classes, 48, inner=64, blocks=1, side=1),
            values.name: ValueHead(values),
            "reconstruction": ImageHead(3, 48, inner=0, blocks=0, side=3),
        }
    )


class Whole(nn.Module):
    """Edge and heads as one network, for training."""

    def __init__(self, classes: int, values: Values = DEPTH) -> None:
        super().__init__()
        self.edge = Edge()
        self.heads = heads(classes, values)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images (sample, 3, H, W) in [0, 1], H and W multiples of 8, to the tasks' outputs."""
        features = self.edge(images)
        return {name: head(features) for name, head in self.heads.items()}
