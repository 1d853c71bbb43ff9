"""Scenes of 64 x 64 colour pixels composed from garments: image, segmentation and distance, exact and seeded.

Three garments stand at different distances before a textured ground. Size follows distance (perspective, with 8 %
jitter); the nearer one hides the farther one. Everything about the composition is our choice, made so that the three
tasks need different things of the features: shape, size and order, and texture.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from moo_fs.subjects.garments import SIDE, Garments

SIZE = 64
OBJECTS = 3
GROUND_CLASS = 10
GROUND_DISTANCE = 3.0
NEAREST, FARTHEST = 1.0, 2.2
SIDE_AT_UNIT_DISTANCE = 46.0
COARSE, FINE = 5, 17

Scenes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32]]


def compose(garments: Garments, *, count: int, rng: np.random.Generator) -> Scenes:
    """`count` scenes: images (scene, 64, 64, 3) uint8, labels (scene, 64, 64) uint8, distance (scene, 64, 64) float32.

    Labels are 0..9 for garments and 10 for the ground; distances are in units of the nearest garment's (1.0 to 2.2),
    3.0 for the ground.
    """
    picks = rng.integers(len(garments.label), size=(count, OBJECTS))
    distance = np.sort(rng.uniform(NEAREST, FARTHEST, size=(count, OBJECTS)))[:, ::-1]
    side = SIDE_AT_UNIT_DISTANCE / distance * rng.uniform(0.92, 1.08, size=(count, OBJECTS))
    centre = rng.uniform(12.0, SIZE - 12.0, size=(count, OBJECTS, 2))
    flip = rng.integers(2, size=(count, OBJECTS))
    tint = rng.uniform(0.25, 1.0, size=(count, OBJECTS, 3))
    base = rng.uniform(40.0, 200.0, size=(count, 3))
    coarse = rng.uniform(-55.0, 55.0, size=(count, COARSE, COARSE, 3))
    fine = rng.uniform(-22.0, 22.0, size=(count, FINE, FINE))
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    labels = np.empty((count, SIZE, SIZE), np.uint8)
    depth = np.empty((count, SIZE, SIZE), np.float32)
    _ground(base, coarse, fine, images)
    labels[:] = GROUND_CLASS
    depth[:] = GROUND_DISTANCE
    used, drawn = np.unique(picks, return_inverse=True)
    _paint(
        garments.grey[used], garments.masks(used), garments.label[used], drawn.reshape(picks.shape),
        np.ascontiguousarray(distance), side, centre, flip, tint, images, labels, depth,
    )  # fmt: skip
    return images, labels, depth


@numba.njit(cache=True)
def _ground(base, coarse, fine, images):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    count, size = images.shape[0], images.shape[1]
    for scene in range(count):
        for y in range(size):
            for x in range(size):
                v, u = y * (COARSE - 1) / size, x * (COARSE - 1) / size
                i, j = int(v), int(u)
                a, b = v - i, u - j
                p, q = y * (FINE - 1) / size, x * (FINE - 1) / size
                k, m = int(p), int(q)
                c, d = p - k, q - m
                grain = (1 - c) * ((1 - d) * fine[scene, k, m] + d * fine[scene, k, m + 1]) + c * (
                    (1 - d) * fine[scene, k + 1, m] + d * fine[scene, k + 1, m + 1]
                )
                for colour in range(3):
                    smooth = (1 - a) * ((1 - b) * coarse[scene, i, j, colour] + b * coarse[scene, i, j + 1, colour])
                    smooth += a * ((1 - b) * coarse[scene, i + 1, j, colour] + b * coarse[scene, i + 1, j + 1, colour])
                    images[scene, y, x, colour] = int(min(255.0, max(0.0, base[scene, colour] + smooth + grain)) + 0.5)


@numba.njit(cache=True)
def _paint(grey, mask, label, picks, distance, side, centre, flip, tint, images, labels, depth):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    count, size = images.shape[0], images.shape[1]
    for scene in range(count):
        for item in range(picks.shape[1]):
            garment = picks[scene, item]
            step = SIDE / side[scene, item]
            top = centre[scene, item, 0] - side[scene, item] / 2
            left = centre[scene, item, 1] - side[scene, item] / 2
            for y in range(max(0, int(top)), min(size, int(top + side[scene, item]) + 2)):
                v = (y + 0.5 - top) * step - 0.5
                if v < 0 or v > SIDE - 1:
                    continue
                i = min(int(v), SIDE - 2)
                a = v - i
                for x in range(max(0, int(left)), min(size, int(left + side[scene, item]) + 2)):
                    u = (x + 0.5 - left) * step - 0.5
                    if flip[scene, item] == 1:
                        u = SIDE - 1 - u
                    if u < 0 or u > SIDE - 1:
                        continue
                    j = min(int(u), SIDE - 2)
                    b = u - j
                    cover = (1 - a) * ((1 - b) * mask[garment, i, j] + b * mask[garment, i, j + 1]) + a * (
                        (1 - b) * mask[garment, i + 1, j] + b * mask[garment, i + 1, j + 1]
                    )
                    if cover < 0.5:
                        continue
                    cloth = (1 - a) * ((1 - b) * grey[garment, i, j] + b * grey[garment, i, j + 1]) + a * (
                        (1 - b) * grey[garment, i + 1, j] + b * grey[garment, i + 1, j + 1]
                    )
                    for colour in range(3):
                        shade = tint[scene, item, colour] * (60.0 + 0.76 * cloth)
                        images[scene, y, x, colour] = int(min(255.0, shade) + 0.5)
                    labels[scene, y, x] = label[garment]
                    depth[scene, y, x] = distance[scene, item]
