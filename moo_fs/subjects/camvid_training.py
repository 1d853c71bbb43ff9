"""Training of `camvid` on the 367 training frames: cropped, scaled, mirrored, lit differently at every step.

The recipe is our choice throughout. The validation frames are looked at, never trained on; the test frames are not
read.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from moo_fs import outcomes
from moo_fs.contracts import Floats
from moo_fs.seeds import stream, words
from moo_fs.subjects import boundaries, camvid_data, network, training, weights_file
from moo_fs.tasks import IGNORED, Task

CLASSES = len(camvid_data.CLASSES)
THINGS = frozenset(
    camvid_data.CLASSES.index(name) for name in ("pole", "sign", "fence", "car", "pedestrian", "bicyclist")
)
LIMIT = 16.0
BOUNDARY = network.Values("boundary", middle=-6.7, scale=6.5)
TASKS = [
    Task("segmentation", kind="classes", classes=CLASSES),
    Task("boundary", kind="values"),
    Task("reconstruction", kind="image"),
]
BATCH = 8
CROP = (80, 112)
SCALES = (0.875, 1.6)  # at the smallest the crop is as wide as the frame
PLAIN_SHARE = 0.5  # so many samples are not scaled: scaling blurs, and the reconstruction is to learn sharp frames
RECIPE = training.Recipe(steps=15_000, decay=0.5, weight_decay=0.02)
# Features are free while the network learns fast, and bounded for the rest: what it learnt first survives the bound.
FREE_SHARE = 0.5
# Losses are divided by the constant predictor's, so that the weights say what a task counts for.
WEIGHTS = {"segmentation": 2.4, "boundary": 2.0, "reconstruction": 4.0}
# A class of share f counts f ** -0.5 a pixel; a class rarer than this no more than one as rare as this.
RAREST = 1e-3
VALIDATE_EVERY = 2500
AT_ONCE = 16


@dataclass(frozen=True)
class Constants:
    """What the best constant predictor gets on the training frames, and what a pixel of each class counts (class,)."""

    class_weights: Tensor
    entropy: float
    distance_variance: float
    image_variance: float


class Batches:
    """The training frames, drawn without replacement epoch by epoch, and changed at random."""

    def __init__(self, frames: camvid_data.Frames, *, seed: int, device: str) -> None:
        distance = boundaries.signed_distance(frames.labels, things=THINGS)
        self.constants = constants(frames, np.clip(distance, -LIMIT, LIMIT), device=device)
        self.images = torch.from_numpy(frames.images).to(device)
        self.labels = torch.from_numpy(frames.labels).to(device)
        self.distance = torch.from_numpy(distance).to(device)
        self.seed = seed
        self.epochs = training.Epochs(len(frames.names), BATCH, seed=seed, subject="camvid")

    def batch(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Images (sample, 3, 80, 112) in [0, 1] and targets of a step; an incomplete last batch is left out."""
        picks = torch.from_numpy(self.epochs.picks(step)).to(self.images.device)
        rng = stream(self.seed, "camvid", "change", step)
        return change(self.images[picks], self.labels[picks], self.distance[picks], rng)


def change(
    images: Tensor, labels: Tensor, distance: Tensor, rng: np.random.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Crop, scale, mirror and relight frames: images (sample, 3, H, W) bytes, labels and distances (sample, H, W).

    Distances are unclipped pixels; they grow with the picture and are clipped then.
    """
    count = len(images)
    low, high = np.log(SCALES)
    scale = np.where(rng.random(count) < PLAIN_SHARE, 1.0, np.exp(rng.uniform(low, high, count)))
    grid = torch.from_numpy(_places(scale, images.shape[-2:], rng)).to(images.device)
    light = rng.uniform(0.7, 1.3, (count, 1)) * rng.uniform(0.9, 1.1, (count, 3))
    gain = torch.from_numpy((light / 255.0).astype(np.float32)).to(images.device).view(count, 3, 1, 1)
    lit = _sampled(images.float(), grid, mode="bilinear").mul(gain).clamp(0.0, 1.0)
    marks = torch.stack([labels.float(), distance], dim=1)
    where, far = _sampled(marks, grid, mode="nearest").unbind(1)
    factor = torch.from_numpy(scale.astype(np.float32)).to(images.device).view(count, 1, 1)
    grown = ((far.abs() + 0.5) * factor - 0.5) * far.sign()
    lit = lit.contiguous(memory_format=torch.channels_last)
    targets = {"segmentation": where.long(), "boundary": grown.clamp(-LIMIT, LIMIT), "reconstruction": lit}
    return lit, targets


def _places(scale: Floats, size: torch.Size, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where each pixel of the crops lies in its frame (sample, 80, 112, 2): x and y in -1 .. 1 over the frame."""
    axes = []
    mirrored = rng.random(len(scale))[:, None] < 0.5
    for wanted, whole, turned in ((CROP[0], size[0], False), (CROP[1], size[1], True)):
        start = rng.random(len(scale)) * (whole - wanted / scale)
        start = np.where(scale == 1.0, np.rint(start), start)[:, None]
        places = start + (np.arange(wanted) + 0.5) / scale[:, None]
        axes.append((np.where(mirrored, places[:, ::-1], places) if turned else places) * 2 / whole - 1)
    shape = (len(scale), *CROP)
    pair = (np.broadcast_to(axes[1][:, None, :], shape), np.broadcast_to(axes[0][:, :, None], shape))
    return np.stack(pair, axis=-1).astype(np.float32)


def _sampled(maps: Tensor, grid: Tensor, *, mode: str) -> Tensor:
    return functional.grid_sample(maps, grid, mode=mode, padding_mode="border", align_corners=False)


def constants(frames: camvid_data.Frames, distance: NDArray[np.float32], *, device: str) -> Constants:
    """Of the training frames, `distance` clipped; images in [0, 1]."""
    counts = np.bincount(frames.labels.ravel(), minlength=IGNORED + 1)[:CLASSES]
    share = counts / counts.sum()
    weight = np.maximum(share, RAREST) ** -0.5
    weighted = share * weight / (share * weight).sum()
    seen = weighted > 0
    return Constants(
        class_weights=torch.from_numpy(weight.astype(np.float32)).to(device),
        entropy=float(-(weighted[seen] * np.log(weighted[seen])).sum()),
        distance_variance=float(np.nanvar(distance, dtype=np.float64)),
        image_variance=float((frames.images / np.float32(255.0)).var(dtype=np.float64)),
    )


def loss(outputs: dict[str, Tensor], targets: dict[str, Tensor], scale: Constants) -> Tensor:
    """The weighted sum of the tasks' losses, each 1 for the best constant; unlabelled pixels count nowhere."""
    labels, distance = targets["segmentation"], targets["boundary"]
    entropy = functional.cross_entropy(
        outputs["segmentation"], labels, weight=scale.class_weights, ignore_index=IGNORED
    )
    valid = ~distance.isnan()
    error = functional.mse_loss(outputs["boundary"][valid], distance[valid])
    parts = {
        "segmentation": entropy / scale.entropy,
        "boundary": error / scale.distance_variance,
        "reconstruction": functional.mse_loss(outputs["reconstruction"], targets["reconstruction"])
        / scale.image_variance,
    }
    return torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()


def train(
    folder: Path,
    *,
    checkpoint: Path,
    seed: int = 0,
    device: str = "cpu",
    recipe: training.Recipe = RECIPE,
    every: int = 250,
    report: Callable[[int, float], None] = lambda step, loss: None,
    tell: Callable[[str], None] = lambda sentence: None,
) -> tuple[network.Whole, dict[str, float]]:
    """Train one network on CamVid in `folder`; returns it, rounded to half precision, and how good it is.

    That is `metrics` on the validation frames, which `tell` hears now and then. Killed and started again, it goes on
    from `checkpoint` to the same weights (on one CPU with one number of threads; on CUDA up to what cuDNN repeats).
    """
    validates = camvid_data.load(folder, "val")
    batches = Batches(camvid_data.load(folder, "train"), seed=seed, device=device)
    torch.manual_seed(words(seed, "camvid", "weights")[0])
    model = network.Whole(CLASSES, BOUNDARY).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss_of_step(step: int) -> Tensor:
        images, targets = batches.batch(step)
        model.edge.ceiling = network.CEILING if step >= FREE_SHARE * recipe.steps else math.inf
        return loss(model(images), targets, batches.constants)

    def heard(step: int, value: float) -> None:
        report(step, value)
        if step % VALIDATE_EVERY == 0:
            tell(f"step {step}: {sentence(metrics(model, validates, device=device))}")

    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        training.fit(model, loss_of_step, recipe, checkpoint=checkpoint, every=every, report=heard)
    model.edge.ceiling = network.CEILING
    weights_file.restore(model, weights_file.half(model))
    found = metrics(model, validates, device=device)
    tell(f"trained: {sentence(found)}, weights in half precision")
    return model, found


def targets_of(frames: camvid_data.Frames) -> tuple[Tensor, dict[str, Tensor]]:
    """Whole frames as images (frame, 3, 96, 128) in [0, 1] and the three tasks' targets."""
    images = torch.from_numpy(frames.images).float().div(255.0)
    distance = boundaries.signed_distance(frames.labels, things=THINGS, limit=LIMIT)
    labels = torch.from_numpy(frames.labels).long()
    return images, {"segmentation": labels, "boundary": torch.from_numpy(distance), "reconstruction": images}


def metrics(model: network.Whole, frames: camvid_data.Frames, *, device: str) -> dict[str, float]:
    """`miou`, `rmse` (pixels), `rmse_of_constant` (of the frames' own mean) and `psnr_db` over whole frames.

    The model's mode is left as it was.
    """
    images, targets = targets_of(frames)
    before = model.training
    model.eval()
    sums: dict[str, list[Floats]] = {task.name: [] for task in TASKS}
    with torch.inference_mode():
        for start in range(0, len(images), AT_ONCE):
            outputs = model(images[start : start + AT_ONCE].to(device))
            for task in TASKS:
                part = targets[task.name][start : start + AT_ONCE]
                sums[task.name].append(outcomes.image_sums(task, outputs[task.name].cpu(), part))
    model.train(before)
    found: dict[str, float] = {}
    for task in TASKS:
        found |= outcomes.metrics(task, np.concatenate(sums[task.name]))
    found["rmse_of_constant"] = float(np.nanstd(targets["boundary"].numpy(), dtype=np.float64))
    return {name: found[name] for name in ("miou", "rmse", "rmse_of_constant", "psnr_db")}


def sentence(found: dict[str, float]) -> str:
    """What `metrics` found, in words."""
    return (
        f"on the validation frames mIoU {found['miou']:.3f}, boundary RMSE {found['rmse']:.2f} px (best constant "
        f"{found['rmse_of_constant']:.2f}), {found['psnr_db']:.1f} dB"
    )
