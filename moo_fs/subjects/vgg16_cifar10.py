"""The subject `vgg16-cifar10`: VGG16 with batch normalisation cut after a stage, one task, real photographs.

The data are the user's to name; a quarter-width network ships, others come from `moo-fs train vgg16-cifar10`. Fit and
search images are halves of the 5,000 validation images and test images those of CIFAR-10: the network was trained on
none of them. Batch normalisation right before the cut makes channels alike, so this is no subject chosen because
allocation matters on it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.split import Pair, Part, SplitModel
from moo_fs.subjects import cifar10, data_folder, vgg16
from moo_fs.tasks import Task

SHIPPED = Path(__file__).parent / "data" / "vgg16-cifar10-width0.25-0.safetensors"
SHIPPED_WIDTH = 0.25
TASKS = [Task("classification", kind="classes", classes=vgg16.CLASSES)]


def vgg16_cifar10(
    device: str = "cpu",
    *,
    width: float = SHIPPED_WIDTH,
    split: str = "conv3_3",
    weights: str = "",
    data: str = "",
    fit_images: int = 512,
    search_images: int = 256,
    test_images: int = 512,
) -> SplitModel:
    """The network of a width, cut after the ReLU of stage `split`; a larger part starts with a smaller one's images.

    `weights` is a file of `moo-fs train vgg16-cifar10` ("": what ships, at width 0.25), `data` the folder of CIFAR-10
    ("": the environment variable MOO_FS_DATA; its subfolder `cifar10` if there is one). Raises MooFsError if either is
    missing or not what it should be, and if there is no such stage or a part is empty or larger than its images.
    """
    if split not in vgg16.STAGES:
        raise MooFsError(f"subject 'vgg16-cifar10': split: no stage '{split}'{did_you_mean(split, vgg16.STAGES)}")
    folder = data_folder.find("vgg16-cifar10", named=data, inside="cifar10", holds="CIFAR-10")
    if not weights and width != SHIPPED_WIDTH:
        raise MooFsError(
            f"subject 'vgg16-cifar10': only width {SHIPPED_WIDTH} ships; train width {width:g} with `moo-fs train "
            "vgg16-cifar10` and name its file with the option weights"
        )
    network = vgg16.load(Path(weights) if weights else SHIPPED, width=width).to(device)
    edge, head = cut(network, split)
    sizes: dict[Part, int] = {"fit": fit_images, "search": search_images, "test": test_images}
    return SplitModel(
        name="vgg16-cifar10",
        edge=edge,
        heads={TASKS[0].name: head},
        tasks=TASKS,
        data=lambda part: _part(folder, part, sizes[part]),
    )


def cut(network: vgg16.VGG16, split: str) -> tuple[nn.Sequential, nn.Sequential]:
    """Images to the maps of stage `split` after its ReLU, and those to logits; the modules are the network's own."""
    edge, head = nn.Sequential(vgg16.Normalised(network)), nn.Sequential()
    part = edge
    for name, stage in network.stages.items():
        part.append(stage)
        part = head if name == split else part
        if name in vgg16.POOLED:
            part.append(nn.MaxPool2d(2))
    head.append(nn.Flatten())
    head.append(network.classifier)
    return edge, head


@lru_cache(maxsize=1)
def _validating(folder: Path) -> cifar10.Pictures:
    """The validation images, read once for fit and search."""
    return cifar10.training_parts(folder)[1]


def _part(folder: Path, part: Part, size: int) -> Pair:
    """The first `size` images of a part (image, 3, 32, 32) in [0, 1] and their labels."""
    if part == "test":
        pictures = cifar10.load(folder, "test")
    else:
        validating = _validating(folder)
        half = len(validating.labels) // 2
        chosen = slice(0, half) if part == "fit" else slice(half, None)
        pictures = cifar10.Pictures(validating.images[chosen], validating.labels[chosen])
    if not 2 <= size <= len(pictures.labels):
        most = f"{len(pictures.labels)}, the images there are"
        raise MooFsError(f"subject 'vgg16-cifar10': {part}_images: wanted 2 to {most}, got {size}")
    images = torch.from_numpy(pictures.images[:size]).float() / 255
    return images, {TASKS[0].name: torch.from_numpy(pictures.labels[:size])}
