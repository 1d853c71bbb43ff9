"""What a cut network is: filters really gone, counted, timed, and judged on validation and test images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from moo_fs.contracts import Floats
from moo_fs.prune_studies.network import SHAPE, Batch, Subject, means_of, right
from moo_fs.prune_studies.orders import Indices, Past, kept_of
from moo_fs.pruning.removal import flops, masked, parameters, removed
from moo_fs.pruning.stages import Layer

# Times are the median of so many alternations with the whole network, each over so many images.
ALTERNATIONS = 15
TIMED_IMAGES = 200


def smaller(subject: Subject, past: Past, batch: Batch, *, compensate: bool) -> nn.Module:
    """The network without the filters that are not kept, with their means over a batch if `compensate`."""
    return _removed(subject, past, {layer: means_of(batch, layer) for layer, _ in past} if compensate else None)


def _removed(subject: Subject, past: Past, means: Mapping[str, Floats] | None) -> nn.Module:
    fills = None if means is None else _fills(past, means)
    network = removed(subject.chain, kept_of(past), compensate=fills, shape=SHAPE)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _fills(past: Past, means: Mapping[str, Floats]) -> dict[Layer, Any]:
    return {f"{layer}.conv": means[layer] for layer, _ in past}


def measured(subject: Subject, network: nn.Module, *, images: bool = False) -> dict[str, Any]:
    """Columns of a row: parameters, flops and accuracies (shares of all validation and all test images).

    If `images`, also which test images are right, `right`: bits in hexadecimal digits.
    """
    tested = right(network, subject.test, subject.device)
    return {
        "parameters": parameters(network),
        "flops": flops(network, SHAPE),
        "validation_accuracy": validated(subject, network),
        "test_accuracy": float(tested.mean()),
        **({"right": np.packbits(tested).tobytes().hex()} if images else {}),
    }


def validated(subject: Subject, network: nn.Module) -> float:
    """The share of all validation images that are right."""
    return float(right(network, subject.validation, subject.device).mean())


def timed(subject: Subject, network: nn.Module) -> dict[str, Any]:
    """Measured seconds of `network` and of the whole one for `images` images at once, taken alternately."""
    images = torch.rand(TIMED_IMAGES, *SHAPE, generator=torch.Generator().manual_seed(0)).to(subject.device)
    images = images.contiguous(memory_format=torch.channels_last)
    found = [[_seconds(one, images) for one in (network, subject.chain)] for _ in range(ALTERNATIONS + 1)][1:]
    cut, whole = (statistics.median(column) for column in zip(*found, strict=True))
    return {"images": TIMED_IMAGES, "seconds": cut, "seconds_whole": whole}


def difference(subject: Subject, network: nn.Module, past: Past, batch: Batch, *, compensate: bool) -> float:
    """The largest difference of a logit between the cut network and its masked twin, on a batch."""
    fills = _fills(past, {layer: means_of(batch, layer) for layer, _ in past}) if compensate else None
    with torch.inference_mode():
        twin = masked(subject.chain, kept_of(past), compensate=fills)(batch.images)
        return float((network(batch.images) - twin).abs().max())


def layer_rows(subject: Subject, past: Past, proposed: Mapping[str, Sequence[int]]) -> list[dict[str, Any]]:
    """A row a layer, first to last: filters, how many are kept, which, and what the cutoff proposed."""
    kept = dict(past)
    return [
        {
            "layer": layer,
            "filters": filters,
            "kept": len(kept.get(layer, range(filters))),
            "candidates": " ".join(map(str, proposed.get(layer, ()))),
            "which": " ".join(map(str, np.sort(kept[layer]).tolist() if layer in kept else range(filters))),
        }
        for layer, filters in subject.filters.items()
    ]


def past_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Indices]]:
    """What each layer keeps, of `layer_rows`."""
    return [(row["layer"], np.array([int(word) for word in row["which"].split()])) for row in rows]


def _seconds(network: nn.Module, images: torch.Tensor) -> float:
    start = time.perf_counter()
    with torch.inference_mode():
        network(images)
        if images.is_cuda:
            torch.cuda.synchronize()
    return time.perf_counter() - start
