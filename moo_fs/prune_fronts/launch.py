"""From the study file of a search over pruned networks to its archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs import archive, workers
from moo_fs.contracts import MAX_BITS, Floats, MooFsError
from moo_fs.journal import HeldLock
from moo_fs.launch import folder_of
from moo_fs.loading import check_device
from moo_fs.prune_fronts.declared import REFERENCE, Search, read_search
from moo_fs.prune_fronts.runner import Runner, RunResult, Setting, check_sizes, load
from moo_fs.results import summarise, union_on_search
from moo_fs.study import RunSpec, check_optimisers, difference
from moo_fs.subjects.vgg16 import CLASSES
from moo_fs.trials import six_digits
from moo_fs.worker import Event, one_thread

__all__ = ["KIND", "folder_of", "frame_of", "run"]
KIND = "prune-fronts"
# Our choice of the corner: the error, in points of images, that a smaller network may cost.
CORNER_POINTS = 0.05


def run(
    path: str | Path,
    *,
    out: Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    seeds: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Launch or resume a study and return its folder; a finished one is returned at once.

    `seeds` extends an archive that exists; `say` gets a line a finished run. Raises MooFsError before anything is
    written if the study, its subject or what lies in `out` does not fit, RunError if a run fails, KeyboardInterrupt
    with everything evaluated so far kept.
    """
    source = archive.source_hash()  # of the code that runs, not of what it is edited to meanwhile
    study = read_search(path).with_changes(seeds=seeds)
    folder = Path(out) if out is not None else folder_of(study)
    if workers < 1:
        raise MooFsError(f"workers: wanted 1 or more, got {workers}")
    if archive.is_covered(folder, study):
        return folder
    _check_extension(study, folder)
    check_device(device)
    with one_thread():
        runner = load(Setting(study, folder, device))
        check_sizes(study, runner.subject)
        lock = HeldLock(folder / "journals" / "study.lock", what=f"study {study.name} in {folder}")
        try:
            check_optimisers(study, runner.space(study.measures[0]), called="prune.search")
            frame = frame_of(study, runner)
            _write(runner, frame, _execute(runner, workers, say), source)
        finally:
            lock.release()
    return folder


def frame_of(study: Search, runner: Runner) -> tuple[Floats, Floats]:
    """Reference and corner (objective,) in shares; the corner's error is the unpruned network's and 5 points of images.

    The reference "chance" is the unpruned network's size and the error of guessing.
    """
    whole = 1.0 - runner.searched.accuracy({})
    chance = {"error": 1.0 - 1.0 / CLASSES}
    near = {"error": whole + CORNER_POINTS}
    reference = [chance.get(name, 1.0) for name in study.objectives]
    if study.reference != REFERENCE:
        reference = [float(value) for value in study.reference]
    return six_digits(reference), six_digits([near.get(name, 1.0) for name in study.objectives])


def _check_extension(study: Search, folder: Path) -> None:
    if not (folder / archive.STUDY).is_file():
        return
    differs = difference(study, archive.read_study_json(folder))
    if differs is not None:
        raise MooFsError(
            f"{folder}: holds the archive of another study: {differs}; only more seeds or a larger budget extend it, "
            "so remove the folder or choose another --out"
        )


def _execute(runner: Runner, count: int, say: Callable[[str], None] | None) -> list[tuple[RunSpec, RunResult]]:
    specs, done = runner.study.runs(), 0

    def listen(event: Event) -> None:
        nonlocal done
        if event.kind == "done" and say is not None:
            done += 1
            say(f"{done} of {len(specs)}: {event.run.title}")

    loader = partial(load, runner.setting) if count > 1 else lambda: runner
    results = workers.run_all([[spec] for spec in specs], loader, count, listen)
    if any(results.get(spec.key) is None for spec in specs):
        raise KeyboardInterrupt
    return [(spec, results[spec.key]) for spec in specs]


def _write(
    runner: Runner, frame: tuple[Floats, Floats], found: Sequence[tuple[RunSpec, RunResult]], source: str
) -> None:
    study = runner.study
    trials = pd.concat([result.trials for _, result in found], ignore_index=True)
    fronts = pd.concat([result.front for _, result in found], ignore_index=True)
    reference, corner = frame
    frames = {
        "trials.parquet": trials,
        "fronts.parquet": fronts,
        "joint.parquet": _joint(runner, fronts),
        "baselines.parquet": pd.concat([runner.baselines(spec) for spec in study.measures], ignore_index=True),
        "damage.parquet": _damage(runner),
        "orders.parquet": _orders(runner),
        "summary.csv": summarise(
            trials,
            fronts,
            objectives=study.objectives,
            reference=reference,
            corner=corner,
            effort=pd.DataFrame([result.effort for _, result in found]),
        ),
    }
    archive.write_archive(runner.setting.folder, frames, _study_json(runner, frame, found), source=source)


def _joint(runner: Runner, fronts: pd.DataFrame) -> pd.DataFrame:
    """The front of all runs on the search part, with values on all test images; of equal networks the first."""
    best = union_on_search(fronts, runner.study.objectives).drop_duplicates(["measure", "bits"])
    parts = [
        runner.joint(spec, best[best["measure"] == spec.label])
        for spec in runner.study.measures
        if (best["measure"] == spec.label).any()
    ]
    return union_on_search(pd.concat(parts, ignore_index=True), runner.study.objectives)


def _damage(runner: Runner) -> pd.DataFrame:
    """The error when one layer alone is cut to a level: a row a measure, layer and level."""
    rows = []
    for spec in runner.study.measures:
        errors, levels = runner.damage(spec).error, runner.levels(spec)
        for layer, name in enumerate(runner.subject.filters):
            for level in range(MAX_BITS + 1):
                kept = int(levels.counts(np.full(len(errors), level))[0, layer])
                rows.append([spec.label, name, level, kept, float(errors[layer, level])])
    return pd.DataFrame(rows, columns=["measure", "layer", "level", "kept", "error"])


def _orders(runner: Runner) -> pd.DataFrame:
    """Which filter comes at which place of a layer's order."""
    parts = [
        pd.DataFrame({"measure": spec.label, "layer": name, "place": np.arange(len(order)), "filter": order})
        for spec in runner.study.measures
        for name, order in zip(runner.subject.filters, runner.levels(spec).orders, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _study_json(
    runner: Runner, frame: tuple[Floats, Floats], found: Sequence[tuple[RunSpec, RunResult]]
) -> dict[str, Any]:
    study, subject = runner.study, runner.subject
    levels = runner.levels(study.measures[0])
    whole = np.full((1, len(levels.filters)), MAX_BITS)
    error = {"search": 1.0 - runner.searched.accuracy({}), "test": 1.0 - runner.all_tests.accuracy({})}
    size = {"parameters": int(levels.parameters(whole)[0]), "flops": int(levels.flops(whole)[0])}
    return {
        "kind": KIND,
        "name": study.name,
        "question": study.question,
        "specification": study.specification,
        "specification_hash": study.specification_hash,
        "reference": frame[0].tolist(),
        "corner": frame[1].tolist(),
        "corner_about": f"the unpruned network's size and its error + {100 * CORNER_POINTS:g} points",
        "tasks": [{"name": name, "kind": "share", "metrics": []} for name in study.tasks],
        "layers": subject.filters,
        "network": {"width": subject.width, "filters": int(levels.filters.sum()), **size},
        "unpruned_error": {part: float(six_digits(value)) for part, value in error.items()},
        "search_images": study.search_images,
        "test_images": study.test_images,
        "all_test_images": len(subject.test.labels),
        "published": study.published,
        "backend": runner.backend,
        "subject_hash": runner.context["subject"],
        "exhausted": {spec.key: result.exhausted for spec, result in found if result.exhausted is not None},
    }
