"""All of a pruning study in its order: rows of every batch, orders and where planted filters land, training on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from moo_fs.prune_studies import archive, trained
from moo_fs.prune_studies.archive import Pruning
from moo_fs.prune_studies.network import Subject
from moo_fs.prune_studies.orders import Order, Orders
from moo_fs.prune_studies.plan import Plan
from moo_fs.prune_studies.runner import Runner

LARGE = -1


def collect(
    plan: Plan,
    subject: Subject,
    folder: Path,
    *,
    source: str,
    on_row: Callable[[str], None] = lambda title: None,
) -> Pruning:
    """Run what is not on the disk yet and write the archive; `on_row` hears what begins, `source` is the code's hash.

    Raises MooFsError if the subject has too few images for the plan.
    """
    subject.check_sizes(seeds=plan.seeds, images=plan.images, choose_images=plan.choose_images)
    runner = Runner(plan, subject, folder, on_row, source)
    rows, shares = [runner.unpruned()], []
    for seed in range(plan.seeds):
        rows += cut_on(runner, seed)
        shares += runner.curve(seed)
    rows += [row for ladder in plan.ladders for row in runner.climbed(ladder)]
    orders, planted = orders_of(runner), planted_in(runner)
    rows += trained.rows_of(runner)
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


def cut_on(runner: Runner, seed: int) -> list[dict[str, Any]]:
    """Rows of everything that is cut on one batch and not trained on."""
    grid = runner.grid(seed)
    return grid + runner.rivals(seed, grid)


def orders_of(runner: Runner) -> list[dict[str, Any]]:
    """Each layer's own order on every batch, by the other rule of widths on the first, and on the larger batch."""
    rows, plan = [], runner.plan
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


def planted_in(runner: Runner) -> list[dict[str, Any]]:
    """Where filters added to each layer land in its order on the first batch."""
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
