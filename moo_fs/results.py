"""What a study found, read from its archive alone; and the fronts and summary that an archive is written with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from moo_fs.archive import STUDY, read_study_json, verify
from moo_fs.contracts import Floats, MooFsError
from moo_fs.fronts import non_dominated
from moo_fs.indicators import beyond_reference, normalised_hypervolume
from moo_fs.whole_files import digest, file_digest

LABELS = ["run", "measure", "optimiser", "seed"]
EFFORT = ["repeats", "scoring_evaluations", "scoring_seconds", "seconds"]
HYPERVOLUMES = ["hypervolume_search", "hypervolume_test", "corner_search", "corner_test"]
SUMMARY = [*LABELS, *HYPERVOLUMES, "beyond_reference", "evaluations", *EFFORT]
NEEDED = ("trials.parquet", "fronts.parquet", "baselines.parquet", "summary.csv")
OPTIONAL = ("scores.parquet", "examples.parquet")
KEYS = ("name", "reference", "corner", "tasks")
SCORE_COLUMNS = ["measure", "seed", "task", "channel", "score", "null", "seconds", "head_passes"]
PICTURE_COLUMNS = ["label", "rate_kbit", "image", "output", "kind", "height", "width", "channels", "pixels"]


@dataclass(frozen=True)
class Results:
    """One study's archive. Frames have the columns of CONTRACT.md, "The archive"; treat them as read-only."""

    folder: Path
    study: dict[str, Any]
    files: dict[str, str]
    trials: pd.DataFrame
    baselines: pd.DataFrame
    scores: pd.DataFrame
    examples: pd.DataFrame
    stored_fronts: pd.DataFrame
    stored_summary: pd.DataFrame

    def fronts(self) -> pd.DataFrame:
        """The search part's non-dominated allocations of every run, with their values and metrics on the test part."""
        return self.stored_fronts.copy()

    def hypervolumes(self) -> pd.DataFrame:
        """One row a run: hypervolumes and corners of both parts, points beyond the reference, and what it took."""
        return self.stored_summary.copy()

    @property
    def reference(self) -> Floats:
        """The reference point (objective,), the rate in kbit per image first."""
        return np.array(self.study["reference"], dtype=np.float64)

    @property
    def corner(self) -> Floats:
        """The corner's reference point (objective,): rate of uniform 1 bit, distortions 0.5."""
        return np.array(self.study["corner"], dtype=np.float64)

    @property
    def objectives(self) -> tuple[str, ...]:
        """`rate` (what is paid, under another name in studies of another kind), then what was searched for."""
        declared = (self.study.get("specification") or {}).get("objectives")
        return (declared[0] if declared else "rate", *self.tasks)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The objectives but the rate, in the order of the study."""
        declared = (self.study.get("specification") or {}).get("objectives")
        return tuple(declared[1:]) if declared else tuple(task["name"] for task in self.study["tasks"])

    @property
    def metrics(self) -> dict[str, tuple[str, ...]]:
        """Names of each searched task's metrics; the columns are <task>_<metric>."""
        return {
            task["name"]: tuple(task.get("metrics", ())) for task in self.study["tasks"] if task["name"] in self.tasks
        }

    @property
    def measures(self) -> list[str]:
        """Labels of the measures, in the order of the study's runs."""
        return list(dict.fromkeys(self.stored_summary["measure"]))

    @property
    def optimisers(self) -> list[str]:
        """Labels of the optimisers, in the order of the study's runs."""
        return list(dict.fromkeys(self.stored_summary["optimiser"]))

    @property
    def blocks(self) -> int:
        """How many blocks (seeds) there are."""
        return int(self.stored_summary["seed"].nunique())

    def baseline_sets(self) -> dict[str, pd.DataFrame]:
        """Rows of each baseline, by its name, in the archive's order."""
        names = dict.fromkeys(self.baselines["baseline"].astype(str))
        return {name: self.baselines[self.baselines["baseline"] == name] for name in names}

    @cached_property
    def archive_hash(self) -> str:
        """SHA-256 of the names and hashes of the archive's files: what tables and figures were made from."""
        lines = "".join(f"{name} {sha256}\n" for name, sha256 in sorted(self.files.items()))
        return digest(lines.encode())


def columns(objectives: Sequence[str], part: str = "search") -> list[str]:
    """The archive's columns of these objectives on a part, "search" or "test".

    >>> columns(["rate", "depth"], "test")
    ['rate_kbit_test', 'depth_test']
    """
    end = "_test" if part == "test" else ""
    return [("rate_kbit" if name == "rate" else name) + end for name in objectives]


def values_of(frame: pd.DataFrame, objectives: Sequence[str], part: str = "search") -> Floats:
    """Objectives (row, objective) of a frame of trials, fronts or baselines, on a part."""
    return frame[columns(objectives, part)].to_numpy(dtype=np.float64)


def allocations(frame: pd.DataFrame) -> NDArray[np.int8]:
    """Depths (row, channel) int8 behind the column `bits`."""
    return np.stack([np.frombuffer(row, dtype=np.int8) for row in frame["bits"]])


def front_of(trials: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """The non-dominated rows of one run's trials on the search part, from the lowest rate to the highest."""
    front = trials[non_dominated(values_of(trials, objectives))]
    return front.sort_values([*columns(objectives[:1]), "trial"], kind="stable").reset_index(drop=True)


def union_on_search(fronts: pd.DataFrame, objectives: Sequence[str]) -> pd.DataFrame:
    """Of all rows of `fronts`, those that no other dominates on the search part, from the lowest rate to the highest.

    Their values on the test part are then honest: choosing by those would take the luckiest of many runs.
    """
    kept = fronts[non_dominated(values_of(fronts, objectives))]
    return kept.sort_values(columns(objectives[:1]), kind="stable").reset_index(drop=True)


def summarise(
    trials: pd.DataFrame,
    fronts: pd.DataFrame,
    *,
    objectives: Sequence[str],
    reference: ArrayLike,
    corner: ArrayLike,
    effort: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The rows of summary.csv, one a run, in the order in which runs appear in `trials`.

    Hypervolumes are shares of the box from 0 to `reference` (objective,), corners of that to `corner`; an objective
    below 0 counts as 0. The test part's are those of the search front's members. `beyond_reference` counts the front's
    members that do not lie within the reference on the search part. `effort` has the column run and those of EFFORT
    (repeats, scoring cost in evaluations and seconds, seconds); without it they are 0, and seconds those of the trials.
    """
    taken = None if effort is None else effort.set_index("run")
    rows = []
    for run, mine in trials.groupby("run", sort=False):
        front = fronts[fronts["run"] == run]
        row = {name: mine[name].iloc[0] for name in LABELS} | _hypervolumes(front, objectives, reference, corner)
        row["beyond_reference"] = beyond_reference(values_of(front, objectives), reference)
        row["evaluations"] = len(mine)
        nothing = {"repeats": 0, "scoring_evaluations": 0.0, "scoring_seconds": 0.0, "seconds": mine["seconds"].sum()}
        rows.append(row | (nothing if taken is None else taken.loc[str(run), EFFORT].to_dict()))
    return pd.DataFrame(rows, columns=SUMMARY).astype({"repeats": int})


def _hypervolumes(
    front: pd.DataFrame, objectives: Sequence[str], reference: ArrayLike, corner: ArrayLike
) -> dict[str, float]:
    bounds = {"hypervolume": reference, "corner": corner}
    return {
        f"{name}_{part}": normalised_hypervolume(values_of(front, objectives, part), bound)
        for name, bound in bounds.items()
        for part in ("search", "test")
    }


def recheck(results: Results) -> list[str]:
    """Fronts and hypervolumes computed again from the trials: a sentence for each that the archive has otherwise."""
    faults = []
    fronts, objectives = results.fronts(), results.objectives
    for run, mine in results.trials.groupby("run", sort=False):
        stored = fronts.loc[fronts["run"] == run, "trial"].tolist()
        if sorted(stored) != sorted(front_of(mine, objectives)["trial"].tolist()):
            faults.append(f"run {run}: fronts.parquet does not hold the front of its trials")
    again = summarise(
        results.trials, fronts, objectives=objectives, reference=results.reference, corner=results.corner
    ).set_index("run")
    stored_rows = results.hypervolumes().set_index("run")
    if sorted(again.index) != sorted(stored_rows.index):
        return [*faults, "summary.csv does not have one row for each run in trials.parquet"]
    for name in [*HYPERVOLUMES, "beyond_reference", "evaluations"]:
        off = ~np.isclose(again[name], stored_rows.loc[again.index, name], rtol=1e-9, atol=1e-12)
        faults += [f"run {run}: {name} in summary.csv differs from its recomputation" for run in again.index[off]]
    return faults


def load_results(folder: str | Path) -> Results:
    """The results in a study's folder, from its archive alone.

    Raises MooFsError if the folder has no archive, or one that is incomplete, damaged or changed since it was written.
    """
    folder = Path(folder)
    study = _read_study(folder)
    present = [name for name in (*NEEDED, *OPTIONAL) if (folder / name).is_file()]
    missing = [name for name in NEEDED if name not in present]
    if missing:
        raise MooFsError(f"{folder}: the archive lacks {', '.join(missing)}; run the study again to write it")
    files = {name: file_digest(folder / name) for name in (STUDY, *present)}
    frames = {name: _read_frame(folder / name) for name in present}
    return Results(
        folder=folder,
        study=study,
        files=files,
        trials=frames["trials.parquet"],
        baselines=frames["baselines.parquet"],
        scores=frames.get("scores.parquet", pd.DataFrame(columns=SCORE_COLUMNS)),
        examples=frames.get("examples.parquet", pd.DataFrame(columns=PICTURE_COLUMNS)),
        stored_fronts=frames["fronts.parquet"],
        stored_summary=frames["summary.csv"],
    )


def _read_study(folder: Path) -> dict[str, Any]:
    if not (folder / STUDY).is_file():
        raise MooFsError(f"{folder}: wanted the folder of a finished study, found no {STUDY}; use moo-fs run first")
    study = read_study_json(folder)
    faults = [f"{folder / STUDY}: lacks '{key}'" for key in KEYS if key not in study] or verify(folder)
    if faults:
        raise MooFsError(f"{faults[0]}; restore it, or remove the folder and run the study again")
    return study


def _read_frame(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype=dict.fromkeys(LABELS[:3], str), keep_default_na=False, na_values=[""])
        return pd.read_parquet(path)
    except Exception as error:  # pyarrow and pandas each raise a dozen kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MooFsError(
            f"{path}: cannot be read ({reason}); restore it, or remove the folder and run again"
        ) from error
