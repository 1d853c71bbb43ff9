"""What several files of tests look at and is computed once."""

from __future__ import annotations

import shutil

import pytest
import small_selection
from small_comparison import OWN_MEASURES, write

import moo_fs
from moo_fs import selection


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """A finished comparison, to be read or copied."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)  # what survives a power cut is tested elsewhere
        moo_fs.compare(write(folder))
    return folder


@pytest.fixture(scope="session")
def placed(compared, tmp_path_factory):
    """The same with two measures placed among its own, and which runs were computed for that."""
    folder, ran = tmp_path_factory.mktemp("placed"), []
    shutil.copytree(compared, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("os.fsync", lambda descriptor: None)
        moo_fs.compare(
            "studies/small.toml", measures=OWN_MEASURES, on_event=lambda event: ran.append(event.run.measure.label)
        )
    return folder, ran


@pytest.fixture
def here(compared, tmp_path, monkeypatch):
    shutil.copytree(compared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def selected(tmp_path_factory):
    """The folder of a selection study and its finished archive, and what was told; to be read or copied."""
    folder, told = tmp_path_factory.mktemp("selected"), []
    with small_selection.quick():
        selection.run(small_selection.write(folder), tell=told.append)
    return folder, told
