"""Figures show what the archive holds, for any number of measures, optimisers and tasks, in the same bytes twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_archive import write_archive

from moo_fs.figures import CAPTIONS, figures_of
from moo_fs.figures.allocations import along_the_rate
from moo_fs.figures.fronts import rate_span
from moo_fs.figures.progress import draw_progress, grid_of
from moo_fs.figures.scenes import draw_scenes, ground_of, pixels_of
from moo_fs.figures.score_maps import draw_agreement
from moo_fs.figures.style import SETTINGS, WIDTH, legend_columns, save, styled
from moo_fs.fronts import non_dominated
from moo_fs.indicators import hypervolume
from moo_fs.results import load_results, union_on_search, values_of

MANY = (*(f"measure-{at}" for at in range(10)), "conditional-mutual-information")
WAYS = tuple(f"optimiser-{at}" for at in range(10))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_results(write_archive(tmp_path_factory.mktemp("figures") / "study", evaluations=25, channels=12))


@pytest.fixture(scope="module")
def figures(results):
    with styled():
        return figures_of(results)


def legend_of(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_every_figure_is_drawn_when_the_archive_has_its_data(figures):
    assert set(figures) == set(CAPTIONS)


def test_fronts_are_a_triangle_of_all_pairs_with_both_baselines(results, figures):
    panels = [axes for axes in figures["fronts"].axes if axes.axison]
    assert len(panels) == 6
    assert set(legend_of(figures["fronts"])) == {*results.optimisers, "uniform", "uniform-step"}
    rate, task = panels[0].lines[-1].get_data()
    steps = results.baselines[results.baselines["baseline"] == "uniform-step"].sort_values("rate_kbit_test")
    assert np.array_equal(rate, steps["rate_kbit_test"])
    assert np.array_equal(task, steps["segmentation_test"])


def test_a_curve_is_the_median_hypervolume_of_its_blocks(results, figures):
    panel = next(axes for axes in figures["hypervolume-by-measure"].axes if axes.get_title() == "l2-norm")
    at, values = panel.lines[results.optimisers.index("tpe")].get_data()
    mine = results.trials[(results.trials["measure"] == "l2-norm") & (results.trials["optimiser"] == "tpe")]
    point = 7
    of_blocks = [
        hypervolume(values_of(run, results.objectives)[: int(at[point])], results.reference)
        for _, run in mine.groupby("run")
    ]
    assert values[point] == pytest.approx(np.median(of_blocks) / np.prod(results.reference))
    assert at[-1] == grid_of(results)[-1] == 25


def test_fronts_show_the_union_of_the_search_part_also_where_the_test_part_dominates_it(results, figures):
    mine = results.fronts().query("optimiser == @results.optimisers[0]")
    union = union_on_search(mine, results.objectives)
    low, high = rate_span(results)
    shown = union[union["rate_kbit_test"].between(low, high)]
    rate, task = figures["fronts"].axes[0].lines[0].get_data()
    assert sorted(zip(rate, task, strict=True)) == sorted(
        zip(shown["rate_kbit_test"], shown["segmentation_test"], strict=True)
    )
    assert not non_dominated(values_of(shown, results.objectives, "test")).all()


def test_curves_start_at_the_scoring_cost(figures):
    figure = figures["hypervolume-by-measure"]
    starts = {axes.get_title(): axes.lines[0].get_xdata()[0] for axes in figure.axes}
    assert starts["sensitivity"] - starts["random"] == pytest.approx(12.5)
    assert {axes.get_xlabel() for axes in figure.axes} >= {"evaluations, with scoring"}


@pytest.mark.parametrize("kept", [4, 1])
def test_a_cell_that_ended_early_has_a_curve_up_to_its_end(results, kept):
    trials, summary = results.trials, results.hypervolumes()
    short = replace(
        results,
        trials=trials[(trials["optimiser"] != "tpe") | (trials["trial"] < kept)],
        stored_summary=summary.assign(evaluations=summary["evaluations"].where(summary["optimiser"] != "tpe", kept)),
    )
    with styled():
        figure = draw_progress(short)["hypervolume-by-measure"]
    panel = next(axes for axes in figure.axes if axes.get_title() == "l2-norm")
    curves = dict(zip(results.optimisers, panel.lines, strict=False))
    assert curves["tpe"].get_xdata()[-1] == kept
    assert curves["nsga2"].get_xdata()[-1] == 25
    assert panel.get_ylim()[0] <= curves["tpe"].get_ydata()[-1] <= panel.get_ylim()[1]


def test_allocations_rise_with_the_rate_and_lie_on_the_front(results, figures):
    chosen = along_the_rate(results)
    assert 2 <= len(chosen) <= 6
    assert chosen["rate_kbit_test"].is_monotonic_increasing
    picture = figures["allocations"].axes[0].images[0].get_array()
    assert picture.shape == (len(chosen), 12)
    sums = [int(np.frombuffer(bits, np.int8).sum()) for bits in chosen["bits"]]
    assert picture.sum(axis=1).tolist() == sums
    assert (np.diff(picture.mean(axis=0)) <= 1e-12).all()


def test_score_rows_are_divided_by_their_largest(figures):
    strips = [axes.images[0].get_array() for axes in figures["scores"].axes if axes.images]
    assert len(strips) == 4
    assert all(np.allclose(strip.max(axis=1), 1) and strip.min() >= 0 for strip in strips)
    assert [text.get_text() for text in figures["scores"].axes[0].get_yticklabels()][:1] == ["segmentation"]


def test_scenes_go_from_the_input_over_rising_rates_to_the_uncompressed_network(figures):
    titles = [axes.get_title() for axes in figures["scenes"].axes if axes.get_title()]
    assert titles[:2] == ["input", "target"]
    assert [title.split("\n")[-1] for title in titles[2:]] == ["2.9 kbit", "5.6 kbit", "11.1 kbit", "pressed"]


def test_the_ground_is_the_targets_most_frequent_class_but_the_ignored_one():
    rows = [("target", [7, 7, 2, 255, 255, 255]), ("uniform 1 bit", [2] * 6)]
    shape = {"kind": "classes", "height": 2, "width": 3, "channels": 1}
    pictures = pd.DataFrame([{"label": label, "pixels": bytes(row), **shape} for label, row in rows])
    assert ground_of(pictures) == 7
    assert ground_of(pictures[pictures["label"] != "target"]) == 2
    assert ground_of(pictures[pictures["kind"] == "values"]) == 0


def test_the_ground_is_light_in_the_scenes(figures):
    image = next(axes.images[0] for axes in figures["scenes"].axes if axes.get_title() == "target")
    values, counts = np.unique(image.get_array(), return_counts=True)
    colours = image.to_rgba(values)[:, :3]
    assert np.allclose(colours[counts.argmax()], 0.88)
    assert not np.allclose(colours[counts.argmin()], 0.88)


def test_labels_of_scenes_do_not_overlap_whatever_the_tasks_are_called(tmp_path):
    tasks = ("reconstruction", "segmentation_of_the_scene", "a_very_long_name_of_one_more_task", "depth")
    results = load_results(write_archive(tmp_path / "s", tasks=tasks, seeds=1, evaluations=5, channels=6))
    with styled():
        figure = draw_scenes(results)["scenes"]
        FigureCanvasAgg(figure).draw()
    boxes = [axes.yaxis.label.get_window_extent() for axes in figure.axes if axes.get_ylabel()]
    assert len(boxes) == 2 * len(tasks)
    assert not any(one.overlaps(other) for at, one in enumerate(boxes) for other in boxes[:at])
    pictures = [axes.get_window_extent() for axes in figure.axes if axes.images]
    assert not any(box.overlaps(picture) for box in boxes for picture in pictures)


def test_pixels_are_read_as_rows_of_colours(results):
    picture = results.examples[results.examples["output"] == "input"].iloc[0]
    values = pixels_of(picture)
    assert values.shape == (32, 32, 3)
    assert values[0, -1, 0] > 0.9 > 0.1 > values[0, 0, 0]  # red grows to the right in the synthetic scene


def test_text_is_readable_at_print_width(figures):
    assert {value for key, value in SETTINGS.items() if key.endswith("size")} == {9}
    for figure in figures.values():
        assert figure.get_figwidth() <= WIDTH
        assert figure.get_figheight() <= 9.7


def test_a_figure_is_the_same_bytes_twice_and_names_what_it_was_made_from(results, tmp_path):
    contents = []
    for name in ("one", "two"):
        with styled():
            paths = save(draw_agreement(results)["agreement"], tmp_path / name, "f00d", "Agreement")
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert all(b"f00d" in content and b"CreationDate" not in content for content in contents[0])


def ink_of(figure):
    """Dark pixels (row, column) at a coarse resolution."""
    figure.set_dpi(60)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].min(axis=2) < 128


@pytest.mark.parametrize(
    ("kind", "drawn"),
    [
        ({"measures": ("random",), "optimisers": ("nsga2",), "tasks": ("depth",), "seeds": 1, "steps": 0}, 5),
        ({"measures": ("l2-norm", "variance"), "optimisers": ("nsga2",), "tasks": ("segmentation", "depth")}, 8),
        ({"measures": MANY, "optimisers": WAYS, "seeds": 1, "tasks": ("segmentation", "depth", "a", "b")}, 8),
    ],
    ids=[
        "one of each, nothing scored, no step, no pictures",
        "two tasks",
        "eleven measures, ten optimisers, four tasks",
    ],
)
def test_any_size_of_study_is_drawn_with_ink_inside_the_page(tmp_path, kind, drawn):
    bare = len(kind["measures"]) == 1
    options = {"evaluations": 8, "channels": 10, "pictures": not bare, "scored": not bare, "metrics": not bare}
    results = load_results(write_archive(tmp_path / "study", **(options | kind)))
    with styled():
        figures = figures_of(results)
        assert len(figures) == drawn
        for name, figure in figures.items():
            ink = ink_of(figure)
            assert ink.any()
            edge = np.concatenate([ink[:, 0], ink[:, -1], ink[0], ink[-1]])
            assert not edge.any(), f"{name} runs off the page"


def test_a_legend_of_long_names_has_fewer_columns():
    assert legend_columns(["a", "b", "c"]) == 3
    assert legend_columns(["conditional-mutual-information"] * 9) == 2
    assert legend_columns(["x" * 200]) == 1
