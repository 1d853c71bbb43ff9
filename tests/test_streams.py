"""Bitstreams: decoded bit-exactly in another process from the file alone, and refused when anything is wrong."""

import json
import os
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import CHANNELS, tiny_model

from moo_fs import registry, streams, transmission
from moo_fs.cli import status_of
from moo_fs.contracts import MooFsError
from moo_fs.loading import load_subject
from moo_fs.streams import Deployment, Stream, pack, packed_record, unpack

BITS = [0, 1, 2, 4, 8, 3]
OWN = f"""
import sys
from pathlib import Path
sys.path.insert(0, r"{Path(__file__).parent}")
import torch
from tiny import tiny_model
Path(__file__).with_name("was-run").write_text("")

def mine(device):
    return tiny_model()

def other_heads(device):
    model = tiny_model()
    with torch.no_grad():
        model.heads["depth"].conv.bias += 0.1
    return model

def other_edge(device):
    model = tiny_model()
    with torch.no_grad():
        model.edge.conv.bias += 0.1
    return model
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "bits.json").write_text(json.dumps(BITS))
    return tmp_path


def moo(*words, folder):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "moo_fs", *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def encode(*words, subject="own.py:mine", image=4, out="x.mfs"):
    return status_of(["encode", subject, "--bits", "bits.json", "--image", str(image), "-o", out, *words])


def sample(code=b"\1\2\3\4\5\6\7"):
    deployment = Deployment("mine", {"size": 3}, "test", (1, 0), "ans", (2, 4, 4), "a" * 64, "b" * 64)
    return deployment, Stream(9, code)


def test_another_process_gives_the_outputs_of_what_was_encoded(folder):
    """Contract: symbols bit for bit, and the outputs of the heads on what these stand for, from the stream alone."""
    sent = moo("encode", "own.py:mine", "--bits", "bits.json", "--image", 4, "-o", "x.mfs", "--json", folder=folder)
    assert sent.returncode == 0, sent.stderr
    got = moo("decode", "x.mfs", "-o", "out.npz", "--subject", "own.py:mine", folder=folder)
    assert got.returncode == 0, got.stderr
    model, prepared = tiny_model(), load_subject(tiny_model())
    cells = prepared.tables.select(BITS)
    maps = prepared.features("test")[4:5].numpy()
    engine = prepared.evaluator("test").engine.outputs(cells, slice(4, 5))
    with np.load(folder / "out.npz", allow_pickle=False) as found:
        assert sorted(found.files) == sorted(model.heads)
        for name, head in model.heads.items():
            with torch.inference_mode():
                wanted = head(torch.from_numpy(cells.dequantise(maps))).numpy()
            np.testing.assert_array_equal(found[name], wanted)
            np.testing.assert_allclose(found[name], engine[name], rtol=1e-4, atol=1e-5)
    deployment, stream = streams.read(folder / "x.mfs")
    np.testing.assert_array_equal(transmission.decode(prepared, deployment, stream), cells.symbols(maps)[0])
    check_ledger(json.loads(sent.stdout), prepared, folder / "x.mfs")


def check_ledger(ledger, prepared, path):
    cells, maps = prepared.tables.select(BITS), prepared.features("test")[4:5].numpy()
    assert ledger["nominal_kbit"] == sum(BITS) * 16 / 1000
    assert ledger["entropy_kbit"] == pytest.approx(cells.rate_kbit(maps) + 0.128)
    assert ledger["coded_kbit"] == ledger["coded_bytes"] * 8 / 1000 == pytest.approx(ledger["entropy_kbit"], abs=0.008)
    assert ledger["coded_bytes"] == ledger["header_bytes"] + ledger["payload_bytes"]
    assert ledger["header_bytes"] == 16
    assert ledger["file_bytes"] == path.stat().st_size == 18 + ledger["deployment_bytes"] + ledger["coded_bytes"]


def test_a_registered_subject_needs_no_name_and_options_travel(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bits.json").write_text(json.dumps([1, 0, 2, 0] * 16))
    options = ["--option", "test_images=4", "--option", "quantiser=minmax", "--part", "search"]
    assert encode(*options, subject="fashion-scenes", image=3) == 0
    deployment, stream = streams.read(tmp_path / "x.mfs")
    assert (deployment.subject, dict(deployment.options)) == (
        "fashion-scenes",
        {"test_images": 4, "quantiser": "minmax"},
    )
    assert (deployment.part, deployment.shape, stream.image) == ("search", (64, 16, 16), 3)
    assert status_of(["decode", "x.mfs", "-o", "o.npz"]) == 0
    assert "image 3 of the search part of fashion-scenes" in " ".join(capsys.readouterr().out.split())


def test_a_file_that_a_stream_names_is_not_run_unasked(folder, capsys):
    deployment, stream = sample()
    (folder / "x.mfs").write_bytes(pack(replace(deployment, subject="own.py:mine"), stream))
    assert status_of(["decode", "x.mfs", "-o", "o.npz"]) == 2
    assert "own.py:mine" in (told := capsys.readouterr().err)
    assert "--subject" in told
    assert not (folder / "was-run").exists()
    assert not (folder / "o.npz").exists()


def test_options_of_a_stream_name_no_other_subject(folder, capsys):
    """Contract: a registered subject whose options name a file does not run it, in no layer."""
    deployment, stream = sample()
    evil = replace(deployment, subject="fashion-scenes", options={"name": str(folder / "own.py:mine")})
    (folder / "x.mfs").write_bytes(forged(packed_record(evil), stream))
    assert status_of(["decode", "x.mfs", "-o", "o.npz"]) == 2
    assert "deployment record: options: wanted" in capsys.readouterr().err
    with pytest.raises(MooFsError):
        transmission.receiver(evil)
    assert transmission.subject_spec("fashion-scenes", evil.options).name == "fashion-scenes"
    assert not (folder / "was-run").exists()


@pytest.mark.parametrize(("subject", "what"), [("other_heads", "heads"), ("other_edge", "tables")])
def test_the_wrong_subject_is_refused(folder, capsys, subject, what):
    assert encode() == 0
    assert status_of(["decode", "x.mfs", "-o", "o.npz", "--subject", f"own.py:{subject}"]) == 2
    assert f"its {what} are not those" in capsys.readouterr().err
    assert not (folder / "o.npz").exists()


@pytest.mark.parametrize(
    ("words", "clause"),
    [
        ({"image": 7}, "image: wanted 0 to 6, the test part's images, got 7"),
        ({"image": -1}, "image: wanted 0 to 6"),
        ({"words": ["--part", "train"]}, "no part 'train'"),
        ({"words": ["--codec", "anz"]}, "no codec 'anz'; did you mean 'ans'?"),
        ({"words": ["--codec", "entropy"]}, "codec 'entropy': it is an estimate and makes no stream"),
        ({"words": ["--option", "size=3"]}, "unknown option 'size'"),
        ({"words": ["--option", "size"]}, "--option: wanted key=value"),
        ({"subject": "linear-gaussian"}, "is analytic and has no symbols"),
        ({"out": "no/such/folder.mfs"}, "cannot be written"),
    ],
)
def test_what_cannot_be_encoded_is_refused(folder, capsys, words, clause):
    assert encode(*words.pop("words", ()), **words) == 2
    assert clause in capsys.readouterr().err
    assert not list(folder.glob("*.mfs*"))


def test_bits_that_do_not_fit_are_refused(folder, capsys):
    (folder / "bits.json").write_text(json.dumps(BITS[:-1]))
    assert encode() == 2
    assert f"bits.json: wanted {CHANNELS} along 'channel'" in capsys.readouterr().err


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


def forged(record, stream):
    front = streams.FRONT.pack(1, len(record))
    check = streams.CHECK.pack(zlib.crc32(front + record))
    return streams.MAGIC + front + check + record + streams.packed_stream(stream)


def test_a_code_of_another_image_size_is_refused_in_one_sentence(folder, capsys):
    """A whole file whose code is not one: what the check sums cannot see, the codec does."""
    assert encode() == 0
    deployment, stream = streams.read(folder / "x.mfs")
    (folder / "x.mfs").write_bytes(pack(deployment, Stream(4, stream.code[:-3] + b"\1\1\1")))
    assert status_of(["decode", "x.mfs", "-o", "o.npz", "--subject", "own.py:mine"]) == 2
    assert "x.mfs: codec 'ans'" in capsys.readouterr().err
    assert not (folder / "o.npz").exists()


def test_codecs_are_listed_with_whether_they_make_streams(capsys):
    assert status_of(["list", "codecs", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["ans"]["stream"], rows["entropy"]["stream"]) == (True, False)
    assert all(row["stream"] == registry.codecs.load(name).makes_stream for name, row in rows.items())
