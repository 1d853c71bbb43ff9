"""How far a study is: read from its journals, or from its archive once there is one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from moo_fs import archive
from moo_fs.journal import is_held, journal_state, trial_records
from moo_fs.store import journal_path, lock_path
from moo_fs.study import RunSpec, Study

State = Literal["done", "running", "waiting", "failed"]
PAUSE = 600.0


@dataclass(frozen=True)
class RunStatus:
    """One run: its state, distinct allocations evaluated, seconds it was at work, and why it failed or ended early."""

    run: str
    measure: str
    optimiser: str
    seed: int
    state: State
    evaluations: int
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class StudyStatus:
    """All runs of a study. `seconds_left` is None until it can be estimated."""

    name: str
    runs: tuple[RunStatus, ...]
    budget: int
    archived: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are done, running, waiting and failed."""
        found = Counter(run.state for run in self.runs)
        return {state: found[state] for state in ("done", "running", "waiting", "failed")}

    @property
    def evaluations(self) -> int:
        """Distinct allocations evaluated so far, over all runs."""
        return sum(run.evaluations for run in self.runs)

    @property
    def seconds(self) -> float:
        """Seconds at work so far, over all runs."""
        return sum(run.seconds for run in self.runs)

    @property
    def seconds_left(self) -> float | None:
        """What is left at each optimiser's pace so far, shared by the runs that are running now."""
        open_runs = [run for run in self.runs if run.state not in ("done", "failed")]
        if not open_runs:
            return 0.0
        overall = _pace(self.runs)
        if overall is None:
            return None
        paces = {name: _pace(run for run in self.runs if run.optimiser == name) for name in self._optimisers}
        left = [(self.budget - run.evaluations) * (paces[run.optimiser] or overall) for run in open_runs]
        return sum(left) / max(1, self.counts["running"])

    @property
    def _optimisers(self) -> set[str]:
        return {run.optimiser for run in self.runs}

    def as_json(self) -> dict[str, Any]:
        """Everything, for `--json`."""
        return {
            "name": self.name,
            **self.counts,
            "evaluations": self.evaluations,
            "budget": self.budget * len(self.runs),
            "seconds": self.seconds,
            "seconds_left": self.seconds_left,
            "archived": self.archived,
            "runs": [asdict(run) for run in self.runs],
        }


def study_status(study: Study, folder: Path) -> StudyStatus:
    """The state of every run of a study whose folder is `folder`; nothing there means that all runs wait.

    An archive with a larger budget or more seeds holds the study too: its runs are done at the study's own budget.
    """
    archived = archive.is_covered(folder, study)
    summary = pd.read_csv(folder / "summary.csv", dtype={"run": str}) if archived else None
    runs = [
        _archived(spec, study, summary) if summary is not None else _stored(spec, study, folder)
        for spec in study.runs()
    ]
    return StudyStatus(study.name, tuple(runs), study.budget, archived)


def _archived(spec: RunSpec, study: Study, summary: pd.DataFrame) -> RunStatus:
    row = summary[summary["run"] == spec.key].iloc[0]
    evaluations = min(study.budget, int(row["evaluations"]))
    return RunStatus(**spec.labels, state="done", evaluations=evaluations, seconds=float(row["seconds"]))


def _stored(spec: RunSpec, study: Study, folder: Path) -> RunStatus:
    path = journal_path(folder, spec.key)
    if not path.exists():
        return RunStatus(**spec.labels, state="waiting", evaluations=0, seconds=0.0)
    records = list(trial_records(path))
    evaluations = min(study.budget, sum("repeat_of" not in record.get("user_attrs", {}) for record in records))
    ended = journal_state(path)
    state: State = "waiting"
    if evaluations >= study.budget or ended == "exhausted":
        state = "done"
    elif is_held(lock_path(folder, spec.key)):
        state = "running"
    elif ended.startswith("failed"):
        state = "failed"
    message = ended.removeprefix("failed: ") if state == "failed" else ended if ended == "exhausted" else ""
    seconds = _at_work(record["datetime_complete"] for record in records)
    return RunStatus(**spec.labels, state=state, evaluations=evaluations, seconds=seconds, message=message)


def _at_work(stamps: Iterable[str]) -> float:
    """Seconds between the first and the last stamp, without pauses of ten minutes and more."""
    times = [datetime.fromisoformat(stamp) for stamp in stamps]
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    return sum(gap for gap in gaps if 0 < gap < PAUSE)


def _pace(runs: Iterable[RunStatus]) -> float | None:
    """Seconds an evaluation, or None if nothing is known."""
    runs = list(runs)
    evaluations, seconds = sum(run.evaluations for run in runs), sum(run.seconds for run in runs)
    return seconds / evaluations if evaluations and seconds else None
