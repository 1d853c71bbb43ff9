"""Fashion-MNIST garments as clean cut-outs: grey texture and a filled mask.

Xiao, H., Rasul, K., Vollgraf, R. (2017), "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms". MIT licence; the 10,000 test images ship inside this package, the training images are the user's to name.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from moo_fs.contracts import MooFsError

SIDE = 28
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
SHIPPED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Garments:
    """`grey` (garment, 28, 28) uint8 and `label` (garment,) uint8, 0..9; cut-outs are made when first asked for."""

    grey: NDArray[np.uint8]
    label: NDArray[np.uint8]
    _masks: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    def masks(self, picks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Silhouettes (pick, 28, 28), 0 or 1, of the garments with these indices."""
        for pick in set(picks.tolist()) - self._masks.keys():
            self._masks[pick] = cut_out(self.grey[pick])
        return np.stack([self._masks[pick] for pick in picks.tolist()])


def load(which: str, *, folder: Path = SHIPPED, first: int = 0, last: int | None = None) -> Garments:
    """Garments `first` to `last` of a Fashion-MNIST part; `which` is "t10k" or "train", `folder` holds the idx files.

    Raises MooFsError if a file is missing or is not what its name says.
    """
    images = _idx(folder / f"{which}-images-idx3-ubyte.gz", axes=3)[first:last]
    labels = _idx(folder / f"{which}-labels-idx1-ubyte.gz", axes=1)[first:last]
    if len(images) != len(labels) or images.shape[1:] != (SIDE, SIDE):
        raise MooFsError(f"{folder}: wanted as many labels as 28 x 28 images, got {images.shape} and {labels.shape}")
    return Garments(images, labels)


def cut_out(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The garment's silhouette (28, 28): dark cloth inside belongs to it, specks outside do not."""
    cloth = np.pad(grey > 12, 2)
    closed = ndimage.binary_closing(cloth, structure=np.ones((3, 3), bool), iterations=2)[2:-2, 2:-2]
    filled = ndimage.binary_fill_holes(closed)
    parts, count = ndimage.label(filled)
    if count > 1:
        sizes = np.bincount(parts.ravel())[1:]
        filled = np.isin(parts, 1 + np.flatnonzero(sizes >= 0.1 * sizes.max()))
    return np.asarray(filled, dtype=np.uint8)


def _idx(path: Path, *, axes: int) -> NDArray[np.uint8]:
    if not path.is_file():
        raise MooFsError(f"{path}: no such file; wanted the four Fashion-MNIST files as downloaded (idx, gzip)")
    try:
        raw = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise MooFsError(f"{path}: not a readable gzip file; download it again") from error
    shape = tuple(int.from_bytes(raw[4 * (axis + 1) : 4 * (axis + 2)], "big") for axis in range(axes))
    start = 4 * (axes + 1)
    if raw[:4] != bytes([0, 0, 8, axes]) or len(raw) - start != int(np.prod(shape)):
        raise MooFsError(f"{path}: not an idx file of bytes with {axes} axes, or cut short; download it again")
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
