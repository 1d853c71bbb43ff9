"""Selection figures show their frames: every curve, band and cell, in colours that several figures share."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from moo_fs.contracts import MooFsError
from moo_fs.figures.drawn import data_hash
from moo_fs.figures.selection import CAPTIONS, COLOURS, draw_rate_curves, draw_share_over_rate
from moo_fs.figures.style import save_all, styled
from moo_fs.figures.ternary import CAPTIONS as MAPS
from moo_fs.figures.ternary import draw_ternary
from moo_fs.weight_shares import cells_of

TASKS = ("segmentation", "depth", "reconstruction")
NAMES = ("mutual-information", "l1-norm", "random")
SIZES = (500.0, 2000.0, 8000.0)


@pytest.fixture(autouse=True)
def _style():
    with styled():
        yield


def curves_frame(names=NAMES, tasks=TASKS):
    rows = [
        {"name": name, "task": task, "coded_bytes": size, "value": 0.9 / (1 + at + step)}
        | (
            {"low": 0.8 / (1 + at + step), "high": 1.0 / (1 + at + step)}
            if at == 0
            else {"low": np.nan, "high": np.nan}
        )
        for (at, name), task, (step, size) in itertools.product(enumerate(names), tasks, enumerate(SIZES))
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=3)  # rows may come in any order


def shares_frame(subjects=("camvid", "fashion-scenes")):
    ways = ("loss span", "relative")
    rows = [
        {"subject": subject, "normalisation": way, "coded_bytes": size, "measure": name}
        | {"share": 0.6 - 0.2 * at, "low": 0.55 - 0.2 * at, "high": 0.65 - 0.2 * at}
        for subject, way, size, (at, name) in itertools.product(subjects, ways, SIZES, enumerate(NAMES))
    ]
    return pd.DataFrame(rows)


def cells_frame(tasks=TASKS, sizes=SIZES):
    rng = np.random.default_rng(2)
    rows = [
        {"normalisation": way, "coded_bytes": size} | row
        for way, size in itertools.product(("loss span", "relative"), sizes)
        for row in cells_of(rng.random((len(NAMES), len(tasks))), NAMES, tasks)
    ]
    return pd.DataFrame(rows)


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def panels_of(figure):
    return [axes for axes in figure.axes if axes.axison]


def test_a_panel_a_task_has_a_line_a_name_in_the_order_of_its_bytes_in_kilobytes():
    figure = draw_rate_curves(curves_frame(), TASKS, names=NAMES)["rate-curves"]
    panels = panels_of(figure)
    assert [axes.get_title() for axes in panels] == list(TASKS)
    assert legend_of(figure) == list(NAMES)
    for axes in panels:
        assert len(axes.lines) == 3
        for at, line in enumerate(axes.lines):
            assert line.get_xdata().tolist() == [0.5, 2, 8]
            assert line.get_ydata() == pytest.approx([0.9 / (1 + at + step) for step in range(3)])


def test_only_names_with_ends_have_a_band():
    axes = panels_of(draw_rate_curves(curves_frame(), TASKS, names=NAMES)["rate-curves"])[0]
    (band,) = axes.collections
    heights = set(band.get_paths()[0].vertices[:, 1].round(9))
    assert heights == {round(side / step, 9) for side in (0.8, 1.0) for step in (1, 2, 3)}


def test_nulls_are_grey_dashed_and_thinner_and_the_emphasised_is_thickest():
    figure = draw_rate_curves(curves_frame(), TASKS, names=NAMES, nulls=["random"], emphasised=NAMES[0])["rate-curves"]
    thick, plain, null = panels_of(figure)[0].lines
    assert thick.get_linewidth() > plain.get_linewidth() > null.get_linewidth()
    assert len(set(to_rgb(null.get_color()))) == 1
    assert null.get_linestyle() != "-"
    assert all(len(set(colour)) > 1 for colour in COLOURS)


def test_the_first_ten_lines_have_ten_colours_whatever_nulls_stand_between_and_nulls_differ_too():
    nulls = ("random", "shuffled", "uniform", "uniform-step")
    names = [*nulls[:2], *(f"measure-{at}" for at in range(10)), *nulls[2:]]
    axes = panels_of(draw_rate_curves(curves_frame(names), TASKS, names=names, nulls=nulls)["rate-curves"])[0]
    looks = {name: (line.get_color(), line._dash_pattern) for name, line in zip(names, axes.lines, strict=True)}
    assert len({colour for name, (colour, _) in looks.items() if name not in nulls}) == 10
    assert len({str(looks[name]) for name in nulls}) == 4


def test_a_line_below_zero_stays_in_the_panel_and_zero_is_marked():
    frame = curves_frame()
    frame.loc[(frame["name"] == "l1-norm") & (frame["coded_bytes"] == SIZES[-1]), "value"] = -0.02
    axes = panels_of(draw_rate_curves(frame, TASKS, names=NAMES)["rate-curves"])[0]
    assert axes.get_ylim()[0] < -0.02
    assert [0, 0] in [list(line.get_ydata()) for line in axes.lines]
    assert "-0.01" in [label.get_text() for label in axes.get_yticklabels()]
    above = panels_of(draw_rate_curves(curves_frame(), TASKS, names=NAMES)["rate-curves"])[0]
    assert above.get_ylim()[0] == pytest.approx(-0.0005)


def test_colours_follow_the_given_names_whatever_is_present():
    both = draw_rate_curves(curves_frame(), TASKS, names=NAMES)["rate-curves"]
    one = draw_rate_curves(curves_frame(NAMES[1:2]), TASKS, names=NAMES)["rate-curves"]
    assert panels_of(one)[0].lines[0].get_color() == panels_of(both)[0].lines[1].get_color()
    assert legend_of(one) == ["l1-norm"]
    more = draw_rate_curves(curves_frame(), TASKS, names=NAMES[1:])["rate-curves"]
    assert legend_of(more) == ["l1-norm", "random", "mutual-information"]


def test_a_name_with_one_point_is_a_black_marker():
    png = pd.DataFrame({"name": "png", "task": TASKS, "coded_bytes": 3000.0, "value": 0.1, "low": np.nan})
    figure = draw_rate_curves(pd.concat([curves_frame(), png]), TASKS)["rate-curves"]
    line = next(line for line in panels_of(figure)[1].lines if len(line.get_xdata()) == 1)
    assert (line.get_marker(), line.get_linestyle(), line.get_color()) == ("D", "None", "black")
    assert (line.get_xdata()[0], line.get_ydata()[0]) == (3, 0.1)


def test_natural_units_give_every_panel_its_own_labelled_axis():
    labels = {"segmentation": "mIoU", "depth": "RMSE (m)", "reconstruction": "PSNR (dB)"}
    panels = panels_of(draw_rate_curves(curves_frame(), TASKS, labels=labels)["rate-curves"])
    assert [axes.get_ylabel() for axes in panels] == ["mIoU", "RMSE (m)", "PSNR (dB)"]
    shared = panels_of(draw_rate_curves(curves_frame(), TASKS)["rate-curves"])
    assert [axes.get_ylabel() for axes in shared] == ["distortion", "", ""]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_tasks_fits(count):
    tasks = [f"task_{at}" for at in range(count)]
    figure = draw_rate_curves(curves_frame(tasks=tasks), tasks)["rate-curves"]
    assert [axes.get_title() for axes in panels_of(figure)] == tasks


def test_shares_have_a_row_a_subject_a_column_a_normalisation_and_a_bar_at_one_half():
    figure = draw_share_over_rate(shares_frame(), names=NAMES)["weight-shares"]
    panels = panels_of(figure)
    assert [axes.get_title() for axes in panels] == [
        "camvid: loss span",
        "camvid: relative",
        "fashion-scenes: loss span",
        "fashion-scenes: relative",
    ]
    bar, *lines = panels[2].lines
    assert list(bar.get_ydata()) == [0.5, 0.5]
    assert [line.get_ydata()[0] for line in lines] == pytest.approx([0.6, 0.4, 0.2])
    assert len(panels[2].collections) == 3


def test_a_map_is_filled_by_its_cells_whose_areas_are_their_shares():
    cells = cells_frame()
    figure = draw_ternary(cells, TASKS, names=NAMES)["weight-maps"]
    assert len(figure.axes) == 6
    for axes, (way, size) in zip(figure.axes, itertools.product(("loss span", "relative"), SIZES), strict=True):
        mine = cells[(cells["normalisation"] == way) & (cells["coded_bytes"] == size)]
        shares = mine.groupby("measure", sort=False)["share"].first()
        *drawn, _ = axes.patches
        areas = [area_of(patch.get_xy()[:-1]) / np.sqrt(0.1875) for patch in drawn]
        assert areas == pytest.approx(shares.tolist(), abs=1e-9)
        assert sum(areas) == pytest.approx(1)
        assert [text.get_text() for text in axes.texts][-3:] == list(TASKS)


def area_of(vertices):
    x, y = vertices.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_a_corner_is_where_its_task_counts_alone():
    """The one measure that is best at the last task has the top corner."""
    rows = cells_of([[0.0, 0, 1], [1, 1, 0]], ["low", "top"], TASKS)
    frame = pd.DataFrame(rows).assign(normalisation="relative", coded_bytes=1000.0)
    (axes,) = draw_ternary(frame, TASKS)["weight-maps"].axes
    heights = [patch.get_xy()[:, 1].max() for patch in axes.patches]
    assert heights[1] == pytest.approx(np.sqrt(0.75))
    assert heights[0] < heights[1]
    words = {text.get_text(): text.get_position() for text in axes.texts}
    assert words["reconstruction"][1] > 0.8
    assert words["segmentation"][0] < words["depth"][0]


def test_shares_are_written_only_where_there_is_room():
    """A corner cut in the middle of both edges is a quarter of the map; cut at 1/21 of them there is no room."""
    rows = cells_of([[0.0, 0, 0], [1, 1, -1]], ["most", "corner"], TASKS)
    frame = pd.DataFrame(rows).assign(normalisation="relative", coded_bytes=1000.0)
    (axes,) = draw_ternary(frame, TASKS)["weight-maps"].axes
    written = [text.get_text() for text in axes.texts if "%" in text.get_text()]
    assert written == ["75 %", "25 %"]
    rows = cells_of([[0.0, 0, 0], [1, 1, -0.05]], ["most", "corner"], TASKS)
    frame = pd.DataFrame(rows).assign(normalisation="relative", coded_bytes=1000.0)
    (axes,) = draw_ternary(frame, TASKS)["weight-maps"].axes
    assert [text.get_text() for text in axes.texts if "%" in text.get_text()] == ["100 %"]


def test_a_number_on_hatching_stands_on_plain_colour():
    """After ten measures colours come round again, with hatching."""
    names = [f"measure-{at}" for at in range(11)]
    rows = cells_of([[0.0, 0, 0], [1, 1, -1]], [names[0], names[10]], TASKS)
    frame = pd.DataFrame(rows).assign(normalisation="relative", coded_bytes=1000.0)
    (axes,) = draw_ternary(frame, TASKS, names=names)["weight-maps"].axes
    plain, hatched = axes.patches[:2]
    boxes = {text.get_text(): text.get_bbox_patch() for text in axes.texts}
    assert not plain.get_hatch()
    assert boxes["75 %"] is None
    assert hatched.get_hatch()
    assert boxes["25 %"].get_facecolor() == hatched.get_facecolor()


def test_two_tasks_are_bars_as_long_as_their_shares():
    cells = cells_frame(TASKS[:2], SIZES[:1])
    for axes in draw_ternary(cells, TASKS[:2], names=NAMES)["weight-maps"].axes:
        *drawn, whole = [np.ptp(patch.get_xy()[:, 0]) for patch in axes.patches]
        assert sum(drawn) == pytest.approx(1)
        assert whole == 1
        assert all(np.ptp(patch.get_xy()[:, 1]) > 0.1 for patch in axes.patches)
    assert "reconstruction" not in {text.get_text() for text in axes.texts}


def test_maps_and_curves_share_their_colours_and_nulls_are_grey():
    figure = draw_ternary(cells_frame(), TASKS, names=NAMES, nulls=["random"])["weight-maps"]
    (legend,) = figure.legends
    colours = dict(zip(legend_of(figure), [patch.get_facecolor()[:3] for patch in legend.get_patches()], strict=True))
    line = panels_of(draw_rate_curves(curves_frame(), TASKS, names=NAMES)["rate-curves"])[0].lines[1]
    assert colours["l1-norm"] == pytest.approx(to_rgb(line.get_color()))
    assert len(set(colours["random"])) == 1


def test_maps_refuse_what_they_cannot_show():
    cells = cells_frame()
    with pytest.raises(MooFsError, match="two or three tasks, got 4"):
        draw_ternary(cells, ["a", "b", "c", "d"])
    with pytest.raises(MooFsError, match="at most 4 rates, got 5"):
        draw_ternary(cells_frame(sizes=(1.0, 2.0, 3.0, 4.0, 5.0)), TASKS)


def test_empty_frames_give_no_figure():
    assert draw_rate_curves(curves_frame().iloc[:0], TASKS) == {}
    assert draw_share_over_rate(shares_frame().iloc[:0]) == {}
    assert draw_ternary(cells_frame().iloc[:0], TASKS) == {}


def test_every_figure_has_a_caption_and_shows_the_same_twice():
    def drawn():
        figures = draw_rate_curves(curves_frame(), TASKS) | draw_share_over_rate(shares_frame())
        return figures | draw_ternary(cells_frame(), TASKS)

    once, again = drawn(), drawn()
    assert set(once) == {*CAPTIONS, *MAPS}
    assert [data_hash(figure) for figure in once.values()] == [data_hash(figure) for figure in again.values()]


def test_a_map_is_written_in_the_same_bytes_twice(tmp_path):
    written = []
    for folder in ("once", "again"):
        figure = draw_ternary(cells_frame(sizes=SIZES[:1]), TASKS)
        written.append([path.read_bytes() for path in save_all(figure, MAPS, tmp_path / folder, "hash")])
    assert written[0] == written[1]


def test_the_data_hash_sees_a_moved_point_and_a_moved_cell():
    curves, cells = curves_frame(), cells_frame()
    before = [
        data_hash(draw_rate_curves(curves, TASKS)["rate-curves"]),
        data_hash(draw_ternary(cells, TASKS)["weight-maps"]),
    ]
    curves.iloc[0, curves.columns.get_loc("value")] += 0.01
    cells.iloc[0, cells.columns.get_loc("weight_depth")] += 0.01
    after = [
        data_hash(draw_rate_curves(curves, TASKS)["rate-curves"]),
        data_hash(draw_ternary(cells, TASKS)["weight-maps"]),
    ]
    assert before[0] != after[0]
    assert before[1] != after[1]
