"""Selection studies: from the file to the archive, piece by piece; what is on disk is not computed again.

A piece is one measure in one block on one subject, or one rival on one subject. It is kept under the hash of the code
and the versions of the libraries that computed it, so that an archive is of one state of both. Everything is measured
on the test part; scores, quantisers, tables and transforms come from the fit part, searched allocations from the search
part. So nothing that is printed was chosen on the images that it is printed for.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from moo_fs import archive, launch
from moo_fs.contracts import MooFsError, RunError
from moo_fs.evaluator import NetworkEvaluator
from moo_fs.journal import HeldLock
from moo_fs.loading import check_device, load_subject
from moo_fs.plugins import PluginSpec
from moo_fs.prepared import Prepared
from moo_fs.runner import subject_hash
from moo_fs.selection_archive import (
    ALWAYS,
    COLUMNS,
    IMAGES,
    NONE,
    SCORES,
    SUMMARY,
    SelectionResults,
    load_selection,
)
from moo_fs.selection_pieces import ROWS, Found, Piece, compute, pieces_of
from moo_fs.selection_plan import EQUAL, Selection, read_selection
from moo_fs.senders import coders
from moo_fs.study import canonical
from moo_fs.whole_files import digest
from moo_fs.worker import one_thread, pool

Told = Callable[[str], None]
WORK = "work"


@dataclass(frozen=True)
class Setting:
    """Everything that computing a piece needs; it pickles. `origin`: hash of code and libraries, `_origin`."""

    plan: Selection
    folder: Path
    origin: str
    device: str = "cpu"

    def place(self, piece: Piece, context: str) -> Path:
        """Where a piece is kept; another network, measure, setting or origin has another place."""
        measure = None if piece.measure is None else piece.measure.specification
        said = [context, piece.subject.specification, measure, piece.seed, piece.rival, self.plan.settings]
        return self.folder / WORK / f"piece-{self.origin}-{digest(canonical(said).encode())[:16]}"


def run(
    study: Selection | str | Path,
    *,
    out: str | Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    seeds: int | None = None,
    tell: Told = lambda sentence: None,
) -> SelectionResults:
    """Launch or resume a selection study and return its results; a finished one is returned at once.

    `tell` hears of every piece that is done. Raises MooFsError before anything is written if the study, a subject or
    what lies in `out` does not fit, RunError if a piece fails; pieces that are done are kept.
    """
    source = archive.source_hash()
    plan = (study if isinstance(study, Selection) else read_selection(study)).with_seeds(seeds)
    folder = Path(out) if out is not None else launch.folder_of(plan)
    if workers < 1:
        raise MooFsError(f"workers: wanted 1 or more, got {workers}")
    if _is_covered(folder, plan):
        return load_selection(folder)
    check_device(device)
    try:
        coders.check(plan.settings)
    except MooFsError as error:
        raise MooFsError(f"{plan.path}: selection: {error}") from error
    setting = Setting(plan, folder, _origin(plan, source), device)
    with one_thread():
        subjects = {spec.label: _checked(setting, spec) for spec in plan.subjects}
        lock = HeldLock(folder / WORK / "study.lock", what=f"study {plan.name} in {folder}")
        try:
            _execute(setting, workers, tell)
            _write(setting, subjects, source)
        finally:
            lock.release()
    return load_selection(folder)


def status(study: str | Path, out: Path | None = None) -> dict[str, Any]:
    """How far a selection study is: name, pieces, done, archived. Raises MooFsError if the file is wrong."""
    plan = read_selection(study)
    folder = out or launch.folder_of(plan)
    archived = _is_covered(folder, plan)
    pieces = len(pieces_of(plan))
    origin = _origin(plan, archive.source_hash())
    found = len(list((folder / WORK).glob(f"piece-{origin}-*/{ROWS}")))
    # Pieces of other settings may lie there too; which ones they are is not known before the subjects are loaded.
    done = pieces if archived else min(found, pieces)
    return {"name": plan.name, "pieces": pieces, "done": done, "archived": archived}


def _origin(plan: Selection, source: str) -> str:
    """What points depend on beside study and subject: the package's code, and the libraries that study.json names."""
    said = [source, archive.versions(), coders.versions(plan.settings)]
    return digest(canonical(said).encode())[:8]


@functools.lru_cache(maxsize=1)
def _loaded(subject: PluginSpec, folder: Path, device: str) -> tuple[Prepared, str]:
    """A subject made ready and the hash of what its points depend on; the last one is kept."""
    prepared = load_subject(subject.load("subject"), options=subject.options, device=device)
    return prepared, f"{prepared.backend} {subject_hash(prepared)}"


def _ready(setting: Setting, subject: PluginSpec) -> tuple[Prepared, str]:
    try:
        return _loaded(subject, setting.folder, setting.device)
    except MooFsError as error:
        raise MooFsError(f"{setting.plan.path}: subject: {error}") from error


def _checked(setting: Setting, subject: PluginSpec) -> dict[str, Any]:
    """What study.json says of a subject. Raises MooFsError if it is no network."""
    prepared, context = _ready(setting, subject)
    test = prepared.evaluator("test")
    if not isinstance(test, NetworkEvaluator):
        raise MooFsError(
            f"{setting.plan.path}: subject: '{subject.label}' is a closed form; a selection study wants a network"
        )
    metrics = {task.name: list(task.metric_names) for task in prepared.tasks}
    if EQUAL in metrics:
        raise MooFsError(
            f"{setting.plan.path}: subject: '{subject.label}' has a task '{EQUAL}', as task weights have; rename it"
        )
    return {
        "label": subject.label,
        "channels": prepared.channels,
        "tasks": [{"name": task.name, "kind": task.kind, "metrics": metrics[task.name]} for task in prepared.tasks],
        "test_images": test.images,
        "search_images": prepared.evaluator("search").images,
        "uncompressed": {name: value for name, value in test.uncompressed.items() if math.isfinite(value)},
        "context": context,
    }


def _is_covered(folder: Path, plan: Selection) -> bool:
    """Whether a folder holds the study, whole, with so many blocks or more.

    Raises MooFsError if it holds another one, which would be written over: only more blocks extend an archive.
    """
    if not (folder / archive.STUDY).is_file():
        return False
    before = archive.read_study_json(folder).get("specification") or {}
    now = plan.specification
    seeds = [one.get("selection", {}).get("seeds", 0) for one in (before, now)]
    alike = [{**one, "selection": {**one.get("selection", {}), "seeds": 0}} for one in (before, now)]
    if alike[0] != alike[1]:
        raise MooFsError(
            f"{folder}: holds the archive of another study; only more seeds extend it, so remove the folder or choose "
            "another --out"
        )
    return bool(seeds[0] >= seeds[1]) and not archive.verify(folder)


def _execute(setting: Setting, workers: int, tell: Told) -> None:
    """Compute every piece that is not on disk yet; with several workers in processes of their own."""
    todo = [piece for piece in pieces_of(setting.plan) if not _is_kept(setting, piece)]
    done = len(pieces_of(setting.plan)) - len(todo)

    def told(piece: Piece) -> None:
        nonlocal done
        done += 1
        tell(f"{done} of {len(pieces_of(setting.plan))} pieces, {piece.title}")

    if workers == 1:
        for piece in todo:
            _keep(setting, piece)
            told(piece)
        return
    with pool(workers) as processes:
        waiting = {processes.submit(_keep_alone, setting, piece): piece for piece in todo}
        for future in as_completed(waiting):
            future.result()
            told(waiting[future])


def _is_kept(setting: Setting, piece: Piece) -> bool:
    return (setting.place(piece, _ready(setting, piece.subject)[1]) / ROWS).is_file()


def _keep_alone(setting: Setting, piece: Piece) -> None:
    """What a worker process does with a piece."""
    with one_thread():
        _keep(setting, piece)


def _keep(setting: Setting, piece: Piece) -> None:
    """Compute a piece and write it."""
    prepared, context = _ready(setting, piece.subject)
    place = setting.place(piece, context)
    try:
        found = compute(piece, setting.plan, prepared, place)
    except Exception as error:
        kind = "" if isinstance(error, MooFsError) else f"{type(error).__name__}: "
        raise RunError(f"{setting.plan.path}: {piece.title}: {kind}{error}") from error
    found.keep(place)


def _write(setting: Setting, subjects: dict[str, dict[str, Any]], source: str) -> None:
    """The archive, from the pieces on disk in the study's order: the same whoever computed them when."""
    plan, rows, scores, pieces = setting.plan, [], [], []
    for piece in pieces_of(plan):
        found = Found.kept(setting.place(piece, subjects[piece.subject.label]["context"]))
        subject = piece.subject.label
        measure = NONE if piece.measure is None else piece.measure.label
        pieces.append({"title": piece.title, "seconds": found.seconds})
        rows.append(found.rows.assign(subject=subject, seed=piece.seed, measure=measure))
        if found.scores is not None:
            scores.append(found.scores.assign(subject=subject))
    table = pd.concat(rows, ignore_index=True)
    tasks = list(dict.fromkeys(task["name"] for entry in subjects.values() for task in entry["tasks"]))
    frames = {
        SUMMARY: table.reindex(columns=_columns(table, tasks)),
        IMAGES: pd.concat(_images(table, tasks), ignore_index=True),
        SCORES: pd.concat(scores, ignore_index=True).drop(columns="null"),
    }
    about = {
        "name": plan.name,
        "question": plan.question,
        "specification": plan.specification,
        "specification_hash": plan.specification_hash,
        "subjects": list(subjects.values()),
        "coders": coders.versions(plan.settings),
        "pieces": pieces,
    }
    archive.write_archive(setting.folder, frames, about, source=source)


def _columns(table: pd.DataFrame, tasks: Sequence[str]) -> list[str]:
    """Columns of summary.csv: ALWAYS and what else of COLUMNS this study has, distortions, then metrics."""
    first = [name for name in COLUMNS if name in table or name in ALWAYS] + [f"distortion_{task}" for task in tasks]
    images = {f"{what}_{task}" for what in ("images", "counts") for task in tasks}
    return [*first, *[name for name in map(str, table) if name not in first and name not in images]]


def _images(table: pd.DataFrame, tasks: Sequence[str]) -> Iterator[pd.DataFrame]:
    for task in tasks:
        losses = table[f"images_{task}"]
        known = losses[losses.notna()]
        counts = table[f"counts_{task}"].reindex(known.index)
        yield pd.DataFrame({"row": known.index, "task": task, "losses": known.to_numpy(), "counts": counts.to_numpy()})
