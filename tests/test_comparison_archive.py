"""What a comparison's folder holds: nothing else is written over, and a change anywhere is noticed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from small_comparison import damaged, otherwise_evaluated
from synthetic_comparison import write_synthetic

from moo_fs.comparison_archive import check_folder, load_comparison
from moo_fs.contracts import MooFsError
from moo_fs.contrasts import Roles
from moo_fs.results import recheck

COMMITTED = sorted((Path(__file__).parents[1] / "results").glob("*/comparison.json"))


@pytest.fixture(scope="module", autouse=True)
def _hasty():
    """No waiting for the disk: what survives a power cut is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("comparisons") / "small", seeds=1)


@pytest.fixture
def folder(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "small"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda folder: edit(folder / "comparison.csv", "0.", "1."), "differs from its hash in comparison.json"),
        (lambda folder: edit(folder / "comparison.json", "random", "randon"), "differs from what was written"),
        (lambda folder: (folder / "comparison.csv").unlink(), "is missing"),
        (lambda folder: (folder / "comparison.json").unlink(), "no comparison there"),
        (lambda folder: (folder / "comparison.json").write_text("{"), "wanted JSON"),
        (lambda folder: damaged(folder / "network-0"), "differs from its hash in study.json"),
        (lambda folder: otherwise_evaluated(folder / "network-0", "depth"), "is another archive than"),
        (lambda folder: shutil.rmtree(folder / "network-1"), "found no study.json"),
    ],
)
def test_a_comparison_changed_anywhere_is_not_loaded(change, sentence, folder):
    change(folder)
    with pytest.raises(MooFsError, match=re.escape(sentence)):
        load_comparison(folder)


def test_comparisons_match_their_hashes_and_their_recomputation(written):
    """The committed ones; and the check itself sees a number that is another one."""
    for path in COMMITTED:
        for results in load_comparison(path.parent).networks.values():
            assert recheck(results) == [], path.parent.name
    results = next(iter(load_comparison(written).networks.values()))
    assert recheck(results) == []
    results.stored_summary.loc[0, "corner_test"] += 0.1
    assert len(recheck(results)) == 1


@pytest.mark.parametrize("asked", [1, 3])
def test_a_network_with_other_blocks_than_the_file_asks_for_is_refused(asked, tmp_path):
    with pytest.raises(MooFsError, match=f"network 0 has 2 blocks of .*, wanted {asked}"):
        write_synthetic(tmp_path / "small", seeds=2, asked=asked, networks=1)
    assert not (tmp_path / "small" / "comparison.json").exists()


def test_another_comparison_or_a_study_is_never_written_over(folder):
    same, own, other = (
        SimpleNamespace(name=name, own=own) for name, own in [("small", ()), ("small", ("peak",)), ("other", ())]
    )
    check_folder(folder, same)
    check_folder(folder / "nothing", other)
    for plan, sentence in [(other, "holds the comparison 'small', not 'other'"), (own, "without --measure, wanted")]:
        with pytest.raises(MooFsError, match=sentence):
            check_folder(folder, plan)
    with pytest.raises(MooFsError, match="holds the archive of a study"):
        check_folder(folder / "network-0", same)


def test_one_upper_baseline_is_a_label_and_several_are_a_list(written):
    about = load_comparison(written).about
    assert about["upper"] == "sensitivity"
    for said, meant in [("a", ("a",)), (["a", "b"], ("a", "b")), (None, ())]:
        assert Roles.of(about | {"upper": said}).upper == meant
