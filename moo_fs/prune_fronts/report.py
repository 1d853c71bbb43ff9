"""The report of a search over pruned networks: tables, figures and a page, from its archive and the published one's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from moo_fs.contracts import MooFsError
from moo_fs.figures import CAPTIONS as SEARCHED
from moo_fs.figures.progress import draw_progress
from moo_fs.figures.prune_fronts import CAPTIONS, draw_pruned_fronts, draw_pruned_layers
from moo_fs.prune_fronts.launch import KIND
from moo_fs.prune_fronts.published import made_from, published
from moo_fs.report import embedded, publish
from moo_fs.results import Results, load_results
from moo_fs.tables import Table
from moo_fs.tables.prune_fronts import cutoff_table, pruned_front_table
from moo_fs.tables.quality import cost_table, hypervolume_table
from moo_fs.tables.rendering import number, percent

ALL = {**SEARCHED, **CAPTIONS}


def report(folder: str | Path) -> list[Path]:
    """Write `folder`/report: index.md, tables, figures, hashes.json; returns their paths.

    The same archives give the same bytes. Raises MooFsError if the folder does not hold a whole archive of this kind.
    """
    results = load_results(folder)
    if results.study.get("kind") != KIND:
        raise MooFsError(f"{folder}: wanted the archive of a search over pruned networks, got one of another kind")
    joint = pd.read_parquet(Path(folder) / "joint.parquet")
    cutoffs = published(results, joint)
    made = [hypervolume_table(results), pruned_front_table(results, joint), cutoff_table(results, cutoffs)]
    tables = {table.name: table for table in [*made, cost_table(results)] if table is not None}
    return publish(
        Path(folder) / "report",
        tables=tables,
        draw=lambda: (
            draw_pruned_fronts(results, joint, cutoffs) | draw_pruned_layers(results, joint) | draw_progress(results)
        ),
        captions=ALL,
        page=lambda figures: page_of(results, tables, figures, joint, cutoffs),
        made_from=results.archive_hash,
        files=results.files | made_from(results),
    )


def page_of(
    results: Results, tables: dict[str, Table], figures: list[str], joint: pd.DataFrame, cutoffs: pd.DataFrame
) -> str:
    """The report as Markdown."""
    study = results.study
    parts = [f"<!-- made from {results.archive_hash} -->", f"# {study['name']}", str(study["question"])]
    parts += ["## What was run", _run_sentence(results), "## What it shows", _findings(results, joint, cutoffs)]
    parts += ["## Fronts"]
    parts += embedded(tables, figures, ["pruned-front", "pruned-cutoffs"], ["pruned-fronts", "pruned-layers"], ALL)
    parts += ["## Hypervolumes and cost"]
    progress = ["hypervolume-by-measure", "hypervolume-by-optimiser"]
    parts += embedded(tables, figures, ["hypervolume", "costs"], progress, ALL)
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _run_sentence(results: Results) -> str:
    study, summary = results.study, results.hypervolumes()
    low, high = summary["evaluations"].min(), summary["evaluations"].max()
    network = study["network"]
    reference = ", ".join(f"{name} {number(v)}" for name, v in zip(results.objectives, results.reference, strict=True))
    return (
        f"{len(summary)} runs: orders by {', '.join(results.measures)}; optimisers {', '.join(results.optimisers)}; "
        f"{results.blocks} blocks; {low} to {high} evaluations each. VGG16 at {number(network['width'])} of the "
        f"published width: {network['filters']} filters, {network['parameters']} parameters, {network['flops']} "
        "operations an image. One decision a layer, its level from 0 to 8: (level + 1) / 9 of its filters are kept, at "
        "least one, in the order of the measure. "
        f"Objectives {', '.join(results.objectives)}, sizes as shares; searched on {study['search_images']} validation "
        f"images; hypervolumes of the test part on {study['test_images']} test images, those of uniform shares on all "
        f"{study['all_test_images']}. Reference: {reference}. Nothing is retrained."
    )


def _findings(results: Results, joint: pd.DataFrame, cutoffs: pd.DataFrame) -> str:
    lines = [_smallest(joint, results.study["unpruned_error"], points) for points in (0.0, 0.01, 0.05)]
    cells = results.hypervolumes().groupby(["optimiser", "measure"], sort=False)["hypervolume_test"].median()
    best: Any = cells.idxmax()
    lines.append(f"Largest median hypervolume on the test part: {number(cells.max())}, {best[0]} with order {best[1]}.")
    plain = cutoffs[~cutoffs["fine_tuned"].astype(bool) & ~cutoffs["compensate"].astype(bool)]
    if len(plain):
        beaten = int(plain["dominated"].sum())
        lines.append(f"Of {len(plain)} networks cut by the published method, {beaten} are dominated by the front.")
    else:
        lines.append("No published cutoffs of this network lie beside this archive.")
    exhausted = results.study["exhausted"]
    if exhausted:
        lines.append(f"{len(exhausted)} runs ended below their budget: {'; '.join(sorted(set(exhausted.values())))}.")
    lines.append(f"{results.blocks} blocks: medians and ranges, no claim of significance.")
    return "\n".join(f"* {line}" for line in lines)


def _smallest(joint: pd.DataFrame, whole: Mapping[str, float], points: float) -> str:
    """The smallest member within so many points on the search part, and how it errs on the test part."""
    near = joint[joint["error"] <= whole["search"] + points + 1e-9]
    claim = f"At most {100 * points:g} points more errors than unpruned on the validation images"
    if near.empty:
        return f"{claim}: no member of the front."
    one = near.sort_values("parameters", kind="stable").iloc[0]
    return (
        f"{claim}: at best {percent(one['parameters_test'])} of the parameters and {percent(one['flops_test'])} of the "
        f"operations are left, {one['filters_kept']} filters; on the test images it errs on "
        f"{number(100 * one['error_test'])} %, the unpruned network on {number(100 * whole['test'])} %."
    )
