"""Shares of the weight simplex against hand-made areas, drawn weights and one another."""

from __future__ import annotations

import numpy as np
import pytest

from moo_fs.contracts import MooFsError
from moo_fs.rate_curves import Curve
from moo_fs.task_weights import (
    NORMALISATIONS,
    normalised,
    relative_distortions,
    share_against,
    share_of_all,
    winning_polygon,
)
from moo_fs.weight_shares import (
    cells_of,
    distortions_at,
    over_blocks,
    over_images,
    pair_shares_over_rate,
    shares_over_rate,
    verdict,
)

RNG = np.random.default_rng(5)


def grid_of_weights(tasks, steps):
    """The midpoints of a fine grid over the simplex, every one standing for the same length or area."""
    if tasks == 2:
        t = (np.arange(steps) + 0.5) / steps
        return np.column_stack([t, 1 - t])
    up = [(i + 1 / 3, j + 1 / 3) for i in range(steps) for j in range(steps - i)]
    down = [(i + 2 / 3, j + 2 / 3) for i in range(steps) for j in range(steps - i - 1)]
    first_two = np.array(up + down) / steps
    return np.column_stack([first_two, 1 - first_two.sum(axis=1)])


def area_of(vertices):
    x, y = vertices[:, 0], vertices[:, 1]
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@pytest.mark.parametrize(
    ("ours", "theirs", "share"),
    [
        ([0.1, 0.2, 0.3], [0.2, 0.3, 0.4], 1.0),
        ([0.2, 0.3, 0.4], [0.1, 0.2, 0.3], 0.0),
        ([0, 1, 0.5], [1, 0, 0.5], 0.5),  # mirror images: the cut runs through a corner
        ([-1, 3, 1], [0, 0, 0], 0.25 * 0.5),  # a corner cut at 1/4 and 1/2 of its edges
        ([1, -3, -1], [0, 0, 0], 1 - 0.25 * 0.5),
        ([-1, 0, 0], [0, 0, 0], 1.0),  # all but an edge
        ([-1, 0, 2], [0, 0, 0], 1 / 3),
        ([0, 0, 1], [0, 0, 0], 0.0),  # ties on an edge only, which has no area
        ([-2, -1, 0], [0, 0, 0], 1.0),
        ([0.3, 0.3, 0.3], [0.3, 0.3, 0.3], 0.5),  # a tie everywhere
        ([-1, 3], [0, 0], 0.25),
        ([0, 3], [0, 0], 0.0),
        ([0, -3], [0, 0], 1.0),
        ([0.5, 0.5], [0.5, 0.5], 0.5),
    ],
)
def test_shares_of_pairs_are_those_of_the_picture(ours, theirs, share):
    assert float(share_against(ours, theirs)) == pytest.approx(share, abs=1e-15)
    assert float(share_against(theirs, ours)) == pytest.approx(1 - share, abs=1e-15)
    assert share_of_all([ours, theirs])[0] == pytest.approx(share, abs=1e-15)


def test_the_order_of_the_tasks_does_not_matter():
    vectors = RNG.random((50, 4, 3))
    assert np.allclose(share_of_all(vectors[..., [2, 0, 1]]), share_of_all(vectors), atol=1e-14)


@pytest.mark.parametrize("tasks", [2, 3])
def test_shares_are_the_counts_of_a_fine_grid_of_weights(tasks):
    weights = grid_of_weights(tasks, 20000 if tasks == 2 else 200)
    for vectors in RNG.random((12, 5, tasks)):
        won = np.bincount((weights @ vectors.T).argmin(axis=1), minlength=5) / len(weights)
        assert np.allclose(share_of_all(vectors), won, atol=0.01)
        beats = (weights @ (vectors[0] - vectors[1]) < 0).mean()
        assert float(share_against(vectors[0], vectors[1])) == pytest.approx(beats, abs=0.01)


@pytest.mark.parametrize("tasks", [2, 3])
@pytest.mark.parametrize("values", ["real", "few"])
def test_cells_partition_the_simplex_also_where_many_values_are_equal(tasks, values):
    draw = RNG.random((400, 7, tasks)) if values == "real" else RNG.integers(0, 3, (400, 7, tasks)).astype(float)
    shares = share_of_all(draw)
    assert shares.shape == (400, 7)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-12)
    assert shares.min() >= 0


def test_of_two_measures_the_clipped_area_is_the_closed_form():
    pairs = RNG.normal(size=(500, 2, 3))
    assert np.allclose(share_of_all(pairs)[:, 0], share_against(pairs[:, 0], pairs[:, 1]), atol=1e-13)


def test_beating_all_is_never_easier_than_beating_one():
    vectors = RNG.random((200, 5, 3))
    pairs = share_against(vectors[:, :, None], vectors[:, None])
    assert np.allclose(pairs + pairs.swapaxes(1, 2), 1)
    others = np.where(np.eye(5, dtype=bool), 1.0, pairs).min(axis=2)
    assert (share_of_all(vectors) <= others + 1e-12).all()


def test_equal_measures_share_their_cell_evenly_and_one_alone_wins_everywhere():
    three = [[0.0, 1, 1], [1, 0, 0], [0, 1, 1]]
    assert share_of_all(three).tolist() == pytest.approx([0.125, 0.75, 0.125])
    assert share_of_all([[0.4, 0.5, 0.6]]).tolist() == [1]
    assert share_of_all(np.ones((4, 2))).tolist() == [0.25] * 4


def test_a_polygon_is_the_corner_that_the_cut_leaves():
    corner = winning_polygon([[-1.0, 3, 1], [0, 0, 0]], 0)
    expected = {(1, 0, 0), (0.75, 0.25, 0), (0.5, 0, 0.5)}
    assert {tuple(vertex) for vertex in corner.round(12).tolist()} == expected
    assert winning_polygon([[1.0, 1, 1], [0, 0, 0]], 0).shape == (0, 3)
    assert winning_polygon([[1.0, 0, 0], [0, 0, 0]], 0).shape == (0, 3)
    assert sorted(winning_polygon([[-1.0, 3], [0, 0]], 0)[:, 0].tolist()) == [0.75, 1]


def test_polygons_have_their_shares_and_their_owner_wins_inside():
    for vectors in RNG.random((30, 6, 3)):
        for measure, share in enumerate(share_of_all(vectors)):
            vertices = winning_polygon(vectors, measure)
            if not len(vertices):
                assert share < 1e-11
                continue
            assert area_of(vertices) == pytest.approx(share, abs=1e-12)
            assert np.allclose(vertices.sum(axis=1), 1)
            assert (vertices.mean(axis=0) @ vectors.T).argmin() == measure


def test_relative_distortions_are_those_of_the_definition():
    """Worked by hand: mIoU .6 to .45; RMSE 8 to 10; PSNR 30 to 27 dB, MSE 1e-3 to 10^-2.7."""
    found = relative_distortions([[0.45, 10, 27]], [0.6, 8, 30], ["classes", "values", "image"])
    assert found[0] == pytest.approx([0.25, 0.25, (10**-2.7 - 1e-3) / 1e-3])
    assert not relative_distortions([[0.6, 8, 30]], [0.6, 8, 30], ["classes", "values", "image"]).any()


def test_the_unit_of_one_task_moves_shares_but_one_unit_of_all_does_not():
    vectors = np.array([[0.1, 0.3, 0.2], [0.2, 0.1, 0.3], [0.3, 0.2, 0.1]])
    assert np.allclose(share_of_all(7 * vectors), share_of_all(vectors))
    assert share_of_all(vectors * [1, 1, 9])[2] > share_of_all(vectors)[2] + 0.2


def test_both_normalisations_are_had_by_name():
    given = {
        "distortions": [[0.5, 0.25]],
        "metrics": [[0.3, 9]],
        "uncompressed": [0.6, 6],
        "kinds": ["classes", "values"],
    }
    found = {how: normalised(how, **given)[0].tolist() for how in NORMALISATIONS}
    assert found == {"loss span": [0.5, 0.25], "relative": [0.5, 0.5]}


def curves_of():
    """Two measures over the same rates: one is better at the first task by as much as the other at the second."""
    coded, falling = np.array([100.0, 1000, 10000]), np.array([[0.9], [0.5], [0.1]])
    return [Curve(coded, falling + np.array(apart)) for apart in ([-0.05, 0.05, 0], [0.05, -0.05, 0])]


def test_shares_over_rate_are_those_of_the_curves_at_each_rate():
    """Two measures that mirror one another tie at every rate; against themselves pairs tie too."""
    rates = [100, 300, 10000]
    assert np.allclose(shares_over_rate(curves_of(), rates), 0.5)
    assert np.allclose(pair_shares_over_rate(curves_of(), rates), 0.5)
    one, other = curves_of()
    ahead = [Curve(one.coded_bytes, one.losses - [0, 0, 0.1]), other]
    vectors = distortions_at(ahead, rates)
    assert vectors.shape == (3, 2, 3)
    assert np.allclose(shares_over_rate(ahead, rates)[:, 0], share_against(vectors[:, 0], vectors[:, 1]))
    assert np.allclose(pair_shares_over_rate(ahead, rates)[:, 0, 1], shares_over_rate(ahead, rates)[:, 0])
    assert shares_over_rate(ahead, rates)[0, 0] > 0.6


def test_over_blocks_the_mean_has_the_interval_of_a_plain_bootstrap():
    shares = RNG.random((14, 3, 2))
    found = over_blocks(shares)
    again = np.random.default_rng(0)
    slow = np.array([shares[again.integers(14, size=14)].mean(axis=0) for _ in range(20000)])
    assert np.array_equal(found.value, shares.mean(axis=0))
    assert np.allclose([found.low, found.high], np.quantile(slow, [0.025, 0.975], axis=0), atol=0.015)
    assert np.array_equal(found.lowest, shares.min(axis=0))
    assert np.array_equal(found.highest, shares.max(axis=0))
    assert np.array_equal(over_blocks(shares).low, found.low)


def test_below_twelve_blocks_there_is_a_range_and_no_interval():
    assert np.isfinite(over_blocks(RNG.random((12, 2))).low).all()
    few = over_blocks(RNG.random((11, 2)))
    assert np.isnan([few.low, few.high]).all()
    assert (few.lowest < few.value).all()


def test_over_blocks_measures_stay_paired():
    """Shares of two measures sum to 1 in each block: with the same draws the ends mirror each other."""
    first = RNG.random(15)
    found = over_blocks(np.column_stack([first, 1 - first]))
    assert found.low[0] == pytest.approx(1 - found.high[1], abs=1e-12)


def test_over_images_the_ends_are_percentiles_of_the_callers_replicates():
    replicates = np.linspace(0, 1, 1001)[:, None] * [1, 0.5]
    found = over_images([0.7, 0.1], replicates)
    assert found.value.tolist() == [0.7, 0.1]
    assert found.low == pytest.approx([0.025, 0.0125])
    assert found.high == pytest.approx([0.975, 0.4875])


def test_a_claim_holds_only_where_the_whole_interval_lies_above_one_half():
    assert [verdict(*ends) for ends in ((0.51, 0.9), (0.1, 0.49), (0.5, 0.9), (0.1, 0.5), (np.nan, np.nan))] == [
        "more than half",
        "less than half",
        "not decided",
        "not decided",
        "not decided",
    ]


def test_the_rows_of_a_map_are_the_cells_with_a_column_of_weights_for_each_task():
    rows = cells_of([[0.0, 1, 1], [1, 0, 0], [2, 2, 2]], ["a", "b", "never"], ["x", "y", "z"])
    assert {row["measure"] for row in rows} == {"a", "b"}
    mine = [row for row in rows if row["measure"] == "a"]
    assert [row["vertex"] for row in mine] == [0, 1, 2]
    assert all(row["share"] == 0.25 for row in mine)
    weights = np.array([[row[f"weight_{task}"] for task in "xyz"] for row in mine])
    assert {tuple(vertex) for vertex in weights.tolist()} == {(1, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: share_of_all(np.ones((2, 4))), "two or three tasks.*got 4"),
        (lambda: share_against([1.0], [2.0]), "two or three tasks.*got 1"),
        (lambda: share_against([1.0, 2], [1.0, 2, 3]), "wanted 2 tasks as in ours, got 3"),
        (lambda: share_of_all([1.0, 2]), "wanted axes"),
        (lambda: share_of_all([[np.nan, 1.0]]), "finite"),
        (lambda: winning_polygon(np.ones((2, 3)), 2), "wanted 0 to 1, got 2"),
        (lambda: winning_polygon(np.ones((1, 2, 3)), 0), "wanted axes"),
        (lambda: relative_distortions([[1.0]], [1.0], ["custom"]), "got 'custom'"),
        (lambda: relative_distortions([[1.0]], [0.0], ["values"]), "positive rmse"),
        (
            lambda: normalised("relativ", distortions=[[1]], metrics=[[1]], uncompressed=[1], kinds=["values"]),
            "did you mean 'relative'",
        ),
        (lambda: distortions_at([], [1]), "one for each measure"),
        (lambda: distortions_at([Curve([1], [[1, 2]]), Curve([1], [[1, 2, 3]])], [1]), "same tasks"),
        (lambda: shares_over_rate(curves_of(), [99]), "wanted 100 to 10000"),
        (lambda: over_blocks(np.zeros((0, 3))), "at least one block"),
        (lambda: over_images([0.5, 0.5], np.zeros((9, 3))), "wanted axes"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(make, words):
    with pytest.raises(MooFsError, match=words):
        make()
