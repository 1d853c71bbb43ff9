"""Which subjects can be trained, on what, and how: `moo-fs train`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.subjects import fashion_scenes, fashion_training, vgg16, vgg_training


@dataclass(frozen=True)
class Trainer:
    """`data` says in words what the data folder holds; `run` trains and returns the path of the weights.

    With `widths` there are networks of several widths, and `run` takes `width` and `tell`, which hears of progress.
    """

    data: str
    steps: int
    run: Callable[..., Path]
    widths: bool = False


def trainer(
    subject: str, *, width: float | None = None, tell: Callable[[str], None] = lambda sentence: None
) -> Trainer:
    """The trainer of a subject, at a width; raises MooFsError if it has nothing to train or no such width."""
    if subject not in TRAINERS:
        raise MooFsError(f"train: subject '{subject}' has no training{did_you_mean(subject, TRAINERS)}")
    found = TRAINERS[subject]
    if found.widths:
        return replace(found, run=partial(found.run, width=1.0 if width is None else width, tell=tell))
    if width is not None:
        raise MooFsError(f"train {subject}: --width: this network has one width only; leave the option out")
    return found


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


def train_vgg(
    data: Path,
    *,
    out: Path,
    seed: int,
    device: str,
    steps: int | None,
    report: Callable[[int, float], None],
    width: float = 1.0,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Train `vgg16-cifar10` at a width; a training of another length has another checkpoint and the same weights file.

    The weights' metadata say what they are: width, seed, steps and validation accuracy.
    """
    recipe = replace(vgg_training.RECIPE, steps=steps or vgg_training.RECIPE.steps)
    name = f"vgg16-cifar10-width{width:g}-{seed}"
    checkpoint = out / f"{name}-{recipe.steps}.checkpoint"
    network, accuracy = vgg_training.train(
        data, checkpoint=checkpoint, width=width, seed=seed, device=device, recipe=recipe, report=report, tell=tell
    )
    about = {"width": width, "seed": seed, "steps": recipe.steps, "validation_accuracy": round(accuracy, 4)}
    path = out / f"{name}.safetensors"
    vgg16.save(network, path, about=about)
    return path


TRAINERS = {
    "fashion-scenes": Trainer(
        "the two Fashion-MNIST training files (train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz)",
        fashion_training.RECIPE.steps,
        train_fashion,
    ),
    "vgg16-cifar10": Trainer(
        "CIFAR-10's five training batches as downloaded and unpacked (python or binary version)",
        vgg_training.RECIPE.steps,
        train_vgg,
        widths=True,
    ),
}
