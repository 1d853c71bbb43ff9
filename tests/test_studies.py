"""The studies that ship: they can be read, and the quick start's chain works from end to end on few images."""

from pathlib import Path

import pytest

import moo_fs
from moo_fs.comparison_plan import read_comparison
from moo_fs.paper.archives import Archives
from moo_fs.prune_file import is_search
from moo_fs.prune_fronts.declared import read_search
from moo_fs.prune_studies.plan import read_plan
from moo_fs.report import write_report
from moo_fs.results import recheck
from moo_fs.selection_pieces import pieces_of
from moo_fs.selection_plan import read_selection
from moo_fs.study import read_study
from moo_fs.study_fields import kind_of

STUDIES = sorted((Path(__file__).parents[1] / "studies").glob("*.toml"))
ARCHIVES = Archives(Path(__file__).parents[1] / "results")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_can_be_read_and_asks_a_question(path):
    readers = {
        "grid": read_study,
        "compare": lambda path: read_comparison(path).whole,
        "selection": read_selection,
        "prune": read_search if kind_of(path) == "prune" and is_search(path) else read_plan,
    }
    assert readers[kind_of(path)](path).question.endswith("?")


@pytest.mark.parametrize("path", [path for path in STUDIES if kind_of(path) == "grid"], ids=lambda path: path.stem)
def test_the_runs_of_a_shipped_study_are_told_apart(path):
    study = read_study(path)
    assert len({spec.key for spec in study.runs()}) == len(study.runs())


@pytest.mark.parametrize("path", [path for path in STUDIES if kind_of(path) == "selection"], ids=lambda path: path.stem)
def test_the_pieces_of_a_shipped_selection_study_are_told_apart(path):
    pieces = pieces_of(read_selection(path))
    assert len({piece.title for piece in pieces}) == len(pieces)


def test_the_quick_start_is_as_large_as_promised():
    study = read_study(STUDIES[0].parent / "quickstart.toml")
    assert (len(study.measures), len(study.optimisers), study.seeds, study.budget) == (4, 3, 3, 150)


@pytest.mark.parametrize("name", ARCHIVES.to_be_named())
def test_a_committed_archive_matches_its_hashes_and_its_recomputation(name):
    assert ARCHIVES.verified(name) == []
    assert ARCHIVES.rechecked(name) == []


def test_the_chain_of_the_quick_start_works_from_scores_to_pictures(tmp_path):
    path = tmp_path / "studies" / "chain.toml"
    path.parent.mkdir()
    path.write_text(
        """
        name = "chain"
        question = "Does the whole chain work?"
        objectives = ["rate", "segmentation", "depth", "reconstruction"]
        [subject]
        name = "fashion-scenes"
        fit_images = 32
        search_images = 2
        test_images = 3
        [grid]
        measures = ["l2-norm", "mutual-information", "sensitivity"]
        optimisers = ["nsga2", "tpe", "lagrangian"]
        seeds = 1
        budget = 12
        """
    )
    results = moo_fs.run(path)
    assert len(results.hypervolumes()) == 9
    assert results.reference[0] > results.corner[0]
    assert set(results.baselines["baseline"]) == {"uniform", "uniform-step"}
    assert {"segmentation_miou", "depth_rmse", "reconstruction_psnr_db"} <= set(results.fronts().columns)
    assert recheck(results) == []
    names = {path.name for path in write_report(results.folder)}
    assert {"fronts.png", "scenes.pdf", "scores.png", "hypervolume.tex", "worth.md", "fronts.csv", "index.md"} <= names
