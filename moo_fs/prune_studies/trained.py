"""Which cut networks are trained on: screened, the best of them, and what the best of these is held against.

Ours, since the paper does not say how it trains on. Validation images choose at every step, test images at none. All
of it is on the first batch of images that filters are ordered by.
"""

from __future__ import annotations

from typing import Any

from moo_fs.prune_studies.jobs import BEST, without_a_third
from moo_fs.prune_studies.runner import Runner

Row = dict[str, Any]


def to_screen(runner: Runner) -> list[Row]:
    """Every network of the published method that has lost more than a third of its filters, each cut once."""
    if runner.plan.fine_tune is None or not runner.tune.screen:
        return []
    rows = runner.best_first(_made(runner))
    return [row for row in rows if without_a_third(row, sum(runner.subject.filters.values()))]


def to_tune(runner: Runner) -> list[Row]:
    """The best networks: those screened by what screening says, then the others as `best_first` has them."""
    if runner.plan.fine_tune is None:
        return []
    first = sorted(to_screen(runner), key=lambda row: -runner.screened(row))
    others = [row for row in runner.best_first(_made(runner)) if row not in first]
    return (first + others)[: runner.tune.best]


def best_trained(runner: Runner) -> Row:
    """Of the networks that were trained on the one that is best then: its row before training."""
    rows, size = to_tune(runner), sum(runner.subject.filters.values())
    after = [runner.trained(row) for row in rows]
    at = max(range(len(rows)), key=lambda at: (without_a_third(rows[at], size), after[at]["validation_accuracy"]))
    return rows[at]


def against_best(runner: Runner) -> list[tuple[Row, int]]:
    """What the best one is held against, each with its training seed: itself again, the whole network, other orders."""
    if runner.plan.fine_tune is None:
        return []
    best = best_trained(runner)
    again = [(best, seed) for seed in range(1, runner.tune.seeds)]
    return [*again, (runner.unpruned(), 0), *((row, 0) for row in _controls(runner, best))]


def rows_of(runner: Runner) -> list[Row]:
    """Rows of all that is trained on, and before that those of controls that nothing else has made."""
    if runner.plan.fine_tune is None:
        return []
    fresh = [row for row in _controls(runner, best_trained(runner)) if row["cutoff"] == BEST]
    tuned = [runner.trained(row) for row in to_tune(runner)]
    return fresh + tuned + [runner.trained(row, training_seed=seed) for row, seed in against_best(runner)]


def _made(runner: Runner) -> list[Row]:
    """Rows of the published method on the first batch, those with a raised tolerance among them."""
    return runner.grid(0) + [row for ladder in runner.plan.ladders for row in runner.climbed(ladder)]


def _controls(runner: Runner, best: Row) -> list[Row]:
    """Other orders cut to the best one's counts; a row that is there already is not made again."""
    counts = {one["layer"]: one["kept"] for one in best["layers"]}
    there = {row["measure"]: row for row in runner.rivals(0, runner.grid(0)) if _counts(row) == counts}
    specs = [spec for spec in runner.plan.measures if spec.label in runner.tune.controls]
    return [there.get(spec.label) or runner.rival(spec, BEST, counts, 0) for spec in specs]


def _counts(row: Row) -> dict[str, int]:
    return {one["layer"]: one["kept"] for one in row["layers"]}
