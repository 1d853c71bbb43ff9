"""The analytic subject: its tables, maps and heads say the same thing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from moo_fs.contracts import MooFsError
from moo_fs.split import PARTS
from moo_fs.subjects import analytic_fronts
from moo_fs.subjects.linear_gaussian import linear_gaussian


@pytest.mark.parametrize("options", [{}, {"interactions": 0.5}])
def test_nothing_sent_costs_one_and_all_bits_next_to_nothing(options: dict[str, float]) -> None:
    model = linear_gaussian(**options)
    assert model.losses(np.zeros((1, 24), dtype=np.int8)) == pytest.approx(np.ones((1, 3)))
    assert model.losses(np.full((1, 24), 8)).max() < 1e-4


def test_distortions_are_additive_without_interactions_and_not_with_them() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 9, (1, 24))
    for interactions, additive in ((0.0, True), (0.5, False)):
        model = linear_gaussian(interactions=interactions)
        alone = np.repeat(bits, 24, axis=0)
        alone[np.arange(24), np.arange(24)] = 0
        raised = (model.losses(alone) - model.losses(bits)).sum(axis=0)
        expected = (model.weights * (1.0 - model.error[np.arange(24), bits[0]])).sum(axis=1)
        assert np.allclose(raised, expected) is additive


def test_rates_are_concave_in_depth_and_every_depth_can_be_optimal() -> None:
    model = linear_gaussian(channels=64)
    rise = np.diff(model.rate, axis=1)
    assert (np.diff(rise, axis=1) < 0).all()
    slope = -np.diff(model.error, axis=1) / rise
    assert (np.diff(slope, axis=1) < 0).all()  # convex error over rate: a sweep over lambda meets every depth


def test_the_heads_squared_error_under_channel_noise_is_the_table() -> None:
    # Independent noise of relative variance e_c on channel c: E (y - y')^2 = sum_c a_tc e_c.
    model = linear_gaussian()
    maps = model.maps("fit")
    bits = np.random.default_rng(1).integers(0, 4, 24)
    relative = model.error[np.arange(24), bits]
    noise = torch.from_numpy(np.sqrt(relative * model.variance)[:, None, None]).float()
    noisy = maps + noise * torch.randn(maps.shape, generator=torch.Generator().manual_seed(0))
    for task, distortion in zip(model.task_names, model.losses(bits)[0], strict=True):
        with torch.no_grad():
            measured = (model.heads[task](noisy) - model.heads[task](maps)).square().mean()
        assert float(measured) == pytest.approx(distortion, rel=0.1)


def test_maps_have_the_channels_variances_and_parts_differ() -> None:
    model = linear_gaussian()
    maps = {part: model.maps(part) for part in PARTS}
    assert maps["fit"].shape == (256, 24, 4, 4)
    assert maps["fit"].dtype == torch.float32
    assert maps["fit"].var((0, 2, 3)).numpy() == pytest.approx(model.variance, rel=0.12)
    assert not torch.equal(maps["fit"][:32], maps["search"])
    assert torch.equal(model.maps("search"), maps["search"])


def test_targets_differ_from_the_clean_output_so_that_gradients_are_not_zero() -> None:
    model = linear_gaussian(channels=6)
    targets = model.targets("search")
    for name, head in model.heads.items():
        with torch.no_grad():
            error = (head(model.maps("search")) - targets[name]).square().mean().sqrt()
        assert 0.08 < float(error) < 0.12


def test_noise_acts_on_the_search_part_only_and_is_a_function_of_the_allocation() -> None:
    model, clean = linear_gaussian(noise=0.1), linear_gaussian()
    bits = np.random.default_rng(2).integers(0, 9, (4000, 24))
    assert (model.losses(bits, "test") == clean.losses(bits, "test")).all()
    assert (model.losses(bits[::-1])[::-1] == model.losses(bits)).all()
    relative = model.losses(bits) / clean.losses(bits) - 1.0
    assert relative.mean() == pytest.approx(0.0, abs=0.006)
    assert relative.std(axis=0) == pytest.approx(0.1, rel=0.05)
    assert np.corrcoef(relative.T)[0, 1] == pytest.approx(0.0, abs=0.06)


def test_a_seed_moves_the_tables_and_the_same_seed_does_not() -> None:
    assert (linear_gaussian(seed=1).weights == linear_gaussian(seed=1).weights).all()
    assert (linear_gaussian(seed=1).weights != linear_gaussian(seed=2).weights).any()


def test_tasks_want_different_channels() -> None:
    ranks = np.argsort(np.argsort(linear_gaussian(channels=64).weights, axis=1), axis=1)
    correlation = np.corrcoef(ranks)
    assert correlation[np.triu_indices(3, 1)].max() < 0.75


@pytest.mark.parametrize(("option", "value"), [("channels", 1), ("interactions", 1.5), ("noise", -0.1)])
def test_impossible_options_are_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(MooFsError, match=option):
        linear_gaussian(**{option: value})


def test_a_simplex_grid_has_all_points_once() -> None:
    grid = analytic_fronts.simplex_grid(3, steps=4)
    assert len(grid) == len({tuple(row) for row in grid}) == 15  # (4 + 2 over 2)
    assert grid.sum(axis=1) == pytest.approx(np.ones(15))


def test_no_integer_allocation_lies_below_the_continuous_front() -> None:
    model = linear_gaussian(channels=6)
    weights = np.array([0.2, 0.5, 0.3])
    curve = analytic_fronts.continuous_front(model, weights, points=1000)
    points = analytic_fronts.objectives(model, analytic_fronts.discrete_front(model, steps=6, lambdas=40))
    lam = np.geomspace(1e-3, 1.0, 50)  # at no price is an integer allocation the cheaper one
    integer, continuous = ((f[:, 1:] @ weights)[:, None] + f[:, :1] * lam for f in (points, curve))
    assert (integer.min(axis=0) >= continuous.min(axis=0) * (1 - 1e-3)).all()
    assert (integer.min(axis=0) > continuous.min(axis=0) * 1.001).any()
