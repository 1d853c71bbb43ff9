"""Candidates for a pruned network: maps shared by prefix against running each candidate's smaller network whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from moo_fs.contracts import Floats
from moo_fs.pruning.evaluation import Candidates, Kept
from moo_fs.pruning.removal import removed
from moo_fs.seeds import stream
from moo_fs.subjects import vgg16

WIDTH = 0.25
IMAGES = 128
BLOCK = 64
PAIRS = 3
# About the share of filters that the method keeps: a third of them goes.
CUTS, TAKEN = (0.9, 0.75, 0.6, 0.45), (1, 2)
BATCHES, CHILDREN = 6, 10
Batches = list[list[Kept]]
Side = Callable[[list[Kept]], Floats]


def rows() -> list[dict[str, str | float]]:
    """One row per workload: `case`, `ratio` (whole runs over shared ones), milliseconds a candidate of both, medians.

    Whole runs are those of `removed(network, kept)` in channels-last layout, the faster one here; the smaller network
    is made anew for each candidate. The weights are drawn and the images generated: neither changes what it takes.
    """
    network = vgg16.chain(_network())
    rng = stream(0, "bench", "prune")
    images = torch.from_numpy(rng.random((IMAGES, 3, 32, 32))).float()
    labels = torch.from_numpy(rng.integers(0, vgg16.CLASSES, IMAGES))
    size = f"width {WIDTH:g}, {IMAGES} images"
    cases = {f"cutoffs layer by layer, {size}": list(_layerwise(rng)), f"children of parents, {size}": _search(rng)}
    return [_row(case, network, images, labels, batches) for case, batches in cases.items()]


def _network() -> vgg16.VGG16:
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    network = vgg16.vgg16(WIDTH).eval()
    torch.random.set_rng_state(state)
    return network


def _layerwise(rng: np.random.Generator) -> Iterator[list[Kept]]:
    """Layer after layer, four cutoffs each beside what was kept before; one of the middle ones is kept."""
    kept: dict[Any, Any] = {}
    for layer, filters in enumerate(vgg16.filters_of(WIDTH)):
        order = rng.permutation(filters)
        batch: list[Kept] = [{**kept, layer: order[: max(1, round(share * filters))]} for share in CUTS]
        yield batch
        kept = dict(batch[rng.choice(TAKEN)])


def _search(rng: np.random.Generator) -> Batches:
    """Batches of children, each a parent of the batch before with two layers at another share of their filters."""
    filters = vgg16.filters_of(WIDTH)
    orders = [rng.permutation(count) for count in filters]
    parents, batches = rng.integers(2, 9, (CHILDREN, len(filters))), []
    for _ in range(BATCHES):
        children = parents[rng.integers(len(parents), size=CHILDREN)]
        for child in children:
            child[rng.choice(len(filters), 2, replace=False)] = rng.integers(2, 9, 2)
        batches.append([_kept(child, orders) for child in children])
        parents = children
    return batches


def _kept(levels: np.ndarray, orders: list[np.ndarray]) -> Kept:
    return {
        layer: order[: max(1, round(len(order) * (level + 1) / 9))]
        for layer, (level, order) in enumerate(zip(levels, orders, strict=True))
    }


def _row(
    case: str, network: nn.Module, images: torch.Tensor, labels: torch.Tensor, batches: Batches
) -> dict[str, str | float]:
    seconds: list[list[float]] = [[], []]
    for pair in range(PAIRS + 1):
        # A new one each time: nothing is known before the workload begins.
        shared = Candidates(network, images, labels, batch=BLOCK).accuracies
        sides: tuple[Side, Side] = (lambda batch: _whole(network, images, labels, batch), shared)
        answers = []
        for side, taken in zip(sides, seconds, strict=True):
            start = time.perf_counter()
            answers.append(np.concatenate([side(batch) for batch in batches]))
            if pair:  # the first pair warms up
                taken.append(time.perf_counter() - start)
        if not np.array_equal(answers[0], answers[1]):
            raise RuntimeError(f"{case}: the two sides do not agree")
    ratio = float(np.median(np.divide(seconds[0], seconds[1])))
    candidates = sum(len(batch) for batch in batches)
    whole, fast = (float(np.median(taken)) * 1000 / candidates for taken in seconds)
    return {"case": f"{case}, {candidates} candidates", "ratio": ratio, "whole_ms": whole, "shared_ms": fast}


def _whole(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, batch: list[Kept]) -> Floats:
    """The plain way: each candidate's smaller network, run on all images."""
    found = []
    with torch.inference_mode():
        for kept in batch:
            smaller: Any = removed(network, kept).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            blocks = images.contiguous(memory_format=torch.channels_last).split(BLOCK)  # type: ignore[no-untyped-call]
            predicted = torch.cat([smaller(block).argmax(1) for block in blocks])
            found.append(float((predicted == labels).double().mean()))
    return np.array(found)
