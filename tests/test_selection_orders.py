"""The figure of orders: measures from the best to the worst, with what `mean_distortions` says of each."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_selection import FALLING, TASKS, by, curve, study

from moo_fs.figures.ordered import EQUAL_ORDER, OWN_ORDER, draw_orders
from moo_fs.figures.selected import MOST_ORDERS, selection_caption, selection_figures
from moo_fs.figures.selected_frames import order_frame
from moo_fs.figures.style import styled

# Twice the distortion of the best at once, and half of that under the order for a task alone.
SIZE = {"mutual-information": 1.0, "good": 0.5, "poor": 1.5, "random": 2.0}


@pytest.fixture(autouse=True)
def _style():
    with styled():
        yield


def several(sizes, *, weights=("equal", "each"), seeds=4):
    def curves(subject, seed):
        rows = []
        for name, size in sizes.items():
            for order in ("equal", *(TASKS if "each" in weights else ())):
                half = (0.4 if order == "equal" else 0.2) * size * (1 + seed / 10)
                rows += curve(subject, "hard", FALLING * half, **by(name, task_weights=order))
        return rows

    results = study(curves, subjects=3, seeds=seeds)
    told = {"methods": ["hard"], "task_weights": list(weights), "rivals": ["uniform-step"]}
    results.study["specification"]["selection"].update(told)
    return results


def test_a_row_is_the_mean_over_blocks_under_one_order_and_under_each_tasks_own():
    found = order_frame(several(SIZE), "net").set_index(["measure", "task", "order"])
    assert len(found) == 4 * 3 * 2
    # A line from 1 to 0 over the log bytes has mean one half; four draws are larger by 0, 10, 20 and 30 %.
    row = found.loc[("good", "depth", EQUAL_ORDER)]
    assert row["value"] == pytest.approx(0.5 * 0.4 * 0.5 * 1.15)
    assert row["low"] < row["value"] < row["high"]
    assert found.loc[("good", "depth", OWN_ORDER), "value"] == pytest.approx(row["value"] / 2)


def test_below_twelve_blocks_whiskers_are_the_range():
    found = order_frame(several(SIZE, seeds=2), "net").set_index(["measure", "task", "order"])
    row = found.loc[("good", "depth", EQUAL_ORDER)]
    assert [row["low"], row["high"]] == pytest.approx([0.1, 0.11])


def test_measures_stand_from_the_best_down_with_a_mark_for_each_task_and_order():
    frame = order_frame(several(SIZE), "net")
    figure = draw_orders(frame.sample(frac=1, random_state=1), list(TASKS), nulls=["random"], emphasised="good")[
        "orders"
    ]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["good", "mutual-information", "poor", "random"]
    assert [label.get_fontweight() for label in figure.axes[0].get_yticklabels()] == ["bold", *["normal"] * 3]
    for axes, task in zip(figure.axes, TASKS, strict=True):
        marks = {round(float(line.get_ydata()[0]), 2): float(line.get_xdata()[0]) for line in axes.lines}
        wanted = frame[(frame["task"] == task)].set_index(["order", "measure"])["value"]
        assert len(marks) == 8
        for at, name in enumerate(labels):
            assert marks[round(at - 0.17, 2)] == wanted[EQUAL_ORDER, name]
            assert marks[round(at + 0.17, 2)] == wanted[OWN_ORDER, name]


def test_of_many_orders_curves_show_the_best_beside_mutual_information_and_nulls():
    sizes = {**SIZE, **{f"other-{at}": 1.6 + at / 100 for at in range(MOST_ORDERS)}}
    results = several(sizes, weights=("equal",))
    figures = selection_figures(results)
    shown = {text.get_text() for text in figures["rate-curves-net"].legends[0].get_texts()}
    assert shown == {"mutual-information", "random", "good", "poor", "other-0", "other-1", "other-2"}
    rows = [label.get_text() for label in figures["orders-net"].axes[0].get_yticklabels()]
    assert set(rows) == set(sizes)
    assert f"Of {len(sizes)} orders" in selection_caption("rate-curves-net", results)
    few = several(SIZE, weights=("equal",))
    shown = {text.get_text() for text in selection_figures(few)["rate-curves-net"].legends[0].get_texts()}
    assert shown == set(SIZE)
    assert "orders" not in selection_caption("rate-curves-net", few)


def test_without_a_common_rate_there_is_no_figure():
    def apart(subject, seed):
        near = curve(subject, "hard", FALLING, np.array([1.0, 2.0, 3.0]), **by("good"))
        return near + curve(subject, "hard", FALLING, **by("poor"))

    results = study(apart)
    told = {"methods": ["hard"], "task_weights": ["equal"], "rivals": []}
    results.study["specification"]["selection"].update(told)
    assert order_frame(results, "net").empty
    assert "orders-net" not in selection_figures(results)
