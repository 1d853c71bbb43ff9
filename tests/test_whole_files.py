"""Files are there whole or not at all."""

from pathlib import Path

import pytest

from moo_fs.whole_files import digest, file_digest, write_together, write_whole


def test_a_file_is_written_with_its_folder_and_nothing_else(tmp_path):
    write_whole(path := tmp_path / "a" / "b.json", b"\r\n\0")
    assert path.read_bytes() == b"\r\n\0"
    assert list(path.parent.iterdir()) == [path]
    assert file_digest(path) == digest(b"\r\n\0") != digest(b"")


def test_the_same_content_leaves_the_file_alone_and_another_replaces_it(tmp_path):
    write_whole(path := tmp_path / "x", b"1")
    before = path.stat()
    write_whole(path, b"1")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_whole(path, b"2")
    assert path.read_bytes() == b"2"


def test_none_appears_unless_all_can_be_written(tmp_path):
    """Contract: what is there already stays, and no part is left beside it."""
    (tmp_path / "first").write_bytes(b"old")
    with pytest.raises(OSError, match="missing"):
        write_together({tmp_path / "first": b"new", tmp_path / "missing" / "second": b"new"})
    assert (tmp_path / "first").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["first"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    write_whole(path := tmp_path / "x", b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_appear_in_the_order_given_when_all_are_complete(tmp_path, monkeypatch):
    """Contract: the last one vouches for the others, so it must not be there before them."""
    waiting, replace = [], Path.replace

    def noted(part, path):
        waiting.append((path.name, len(list(tmp_path.glob(".*.part")))))
        return replace(part, path)

    monkeypatch.setattr(Path, "replace", noted)
    write_together({tmp_path / "b": b"1", tmp_path / "a": b"2"})
    assert waiting == [("b", 2), ("a", 1)]
