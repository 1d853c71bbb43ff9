"""The report of `moo-fs scores`: tables, figures and a page, from the archive in its folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from moo_fs.figures.trust import CAPTIONS, trust_figures
from moo_fs.numerals import correlation
from moo_fs.report import embedded, publish
from moo_fs.tables import Table
from moo_fs.tables.trust import trust_tables
from moo_fs.trust import DEPTHS
from moo_fs.trust_archive import Trust, load

MEASURE, LEADERS = "mutual-information", 3


def write_trust_report(folder: Path) -> list[Path]:
    """Write `folder`/report: index.md, tables, figures, hashes.json; the same archive gives the same bytes."""
    trust = load(folder)
    tables = trust_tables(trust)
    return publish(
        folder / "report",
        tables=tables,
        draw=lambda: trust_figures(trust),
        captions=CAPTIONS,
        page=lambda figures: trust_page(trust, tables, sorted(figures)),
        made_from=trust.archive_hash,
        files=trust.files,
    )


def trust_page(trust: Trust, tables: dict[str, Table], figures: Iterable[str]) -> str:
    """The report as Markdown."""
    about, images = trust.about, trust.about["images"]
    pictures = list(figures)
    parts = [
        f"<!-- made from {trust.archive_hash} -->",
        f"# How far to believe scores on {about['subject']}",
        f"{len(trust.measures)} measures on {about['channels']} channels and {len(trust.tasks)} tasks "
        f"({', '.join(trust.tasks)}); scored on {images['scored']} of {images['fit']} images of the fit part, and "
        f"again on the others; damage on {images['test']} test images; backend {about['backend']}.",
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
    for setting in DEPTHS:
        means = trust.means(setting)
        best = ", ".join(f"`{name}` ({correlation(rho)})" for name, rho in means.head(LEADERS).items())
        lines.append(f"Other channels at {setting}: largest mean rank correlation with damage: {best}.")
        if MEASURE in means.index:
            rows = trust.agreements[trust.agreements["setting"] == setting].set_index("measure")
            each = ", ".join(
                f"{row['task']} {correlation(row['spearman'])} "
                f"({correlation(row['spearman_low'])} to {correlation(row['spearman_high'])})"
                for row in rows.loc[[MEASURE]].to_dict("records")
            )
            place = f"number {list(means.index).index(MEASURE) + 1} of {len(means)}"
            lines.append(f"Other channels at {setting}: `{MEASURE}` is {place}: {each}.")
    if trust.always_by_chance:
        names = ", ".join(f"`{name}`" for name in trust.always_by_chance)
        lines.append(f"No better than chance in any task and setting: {names}.")
    return lines
