"""Pruning studies in the paper: its numbers are those of the archive, and what the archive does not give is noticed."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest
from paper_project import STUDY, copied, declare, generated, unmet, write_project
from synthetic_pruning import ACCURACY, FILTERS, KEPT, write_pruning

from moo_fs.paper.checking import check_paper
from moo_fs.paper.kinds import PRUNED, kind_of, open_archive
from moo_fs.paper.literals import macros_of
from moo_fs.paper.numbers import macro_name
from moo_fs.paper.pruning import prune_floats
from moo_fs.paper.rechecking import recheck_pruning
from moo_fs.paper.writing import write_paper
from moo_fs.prune_studies.archive import load
from moo_fs.report import seal
from moo_fs.tables import write_tables


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A project with a pruning study and its report, without figures, for they take long to draw."""
    root = write_project(tmp_path_factory.mktemp("project"), comparison=False)
    write_pruning(root / "results/cut")
    opened = open_archive(root / "results/cut")
    report = opened.folder / "report"
    written = write_tables(opened.tables, report / "tables", opened.archive_hash)
    (report / "figures").mkdir()
    page = report / "index.md"
    page.write_text(opened.page([]), encoding="utf-8", newline="\n")
    seal(report, [*written, page], opened.archive_hash, opened.files, {})
    declare(root, {"costs": "one", "prune": "cut"})
    write_paper(root)
    return root


def mend(folder, name, content):
    """Another content under a hash that fits."""
    before = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / name).write_text(content)
    study = folder / "study.json"
    study.write_text(study.read_text().replace(before, hashlib.sha256((folder / name).read_bytes()).hexdigest()))


def test_the_papers_numbers_are_those_of_the_archive(root):
    numbers = generated(root)["numbers.tex"].read_text()
    removed = 1 - sum(KEPT["full"]) / sum(FILTERS.values())
    lost = 100 * (ACCURACY["unpruned"] - ACCURACY["full"])
    # "compact" is better but has more than two thirds of the filters, so that "full" is the chosen one.
    assert r"\newcommand{\PruneChosen}{full, scree, forward}" in numbers
    assert rf"\newcommand{{\PruneRemoved}}{{{100 * removed:.0f}~\%}}" in numbers
    assert rf"\newcommand{{\PruneLost}}{{{lost:.2f}}}" in numbers
    assert r"\newcommand{\PruneClaimBOne}{does not hold (" in numbers
    assert r"\newcommand{\PruneClaimBTwo}{holds (" in numbers
    assert r"\newcommand{\PruneRivals}{conditional-mutual-information 84.00; random 50.00}" in numbers
    assert {f"tables/prune{end}.csv" for end in ("", "-claims", "-rivals")} <= set(generated(root))


def test_wide_tables_are_narrowed_and_their_csv_keeps_all(root):
    opened = open_archive(root / "results/cut")
    claims, variants, _ = prune_floats(opened)
    assert claims.tex("x").count(r"\arraybackslash}p{") == len(claims.widths) == 3
    assert r"\begin{tabular}{" in claims.tex("x")
    assert claims.csv() == opened.tables["claims"].csv()
    assert {*variants.header} < {*opened.tables["variants"].header}
    assert "seconds" in variants.csv().splitlines()[0]
    assert "seconds" not in variants.header
    assert all(len(row) == len(variants.header) for row in variants.rows)


def test_all_of_it_passes_the_check_and_one_digit_does_not(root, tmp_path):
    assert kind_of(root / "results/cut") is PRUNED
    assert check_paper(root) == []
    spoilt = copied(root, tmp_path)
    for name in ("summary.csv", "layers.csv", "report/tables/variants.csv"):
        path = spoilt / "results/cut" / name
        path.write_text(path.read_text()[:-2] + "7\n")
    faults = check_paper(spoilt)
    assert any("cut/summary.csv: differs from its hash" in fault for fault in faults)
    assert any("cut/layers.csv: differs from its hash" in fault for fault in faults)
    (spoilt / "results/cut/summary.csv").write_bytes((root / "results/cut/summary.csv").read_bytes())
    (spoilt / "results/cut/layers.csv").write_bytes((root / "results/cut/layers.csv").read_bytes())
    assert any("tables/variants.csv: differs from its hash" in fault for fault in check_paper(spoilt))


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("summary.csv", "filters_kept", "filters_kept in summary.csv is not the sum over the layers"),
        ("layers.csv", "kept", "kept in layers.csv is not the number of filters listed there"),
    ],
)
def test_a_count_that_the_archive_itself_does_not_give_is_noticed_whatever_its_hashes_say(
    root, tmp_path, name, column, said
):
    spoilt = copied(root, tmp_path)
    folder = spoilt / "results/cut"
    frame = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    frame.loc[2, column] = "1"
    mend(folder, name, frame.to_csv(index=False, lineterminator="\n"))
    assert recheck_pruning(load(root / "results/cut")) == []
    assert any(said in fault for fault in recheck_pruning(load(folder)))


def test_a_study_of_another_kind_is_refused(root, tmp_path):
    spoilt = copied(root, tmp_path)
    declare(spoilt, STUDY | {"prune": "one"})
    with pytest.raises(ValueError, match=r"wanted the archive of a pruning study in .*one, found another kind"):
        write_paper(spoilt)
    declare(spoilt, {"costs": "cut"})
    with pytest.raises(ValueError, match=r"wanted the archive of a study in .*cut, found another kind"):
        write_paper(spoilt)


def test_every_macro_that_the_papers_text_needs_of_these_parts_is_made(root):
    text = (Path(__file__).parents[1] / "paper/main.tex").read_text()
    made = {*macros_of(generated(root)["numbers.tex"].read_text())}
    parts = tuple(macro_name(part) for part in ("prune",))
    assert [name for name in unmet(text, made) if name.startswith(parts)] == []
    assert any(name in text for name in made if name.startswith(parts))
