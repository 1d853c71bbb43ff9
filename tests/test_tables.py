"""Tables say what the archive holds, in three forms, with the hash of what they were made from."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace

import pandas as pd
import pytest
from synthetic_archive import write_archive

from moo_fs.contracts import MooFsError
from moo_fs.indicators import normalised_hypervolume
from moo_fs.report import page_of, write_report
from moo_fs.results import load_results, union_on_search, values_of
from moo_fs.tables import Table, number, tables_of, write_tables
from moo_fs.worth import at_half_rate

NAMES = {"hypervolume", "uncompressed", "baselines", "worth", "sensitivities", "costs", "fronts"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return load_results(write_archive(tmp_path_factory.mktemp("tables") / "study", evaluations=30))


@pytest.fixture(scope="module")
def tables(results):
    return tables_of(results)


def test_every_table_is_there_when_the_archive_has_its_data(tables):
    assert set(tables) == NAMES


def test_tables_without_data_are_left_out(tmp_path):
    folder = write_archive(tmp_path / "s", seeds=1, evaluations=10, steps=0, scored=False, metrics=False)
    assert set(tables_of(load_results(folder))) == {"hypervolume", "baselines", "costs", "fronts"}


def test_a_hypervolume_row_is_the_median_and_range_over_blocks(results, tables):
    summary = results.hypervolumes()
    mine = summary[(summary["measure"] == "l2-norm") & (summary["optimiser"] == "tpe")]["hypervolume_test"]
    row = next(row for row in tables["hypervolume"].rows if row[:2] == ("tpe", "l2-norm"))
    assert row[2] == number(mine.median())
    assert row[3] == f"{number(mine.min())}–{number(mine.max())}"


def test_baselines_stand_in_the_hypervolume_table_by_their_own_points(results, tables):
    row = next(row for row in tables["hypervolume"].rows if row[0] == "baseline uniform-step")
    points = results.baselines[results.baselines["baseline"] == "uniform-step"]
    truth = normalised_hypervolume(values_of(points, results.objectives, "test"), results.reference)
    assert row[2] == number(truth)
    assert tables["hypervolume"].rows[-2][0] == "baseline uniform"


def test_the_best_of_a_column_and_nothing_else_is_bold(tables):
    table = tables["hypervolume"]
    for column, name in ((2, "hypervolume_test_median"), (4, "corner_test_median")):
        bold = [at for at, where in table.bold if where == column]
        assert bold == [table.data[name].idxmax()]
    assert table.markdown("x").count("**") == 4
    assert table.tex("x").count(r"\textbf{") == 2


@pytest.mark.parametrize(("seeds", "said"), [(3, True), (12, False)])
def test_fewer_than_twelve_blocks_are_never_called_a_test(tmp_path, seeds, said):
    folder = write_archive(tmp_path / "s", measures=("random",), seeds=seeds, evaluations=5, pictures=False)
    note = tables_of(load_results(folder))["hypervolume"].note
    assert note.startswith(f"{seeds} blocks: medians and ranges")
    assert ("no test" in note) is said


def test_the_csv_holds_the_numbers_that_the_text_shows(tables):
    for name in NAMES - {"fronts"}:
        table = tables[name]
        read = pd.read_csv(io.StringIO(table.csv()), keep_default_na=False)
        assert len(read) >= len(table.rows)
    read = pd.read_csv(io.StringIO(tables["hypervolume"].csv()))
    assert [number(value) for value in read["hypervolume_test_median"]] == [
        row[2] for row in tables["hypervolume"].rows
    ]


def test_the_fronts_as_csv_hold_every_allocation_as_digits(results, tables):
    read = pd.read_csv(io.StringIO(tables["fronts"].csv()), dtype={"bits": str})
    together = union_on_search(results.fronts(), results.objectives)
    assert read["bits"].str.len().unique().tolist() == [24]
    assert bytes(int(digit) for digit in read["bits"][5]) == together["bits"][5]
    assert 5 < len(read) == len(together) < len(results.fronts())


def test_the_worth_table_says_whether_what_is_wanted_holds(results, tables):
    worth, table = at_half_rate(results), tables["worth"]
    assert [row[3] for row in table.rows] == [number(value) for value in [*worth.ratios, worth.mean]]
    assert [row[5] for row in table.rows] == ["yes" if r <= 0.9 else "no" for r in worth.ratios] + [
        "yes" if worth.mean <= 0.75 else "no"
    ]
    assert table.note.endswith("holds." if worth.holds else "does not hold.")


def test_costs_charge_scores_that_run_the_heads(tables):
    costs = {row[:2]: row for row in tables["costs"].rows}
    assert costs["nsga2", "sensitivity"][4] == "12.5"
    assert costs["nsga2", "random"][4] == "0"


def test_cells_are_in_the_studys_order_when_a_measure_and_an_optimiser_share_a_name(tmp_path):
    ways, names = ("random", "nsga2"), ("l2-norm", "random", "depth")
    folder = write_archive(tmp_path / "s", measures=names, optimisers=ways, seeds=1, evaluations=5, pictures=False)
    costs = tables_of(load_results(folder))["costs"]
    assert [row[:2] for row in costs.rows] == [(way, name) for way in ways for name in names]


def test_a_metric_that_is_not_a_number_is_a_dash(results):
    study = results.study | {"uncompressed": {"depth": {"rmse": 0.1, "relative_error": None}}}
    table = tables_of(replace(results, study=study))["uncompressed"]
    assert table.rows == (("depth", "RMSE", "0.100"), ("depth", "relative error", "–"))
    assert table.csv().splitlines()[2] == "depth,relative_error,"


def test_latex_is_escaped_and_balanced():
    data = pd.DataFrame({"a": [1.0]})
    table = Table("t", "50 % & more", ("task_name", "x"), (("my_task & co", "1.0–2.0"),), data, note="100 % #1 {~^} \\")
    text = table.tex("abc")
    assert r"my\_task \& co & 1.0--2.0 \\" in text
    assert r"task\_name" in text
    assert r"100 \% \#1 \{\textasciitilde{}\textasciicircum{}\} \textbackslash{}" in text
    assert text.startswith("% ")
    assert "% made from abc" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert r"\begin{tabular}{lr}" in text


def test_markdown_rows_have_as_many_cells_as_the_header(tables):
    for table in tables.values():
        if table.header:
            lines = [line for line in table.markdown("x").splitlines() if line.startswith("|")]
            assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {len(table.header) + 2}


def test_each_form_of_a_table_carries_what_it_was_made_from(tables, tmp_path):
    written = write_tables(tables, tmp_path, "f00d")
    assert len(written) == 3 * len(NAMES) - 2
    assert all("f00d" in path.read_text() for path in written if path.suffix != ".csv")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9996, "1.00"), (99.96, "100"), (1234.5, "1230"), (-0.5, "-0.500"), (1e-7, "1.00e-07"), (None, "–")],
)
def test_numbers_have_three_significant_digits(value, text):
    assert number(value) == text


def test_a_report_is_the_same_bytes_twice_and_embeds_what_it_wrote(tmp_path):
    folder = write_archive(tmp_path / "study", measures=("l2-norm", "sensitivity"), seeds=2, evaluations=12, channels=8)
    written = write_report(folder)
    first = {path: path.read_bytes() for path in written}
    (folder / "report" / "figures" / "stale.png").write_bytes(b"old")
    assert write_report(folder) == written
    assert {path: path.read_bytes() for path in written} == first
    assert not (folder / "report" / "figures" / "stale.png").exists()
    _check_page(folder)


def _check_page(folder):
    report = folder / "report"
    page = (report / "index.md").read_text()
    results = load_results(folder)
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert len(links) > 10
    assert all((report / link).is_file() for link in links)
    assert results.study["question"] in page
    assert "2 blocks are too few for a test" in page
    hashes = json.loads((report / "hashes.json").read_text())
    assert hashes["made_from"] == results.archive_hash
    for name, digest in hashes["report"].items():
        assert hashlib.sha256((report / name).read_bytes()).hexdigest() == digest


def test_the_page_counts_cells_above_a_baseline_in_every_block(results, tables):
    page = page_of(results, tables, [])
    summary = results.hypervolumes()
    level = tables["hypervolume"].data["hypervolume_test_median"].iloc[-1]
    lowest = summary.groupby(["measure", "optimiser"])["hypervolume_test"].min()
    assert f"{(lowest > level).sum()} of {len(lowest)} cells lie above it in every block" in page


def test_a_report_without_an_archive_writes_nothing(tmp_path):
    with pytest.raises(MooFsError):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
