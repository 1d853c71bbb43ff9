"""Training of `cityscapes` on the train split less the tenth that is held out: mirrored at random, nothing else.

The recipe is our choice throughout; the authors' is not public. The images of step n and which are mirrored depend on
the seed and on n alone, so that training resumes exactly. Frames are read once and kept resized: about 1 MB each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from moo_fs import outcomes
from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream, words
from moo_fs.subjects import cityscapes_data, resnet34, training, weights_file
from moo_fs.subjects.cityscapes_data import Frame, Scene
from moo_fs.subjects.cityscapes_network import TASKS, Whole
from moo_fs.tasks import IGNORED

BATCH = 8
RECIPE = training.Recipe(steps=20_000, rate=3e-4, warmup=500, decay=0.6)
LOOKED_AT = 64
VALIDATE_EVERY = 2500
LEAST = 1e-6


@dataclass(frozen=True)
class Constants:
    """The best constant predictors, `share` (class,), `disparity`, `colour` (3,), and the losses that they have."""

    share: Tensor
    disparity: float
    colour: Tensor
    entropy: float
    disparity_variance: float
    image_variance: float


class Batches:
    """The training frames, drawn without replacement epoch by epoch, each mirrored or not."""

    def __init__(self, frames: Sequence[Frame], *, size: int, height: int, seed: int) -> None:
        self.frames, self.height, self.seed = frames, height, seed
        self._kept: dict[int, Scene] = {}
        self.epochs = training.Epochs(len(frames), size, seed=seed, subject="cityscapes")

    def batch(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Images (sample, 3, h, w) in [0, 1] and targets of a step; an incomplete last batch is left out."""
        picks = self.epochs.picks(step).tolist()
        mirrored = stream(self.seed, "cityscapes", "mirror", step).random(len(picks)) < 0.5
        scenes = [self._scene(pick) for pick in picks]
        return cityscapes_data.as_tensors(
            [mirror(scene) if turn else scene for scene, turn in zip(scenes, mirrored.tolist(), strict=True)]
        )

    def _scene(self, pick: int) -> Scene:
        if pick not in self._kept:
            self._kept[pick] = cityscapes_data.read(self.frames[pick], height=self.height)
        return self._kept[pick]


def mirror(scene: Scene) -> Scene:
    """Left and right exchanged, disparity as it is: the network sees one image and has no second camera to place."""
    return Scene(scene.image[:, ::-1], scene.labels[:, ::-1], scene.disparity[:, ::-1])


def constants(frames: Sequence[Frame], *, height: int) -> Constants:
    """Of at most 64 frames spread evenly. Raises MooFsError if there is nothing to learn on them."""
    chosen = cityscapes_data.spread(frames, min(LOOKED_AT, len(frames)))
    images, targets = cityscapes_data.as_tensors([cityscapes_data.read(one, height=height) for one in chosen])
    labels, disparity = targets["segmentation"], targets["disparity"].double()
    share = torch.bincount(labels[labels != IGNORED], minlength=cityscapes_data.CLASSES).double()
    share = share / share.sum()
    valid = disparity[~disparity.isnan()]
    entropy = float(-(share * share.clamp(min=LEAST).log()).sum())
    variances = float(valid.var(correction=0)), float(images.double().var(correction=0))
    if not min(entropy, *variances) > LEAST:
        raise MooFsError(f"{chosen[0].image.parent}: wanted frames of several classes, distances and colours to train")
    return Constants(share, float(valid.mean()), images.double().mean((0, 2, 3)), entropy, *variances)


def loss(outputs: dict[str, Tensor], targets: dict[str, Tensor], scale: Constants) -> Tensor:
    """The sum of the tasks' losses, each 1 for the best constant predictor; ignored and invalid pixels count nowhere.

    Equal weights in this unit are our choice.
    """
    labels, disparity = targets["segmentation"], targets["disparity"]
    valid = ~disparity.isnan()
    entropy = functional.cross_entropy(outputs["segmentation"], labels, ignore_index=IGNORED, reduction="sum")
    error = (outputs["disparity"] - torch.where(valid, disparity, 0.0)).square() * valid
    image = functional.mse_loss(outputs["reconstruction"], targets["reconstruction"])
    return (
        entropy / (labels != IGNORED).sum().clamp(min=1) / scale.entropy
        + error.sum() / valid.sum().clamp(min=1) / scale.disparity_variance
        + image / scale.image_variance
    )


def untrained(variant: str, seed: int, *, start: Path | None, scale: Constants) -> Whole:
    """The network before the first step: its trunk from the state file `start` if given, its outputs around `scale`."""
    torch.manual_seed(words(seed, "cityscapes", "weights")[0])
    model = Whole(variant)
    if start is not None:
        resnet34.start_from(model.edge.trunk, start)
    middles = {
        "segmentation": scale.share.clamp(min=LEAST).log(),
        "disparity": torch.tensor([scale.disparity]),
        "reconstruction": scale.colour,
    }
    with torch.no_grad():
        for name, middle in middles.items():
            model.heads[name].leave.bias.copy_(middle)  # type: ignore[union-attr, operator]
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def train(
    folder: Path,
    *,
    checkpoint: Path,
    variant: str = "256",
    start: Path | None = None,
    height: int = cityscapes_data.HEIGHT,
    seed: int = 0,
    device: str = "cpu",
    recipe: training.Recipe = RECIPE,
    every: int = 250,
    report: Callable[[int, float], None] = lambda step, loss: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[Whole, dict[str, float]]:
    """Train one network on Cityscapes in `folder`; returns it, rounded to half precision, and how good it is.

    That is `metrics` on 64 of the frames held out, which `tell` hears now and then. Killed and started again, it goes
    on from `checkpoint` to the same weights (on one CPU with one number of threads; on CUDA up to what cuDNN repeats).
    """
    trains, held = cityscapes_data.training_parts(folder)
    validates = cityscapes_data.spread(held, min(LOOKED_AT, len(held)))
    scale = constants(trains, height=height)
    model = untrained(variant, seed, start=start, scale=scale).to(device)
    batches = Batches(trains, size=BATCH, height=height, seed=seed)
    tell(f"{len(trains)} frames train, {len(held)} of the train split are held out")

    def loss_of_step(step: int) -> Tensor:
        images, targets = batches.batch(step)
        images = images.to(device, memory_format=torch.channels_last)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=device.startswith("cuda")):
            outputs = model(images)
        wanted = {name: value.to(device) for name, value in targets.items()}
        return loss({name: value.float() for name, value in outputs.items()}, wanted, scale)

    def heard(step: int, value: float) -> None:
        report(step, value)
        if step % VALIDATE_EVERY == 0:
            tell(f"step {step}: {sentence(metrics(model, validates, height=height, device=device))}")

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        training.fit(model, loss_of_step, recipe, checkpoint=checkpoint, every=every, report=heard)
    weights_file.restore(model, weights_file.half(model))
    found = metrics(model, validates, height=height, device=device)
    tell(f"trained: {sentence(found)}, weights in half precision")
    return model, found


def metrics(model: Whole, frames: Sequence[Frame], *, height: int, device: str) -> dict[str, float]:
    """`miou`, `rmse` (pixels) and `psnr_db`, pooled over the frames; the model's mode is left as it was."""
    before = model.training
    model.eval()
    sums: dict[str, list[np.ndarray]] = {task.name: [] for task in TASKS}
    with torch.inference_mode():
        for images, targets in cityscapes_data.batches(frames, height=height, at_once=BATCH):
            outputs = model(images.to(device))
            for task in TASKS:
                sums[task.name].append(outcomes.image_sums(task, outputs[task.name].cpu(), targets[task.name]))
    model.train(before)
    found: dict[str, float] = {}
    for task in TASKS:
        found |= outcomes.metrics(task, np.concatenate(sums[task.name]))
    return {name: found[name] for name in ("miou", "rmse", "psnr_db")}


def sentence(found: dict[str, float]) -> str:
    """What `metrics` found, in words."""
    return (
        f"on frames held out mIoU {found['miou']:.3f}, disparity RMSE {found['rmse']:.2f} px, {found['psnr_db']:.1f} dB"
    )
