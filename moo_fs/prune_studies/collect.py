"""All of a pruning study in its order: rows of every batch, orders and where planted filters land, training on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from moo_fs.archive import source_hash
from moo_fs.prune_studies import archive
from moo_fs.prune_studies.archive import Pruning
from moo_fs.prune_studies.jobs import SAME
from moo_fs.prune_studies.network import Subject
from moo_fs.prune_studies.orders import Order, Orders
from moo_fs.prune_studies.plan import Plan
from moo_fs.prune_studies.runner import Runner

LARGE = -1


def collect(
    plan: Plan, subject: Subject, folder: Path, *, on_row: Callable[[str], None] = lambda title: None
) -> Pruning:
    """Run what is not on the disk yet and write the archive; `on_row` hears what begins.

    Raises MooFsError if the subject has too few images for the plan.
    """
    source = source_hash()  # of the code that runs, not of what it is edited to meanwhile
    subject.check_sizes(seeds=plan.seeds, images=plan.images, choose_images=plan.choose_images)
    runner = Runner(plan, subject, folder, on_row)
    rows, shares, by_seed = [runner.unpruned()], [], {}
    for seed in range(plan.seeds):
        grid = runner.grid(seed)
        by_seed[seed] = [grid, runner.rivals(seed, grid)]
        shares += runner.curve(seed)
    rows += [row for parts in by_seed.values() for part in parts for row in part]
    orders, planted = _orders(runner, plan), _planted(runner)
    rows += _tuned(runner, plan, *by_seed[0])
    frames = archive.frames_of(rows, shares=_known(shares), planted=planted, orders=orders)
    return archive.write(folder, frames, about(plan, subject), source)


def about(plan: Plan, subject: Subject) -> dict[str, Any]:
    """What study.json says beside the hashes."""
    return {
        "name": plan.name,
        "question": plan.question,
        "specification": plan.specification,
        "specification_hash": plan.specification_hash,
        "network": {"name": plan.subject.name, "width": subject.width, "filters": subject.filters},
        "subject_hash": subject.hash,
        "images": {
            "training": len(subject.training.labels),
            "validation": len(subject.validation.labels),
            "test": len(subject.test.labels),
        },
        "backend": f"torch-{torch.__version__.partition('+')[0]}-{subject.device}-float32",
    }


def _tuned(runner: Runner, plan: Plan, grid: list[Any], rivals: list[Any]) -> list[dict[str, Any]]:
    """Rows after training on: the best variants on the first batch, and the controls cut to the best one's counts."""
    if plan.fine_tune is None:
        return []
    best = runner.best_first(grid)[: plan.fine_tune.best]
    controls = [
        row for row in runner.best_first(rivals) if row["cutoff"] == SAME and row["measure"] in plan.fine_tune.controls
    ]
    return [runner.tuned(row) for row in [*best, *controls]]


def _orders(runner: Runner, plan: Plan) -> list[dict[str, Any]]:
    """Each layer's own order on every batch, by the other rule of widths on the first, and on the larger batch."""
    rows = []
    other = "published" if plan.width == "median" else "median"
    for seed in range(plan.seeds):
        rows += _steps(runner.orders(seed), plan.width, seed, runner.on_row)
    rows += _steps(runner.orders(0), other, 0, runner.on_row)
    return rows + _steps(runner.large_orders(), plan.width, LARGE, runner.on_row)


def _steps(orders: Orders, width: str, seed: int, on_row: Callable[[str], None]) -> list[dict[str, Any]]:
    rows = []
    for layer in orders.subject.filters:
        on_row(f"order of {layer} by {width} widths, {len(orders.batch.labels)} images, batch {seed}")
        found = orders.cmi(layer, "per-layer", width=width)
        rows += [_step(found, at) | {"seed": seed, "width": width, "layer": layer} for at in range(len(found.order))]
    return [{"images": len(orders.batch.labels), **row} for row in rows]


def _step(found: Order, at: int) -> dict[str, Any]:
    return {
        "step": at,
        "filter": int(found.order[at]),
        "cmi": float(found.cmi[at]),
        "saturation": float(found.saturation[at]),
        "determined": found.determined,
        "seconds": found.seconds,
    }


def _planted(runner: Runner) -> list[dict[str, Any]]:
    orders, rows = runner.orders(0), []
    for layer, filters in runner.subject.filters.items():
        runner.on_row(f"planted filters in {layer}")
        rows += [
            {"layer": layer, "filters": filters + 3, "planted": name, "place": place}
            for name, place in orders.planted(layer).items()
        ]
    return rows


def _known(shares: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in archive.COLUMNS["shares.csv"]} for row in shares]
