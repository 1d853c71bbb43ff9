"""The fixed sweep that measures are judged by: one lattice for all, decoded as everything else is, covered early."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from analytic_loop import noisy_scores, space_of

from moo_fs.contracts import Bits, Floats
from moo_fs.optimisers.lattice import GAMMAS, LEVELS, RankSweep, Sweep, ranked, simplex_lattice, spread_order, walk
from moo_fs.optimisers.sweep import rate_levels
from moo_fs.space import Space
from moo_fs.subjects.linear_gaussian import linear_gaussian

BOTH = pytest.mark.parametrize("kind", [Sweep, RankSweep])


@pytest.fixture(scope="module")
def model():
    return linear_gaussian(channels=64)


def asked(optimiser: Sweep, count: int) -> Bits:
    batches: list[Bits] = []
    while sum(map(len, batches)) < count:
        batches.append(optimiser.ask())
    return np.concatenate(batches)[:count]


def asked_of(kind: type[Sweep], space: Space, count: int, seed: int = 0, **options: int) -> Bits:
    return asked(kind(space, np.random.default_rng(seed), **options), count)


@pytest.mark.parametrize("sizes", [(5, 4, 3), (6, 4), (4, 4, 2), (9, 6, 4), (7, 1, 1), (1,)])
def test_a_walk_meets_every_combination_exactly_once(sizes: tuple[int, ...]) -> None:
    met = walk(*sizes)
    assert met.shape == (np.prod(sizes), len(sizes))
    assert {tuple(row) for row in met} == set(np.ndindex(*sizes))


@pytest.mark.parametrize("tasks", [1, 2, 3, 4])
def test_the_beginning_of_a_walk_covers_all_axes_together(tasks: int) -> None:
    count = len(simplex_lattice(tasks))
    met = walk(LEVELS, count, len(GAMMAS))[:300]
    assert len(set(met[:, 0])) == LEVELS
    assert len(set(met[:, 1])) == count
    thirds = {
        (which, int(level)) for which, level in zip(met[:, 1], spread_order(LEVELS)[met[:, 0]] // 42, strict=True)
    }
    assert len(thirds) > (2.4 if count < 40 else 1.9) * count  # nearly each weight at low, middle and high rates
    assert len({(which, gamma) for _, which, gamma in met}) > 0.8 * min(count * len(GAMMAS), 300)


@pytest.mark.parametrize("tasks", [1, 2, 3, 4])
def test_task_weights_are_the_simplex_lattice_centre_and_corners_first(tasks: int) -> None:
    weights = simplex_lattice(tasks)
    assert len({tuple(row) for row in weights}) == len(weights) == comb(6 + tasks - 1, 6)
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert weights.min() >= 0
    corners = [at for at, row in enumerate(weights) if row.max() == 1.0]
    assert len(corners) == tasks
    assert max(corners) <= tasks
    if tasks in (1, 2, 3):
        assert weights[0] == pytest.approx(1.0 / tasks)


@BOTH
def test_neither_seed_nor_batch_nor_what_was_told_changes_what_is_asked(kind: type[Sweep], model) -> None:
    space = space_of(model, noisy_scores(model, 0))
    other = kind(space, np.random.default_rng(5), batch=7)
    rows = []
    for _ in range(10):
        rows.append(other.ask())
        other.tell(rows[-1], np.random.default_rng(1).random((7, 4)))
    np.testing.assert_array_equal(asked_of(kind, space, 70), np.concatenate(rows))


@BOTH
def test_the_lattice_does_not_know_the_measure(kind: type[Sweep], model) -> None:
    """On channels with one table, scores in another order give the same allocations in that order."""
    error, rate = np.tile(model.error[0], (64, 1)), np.tile(model.rate[0], (64, 1))
    scores, order = noisy_scores(model, 0), np.random.default_rng(0).permutation(64)
    one, other = (Space(("rate", *model.task_names), error, rate, found) for found in (scores, scores[order]))
    np.testing.assert_array_equal(asked_of(kind, one, 200)[:, order], asked_of(kind, other, 200))


def multiplier(space: Space, joint: Floats, bits: Bits) -> tuple[float, float]:
    """(least, largest) lambda at which each channel's depth costs least: importance x error + lambda x rate."""
    least, largest = 0.0, np.inf
    for channel, depth in enumerate(bits):
        error, rate = joint[channel] * space.error[channel], space.rate[channel]
        least = max([least, *((error[depth] - error[depth + 1 :]) / (rate[depth + 1 :] - rate[depth]))])
        largest = min([largest, *((error[:depth] - error[depth]) / (rate[depth] - rate[:depth]))])
    return least, largest


def test_every_allocation_is_the_decoding_of_its_lattice_point_at_one_lambda(model) -> None:
    space = space_of(model, noisy_scores(model, 0))
    points, weights = walk(LEVELS, 28, len(GAMMAS)), simplex_lattice(3)
    targets = rate_levels(space, LEVELS)[spread_order(LEVELS)]
    bits = asked_of(Sweep, space, 120)
    for (level, which, gamma), row in zip(points, bits, strict=False):
        joint = (weights[which] @ (space.scores / space.scores.max(axis=0)).T) ** GAMMAS[gamma]
        least, largest = multiplier(space, joint, row)
        assert least < largest
        lam = (least + largest) / 2 if np.isfinite(largest) else least * 2
        np.testing.assert_array_equal(space.decode(weights[which], lam, GAMMAS[gamma])[0], row)
        assert space.rate_of(row)[0] - space.header <= targets[level]


def test_ranks_decide_alone_in_the_rank_sweep_and_not_in_the_sweep(model) -> None:
    scores = noisy_scores(model, 0)
    spaces = [space_of(model, found) for found in (scores, np.exp(300 * scores) - 5.0, scores * [1e-6, 1.0, 1e6])]
    rank, plain = ([asked_of(kind, space, 150) for space in spaces] for kind in (RankSweep, Sweep))
    np.testing.assert_array_equal(rank[0], rank[1])
    np.testing.assert_array_equal(rank[0], rank[2])
    assert (plain[0] != plain[1]).any()
    np.testing.assert_array_equal(plain[0], plain[2])


def test_ranks_are_shares_and_equal_scores_share_theirs() -> None:
    scores = np.array([[0.3, 0.0], [0.3, 0.0], [-2.0, 0.0], [7.0, 0.0]])
    np.testing.assert_allclose(ranked(scores)[:, 0], [0.625, 0.625, 0.25, 1.0])
    assert len(set(ranked(scores)[:, 1])) == 1


@BOTH
@pytest.mark.parametrize("scores", ["zero", "constant", "none"])
def test_scores_that_say_nothing_count_all_channels_alike(kind: type[Sweep], scores: str, model) -> None:
    given = {"zero": np.zeros((64, 3)), "constant": np.full((64, 3), 7.0), "none": None}[scores]
    bits = asked_of(kind, space_of(model, given), 100)
    np.testing.assert_array_equal(bits, asked_of(Sweep, space_of(model, np.ones((64, 3))), 100))
    assert (bits.sum(axis=1) > 0).all()


@BOTH
@pytest.mark.parametrize("blind", [False, True], ids=["per task", "one for all tasks"])
def test_the_lattice_holds_300_distinct_allocations_of_64_channels(kind: type[Sweep], blind: bool, model) -> None:
    scores = noisy_scores(model, 0)
    if blind:
        scores = np.repeat(scores[:, :1], 3, axis=1)
    bits = asked_of(kind, space_of(model, scores), 750)
    assert len(np.unique(bits, axis=0)) >= 300


def test_channels_that_count_alike_have_no_more_allocations_than_levels_so_that_a_sweep_ends_short(model) -> None:
    first, second = (asked_of(Sweep, space_of(model, None), count) for count in (LEVELS, 4 * LEVELS))
    found = len(np.unique(first, axis=0))
    assert len(np.unique(second, axis=0)) == found <= LEVELS


@BOTH
def test_the_sweep_ends_when_the_lattice_does(kind: type[Sweep]) -> None:
    model = linear_gaussian(channels=6)
    optimiser = kind(space_of(model, noisy_scores(model, 0)[:, :1], tasks=1), np.random.default_rng(0), batch=500)
    sizes = [len(optimiser.ask()) for _ in range(5)]
    assert sizes == [500, 500, LEVELS * len(GAMMAS) - 1000, 0, 0]
