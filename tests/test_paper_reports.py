"""Reports of archives: their hashes, their recomputation, and what a figure's hash of data holds."""

import hashlib
import re

import pytest
from paper_project import write_project

from moo_fs.comparison_archive import load_comparison
from moo_fs.comparison_report import comparison_page
from moo_fs.figures.drawn import data_hash, data_of, figure_of
from moo_fs.figures.style import save_all, styled
from moo_fs.paper.kinds import open_archive
from moo_fs.paper.reports import recomputed_faults, report_faults
from moo_fs.report import page_of, seal
from moo_fs.results import load_results
from moo_fs.tables import tables_of, write_tables
from moo_fs.tables.comparison import comparison_tables


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Archives of a study and of a comparison, each with a report; every test puts back what it spoils."""
    root = write_project(tmp_path_factory.mktemp("reports")) / "results"
    study, pairs = load_results(root / "one"), load_comparison(root / "pairs")
    write_report(study, tables_of(study), page_of, study.files, "agreement")
    write_report(pairs, comparison_tables(pairs), comparison_page, pairs.about["files"], "comparison")
    return {"study": study, "comparison": pairs}


def write_report(archive, tables, page_of_it, files, name):
    """A report with one of its figures, for they take long to draw."""
    report = archive.folder / "report"
    written = write_tables(tables, report / "tables", archive.archive_hash)
    with styled():
        written += save_all({name: figure_of(archive, name)}, {name: name}, report / "figures", archive.archive_hash)
    page = report / "index.md"
    page.write_text(page_of_it(archive, tables, [name]))
    seal(report, [*written, page], archive.archive_hash, files, data_of(archive, [name]))


@pytest.fixture(params=["study", "comparison"])
def archive(results, request):
    """Each of them in turn, its report put back afterwards."""
    found = open_archive(results[request.param].folder)
    report = found.folder / "report"
    before = {path: path.read_bytes() for path in report.rglob("*") if path.is_file()}
    yield found
    for path, content in before.items():
        path.write_bytes(content)


def mend(report, path, before):
    """Put a file's new hash where the old one was."""
    hashes = report / "hashes.json"
    hashes.write_text(hashes.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))


def test_a_report_that_its_archive_gives_has_no_fault(archive):
    assert report_faults(archive) == recomputed_faults(archive) == []


@pytest.mark.parametrize("ending", ["csv", "md", "tex"])
def test_a_table_is_checked_by_hash_and_by_recomputation(archive, ending):
    report = archive.folder / "report"
    table = next((report / "tables").glob(f"co*.{ending}"))
    before = hashlib.sha256(table.read_bytes()).hexdigest()
    text = table.read_text()
    table.write_text(re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), text, count=1))
    assert any(f"report/tables/{table.name}: differs from its hash" in fault for fault in report_faults(archive))
    mend(report, table, before)
    assert report_faults(archive) == []
    faults = recomputed_faults(archive)
    assert len(faults) == 1
    assert f"report/tables/{table.name}: differs from what the archive gives" in faults[0]


def test_a_page_is_checked_by_recomputation(archive):
    page = archive.folder / "report/index.md"
    before = hashlib.sha256(page.read_bytes()).hexdigest()
    page.write_text(page.read_text().replace("0.", "1.", 1))
    mend(archive.folder / "report", page, before)
    assert report_faults(archive) == []
    assert any("report/index.md: differs from what the archive gives" in fault for fault in recomputed_faults(archive))


@pytest.mark.parametrize("part", ["made_from", "archive"])
def test_a_report_of_another_state_of_the_archive_is_noticed(archive, part):
    hashes = archive.folder / "report/hashes.json"
    text, known = hashes.read_text(), re.search(rf'"{part}": (?:{{\s*"[\w.-]+": )?"(\w{{64}})"', hashes.read_text())
    hashes.write_text(text[: known.start(1)] + "0" * 64 + text[known.end(1) :])
    assert any("made from another state" in fault for fault in report_faults(archive))


def test_a_figure_of_a_report_is_checked_by_hash_and_by_its_data(archive):
    report = archive.folder / "report"
    figure, hashes = next((report / "figures").glob("*.png")), report / "hashes.json"
    content = figure.read_bytes()
    figure.write_bytes(content[:-1] + b"x")
    assert any(f"{figure.name}: differs from its hash" in fault for fault in report_faults(archive))
    figure.write_bytes(content)
    text = hashes.read_text()
    hashes.write_text(re.sub(rf'("{figure.stem}": ")\w{{4}}', r"\g<1>0000", text))
    assert any(f"figure '{figure.stem}' does not show what" in fault for fault in recomputed_faults(archive))
    hashes.write_text(text.replace('"figures": {', '"elsewhere": {'))
    assert any("does not say what data its figures show" in fault for fault in recomputed_faults(archive))


def test_the_hash_of_a_figure_moves_with_its_data_only(results):
    with styled():
        figures = [figure_of(results["study"], "fronts") for _ in range(3)]
        figures[1].set_size_inches(3, 3)
        line = next(axes for axes in figures[2].axes if axes.lines).lines[0]
        line.set_ydata(line.get_ydata() + 1e-3)
        first, resized, moved = map(data_hash, figures)
    assert first == resized != moved


def test_the_hash_of_a_figure_moves_with_the_words_at_its_ticks(results):
    with styled():
        figures = [figure_of(results["comparison"], "comparison") for _ in range(3)]
        words = [text.get_text() for text in figures[1].axes[0].get_yticklabels()]
        figures[1].axes[0].set_yticks(range(len(words)), words[::-1])
        figures[2].set_size_inches(3, 3)
        first, swapped, resized = map(data_hash, figures)
    assert first == resized != swapped
