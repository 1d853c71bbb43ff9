"""Non-dominated sets and hypervolumes against obvious slow twins and volumes known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from moo_fs.contracts import MooFsError
from moo_fs.fronts import non_dominated
from moo_fs.indicators import (
    beyond_reference,
    hypervolume,
    hypervolume_curve,
    normalised_hypervolume,
)


def by_definition(points: np.ndarray) -> list[bool]:
    kept = []
    for i, point in enumerate(points):
        dominated = any((other <= point).all() and (other < point).any() for other in points)
        twin = any((other == point).all() for other in points[:i])
        kept.append(not dominated and not twin)
    return kept


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_the_mask_equals_the_definition_with_ties_and_duplicates(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    for _ in range(20):
        points = rng.integers(0, 4, (30, objectives)).astype(float)  # a coarse grid: many ties
        assert non_dominated(points).tolist() == by_definition(points)


def test_of_identical_points_the_first_is_kept() -> None:
    assert non_dominated([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]]).tolist() == [True, False, True]


def test_no_points_give_an_empty_mask_and_no_volume() -> None:
    assert non_dominated(np.zeros((0, 3))).tolist() == []
    assert hypervolume(np.zeros((0, 3)), [1.0, 1.0, 1.0]) == 0.0
    assert hypervolume([], [1.0, 1.0]) == 0.0


def test_the_volume_of_one_point_is_its_box() -> None:
    # (4 - 1) (3 - 1) (2 - 1) (5 - 1) = 24
    assert hypervolume([[1.0, 1.0, 1.0, 1.0]], [4.0, 3.0, 2.0, 5.0]) == pytest.approx(24.0)
    assert normalised_hypervolume([[1.0, 1.0, 1.0, 1.0]], [4.0, 3.0, 2.0, 5.0]) == pytest.approx(24.0 / 120.0)


def test_the_volume_equals_a_count_of_grid_cells() -> None:
    rng = np.random.default_rng(5)
    points = rng.integers(0, 6, (15, 3)).astype(float)
    cells = np.stack(np.meshgrid(*[np.arange(6)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    covered = sum(any((point <= cell).all() for point in points) for cell in cells)
    assert hypervolume(points, [6.0, 6.0, 6.0]) == pytest.approx(covered)


def test_an_objective_below_zero_counts_as_zero() -> None:
    assert hypervolume([[-5.0, 1.0]], [2.0, 2.0]) == pytest.approx(2.0)


def test_points_beyond_the_reference_are_counted_out_and_counted() -> None:
    points = [[1.0, 1.0], [0.0, 2.0], [3.0, 0.0], [0.5, 5.0]]  # (0, 2) lies on the reference: no volume
    assert hypervolume(points, [2.0, 2.0]) == pytest.approx(1.0)
    assert beyond_reference(points, [2.0, 2.0]) == 3


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(MooFsError, match="finite"):
        hypervolume([[bad, 1.0]], [2.0, 2.0])
    with pytest.raises(MooFsError, match="finite"):
        non_dominated([[bad, 1.0]])


def test_a_reference_that_spans_no_box_is_refused() -> None:
    with pytest.raises(MooFsError, match="positive"):
        hypervolume([[1.0, 1.0]], [2.0, 0.0])


def test_the_curve_equals_the_hypervolume_of_each_prefix() -> None:
    points = np.random.default_rng(1).random((60, 4))
    at = [0, 1, 10, 10, 59, 60, 100]
    expected = [hypervolume(points[:n], np.ones(4)) for n in at]
    assert hypervolume_curve(points, np.ones(4), at=at) == pytest.approx(expected)


def test_a_curve_over_falling_counts_is_refused() -> None:
    with pytest.raises(MooFsError, match="rising"):
        hypervolume_curve([[1.0, 1.0]], [2.0, 2.0], at=[5, 3])
