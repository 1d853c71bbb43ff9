"""Streets drawn by rule in the folders and file forms of Cityscapes: NO PHOTOGRAPHS, for tests and dry runs only.

Nothing measured on them says anything about Cityscapes. A pinhole camera 1.2 m above the ground looks along a street of
road, pavement and facades with boxes and ellipses for cars, people, poles and the rest; disparity is exactly focal
length x baseline / distance, rounded to the code of the real files, and missing at the left edge, on the bonnet and in
one pixel of twenty. The geometry imitates the real cameras (focal length 1.1 widths, baseline 0.22 m); all of it is our
choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.subjects.cityscapes_data import DISPARITY, IMAGES, LABELS, Package, Split

Layout = Literal["one folder", "archives"]
CITIES: dict[Split, tuple[str, ...]] = {
    "train": ("linden", "ostheim", "quarzberg"),
    "val": ("ulmenau", "veitsdorf"),
    "test": ("weidental",),
}
FOCAL, HORIZON, EYE, BASELINE = 1.1, 0.42, 1.2, 0.22  # widths, heights, metres, metres
FARTHEST = 80.0
SPECKLE = 0.05
SKY, ROAD, PARKING, PAVEMENT, TERRAIN = 23, 7, 9, 8, 22
EGO, BORDER = 1, 2
FACADES = ((11, 9.0), (11, 14.0), (11, 6.0), (21, 5.0), (12, 2.5), (13, 1.5))  # id, metres high


class Thing(NamedTuple):
    """An upright shape: its id, size and how far its foot is above the ground, in metres; `round` for an ellipse."""

    id: int
    wide: float
    high: float
    lifted: float = 0.0
    round: bool = False


THINGS = (
    (Thing(26, 1.9, 1.5),),
    (Thing(26, 1.8, 1.4),),
    (Thing(27, 2.5, 3.2),),
    (Thing(28, 2.6, 3.0),),
    (Thing(31, 2.8, 3.5),),
    (Thing(24, 0.6, 1.75, round=True),),
    (Thing(33, 0.7, 1.0), Thing(25, 0.6, 1.1, 0.7, round=True)),
    (Thing(32, 0.9, 1.1), Thing(25, 0.6, 1.1, 0.8, round=True)),
    (Thing(17, 0.25, 4.0), Thing(19, 0.5, 1.1, 3.0)),
    (Thing(17, 0.25, 3.0), Thing(20, 0.8, 0.8, 2.3)),
    (Thing(17, 0.3, 3.0), Thing(21, 3.0, 3.0, 2.5, round=True)),
    (Thing(29, 2.3, 2.6),),
    (Thing(4, 0.8, 0.8),),
)


class Street(NamedTuple):
    """`image` (h, w, 3) uint8, `ids` (h, w) uint8 and disparity `codes` (h, w) uint16 as in the real files."""

    image: NDArray[np.uint8]
    ids: NDArray[np.uint8]
    codes: NDArray[np.uint16]


def write_twin(
    folder: Path,
    *,
    counts: Mapping[Split, int],
    size: tuple[int, int] = (256, 512),
    layout: Layout = "one folder",
    seed: int = 0,
) -> None:
    """Write so many streets of `size` (rows, columns) for each split into `folder`; the same seed, the same bytes.

    Raises MooFsError on an unknown layout or split. The splits' streets are in different cities, as the real ones.
    """
    if layout not in ("one folder", "archives") or not set(counts) <= set(CITIES):
        raise MooFsError(f"twin: wanted layout 'one folder' or 'archives' and splits {', '.join(CITIES)}")
    for split, count in counts.items():
        for number in range(count):
            city = CITIES[split][number % len(CITIES[split])]
            name = f"{city}_{number // len(CITIES[split]):06d}_000019"
            drawn = street(stream(seed, "cityscapes-twin", split, number), *size)
            files: list[tuple[Package, NDArray[Any]]]
            files = [(IMAGES, drawn.image), (LABELS, drawn.ids), (DISPARITY, drawn.codes)]
            for package, pixels in files:
                place = _place(folder, package, layout) / split / city
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(place / f"{name}{package.ending}", format="PNG")


def street(rng: np.random.Generator, rows: int, columns: int) -> Street:
    """One street of `rows` x `columns` pixels."""
    down, across = np.arange(rows)[:, None] + 0.5 - HORIZON * rows, np.arange(columns)[None] + 0.5 - columns / 2
    focal = FOCAL * columns
    with np.errstate(divide="ignore"):
        ground = np.where(down > 0, focal * EYE / np.maximum(down, 1e-9), np.inf) + np.zeros_like(across)
    ids = _ground_ids(ground, np.abs(across) * np.where(np.isfinite(ground), ground, 0.0) / focal)
    distance = _facades(rng, ids, ground, down, across, focal)
    things = rng.integers(len(THINGS), size=rng.integers(8, 15))
    for far, which in zip(np.sort(rng.uniform(6.0, 45.0, len(things)))[::-1], things, strict=True):
        aside = rng.uniform(1.0, 6.5) * rng.choice((-1, 1))
        for thing in THINGS[which]:
            shape = _outline(thing, down * far / focal, across * far / focal - aside)
            ids[shape], distance[shape] = thing.id, far
    image = _painted(rng, ids, distance)
    edge = max(1, rows // 128)
    ids[-max(1, rows // 16) :], ids[:edge], ids[:, :edge] = EGO, BORDER, BORDER
    codes = np.rint(256 * focal * BASELINE / distance) + 1
    missing = (rng.random(ids.shape) < SPECKLE) | (ids == EGO) | (np.arange(columns) < 0.03 * columns)
    return Street(image, ids, np.where(missing, 0, codes).astype(np.uint16))


def _place(folder: Path, package: Package, layout: Layout) -> Path:
    return folder / package.folder if layout == "one folder" else folder / package.archive / package.folder


def _ground_ids(ground: NDArray[Any], aside: NDArray[Any]) -> NDArray[np.uint8]:
    """Ids by metres from the middle of the street; sky above the horizon."""
    ids = np.select([aside < 3.6, aside < 4.4, aside < 8.0], [ROAD, PARKING, PAVEMENT], TERRAIN)
    return np.where(np.isfinite(ground), ids, SKY).astype(np.uint8)


def _facades(
    rng: np.random.Generator,
    ids: NDArray[np.uint8],
    ground: NDArray[Any],
    down: NDArray[Any],
    across: NDArray[Any],
    focal: float,
) -> NDArray[Any]:
    """Two rows of facades, 8 m to the left and right, drawn into `ids`; returns the distance of every pixel."""
    far = focal * 8.0 / np.abs(across)
    blocks = rng.integers(len(FACADES), size=(2, int(FARTHEST / 10) + 1))
    block = blocks[(across > 0).astype(int), (np.minimum(far, FARTHEST) / 10).astype(int)]
    high = np.array([one[1] for one in FACADES])[block]
    above = EYE - down * far / focal
    stands = (far < FARTHEST) & (above > 0) & (above < high)
    ids[stands] = np.broadcast_to(np.array([one[0] for one in FACADES], np.uint8)[block], ids.shape)[stands]
    return np.where(stands, far, ground)


def _outline(thing: Thing, down: NDArray[Any], across: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a thing is, by metres below the eye and right of its middle."""
    middle = EYE - thing.lifted - thing.high / 2
    vertical, horizontal = (down - middle) / (thing.high / 2), across / (thing.wide / 2)
    if thing.round:
        return np.asarray(vertical**2 + horizontal**2 < 1)
    return (np.abs(vertical) < 1) & (np.abs(horizontal) < 1)


def _painted(rng: np.random.Generator, ids: NDArray[np.uint8], distance: NDArray[Any]) -> NDArray[np.uint8]:
    """A colour for each id, drawn anew for every street within limits, paler with distance, and grain."""
    fixed = stream(0, "cityscapes-twin", "colours").uniform(30, 200, (34, 3))
    colours = np.clip(fixed + rng.uniform(-25, 25, fixed.shape), 0, 255)
    haze = np.minimum(distance / FARTHEST, 1.0)[..., None] * 0.5
    grain = rng.normal(0, 6, ids.shape)[..., None]
    painted = colours[ids] * (1 - haze) + 200 * haze + grain
    return np.clip(np.rint(painted), 0, 255).astype(np.uint8)
