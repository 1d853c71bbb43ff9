"""Commands about studies: run, status, report, pick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moo_fs.cli import console, kinds
from moo_fs.cli.subjects import Device, Json
from moo_fs.contracts import MooFsError

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
    kinds.of_file(study).run(study, kinds.Options(storage, workers, device, out, budget, seeds))


def status(study: StudyFile, out: Folder = None, as_json: Json = False) -> None:
    """Runs done, running, waiting, failed; evaluations; time left. As JSON a comparison is a list of its networks."""
    found, lines = kinds.of_file(study).status(study, out)
    if as_json:
        console.write_json(found)
        return
    for line in lines:
        console.say(line)


def report(study: StudyFile, out: Folder = None) -> None:
    """Tables (.tex, .md, .csv) and figures (.pdf, .png) under DIR/report, from the archive alone."""
    folder = kinds.of_file(study).folder(study) if out is None else out
    with console.status("tables and figures ..."):
        paths = kinds.of_folder(folder).report(folder)
    by_name = {path.name: path for path in paths}
    console.say(f"{len(paths)} files under {folder / 'report'}")
    for what, name in (
        ("report", "index.md"),
        ("claims", "claims.md"),
        ("front", "fronts.csv"),
        ("table", "hypervolume.md"),
        ("figure", "fronts.png"),
    ):
        if name in by_name:
            console.say(f"{what}: {by_name[name]}")


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
