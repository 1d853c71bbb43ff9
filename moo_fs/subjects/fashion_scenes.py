"""The subject `fashion-scenes`: a trained three-task network on composed scenes, embedded in the package.

Fit, search and test scenes use garments 0-3999, 4000-6999 and 7000-9999 of Fashion-MNIST's 10,000 test images; the
network saw scenes of the 60,000 training images only. So no garment is in two of the four. Three networks ship
(`weights`): the same recipe from three seeds.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.split import Pair, Part, SplitModel
from moo_fs.subjects import fashion_training, garments, scenes, weights_file
from moo_fs.tasks import Task

GARMENTS: dict[Part, tuple[int, int]] = {"fit": (0, 4000), "search": (4000, 7000), "test": (7000, 10000)}
TASKS = [
    Task("segmentation", kind="classes", classes=fashion_training.CLASSES),
    Task("depth", kind="values"),
    Task("reconstruction", kind="image"),
]
CHUNK = 32
HEADS = ("", "noise")


def fashion_scenes(
    device: str = "cpu",
    *,
    weights: int = 0,
    heads: str = "",
    fit_images: int = 256,
    search_images: int = 32,
    test_images: int = 128,
) -> SplitModel:
    """Trained network number `weights` with so many scenes in the three parts, the same scenes for every network.

    `heads`: "" as trained with the edge, "noise" fine-tuned under quantisation noise (`noise_training`). A larger part
    starts with the scenes of a smaller one. Raises MooFsError if a part is empty or there is no such network or heads.
    """
    known_network(weights)
    if heads not in HEADS:
        known = ", ".join(map(repr, HEADS))
        raise MooFsError(f"subject 'fashion-scenes': heads: wanted one of {known}, got {heads!r}")
    sizes: dict[Part, int] = {"fit": fit_images, "search": search_images, "test": test_images}
    for part, size in sizes.items():
        if size < 2:
            raise MooFsError(f"subject 'fashion-scenes': {part}_images: wanted 2 or more, got {size}")
    network = load_network(weights_path(int(weights)))
    if heads:
        command = f"moo-fs train fashion-scenes --noise --seed {weights} --out {garments.SHIPPED}"
        weights_file.load(network.heads, weights_path(int(weights), heads), command=command)
    network.to(device)
    return SplitModel(
        name="fashion-scenes",
        edge=network.edge,
        heads=dict(network.heads.items()),
        tasks=TASKS,
        data=lambda part: part_data(part, sizes[part]),
    )


@lru_cache(maxsize=8)
def part_data(part: Part, size: int) -> Pair:
    """The first `size` scenes of a part: images (scene, 3, 64, 64) and targets."""
    first, last = GARMENTS[part]
    cloth = garments.load("t10k", first=first, last=last)
    drawn = [
        fashion_training.as_tensors(
            scenes.compose(cloth, count=CHUNK, rng=stream(0, "fashion-scenes", part, start // CHUNK))
        )
        for start in range(0, size, CHUNK)
    ]
    images = torch.cat([chunk[0] for chunk in drawn])[:size]
    return images, {task.name: torch.cat([chunk[1][task.name] for chunk in drawn])[:size] for task in TASKS}


def weights_path(network: int, heads: str = "") -> Path:
    """Where the weights of a trained network lie in the package; with `heads`, of these alone."""
    return garments.SHIPPED / f"fashion-scenes-{f'{heads}-' * bool(heads)}{network}.safetensors"


def known_network(weights: object) -> int:
    """`weights` if it is the number of a network that ships; raises MooFsError otherwise."""
    if isinstance(weights, bool) or weights not in networks():
        known = ", ".join(map(str, networks()))
        raise MooFsError(f"subject 'fashion-scenes': weights: wanted one of {known}, got {weights!r}")
    return int(weights)  # type: ignore[call-overload, no-any-return]


def networks() -> list[int]:
    """Numbers of the networks whose weights lie in the package."""
    shipped = garments.SHIPPED.glob("fashion-scenes-[0-9]*.safetensors")
    return sorted(int(path.stem.rpartition("-")[2]) for path in shipped)


def load_network(path: Path) -> fashion_training.Whole:
    """The network with the weights of `path`, in evaluation mode."""
    network = fashion_training.Whole()
    weights_file.load(network, path, command="moo-fs train fashion-scenes")
    return network
