"""The report of a pruning study: tables, figures and a page, from the archive in its folder alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from moo_fs.figures.prune import CAPTIONS, prune_figures
from moo_fs.numerals import number, percent
from moo_fs.prune_file import CMI
from moo_fs.prune_studies.archive import Pruning, load
from moo_fs.prune_studies.claims import best_trained
from moo_fs.prune_studies.judged import POINTS, against_rivals, chosen, filled, of_first_batch, with_drops
from moo_fs.report import embedded, publish
from moo_fs.tables import Table
from moo_fs.tables.prune import prune_tables
from moo_fs.tables.prune_claims import points


def write_prune_report(folder: Path) -> list[Path]:
    """Write `folder`/report: index.md, tables, figures, hashes.json; the same archive gives the same bytes.

    Raises MooFsError if the folder holds no whole archive of a pruning study.
    """
    found = load(folder)
    tables = prune_tables(found)
    return publish(
        folder / "report",
        tables=tables,
        draw=lambda: prune_figures(found),
        captions=CAPTIONS,
        page=lambda figures: prune_page(found, tables, sorted(figures)),
        made_from=found.archive_hash,
        files=found.study["files"],
    )


def prune_page(found: Pruning, tables: dict[str, Table], figures: Iterable[str]) -> str:
    """The report as Markdown."""
    pictures = list(figures)
    parts = [
        f"<!-- made from {found.archive_hash} -->",
        f"# {found.study['name']}",
        found.study["question"],
        "## What was run",
        _run(found),
        "## What it shows",
        "\n".join(f"* {line}" for line in findings(found)),
        *embedded(tables, pictures, ["claims"], [], CAPTIONS),
        "## Variants",
        *embedded(tables, pictures, ["variants", "pairs", "layers"], ["kept-shares"], CAPTIONS),
        "## Against other orders",
        *embedded(tables, pictures, ["rivals", "tuned"], ["error"], CAPTIONS),
        "## Orders",
        *embedded(tables, pictures, ["orders", "planted"], ["cmi-curves"], CAPTIONS),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def findings(found: Pruning) -> list[str]:
    """What the study says, sentence by sentence."""
    best, rivals, whole = chosen(found), against_rivals(found), found.unpruned
    first = best.iloc[0]
    lines = [
        f"First batch, chosen on validation images: {first['formulation']}, {first['cutoff']}, {first['direction']}, "
        f"without {percent(first['removed'])} of the filters: {points(POINTS * first['test_accuracy'])} % of the test "
        f"images, {points(first['drop'])} points below the whole network's "
        f"{points(POINTS * whole['test_accuracy'])} %, {filled(found)}, not trained on."
    ]
    for counts, part in rivals.groupby("cutoff", sort=False):
        ranked = part.sort_values("accuracy_median", ascending=False, kind="stable").to_dict("records")
        order = ", ".join(f"`{row['measure']}` {points(POINTS * row['accuracy_median'])}" for row in ranked)
        lines.append(f"Test accuracy in % at {counts}, every layer's counts the same, median over batches: {order}.")
    if found.summary["fine_tuned"].any():
        lines.append(_trained(best_trained(found), found))
    noise = found.planted[found.planted["planted"] == "noise"]
    if len(noise):
        early = int((noise["place"] < noise["filters"] / 2).sum())
        lines.append(
            f"A filter of pure noise, added to a layer, is taken among the first half in {early} of {len(noise)} "
            "layers: the order credits what only tells images apart."
        )
    if len(found.twins):
        lines.append(
            f"Filters are really gone: no logit of {len(found.twins)} cut networks is further than "
            f"{number(found.twins['difference'].max())} from that of the masked network."
        )
    mine = of_first_batch(found, found.summary)
    stuck = mine[mine["cutoff"].str.startswith("permutation")]
    if len(stuck):
        low, high = stuck["filters_kept"].min(), stuck["filters_kept"].max()
        kept = f"{low}" if low == high else f"{low} to {high}"
        lines.append(
            f"With the permutation test's one candidate a layer the choice leaves {kept} of {whole['filters_kept']} "
            "filters."
        )
    return lines


def _trained(rows: pd.DataFrame, found: Pruning) -> str:
    """The best network that was trained on, over its training seeds, beside the others at its counts."""
    tuned = with_drops(found)
    others = tuned[tuned["fine_tuned"] & (tuned["measure"] != CMI)].to_dict("records")
    beside = ", ".join(f"{row['measure']} {points(POINTS * row['test_accuracy'])}" for row in others)
    first, seeds = rows.iloc[0], len(rows)
    tests = POINTS * rows["test_accuracy"]
    spread = points(tests.median()) + (f" ({points(tests.min())} to {points(tests.max())})" if seeds > 1 else "")
    return (
        f"Trained on, the best on validation images is {first['formulation']}, {first['cutoff']}, "
        f"{first['direction']}, without {percent(first['removed'])} of the filters: {spread} % of the test images over "
        f"{seeds} training seeds, {points(rows['drop'].median())} points below the whole network as it was. Trained on "
        f"in the same way, cut to the same counts or whole: {beside}."
    )


def _run(found: Pruning) -> str:
    said, network, images = found.study["specification"], found.study["network"], found.study["images"]
    batches, cut = said["seeds"], len(found.summary) - 1
    others = f", {len(said['repeated'])} of them on {batches} batches" if batches > 1 else ""
    return (
        f"{network['name']} of width {network['width']:g} ({sum(network['filters'].values())} filters); {cut} cut "
        f"networks: {len(said['variants'])} variants on a batch of {said['images']} of the {images['training']} "
        f"training images{others}, and {len(said['measures']) - 1} other measures; choices on "
        f"{said['choose_images']} of {images['validation']} validation images; every row of all {images['test']} test "
        f"images, which choose nothing; backend {found.study['backend']}."
    )
