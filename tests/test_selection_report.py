"""The report of a selection study, also of the smallest one: nothing in it stops at what a study has not."""

from __future__ import annotations

import shutil

import pytest
from small_selection import TASKS

from moo_fs.selection_archive import load_selection
from moo_fs.selection_report import selection_page, write_selection_report
from moo_fs.tables.selection import selection_tables


@pytest.fixture(scope="module")
def written(selected, tmp_path_factory):
    """The small study's archive with its report: one base, one QP, no mutual information."""
    folder = shutil.copytree(selected[0] / "results" / "small", tmp_path_factory.mktemp("reported") / "small")
    return folder, write_selection_report(folder)


def test_a_study_of_one_base_without_mutual_information_has_a_report(written):
    folder, paths = written
    names = {path.relative_to(folder / "report").as_posix() for path in paths}
    assert {"index.md", "hashes.json", "tables/hard-net.md", "tables/delta-net.csv", "tables/ledger-net.md"} <= names
    page = (folder / "report/index.md").read_text()
    assert "| soft (base 50 %, lossless), l2-norm |" in page
    for task in TASKS:
        assert f"{task}, own" in page


def test_what_a_study_took_is_told_where_its_archive_says_it(written):
    results = load_selection(written[0])
    tables = selection_tables(results)
    pieces = [{"title": "net: ends", "seconds": 30.0}, {"title": "net: l2-norm, block 0", "seconds": 5370.0}]
    results.study["pieces"] = pieces
    page = selection_page(results, tables, [])
    assert "It took 90 min of computing, 2 pieces one after the other; the longest, 90 min, was net: l2-norm" in page
    del results.study["pieces"]
    assert "It took" not in selection_page(results, tables, [])
