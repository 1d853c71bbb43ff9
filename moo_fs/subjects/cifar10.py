"""CIFAR-10 from a folder the user names: 60,000 colour images of 32 x 32 in ten classes, none of it shipped.

Krizhevsky, A. (2009), "Learning multiple layers of features from tiny images". Three forms are read, from the folder
itself or its usual subfolder: the *binary version* and the *python version* as downloaded and unpacked, and a *packed*
form of 17 MB a batch: `cifar10_train_1.npz` to `_5` and `cifar10_test.npz` with `webp` (uint8: lossless WebP images,
one after another), `offset` (int64, image + 1: where each begins and the last ends) and `label` (uint8).

Images come in the order of the SHA-256 of (label, pixels), not of the files: so the three forms give the same arrays,
and the draw of the validation images, `stream(0, "cifar10", "validation")`, is the same for everyone: the SHA-256
of the 5,000 images' bytes begins with 28a15efeb7f4c3c2.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.subjects import restricted_pickle

SIDE = 32
PIXELS = 3 * SIDE * SIDE
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_BATCH = 10_000
VALIDATION_SHARE = 10  # one in ten of each class: 45,000 images train, 5,000 validate
PLACES = ("", "cifar-10-batches-py", "cifar-10-batches-bin")
Split = Literal["train", "test"]


class Pictures(NamedTuple):
    """`images` (image, 3, 32, 32) uint8, red, green, blue, 0..255, and `labels` (image,) int64, 0..9."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Form:
    """One way in which the data lie in a folder: the files of each split and how one is read."""

    name: str
    train: str
    test: str
    read: Callable[[Path], tuple[Any, Any]]

    def files(self, place: Path, split: Split) -> list[Path]:
        """The files of a split in the folder `place`."""
        return [place / self.test] if split == "test" else [place / self.train.format(k) for k in range(1, 6)]


def load(folder: Path, split: Split) -> Pictures:
    """The 50,000 training or the 10,000 test images; the files of the other split are not touched.

    Raises MooFsError if the folder has no complete set of files or one of them is not what its name says.
    """
    form, files = _find(folder, split)
    batches = [_checked(path, *form.read(path)) for path in files]
    whole = Pictures(np.concatenate([one.images for one in batches]), np.concatenate([one.labels for one in batches]))
    return take(whole, _order(whole))


def training_parts(folder: Path) -> tuple[Pictures, Pictures]:
    """The 45,000 images that train and the 5,000 (500 a class) that validate, the same for everyone."""
    whole = load(folder, "train")
    chosen = validation(whole.labels)
    return take(whole, ~chosen), take(whole, chosen)


def validation(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which training images validate, (image,): one in ten of each class, drawn from one documented stream."""
    rng = stream(0, "cifar10", "validation")
    chosen = np.zeros(len(labels), bool)
    for label in range(len(CLASSES)):
        members = np.flatnonzero(labels == label)
        chosen[rng.permutation(members)[: len(members) // VALIDATION_SHARE]] = True
    return chosen


def take(pictures: Pictures, which: NDArray[Any]) -> Pictures:
    """The pictures with these indices or this mask, in this order."""
    return Pictures(pictures.images[which], pictures.labels[which])


def _order(pictures: Pictures) -> NDArray[np.int64]:
    digests = [
        hashlib.sha256(bytes([label]) + image.tobytes()).digest()
        for image, label in zip(pictures.images, pictures.labels.tolist(), strict=True)
    ]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def _find(folder: Path, split: Split) -> tuple[Form, list[Path]]:
    if not folder.is_dir():
        raise MooFsError(f"{folder}: no such folder; wanted the folder of CIFAR-10")
    begun = None
    for place in (folder / name for name in PLACES):
        for form in FORMS:
            files = form.files(place, split)
            missing = [path for path in files if not path.is_file()]
            if not missing:
                return form, files
            if len(missing) < len(files):
                begun = begun or (form, missing[0])
    if begun:
        raise MooFsError(
            f"{begun[1]}: no such file; wanted all {len(files)} {split} files of the {begun[0].name} of CIFAR-10"
        )
    wanted = ", or ".join(f"{form.train.format('1..5')} and {form.test} ({form.name})" for form in FORMS)
    raise MooFsError(f"{folder}: no {split} images of CIFAR-10; wanted {wanted}, here or in {PLACES[1]}, {PLACES[2]}")


def _checked(path: Path, images: Any, labels: Any) -> Pictures:
    try:
        pixels, classes = np.asarray(images), np.asarray(labels)
    except ValueError as error:
        raise MooFsError(f"{path}: wanted arrays of images and labels, got ragged lists") from error
    if pixels.dtype != np.uint8 or pixels.size != PER_BATCH * PIXELS or len(pixels) != PER_BATCH:
        raise MooFsError(
            f"{path}: wanted {PER_BATCH} images of 3 x {SIDE} x {SIDE} bytes, got {pixels.dtype} of shape "
            f"{pixels.shape}; download it again"
        )
    if classes.shape != (PER_BATCH,) or classes.dtype.kind not in "iu":
        raise MooFsError(f"{path}: wanted {PER_BATCH} whole labels, got {classes.dtype} of shape {classes.shape}")
    if classes.min() < 0 or classes.max() >= len(CLASSES):
        raise MooFsError(f"{path}: wanted labels from 0 to 9, got {classes.min()} to {classes.max()}")
    return Pictures(pixels.reshape(PER_BATCH, 3, SIDE, SIDE), classes.astype(np.int64))


def _read_binary(path: Path) -> tuple[Any, Any]:
    """A label byte and 3072 colour bytes an image, nothing else."""
    raw = np.frombuffer(path.read_bytes(), np.uint8)
    if raw.size != PER_BATCH * (1 + PIXELS):
        raise MooFsError(
            f"{path}: wanted {PER_BATCH * (1 + PIXELS)} bytes ({PER_BATCH} images of {1 + PIXELS}), got {raw.size}; "
            "download it again"
        )
    rows = raw.reshape(PER_BATCH, 1 + PIXELS)
    return rows[:, 1:], rows[:, 0]


def _read_python(path: Path) -> tuple[Any, Any]:
    """A pickled dictionary with `data` (image, 3072) uint8 and `labels`, a list."""
    found = restricted_pickle.load(path)
    if isinstance(found, dict):
        named = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in found.items()}
        if {"data", "labels"} <= named.keys():
            return named["data"], named["labels"]
    raise MooFsError(f"{path}: wanted a pickled dictionary with 'data' and 'labels', got {type(found).__name__}")


def _read_packed(path: Path) -> tuple[Any, Any]:
    """Lossless WebP images one after another, with their offsets and labels."""
    try:
        with np.load(path, allow_pickle=False) as file:
            stored, offsets, labels = (np.asarray(file[name]) for name in ("webp", "offset", "label"))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise MooFsError(
            f"{path}: wanted an npz file with 'webp', 'offset' and 'label', whole; it is cut short or something else"
        ) from error
    edges = offsets.astype(np.int64) if offsets.shape == (PER_BATCH + 1,) and offsets.dtype.kind in "iu" else None
    if (
        edges is None
        or stored.dtype != np.uint8
        or edges[0] != 0
        or edges[-1] != stored.size
        or np.diff(edges).min() < 0
    ):
        raise MooFsError(
            f"{path}: wanted {PER_BATCH + 1} rising offsets from 0 to the length of 'webp', got {offsets.dtype} of "
            f"shape {offsets.shape}"
        )
    raw, ends = stored.tobytes(), edges.tolist()
    return np.stack([_webp(path, k, raw[ends[k] : ends[k + 1]]) for k in range(PER_BATCH)]), labels


def _webp(path: Path, number: int, raw: bytes) -> NDArray[np.uint8]:
    """One image as (3, 32, 32)."""
    try:
        with Image.open(io.BytesIO(raw), formats=("WEBP",)) as image:
            if image.size == (SIDE, SIDE):
                return np.asarray(image.convert("RGB"), np.uint8).transpose(2, 0, 1)
    except (OSError, ValueError, SyntaxError) as error:
        raise MooFsError(f"{path}: image {number} is not a readable WebP image") from error
    raise MooFsError(f"{path}: image {number}: wanted 32 x 32 pixels, got {image.size[0]} x {image.size[1]}")


FORMS = (
    Form("binary version", "data_batch_{}.bin", "test_batch.bin", _read_binary),
    Form("python version", "data_batch_{}", "test_batch", _read_python),
    Form("packed form", "cifar10_train_{}.npz", "cifar10_test.npz", _read_packed),
)
