"""The figure of bytes at equal distortion: what is compared with one QP, over which blocks, and how it is drawn."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from synthetic_selection import BYTES, FALLING, TASKS, by, curve, study

from moo_fs.figures.drawn import caption_of
from moo_fs.figures.relative import draw_relative
from moo_fs.figures.selected import figure_names, selection_caption, selection_figures
from moo_fs.figures.selected_frames import DISTORTIONS, relative_frame, relative_names, ways_of
from moo_fs.figures.style import styled
from moo_fs.selection_findings import INFORMATION

SETTINGS = {
    "methods": ["soft"],
    "task_weights": ["equal"],
    "bases": [0.1, 0.25],
    "base_qps": ["lossless", 22],
    "rivals": ["one-qp", "klt", "uniform", "uniform-step"],
}
# Bytes over one QP's of soft selection, by the quality and the share of the base; hard selection takes eight times.
TIMES = {("lossless", 0.1): 2.0, ("lossless", 0.25): 4.0, ("22", 0.1): 1.0, ("22", 0.25): 1.5}


@pytest.fixture(autouse=True)
def _style():
    with styled():
        yield


def two_streams(subject, seed):
    """One QP on a line from 1 to 0 over the log bytes; the others on the same line at some times its bytes."""
    rows = curve(subject, "one-qp", FALLING) + curve(subject, "klt", FALLING, BYTES / 2)
    rows += curve(subject, "uniform", FALLING, 3 * BYTES) + curve(subject, "uniform-step", FALLING, 2 * BYTES)
    for (quality, share), times in TIMES.items():
        base = {"base_share": share, "base_qp": quality}
        for measure, more in ((INFORMATION, 1 + seed / 10), ("random", 1.0)):
            rows += curve(subject, "soft", FALLING, BYTES * times * more, **by(measure, **base))
        rows += curve(subject, "hard", FALLING, 8 * BYTES, **by(INFORMATION, **base))[1:2]
    return rows


def soft_study(curves=two_streams, **told):
    results = study(curves)
    results.study["specification"]["selection"].update(SETTINGS | told)
    return results


def test_a_way_that_needs_some_times_the_bytes_is_a_level_line_there():
    found = relative_frame(soft_study(), "net")
    wanted = {("no scores", "klt"): 0.5, ("no scores", "uniform"): 3.0, ("no scores", "uniform-step"): 2.0}
    for (quality, share), times in TIMES.items():
        group = "lossless base" if quality == "lossless" else f"base at QP {quality}"
        wanted[group, f"soft {share * 100:g} %"] = 1.15 * times  # the median of four draws, 0, 10, 20 and 30 % more
        if share == 0.25:
            wanted[group, "soft 25 %, random"] = times
    levels = {key: rows for key, rows in found.groupby(["group", "name"]) if key[1] != "hard"}
    assert set(levels) == set(wanted)
    for key, rows in levels.items():
        assert rows["value"].to_numpy() == pytest.approx(wanted[key], rel=1e-6)
        assert set(rows["task"]) == set(TASKS)


def test_bands_are_the_range_of_the_blocks():
    found = relative_frame(soft_study(), "net").set_index(["group", "name", "task"])
    rows = found.loc[("lossless base", "soft 10 %", "depth")]
    assert rows["low"].to_numpy() == pytest.approx(2.0, rel=1e-6)
    assert rows["high"].to_numpy() == pytest.approx(2.6, rel=1e-6)


def test_nothing_is_said_of_a_distortion_that_one_block_does_not_reach():
    def short(subject, seed):
        reached = 2 if subject.endswith("=1]") and seed == 3 else 3  # of three points: down to .5, not to 0
        rows = curve(subject, "one-qp", FALLING)
        base = {"base_share": 0.25, "base_qp": "22"}
        return rows + curve(subject, "soft", FALLING[:reached], BYTES[:reached], **by(INFORMATION, **base))

    found = relative_frame(soft_study(short, rivals=["one-qp"]), "net")
    assert set(found["name"]) == {"soft 25 %"}
    assert found["distortion"].min() == DISTORTIONS[DISTORTIONS >= 0.5].min()
    assert found["distortion"].max() == pytest.approx(1.0)


def test_a_dominated_point_is_no_reason_for_more_bytes():
    def worse(subject, seed):
        late = np.vstack([FALLING, [[0.3, 0.3, 0.3]]])  # after it has reached 0
        rows = curve(subject, "one-qp", FALLING) + curve(subject, "klt", late, np.array([*BYTES, 20000.0]))
        return rows + curve(subject, "soft", FALLING, **by(INFORMATION, base_share=0.5, base_qp="22"))

    found = relative_frame(soft_study(worse, rivals=["one-qp", "klt"]), "net")
    assert set(found["name"]) == {"klt"}
    assert found["value"].to_numpy() == pytest.approx(1.0)


def test_without_one_qp_there_is_nothing_to_compare_with():
    results = soft_study(rivals=["klt"])
    assert relative_frame(results, "net").empty
    assert "relative-bytes-net" not in selection_figures(results)
    assert draw_relative(pd.DataFrame(), list(TASKS)) == {}


def test_panels_are_groups_by_tasks_and_the_line_of_equal_bytes_is_in_each():
    results = soft_study()
    frame = relative_frame(results, "net").sample(frac=1, random_state=1)
    names = relative_names(results)
    groups = list(dict.fromkeys(frame["group"]))
    figure = draw_relative(frame, list(TASKS), names=names, title="whose order")["relative-bytes"]
    assert figure.legends[0].get_title().get_text() == "whose order"
    for axes, (group, task) in zip(figure.axes, itertools.product(groups, TASKS), strict=True):
        equal, *lines = axes.lines
        assert list(equal.get_ydata()) == [1, 1]
        mine = frame[(frame["group"] == group) & (frame["task"] == task)]
        drawn = {(len(line.get_xdata()), round(float(line.get_ydata()[0]), 9)) for line in lines}
        assert drawn == {
            (len(rows), round(float(rows.sort_values("distortion")["value"].iloc[0]), 9))
            for _, rows in mine.groupby("name")
        }
        low, high = axes.get_ylim()
        assert low < min(mine["low"].min(), 1) < max(mine["high"].max(), 1) < high
    ticks = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert {"−50 %", "0", "+100 %", "+400 %"} <= ticks


def test_a_way_has_one_colour_in_the_curves_and_beside_one_qp():
    results = soft_study()
    figures = selection_figures(results)
    colours = [
        {line.get_label(): line.get_color() for line in figures[f"{name}-net"].legends[0].get_lines()}
        for name in ("rate-curves", "relative-bytes")
    ]
    both = set(colours[0]) & set(colours[1])
    assert {"klt", "uniform", "uniform-step"} <= both
    assert all(colours[0][name] == colours[1][name] for name in both)
    assert colours[0]["soft (base 25 %, lossless)"] == colours[1]["soft 25 %"]


def test_figures_of_two_streams_say_whose_order_they_are_of_and_show_one_by_chance():
    results = soft_study()
    figures = selection_figures(results)
    for name in ("rate-curves-net", "relative-bytes-net"):
        legend = figures[name].legends[0]
        assert INFORMATION in legend.get_title().get_text()
        assert any("random" in text.get_text() for text in legend.get_texts())
        assert INFORMATION in caption_of(results, name)
    assert set(figures) <= set(figure_names(results))
    assert "uniform" in [way.label for way in ways_of(results)]


def test_soft_selection_without_mutual_information_is_drawn_by_the_measure_that_there_is():
    def norm(subject, seed):
        rows = two_streams(subject, seed)
        return [row | ({"measure": "l2-norm"} if row["measure"] == INFORMATION else {}) for row in rows]

    results = soft_study(norm)
    assert "soft 25 %" in set(relative_frame(results, "net")["name"])
    assert "ordered by l2-norm" in selection_caption("relative-bytes-net", results)
    title = selection_figures(results)["rate-curves-net"].legends[0].get_title().get_text()
    assert title == "soft and hard: channels ordered by l2-norm"


def test_captions_say_what_is_so_in_their_archive_only():
    name = "rate-curves-net"
    assert "klt" in selection_caption(name, soft_study())
    assert "klt" not in selection_caption(name, soft_study(rivals=["one-qp"]))
    assert "klt" not in selection_caption("relative-bytes-net", soft_study())  # its line turns up nowhere there
    assert "95 %" in selection_caption(name, soft_study())
    results = soft_study()
    results.study["specification"]["selection"]["seeds"] = 2  # six blocks: too few for an interval
    assert "95 %" not in selection_caption(name, results)
