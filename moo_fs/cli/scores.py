"""The command `scores`: what measures say of a subject's channels, and how far each can be believed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from moo_fs import registry
from moo_fs.cli import console
from moo_fs.cli.subjects import Device, Json
from moo_fs.contracts import MooFsError

FEW = 9  # measures whose scores of every channel fit on a terminal


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(scores)


def scores(
    subject: Annotated[
        str, typer.Argument(help="A registered name or file.py:function, with options as name[option=value,...].")
    ],
    measure: Annotated[
        list[str] | None,
        typer.Option("--measure", help="A name, file.py:function, or name[option=value,...]; repeat; default: all."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for scores, damage and the report.")] = None,
    channels: Annotated[bool, typer.Option("--channels", help="Every channel's scores, of many measures too.")] = False,
    splits: Annotated[int, typer.Option("--splits", help="Halvings of the fit part that scores must agree over.")] = 1,
    as_json: Json = False,
    device: Device = "cpu",
    seed: Annotated[int, typer.Option("--seed", help="The block: its draw of fit images.")] = 0,
) -> None:
    """How far each measure can be believed: agreement with measured damage, stability, cost, and a doctor's word."""
    from moo_fs import plugins, score_tables, trust_archive, trust_collect
    from moo_fs.loading import load_subject
    from moo_fs.tables.trust import trust_tables
    from moo_fs.trust_report import write_trust_report

    named = measure or registry.measures.names()
    specs = [plugins.parse(text, kind="measure", key="--measure", folder=Path()) for text in named]
    asked = [trust_collect.Asked.of(spec) for spec in specs]
    if out is not None:
        trust_collect.check_folder(out)
    named_subject = plugins.parse(subject, kind="subject", key="SUBJECT", folder=Path())
    prepared = load_subject(named_subject.load("subject"), options=named_subject.options, device=device)
    try:
        with console.steps(len(asked) + 1) as step:
            trust = trust_collect.collect(
                prepared, asked, subject=subject, seed=seed, splits=splits, folder=out, on_measure=step
            )
    except KeyboardInterrupt:
        if out is not None:
            raise
        console.remark("interrupted; without --out nothing is kept")
        raise typer.Exit(console.INTERRUPTED) from None
    if not trust.measures:
        raise MooFsError(f"scores {subject}: {trust.doubts['doubt'].iloc[0]}")
    if out is not None:
        trust = trust_archive.save(trust, out)
    frames = {str(name): rows for name, rows in trust.scores.groupby("measure", sort=False)}
    table, ranks = score_tables.channel_table(frames), score_tables.rank_agreement(frames)
    written = [] if out is None else write_trust_report(out)
    if as_json:
        told = {"scores": table, "agreement": ranks, "damage": trust.agreements, "judged": trust.judged}
        told |= {"doubts": trust.all_doubts, "details": trust.details}
        console.write_json({name: frame.to_dict(orient="records") for name, frame in told.items()})
        return
    if channels or len(frames) <= FEW:
        console.frame(table, title=f"{subject}: scores (higher = matters more)")
    for name, sheet in trust_tables(trust).items():
        if name != "trust":
            console.sheet(sheet)
    console.frame(_numbered(ranks), title="Spearman rank correlation between measures, mean over tasks")
    for path in written:
        if path.name == "index.md":
            console.say(f"report: {path}")


def _numbered(ranks: pd.DataFrame) -> pd.DataFrame:
    """The square table with numbers in the place of the columns' names, so that it stays narrow."""
    names = [f"{at} {name}" for at, name in enumerate(ranks["measure"], 1)]
    columns = {str(at): [f"{value:.2f}" for value in ranks[name]] for at, name in enumerate(ranks["measure"], 1)}
    return pd.DataFrame({"measure": names, **columns})
