"""Heads of `fashion-scenes` fine-tuned under quantisation noise: whether a ranking of measures survives it.

A shipped network is continued with its edge as it is. The heads see features of training scenes as a decoder would
receive them, each channel of each image at a random depth under the quantiser's tables of the fit part, and learn to
make the best of them. The edge being frozen, nothing is differentiated through the quantiser. All choices are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moo_fs.coding.quantiser import QuantiserTables, fit_tables
from moo_fs.contracts import MAX_BITS
from moo_fs.seeds import stream
from moo_fs.subjects import fashion_scenes, fashion_training, garments, scenes, training

RECIPE = training.Recipe(steps=800, rate=1e-3, warmup=40, decay=0.6)
BATCH = 32
FIT_IMAGES = 256  # as the subject has it: the same scenes, hence the same tables
LEAST_LEVEL = 0.25  # mean depth: with less, an image is hardly sent and teaches the heads to guess


class Heads(nn.Module):
    """All heads as one module, always in evaluation mode.

    Their batch normalisation keeps the running moments of clean training, and only its scale and shift learn: moments
    of batches that mix all depths would be those of no allocation, and would not be what is used afterwards.
    """

    def __init__(self, heads: nn.ModuleDict) -> None:
        super().__init__()
        self.heads = heads

    def train(self, mode: bool = True) -> Self:
        """See the class."""
        return super().train(False)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features (image, channel, h, w) to the tasks' outputs."""
        return {name: head(features) for name, head in self.heads.items()}


class Noise:
    """What a decoder receives of features whose channels are sent at any depths."""

    def __init__(self, tables: QuantiserTables, device: str = "cpu") -> None:
        arrays: tuple[NDArray[Any], ...] = (tables.offset, tables.scale, tables.levels - 1, tables.centroids)
        self._tables = [torch.from_numpy(np.array(array, dtype=np.float32)).to(device) for array in arrays]

    def __call__(self, features: Tensor, depths: NDArray[np.int64]) -> Tensor:
        """Features (image, channel, h, w) at depths (image, channel), 0 to 8."""
        device = features.device
        at = (torch.arange(features.shape[1], device=device)[None], torch.from_numpy(depths).to(device))
        offset, scale, last, centroids = (table[at][:, :, None] for table in self._tables)
        level = ((features.flatten(2) - offset) * scale).floor().clamp_min(0).minimum(last).long()
        return centroids[:, :, 0].gather(2, level).view(features.shape)


def draw_depths(rng: np.random.Generator, images: int, channels: int) -> NDArray[np.int64]:
    """Depths (image, channel), 0 to 8: Poisson, cut at 8, around a level a image, log-uniform from 0.25 to 8 bits.

    Every level is met, as a search meets it, and half of the images lie below 1.4 bits, where allocation matters.
    """
    level = np.exp(rng.uniform(np.log(LEAST_LEVEL), np.log(MAX_BITS), images))
    return np.minimum(rng.poisson(level[:, None], (images, channels)), MAX_BITS)


def train(
    folder: Path,
    *,
    checkpoint: Path,
    seed: int = 0,
    device: str = "cpu",
    recipe: training.Recipe = RECIPE,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> nn.ModuleDict:
    """Fine-tune the heads of shipped network number `seed` on scenes of the training garments in `folder`.

    Depths and scenes of a step depend on `seed` and the step alone. Raises MooFsError if there is no such network.
    """
    network = fashion_scenes.load_network(fashion_scenes.weights_path(fashion_scenes.known_network(seed)))
    cloth = garments.load("train", folder=folder)
    edge = network.edge.to(device)
    heads = Heads(network.heads).to(device)
    heads.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        noise = Noise(fit_tables(_features(edge, device)), device)

    def loss_of_step(step: int) -> Tensor:
        rng = stream(seed, "fashion-scenes", "noise", step)
        images, targets = fashion_training.as_tensors(scenes.compose(cloth, count=BATCH, rng=rng))
        with torch.no_grad():
            features = edge(images.to(device, memory_format=torch.channels_last))
            received = noise(features, draw_depths(rng, *features.shape[:2]))
        outputs = heads(received.contiguous(memory_format=torch.channels_last))
        return fashion_training.loss(outputs, {name: value.to(device) for name, value in targets.items()})

    training.fit(heads, loss_of_step, recipe, checkpoint=checkpoint, report=report)
    return heads.heads


def _features(edge: nn.Module, device: str) -> NDArray[np.float32]:
    """Features of the fit part, from which tables are fitted."""
    images = fashion_scenes.part_data("fit", FIT_IMAGES)[0]
    return torch.cat([edge(part.to(device)).cpu() for part in torch.split(images, fashion_scenes.CHUNK)]).numpy()
