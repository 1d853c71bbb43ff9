"""What a pruning study leaves behind, as CSV, Parquet and study.json with the hash of every file; and read back.

Tables and figures come from this alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moo_fs import archive
from moo_fs.contracts import MooFsError
from moo_fs.prune_studies.jobs import UNPRUNED
from moo_fs.whole_files import file_digest

KIND = "prune"
VARIANT = ["measure", "formulation", "cutoff", "direction"]
ROW = [*VARIANT, "fine_tuned", "training_seed", "seed", "compensate"]
COLUMNS = {
    "summary.csv": [
        *ROW, "filters_kept", "parameters", "flops", "validation_accuracy", "test_accuracy", "seconds",
    ],
    "layers.csv": [*ROW, "layer", "filters", "kept", "candidates", "determined", "rise", "which"],
    "right.parquet": [*ROW, "right"],
    "speed.csv": [*ROW, "network", "images", "seconds"],
    "twins.csv": [*ROW, "difference"],
    "shares.csv": ["measure", "seed", "compensate", "share", "filters_kept", "validation_accuracy"],
    "planted.csv": ["layer", "filters", "planted", "place"],
    "orders.parquet": [
        "images", "seed", "width", "layer", "step", "filter", "cmi", "saturation", "determined", "seconds",
    ],
}  # fmt: skip
EMPTY = {name: [""] for name in ("determined", "rise")}  # of rows whose filters no order of the method chose
TEXTS = dict.fromkeys([*VARIANT, "candidates", "which"], str)


@dataclass(frozen=True)
class Pruning:
    """A finished pruning study.

    Attributes:
        study: study.json.
        summary: a row a cut network: what made it, filters_kept, parameters, flops (of one image), validation_accuracy
            and test_accuracy (shares of all images), seconds (ordering, choosing, evaluating). `measure` "unpruned" is
            the network as it was.
        layers: of each row a row a layer: filters, kept, the candidates of its cutoff, which filters are kept; of the
            published method also how many steps of its order are `determined`, and the curve's largest `rise` in nats.
        right: which test images the whole network and those trained on have right, bits in hexadecimal digits.
        speed: of the first batch's rows, measured seconds for so many images, "cut" and "whole" alternately.
        twins: of these rows the largest difference of a logit to the masked network.
        shares: accuracy of each measure at uniform shares kept, on the images that choices look at.
        planted: where added filters land in each layer's order, 0 = first.
        orders: a row a step of each layer's own order ("per-layer"); `seed` -1 is the larger batch.
    """

    study: dict[str, Any]
    summary: pd.DataFrame
    layers: pd.DataFrame
    right: pd.DataFrame
    speed: pd.DataFrame
    twins: pd.DataFrame
    shares: pd.DataFrame
    planted: pd.DataFrame
    orders: pd.DataFrame
    folder: Path

    @property
    def archive_hash(self) -> str:
        """SHA-256 of study.json, which holds the hashes of all other files."""
        return file_digest(self.folder / archive.STUDY)

    @property
    def unpruned(self) -> dict[str, Any]:
        """The row of the network as it was."""
        whole = self.summary[(self.summary["measure"] == UNPRUNED) & ~self.summary["fine_tuned"]]
        return whole.to_dict("records")[0]  # type: ignore[return-value]

    def images(self, row: Mapping[Any, Any]) -> NDArray[np.bool_]:
        """Which test images (image,) the network of a row of `summary` has right; of those in `right` alone."""
        mine = self.right[(self.right[ROW] == [row[name] for name in ROW]).all(axis=1)]
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(mine["right"].iloc[0]), dtype=np.uint8))
        return bits[: self.study["images"]["test"]].astype(bool)

    @property
    def filters(self) -> dict[str, int]:
        """Filters of each layer of the network as it was."""
        return dict(self.study["network"]["filters"])


def frames_of(
    rows: Iterable[Mapping[str, Any]],
    *,
    shares: list[dict[str, Any]],
    planted: list[dict[str, Any]],
    orders: list[dict[str, Any]],
) -> dict[str, pd.DataFrame]:
    """The archive's files by name; `rows` as the runner keeps them."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in COLUMNS}
    for row in rows:
        mine = {name: row[name] for name in ROW}
        found["summary.csv"].append({name: row[name] for name in COLUMNS["summary.csv"]})
        found["layers.csv"] += [{**mine, **layer} for layer in row["layers"]]
        if "right" in row:
            found["right.parquet"].append({**mine, "right": row["right"]})
        if "timed" in row:
            timed = row["timed"]
            for network, seconds in (("cut", "seconds"), ("whole", "seconds_whole")):
                found["speed.csv"].append(
                    {**mine, "network": network, "images": timed["images"], "seconds": timed[seconds]}
                )
        if "difference" in row:
            found["twins.csv"].append({**mine, "difference": row["difference"]})
    found |= {"shares.csv": shares, "planted.csv": planted, "orders.parquet": orders}
    return {name: pd.DataFrame(lines, columns=COLUMNS[name]) for name, lines in found.items()}


def write(folder: Path, frames: Mapping[str, pd.DataFrame], study: Mapping[str, Any], source: str) -> Pruning:
    """Write the archive, study.json last; returns what `load` would."""
    archive.write_archive(folder, frames, {"kind": KIND, **study}, source=source)
    return load(folder)


def load(folder: Path) -> Pruning:
    """What `write` wrote. Raises MooFsError if the folder does not hold it, or a file differs from its hash."""
    study = study_in(folder)
    faults = archive.verify(folder)
    if faults:
        raise MooFsError(faults[0])
    frames: dict[str, Any] = {}
    for name in COLUMNS:
        path, key = folder / name, name.partition(".")[0]
        if not path.is_file():
            raise MooFsError(f"{folder}: has no {name}: it was written by an older version; run the study again")
        parquet = name.endswith(".parquet")
        read = pd.read_parquet if parquet else partial(pd.read_csv, dtype=TEXTS, keep_default_na=False, na_values=EMPTY)
        frames[key] = read(path)
    return Pruning(study, **frames, folder=folder)


def study_in(folder: Path) -> dict[str, Any]:
    """study.json of a pruning study's folder. Raises MooFsError if it is none, or another kind's."""
    study = archive.read_study_json(folder)
    if study.get("kind") != KIND:
        raise MooFsError(f"{folder}: wanted the archive of a pruning study, got one of another kind")
    return study
