"""The report of a search over pruned networks: tables, figures and a page, from its archive and the published one's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from moo_fs.contracts import MooFsError
from moo_fs.figures import CAPTIONS as SEARCHED
from moo_fs.figures.progress import draw_progress
from moo_fs.figures.prune_fronts import CAPTIONS, draw_pruned_fronts, draw_pruned_layers
from moo_fs.prune_fronts.launch import KIND
from moo_fs.prune_fronts.published import KINDS, made_from, published
from moo_fs.report import embedded, publish
from moo_fs.results import Results, load_results
from moo_fs.tables import Table
from moo_fs.tables.prune_fronts import against_uniform, cutoff_table, pruned_front_table, telling, uniform_table
from moo_fs.tables.quality import cost_table, hypervolume_table
from moo_fs.tables.rendering import number, percent

ALL = {**SEARCHED, **CAPTIONS}
CALLED = {
    "published": "published cutoffs (scree, x-means, permutation)",
    "raised": "published cutoffs with a raised tolerance",
    "ours": "fixed shares, our choice,",
}


def report(folder: str | Path) -> list[Path]:
    """Write `folder`/report: index.md, tables, figures, hashes.json; returns their paths.

    The same archives give the same bytes. Raises MooFsError if the folder does not hold a whole archive of this kind.
    """
    results = load_results(folder)
    if results.study.get("kind") != KIND:
        raise MooFsError(f"{folder}: wanted the archive of a search over pruned networks, got one of another kind")
    joint = pd.read_parquet(Path(folder) / "joint.parquet")
    cutoffs = published(results, joint)
    tables = tables_of(results, joint, cutoffs)
    return publish(
        Path(folder) / "report",
        tables=tables,
        draw=lambda: figures_of(results, joint, cutoffs),
        captions=ALL,
        page=lambda figures: page_of(results, tables, figures, joint, cutoffs),
        made_from=results.archive_hash,
        files=results.files | made_from(results),
    )


def tables_of(results: Results, joint: pd.DataFrame, cutoffs: pd.DataFrame) -> dict[str, Table]:
    """Every table by name; `joint` is the front of all runs, `cutoffs` as `published` has them."""
    fronts = [pruned_front_table(results, joint), uniform_table(results, joint), cutoff_table(results, cutoffs)]
    made = [hypervolume_table(results), *fronts, cost_table(results)]
    return {table.name: table for table in made if table is not None}


def figures_of(results: Results, joint: pd.DataFrame, cutoffs: pd.DataFrame) -> dict[str, Any]:
    """Every figure by name; draw on them only inside `style.styled`."""
    fronts = draw_pruned_fronts(results, joint, cutoffs) | draw_pruned_layers(results, joint)
    return fronts | draw_progress(results)


def page_of(
    results: Results, tables: dict[str, Table], figures: list[str], joint: pd.DataFrame, cutoffs: pd.DataFrame
) -> str:
    """The report as Markdown."""
    study = results.study
    parts = [f"<!-- made from {results.archive_hash} -->", f"# {study['name']}", str(study["question"])]
    parts += ["## What was run", _run_sentence(results), "## What it shows", _findings(results, joint, cutoffs)]
    parts += ["## Fronts"]
    pictures = ["pruned-fronts", "pruned-layers"]
    parts += embedded(tables, figures, ["pruned-front", "pruned-uniform", "pruned-cutoffs"], pictures, ALL)
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
    lines = [_smallest(results, joint, points) for points in (0.0, 0.01, 0.05)]
    lines += [_against(rows) for _, rows in telling(against_uniform(results, joint)).groupby("setting", sort=False)]
    cells = results.hypervolumes().groupby(["optimiser", "measure"], sort=False)["hypervolume_test"].median()
    best: Any = cells.idxmax()
    lines.append(f"Largest median hypervolume on the test part: {number(cells.max())}, {best[0]} with order {best[1]}.")
    lines += [_dominated(results, cutoffs, kind) for kind in KINDS if (cutoffs["kind"] == kind).any()]
    if cutoffs.empty:
        lines.append(f"No archive of {results.study['published']} with this network lies beside this one.")
    exhausted = results.study["exhausted"]
    if exhausted:
        lines.append(f"{len(exhausted)} runs ended below their budget: {'; '.join(sorted(set(exhausted.values())))}.")
    lines.append(f"{results.blocks} blocks: medians and ranges, no claim of significance.")
    return "\n".join(f"* {line}" for line in lines)


def _smallest(results: Results, joint: pd.DataFrame, points: float) -> str:
    """The smallest member within so many points on the search part, and how it errs on the test part."""
    whole, network = results.study["unpruned_error"], results.study["network"]
    near = joint[joint["error"] <= whole["search"] + points + 1e-9]
    claim = f"At most {100 * points:g} points more errors than unpruned on the validation images"
    if near.empty:
        return f"{claim}: no member of the front."
    one = near.sort_values("parameter_count", kind="stable").iloc[0]
    left = [percent(one[f"{name[:-1]}_count"] / network[name]) for name in ("parameters", "flops")]
    return (
        f"{claim}: at best {left[0]} of the parameters and {left[1]} of the "
        f"operations are left, {one['filters_kept']} filters; on the test images it errs on "
        f"{number(100 * one['error_test'])} %, the unpruned network on {number(100 * whole['test'])} %."
    )


def _against(rows: pd.DataFrame) -> str:
    """The front's member against uniform shares of one size, rows of `against_uniform`: an order a row."""
    one, errors = rows.iloc[0], rows.sort_values("error_test")
    uniform = ", ".join(
        f"{number(100 * row['error_test'])} % (order by {row['measure']})" for row in errors.to_dict("records")
    )
    apart = errors["error_test"].iloc[-1] - errors["error_test"].iloc[0]
    order = f", {number(100 * apart)} points apart by the order alone" if len(rows) > 1 else ""
    return (
        f"With every layer at a share of {number(one['setting'])} ({percent(one['parameters'])} of the parameters, "
        f"{percent(one['flops'])} of the operations) the network errs on {uniform} of the test images{order}; the "
        f"front's member that is no larger in either size on {number(100 * one['front_error_test'])} % "
        f"({percent(one['front_parameters'])}, {percent(one['front_flops'])})."
    )


def _dominated(results: Results, cutoffs: pd.DataFrame, kind: str) -> str:
    """How many networks of a kind of cutoff the front dominates, nothing retrained."""
    mine = cutoffs[(cutoffs["kind"] == kind) & ~cutoffs["fine_tuned"].astype(bool)]
    filled = int(mine["compensate"].astype(bool).sum())
    return (
        f"Of {len(mine)} distinct networks that {CALLED[kind]} cut in {results.study['published']}, {filled} of them "
        f"with means in the place of missing filters, {int(mine['dominated'].sum())} are dominated by the front."
    )
