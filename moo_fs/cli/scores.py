"""The command `scores`: what measures say of a subject's channels, and how far each can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from moo_fs import registry
from moo_fs.cli import console
from moo_fs.cli.subjects import Device, Json
from moo_fs.contracts import MooFsError

WIDEST = 9  # measures whose rank agreement fits on a terminal


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(scores)


def scores(
    subject: Annotated[str, typer.Argument(help="A registered name or file.py:function.")],
    measure: Annotated[list[str] | None, typer.Option("--measure", help="Repeat for several; all by default.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for scores, damage and the report.")] = None,
    channels: Annotated[bool, typer.Option("--channels", help="Print every channel's scores too.")] = False,
    as_json: Json = False,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="The block: its draw of fit images.")] = 0,
) -> None:
    """How far each measure can be believed: agreement with measured damage, stability, cost, and a doctor's word."""
    from moo_fs import score_tables, trust_archive
    from moo_fs.loading import load_measure, load_subject
    from moo_fs.tables.trust import trust_tables
    from moo_fs.trust_report import write_trust_report

    records = [load_measure(name) for name in measure or registry.measures.names()]
    prepared = load_subject(subject, device=device)
    with console.steps(len(records) + 1) as step:
        trust = trust_archive.collect(prepared, records, subject=subject, seed=seed, on_measure=step)
    if not trust.measures:
        raise MooFsError(f"scores {subject}: {trust.doubts['doubt'].iloc[0]}")
    if out is not None:
        trust = trust_archive.save(trust, out)
    frames = {str(name): rows for name, rows in trust.scores.groupby("measure", sort=False)}
    table, ranks = score_tables.channel_table(frames), score_tables.rank_agreement(frames)
    tables = trust_tables(trust)
    written = [] if out is None else write_trust_report(out)
    if as_json:
        named = {"scores": table, "agreement": ranks, "damage": trust.agreements, "judged": tables["doctor"].data}
        console.write_json({name: frame.to_dict(orient="records") for name, frame in named.items()})
        return
    if channels:
        console.frame(table, title=f"{subject}: scores (higher = matters more)")
    for name in ("trust", "doctor"):
        console.sheet(tables[name])
    if len(ranks) <= WIDEST:
        console.frame(ranks, title="Spearman rank correlation between measures, mean over tasks")
    if out is None:
        console.say("Intervals, details, heat map and rank agreement between measures: --out FOLDER")
    for path in written:
        if path.name == "index.md":
            console.say(f"report: {path}")
