"""The subject `fashion-scenes`: a trained three-task network on composed scenes, embedded in the package.

Fit, search and test scenes use garments 0-3999, 4000-6999 and 7000-9999 of Fashion-MNIST's 10,000 test images; the
network saw scenes of the 60,000 training images only. So no garment is in two of the four. Three networks ship
(`weights`): the same recipe from three seeds.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.split import Pair, Part, SplitModel
from moo_fs.subjects import fashion_training, garments, scenes
from moo_fs.tasks import Task

GARMENTS: dict[Part, tuple[int, int]] = {"fit": (0, 4000), "search": (4000, 7000), "test": (7000, 10000)}
TASKS = [
    Task("segmentation", kind="classes", classes=fashion_training.CLASSES),
    Task("depth", kind="values"),
    Task("reconstruction", kind="image"),
]
CHUNK = 32
COUNTER = "num_batches_tracked"


def fashion_scenes(
    device: str = "cpu", *, weights: int = 0, fit_images: int = 256, search_images: int = 32, test_images: int = 128
) -> SplitModel:
    """Trained network number `weights` with so many scenes in the three parts, the same scenes for every network.

    A larger part starts with the scenes of a smaller one. Raises MooFsError if a part is empty or there is no such
    network.
    """
    if isinstance(weights, bool) or weights not in networks():
        known = ", ".join(map(str, networks()))
        raise MooFsError(f"subject 'fashion-scenes': weights: wanted one of {known}, got {weights!r}")
    sizes: dict[Part, int] = {"fit": fit_images, "search": search_images, "test": test_images}
    for part, size in sizes.items():
        if size < 2:
            raise MooFsError(f"subject 'fashion-scenes': {part}_images: wanted 2 or more, got {size}")
    network = load_network(weights_path(int(weights))).to(device)
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


def weights_path(network: int) -> Path:
    """Where the weights of a trained network lie in the package."""
    return garments.SHIPPED / f"fashion-scenes-{network}.safetensors"


def networks() -> list[int]:
    """Numbers of the networks whose weights lie in the package."""
    return sorted(int(path.stem.rpartition("-")[2]) for path in garments.SHIPPED.glob("fashion-scenes-*.safetensors"))


def load_network(path: Path) -> fashion_training.Whole:
    """The network with the weights of `path`, in evaluation mode."""
    if not path.is_file():
        raise MooFsError(f"{path}: no weights; train them with `moo-fs train fashion-scenes`")
    network = fashion_training.Whole()
    try:
        state = {name: value.float() for name, value in load_file(path).items()}
        counters = {name: value for name, value in network.state_dict().items() if name.endswith(COUNTER)}
        network.load_state_dict(state | counters)
    except (SafetensorError, RuntimeError) as error:
        raise MooFsError(
            f"{path}: not the weights of this network; train them with `moo-fs train fashion-scenes`"
        ) from error
    return network.eval()


def save_network(network: fashion_training.Whole, path: Path) -> None:
    """Ship `network` in half precision: what is loaded again is the network that every figure is about."""
    state = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith(COUNTER)
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
