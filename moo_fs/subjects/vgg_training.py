"""Training of VGG16 on CIFAR-10: momentum, a cosine after a short rise, random crops and flips.

45,000 of the 50,000 training images train, 5,000 validate; the test images are not read. The batch of step n and how
its images are cropped depend on the seed and on n alone, so that training resumes exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from moo_fs.seeds import stream, words
from moo_fs.subjects import cifar10, training, vgg16, weights_file

PADDING = 4
VALIDATE_EVERY = 1000
AT_ONCE = 500


@dataclass(frozen=True)
class Cosine:
    """`steps` of Nesterov momentum: the rate rises over the first `warmup` share, then follows a cosine to zero.

    Loshchilov, I., Hutter, F. (2017), "SGDR: stochastic gradient descent with warm restarts" (one period, no restart).
    """

    steps: int
    rate: float = 0.05
    warmup: float = 0.03
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch: int = 128
    clip: float = math.inf

    def rate_at(self, step: int) -> float:
        """The learning rate of step `step` (0..steps - 1)."""
        rise = (step + 1) / max(1.0, self.warmup * self.steps)
        return self.rate * min(1.0, rise, (1 + math.cos(math.pi * step / self.steps)) / 2)

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Momentum with weight decay on every parameter."""
        return torch.optim.SGD(
            model.parameters(), lr=self.rate, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=True
        )


RECIPE = Cosine(steps=160 * (45_000 // 128))


class Batches:
    """The training images, drawn without replacement epoch by epoch, cropped and flipped at random."""

    def __init__(self, pictures: cifar10.Pictures, *, size: int, seed: int, device: str) -> None:
        self.images = torch.from_numpy(pictures.images).to(device)
        self.labels = torch.from_numpy(pictures.labels).to(device)
        self.seed, self.device = seed, device
        self.epochs = training.Epochs(len(self.labels), size, seed=seed, subject="vgg16-cifar10")

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (sample, 3, 32, 32) in [0, 1] and labels (sample,) of a step; an incomplete last batch is left out."""
        picks = torch.from_numpy(self.epochs.picks(step)).to(self.device)
        moved = crop(self.images[picks], stream(self.seed, "vgg16-cifar10", "crop", step))
        return unit(moved), self.labels[picks]


def crop(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Shift each image (sample, 3, 32, 32) by up to 4 pixels, black outside, and mirror every other one on average."""
    count, side = len(images), images.shape[-1]
    shift = rng.integers(0, 2 * PADDING + 1, size=(count, 2))
    along = np.arange(side)
    mirrored = rng.random(count)[:, None] < 0.5
    rows = shift[:, :1] + along
    columns = shift[:, 1:] + np.where(mirrored, along[::-1], along)
    padded = functional.pad(images, (PADDING,) * 4)

    def index(values: NDArray[np.int64], *shape: int) -> Tensor:
        return torch.from_numpy(values).to(images.device).view(*shape)

    sample, channel = index(np.arange(count), -1, 1, 1, 1), index(np.arange(images.shape[1]), 1, -1, 1, 1)
    return padded[sample, channel, index(rows, count, 1, side, 1), index(columns, count, 1, 1, side)]


def unit(images: Tensor) -> Tensor:
    """Bytes as numbers in [0, 1], channels last."""
    return images.float().div(255.0).contiguous(memory_format=torch.channels_last)


def train(
    folder: Path,
    *,
    checkpoint: Path,
    width: float = 1.0,
    seed: int = 0,
    device: str = "cpu",
    recipe: Cosine = RECIPE,
    every: int = 250,
    report: Callable[[int, float], None] = lambda step, loss: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[vgg16.VGG16, float]:
    """Train one network on CIFAR-10 in `folder`; returns it, rounded to half precision, and its validation accuracy.

    `tell` hears the accuracy on the validation images now and then. Killed and started again, it goes on from
    `checkpoint` to the same weights (on one CPU with one number of threads; on CUDA up to what cuDNN repeats).
    """
    model = untrained(width, seed).to(device)
    if checkpoint.exists():
        vgg16.check_width(checkpoint, width, prefix="model.")
    trains, validates = cifar10.training_parts(folder)
    batches = Batches(trains, size=recipe.batch, seed=seed, device=device)

    def loss_of_step(step: int) -> Tensor:
        images, labels = batches.batch(step)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device.startswith("cuda")):
            return functional.cross_entropy(model(images), labels)

    def heard(step: int, loss: float) -> None:
        report(step, loss)
        if step % VALIDATE_EVERY == 0:
            tell(f"step {step}: {accuracy(model, validates):.2%} of {len(validates.labels)} validation images right")

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        training.fit(model, loss_of_step, recipe, checkpoint=checkpoint, every=every, report=heard)
    weights_file.restore(model, weights_file.half(model))
    found = accuracy(model, validates)
    tell(f"trained: {found:.2%} of {len(validates.labels)} validation images right, weights in half precision")
    return model, found


def untrained(width: float, seed: int) -> vgg16.VGG16:
    """The network before the first step, the same on every device."""
    torch.manual_seed(words(seed, "vgg16-cifar10", "weights")[0])
    model = vgg16.vgg16(width)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def accuracy(model: vgg16.VGG16, pictures: cifar10.Pictures) -> float:
    """The share of `pictures` whose class has the largest logit, in [0, 1]; the model's mode is left as it was."""
    before, device = model.training, model.mean.device
    model.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(pictures.labels), AT_ONCE):
            images = torch.from_numpy(pictures.images[start : start + AT_ONCE]).to(device)
            labels = torch.from_numpy(pictures.labels[start : start + AT_ONCE]).to(device)
            right += int((model(unit(images)).argmax(1) == labels).sum())
    model.train(before)
    return right / len(pictures.labels)
