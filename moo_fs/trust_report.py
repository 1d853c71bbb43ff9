"""The report of `moo-fs scores`: tables, figures and a page, from the archive in its folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from moo_fs.figures.drawn import data_of
from moo_fs.figures.trust import CAPTIONS, write_trust_figures
from moo_fs.numerals import correlation
from moo_fs.report import embedded, seal
from moo_fs.tables import Table, write_tables
from moo_fs.tables.trust import trust_tables
from moo_fs.trust_archive import Trust, load

MEASURE = "mutual-information"


def write_trust_report(folder: Path) -> list[Path]:
    """Write `folder`/report: index.md, tables, figures, hashes.json; the same archive gives the same bytes."""
    trust = load(folder)
    tables = trust_tables(trust)
    report = folder / "report"
    written = write_tables(tables, report / "tables", trust.archive_hash)
    written += write_trust_figures(trust, report / "figures")
    page = report / "index.md"
    figures = sorted({path.stem for path in written if path.suffix == ".png"})
    page.write_text(trust_page(trust, tables, figures), encoding="utf-8", newline="\n")
    written.append(page)
    return seal(report, written, trust.archive_hash, trust.files, data_of(trust, figures))


def trust_page(trust: Trust, tables: dict[str, Table], figures: Iterable[str]) -> str:
    """The report as Markdown."""
    about, images = trust.about, trust.about["images"]
    pictures = list(figures)
    parts = [
        f"<!-- made from {trust.archive_hash} -->",
        f"# How far to believe scores on {about['subject']}",
        f"{len(trust.measures)} measures on {about['channels']} channels and {len(trust.tasks)} tasks "
        f"({', '.join(trust.tasks)}); scored on {images['scored']} images of the fit part, and again on "
        f"{images['other half']} others; damage on {images['test']} test images; backend {about['backend']}.",
        "## What it shows",
        "\n".join(f"* {line}" for line in findings(trust)),
        *embedded(tables, pictures, ["trust"], ["trust"], CAPTIONS),
        *embedded(tables, pictures, ["doctor"], [], CAPTIONS),
        "## Scores",
        *embedded(tables, pictures, [], ["scores", "agreement"], CAPTIONS),
        *embedded(tables, pictures, ["details"], [], CAPTIONS),
        "## Agreement with damage in full",
        *embedded(tables, pictures, ["trust-8-bits", "trust-1-bit"], [], CAPTIONS),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def findings(trust: Trust) -> list[str]:
    """What the agreements say, sentence by sentence: who leads, where mutual information stands."""
    lines = []
    for setting, rows in trust.agreements.groupby("setting", sort=False):
        order, means = trust.ranked(str(setting)), rows.groupby("measure")["spearman"].mean()
        best = ", ".join(f"`{name}` ({correlation(means[name])})" for name in order[:3])
        lines.append(f"Other channels at {setting}: largest mean rank correlation with damage: {best}.")
        if MEASURE in order:
            mine = rows[rows["measure"] == MEASURE]
            each = ", ".join(
                f"{row['task']} {correlation(row['spearman'])} "
                f"({correlation(row['spearman_low'])} to {correlation(row['spearman_high'])})"
                for row in mine.to_dict("records")
            )
            place = f"number {order.index(MEASURE) + 1} of {len(order)}"
            lines.append(f"Other channels at {setting}: `{MEASURE}` is {place}: {each}.")
    chance = trust.all_doubts[trust.all_doubts["doubt"].str.contains("no better than chance")]["measure"]
    none = [name for name in trust.measures if (chance == name).sum() == len(trust.tasks)]
    if none:
        names = ", ".join(f"`{name}`" for name in none)
        lines.append(f"No better than chance in any task and setting: {names}.")
    return lines
