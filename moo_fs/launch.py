"""From a study file to its archive: check everything, execute or resume the runs, write what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs import archive, examples, workers
from moo_fs.contracts import Floats, MooFsError
from moo_fs.evaluator import NetworkEvaluator
from moo_fs.fronts import non_dominated
from moo_fs.journal import HeldLock
from moo_fs.problem import Prepared
from moo_fs.results import SCORE_COLUMNS, Results, allocations, load_results, summarise, values_of
from moo_fs.runner import RunResult, Setting, load, prepare
from moo_fs.store import open_storage
from moo_fs.study import RunSpec, Study, check_objectives, check_optimisers, difference, read_study
from moo_fs.trials import six_digits
from moo_fs.worker import Event, one_thread

# Our choice: the shares of uniform 1 bit's rate at which the report shows pictures.
SHOWN_RATES = (0.25, 0.5, 1.0)


def run(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    storage: str | None = None,
    budget: int | None = None,
    seeds: int | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Results:
    """Launch or resume a study and return its results; a finished one is returned at once.

    `out` is the study's own folder (default: `results/<name>`, see `folder_of`). `budget` and `seeds` extend an archive
    that exists. Raises MooFsError before anything is written if the study, its subject or what lies in `out` does not
    fit, RunError if a run fails, KeyboardInterrupt with everything evaluated so far kept.
    """
    declared = study if isinstance(study, Study) else read_study(study)
    declared = declared.with_changes(budget=budget, seeds=seeds)
    folder = Path(out) if out is not None else folder_of(declared)
    if archive.is_finished(folder, declared.specification_hash):
        return load_results(folder)
    _check_extension(declared, folder)
    setting = Setting(declared, folder, device, storage)
    with one_thread():
        prepared = prepare(setting)
        check_objectives(declared, [task.name for task in prepared.tasks])
        check_optimisers(declared, prepared.space(None, declared.objectives))
        if storage is not None:
            open_storage(storage)  # refused here, and its tables made once, before several workers want to
        lock = HeldLock(folder / "journals" / "study.lock", what=f"study {declared.name} in {folder}")
        try:
            found = _execute(setting, workers, on_event)
            _write(declared, folder, prepared, found)
        finally:
            lock.release()
    return load_results(folder)


def folder_of(study: Study) -> Path:
    """Where a study's results lie: beside the `studies` folder of its file, else in the current folder."""
    parent = study.path.resolve().parent
    return (parent.parent if parent.name == "studies" else Path.cwd()) / "results" / study.name


def reference_of(study: Study, prepared: Prepared) -> Floats:
    """The reference as numbers (objective,): as declared, or uniform k's rate on the search part x 1.1 and ones."""
    if not isinstance(study.reference, str):
        return np.array(study.reference, dtype=np.float64)
    depth = int(study.reference.removeprefix("uniform-"))
    rate = prepared.uniform(depth, "search").rate_kbit * 1.1
    return six_digits([rate, *[1.0] * len(study.tasks)])


def corner_of(study: Study, prepared: Prepared) -> Floats:
    """The corner's reference point (objective,): rate of uniform 1 bit on the search part, distortions 0.5."""
    return six_digits([prepared.uniform(1, "search").rate_kbit, *[0.5] * len(study.tasks)])


def _check_extension(study: Study, folder: Path) -> None:
    if not (folder / archive.STUDY).is_file():
        return
    before = archive.read_study_json(folder)
    differs = difference(study, before)
    if differs is not None:
        raise MooFsError(
            f"{folder}: holds the archive of another study: {differs}; only a larger budget or more seeds extend it, "
            "so remove the folder or choose another --out"
        )


def _execute(setting: Setting, count: int, on_event: Callable[[Event], None] | None) -> list[tuple[RunSpec, RunResult]]:
    def uses_scores(spec: RunSpec) -> bool:
        return bool(getattr(spec.optimiser.load("optimiser"), "uses_scores", True))

    specs = setting.study.runs()
    results = workers.run_all(workers.groups(specs, uses_scores), partial(load, setting), count, on_event)
    if any(results.get(spec.key) is None for spec in specs):
        raise KeyboardInterrupt
    return [(spec, results[spec.key]) for spec in specs]


def _write(study: Study, folder: Path, prepared: Prepared, found: Sequence[tuple[RunSpec, RunResult]]) -> None:
    trials = pd.concat([result.trials for _, result in found], ignore_index=True)
    fronts = pd.concat([result.front for _, result in found], ignore_index=True)
    reference, corner = reference_of(study, prepared), corner_of(study, prepared)
    scores = {(spec.measure.label, spec.seed): result.scores for spec, result in found if result.scores is not None}
    frames = {
        "trials.parquet": trials,
        "fronts.parquet": fronts,
        "baselines.parquet": prepared.baselines(),
        "scores.parquet": pd.concat(scores.values(), ignore_index=True)
        if scores
        else pd.DataFrame(columns=SCORE_COLUMNS),
        "examples.parquet": _examples(study, prepared, fronts, corner),
        "summary.csv": summarise(
            trials,
            fronts,
            objectives=study.objectives,
            reference=reference,
            corner=corner,
            effort=pd.DataFrame([result.effort for _, result in found]),
        ),
    }
    archive.write_archive(folder, frames, _study_json(study, prepared, reference, corner, found))


def _examples(study: Study, prepared: Prepared, fronts: pd.DataFrame, corner: Floats) -> pd.DataFrame:
    front = fronts[non_dominated(values_of(fronts, study.objectives))]
    bits, shown = allocations(front), {}
    for row in examples.spread(values_of(front, study.objectives), rates=corner[0] * np.array(SHOWN_RATES)):
        shown[f"found, {front['rate_kbit'].iloc[row]:.1f} kbit"] = bits[row]
    shown["uniform 1 bit"] = np.ones(prepared.channels, np.int8)
    return examples.example_rows(prepared, shown)


def _study_json(
    study: Study, prepared: Prepared, reference: Floats, corner: Floats, found: Sequence[tuple[RunSpec, RunResult]]
) -> dict[str, Any]:
    search, test = prepared.evaluator("search"), prepared.evaluator("test")
    exhausted = {spec.key: result.exhausted for spec, result in found if result.exhausted is not None}
    metrics = {task.name: list(task.metric_names) for task in prepared.tasks}
    if not isinstance(test, NetworkEvaluator):
        metrics = {task.name: ["distortion"] for task in prepared.tasks}
    return {
        "name": study.name,
        "question": study.question,
        "specification": study.specification,
        "specification_hash": study.specification_hash,
        "reference": reference.tolist(),
        "corner": corner.tolist(),
        "channels": prepared.channels,
        "tasks": [{"name": task.name, "kind": task.kind, "metrics": metrics[task.name]} for task in prepared.tasks],
        "search_images": search.images,
        "test_images": test.images,
        "backend": prepared.backend,
        "uncompressed": {
            name: {metric: test.uncompressed[f"{name}_{metric}"] for metric in names} for name, names in metrics.items()
        },
        "exhausted": exhausted,
    }
