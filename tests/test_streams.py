"""The file format of bitstreams: it holds what was put into it, and anything cut, damaged or impossible is refused."""

import zlib
from dataclasses import replace

import pytest

from moo_fs import streams
from moo_fs.cli import status_of
from moo_fs.contracts import MooFsError
from moo_fs.streams import Deployment, Stream, pack, packed_record, unpack


def sample(code=b"\1\2\3\4\5\6\7"):
    deployment = Deployment("mine", {"size": 3}, "test", (1, 0), "ans", (2, 4, 4), "a" * 64, "b" * 64)
    return deployment, Stream(9, code)


def forged(record, stream):
    front = streams.FRONT.pack(1, len(record))
    check = streams.CHECK.pack(zlib.crc32(front + record))
    return streams.MAGIC + front + check + record + streams.packed_stream(stream)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 100])
def test_a_file_holds_what_was_put_into_it(length):
    deployment, stream = sample(bytes(range(1, length + 1)))
    content = pack(deployment, stream)
    assert unpack(content, "x.mfs") == (deployment, stream)
    assert len(content) == 18 + len(packed_record(deployment)) + 16 + max(0, length - 4)
    assert len(streams.packed_stream(stream)) == 16 + stream.payload_bytes


def test_a_file_cut_anywhere_or_longer_is_refused():
    content = pack(*sample())
    for length in range(len(content)):
        with pytest.raises(MooFsError, match=r"x\.mfs: is (cut off|empty)"):
            unpack(content[:length], "x.mfs")
    with pytest.raises(MooFsError, match="stream is damaged"):
        unpack(content + b"\0", "x.mfs")


@pytest.mark.parametrize("code", [b"", b"\1\2", b"\1\2\3\4\5\6\7"])
def test_any_damaged_byte_is_refused(code):
    content = pack(*sample(code))
    for at in range(len(content)):
        for flip in (1, 0x80, 0xFF):
            damaged = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
            with pytest.raises(MooFsError, match=r"x\.mfs: "):
                unpack(damaged, "x.mfs")


def test_foreign_and_newer_files_are_refused(tmp_path, capsys):
    newer = bytearray(pack(*sample()))
    newer[8] = 2
    cases = {"empty": b"", "foreign": b"\x89PNG\r\n\x1a\n" + bytes(60), "newer": bytes(newer)}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    told = {"empty": "is empty", "foreign": "is no .mfs file", "newer": "has format 2", "none": "cannot be read"}
    for name, clause in told.items():
        assert status_of(["decode", str(tmp_path / name), "-o", str(tmp_path / "o.npz")]) == 2
        assert clause in (sentence := capsys.readouterr().err)
        assert sentence.count("\n") == 1
    assert not (tmp_path / "o.npz").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", ""),
        ("subject", 3),
        ("codec", "a\nb"),
        ("part", "train"),
        ("tables", "a"),
        ("heads", None),
        ("shape", [2, 4]),
        ("shape", [2, 2**12, 2**12]),
        ("shape", [2, 4, 0]),
        ("shape", [2, 4, True]),
        ("bits", [1]),
        ("bits", [1, 9]),
        ("bits", [1, 0.5]),
        ("options", {"size": [1]}),
        ("options", {"size": 10**9}),
        ("options", {"size": float("nan")}),
        ("options", {"name": "own.py:mine"}),
        ("options", {"device": "cuda"}),
        ("options", {"--size": 3}),
        ("options", []),
    ],
)
def test_a_record_that_claims_the_impossible_is_refused(field, value):
    """With a check sum that fits: such a file comes from somebody, not from a broken disk."""
    deployment, stream = sample()
    content = forged(packed_record(replace(deployment, **{field: value})), stream)
    with pytest.raises(MooFsError, match=f"deployment record: {field}: wanted"):
        unpack(content, "x.mfs")
    with pytest.raises(MooFsError, match=f"deployment record: {field}: wanted"):
        pack(replace(deployment, **{field: value}), stream)


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"bits":[1]}'])
def test_a_record_that_is_no_record_is_refused(record):
    with pytest.raises(MooFsError, match="deployment record"):
        unpack(forged(record, sample()[1]), "x.mfs")


def test_a_forged_record_whose_options_name_a_file_does_not_run_it(tmp_path, monkeypatch, capsys):
    """Contract: such a file comes from somebody who wants to run code on the receiver's machine."""
    monkeypatch.chdir(tmp_path)
    evil = tmp_path / "evil.py"
    evil.write_text("from pathlib import Path\nPath(__file__).with_name('was-run').touch()\nsubject = list\n")
    deployment, stream = sample()
    record = replace(deployment, subject="fashion-scenes", options={"name": f"{evil}:subject"})
    (tmp_path / "x.mfs").write_bytes(forged(packed_record(record), stream))
    assert status_of(["decode", "x.mfs", "-o", "o.npz"]) == 2
    assert "x.mfs: deployment record: options: wanted" in capsys.readouterr().err
    assert not (tmp_path / "was-run").exists()
