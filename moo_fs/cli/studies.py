"""Commands about studies: run, status, report, pick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moo_fs.cli import console
from moo_fs.cli.subjects import Device, Json
from moo_fs.contracts import MooFsError

if TYPE_CHECKING:
    from moo_fs.status import StudyStatus
    from moo_fs.study import Study

StudyFile = Annotated[Path, typer.Argument(help="A study file, studies/NAME.toml.", metavar="STUDY.toml")]
Folder = Annotated[Path | None, typer.Option("--out", help="The study's own folder; default results/NAME.")]


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    for command in (run, status, report, pick):
        app.command()(command)


def run(
    study: StudyFile,
    storage: Annotated[str | None, typer.Option("--storage", help="An Optuna storage URL instead of journals.")] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes that execute runs side by side.")] = 1,
    device: Device = "cpu",
    out: Folder = None,
    budget: Annotated[int | None, typer.Option("--budget", help="Extend: more evaluations a run.")] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", help="Extend: more blocks.")] = None,
) -> None:
    """Launch or resume a study; a finished one returns at once."""
    from moo_fs import launch
    from moo_fs.study import read_study

    declared = read_study(study).with_changes(budget=budget, seeds=seeds)
    total = len(declared.runs())
    with console.StudyProgress(declared.name, runs=total, budget=declared.budget) as progress:
        results = launch.run(
            declared, out=out, workers=workers, device=device, storage=storage, on_event=progress.heard
        )
    summary = results.hypervolumes()
    console.say(
        f"{declared.name}: {total} runs, {int(summary['evaluations'].sum())} evaluations, "
        f"{int(summary['repeats'].sum())} repeats; archive in {results.folder}"
    )
    for key, why in results.study.get("exhausted", {}).items():
        console.say(f"run {key} ended below its budget: {why}")


def status(study: StudyFile, out: Folder = None, as_json: Json = False) -> None:
    """Runs done, running, waiting, failed; evaluations; time left. As JSON a comparison is a list of its networks."""
    from moo_fs.status import study_status
    from moo_fs.study_file import is_comparison

    found = [study_status(declared, folder) for declared, folder in _studies_of(study, out)]
    if as_json:
        states = [one.as_json() for one in found]
        console.write_json(states if is_comparison(study) else states[0])
    else:
        for one in found:
            _say_status(one)


def _studies_of(path: Path, out: Path | None) -> list[tuple[Study, Path]]:
    """The study in a file and its folder; of a comparison the study of every network."""
    from moo_fs.comparison_plan import read_comparison
    from moo_fs.launch import folder_of
    from moo_fs.study import read_study
    from moo_fs.study_file import is_comparison

    if not is_comparison(path):
        declared = read_study(path)
        return [(declared, out or folder_of(declared))]
    plan = read_comparison(path)
    folder = out or folder_of(plan)
    return [(plan.study(network), folder / f"network-{network}") for network in plan.networks]


def _say_status(found: StudyStatus) -> None:
    left = found.seconds_left
    counts = ", ".join(f"{count} {state}" for state, count in found.counts.items())
    console.say(f"{found.name}: {counts}; {found.evaluations} of {found.budget * len(found.runs)} evaluations")
    if found.counts["done"] < len(found.runs):
        console.say(f"time left: {'not known yet' if left is None else console.duration(left)}")
    for one in found.runs:
        if one.message:
            console.say(f"run {one.run} ({one.optimiser}, {one.measure}, seed {one.seed}): {one.message}")


def report(study: StudyFile, out: Folder = None) -> None:
    """Tables (.tex, .md, .csv) and figures (.pdf, .png) under DIR/report, from the archive alone."""
    from moo_fs.comparison_archive import ABOUT
    from moo_fs.comparison_plan import read_comparison
    from moo_fs.launch import folder_of
    from moo_fs.study import read_study
    from moo_fs.study_file import is_comparison

    compared = is_comparison(study) if out is None else (out / ABOUT).is_file()
    folder = out or folder_of(read_comparison(study) if compared else read_study(study))
    with console.status("tables and figures ..."):
        paths = _written(folder, compared=compared)
    by_name = {path.name: path for path in paths}
    console.say(f"{len(paths)} files under {folder / 'report'}")
    for what, name in (
        ("report", "index.md"),
        ("front", "fronts.csv"),
        ("table", "hypervolume.md"),
        ("figure", "fronts.png"),
    ):
        if name in by_name:
            console.say(f"{what}: {by_name[name]}")


def _written(folder: Path, *, compared: bool) -> list[Path]:
    """The files of the report, of a comparison's or a study's."""
    if compared:
        from moo_fs.comparison_report import write_comparison_report

        return write_comparison_report(folder)
    from moo_fs.report import write_report

    return write_report(folder)


def pick(
    study: StudyFile,
    out: Folder = None,
    maximum: Annotated[
        list[str] | None, typer.Option("--max", help="OBJECTIVE=VALUE on the test part; repeat for several.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The allocation to deploy: lowest rate (or distortion, if rate is bounded) that meets all bounds."""
    from moo_fs import pick as picking
    from moo_fs.launch import folder_of
    from moo_fs.results import load_results
    from moo_fs.study import read_study
    from moo_fs.study_file import is_comparison

    if out is None and is_comparison(study):
        raise MooFsError(f"{study}: a comparison has a front a network; name one's folder with --out, .../network-0")
    bounds = dict(_bound(text) for text in maximum or [])
    results = load_results(out or folder_of(read_study(study)))
    found = picking.pick(results, bounds)
    if as_json:
        console.write_json(found.as_dict())
        return
    console.say(f"run {found.run}, trial {found.trial}")
    console.say(f"bits: {list(found.bits)}")
    rows = [*found.objectives.items(), *found.metrics.items()]
    console.table([{"quantity": name, "value": f"{value:.5g}"} for name, value in rows])


def _bound(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not equals or number != number:
        raise MooFsError(f"--max '{text}': wanted OBJECTIVE=VALUE, for example rate=6.5")
    return name.strip(), number
