"""Levels of layers: what they keep and cost, what a search is told of them, and what a candidate's objectives are."""

import numpy as np
import pytest
import torch
from test_removal import small, vgg
from torch import nn

from moo_fs import MooFsError
from moo_fs.prune_fronts import problem
from moo_fs.prune_fronts.problem import Damage, Problem, space_of
from moo_fs.pruning.evaluation import Candidates
from moo_fs.pruning.levels import Levels
from moo_fs.pruning.removal import flops, parameters, removed

OBJECTIVES = ("parameters", "flops", "error")


def levels_of(network, shape, seed=0):
    rng = np.random.default_rng(seed)
    filters = [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    return Levels(network, [rng.permutation(count) for count in filters], shape=shape)


def test_level_l_keeps_l_plus_1_ninths_of_the_filters_and_at_least_one():
    levels = levels_of(vgg([9, 4], image=4), (3, 4, 4))
    assert levels.counts(np.repeat(np.arange(9)[:, None], 2, axis=1)).T.tolist() == [
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 1, 1, 2, 2, 3, 3, 4, 4],
    ]
    assert sorted(levels.kept([3, 8])[0]) == sorted(levels.orders[0][:4])


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"norm": False}], ids=["whole", "no bias", "no norm"])
def test_costs_are_those_of_the_network_with_its_filters_really_removed(options):
    network, shape = small(**options), (3, 8, 8)
    levels = levels_of(network, shape)
    rows = np.random.default_rng(1).integers(0, 9, (12, 3))
    twins = [removed(network, levels.kept(row)) for row in rows]
    assert levels.parameters(rows).tolist() == [parameters(twin) for twin in twins]
    assert levels.flops(rows).tolist() == [flops(twin, shape) for twin in twins]


def test_orders_that_are_not_permutations_of_all_filters_are_refused():
    with pytest.raises(MooFsError, match="every filter of each layer once"):
        Levels(small(), [[0, 1], [0, 1, 2, 3, 4], range(7)], shape=(3, 8, 8))


def test_damage_is_the_error_with_one_layer_cut_and_the_others_whole():
    network, images = small(), torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        labels = network(images).argmax(1)  # the unpruned network errs on nothing
    levels = levels_of(network, (3, 8, 8))
    damage = Damage.measured(levels, Candidates(network, images, labels))
    assert damage.error[:, 8].tolist() == [0.0] * 3
    assert damage.evaluations == 3 * 8 + 1
    for layer, level in [(0, 0), (1, 3), (2, 7)]:
        row = np.where(np.arange(3) == layer, level, 8)
        with torch.no_grad():
            wrong = removed(network, levels.kept(row))(images).argmax(1) != labels
        assert damage.error[layer, level] == pytest.approx(float(wrong.float().mean()))
    space = space_of(levels, damage, OBJECTIVES)
    # Score times table is what was measured; nothing is paid at level 0, and all levels at 8 are the whole network.
    np.testing.assert_allclose(space.scores[:, 1:] * space.error, damage.rise)
    assert space.rate[:, 0].tolist() == [0.0] * 3
    assert space.rate_of([[8, 8, 8], [0, 0, 0]]) == pytest.approx([1.0, levels.parameters([0, 0, 0])[0] / 2132], rel=1)
    assert float(space.rate_of([8, 8, 8])[0]) == pytest.approx(1.0)
    assert float(space.rate_of([0, 0, 0])[0]) == pytest.approx(
        parameters(removed(network, levels.kept([0, 0, 0]))) / parameters(network)
    )


def test_a_layer_whose_loss_costs_nothing_has_score_0_and_a_table_that_falls():
    levels = levels_of(small(), (3, 8, 8))
    error = np.full((3, 9), 0.25)
    error[1, :8] = 0.5
    space = space_of(levels, Damage(error, 0.0), ("flops", "error"))
    assert space.scores.tolist() == [[0.0], [0.25], [0.0]]
    assert space.error[0].tolist() == np.linspace(1, 0, 9).tolist()
    assert space.error[1].tolist() == [1.0] * 8 + [0.0]


def test_objectives_are_shares_of_the_unpruned_network_and_of_images_and_repeats_are_not_run_again(monkeypatch):
    network, images = small(), torch.randn(30, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    levels, judge = levels_of(network, (3, 8, 8)), Candidates(network, images, torch.arange(30) % 10)
    damage = Damage(np.full((3, 9), 0.5), 0.0)
    task = Problem(space_of(levels, damage, OBJECTIVES), levels, judge, {})
    rows = np.array([[8, 8, 8], [2, 4, 1], [8, 8, 8]], dtype=np.int8)
    found = task.evaluate(rows)
    assert found[0].tolist() == [1.0, 1.0, pytest.approx(1 - judge.accuracy({}), abs=1e-6)]
    twin = removed(network, levels.kept(rows[1]))
    wanted = [parameters(twin) / parameters(network), flops(twin, (3, 8, 8)) / flops(network, (3, 8, 8))]
    assert found[1, :2].tolist() == pytest.approx(wanted, rel=1e-5)
    assert found[2].tolist() == found[0].tolist()
    monkeypatch.setattr(problem, "values_of_levels", None)
    assert task.evaluate(rows).tolist() == found.tolist()
