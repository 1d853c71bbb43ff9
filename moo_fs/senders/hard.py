"""Hard selection: the best channels at one depth, the others not sent at all and not retrained for.

What is not sent stands at its mean over the fit part ("mean", free: one number a channel, deployed once) or at zero
("zero"). Ranjbar Alvar, S. and Bajić, I. V. (2024), "Compressive feature selection for remote visual multi-task
inference"; depth, fills and codec are our choice.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from moo_fs import registry
from moo_fs.coding.cells import Cells
from moo_fs.contracts import Floats
from moo_fs.decoding import normalise
from moo_fs.prepared import Prepared
from moo_fs.senders.points import Point, evaluator, sized
from moo_fs.split import Part

Order = NDArray[np.intp]


def order_of(scores: Floats, weights: Floats) -> Order:
    """Channels by joint score, best first: each task's column over its largest value, summed with `weights` (task,).

    Negative scores count as 0; equal ones keep the order of the channels.

    >>> order_of(np.array([[1.0, 0.0], [0.5, 4.0]]), np.array([0.5, 0.5])).tolist()
    [1, 0]
    """
    return np.argsort(-(normalise(scores) @ weights), kind="stable")


def kept_count(channels: int, share: float) -> int:
    """How many channels a share stands for: the nearest number, halves up, at least 1."""
    return max(1, int(share * channels + 0.5))


def hard_cells(prepared: Prepared, order: Order, *, kept: int, depth: int, fill: str) -> Cells:
    """The first `kept` channels of an order at a depth; the others at their mean or at zero."""
    bits = np.zeros(prepared.channels, np.int8)
    bits[order[:kept]] = depth
    cells = prepared.tables.select(bits)
    if fill == "mean":
        return cells
    centroids = cells.centroids.copy()
    centroids[bits == 0] = 0.0
    return dataclasses.replace(cells, centroids=centroids)


def hard(
    prepared: Prepared,
    part: Part,
    order: Order,
    *,
    kept: Sequence[float],
    depth: int,
    fills: Sequence[str],
    codecs: Sequence[str],
) -> Iterator[Point]:
    """A point for every fill, codec and share of the channels kept."""
    measured = evaluator(prepared, part)
    maps = prepared.features(part).numpy()
    counts = dict.fromkeys(kept_count(prepared.channels, share) for share in kept)
    for fill in fills:
        for count in counts:
            cells = hard_cells(prepared, order, kept=count, depth=depth, fill=fill)
            for codec in codecs:
                labels = {"method": "hard", "fill": fill, "kept": count, "codec": codec, "setting": float(depth)}
                coder = registry.codecs.load(codec)
                fixed = coder(cells).fixed_bytes(cells.symbols(maps))
                nominal_bits = count * depth * maps[0, 0].size
                yield sized(labels, measured.quantised(cells, coder), nominal_bits=nominal_bits, fixed=fixed)
