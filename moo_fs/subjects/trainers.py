"""Which subjects can be trained, on what, and how: `moo-fs train`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.subjects import (
    camvid_training,
    cityscapes_data,
    cityscapes_training,
    data_folder,
    fashion_training,
    noise_training,
    resnet34,
    vgg_training,
    weights_file,
)


@dataclass(frozen=True)
class Trainer:
    """`data` says in words what the data folder holds; `run` trains and returns the path of the weights.

    With `tells`, `run` takes `tell`, which hears of progress; with `widths` there are networks of several widths, and
    it takes `width`; with `variants`, the first of which is the usual one, it takes `variant` and `start`, a state file
    of the trunk to start from or None.
    """

    data: str
    steps: int
    run: Callable[..., Path]
    widths: bool = False
    tells: bool = False
    variants: tuple[str, ...] = ()


def trainer(
    subject: str,
    *,
    width: float | None = None,
    variant: str | None = None,
    start: Path | None = None,
    noise: bool = False,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Trainer:
    """The trainer of a subject, at a width or of a variant, its trunk from the state file `start`.

    With `noise`, that of its heads alone, under quantisation noise, on a network that ships.
    Raises MooFsError if it has nothing to train, or one of these that it does not know.
    """
    if subject not in TRAINERS:
        raise MooFsError(f"train: subject '{subject}' has no training{did_you_mean(subject, TRAINERS)}")
    if noise and subject not in UNDER_NOISE:
        raise MooFsError(f"train {subject}: --noise: wanted {' or '.join(UNDER_NOISE)}; leave the option out")
    found = UNDER_NOISE[subject] if noise else TRAINERS[subject]
    if found.tells:
        found = replace(found, run=partial(found.run, tell=tell))
    if found.variants:
        found = replace(found, run=partial(found.run, variant=_variant(subject, variant, found), start=start))
    elif variant is not None or start is not None:
        option = "--variant" if start is None else "--start"
        raise MooFsError(f"train {subject}: {option}: this network has one form only; leave the option out")
    if found.widths:
        return replace(found, run=partial(found.run, width=1.0 if width is None else width))
    if width is not None:
        raise MooFsError(f"train {subject}: --width: this network has one width only; leave the option out")
    return found


def _variant(subject: str, variant: str | None, found: Trainer) -> str:
    if variant is not None and variant not in found.variants:
        raise MooFsError(f"train {subject}: --variant: wanted {' or '.join(found.variants)}, got '{variant}'")
    return variant or found.variants[0]


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
    weights_file.save(network, path)
    return path


def train_noise(
    data: Path, *, out: Path, seed: int, device: str, steps: int | None, report: Callable[[int, float], None]
) -> Path:
    """Fine-tune the heads of network `seed` of `fashion-scenes`; a training of another length has another checkpoint.

    The weights, of the heads alone, have the number of steps as metadata.
    """
    recipe = replace(noise_training.RECIPE, steps=steps or noise_training.RECIPE.steps)
    name = f"fashion-scenes-noise-{seed}"
    heads = noise_training.train(
        data,
        checkpoint=out / f"{name}-{recipe.steps}.checkpoint",
        seed=seed,
        device=device,
        recipe=recipe,
        report=report,
    )
    path = out / f"{name}.safetensors"
    weights_file.save(heads, path, about={"network": seed, "steps": recipe.steps})
    return path


def train_camvid(
    data: Path,
    *,
    out: Path,
    seed: int,
    device: str,
    steps: int | None,
    report: Callable[[int, float], None],
    tell: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Train `camvid`; a training of another length has another checkpoint and the same weights file.

    The weights' metadata say what they are: seed, steps and what they reach on the validation frames.
    """
    recipe = replace(camvid_training.RECIPE, steps=steps or camvid_training.RECIPE.steps)
    folder = data_folder.within(data, "camvid")
    checkpoint = out / f"camvid-{seed}-{recipe.steps}.checkpoint"
    network, found = camvid_training.train(
        folder, checkpoint=checkpoint, seed=seed, device=device, recipe=recipe, report=report, tell=tell
    )
    path = out / f"camvid-{seed}.safetensors"
    measured = {f"validation_{name}": round(value, 4) for name, value in found.items()}
    weights_file.save(network, path, about={"seed": seed, "steps": recipe.steps, **measured})
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
    folder = data_folder.within(data, "cifar10")
    network, accuracy = vgg_training.train(
        folder, checkpoint=checkpoint, width=width, seed=seed, device=device, recipe=recipe, report=report, tell=tell
    )
    about = {"width": width, "seed": seed, "steps": recipe.steps, "validation_accuracy": round(accuracy, 4)}
    path = out / f"{name}.safetensors"
    weights_file.save(network, path, about=about)
    return path


def train_cityscapes(
    data: Path,
    *,
    out: Path,
    seed: int,
    device: str,
    steps: int | None,
    report: Callable[[int, float], None],
    variant: str = "256",
    start: Path | None = None,
    height: int = cityscapes_data.HEIGHT,
    tell: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Train a variant of `cityscapes`; another length, start or height has another checkpoint, the same weights file.

    The weights' metadata say what they are: variant, seed, steps, whether `start` was given, height, and what they
    reach on frames held out.
    """
    recipe = replace(cityscapes_training.RECIPE, steps=steps or cityscapes_training.RECIPE.steps)
    folder = data_folder.within(data, "cityscapes")
    begun = resnet34.fingerprint(start) if start is not None else "untrained"
    checkpoint = out / f"cityscapes-{variant}-{seed}-{recipe.steps}-{begun}-{height}.checkpoint"
    network, found = cityscapes_training.train(
        folder,
        checkpoint=checkpoint,
        variant=variant,
        start=start,
        height=height,
        seed=seed,
        device=device,
        recipe=recipe,
        report=report,
        tell=tell,
    )
    path = out / f"cityscapes-{variant}-{seed}.safetensors"
    measured = {f"held_out_{name}": round(value, 4) for name, value in found.items()}
    made = {"variant": int(variant), "seed": seed, "steps": recipe.steps, "started": start is not None}
    weights_file.save(network, path, about={**made, "height": height, **measured})
    return path


FASHION = "the two Fashion-MNIST training files (train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz)"
TRAINERS = {
    "fashion-scenes": Trainer(
        FASHION,
        fashion_training.RECIPE.steps,
        train_fashion,
    ),
    "vgg16-cifar10": Trainer(
        "CIFAR-10's five training batches as downloaded and unpacked (python or binary version)",
        vgg_training.RECIPE.steps,
        train_vgg,
        widths=True,
        tells=True,
    ),
    "cityscapes": Trainer(
        "Cityscapes: leftImg8bit, gtFine and disparity as unpacked from their *_trainvaltest.zip",
        cityscapes_training.RECIPE.steps,
        train_cityscapes,
        tells=True,
        variants=("256", "512"),
    ),
    "camvid": Trainer(
        "CamVid: the six folders of the SegNet tutorial (train, trainannot, ...) or camvid_96x128.npz",
        camvid_training.RECIPE.steps,
        train_camvid,
        tells=True,
    ),
}
UNDER_NOISE = {"fashion-scenes": Trainer(FASHION, noise_training.RECIPE.steps, train_noise)}
