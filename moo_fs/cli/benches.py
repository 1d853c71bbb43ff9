"""The command `bench`: both sides of a claim of speed, measured alternately in one process."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer

from moo_fs.bench import BENCHES
from moo_fs.cli import console
from moo_fs.cli.subjects import Json
from moo_fs.contracts import MooFsError, did_you_mean


def add_to(app: typer.Typer) -> None:
    """Register this module's commands."""
    app.command()(bench)


def bench(name: Annotated[str, typer.Argument(help=f"One of {', '.join(BENCHES)}.")], as_json: Json = False) -> None:
    """Both sides measured alternately in one process: medians and their ratio."""
    if name not in BENCHES:
        raise MooFsError(f"bench: no benchmark '{name}'{did_you_mean(name, BENCHES)}")
    with console.status(f"{name} ..."):
        rows: list[dict[str, Any]] = importlib.import_module(f"moo_fs.bench.{name}").rows()
    if as_json:
        console.write_json(rows)
    else:
        console.table(rows, columns=list(rows[0]))
