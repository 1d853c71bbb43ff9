"""The benchmark of rankings by Rényi entropy, at a small size."""

import numpy as np
import pytest

from moo_fs.bench import BENCHES, renyi
from moo_fs.renyi import rank


def test_its_rows_say_what_was_measured_and_what_is_extrapolated():
    found = renyi.rows(samples=24, channels=(6, 10), frobenius_channels=12, rounds=2, complete=6, every=4, candidates=2)
    assert "renyi" in BENCHES
    assert [set(row) for row in found] == [{"case", "ratio", "naive_seconds", "ours_seconds", "agreement"}] * 5
    assert ["in full" in row["case"] for row in found] == [True, False, True, False, False]
    # Steps 0, 4, 8 and 2, 6 of 10, then 0, 4, 8 and 2, 6, 10 of 12: two candidates each.
    assert "extrapolated from 10 measured candidates" in found[1]["case"]
    assert "extrapolated from 12 measured candidates" in found[4]["case"]
    assert [np.isnan(row["agreement"]) for row in found] == [False, True, False, True, True]
    for row in found:
        assert row["ratio"] == pytest.approx(row["naive_seconds"] / row["ours_seconds"])


@pytest.mark.parametrize(("alpha", "method"), [(1.01, "exact"), (2.0, "frobenius")])
def test_the_loop_finds_the_exact_order(alpha, method):
    maps, labels = renyi.weak_maps(40, 8)
    assert renyi.obvious(maps, labels, alpha=alpha) == rank(maps, labels, alpha=1.01, method=method).order.tolist()
