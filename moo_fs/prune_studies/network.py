"""The network that is pruned and its images: batches to order filters by, images to choose by, images to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from moo_fs.contracts import Floats, MooFsError, did_you_mean
from moo_fs.plugins import PluginSpec
from moo_fs.pruning.evaluation import Candidates
from moo_fs.seeds import stream
from moo_fs.subjects import cifar10, data_folder, vgg16
from moo_fs.subjects.vgg16_cifar10 import SHIPPED, SHIPPED_WIDTH
from moo_fs.subjects.vgg_training import unit
from moo_fs.whole_files import digest

SUBJECT = "vgg16-cifar10"
OPTIONS = ("width", "weights", "data")
SHAPE = (3, cifar10.SIDE, cifar10.SIDE)
IMAGES_AT_ONCE = 100


@dataclass(frozen=True)
class Batch:
    """Training images that filters are ordered by: (image, 3, 32, 32) in [0, 1], labels (image,), maps by stage."""

    images: Tensor
    labels: NDArray[np.int64]
    maps: Mapping[str, Tensor]


class Subject:
    """VGG16 on CIFAR-10: `network` as it was trained and `chain`, the same as plain layers; nothing here changes it."""

    def __init__(self, network: vgg16.VGG16, folder: Path, *, width: float, device: str = "cpu") -> None:
        self.width, self.device = width, device
        self.network = network.to(device).eval()
        self.chain = vgg16.chain(self.network).eval()
        self.folder = folder

    @property
    def filters(self) -> dict[str, int]:
        """Filters of each stage, first to last."""
        return dict(zip(vgg16.STAGES, self.network.filters, strict=True))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the network's weights and of the images that train and validate: what results depend on."""
        weights = [value.cpu().numpy().tobytes() for value in self.network.state_dict().values()]
        pictures = [array.tobytes() for part in self._parts for array in part]
        return digest(b"".join(digest(part).encode() for part in [*weights, *pictures]))

    @cached_property
    def _parts(self) -> tuple[cifar10.Pictures, cifar10.Pictures]:
        return cifar10.training_parts(self.folder)

    @property
    def training(self) -> cifar10.Pictures:
        """The images that trained the network."""
        return self._parts[0]

    @property
    def validation(self) -> cifar10.Pictures:
        """The images that every choice is made on."""
        return self._parts[1]

    @cached_property
    def test(self) -> cifar10.Pictures:
        """The images that are reported, all of them."""
        return cifar10.load(self.folder, "test")

    def batch(self, seed: int, images: int) -> Batch:
        """Batch `seed` of so many training images; batches share no image."""
        return self._batch(slice(seed * images, (seed + 1) * images))

    def large_batch(self, images: int) -> Batch:
        """A batch of so many training images from the other end of the draw."""
        return self._batch(slice(len(self.training.labels) - images, None))

    def check_sizes(self, *, seeds: int, images: int, choose_images: int) -> None:
        """Raise MooFsError unless there are so many images."""
        trains, validates = len(self.training.labels), len(self.validation.labels)
        if (seeds + 2) * images > trains:
            raise MooFsError(
                f"prune.images: wanted at most {trains // (seeds + 2)}, since {seeds} batches and one of twice the "
                f"size share no image of the {trains} that train, got {images}"
            )
        if choose_images > validates:
            raise MooFsError(
                f"prune.choose_images: wanted at most {validates}, the images there are, got {choose_images}"
            )

    def _batch(self, places: slice) -> Batch:
        order = stream(0, "prune", "batches").permutation(len(self.training.labels))
        chosen = cifar10.take(self.training, np.sort(order[places]))
        images = self._images(chosen)
        with torch.inference_mode():
            maps = self.network.activations(images)
        return Batch(images, chosen.labels, dict(zip(vgg16.STAGES, maps, strict=True)))

    def candidates(self, images: int) -> Candidates:
        """What is asked for the accuracy of a candidate, on so many validation images."""
        chosen = cifar10.take(self.validation, np.arange(images))
        return Candidates(self.chain, self._images(chosen), torch.from_numpy(chosen.labels))

    def _images(self, pictures: cifar10.Pictures) -> Tensor:
        return unit(torch.from_numpy(pictures.images).to(self.device))


def check_subject(spec: PluginSpec, path: Path) -> None:
    """Raise MooFsError unless a study in the file `path` names the network that can be pruned, as a whole."""
    if spec.name != SUBJECT:
        raise MooFsError(f"{path}: subject: wanted '{SUBJECT}', whose filters can be removed, got '{spec.name}'")
    for option in spec.options:
        if option not in OPTIONS:
            near = did_you_mean(option, OPTIONS)
            raise MooFsError(f"{path}: subject: option '{option}' says nothing of a whole network's pruning{near}")


def weights_of(spec: PluginSpec) -> tuple[Path, float]:
    """The file of weights that a subject names, relative to the current folder, and the width of its network.

    Raises MooFsError, which says how to train them, if they are not there.
    """
    width, weights = float(spec.options.get("width", SHIPPED_WIDTH)), str(spec.options.get("weights", ""))
    if not weights and width == SHIPPED_WIDTH:
        return SHIPPED, width
    if weights and Path(weights).is_file():
        return Path(weights), width
    missing = f"weights: {weights}: no such file" if weights else f"only width {SHIPPED_WIDTH} ships"
    raise MooFsError(
        f"subject '{spec.name}': {missing}; train width {width:g} with `moo-fs train {spec.name} --width {width:g} "
        "--data FOLDER` and name the file that it writes with the option weights"
    )


def load_subject(spec: PluginSpec, device: str) -> Subject:
    """The network and images that a study names. Raises MooFsError if they are missing or not what they should be."""
    folder = data_folder.find(spec.name, named=spec.options.get("data", ""), inside="cifar10", holds="CIFAR-10")
    weights, width = weights_of(spec)
    return Subject(vgg16.load(weights, width=width), folder, width=width, device=device)


def right(network: nn.Module, pictures: cifar10.Pictures, device: str) -> NDArray[np.bool_]:
    """Which pictures have the largest logit at their class, (image,)."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures.labels), IMAGES_AT_ONCE):
            images = unit(torch.from_numpy(pictures.images[start : start + IMAGES_AT_ONCE]).to(device))
            found.append(network(images).argmax(1).cpu().numpy())
    return np.asarray(np.concatenate(found) == pictures.labels)


def means_of(batch: Batch, layer: str) -> Floats:
    """The mean (filter,) of each map of a stage over images and positions."""
    return np.asarray(batch.maps[layer].double().mean((0, 2, 3)).cpu())
