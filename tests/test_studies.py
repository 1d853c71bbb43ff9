"""The studies that ship: they can be read, and the quick start's chain works from end to end on few images."""

from pathlib import Path

import pytest

import moo_fs
from moo_fs.archive import verify
from moo_fs.report import write_report
from moo_fs.results import recheck
from moo_fs.study import read_study
from moo_fs.study_file import is_comparison

STUDIES = [path for path in sorted((Path(__file__).parents[1] / "studies").glob("*.toml")) if not is_comparison(path)]
RESULTS = Path(__file__).parents[1] / "results"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_can_be_read_and_asks_a_question(path):
    study = read_study(path)
    assert study.question.endswith("?")
    assert len({spec.key for spec in study.runs()}) == len(study.runs())


def test_the_quick_start_is_as_large_as_promised():
    study = read_study(RESULTS.parent / "studies" / "quickstart.toml")
    assert (len(study.measures), len(study.optimisers), study.seeds, study.budget) == (4, 3, 3, 150)


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in RESULTS.glob("*/study.json")), ids=lambda path: path.name
)
def test_a_committed_archive_matches_its_hashes_and_its_recomputation(folder):
    assert verify(folder) == []
    assert recheck(moo_fs.load_results(folder)) == []


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
