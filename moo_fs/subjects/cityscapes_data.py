"""Cityscapes from a folder the user names: street scenes with classes and stereo disparity, none of it shipped.

Cordts, M. et al. (2016), "The Cityscapes dataset for semantic urban scene understanding". Three packages are read:
`leftImg8bit` (images), `gtFine` (`*_gtFine_labelIds.png`) and `disparity` (16 bits), each either in the folder itself
or in the folder of its archive's name (`leftImg8bit_trainvaltest/leftImg8bit` and so on). Files are paired by their
names, city_sequence_frame, and come in the order of these names; they are read one at a time.

Disparity is (code - 1) / 256 in pixels of the full width, code 0 is no measurement and becomes NaN. Resizing is our
choice: images by area, labels and codes by the pixel nearest to the centre, so that no two codes mix, and disparity
shrinks with the width. The authors' earlier code interpolated codes, invalid ones among them, and left disparity in
pixels of 2048 columns: at 512 columns their RMSE is in units a quarter of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from moo_fs.contracts import MooFsError
from moo_fs.split import Pair
from moo_fs.tasks import IGNORED

Split = Literal["train", "val", "test"]
HEIGHT = 256  # the authors' input is 256 x 512
CLASSES = 19
IDS = 34
TRAINED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
SEARCH_SHARE = 10
AT_ONCE = 16
NAME = re.compile(r"(?P<city>[^_]+)_\d{6}_\d{6}")


@dataclass(frozen=True)
class Package:
    """One download: the folder in it, the archive it comes in, and how its files' names end."""

    folder: str
    archive: str
    ending: str


IMAGES = Package("leftImg8bit", "leftImg8bit_trainvaltest", "_leftImg8bit.png")
LABELS = Package("gtFine", "gtFine_trainvaltest", "_gtFine_labelIds.png")
DISPARITY = Package("disparity", "disparity_trainvaltest", "_disparity.png")
PACKAGES = (IMAGES, LABELS, DISPARITY)


class Frame(NamedTuple):
    """The files of one moment; `name` is city_sequence_frame."""

    name: str
    image: Path
    labels: Path
    disparity: Path

    @property
    def city(self) -> str:
        """The city it was taken in."""
        return self.name.partition("_")[0]


class Scene(NamedTuple):
    """`image` (h, w, 3) uint8, `labels` (h, w) uint8 (0..18, 255 = ignored), `disparity` (h, w) float32 in pixels."""

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    disparity: NDArray[np.float32]


def frames(folder: Path, split: Split) -> list[Frame]:
    """The frames of a split in the order of their names.

    Raises MooFsError if the folder, a package or a split is missing, or a frame lacks one of its three files.
    """
    if not folder.is_dir():
        raise MooFsError(f"{folder}: no such folder; wanted the folder of Cityscapes")
    images, labels, disparity = (_files(_place(folder, package), split, package) for package in PACKAGES)
    for found, package in ((labels, LABELS), (disparity, DISPARITY)):
        where = f"{_place(folder, package) / split}: wanted one *{package.ending} for each of {len(images)} images"
        again = f"unpack {package.archive}.zip and {IMAGES.archive}.zip again"
        alone, extra = sorted(images.keys() - found.keys()), sorted(found.keys() - images.keys())
        if alone:
            raise MooFsError(f"{where}, {len(alone)} have none, the first is {alone[0]}; {again}")
        if extra:
            raise MooFsError(f"{where}, {len(extra)} have no image, the first is {extra[0]}; {again}")
    return [Frame(name, images[name], labels[name], disparity[name]) for name in sorted(images)]


def training_parts(folder: Path) -> tuple[list[Frame], list[Frame]]:
    """The frames that train, and those of the train split that training leaves out (our choice).

    Left out is the last tenth of each city in the order of sequence and frame, at least one frame of a city that has
    two: neighbours along a drive look alike, so a stretch of it is held out and not frames here and there.
    """
    trains: list[Frame] = []
    held: list[Frame] = []
    everything = frames(folder, "train")
    for city in sorted({frame.city for frame in everything}):
        here = [frame for frame in everything if frame.city == city]
        out = max(len(here) // SEARCH_SHARE, int(len(here) > 1))
        trains += here[: len(here) - out]
        held += here[len(here) - out :]
    return trains, held


def spread(found: Sequence[Frame], count: int) -> list[Frame]:
    """`count` frames at even distances, the first among them."""
    return [found[place * len(found) // count] for place in range(count)]


def read(frame: Frame, *, height: int = HEIGHT) -> Scene:
    """A frame resized to `height` x 2 `height`, its ids turned into the 19 classes that train.

    Raises MooFsError if a file cannot be read, sizes differ or are smaller, or labels are not the ids 0 to 33.
    """
    image = _pixels(frame.image, ("RGB",), "colours of 8 bits")
    labels = _pixels(frame.labels, ("L",), "one id of 8 bits a pixel")
    codes = _pixels(frame.disparity, ("I;16", "I"), "one code of 16 bits a pixel")
    rows, columns = image.shape[:2]
    if columns != 2 * rows or rows < height:
        raise MooFsError(
            f"{frame.image}: wanted twice as many columns as rows and at least {height} rows, got {rows} x {columns}"
        )
    for path, array in ((frame.labels, labels), (frame.disparity, codes)):
        if array.shape != (rows, columns):
            raise MooFsError(f"{path}: wanted {rows} x {columns} pixels as in its image, got {_by(array.shape)}")
    pixel = _nearest(rows, height), _nearest(columns, 2 * height)
    small = Image.fromarray(image).resize((2 * height, height), Image.Resampling.BOX)
    values = disparity_of(codes[np.ix_(*pixel)]) * np.float32(2 * height / columns)
    return Scene(np.asarray(small, np.uint8), classes_of(labels, frame.labels)[np.ix_(*pixel)], values)


def classes_of(ids: NDArray[Any], source: Path) -> NDArray[np.uint8]:
    """Ids 0..33 as the 19 classes 0..18 and 255 for the others; `source` is named if there are other ids."""
    table = np.full(IDS, IGNORED, np.uint8)
    table[list(TRAINED_IDS)] = np.arange(CLASSES)
    largest = int(ids.max())
    if largest >= IDS:
        why = "it looks converted to train ids already" if largest == IGNORED else "it is of another data set"
        raise MooFsError(f"{source}: wanted ids from 0 to {IDS - 1}, got {largest}: {why}; unpack {LABELS.archive}.zip")
    classes: NDArray[np.uint8] = table[ids]
    return classes


def disparity_of(codes: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels of the full width from 16-bit codes, NaN for code 0.

    >>> disparity_of(np.array([0, 1, 257, 385]))
    array([nan, 0. , 1. , 1.5], dtype=float32)
    """
    return np.where(codes == 0, np.float32(np.nan), (codes.astype(np.float32) - 1) / 256).astype(np.float32)


def as_tensors(scenes: Sequence[Scene]) -> tuple[Tensor, dict[str, Tensor]]:
    """Images (sample, 3, h, w) in [0, 1] and the three tasks' targets."""
    pictures = torch.from_numpy(np.stack([scene.image for scene in scenes]))
    images = pictures.permute(0, 3, 1, 2).float().div(255.0).contiguous()
    labels = torch.from_numpy(np.stack([scene.labels for scene in scenes])).long()
    disparity = torch.from_numpy(np.stack([scene.disparity for scene in scenes]))
    return images, {"segmentation": labels, "disparity": disparity, "reconstruction": images}


def batches(found: Sequence[Frame], *, height: int = HEIGHT, at_once: int = AT_ONCE) -> Iterator[Pair]:
    """The frames as (images, targets), `at_once` at a time, read when they are asked for."""
    for start in range(0, len(found), at_once):
        yield as_tensors([read(frame, height=height) for frame in found[start : start + at_once]])


def _place(folder: Path, package: Package) -> Path:
    places = (folder / package.folder, folder / package.archive / package.folder)
    for place in places:
        if place.is_dir():
            return place
    raise MooFsError(
        f"{folder}: no {package.folder} of Cityscapes; wanted it there or in {package.archive}: unpack "
        f"{package.archive}.zip"
    )


def _files(place: Path, split: Split, package: Package) -> dict[str, Path]:
    """A package's files of a split by the name of their frame; hidden files do not count."""
    if not (place / split).is_dir():
        raise MooFsError(f"{place / split}: no such folder; unpack {package.archive}.zip again")
    found = {}
    for path in (place / split).glob(f"*/*{package.ending}"):
        name = path.name.removesuffix(package.ending)
        match = NAME.fullmatch(name)
        if path.name.startswith("."):
            continue
        if not match or match["city"] != path.parent.name:
            raise MooFsError(f"{path}: wanted {path.parent.name}_sequence_frame{package.ending}, six digits each")
        found[name] = path
    if not found:
        raise MooFsError(f"{place / split}: no city/*{package.ending} in it; unpack {package.archive}.zip again")
    return found


def _pixels(path: Path, modes: tuple[str, ...], wanted: str) -> NDArray[Any]:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode, pixels = image.mode, np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MooFsError(f"{path}: not a readable PNG image, or cut short; unpack it again") from error
    if mode not in modes:
        raise MooFsError(f"{path}: wanted {wanted}, got a PNG image of mode {mode}")
    return pixels


def _nearest(size: int, wanted: int) -> NDArray[np.int64]:
    """Which of `size` pixels lies at the centre of each of `wanted`."""
    return (2 * np.arange(wanted) + 1) * size // (2 * wanted)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
