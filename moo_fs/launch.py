"""From a study file to its archive: check everything, execute or resume the runs, write what was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from moo_fs import archive, examples, workers
from moo_fs.contracts import Floats, MooFsError
from moo_fs.evaluator import NetworkEvaluator
from moo_fs.fronts import non_dominated
from moo_fs.journal import HeldLock
from moo_fs.loading import check_device
from moo_fs.plugins import NO_MEASURE
from moo_fs.prepared import Prepared
from moo_fs.results import SCORE_COLUMNS, Results, allocations, load_results, summarise, values_of
from moo_fs.runner import Runner, RunResult, Setting, load, prepare
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
    source = archive.source_hash()  # of the code that runs, not of what it is edited to meanwhile
    declared = study if isinstance(study, Study) else read_study(study)
    declared = declared.with_changes(budget=budget, seeds=seeds)
    folder = Path(out) if out is not None else folder_of(declared)
    if workers < 1:
        raise MooFsError(f"workers: wanted 1 or more, got {workers}")
    if archive.is_covered(folder, declared):
        return load_results(folder)
    _check_extension(declared, folder)
    check_device(device)
    setting = Setting(declared, folder, device, storage)
    with one_thread():
        runner, frame = _checked(setting)
        lock = HeldLock(folder / "journals" / "study.lock", what=f"study {declared.name} in {folder}")
        try:
            runner.keep_checked()
            found = _execute(runner, workers, on_event)
            _write(runner, frame, found, source)
        finally:
            lock.release()
    return load_results(folder)


@dataclass(frozen=True)
class Frame:
    """What hypervolumes are measured by, resolved before the first run: (objective,) each, the rate in kbit first."""

    reference: Floats
    corner: Floats


def _checked(setting: Setting) -> tuple[Runner, Frame]:
    """Everything that can be wrong with a study is found here; nothing is written."""
    study = setting.study
    try:
        prepared = prepare(setting)
        check_objectives(study, [task.name for task in prepared.tasks])
        frame = Frame(reference_of(study, prepared), corner_of(study, prepared))
        runner = Runner(setting, prepared)  # looks at the search and the test part
    except MooFsError as error:
        named = str(error) if str(study.path) in str(error) else f"{study.path}: subject: {error}"
        raise MooFsError(named) from error
    _check_backend(setting.folder, prepared.backend)
    scored = any(spec.name != NO_MEASURE for spec in study.measures)
    like_scores = np.ones((prepared.channels, len(study.tasks))) if scored else None
    check_optimisers(study, prepared.searched(like_scores, study.objectives))
    if setting.storage is not None:
        open_storage(setting.storage)  # refused here, and its tables made once, before several workers want to
    runner.check_measures()
    return runner, frame


class Declared(Protocol):
    """A study of any kind that has a file."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def name(self) -> str:
        """The name, which its folder has."""


def folder_of(study: Declared) -> Path:
    """Where a study's results lie: beside its file's folder `studies`, else in the current folder."""
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


def _check_backend(folder: Path, backend: str) -> None:
    if (folder / archive.STUDY).is_file():
        before = archive.read_study_json(folder).get("backend")
        if before != backend:
            raise MooFsError(
                f"{folder}: its archive was evaluated by '{before}', here by '{backend}', and results of the two are "
                "not mixed; choose another --out"
            )


def _execute(runner: Runner, count: int, on_event: Callable[[Event], None] | None) -> list[tuple[RunSpec, RunResult]]:
    def uses_scores(spec: RunSpec) -> bool:
        return bool(getattr(spec.optimiser.load("optimiser"), "uses_scores", True))

    specs = runner.study.runs()
    loader = partial(load, runner.setting) if count > 1 else lambda: runner
    results = workers.run_all(workers.groups(specs, uses_scores), loader, count, on_event)
    if any(results.get(spec.key) is None for spec in specs):
        raise KeyboardInterrupt
    return [(spec, results[spec.key]) for spec in specs]


def _write(runner: Runner, frame: Frame, found: Sequence[tuple[RunSpec, RunResult]], source: str) -> None:
    study, prepared = runner.study, runner.prepared
    trials = pd.concat([result.trials for _, result in found], ignore_index=True)
    fronts = pd.concat([result.front for _, result in found], ignore_index=True)
    scores = {(spec.measure.label, spec.seed): result.scores for spec, result in found if result.scores is not None}
    frames = {
        "trials.parquet": trials,
        "fronts.parquet": fronts,
        "baselines.parquet": prepared.baselines(),
        "scores.parquet": pd.concat(scores.values(), ignore_index=True)
        if scores
        else pd.DataFrame(columns=SCORE_COLUMNS),
        "examples.parquet": _examples(study, prepared, fronts, frame.corner),
        "summary.csv": summarise(
            trials,
            fronts,
            objectives=study.objectives,
            reference=frame.reference,
            corner=frame.corner,
            effort=pd.DataFrame([result.effort for _, result in found]),
        ),
    }
    archive.write_archive(runner.setting.folder, frames, _study_json(runner, frame, found), source=source)


def _examples(study: Study, prepared: Prepared, fronts: pd.DataFrame, corner: Floats) -> pd.DataFrame:
    front = fronts[non_dominated(values_of(fronts, study.objectives))]
    bits, shown = allocations(front), {}
    for row in examples.spread(values_of(front, study.objectives), rates=corner[0] * np.array(SHOWN_RATES)):
        shown[f"found, {front['rate_kbit_test'].iloc[row]:.1f} kbit"] = bits[row]
    shown["uniform 1 bit"] = np.ones(prepared.channels, np.int8)
    return examples.example_rows(prepared, shown)


def _study_json(runner: Runner, frame: Frame, found: Sequence[tuple[RunSpec, RunResult]]) -> dict[str, Any]:
    study, prepared = runner.study, runner.prepared
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
        "reference": frame.reference.tolist(),
        "corner": frame.corner.tolist(),
        "channels": prepared.channels,
        "tasks": [{"name": task.name, "kind": task.kind, "metrics": metrics[task.name]} for task in prepared.tasks],
        "search_images": search.images,
        "test_images": test.images,
        "backend": prepared.backend,
        "subject_hash": runner.context["subject"],
        "uncompressed": {
            name: {metric: _finite(test.uncompressed[f"{name}_{metric}"]) for metric in names}
            for name, names in metrics.items()
        },
        "exhausted": exhausted,
    }


def _finite(value: float) -> float | None:
    """JSON has no NaN: a metric that has no value here is null."""
    return value if math.isfinite(value) else None
