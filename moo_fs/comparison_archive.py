"""What a finished comparison leaves behind: one archive a network, and the rows of all of them together."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from moo_fs.archive import STUDY
from moo_fs.comparison_plan import RANDOM, Plan
from moo_fs.contracts import MooFsError
from moo_fs.results import LABELS, Results, load_results
from moo_fs.study import canonical
from moo_fs.whole_files import digest, file_digest, write_whole

ABOUT = "comparison.json"
ROWS = "comparison.csv"
KEYS = ("name", "networks", "random", "upper", "nulls", "own", "ways", "files", "hash")
AGAIN = "restore it, or remove the folder and compare again"


@dataclass(frozen=True)
class Comparison:
    """One comparison's archive. Frames are to be treated as read-only.

    Attributes:
        folder: where it lies.
        about: comparison.json.
        summary: comparison.csv: a row a run, `network` before the columns of summary.csv.
        networks: each network's results, those of the user's own measures left out.
        own: each network's results of the user's own measures, one a measure, in the order of `about["own"]`.
    """

    folder: Path
    about: dict[str, Any]
    summary: pd.DataFrame
    networks: dict[str, Results]
    own: dict[str, tuple[Results, ...]] = field(default_factory=dict)

    @property
    def budget(self) -> int:
        """Evaluations that every run was asked for."""
        return int(self.about["specification"]["compare"]["budget"])

    @cached_property
    def archive_hash(self) -> str:
        """SHA-256 of what comparison.json says, the hashes of all rows and archives among it."""
        return digest(canonical(self.about).encode())


@dataclass(frozen=True)
class Part:
    """One network of a comparison: the folders of the archives that hold its runs."""

    network: str
    folder: Path
    own: tuple[Path, ...] = ()

    def entry(self, plan: Plan, beside: Path) -> dict[str, Any]:
        """What comparison.json says of it; folders are relative to `beside`."""
        own = [
            {"measure": spec.label, **_archive(folder, beside)} for spec, folder in zip(plan.own, self.own, strict=True)
        ]
        return {"network": self.network, **_archive(self.folder, beside), **({"own": own} if own else {})}


def write_comparison(folder: Path, plan: Plan, parts: Sequence[Part]) -> None:
    """Write comparison.csv and, last, comparison.json, each whole or not at all; what is there already stays as it is.

    The same archives give the same bytes. Raises MooFsError if a network has more or fewer blocks than the plan says.
    """
    networks = [part.entry(plan, folder) for part in parts]
    rows = _rows(folder, networks)
    _check_blocks(rows, plan.whole.seeds)
    about = {
        "name": plan.name,
        "question": plan.whole.question,
        "specification": plan.specification,
        "specification_hash": plan.specification_hash,
        "networks": networks,
        "random": RANDOM,
        "upper": _one_or_all(plan.upper),
        "nulls": plan.nulls,
        "own": [spec.label for spec in plan.own],
        "ways": [spec.label for spec in plan.whole.optimisers],
        "files": {ROWS: digest(rows)},
    }
    about["hash"] = _hash(about)
    write_whole(folder / ROWS, rows)
    write_whole(folder / ABOUT, (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode())


def load_comparison(folder: str | Path) -> Comparison:
    """The comparison in a folder, from its archives alone.

    Raises MooFsError if there is none, or if anything of it is missing, damaged or changed since it was written.
    """
    folder = Path(folder)
    about = _read_about(folder)
    networks: dict[str, Results] = {}
    own: dict[str, tuple[Results, ...]] = {}
    for entry in about["networks"]:
        networks[entry["network"]] = _loaded(folder, entry)
        own[entry["network"]] = tuple(_loaded(folder, one) for one in entry.get("own", []))
    content = (folder / ROWS).read_bytes()
    if content != _rows(folder, about["networks"]):
        raise MooFsError(f"{folder / ROWS}: differs from the rows of its networks' archives; {AGAIN}")
    text = dict.fromkeys(["network", *LABELS[:3]], str)
    summary = pd.read_csv(io.BytesIO(content), dtype=text, keep_default_na=False, na_values=[""])
    return Comparison(folder, about, summary, networks, own)


def check_folder(folder: Path, plan: Plan) -> None:
    """Raise MooFsError if another comparison's or a study's archive in `folder` would be written over."""
    if (folder / STUDY).is_file():
        raise MooFsError(f"{folder}: holds the archive of a study, not of a comparison; choose another --out")
    if not (folder / ABOUT).is_file():
        return
    try:
        about = _read_about(folder)
    except MooFsError:
        return  # a damaged one says nothing of itself and is made anew from its networks' archives
    if about["name"] != plan.name:
        raise MooFsError(f"{folder}: holds the comparison '{about['name']}', not '{plan.name}'; choose another --out")
    if bool(about["own"]) != bool(plan.own):
        has, asked = ("with", "without") if about["own"] else ("without", "with")
        raise MooFsError(f"{folder}: holds the comparison {has} --measure, wanted {asked} it; choose another --out")


def _check_blocks(rows: bytes, seeds: int) -> None:
    table = pd.read_csv(io.BytesIO(rows), dtype=str, usecols=["network", "measure", "optimiser", "seed"])
    for (network, measure, way), blocks in table.groupby(["network", "measure", "optimiser"])["seed"]:
        if sorted(blocks, key=int) != [str(seed) for seed in range(seeds)]:
            raise MooFsError(
                f"comparison: network {network} has {len(blocks)} blocks of '{measure}' with '{way}', wanted {seeds}; "
                "restore compare.seeds, or choose another --out"
            )


def _one_or_all(labels: Sequence[str]) -> str | list[str] | None:
    """The label if there is one, all if there are several, None without any: as comparison.json has always said it."""
    return list(labels) if len(labels) > 1 else next(iter(labels), None)


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    try:
        about = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise MooFsError(f"{folder}: no comparison there (no {ABOUT}); use moo-fs compare first") from error
    except (ValueError, OSError) as error:
        raise MooFsError(f"{path}: wanted JSON, got something else: {error}; {AGAIN}") from error
    if not isinstance(about, dict) or any(key not in about for key in KEYS) or about.pop("hash") != _hash(about):
        raise MooFsError(f"{path}: differs from what was written; {AGAIN}")
    rows = folder / ROWS
    if not rows.is_file():
        raise MooFsError(f"{rows}: is missing; {AGAIN}")
    if file_digest(rows) != about["files"].get(ROWS):
        raise MooFsError(f"{rows}: differs from its hash in {ABOUT}; {AGAIN}")
    return about


def _loaded(folder: Path, entry: dict[str, Any]) -> Results:
    results = load_results(_place(folder, entry))
    if results.archive_hash != entry["archive_hash"]:
        raise MooFsError(f"{results.folder}: is another archive than {folder / ABOUT} was made from; compare again")
    return results


def _rows(folder: Path, networks: Sequence[dict[str, Any]]) -> bytes:
    """comparison.csv: the rows of the networks' summaries, numbers as they are written there."""
    frames = []
    for entry in networks:
        for one in (entry, *entry.get("own", [])):
            rows = pd.read_csv(_place(folder, one) / "summary.csv", dtype=str, keep_default_na=False)
            rows.insert(0, "network", entry["network"])
            frames.append(rows)
    return pd.concat(frames, ignore_index=True).to_csv(index=False, lineterminator="\n").encode()


def _place(folder: Path, entry: dict[str, Any]) -> Path:
    return Path(os.path.normpath(folder / str(entry["folder"])))


def _archive(folder: Path, beside: Path) -> dict[str, str]:
    relative = Path(os.path.relpath(folder.resolve(), beside.resolve())).as_posix()
    return {"folder": relative, "archive_hash": load_results(folder).archive_hash}


def _hash(about: dict[str, Any]) -> str:
    return digest(canonical(about).encode())
