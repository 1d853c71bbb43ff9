"""What must hold on the analytic subject, where the front is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from analytic_loop import noisy_scores, search, space_of

from moo_fs.contracts import Floats
from moo_fs.fronts import non_dominated
from moo_fs.indicators import hypervolume
from moo_fs.optimisers import BUILTIN, register
from moo_fs.split import Part
from moo_fs.subjects import analytic_fronts
from moo_fs.subjects.linear_gaussian import AnalyticModel, linear_gaussian

register()
BLOCKS = 5
BUDGET = {"gp": 5}


def reference(model: AnalyticModel) -> Floats:
    """Rate of uniform 2 bits x 1.1, and distortion 1 for every task."""
    uniform = analytic_fronts.objectives(model, np.full((1, model.channels), 2))[0, 0]
    return np.array([uniform * 1.1, 1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def random_runs() -> list[list[Floats]]:
    model = linear_gaussian()
    return [search("random", model, space_of(model, None), budget=150, block=b).objectives for b in range(BLOCKS)]


@pytest.mark.parametrize("name", sorted(set(BUILTIN) - {"random"}))
def test_each_optimiser_beats_random_at_equal_budget_in_the_median_of_blocks(
    name: str, random_runs: list[list[Floats]]
) -> None:
    model = linear_gaussian()
    budget, bound = BUDGET.get(name, 150), reference(model)
    ratios = []
    for block in range(3 if name == "gp" else BLOCKS):
        log = search(name, model, space_of(model, noisy_scores(model, block)), budget=budget, block=block)
        ratios.append(hypervolume(log.objectives, bound) / hypervolume(random_runs[block][:budget], bound))
    assert np.median(ratios) > 1.1


@pytest.mark.parametrize("name", ["nsga2", "lagrangian"])
def test_without_scores_a_search_still_beats_random(name: str, random_runs: list[list[Floats]]) -> None:
    model = linear_gaussian()
    bound = reference(model)
    log = search(name, model, space_of(model, None), budget=150)
    assert hypervolume(log.objectives, bound) > hypervolume(random_runs[0], bound)


def test_lagrangian_comes_within_two_percent_of_the_discrete_front_at_1000_evaluations() -> None:
    model = linear_gaussian()
    bound = reference(model)
    best = hypervolume(analytic_fronts.objectives(model, analytic_fronts.discrete_front(model)), bound)
    log = search("lagrangian", model, space_of(model, noisy_scores(model, 0)), budget=1000)
    assert 0.98 * best < hypervolume(log.objectives, bound) < 1.01 * best


def test_lagrangian_keeps_its_lead_when_channels_interact() -> None:
    model = linear_gaussian(interactions=0.6)
    bound = reference(model)
    found = [
        hypervolume(search(n, model, space_of(model, noisy_scores(model, 0)), budget=300).objectives, bound)
        for n in ("lagrangian", "nsga2")
    ]
    assert found[0] > found[1]


def test_lagrangian_finds_the_front_of_distortions_that_are_roots_of_sums() -> None:
    # A rising function of a task's distortion moves no allocation on or off the front, so the front is still known.
    @dataclass(frozen=True)
    class Roots(AnalyticModel):
        def losses(self, bits: Any, part: Part = "search") -> Floats:
            return np.sqrt(super().losses(bits, part))

    model = linear_gaussian()
    roots, bound = Roots(**vars(model)), reference(model)
    best = hypervolume(analytic_fronts.objectives(roots, analytic_fronts.discrete_front(model)), bound)
    log = search("lagrangian", roots, space_of(model, noisy_scores(model, 0)), budget=500)
    assert hypervolume(log.objectives, bound) > 0.95 * best


def test_the_sweep_meets_exactly_the_supported_points_of_the_enumerated_front() -> None:
    # A point is supported if some weights make it the best of all 9^6; the sweep can meet no other and misses few.
    model = linear_gaussian(channels=6)
    everything = analytic_fronts.enumerate_front(model)
    swept = analytic_fronts.discrete_front(model, steps=40, lambdas=600)
    rows = {row.tobytes() for row in everything}
    assert all(row.tobytes() in rows for row in swept)
    points, met = analytic_fronts.objectives(model, everything), analytic_fronts.objectives(model, swept)
    rng = np.random.default_rng(0)
    weights = np.column_stack([np.exp(rng.uniform(np.log(1e-3), np.log(1.0), 400)), rng.dirichlet(np.ones(3), 400)])
    assert (met @ weights.T).min(axis=0) == pytest.approx((points @ weights.T).min(axis=0), rel=2e-3)


def test_the_enumerated_front_is_not_dominated_by_random_allocations() -> None:
    model = linear_gaussian(channels=6)
    front = analytic_fronts.objectives(model, analytic_fronts.enumerate_front(model))
    others = analytic_fronts.objectives(model, np.random.default_rng(0).integers(0, 9, (20000, 6)))
    joined = np.concatenate([front, others])
    assert non_dominated(joined)[: len(front)].all()
    assert not (non_dominated(joined)[len(front) :]).any()
