"""A selection study computes nothing twice, writes over nobody else's archive, and says what does not run."""

from __future__ import annotations

import json
import shutil
import sys

import pandas as pd
import pytest
from small_selection import (
    GOOD,
    OWN,
    PIECES,
    ROWS_OF_A_MEASURE,
    changed,
    content_of,
    quick,
    write,
)

from moo_fs import archive, selection
from moo_fs.archive import STUDY
from moo_fs.contracts import MooFsError, RunError
from moo_fs.selection_archive import IMAGES, SCORES, SUMMARY, load_selection


@pytest.fixture(autouse=True, scope="module")
def _quick():
    with quick():
        yield


@pytest.fixture
def here(selected, tmp_path):
    shutil.copytree(selected[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def computed(monkeypatch):
    """Titles of the pieces that are computed from now on."""
    titles, compute = [], selection.compute

    def noted(piece, *rest):
        titles.append(piece.title)
        return compute(piece, *rest)

    monkeypatch.setattr(selection, "compute", noted)
    return titles


# Once, and once only


def test_a_finished_study_returns_at_once(here, computed, monkeypatch):
    shutil.rmtree(here / "results" / "small" / "work")
    monkeypatch.setattr(selection, "_ready", lambda *given: pytest.fail("the subject was loaded"))
    found = selection.run(here / "studies" / "small.toml")
    assert len(found.rows) == 2 * (2 + 2 + 4 * ROWS_OF_A_MEASURE)
    assert computed == []


def test_a_study_that_was_interrupted_goes_on_and_leaves_the_same_bytes(selected, tmp_path, computed):
    path, told = write(tmp_path), []

    def tell(sentence):
        told.append(sentence)
        if len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        selection.run(path, tell=tell)
    assert not (tmp_path / "results" / "small" / STUDY).exists()
    first = list(computed)
    assert len(first) == 5
    assert selection.status(path) == {"name": "small", "pieces": PIECES, "done": 5, "archived": False}
    selection.run(path, tell=told.append)
    assert selection.status(path)["archived"]
    assert len(computed) == PIECES
    assert set(computed[5:]).isdisjoint(first)
    assert told[5].startswith(f"6 of {PIECES} pieces")
    assert content_of(tmp_path / "results" / "small") == content_of(selected[0] / "results" / "small")


def test_workers_leave_the_same_but_for_seconds(tmp_path):
    text = changed(', {name = "own.py:net", draw = 1}', "").replace("seeds = 2", "seeds = 1")
    folders = [tmp_path / str(workers) for workers in (1, 2)]
    for workers, folder in enumerate(folders, start=1):
        selection.run(write(tmp_path, text), workers=workers, out=folder)
    ours, theirs = map(content_of, folders)
    assert ours[SUMMARY] == theirs[SUMMARY]
    assert ours[IMAGES] == theirs[IMAGES]
    scores = [load_selection(folder).scores.drop(columns="seconds") for folder in folders]
    pd.testing.assert_frame_equal(*scores)


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(MooFsError, match="workers: wanted 1 or more, got 0"):
        selection.run(write(tmp_path), workers=0)


def test_more_blocks_extend_an_archive_and_move_nothing_in_it(here, computed):
    results = load_selection(here / "results" / "small")
    found = selection.run(here / "studies" / "small.toml", seeds=3)
    assert sorted(computed) == sorted(
        f"{subject}: {measure}, block 2" for subject in results.subjects for measure in ("random", "l2-norm")
    )
    before = found.rows[found.rows["seed"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(before, results.rows)
    assert found.seeds == 3
    computed.clear()
    assert selection.run(here / "studies" / "small.toml").seeds == 3  # the archive covers the file, as of any study
    assert computed == []


@pytest.mark.parametrize("change", [("[20, 40]", "[20, 41]"), ("Which order?", "What?"), ('"l2-norm"', '"l1-norm"')])
def test_the_archive_of_another_study_is_left_alone(here, change, computed):
    before = content_of(here / "results" / "small")
    with pytest.raises(MooFsError, match="holds the archive of another study") as refused:
        selection.run(write(here, changed(*change)))
    assert "\n" not in str(refused.value)
    assert content_of(here / "results" / "small") == before
    assert computed == []


def test_the_archive_of_another_kind_is_neither_written_over_nor_read_as_one(here):
    folder = here / "results" / "small"
    about = json.loads((folder / STUDY).read_text())
    for specification in ({"grid": {}, "name": "small"}, None):
        (folder / STUDY).write_text(json.dumps(about | {"specification": specification, "specification_hash": ""}))
        with pytest.raises(MooFsError, match="holds the archive of another study"):
            selection.run(here / "studies" / "small.toml")
    (folder / STUDY).write_text(json.dumps(about | {"specification": {"grid": {}}}))
    with pytest.raises(MooFsError, match="wanted the archive of a selection study, got another kind"):
        load_selection(folder)


@pytest.mark.parametrize("name", [SUMMARY, IMAGES, SCORES])
def test_a_damaged_archive_is_refused_and_made_whole_from_its_pieces(here, name, computed):
    folder = here / "results" / "small"
    before = content_of(folder)
    (folder / name).write_bytes(before[name][:-1])
    with pytest.raises(MooFsError, match=f"{name}: differs from its hash in study.json; restore it"):
        load_selection(folder)
    (folder / name).unlink()
    with pytest.raises(MooFsError, match=f"{name}: is missing"):
        load_selection(folder)
    selection.run(here / "studies" / "small.toml")
    assert content_of(folder) == before
    assert computed == []


def stopped(sentence):
    raise MooFsError("stopped")


def test_pieces_of_another_setting_are_not_taken_for_these(here, computed):
    (here / "results" / "small" / STUDY).unlink()
    with pytest.raises(MooFsError, match="stopped"):
        selection.run(write(here, changed("[20, 40]", "[20, 41]")), tell=stopped)
    assert computed == ["net: ends"]


def test_pieces_of_another_state_of_the_code_or_the_libraries_are_computed_again(here, computed, monkeypatch):
    changes = [
        lambda: monkeypatch.setattr(archive, "source_hash", lambda: "1" * 64),
        lambda: monkeypatch.setattr(archive, "RECORDED", ("numpy",)),
        lambda: monkeypatch.setattr(selection.coders, "encoder_version", lambda: "9.9"),
    ]
    for change in changes:
        change()
        (here / "results" / "small" / STUDY).unlink(missing_ok=True)
        assert selection.status(here / "studies" / "small.toml")["done"] == 0
        with pytest.raises(MooFsError, match="stopped"):
            selection.run(here / "studies" / "small.toml", tell=stopped)
        assert selection.status(here / "studies" / "small.toml")["done"] == 1
    assert computed == ["net: ends"] * len(changes)


def test_study_json_names_the_code_and_the_coders_of_its_pieces(selected):
    about = json.loads((selected[0] / "results" / "small" / STUDY).read_text())
    assert about["source_hash"] == archive.source_hash()
    assert set(about["coders"]) == {"constriction", "pillow", "av", "libavcodec", "x265"}
    assert all(version[0].isdigit() for version in about["coders"].values())


# What does not run


@pytest.mark.parametrize(
    ("library", "text", "told"),
    [
        (
            "av",
            GOOD,
            r"small.toml: selection: codec 'hevc': needs PyAV; install the extra: pip install 'moo-fs\[hevc\]'",
        ),
        (
            "imagecodecs",
            GOOD.replace("fills =", 'codecs = ["ans", "jpeg-ls"]\nfills ='),
            r"small.toml: selection: codec 'jpeg-ls': needs imagecodecs; install the extra: ",
        ),
    ],
)
def test_a_codec_whose_library_is_missing_is_refused_before_anything_is_written(
    library, text, told, tmp_path, monkeypatch
):
    path = write(tmp_path, text)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MooFsError, match=told):
        selection.run(path)
    assert not (tmp_path / "results").exists()
    assert selection.status(path)["done"] == 0


def test_the_status_counts_no_more_pieces_than_there_are(here):
    (here / "results" / "small" / STUDY).unlink()
    found = selection.status(write(here, changed("seeds = 2", "seeds = 1")))
    assert (found["pieces"], found["done"], found["archived"]) == (8, 8, False)


def test_a_closed_form_is_refused_before_anything_is_written(tmp_path):
    text = changed(GOOD.splitlines()[2], 'subject = {name = "linear-gaussian", channels = 4}')
    path = write(tmp_path, text)
    with pytest.raises(MooFsError) as refused:
        selection.run(path)
    assert str(refused.value) == (
        f"{path}: subject: 'linear-gaussian[channels=4]' is a closed form; a selection study wants a network"
    )
    assert not (tmp_path / "results").exists()


def test_a_measure_that_fails_is_named_and_what_was_done_is_kept(tmp_path, computed):
    text = changed('"l2-norm"', '"own.py:wrong"').replace(', {name = "own.py:net", draw = 1}', "")
    path = write(tmp_path, text)
    for _ in range(2):
        with pytest.raises(RunError, match=r"small.toml: net: wrong, block 0: .*no such thing"):
            selection.run(path)
    assert computed == ["net: ends", "net: one-qp", "net: random, block 0", *["net: wrong, block 0"] * 2]


RENAMED = """
def renamed(model):
    import dataclasses
    import moo_fs
    from tiny import pair
    def data(part):
        images, targets = pair(part)
        return images, {"counts": targets["depth"]}
    task = moo_fs.Task("counts", kind="values")
    return dataclasses.replace(model, heads={"counts": model.heads["depth"]}, tasks=[task], data=data)
"""


def test_a_task_may_be_called_what_columns_inside_begin_with(tmp_path):
    own = OWN.replace("return model", "return renamed(model)") + RENAMED
    path = write(tmp_path, changed(', {name = "own.py:net", draw = 1}', "").replace("seeds = 2", "seeds = 1"))
    (path.parent / "own.py").write_text(own)
    found = selection.run(path)
    assert found.rows["counts_rmse"].notna().all()
    assert found.rows["distortion_counts"].notna().all()
    assert not {"images_counts", "counts_counts"} & set(found.rows)
