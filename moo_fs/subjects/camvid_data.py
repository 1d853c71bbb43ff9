"""CamVid from a folder the user names: 701 labelled frames of driving, none of it shipped, here at 96 x 128.

Brostow, G. J., Fauqueur, J., Cipolla, R. (2009), "Semantic object classes in video: a high-definition ground truth
database"; Brostow, G. J., Shotton, J., Fauqueur, J., Cipolla, R. (2008), "Segmentation and recognition using structure
from motion point clouds". For research that earns no money. Two forms are read, from the folder or its subfolder
`CamVid`:

* the layout of the SegNet tutorial: `train`, `val`, `test` with frames and `trainannot`, `valannot`, `testannot` with
  labels, PNG files paired by their names without the ending, all of one size (usually 360 x 480);
* the packed file `camvid_96x128.npz` with `<split>_image` (frame, 96, 128, 3) uint8, `<split>_label` (frame, 96, 128)
  uint8 and `<split>_name` (frame,) text for each split.

The size, Lanczos resampling of frames and nearest-neighbour resampling of labels are our choice.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moo_fs.contracts import MooFsError
from moo_fs.tasks import IGNORED

HEIGHT, WIDTH = 96, 128
CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
UNLABELLED = len(CLASSES)
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
PACKED = "camvid_96x128.npz"
FOLDERS = tuple(f"{split}{kind}" for split in SPLITS for kind in ("", "annot"))
PLACES = ("", "CamVid")
Bytes = NDArray[np.uint8]


class Frames(NamedTuple):
    """`images` (frame, 3, 96, 128), `labels` (frame, 96, 128) uint8, 0..10 or 255 = unlabelled; sorted by `names`."""

    images: Bytes
    labels: Bytes
    names: tuple[str, ...]


def load(folder: Path, split: Split) -> Frames:
    """The frames of a split, in the order of their names.

    Raises MooFsError if the folder is not CamVid in one of the two forms, or holds only some of it.
    """
    if not folder.is_dir():
        raise MooFsError(f"{folder}: no such folder; wanted the folder of CamVid")
    for place in (folder / name for name in PLACES):
        if (place / PACKED).is_file():
            return _checked(place / PACKED, split, *_read_packed(place / PACKED, split))
        missing = [name for name in FOLDERS if not (place / name).is_dir()]
        if not missing:
            return _read_folders(place, split)
        if len(missing) < len(FOLDERS):
            raise MooFsError(
                f"{place}: no folder {missing[0]}; wanted all six of CamVid ({', '.join(FOLDERS)}): unpack it whole"
            )
    raise MooFsError(
        f"{folder}: wanted CamVid as {PACKED} or as the six folders {', '.join(FOLDERS)}, here or in {PLACES[1]}"
    )


def take(frames: Frames, which: NDArray[np.int64]) -> Frames:
    """The frames with these indices, in this order."""
    return Frames(frames.images[which], frames.labels[which], tuple(frames.names[k] for k in which.tolist()))


def _checked(source: Path, split: Split, images: Any, labels: Any, names: Any) -> Frames:
    """Frames in the order of their names, unlabelled pixels marked; (frame, 96, 128, 3) bytes come in."""
    count = len(names) if names.ndim == 1 and names.dtype.kind == "U" else 0
    for key, array, shape in (("image", images, (HEIGHT, WIDTH, 3)), ("label", labels, (HEIGHT, WIDTH))):
        if array.dtype != np.uint8 or array.shape != (count, *shape) or count == 0:
            raise MooFsError(
                f"{source}: {split}_{key}: wanted bytes of shape {(count or 'frames', *shape)}, one a name in "
                f"{split}_name, got {array.dtype} of shape {array.shape}"
            )
    if len(set(names.tolist())) < count:
        raise MooFsError(f"{source}: {split}_name: wanted {count} different names, got {len(set(names.tolist()))}")
    if labels.max() > UNLABELLED:
        raise MooFsError(f"{source}: {split}_label: wanted labels from 0 to {UNLABELLED}, got {labels.max()}")
    order = np.argsort(names, kind="stable")
    marked = np.where(labels == UNLABELLED, np.uint8(IGNORED), labels)[order]
    stems = tuple(name.removesuffix(".png") for name in names[order].tolist())
    return Frames(np.ascontiguousarray(images[order].transpose(0, 3, 1, 2)), marked, stems)


def _read_packed(path: Path, split: Split) -> tuple[Any, Any, Any]:
    try:
        with np.load(path, allow_pickle=False) as file:
            images, labels, names = (np.asarray(file[f"{split}_{key}"]) for key in ("image", "label", "name"))
            return images, labels, names
    except (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise MooFsError(
            f"{path}: wanted an npz file with {split}_image, {split}_label and {split}_name, whole; it is cut short "
            "or something else"
        ) from error


def _read_folders(place: Path, split: Split) -> Frames:
    frames, labels = _pictures(place / split), _pictures(place / f"{split}annot")
    alone = sorted(frames.keys() ^ labels.keys())
    if alone or not frames:
        got = f"{alone[0]} without its pair" if alone else "none"
        raise MooFsError(
            f"{place / split}: wanted PNG frames and for each labels of the same name in {split}annot, got {got}"
        )
    names = sorted(frames)
    size = _open(frames[names[0]]).size
    images = [_resized(frames[name], size, mode="RGB") for name in names]
    marks = [_resized(labels[name], size, mode="L") for name in names]
    return _checked(place / f"{split}annot", split, np.stack(images), np.stack(marks), np.array(names))


def _pictures(folder: Path) -> dict[str, Path]:
    """The folder's PNG files by name without the ending."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".png" and not path.name.startswith("."):
            if path.stem in found:
                raise MooFsError(f"{folder}: wanted one PNG file a name, got {found[path.stem].name} and {path.name}")
            found[path.stem] = path
    return found


def _resized(path: Path, size: tuple[int, int], *, mode: Literal["RGB", "L"]) -> Bytes:
    """Frames (96, 128, 3) by Lanczos, labels (96, 128) by nearest neighbour, never mixed."""
    image = _open(path)
    if image.size != size:
        raise MooFsError(
            f"{path}: wanted {size[1]} x {size[0]} pixels as in the first frame, got {image.size[1]} x {image.size[0]}"
        )
    if mode == "RGB":
        return np.asarray(image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS), np.uint8)
    if image.mode not in ("L", "P"):
        raise MooFsError(f"{path}: wanted one label of 8 bits a pixel, got an image of mode {image.mode}")
    # Checked before resizing, which could skip a wrong pixel; a palette's colours are no labels, its indices are.
    worst = int(np.asarray(image).max())
    if worst > UNLABELLED:
        raise MooFsError(f"{path}: wanted labels from 0 to {UNLABELLED}, got {worst}")
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.NEAREST), np.uint8)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            image.load()
            return image.copy()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MooFsError(f"{path}: not a readable PNG image; unpack CamVid again") from error
