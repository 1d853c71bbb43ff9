"""Training of `fashion-scenes`: endless scenes from the 60,000 training garments."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from moo_fs.seeds import stream, words
from moo_fs.subjects import garments, network, scenes, training

BATCH = 64
RECIPE = training.Recipe(steps=5000, decay=0.3)
CLASSES = 11
# Features are free while the network learns fast, and bounded for the rest: what it learnt first survives the bound.
BOUNDED_FROM = 3500
# Losses are divided by the constant predictor's, so that the weights say what a task counts for.
DISTANCE_VARIANCE, IMAGE_VARIANCE = 0.54, 0.042
WEIGHTS = {"segmentation": 1.0, "depth": 2.0, "reconstruction": 4.0}


class Whole(network.Whole):
    """The network of `fashion-scenes`."""

    def __init__(self) -> None:
        super().__init__(CLASSES, network.DEPTH)


def train(
    folder: Path,
    *,
    checkpoint: Path,
    seed: int = 0,
    device: str = "cpu",
    recipe: training.Recipe = RECIPE,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Whole:
    """Train one network on scenes of the garments in `folder` (Fashion-MNIST's training files)."""
    cloth = garments.load("train", folder=folder)
    torch.manual_seed(words(seed, "fashion-scenes", "weights")[0])
    model = Whole().to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss_of_step(step: int) -> Tensor:
        drawn = scenes.compose(cloth, count=BATCH, rng=stream(seed, "fashion-scenes", "train", step))
        images, targets = as_tensors(drawn)
        images = images.to(device, memory_format=torch.channels_last)
        model.edge.ceiling = network.CEILING if step >= BOUNDED_FROM else math.inf
        return loss(model(images), {name: value.to(device) for name, value in targets.items()})

    training.fit(model, loss_of_step, recipe, checkpoint=checkpoint, report=report)
    return model


def loss(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
    """The weighted sum of the tasks' losses, each about 1 (2.4 for the classes) before anything is learnt."""
    parts = {
        "segmentation": functional.cross_entropy(outputs["segmentation"], targets["segmentation"]),
        "depth": functional.mse_loss(outputs["depth"], targets["depth"]) / DISTANCE_VARIANCE,
        "reconstruction": functional.mse_loss(outputs["reconstruction"], targets["reconstruction"]) / IMAGE_VARIANCE,
    }
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()


def as_tensors(drawn: scenes.Scenes) -> tuple[Tensor, dict[str, Tensor]]:
    """Scenes as images (sample, 3, H, W) in [0, 1] and the three tasks' targets."""
    pictures, labels, distance = (torch.from_numpy(array) for array in drawn)
    images = pictures.permute(0, 3, 1, 2).float().div(255.0).contiguous()
    return images, {"segmentation": labels.long(), "depth": distance, "reconstruction": images}
