"""Which subjects can be trained, on what, and how: `moo-fs train`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.subjects import fashion_scenes, fashion_training


@dataclass(frozen=True)
class Trainer:
    """`data` says in words what the data folder holds; `run` trains and returns the path of the weights."""

    data: str
    steps: int
    run: Callable[..., Path]


def trainer(subject: str) -> Trainer:
    """The trainer of a subject; raises MooFsError if it has nothing to train."""
    if subject not in TRAINERS:
        raise MooFsError(f"train: subject '{subject}' has no training{did_you_mean(subject, TRAINERS)}")
    return TRAINERS[subject]


def train_fashion(
    data: Path, *, out: Path, seed: int, device: str, steps: int | None, report: Callable[[int, float], None]
) -> Path:
    """Train `fashion-scenes`; the checkpoint and then the half-precision weights go to `out`."""
    recipe = replace(fashion_training.RECIPE, steps=steps or fashion_training.RECIPE.steps)
    name = f"fashion-scenes-{seed}"
    network = fashion_training.train(
        data, checkpoint=out / f"{name}.checkpoint", seed=seed, device=device, recipe=recipe, report=report
    )
    path = out / f"{name}.safetensors"
    fashion_scenes.save_network(network, path)
    return path


TRAINERS = {
    "fashion-scenes": Trainer(
        "the two Fashion-MNIST training files (train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz)",
        fashion_training.RECIPE.steps,
        train_fashion,
    )
}
