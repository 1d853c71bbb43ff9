"""`moo-fs paper`: the paper's tables, figures and numbers from results/; their check; the PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moo_fs.cli import console

FAILED = 1


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(paper)


def paper(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; list what differs from results/.")] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Build paper/main.pdf with latexmk, tectonic or pdflatex.")
    ] = False,
) -> None:
    """In the project's root: paper/generated/ anew from results/; with --check, compare instead of writing."""
    from moo_fs.paper import build_pdf, check_paper, write_paper

    root = Path()
    if check:
        with console.status("archives, reports, paper ..."):
            faults = check_paper(root)
        for fault in faults:
            console.say(fault)
        if faults:
            console.say(f"{len(faults)} faults")
            raise typer.Exit(FAILED)
        console.say("all archives, reports, tables, numbers and figures are what their hashes and results/ say")
    else:
        with console.status("tables, figures, numbers ..."):
            written = write_paper(root)
        console.say(f"{len(written)} files under paper/generated")
    if pdf:
        with console.status("LaTeX ..."):
            built = build_pdf(root)
        for box in built.overfull:
            console.say(f"too large: {box}")
        console.say(f"{built.path} (by {built.builder})")
