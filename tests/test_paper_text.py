"""What the paper says: its macros, its tables, its own text without typed numbers, its declaration."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from paper_project import MAIN, generated, unmet, write_project

from moo_fs.comparison_archive import load_comparison
from moo_fs.contracts import MooFsError
from moo_fs.figures.drawn import FIGURES
from moo_fs.paper import build_pdf, check_paper, checking, write_paper
from moo_fs.paper.comparing import compare_macros
from moo_fs.paper.declaration import PRUNE, SELECTIONS
from moo_fs.paper.literals import literal_numbers, macros_of
from moo_fs.paper.numbers import codec_macros, hypervolume_macros, macro_name
from moo_fs.paper.writing import Places
from moo_fs.results import load_results
from moo_fs.tables import number
from moo_fs.tables.coded import coded_table
from moo_fs.tables.matrix import quality_matrix

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small project and its paper, all parts of it; not to be changed."""
    root = write_project(tmp_path_factory.mktemp("paper"))
    write_paper(root)
    return root


@pytest.fixture
def bare(made, tmp_path):
    """A copy of its paper alone, with the names of its archives."""
    shutil.copytree(made / "paper", tmp_path / "paper")
    (tmp_path / "results").symlink_to(made / "results")
    return tmp_path


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


def coded(results, excess):
    """The results with streams that are this much longer than the entropy."""
    fronts = results.fronts()
    fronts["coded_bytes"] = fronts["rate_kbit_test"] * 125 * excess
    return replace(results, stored_fronts=fronts)


def test_the_paper_says_how_much_longer_streams_are_than_the_entropy(made):
    results = load_results(made / "results/one")
    mine = coded(results, 1.004)
    macros = codec_macros("one", [mine])
    assert macros["CodecRatio"] == macros["CodecWorst"] == "1.0040"
    assert macros["CodecMembers"] == str(mine.fronts()["bits"].nunique())
    assert "CodecNetworks" not in macros
    assert codec_macros("one", [results]) == {}


def test_streams_of_several_networks_are_pooled_and_count_once_a_network(made):
    first, second = load_comparison(made / "results/pairs").networks.values()
    macros = codec_macros("pairs", [coded(first, 1.002), coded(second, 1.01)])
    members = sum(one.fronts()["bits"].nunique() for one in (first, second))
    assert (macros["CodecNetworks"], macros["CodecMembers"]) == ("2", str(members))
    assert macros["CodecWorst"] == "1.0100"
    assert "pooled over 2 networks" in coded_table(coded(first, 1.002), coded(second, 1.01)).note
    assert codec_macros("pairs", [coded(first, 1.002), second]) == {}


def test_roles_and_evaluations_of_a_comparison_are_those_of_its_archive(made):
    found = load_comparison(made / "results/pairs")
    macros = compare_macros(found)
    assert macros["CompareNulls"] == "random scores and mutual information with shuffled labels"
    assert macros["CompareUpper"] == r"\name{sensitivity}"
    assert macros["CompareEvaluations"] == "3 each"
    summary = found.summary.assign(evaluations=[2, *[3] * (len(found.summary) - 1)])
    other = compare_macros(replace(found, summary=summary, about=found.about | {"nulls": ["random"], "upper": None}))
    assert (other["CompareNulls"], other["CompareEvaluations"]) == ("random scores", "2 to 3")
    assert "CompareUpper" not in other


def test_a_search_without_scores_is_no_score_and_unequal_budgets_are_told_where_they_are_pooled(made):
    results = load_results(made / "results/one")
    summary = results.hypervolumes()
    assert not {"FamilyWithout", "FamilyBudgets"} & set(hypervolume_macros(results))
    summary.loc[summary["optimiser"] == "tpe", "evaluations"] = 2
    without = summary[summary["measure"] == "random"].assign(measure="none")
    macros = hypervolume_macros(replace(results, stored_summary=pd.concat([summary, without])))
    assert (macros["FamilyMeasures"], macros["FamilyWithout"]) == ("2", "")
    assert macros["FamilyBudgets"] == "Evaluations a run: 6, but tpe 2 (medians)."


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
        ('[sources]\ncosts = "pairs"\n', "found another kind"),
        ('[sources]\ncompare = "one"\n', "wanted the archive of a comparison"),
        ('[sources]\ncodec = "one"\n', "archive 'one' has no coded_bytes"),
        ('[sources.figures]\nscenes = "one"\n', "archive 'one' has no data for it"),
        ("[sources", "wanted TOML"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused_in_one_sentence_and_nothing_is_written(bare, text, said):
    before = {name: path.read_bytes() for name, path in generated(bare).items()}
    (bare / "paper/paper.toml").write_text(text)
    with pytest.raises(MooFsError, match=re.escape(said)):
        write_paper(bare)
    assert {name: path.read_bytes() for name, path in generated(bare).items()} == before


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


def test_the_papers_own_text_holds_no_literal_result_and_the_macros_it_needs_exist(made):
    text = (PROJECT / "paper/main.tex").read_text()
    assert literal_numbers(text) == []
    assert len(text) > 10_000
    printed = macros_of((PROJECT / "paper/generated/numbers.tex").read_text())
    everything = {*macros_of((made / "paper/generated/numbers.tex").read_text()), *figure_macros(), *grid_macros(made)}
    parts = tuple(macro_name(word, part) for part in (*SELECTIONS, PRUNE) for word in ("", "Has"))
    assert len(everything) > len([name for name in printed if not name.startswith(parts)]) / 2
    for defined in (printed, everything):
        assert unmet(text, defined) == []
    assert unmet(text, set(everything) - {"CompareNulls"}) == ["CompareNulls"]
    assert unmet(text, set(everything) - {"HasCompare", "CompareNulls"}) == []


def figure_macros():
    return {f"{what}{macro_name(name)}" for what in ("HasFigure", "Caption") for name in FIGURES}


def grid_macros(made):
    """Macros of parts for which the small project has no data."""
    results = coded(load_results(made / "results/one"), 1.0)
    return {*codec_macros("one", [results, results]), "FamilyWithout", "FamilyBudgets", "FamilyExhausted"}


def test_names_of_macros_hold_letters_only():
    assert macro_name("Place", "l1-norm") == "PlaceLOneNorm"
    assert macro_name("my_Task 42").isalpha()
