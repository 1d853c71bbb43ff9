"""The command `prune`: filters removed from a network in every published way, and pruning as a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moo_fs.cli import console
from moo_fs.cli.studies import Folder, StudyFile
from moo_fs.cli.subjects import Device
from moo_fs.contracts import MooFsError

if TYPE_CHECKING:
    from moo_fs.prune_studies.smaller_network import Smaller


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(prune)


def prune(
    study: StudyFile,
    out: Folder = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes; on one thread each.")] = 1,
    device: Device = "cpu",
    seeds: Annotated[int | None, typer.Option("--seeds", help="Extend: more batches of images, or blocks.")] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write the smaller network of --row to this file (safetensors).")
    ] = None,
    row: Annotated[
        int | None, typer.Option("--row", help="Row of summary.csv, or of the table pruned-front.csv, from 0.")
    ] = None,
) -> None:
    """Prune a network's filters as a study says; resumes, and a finished study returns at once."""
    from moo_fs.prune_file import is_search

    if (save is None) != (row is None):
        raise MooFsError("--save, --row: wanted both, the file to write and the row whose network it is")
    if is_search(study):
        _search(study, out, workers, device, seeds, save, row)
        return
    from moo_fs.prune_launch import run
    from moo_fs.prune_report import write_prune_report
    from moo_fs.prune_studies.network import load_subject
    from moo_fs.prune_studies.plan import read_plan
    from moo_fs.prune_studies.smaller_network import of_row
    from moo_fs.tables.prune_claims import claims_table

    with console.telling("reading images") as tell:
        found = run(study, out=out, workers=workers, seeds=seeds, device=device, on_row=tell)
    with console.status("tables and figures ..."):
        written = write_prune_report(found.folder)
    console.sheet(claims_table(found))
    console.say(f"pruning: {found.folder}")
    console.say(f"report: {next(path for path in written if path.name == 'index.md')}")
    if save is not None and row is not None:
        _saved(of_row(found, row, load_subject(read_plan(study).subject, device)), save)


def _search(
    study: Path, out: Path | None, workers: int, device: str, seeds: int | None, save: Path | None, row: int | None
) -> None:
    """A study with [prune.search]."""
    from moo_fs import prune_fronts
    from moo_fs.prune_fronts.declared import read_search
    from moo_fs.prune_fronts.members import of_member
    from moo_fs.prune_studies.network import load_subject
    from moo_fs.results import load_results

    folder = prune_fronts.run(study, out=out, workers=workers, device=device, seeds=seeds, say=console.remark)
    written = prune_fronts.report(folder)
    console.say(f"fronts: {folder}")
    console.say(f"report: {next(path for path in written if path.name == 'index.md')}")
    if save is not None and row is not None:
        _saved(of_member(load_results(folder), row, load_subject(read_search(study).subject, device)), save)


def _saved(smaller: Smaller, path: Path) -> None:
    from moo_fs.prune_studies.smaller_network import save

    save(smaller, path)
    console.say(f"network: {path}, {sum(map(len, smaller.kept.values()))} filters")
