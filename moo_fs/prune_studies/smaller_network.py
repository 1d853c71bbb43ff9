"""A smaller network out of an archive, and a file of it: weights in single precision, with the filters kept.

Means in the place of missing filters become constants of the next layer; see `moo_fs.pruning.removal.removed`. What
was trained on is not to be had: an archive keeps numbers, not weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from moo_fs.contracts import MooFsError
from moo_fs.prune_studies.archive import ROW, Pruning
from moo_fs.prune_studies.measured import past_of, smaller
from moo_fs.prune_studies.network import SHAPE, Subject
from moo_fs.pruning.removal import removed
from moo_fs.pruning.stages import Layer
from moo_fs.subjects import vgg16

ABOUT = "about"


@dataclass(frozen=True)
class Smaller:
    """`network`, a chain of plain layers without the filters that are not `kept`: stage -> indices, of a `width`.

    `filled`: with constants in the place of missing filters.
    """

    network: nn.Module
    kept: Mapping[str, list[int]]
    width: float
    filled: bool


def of_row(found: Pruning, number: int, subject: Subject) -> Smaller:
    """The network of row `number` of summary.csv, 0 the first, as it was before any training.

    Raises MooFsError if there is no such row, it was trained on, or the study was of another network or other images.
    """
    if not 0 <= number < len(found.summary):
        raise MooFsError(
            f"{found.folder}: summary.csv: wanted a row from 0 to {len(found.summary) - 1}, got row {number}"
        )
    row = found.summary.iloc[number]
    if row["fine_tuned"]:
        raise MooFsError(
            f"{found.folder}: summary.csv: row {number} was trained on, and an archive keeps no weights; wanted a row "
            "whose fine_tuned is False"
        )
    check_hash(found.folder, str(found.study["subject_hash"]), subject.hash)
    layers = found.layers[(found.layers[ROW] == [row[name] for name in ROW]).all(axis=1)]
    past = past_of(layers.to_dict("records"))  # type: ignore[arg-type]
    kept = {layer: np.sort(filters).tolist() for layer, filters in past}
    filled = bool(row["compensate"]) and any(len(kept[layer]) < count for layer, count in subject.filters.items())
    batch = subject.batch(int(row["seed"]), int(found.study["specification"]["images"]))
    return Smaller(smaller(subject, past, batch, compensate=filled).eval(), kept, subject.width, filled)


def check_hash(folder: Path, of_archive: str, here: str) -> None:
    """Raise MooFsError unless an archive is of the network and the images that are here, by their hashes."""
    if of_archive != here:
        raise MooFsError(
            f"{folder}: study.json: subject_hash: wanted {here[:12]}, of the network and images given, got "
            f"{of_archive[:12]}; name the weights and the data of the study itself"
        )


def save(smaller: Smaller, path: Path) -> None:
    """Write weights, statistics and constants, in single precision, what is kept as JSON metadata; atomically."""
    about = {"network": "vgg16-cifar10", "width": smaller.width, "filled": smaller.filled, "kept": dict(smaller.kept)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    values = {name: value.detach().cpu().contiguous() for name, value in smaller.network.state_dict().items()}
    save_file(values, partial, metadata={ABOUT: json.dumps(about)})
    partial.replace(path)


def load(path: Path) -> Smaller:
    """What `save` wrote, in evaluation mode. Raises MooFsError if the file is no such one."""
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
        width, filled, kept = float(about["width"]), bool(about["filled"]), dict(about["kept"])
        network = _shape_of(kept, width=width, filled=filled)
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise MooFsError(f"{path}: not a smaller network that was saved here: {error}") from error
    return Smaller(network.eval(), kept, width, filled)


def _shape_of(kept: Mapping[str, Any], *, width: float, filled: bool) -> nn.Module:
    """A network of the same layers, its weights still to come."""
    whole = vgg16.chain(vgg16.vgg16(width))
    filters = dict(zip(vgg16.STAGES, vgg16.filters_of(width), strict=True))
    named: dict[Layer, Any] = {f"{layer}.conv": indices for layer, indices in kept.items()}
    zeros: dict[Layer, Any] = {f"{layer}.conv": np.zeros(filters[layer]) for layer in kept}
    return removed(whole, named, compensate=zeros if filled else None, shape=SHAPE)
