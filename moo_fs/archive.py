"""What a finished study leaves behind: Parquet, CSV and JSON with the hash of every file, written all or nothing."""

from __future__ import annotations

import hashlib
import io
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from moo_fs.contracts import MooFsError
from moo_fs.study import Study, canonical, covers
from moo_fs.whole_files import digest, file_digest, write_together

STUDY = "study.json"
PACKAGE = Path(__file__).parent
RESOLVED = ("specification_hash", "reference", "corner", "backend")
RECORDED = ("moo-fs", "numpy", "torch", "optuna", "pymoo", "moocore", "scikit-learn", "numba", "pandas", "pyarrow")


def write_archive(
    folder: Path, frames: Mapping[str, pd.DataFrame], study_json: Mapping[str, Any], *, source: str | None = None
) -> dict[str, Any]:
    """Write frames ("trials.parquet", "summary.csv", ...) and study.json into `folder`; returns study.json's content.

    Every file is written beside its place first and then renamed, study.json last: an archive with a study.json that
    matches is whole. `versions`, `source_hash` (`source` if given), `resolved_hash` (of RESOLVED, if all are there) and
    `files` (name -> SHA-256) are added to `study_json`. The same frames give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {name: _serialised(name, frame) for name, frame in frames.items()}
    written = {
        **study_json,
        **_resolved_hash(study_json),
        "versions": versions(),
        "source_hash": source or source_hash(),
        "files": {name: digest(content) for name, content in sorted(contents.items())},
    }
    contents[STUDY] = (json.dumps(written, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    write_together({folder / name: content for name, content in contents.items()})
    return written


def read_study_json(folder: Path) -> dict[str, Any]:
    """The content of study.json. Raises MooFsError if there is none, or if it is not what `write_archive` wrote."""
    path = folder / STUDY
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise MooFsError(
            f"{folder}: no archive there (no {STUDY}); wanted the folder of a study that has run"
        ) from error
    except (ValueError, OSError) as error:
        raise MooFsError(f"{path}: wanted JSON, got something else: {error}") from error
    files = content.get("files") if isinstance(content, dict) else None
    if not isinstance(files, dict) or any(Path(name).name != name for name in files):
        raise MooFsError(f"{path}: wanted an archive's study.json with its files and their hashes, got something else")
    return dict(content)


def verify(folder: Path) -> list[str]:
    """The faults of an archive, a sentence each: what is missing or differs from its hash; none if whole."""
    try:
        content = read_study_json(folder)
    except MooFsError as error:
        return [str(error)]
    faults = []
    # Archives written before there was such a hash have none.
    if "resolved_hash" in content and content["resolved_hash"] != _resolved_hash(content).get("resolved_hash"):
        faults.append(f"{folder / STUDY}: {', '.join(RESOLVED)}: one of them differs from what 'resolved_hash' says")
    for name, wanted in content["files"].items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{path}: is missing")
        elif file_digest(path) != wanted:
            faults.append(f"{path}: differs from its hash in {STUDY}")
    return faults


def is_finished(folder: Path, specification_hash: str) -> bool:
    """Whether `folder` holds the whole archive of the study with this specification, journals or not."""
    if not (folder / STUDY).is_file() or verify(folder):
        return False
    return bool(read_study_json(folder).get("specification_hash") == specification_hash)


def is_covered(folder: Path, study: Study) -> bool:
    """Whether `folder` holds a whole archive of `study`, or of the same study with a larger budget or more seeds."""
    if not (folder / STUDY).is_file() or verify(folder):
        return False
    content = read_study_json(folder)
    return content.get("specification_hash") == study.specification_hash or covers(content, study)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def source_hash() -> str:
    """SHA-256 of the package's Python files, names and contents, in order."""
    whole = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        whole.update(f"{path.relative_to(PACKAGE).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _resolved_hash(study_json: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of what the study's names stood for when it ran: a reference edited later is noticed."""
    if any(key not in study_json for key in RESOLVED):
        return {}
    resolved = canonical([study_json[key] for key in RESOLVED])
    return {"resolved_hash": digest(resolved.encode())}


def _serialised(name: str, frame: pd.DataFrame) -> bytes:
    if name.endswith(".csv"):
        return frame.to_csv(index=False, lineterminator="\n").encode()
    if not name.endswith(".parquet"):
        raise ValueError(f"archive: wanted a name ending in .parquet or .csv, got '{name}'")
    # No pandas metadata: it holds versions of libraries, and the same rows must give the same bytes.
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", store_schema=False)
    return buffer.getvalue()
