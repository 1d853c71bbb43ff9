"""The paper follows from results/ alone, and its check notices one digit or one bit that does not."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic_archive import write_archive
from synthetic_comparison import write_synthetic

from moo_fs import cli
from moo_fs.contracts import MooFsError, RunError
from moo_fs.figures.drawn import data_hash, figure_of
from moo_fs.figures.style import styled
from moo_fs.paper import build_pdf, check_paper, checking, pdf, write_paper
from moo_fs.paper.archives import Archives
from moo_fs.paper.literals import literal_numbers
from moo_fs.paper.numbers import codec_macros, macro_name
from moo_fs.paper.writing import Places, places_of
from moo_fs.report import page_of, seal
from moo_fs.results import load_results
from moo_fs.tables import number, tables_of, write_tables
from moo_fs.tables.matrix import quality_matrix

PROJECT = Path(__file__).parents[1]
MAIN = r"""\documentclass{article}
\usepackage{booktabs}
\input{generated/numbers}
\newcommand{\name}[1]{#1}
\begin{document}
Best: \BestHypervolume, of $2^3$ %s.
\input{generated/tables/hypervolume}
\end{document}
"""
SOURCES = {"subjects": "one", "hypervolume": "one", "costs": "one", "compare": "pairs"}
TEXTS = ["numbers.tex", "compare.tex"] + [
    f"tables/{name}.{ending}"
    for name in ("subjects", "hypervolume", "corner", "costs-scoring", "costs-searching", "compare", "contrasts")
    for ending in ("tex", "csv")
]
DATA = [
    "one/trials.parquet", "one/fronts.parquet", "one/baselines.parquet", "one/scores.parquet", "one/summary.csv",
    "other/trials.parquet", "pairs/network-0/trials.parquet", "pairs/network-1/summary.csv",
]  # fmt: skip
DESCRIPTIONS = ["one/study.json", "other/study.json", "pairs/comparison.json", "pairs/network-1/study.json"]


def declare(root, sources=None, *, figures=None, kept=("other",)):
    lines = ["[sources]", *(f'{key} = "{name}"' for key, name in (SOURCES if sources is None else sources).items())]
    lines += ["[sources.figures]", *(f'{key} = "{name}"' for key, name in (figures or {}).items())]
    (root / "paper" / "paper.toml").write_text("\n".join([*lines, "[archives]", f"kept = {json.dumps(kept)}"]) + "\n")
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small project: two studies and a comparison, and a paper made from them."""
    root = tmp_path_factory.mktemp("paper")
    sizes = {"evaluations": 6, "seeds": 2, "channels": 8, "pictures": False}
    write_archive(root / "results/one", measures=("random", "sensitivity"), optimisers=("random", "tpe"), **sizes)
    write_archive(root / "results/other", measures=("random",), optimisers=("random",), **sizes)
    write_synthetic(
        root / "results/pairs", measures=("random", "l1-norm", "sensitivity"), networks=2, seeds=2, evaluations=3
    )
    (root / "paper").mkdir()
    (root / "paper/main.tex").write_text(MAIN % "")
    write_paper(declare(root))
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy of it to be spoilt."""
    return Path(shutil.copytree(made, tmp_path / "copy"))


@pytest.fixture
def light(root):
    """The same with one study alone, which is quicker to check."""
    for name in ("pairs", "other"):
        shutil.rmtree(root / "results" / name)
    write_paper(declare(root, {"subjects": "one", "hypervolume": "one", "costs": "one"}, kept=()))
    return root


def flip(path, place):
    """Flip one bit at this share of a file."""
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def generated(root):
    folder = root / "paper/generated"
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def test_a_paper_made_from_results_passes_its_check(made):
    assert check_paper(made) == []
    assert {*TEXTS, "hashes.json"} <= set(generated(made))


def test_the_same_results_give_the_same_bytes_and_what_is_not_made_any_more_is_removed(light):
    before = {name: path.read_bytes() for name, path in generated(light).items()}
    (light / "paper/generated/numbers.tex").unlink()
    (light / "paper/generated/tables/old.tex").write_text("old")
    write_paper(light)
    assert {name: path.read_bytes() for name, path in generated(light).items()} == before


@pytest.mark.parametrize("at", [0, -1])
def test_one_digit_edited_by_hand_is_noticed_in_every_generated_text(root, at):
    for name in TEXTS:
        path = root / "paper/generated" / name
        text = path.read_text()
        digit = list(re.finditer(r"\d", text))[at]
        path.write_text(text[: digit.start()] + str((int(digit[0]) + 1) % 10) + text[digit.end() :])
    faults = check_paper(root)
    for name in TEXTS:
        assert any(f"/{name}: was edited by hand" in fault for fault in faults), name
        assert any(f"/{name}: differs from what the archives give" in fault for fault in faults), name


def test_an_edit_that_also_mends_the_hash_is_noticed_by_recomputation(light):
    path, hashes = light / "paper/generated/tables/hypervolume.csv", light / "paper/generated/hashes.json"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text().replace("0.", "1.", 1))
    hashes.write_text(hashes.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))
    assert any("hypervolume.csv: differs from what the archives give" in fault for fault in check_paper(light))


@pytest.mark.parametrize("place", [0.02, 0.5, 0.98])
def test_one_bit_flipped_in_any_file_of_an_archive_is_noticed(root, place):
    for name in DATA:
        flip(root / "results" / name, place)
    faults = check_paper(root)
    for name in DATA:
        assert any(f"results/{name}: differs from its hash" in fault for fault in faults), name


@pytest.mark.parametrize("place", [0.001, 0.4, 0.99])
@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_one_bit_flipped_in_what_an_archive_says_of_itself_is_noticed(root, name, place):
    flip(root / "results" / name, place)
    archives, _ = checking._archives_checked(*declared_in(root))
    assert any(f"results/{name.split('/')[0]}" in fault for fault in archives), archives


def declared_in(root):
    places = places_of(root)
    recorded = json.loads((places.generated / "hashes.json").read_text())["archives"]
    return places.declared(), Archives(places.results), recorded


def test_every_fault_is_listed_and_none_twice(root):
    for name in ("numbers.tex", "tables/corner.csv"):
        (root / "paper/generated" / name).write_text("")
    (root / "paper/generated/stray.tex").write_text("stray")
    (root / "paper/generated/tables/compare.csv").unlink()
    (root / "results/other/trials.parquet").unlink()
    faults = check_paper(root)
    for name in ("numbers.tex", "tables/corner.csv", "stray.tex", "tables/compare.csv", "other/trials.parquet"):
        assert any(name in fault for fault in faults), name
    assert len(faults) == len(set(faults))


def test_hashes_that_no_longer_fit_are_noticed(root):
    hashes = root / "paper/generated/hashes.json"
    content = json.loads(hashes.read_text())
    content["generated"]["tables/corner.tex"]["from"]["one"] = "0" * 64
    content["archives"]["other"] = "0" * 64
    hashes.write_text(json.dumps(content))
    faults = check_paper(root)
    assert any("tables/corner.tex" in fault for fault in faults)
    assert any("results/other: is not the archive that the paper was made from" in fault for fault in faults)
    hashes.write_text("{}")
    assert "is missing or not what" in check_paper(root)[0]


def test_a_summary_that_its_trials_do_not_give_is_noticed_whatever_its_hashes_say(light):
    folder = light / "results/one"
    summary, study = folder / "summary.csv", folder / "study.json"
    header, first, rest = summary.read_text().split("\n", 2)
    cells = first.split(",")
    cells[header.split(",").index("hypervolume_test")] = "0.9"
    before = hashlib.sha256(summary.read_bytes()).hexdigest()
    summary.write_text("\n".join([header, ",".join(cells), rest]))
    study.write_text(study.read_text().replace(before, hashlib.sha256(summary.read_bytes()).hexdigest()))
    write_paper(light)
    assert any("hypervolume_test in summary.csv differs from its recomputation" in one for one in check_paper(light))


def write_report(results):
    """A report without its figures, which take long to draw."""
    report = results.folder / "report"
    (report / "figures").mkdir(parents=True)
    tables = tables_of(results)
    page = report / "index.md"
    page.write_text(page_of(results, tables, []))
    written = [*write_tables(tables, report / "tables", results.archive_hash), page]
    seal(report, written, results.archive_hash, results.files)


def test_reports_are_checked_by_hash_and_by_recomputation(light):
    folder = light / "results/one"
    write_report(load_results(folder))
    assert check_paper(light) == []
    table, hashes = folder / "report/tables/costs.csv", folder / "report/hashes.json"
    good, before = table.read_text(), hashlib.sha256(table.read_bytes()).hexdigest()
    table.write_text(good.replace("6", "7", 1))
    assert any("report/tables/costs.csv: differs from its hash" in fault for fault in check_paper(light))
    hashes.write_text(hashes.read_text().replace(before, hashlib.sha256(table.read_bytes()).hexdigest()))
    assert any("report/tables/costs.csv: differs from what the archive gives" in one for one in check_paper(light))
    hashes.write_text(re.sub(r'"made_from": "\w{4}', '"made_from": "0000', hashes.read_text()))
    assert any("made from another state" in fault for fault in check_paper(light))


def test_figures_are_compared_by_their_data_and_their_file_by_its_hash(root):
    write_paper(declare(root, {}, figures={"agreement": "one", "comparison": "pairs"}))
    assert set(generated(root)) == {"hashes.json", "numbers.tex", "figures/agreement.pdf", "figures/comparison.pdf"}
    hashes = json.loads((root / "paper/generated/hashes.json").read_text())
    assert hashes["archives"]["one"].encode() in generated(root)["figures/agreement.pdf"].read_bytes()
    assert check_paper(root) == []
    hashes["generated"]["figures/agreement.pdf"]["data"] = "0" * 64
    (root / "paper/generated/hashes.json").write_text(json.dumps(hashes))
    assert [fault for fault in check_paper(root) if "figures/agreement.pdf' is not what the archives give" in fault]
    generated(root)["figures/comparison.pdf"].write_bytes(b"%PDF")
    assert [fault for fault in check_paper(root) if "comparison.pdf: was edited by hand" in fault]


def test_the_hash_of_a_figure_moves_with_its_data_only(made):
    results = load_results(made / "results/one")
    with styled():
        figures = [figure_of(results, "fronts") for _ in range(3)]
        figures[1].set_size_inches(3, 3)
        line = next(axes for axes in figures[2].axes if axes.lines).lines[0]
        line.set_ydata(line.get_ydata() + 1e-3)
        first, resized, moved = map(data_hash, figures)
    assert first == resized != moved


def test_numbers_in_the_text_are_those_of_the_archive(made):
    results = load_results(made / "results/one")
    medians = results.hypervolumes().groupby(["optimiser", "measure"])["hypervolume_test"].median()
    macros = (made / "paper/generated/numbers.tex").read_text()
    assert rf"\newcommand{{\BestHypervolume}}{{{medians.max():.3f}}}" in macros
    assert rf"\newcommand{{\FamilyRuns}}{{{len(results.hypervolumes())}}}" in macros
    assert rf"\newcommand{{\CostSensitivity}}{{{number(12.5)}}}" in macros
    assert r"\newcommand{\ComparePairs}{4}" in macros
    assert macros.startswith("% made from ")
    assert results.archive_hash in macros


def test_the_paper_says_how_much_longer_streams_are_than_the_entropy(made):
    results = load_results(made / "results/one")
    fronts = results.fronts()
    fronts["coded_bytes"] = fronts["rate_kbit_test"] * 125 * 1.004
    macros = codec_macros(replace(results, stored_fronts=fronts))
    assert macros["CodecRatio"] == macros["CodecWorst"] == "1.0040"
    assert macros["CodecMembers"] == str(fronts["bits"].nunique())
    assert codec_macros(results) == {}


def test_a_source_that_is_not_named_leaves_its_part_out(light):
    write_paper(declare(light, {"costs": "one"}, kept=()))
    macros = generated(light)["numbers.tex"].read_text()
    assert "HasCosts" in macros
    assert "HasCompare" not in macros
    assert {name for name in generated(light) if name.startswith("tables/")} == {
        f"tables/costs-{what}.{ending}" for what in ("scoring", "searching") for ending in ("tex", "csv")
    }


def test_the_matrix_holds_each_cell_once_its_best_bold_and_the_best_of_all_underlined(made):
    results = load_results(made / "results/one")
    matrix = quality_matrix(results)
    assert (matrix.labels, matrix.columns) == (("random", "tpe"), ("random", "sensitivity"))
    mine = results.hypervolumes().query("optimiser == 'tpe' and measure == 'sensitivity'")["hypervolume_test"]
    assert matrix.cells[1][1] == (f"{mine.median():.3f}", f"{mine.min():.3f}–{mine.max():.3f}")
    values = [[float(value) for value, _ in row] for row in matrix.cells]
    assert {values[row][column] for row, column in matrix.best} == {max(map(max, values))}
    assert all(values[row][column] == max(values[row]) for row, column in matrix.bold)
    assert "too few blocks for a test" in matrix.note
    assert matrix.tex("x").count(r"\underline") == len(matrix.best) == 1
    assert len(matrix.csv().splitlines()) == 1 + 4 + 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[sources]\nhypervolumes = "one"\n', "unknown key 'sources.hypervolumes'; did you mean 'hypervolume'?"),
        ('[sources.figures]\nfront = "one"\n', "unknown key 'sources.figures.front'; did you mean 'fronts'?"),
        ('[source]\ncosts = "one"\n', "unknown key 'source'; did you mean 'sources'?"),
        ("[sources]\ncosts = 1\n", "sources.costs: wanted the name of a folder under results/, got 1"),
        ('[sources]\ncosts = "../one"\n', "wanted the name of a folder under results/"),
        ('[archives]\nkept = "one"\n', "archives.kept: wanted a list"),
        ('[sources]\ncosts = "won"\n', "wanted the archive of a study"),
        ('[sources]\ncosts = "pairs"\n', "found the other kind"),
        ('[sources]\ncompare = "one"\n', "wanted the archive of a comparison"),
        ('[sources]\ncodec = "one"\n', "archive 'one' has no coded_bytes"),
        ('[sources.figures]\nscenes = "one"\n', "archive 'one' has no data for it"),
        ("[sources", "wanted TOML"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused_in_one_sentence_and_nothing_is_written(root, text, said):
    before = {name: path.read_bytes() for name, path in generated(root).items()}
    (root / "paper/paper.toml").write_text(text)
    with pytest.raises(MooFsError, match=re.escape(said)):
        write_paper(root)
    assert {name: path.read_bytes() for name, path in generated(root).items()} == before


def test_elsewhere_than_in_the_projects_folder_nothing_is_done(tmp_path):
    for action in (write_paper, check_paper, build_pdf):
        with pytest.raises(MooFsError, match="wanted the project's folder"):
            action(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tex", "found"),
    [
        ("It is 0.719.", ["0.719"]),
        ("It is $0.719$, $x_1 = 300$ and 5 blocks", ["0.719", "300", "5"]),
        (r"$b \in \{0, \dots, 8\}$, nsga2, l1-norm, \cite{deb2002}, \FamilyBlocks{} % 0.5", []),
        (r"\includegraphics[width=0.5\textwidth]{a1} \[ x^2 \] $A_{12}$, from $0$ to $1$", []),
        (r"\begin{thebibliography}{99} PLoS ONE 9(2), 2014. \end{thebibliography}", []),
    ],
)
def test_numbers_typed_into_the_text_are_found(tex, found):
    assert [text for _, text in literal_numbers(r"\usepackage[11pt]{x}\begin{document}" + tex)] == found


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\renewcommand{\BestHypervolume}{\FamilyRuns}", "'BestHypervolume' is defined anew"),
        (r"\def\BestHypervolume{x}", "'BestHypervolume' is defined anew"),
        (r"\let\BestHypervolume\LowestMedian", "'BestHypervolume' is defined anew"),
        (r"\newcommand{\mine}{0.999}", "'0.999' is typed by hand"),
        (r"\def\mine{" + "\n 7}", "line 5: '7' is typed by hand"),
        (r"\input{other}", r"'\input{other}' is read from elsewhere"),
        (r"\input other", r"'\input other' is read from elsewhere"),
        (r"\input{generated/../other}", "is read from elsewhere"),
        (r"\include{other}", "is read from elsewhere"),
        (r"\expandafter\def\csname BestHypervolume\endcsname{x}", "is read from elsewhere"),
    ],
)
def test_a_number_that_the_preamble_or_another_file_would_hide_is_a_fault(made, tmp_path, tex, said):
    numbers = r"\input{generated/numbers}"
    (tmp_path / "paper/generated").mkdir(parents=True)
    shutil.copy(made / "paper/generated/numbers.tex", tmp_path / "paper/generated")
    (tmp_path / "paper/main.tex").write_text((MAIN % "").replace(numbers, f"{numbers}\n{tex}"))
    assert [fault for fault in checking._text_faults(Places(tmp_path)) if said in fault]


def test_a_number_typed_into_main_tex_is_a_fault_with_its_line(light):
    (light / "paper/main.tex").write_text(MAIN % "and 0.719")
    assert [fault for fault in check_paper(light) if "main.tex, line 6: '0.719' is typed by hand" in fault]


def test_the_papers_own_text_holds_no_literal_result_and_the_macros_it_needs_exist():
    text = (PROJECT / "paper/main.tex").read_text()
    assert literal_numbers(text) == []
    assert len(text) > 10_000


def test_the_command_tells_faults_line_by_line_and_ends_with_status_1(light, monkeypatch, capsys):
    monkeypatch.chdir(light)
    assert cli.status_of(["paper", "--check"]) == 0
    assert "are what their hashes and results/ say" in capsys.readouterr().out
    (light / "paper/generated/numbers.tex").write_text("")
    assert cli.status_of(["paper", "--check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any("numbers.tex: was edited by hand" in line for line in lines)
    assert lines[-1] == f"{len(lines) - 1} faults"
    assert cli.status_of(["paper"]) == 0
    assert cli.status_of(["paper", "--check"]) == 0


def test_without_tex_the_sentence_says_what_to_install(made, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MooFsError, match="apt-get install texlive"):
        build_pdf(made)


def fake_tex(monkeypatch, root, log, *, status=0):
    """A pdflatex that writes this log and a PDF."""
    folder = root / "bin"
    folder.mkdir()
    (root / "log").write_text(log)
    script = f"#!/bin/sh\n/bin/cp '{root / 'log'}' main.log\necho pdf > main.pdf\nexit {status}\n"
    (folder / "pdflatex").write_text(script)
    (folder / "pdflatex").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    ("log", "status", "said"),
    [
        ("./main.tex:3: Undefined control sequence.\nl.3 \\x\n", 1, "main.tex:3: Undefined control sequence"),
        ("! LaTeX Error: File `x.sty' not found.\n", 1, "File `x.sty' not found"),
        ("LaTeX Warning: Reference `tab:x' on page 1 undefined on input line 7.\n", 0, "Reference `tab:x'"),
        ("LaTeX Warning: Citation `a' on page 1 undefined on input line 7.\n", 0, "Citation `a'"),
    ],
)
def test_errors_and_undefined_references_of_latex_are_told(root, monkeypatch, log, status, said):
    fake_tex(monkeypatch, root, log, status=status)
    with pytest.raises(RunError, match=re.escape(said)):
        build_pdf(root)
    assert not (root / "paper/main.pdf").exists()


def test_boxes_that_reach_far_beyond_the_margin_are_listed(root, monkeypatch):
    wide = "Overfull \\hbox (23.5pt too wide) in alignment at lines 9--12"
    fake_tex(monkeypatch, root, f"{wide}\nOverfull \\hbox (9.9pt too wide) in paragraph at lines 1--2\n")
    built = build_pdf(root)
    assert (built.builder, built.overfull) == ("pdflatex", (wide,))
    assert built.path.read_text() == "pdf\n"


@pytest.mark.skipif(not any(map(shutil.which, pdf.BUILDERS)), reason="no TeX here; CI has one")
def test_a_small_paper_is_built_by_the_tex_that_is_there(root):
    assert build_pdf(root).path.read_bytes().startswith(b"%PDF")


def test_names_of_macros_hold_letters_only():
    assert macro_name("Place", "l1-norm") == "PlaceLOneNorm"
    assert macro_name("my_Task 42").isalpha()
