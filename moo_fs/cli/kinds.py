"""What each kind of study does under `run`, `status` and `report`: one table, so that a kind is told apart once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moo_fs.cli import console
from moo_fs.contracts import MooFsError

Status = tuple[Any, list[str]]


@dataclass(frozen=True)
class Options:
    """What `run` was asked for beside the file."""

    storage: str | None = None
    workers: int = 1
    device: str = "cpu"
    out: Path | None = None
    budget: int | None = None
    seeds: int | None = None

    def refuse(self, path: Path, *names: str) -> None:
        """Raise MooFsError if one of these options is given, which this kind of study does not have."""
        for name in names:
            if getattr(self, name) is not None:
                raise MooFsError(f"{path}: --{name}: this kind of study has none; leave the option out")


@dataclass(frozen=True)
class Kind:
    """`run` launches or resumes, `status` gives JSON and lines, `folder` the default one, `report` writes files."""

    run: Callable[[Path, Options], None]
    status: Callable[[Path, Path | None], Status]
    folder: Callable[[Path], Path]
    report: Callable[[Path], list[Path]]


def of_file(path: Path) -> Kind:
    """The kind of a study file."""
    from moo_fs.study_fields import kind_of

    return _table()[kind_of(path)]


def of_folder(folder: Path) -> Kind:
    """The kind of the archive in a folder; that of an ordinary study if there is none."""
    from moo_fs.archive import STUDY, read_study_json
    from moo_fs.comparison_archive import ABOUT

    if (folder / ABOUT).is_file():
        return _table()["compare"]
    study = read_study_json(folder) if (folder / STUDY).is_file() else {}
    if str(study.get("kind", "")).startswith("prune"):
        return _table()["prune"]
    return _table()["selection" if "selection" in study.get("specification", {}) else "grid"]


def _table() -> dict[str, Kind]:
    return {
        "grid": Kind(_run_grid, _status_grid, _folder_grid, _report_grid),
        "compare": Kind(_run_compare, _status_compare, _folder_compare, _report_compare),
        "selection": Kind(_run_selection, _status_selection, _folder_selection, _report_selection),
        "prune": Kind(_run_prune, _status_prune, _folder_prune, _report_prune),
    }


def _run_grid(path: Path, options: Options) -> None:
    from moo_fs import launch
    from moo_fs.study import read_study

    declared = read_study(path).with_changes(budget=options.budget, seeds=options.seeds)
    total = len(declared.runs())
    with console.StudyProgress(declared.name, runs=total, budget=declared.budget) as progress:
        results = launch.run(
            declared,
            out=options.out,
            workers=options.workers,
            device=options.device,
            storage=options.storage,
            on_event=progress.heard,
        )
    summary = results.hypervolumes()
    console.say(
        f"{declared.name}: {total} runs, {int(summary['evaluations'].sum())} evaluations, "
        f"{int(summary['repeats'].sum())} repeats; archive in {results.folder}"
    )
    for key, why in results.study.get("exhausted", {}).items():
        console.say(f"run {key} ended below its budget: {why}")


def _status_grid(path: Path, out: Path | None) -> Status:
    from moo_fs.launch import folder_of
    from moo_fs.status import study_status
    from moo_fs.study import read_study

    declared = read_study(path)
    found = study_status(declared, out or folder_of(declared))
    return found.as_json(), _status_lines(found)


def _folder_grid(path: Path) -> Path:
    from moo_fs.launch import folder_of
    from moo_fs.study import read_study

    return folder_of(read_study(path))


def _report_grid(folder: Path) -> list[Path]:
    from moo_fs.report import write_report

    return write_report(folder)


def _run_compare(path: Path, options: Options) -> None:
    from moo_fs.study import read_study

    read_study(path)  # refused, and its sentence names the command


def _status_compare(path: Path, out: Path | None) -> Status:
    from moo_fs.comparison_plan import read_comparison
    from moo_fs.status import study_status

    plan = read_comparison(path)
    folder = out or _folder_compare(path)
    found = [study_status(plan.study(network), folder / f"network-{network}") for network in plan.networks]
    return [one.as_json() for one in found], [line for one in found for line in _status_lines(one)]


def _folder_compare(path: Path) -> Path:
    from moo_fs.comparison_plan import read_comparison
    from moo_fs.launch import folder_of

    return folder_of(read_comparison(path))


def _report_compare(folder: Path) -> list[Path]:
    from moo_fs.comparison_report import write_comparison_report

    return write_comparison_report(folder)


def _run_selection(path: Path, options: Options) -> None:
    from moo_fs import selection

    options.refuse(path, "storage", "budget")
    with console.telling("preparing") as tell:
        results = selection.run(
            path, out=options.out, workers=options.workers, device=options.device, seeds=options.seeds, tell=tell
        )
    console.say(f"{results.study['name']}: {len(results.rows)} points of curves; archive in {results.folder}")


def _status_selection(path: Path, out: Path | None) -> Status:
    from moo_fs.selection import status

    found = status(path, out)
    line = f"{found['name']}: {found['done']} of {found['pieces']} pieces done"
    return found, [f"{line}, {'archived' if found['archived'] else 'not archived yet'}"]


def _folder_selection(path: Path) -> Path:
    from moo_fs.launch import folder_of
    from moo_fs.selection_plan import read_selection

    return folder_of(read_selection(path))


def _report_selection(folder: Path) -> list[Path]:
    from moo_fs.selection_report import write_selection_report

    return write_selection_report(folder)


def _run_prune(path: Path, options: Options) -> None:
    raise MooFsError(f"{path}: [prune]: this is a pruning study; use moo-fs prune {path}")


def _status_prune(path: Path, out: Path | None) -> Status:
    from moo_fs import prune_launch
    from moo_fs.prune_file import is_search

    if is_search(path):
        from moo_fs.prune_fronts.declared import read_search
        from moo_fs.status import study_status

        told = study_status(read_search(path), out or _folder_prune(path))
        return told.as_json(), _status_lines(told)
    found = prune_launch.status(path, out)
    ends = "finished" if found.finished else "running" if found.running else "not running"
    return found.as_json(), [f"{found.name}: {found.done} of at most {found.total} rows, {ends}"]


def _folder_prune(path: Path) -> Path:
    from moo_fs.prune_file import is_search

    if is_search(path):
        from moo_fs.prune_fronts.declared import read_search
        from moo_fs.prune_fronts.launch import folder_of

        return folder_of(read_search(path))
    from moo_fs.prune_launch import folder_of as folder_of_cuts
    from moo_fs.prune_studies.plan import read_plan

    return folder_of_cuts(read_plan(path))


def _report_prune(folder: Path) -> list[Path]:
    from moo_fs import prune_fronts
    from moo_fs.archive import read_study_json
    from moo_fs.prune_report import write_prune_report

    if read_study_json(folder)["kind"] == "prune-fronts":
        return list(prune_fronts.report(folder))
    return list(write_prune_report(folder))


def _status_lines(found: Any) -> list[str]:
    """What a person reads of a `moo_fs.status.StudyStatus`."""
    left = found.seconds_left
    counts = ", ".join(f"{count} {state}" for state, count in found.counts.items())
    lines = [f"{found.name}: {counts}; {found.evaluations} of {found.budget * len(found.runs)} evaluations"]
    if found.counts["done"] < len(found.runs):
        lines.append(f"time left: {'not known yet' if left is None else console.duration(left)}")
    return lines + [
        f"run {one.run} ({one.optimiser}, {one.measure}, seed {one.seed}): {one.message}"
        for one in found.runs
        if one.message
    ]
