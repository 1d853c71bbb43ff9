"""Training on after filters are gone: the recipe of the network itself, shorter and at a lower rate."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from moo_fs.prune_studies.network import Subject
from moo_fs.subjects import training
from moo_fs.subjects.vgg_training import Batches, Cosine

BATCH = 128


def fine_tuned(
    subject: Subject, network: nn.Module, *, epochs: int, rate: float, seed: int, checkpoint: Path, every: int = 100
) -> nn.Module:
    """Train a cut network in place on the training images; killed and started again it goes on from `checkpoint`.

    Nesterov momentum, a cosine to zero, random crops and flips as in `vgg_training`; the last weights are taken, no
    image chooses among them. `seed` draws the order of the images, their crops and flips.
    """
    batches = Batches(subject.training, size=BATCH, seed=seed, device=subject.device)
    recipe = Cosine(steps=epochs * batches.epochs.steps, rate=rate)

    def loss_of_step(step: int) -> Tensor:
        images, labels = batches.batch(step)
        with torch.autocast(torch.device(subject.device).type, torch.bfloat16, enabled=subject.device == "cuda"):
            return functional.cross_entropy(network(images), labels)

    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        training.fit(network, loss_of_step, recipe, checkpoint=checkpoint, every=every)
    return network.eval()
