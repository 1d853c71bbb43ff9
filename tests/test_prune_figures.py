"""Figures of a pruning study show their archive: from the whole network on, and no further than there is to tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthetic_pruning import FILTERS, write_pruning

from moo_fs.figures.prune import draw_curves, draw_error, draw_kept
from moo_fs.figures.style import styled
from moo_fs.prune_file import CMI

TOTAL = sum(FILTERS.values())
# Accuracies by filters kept, of the better batch: near guessing from 4 filters on.
ACCURACIES = {9: 0.8, 7: 0.5, 4: 0.2, 2: 0.1}


@pytest.fixture(autouse=True)
def _style():
    with styled():
        yield


@pytest.fixture
def found(tmp_path):
    """Three orders on two batches, means and zeros."""
    made = write_pruning(tmp_path / "cut")
    shares = [
        {"measure": name, "seed": seed, "compensate": way, "filters_kept": kept, "validation_accuracy": top - seed / 10}
        for name in (CMI, "random", "taylor")
        for seed in (0, 1)
        for way in (True, False)
        for kept, top in ACCURACIES.items()
    ]  # fmt: skip
    return dataclasses.replace(made, shares=pd.DataFrame(shares))


def test_errors_start_at_the_whole_network_and_end_where_every_measure_guesses(found):
    panels = draw_error(found)["error"].axes
    assert len(panels) == 2
    whole = 1 - found.unpruned["validation_accuracy"]
    for axes in panels:
        lines = [line for line in axes.lines if line.get_marker() == "o"]
        assert len(lines) == 3
        for line in lines:
            assert line.get_xdata() == pytest.approx([0, *[1 - kept / TOTAL for kept in ACCURACIES]])
            # Medians of two batches, .1 apart.
            assert line.get_ydata() == pytest.approx([whole, *[1.05 - value for value in ACCURACIES.values()]])
        assert axes.get_xlim() == pytest.approx((0, 1 - 4 / TOTAL + 0.01))
        assert len(axes.collections) == 2  # Bands of the published order and of chance alone.
    low, high = (np.min, np.max)
    band = panels[0].collections[0].get_paths()[0].vertices
    assert (low(band[:, 1]), high(band[:, 1])) == pytest.approx((whole, 1.0))


def test_errors_that_stay_above_guessing_are_drawn_to_the_end(found):
    good = dataclasses.replace(found, shares=found.shares.assign(validation_accuracy=0.6))
    assert draw_error(good)["error"].axes[0].get_xlim()[1] == pytest.approx(1 - 2 / TOTAL + 0.01)


def test_fixed_shares_are_no_rows_of_kept_shares(found):
    twin = found.layers[found.layers["measure"] == CMI].assign(cutoff="share[kept=0.5]")
    both = dataclasses.replace(found, layers=pd.concat([found.layers, twin], ignore_index=True))
    labels = [label.get_text() for label in draw_kept(both)["kept-shares"].axes[0].get_yticklabels()]
    assert labels == ["full, scree, forward", "compact, scree, forward"]
    assert draw_kept(dataclasses.replace(found, layers=twin)) == {}


def test_a_raised_tolerance_marks_no_curve_a_second_time(found):
    mine = found.layers[found.layers["formulation"] == "full"].assign(formulation="per-layer")
    layers = pd.concat([mine, mine.assign(cutoff="scree[tolerance=10]")], ignore_index=True)
    figure = draw_curves(dataclasses.replace(found, layers=layers))["cmi-curves"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["first batch", "other batches", "scree"]
    assert [sum(line.get_marker() == "v" for line in axes.lines) for axes in figure.axes[:2]] == [1, 1]
