"""The rival of every split system: the input image coded as a picture, decoded, and run through the whole network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from moo_fs.codecs import photographs
from moo_fs.codecs.hevc_coder import parameter_bytes
from moo_fs.codecs.interface import stream_bytes
from moo_fs.codecs.markers import bytes_before_scan
from moo_fs.contracts import MAX_BITS, MooFsError
from moo_fs.folding import exact
from moo_fs.head_passes import evaluating
from moo_fs.prepared import BATCH, Prepared, images_of
from moo_fs.selection_plan import LOSSLESS
from moo_fs.senders.points import Point, evaluator, kbit, sized
from moo_fs.split import Part

HALF_LEVEL = 0.5 / 255


def jpeg(prepared: Prepared, part: Part, *, qualities: Sequence[int]) -> Iterator[Point]:
    """A point for every JPEG quality; a file's own headers and tables are counted, since a receiver needs them.

    Huffman tables are optimised for each image, and so are payload.
    """
    settings = {str(quality): quality for quality in qualities}
    yield from _points(prepared, part, "jpeg", settings, photographs.jpeg, bytes_before_scan)


def hevc(prepared: Prepared, part: Part, *, qps: Sequence[Any]) -> Iterator[Point]:
    """A point for every QP of an HEVC intra picture in colour."""
    settings = {str(qp): None if qp == LOSSLESS else int(qp) for qp in qps}
    yield from _points(prepared, part, "hevc", settings, photographs.hevc_colour, parameter_bytes)


def _points(
    prepared: Prepared,
    part: Part,
    codec: str,
    settings: dict[str, Any],
    code: Callable[..., Any],
    fixed_of: Callable[[bytes], int],
) -> Iterator[Point]:
    """Points of a codec; a code is sent as one of features is, in a stream with the same header."""
    pictures = _levels(prepared, part)
    for name, setting in settings.items():
        codes, decoded = code(pictures, setting)
        size, fixed = (float(np.mean([count(one) for one in codes])) for count in (stream_bytes, fixed_of))
        maps = _features(prepared, torch.from_numpy(decoded).permute(0, 3, 1, 2).float() / 255)
        outcome = evaluator(prepared, part).received(maps, rate_kbit=kbit(size), coded_bytes=size)
        labels = {"method": f"image-{codec}", "qp": name, "codec": codec}
        yield sized(labels, outcome, nominal_bits=float(MAX_BITS * pictures[0].size), fixed=fixed)


def _levels(prepared: Prepared, part: Part) -> Any:
    """Images (image, height, width, 3) uint8; raises MooFsError for those that have been normalised, say."""
    images = images_of(prepared.model, part)
    low, high = float(images.min()), float(images.max())
    if low < -HALF_LEVEL or high > 1 + HALF_LEVEL:
        raise MooFsError(
            f"subject '{prepared.model.name}': wanted images in [0, 1] to code as pictures, got {low:g} to {high:g}; "
            "normalise within the edge, or drop the rivals jpeg and hevc"
        )
    levels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).numpy())


def _features(prepared: Prepared, images: torch.Tensor) -> Any:
    """The edge's features of images, in batches of the size in which the part's own were computed."""
    edge: Any = prepared.model.edge  # type: ignore[union-attr]
    with torch.inference_mode(), exact(prepared.device), evaluating({"": edge}):
        found = [
            edge(images[start : start + BATCH].to(prepared.device)).float().cpu()
            for start in range(0, len(images), BATCH)
        ]
    return torch.cat(found).numpy()
