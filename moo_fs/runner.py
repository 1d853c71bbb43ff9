"""What a worker does with one run: scores, search, and the front's values on the test part.

Scores and test values are kept in the study's folder as they are computed (`work/`), so that a study that was killed
repeats neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs import scoring
from moo_fs.archived_values import archived_values
from moo_fs.contracts import MAX_BITS, Bits, Floats, MooFsError
from moo_fs.evaluator import NetworkEvaluator
from moo_fs.execute import execute
from moo_fs.groups import Grouped
from moo_fs.kept_frames import kept_frame, publish_frame
from moo_fs.loading import load_subject
from moo_fs.prepared import Prepared, Problem
from moo_fs.results import allocations, front_of, values_of
from moo_fs.run_parts import RunOutcome
from moo_fs.score_tables import score_rows
from moo_fs.seeds import stream
from moo_fs.split import PARTS
from moo_fs.store import open_run
from moo_fs.study import RunSpec, Study, canonical
from moo_fs.trials import six_digits


@dataclass(frozen=True)
class Setting:
    """Everything a worker needs to know; it pickles."""

    study: Study
    folder: Path
    device: str = "cpu"
    storage: str | None = None


@dataclass(frozen=True)
class RunResult:
    """One finished run: frames with the columns of the archive, and what it took."""

    trials: pd.DataFrame
    front: pd.DataFrame
    scores: pd.DataFrame | None
    effort: dict[str, Any]
    exhausted: str | None


def prepare(setting: Setting) -> Prepared:
    """The study's subject made ready."""
    spec = setting.study.subject
    return load_subject(spec.load("subject"), options=spec.options, device=setting.device)


def load(setting: Setting) -> Runner:
    """A worker's runner: what `workers.run_all` calls once in each process."""
    return Runner(setting, prepare(setting))


class Runner:
    """Executes runs of one study; a cache of evaluated allocations is shared by all of them."""

    def __init__(self, setting: Setting, prepared: Prepared) -> None:
        self.setting, self.prepared = setting, prepared
        self.study = setting.study
        self.context = {"backend": prepared.backend, "subject": subject_hash(prepared)}
        self.work = setting.folder / "work" / _digest(canonical(self.context).encode())
        # A study that is extended without its journals thinks again, but evaluates nothing twice.
        known = archived_values(setting.folder, self.study.objectives, self.context)
        whole = self.study.objectives == prepared.objectives
        self._cache: dict[bytes, Floats] = known.searched if whole else {}
        self._tested: dict[bytes, dict[str, float]] = known.tested
        self._checked: dict[str, pd.DataFrame] = {}

    def check_measures(self) -> None:
        """Compute the scores of the first block, which are needed anyway, and write nothing.

        Raises MooFsError, with file and key, if a measure cannot be computed on this subject.
        """
        for spec in {spec.measure.label: spec for spec in self.study.runs() if spec.seed == 0}.values():
            try:
                found = self.scores(spec, keep=False)
            except Exception as error:
                kind = "" if isinstance(error, MooFsError) else f"{type(error).__name__}: "
                raise MooFsError(f"{self.study.path}: grid.measures: {spec.measure.label}: {kind}{error}") from error
            if found is not None:
                self._checked[self._scores_name(spec)] = found

    def keep_checked(self) -> None:
        """Write what `check_measures` computed, for the workers."""
        for name, frame in self._checked.items():
            publish_frame(self.work / f"{name}.parquet", frame)

    def __call__(
        self, spec: RunSpec, *, on_progress: Callable[[int], None], should_stop: Callable[[], bool]
    ) -> RunResult | None:
        """Execute or resume one run; None if it was interrupted (what was evaluated is in its journal)."""
        scores = self.scores(spec)
        columns = self._columns(scores)
        problem = Problem(self.prepared, self.prepared.space(columns, self.study.objectives), cache=self._cache)
        optimiser = self._optimiser(spec, columns)
        with open_run(
            spec,
            study=self.study.name,
            objectives=self.study.objectives,
            folder=self.setting.folder,
            storage=self.setting.storage,
            context=self.context,
        ) as recorder:
            outcome = execute(
                spec,
                problem,
                optimiser,
                recorder,
                budget=self.study.budget,
                on_progress=on_progress,
                should_stop=should_stop,
            )
        if outcome.interrupted:
            return None
        trials = outcome.trials.frame(spec.labels)
        return RunResult(
            trials, self.front(spec, trials), scores, self._effort(spec, scores, outcome), outcome.exhausted
        )

    def _optimiser(self, spec: RunSpec, scores: Floats | None) -> Any:
        """A new optimiser, whatever it searches one of channels."""
        space, rng = self.prepared.searched(scores, self.study.objectives), stream(spec.seed, "optimiser")
        optimiser = spec.optimiser.load("optimiser")(space, rng, **spec.optimiser.options)
        return optimiser if self.prepared.groups is None else Grouped(optimiser, self.prepared.groups)

    def scores(self, spec: RunSpec, *, keep: bool = True) -> pd.DataFrame | None:
        """Rows of scores.parquet for the run's measure and block; None without a measure."""
        measure = spec.measure.load("measure")
        if measure is None:
            return None
        return self._kept(self._scores_name(spec), lambda: self._scored(measure, spec), keep=keep)

    def front(self, spec: RunSpec, trials: pd.DataFrame) -> pd.DataFrame:
        """The run's front on the search part, with rate, distortions and metrics on the test part."""

        def measured() -> pd.DataFrame:
            front = front_of(trials, self.study.objectives)
            return pd.concat([front, pd.DataFrame([self._tests(bits) for bits in allocations(front)])], axis=1)

        values = values_of(trials, self.study.objectives)
        # What is computed of the front is named too: a frame kept by an older release has no coded_bytes.
        content = [b"coded_bytes ans", canonical(self.study.objectives).encode(), *trials["bits"], values.tobytes()]
        return self._kept(f"front-{spec.key}-{_digest(b''.join(content))}", measured)

    def _tests(self, bits: Bits) -> dict[str, float]:
        """The columns of the test part of one allocation (channel,); runs' fronts share members, so it is kept."""
        key = bits.tobytes()
        if key not in self._tested:
            outcome = self.prepared.evaluator("test").outcome(bits, metrics=True)
            tested = {f"{task}_test": outcome.distortions[task] for task in self.study.tasks}
            self._tested[key] = (
                {"rate_kbit_test": outcome.rate_kbit} | tested | outcome.metrics | {"coded_bytes": outcome.coded_bytes}
            )
        return self._tested[key]

    def _scores_name(self, spec: RunSpec) -> str:
        return f"scores-{_digest(canonical([spec.measure.specification, spec.seed]).encode())}"

    def _scored(self, measure: Any, spec: RunSpec) -> pd.DataFrame:
        found = scoring.score(measure, self.prepared.source, seed=spec.seed, options=spec.measure.options)
        return score_rows(
            spec.measure.label,
            spec.seed,
            [task.name for task in self.prepared.tasks],
            found.values,
            null=found.null,
            seconds=found.seconds,
            head_passes=found.head_passes,
        )

    def _columns(self, scores: pd.DataFrame | None) -> Floats | None:
        if scores is None:
            return None
        return np.stack([scores.loc[scores["task"] == task, "score"].to_numpy() for task in self.study.tasks], axis=1)

    def _effort(self, spec: RunSpec, scores: pd.DataFrame | None, outcome: RunOutcome) -> dict[str, Any]:
        if not getattr(spec.optimiser.load("optimiser"), "uses_scores", True):
            scores = None  # a search that does not look at them is not charged for them
        passes = 0.0 if scores is None else float(scores["head_passes"].iloc[0])
        return {
            "run": spec.key,
            "repeats": outcome.repeats,
            "scoring_evaluations": passes / self.prepared.evaluator("search").images,
            "scoring_seconds": 0.0 if scores is None else float(scores["seconds"].iloc[0]),
            "seconds": outcome.seconds,
        }

    def _kept(self, name: str, compute: Callable[[], pd.DataFrame], *, keep: bool = True) -> pd.DataFrame:
        """A frame from `work/`, computed and (with `keep`) written there if it is not there yet."""
        path = self.work / f"{name}.parquet"
        return kept_frame(path, compute) if keep or path.is_file() else compute()


def subject_hash(prepared: Prepared) -> str:
    """Hash of what evaluations depend on: tables, and each part's size, rates and losses at both ends.

    Another network, head, data set or quantiser has another one, and what was recorded under it is not mixed with it.
    """
    numbers = [prepared.error, prepared.rate]
    for part in PARTS[1:]:
        evaluator = prepared.evaluator(part)
        numbers.append(np.array([evaluator.images]))
        for depth in (0, 1, MAX_BITS):
            numbers.append(prepared.uniform(depth, part).objectives)
        if isinstance(evaluator, NetworkEvaluator):
            numbers += [np.array([*evaluator.best.values(), *evaluator.worst.values()]), evaluator.rates]
    return _digest(six_digits(np.concatenate([np.ravel(one) for one in numbers])).tobytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
