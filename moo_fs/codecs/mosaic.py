"""Channels as tiles of one grey picture, for codecs that are made for pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moo_fs.codecs.interface import Symbols


def mosaic(tiles: NDArray[Any], *, least: int = 1) -> Symbols:
    """Tiles (tile, height, width) uint8, row by row, as one picture that is about as many tiles wide as high.

    Places that are left over are 0; a side shorter than `least` is continued with zeros.

    >>> mosaic(np.arange(3, dtype=np.uint8).reshape(3, 1, 1))
    array([[0, 1],
           [2, 0]], dtype=uint8)
    """
    return np.asarray(mosaics(tiles[None], least=least)[0])


def mosaics(tiles: NDArray[Any], *, least: int = 1) -> Symbols:
    """One `mosaic` (image, height, width) an image, of tiles (image, tile, height, width) uint8."""
    images, count, height, width = tiles.shape
    rows, columns = grid(count)
    full = np.zeros((images, rows * columns, height, width), np.uint8)
    full[:, :count] = tiles
    ordered = full.reshape(images, rows, columns, height, width).transpose(0, 1, 3, 2, 4)
    pictures = ordered.reshape(images, rows * height, columns * width)
    return np.pad(pictures, [(0, 0)] + [(0, max(0, least - side)) for side in pictures.shape[1:]])


def size(shape: tuple[int, int, int], *, least: int = 1) -> tuple[int, int]:
    """Height and width of the mosaic of tiles of `shape` (tile, height, width)."""
    rows, columns = grid(shape[0])
    return max(least, rows * shape[1]), max(least, columns * shape[2])


def tiles_of(picture: Symbols, shape: tuple[int, int, int]) -> Symbols:
    """The tiles (tile, height, width) of `shape` that a mosaic was made of."""
    return np.asarray(tiles_of_all(picture[None], shape)[0])


def tiles_of_all(pictures: Symbols, shape: tuple[int, int, int]) -> Symbols:
    """The tiles (image, tile, height, width), `shape` each image's, of pictures (image, height, width)."""
    count, height, width = shape
    rows, columns = grid(count)
    full = pictures[:, : rows * height, : columns * width].reshape(-1, rows, height, columns, width)
    ordered = full.transpose(0, 1, 3, 2, 4).reshape(len(pictures), -1, height, width)
    return np.ascontiguousarray(ordered[:, :count])


def grid(count: int) -> tuple[int, int]:
    """Rows and columns of a mosaic of so many tiles."""
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns
