"""The command `prune`: filters removed from a network in every published way, and pruning as a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moo_fs.cli import console
from moo_fs.cli.studies import Folder, StudyFile
from moo_fs.cli.subjects import Device


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(prune)


def prune(
    study: StudyFile,
    out: Folder = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes; on one thread each.")] = 1,
    device: Device = "cpu",
    seeds: Annotated[int | None, typer.Option("--seeds", help="Extend: more batches of images, or blocks.")] = None,
) -> None:
    """Prune a network's filters as a study says; resumes, and a finished study returns at once."""
    from moo_fs.prune_file import is_search

    if is_search(study):
        _search(study, out, workers, device, seeds)
        return
    from moo_fs.prune_launch import run
    from moo_fs.prune_report import write_prune_report
    from moo_fs.tables.prune_claims import claims_table

    with console.telling("reading images") as tell:
        found = run(study, out=out, workers=workers, seeds=seeds, device=device, on_row=tell)
    with console.status("tables and figures ..."):
        written = write_prune_report(found.folder)
    console.sheet(claims_table(found))
    console.say(f"pruning: {found.folder}")
    console.say(f"report: {next(path for path in written if path.name == 'index.md')}")


def _search(study: Path, out: Path | None, workers: int, device: str, seeds: int | None) -> None:
    """A study with [prune.search]."""
    from moo_fs import prune_fronts

    folder = prune_fronts.run(study, out=out, workers=workers, device=device, seeds=seeds, say=console.remark)
    written = prune_fronts.report(folder)
    console.say(f"fronts: {folder}")
    console.say(f"report: {next(path for path in written if path.name == 'index.md')}")
