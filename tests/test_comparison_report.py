"""A comparison's tables, figures and page say what its archive holds, in the same bytes twice."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from synthetic_comparison import MEASURES, WAYS, planted, write_synthetic

from moo_fs.comparison_archive import load_comparison
from moo_fs.comparison_report import comparison_page, findings, write_comparison_report
from moo_fs.contracts import MooFsError
from moo_fs.contrasts import Roles, mean_ranks, pairs_of, planned_contrasts
from moo_fs.figures.comparison import baseline_corners, comparison_figures
from moo_fs.figures.style import styled
from moo_fs.indicators import normalised_hypervolume
from moo_fs.results import values_of
from moo_fs.tables.comparison import comparison_tables
from moo_fs.tables.rendering import share, signed

STEPS = dict(zip(MEASURES, (0.0, 0.0, -0.05, 0.03, 0.06), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("comparisons") / "03_compare")


@pytest.fixture(scope="module")
def comparison(folder):
    return planted(load_comparison(folder), STEPS)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    options = {"networks": 1, "seeds": 3, "measures": (*MEASURES[:2], "mine")}
    found = load_comparison(write_synthetic(tmp_path_factory.mktemp("few") / "few", **options))
    return planted(found, {"random": 0, "shuffled-mutual-information": 0, "mine": 0.05}, own=["mine"])


@pytest.fixture(scope="module")
def tables(comparison):
    return comparison_tables(comparison)


def test_there_is_a_table_of_measures_one_of_networks_and_one_of_contrasts_a_way(tables):
    assert list(tables) == ["compare", "contrasts", "contrasts-nsga2", "compare-networks"]


def test_measures_stand_by_their_mean_rank_with_median_corners_of_every_way(comparison, tables):
    rows = tables["compare"].rows
    assert [row[0] for row in rows] == list(mean_ranks(pairs_of(comparison.summary, "sweep")).index)
    for row in rows:
        for at, way in enumerate(WAYS):
            pairs = pairs_of(comparison.summary, way)
            assert row[2 + 2 * at].lstrip("†‡") == share(pairs[row[0]].median())
            assert row[3 + 2 * at] == f"{mean_ranks(pairs)[row[0]]:.1f}"


def test_marks_say_what_differs_from_random_after_holm(tables):
    marks = {row[0]: re.sub(r"[\d.]", "", row[2]) for row in tables["compare"].rows}
    assert marks == dict.fromkeys(MEASURES[:2], "") | {"sensitivity": "†", "mutual-information": "†", "l1-norm": "‡"}


def test_baselines_are_named_and_the_best_measure_but_they_is_bold(tables):
    table = tables["compare"]
    roles = {row[0]: row[1] for row in table.rows}
    assert roles["sensitivity"] == "upper"
    assert roles["random"] == roles["shuffled-mutual-information"] == "null"
    best = [row[0] for row in table.rows].index("mutual-information")
    assert table.bold == {(best, 2), (best, 4)}


def test_a_contrast_row_is_the_planned_contrast(comparison, tables):
    found = planned_contrasts(comparison.summary, "nsga2", Roles.of(comparison.about))
    mine = found[(found["measure"] == "mutual-information") & (found["against"] == "random")].iloc[0]
    row = next(row for row in tables["contrasts-nsga2"].rows if row[:2] == ("mutual-information", "random"))
    assert row[2] == signed(mine["median_difference"])
    assert row[3] == f"{signed(mine['low'])} to {signed(mine['high'])}"
    assert row[5:] == (f"{mine['a12']:.2f}", "2 of 2")


def test_the_csv_of_contrasts_has_every_way_and_that_of_measures_the_hypervolumes(comparison, tables):
    read = pd.read_csv(io.StringIO(tables["contrasts"].csv()))
    assert read["way"].unique().tolist() == list(WAYS)
    assert len(tables["contrasts"].rows) * 2 == len(read)
    measures = pd.read_csv(io.StringIO(tables["compare"].csv())).set_index("measure")
    truth = pairs_of(comparison.summary, "nsga2", "hypervolume_test").median()
    assert measures["nsga2_hypervolume_median"].to_dict() == pytest.approx(truth.to_dict(), rel=1e-4)


def test_networks_have_medians_of_their_own(comparison, tables):
    summary = comparison.summary
    mine = summary[(summary["network"] == "1") & (summary["optimiser"] == "sweep") & (summary["measure"] == "l1-norm")]
    rows = {row[:2]: row for row in tables["compare-networks"].rows}
    assert rows["sweep", "l1-norm"][5] == share(mine["corner_test"].median())


def test_scores_are_charged_although_the_first_way_might_not_read_them(comparison, tables):
    costs = {row[0]: row[-2] for row in tables["compare"].rows}
    assert costs == dict.fromkeys(MEASURES, "0") | {"sensitivity": "12.5"}


def test_scores_are_charged_for_their_head_passes_in_every_pair_the_users_own_too(few):
    passes = {"random": [0, 0, 0], "mine": [50, 150, 100]}
    frames = [pd.DataFrame({"measure": name, "seed": range(3), "head_passes": passes[name]}) for name in passes]
    theirs, mine = (replace(few.networks["0"], scores=frame) for frame in frames)
    rows = comparison_tables(replace(few, networks={"0": theirs}, own={"0": (mine,)}))["compare"].rows
    assert {row[0]: row[-3] for row in rows} == {"mine": "100", "random": "0", "shuffled-mutual-information": "–"}


def test_a_measure_that_ends_below_the_budget_is_named_with_its_evaluations(comparison, tables):
    assert "Short of the budget" not in tables["compare"].note
    summary = comparison.summary.copy()
    mine = summary.index[(summary["measure"] == "l1-norm") & (summary["optimiser"] == "sweep")]
    summary.loc[mine, "evaluations"], summary.loc[mine[0], "evaluations"] = 4, 3
    changed = replace(comparison, summary=summary)
    assert "Short of the budget of 6 evaluations: l1-norm (sweep 3–4)." in comparison_tables(changed)["compare"].note


def test_latex_has_as_many_cells_in_every_row_as_columns(tables):
    for table in tables.values():
        text = table.tex("abc")
        columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text).group(1)
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len(rows) == len(table.rows) + 1
        assert {len(re.split(r"(?<!\\)&", line)) for line in rows} == {len(columns)}
        assert text.isascii()
        assert text.count("{") == text.count("}")


def test_below_twelve_pairs_nothing_is_tested_anywhere(few):
    tables = comparison_tables(few)
    for name, table in tables.items():
        assert not re.search(r"[†‡<]", table.markdown_rows()), name
        assert name.startswith("compare") or {row[4] for row in table.rows} == {"–"}
    with styled():
        assert set(comparison_figures(few)) == {"comparison"}
    said = findings(few)
    assert "p =" not in said
    assert "p <" not in said
    assert "above `random` in every pair: `mine`. No test: fewer than 12 pairs" in said


def test_findings_name_the_best_and_those_that_beat_random(comparison):
    said = findings(comparison)
    assert "`sweep`: best, baselines aside, is `mutual-information`" in said
    assert (
        "better than `random` after Holm at 5 %: `sensitivity`, `mutual-information`; worse: `l1-norm`; "
        "not told apart: `shuffled-mutual-information`." in said.replace("`random`, ", "")
    )
    assert "12 pairs (2 networks × 6 blocks)" in said


def test_a_users_own_measure_has_its_sentence_and_its_role(few):
    assert "`nsga2`: your `mine` has mean rank 1.0 of 3" in findings(few)
    assert comparison_tables(few)["compare"].rows[0][1] == "own"


def test_without_an_upper_baseline_none_is_named(few):
    changed = replace(few, about=few.about | {"upper": None})
    page = comparison_page(changed, comparison_tables(changed), [])
    assert not re.search("upper baseline:|None", page)


def test_the_picture_has_a_panel_a_way_and_a_marker_a_pair(comparison):
    with styled():
        figure = comparison_figures(comparison)["comparison"]
    assert [axes.get_title() for axes in figure.axes] == list(WAYS)
    panel = figure.axes[1]
    pairs = pairs_of(comparison.summary, "nsga2")
    shown = [value for line in panel.lines if line.get_marker() in "o^" for value in line.get_xdata()]
    assert sorted(shown) == sorted(pairs.to_numpy().ravel())
    medians = {line.get_xdata()[0] for line in panel.lines if line.get_linewidth() == 1.8}
    assert medians == set(pairs.median())


def test_a_baselines_corner_is_that_of_its_own_points(comparison):
    found = baseline_corners(comparison)
    truths = []
    for results in comparison.networks.values():
        points = values_of(results.baseline_sets()["uniform-step"], results.objectives, "test")
        truths.append(normalised_hypervolume(points, results.corner))
    assert found["uniform-step"] == pytest.approx(np.median(truths))
    assert set(found) == {"uniform", "uniform-step"}


def test_the_critical_difference_picture_names_every_measure_with_its_rank(comparison):
    with styled():
        figure = comparison_figures(comparison)["critical-difference"]
    for axes, way in zip(figure.axes, WAYS, strict=True):
        texts = " ".join(text.get_text() for text in axes.texts)
        ranks = mean_ranks(pairs_of(comparison.summary, way))
        assert all(name in texts and f"({rank:.1f})" in texts for name, rank in ranks.items())
        assert axes.get_title("left").startswith(way)
        bars = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2.2]
        assert len(bars) > 2
        assert all(np.array_equal(bar, np.sort(bar)) for bar in bars)  # a set's order is another in every process


@pytest.mark.parametrize("own", [[], ["an-importance-measure-with-a-long-name-of-the-users"]])
def test_pictures_keep_their_ink_inside_the_page(comparison, own):
    summary = comparison.summary.replace({"measure": {"l1-norm": own[0]}}) if own else comparison.summary
    changed = type(comparison)(comparison.folder, comparison.about | {"own": own}, summary, comparison.networks)
    with styled():
        for name, figure in comparison_figures(changed).items():
            figure.set_dpi(60)
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            ink = np.asarray(canvas.buffer_rgba())[..., :3].min(axis=2) < 128
            assert ink.any()
            assert not np.concatenate([ink[:, 0], ink[:, -1], ink[0], ink[-1]]).any(), f"{name} runs off the page"


def test_a_report_is_the_same_bytes_twice_and_links_to_what_it_wrote(folder):
    written = write_comparison_report(folder)
    first = {path: path.read_bytes() for path in written}
    (folder / "report" / "tables" / "stale.md").write_text("old")
    assert write_comparison_report(folder) == written
    assert {path: path.read_bytes() for path in written} == first
    assert not (folder / "report" / "tables" / "stale.md").exists()
    report = folder / "report"
    links = re.findall(r"\]\(([^)]+)\)", (report / "index.md").read_text())
    assert len(links) == 4
    assert all((report / link).is_file() for link in links)
    hashes = json.loads((report / "hashes.json").read_text())
    assert hashes["made_from"] == load_comparison(folder).archive_hash
    assert set(hashes["report"]) == {path.relative_to(report).as_posix() for path in written} - {"hashes.json"}
    for name, digest in hashes["report"].items():
        assert hashlib.sha256((report / name).read_bytes()).hexdigest() == digest


def test_the_page_holds_question_findings_and_every_table(comparison, tables):
    page = comparison_page(comparison, tables, ["comparison"])
    assert "Which one?" in page
    assert all(table.title in page for table in tables.values())
    assert findings(comparison) in page


def test_a_folder_without_a_comparison_is_refused_and_left_alone(tmp_path):
    with pytest.raises(MooFsError, match="no comparison there"):
        write_comparison_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
