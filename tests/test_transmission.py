"""Both ends of the wire: decoded bit-exactly in another process; a stream runs no file and builds nothing large."""

import json
import os
import subprocess
import sys
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
from moo_fs.streams import Stream, pack

BITS = [0, 1, 2, 4, 8, 3]
OWN = f"""
import sys
from pathlib import Path
sys.path.insert(0, r"{Path(__file__).parent}")
import torch
from tiny import tiny_model

def mine(device):
    return tiny_model()

def sized(device, size=1):
    Path(__file__).with_name("was-built").write_text(str(size))
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


def test_another_process_gives_the_outputs_of_what_was_encoded(folder, capsys):
    """Contract: symbols bit for bit, and the outputs of the heads on what these stand for, from the stream alone."""
    assert encode("--json") == 0
    sent = json.loads(capsys.readouterr().out)
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
    check_ledger(sent, prepared, folder / "x.mfs")


def check_ledger(told, prepared, path):
    """What encode --json says: the file and what it is of, then the ledger and nothing else."""
    of = {"file": "x.mfs", "subject": "own.py:mine", "part": "test", "image": 4, "codec": "ans"}
    ledger = {name: value for name, value in told.items() if name not in of}
    assert told == of | ledger
    sizes = ("header", "payload", "coded", "deployment", "file", "nominal", "entropy", "deployed")
    units = {"items", "coded_kilobytes", "bits_per_pixel", "bits_per_element"}
    kbit = {f"{name}_kbit" for name in ("nominal", "entropy", "coded")}
    assert set(ledger) == {f"{name}_bytes" for name in sizes} | units | kbit
    assert sum(item["bytes"] for item in ledger["items"] if not item["deployed"]) == ledger["coded_bytes"]
    assert sum(item["bytes"] for item in ledger["items"] if item["deployed"]) == ledger["deployed_bytes"]
    assert ledger["nominal_bytes"] == sum(BITS) * 2
    assert {item["name"]: item["bytes"] for item in ledger["items"]}["code-tables"] > 0
    assert ledger["bits_per_element"] == ledger["coded_bytes"] * 8 / 96
    assert ledger["bits_per_pixel"] == ledger["coded_bytes"] * 8 / 256  # images of 16 x 16
    assert ledger["coded_kilobytes"] == ledger["coded_bytes"] / 1000
    cells, maps = prepared.tables.select(BITS), prepared.features("test")[4:5].numpy()
    assert ledger["nominal_kbit"] == sum(BITS) * 16 / 1000
    assert ledger["entropy_kbit"] == pytest.approx(cells.rate_kbit(maps) + 0.128)
    assert ledger["coded_kbit"] == pytest.approx(ledger["coded_bytes"] * 8 / 1000)
    assert ledger["coded_kbit"] == pytest.approx(ledger["entropy_kbit"], abs=0.008)
    assert ledger["coded_bytes"] == ledger["header_bytes"] + ledger["payload_bytes"]
    assert ledger["header_bytes"] == 16
    assert ledger["file_bytes"] == path.stat().st_size == 18 + ledger["deployment_bytes"] + ledger["coded_bytes"]


def test_a_registered_subject_needs_no_name_and_options_travel(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bits.json").write_text(json.dumps([1, 0, 2, 0] * 16))
    options = {"fit_images": 4, "test_images": 4, "search_images": 4, "quantiser": "minmax"}
    words = [word for name, value in options.items() for word in ("--option", f"{name}={value}")]
    assert encode(*words, "--part", "search", subject="fashion-scenes", image=3) == 0
    deployment, stream = streams.read(tmp_path / "x.mfs")
    assert (deployment.subject, dict(deployment.options)) == ("fashion-scenes", options)
    assert (deployment.part, deployment.shape, stream.image) == ("search", (64, 16, 16), 3)
    assert status_of(["decode", "x.mfs", "-o", "o.npz"]) == 0
    assert "image 3 of the search part of fashion-scenes" in " ".join(capsys.readouterr().out.split())


def altered(folder, **changes):
    """A whole file, encoded with "own.py:sized", whose record is then changed; what that ran is forgotten."""
    assert encode(subject="own.py:sized") == 0
    deployment, stream = streams.read(folder / "x.mfs")
    (folder / "x.mfs").write_bytes(pack(replace(deployment, **changes), stream))
    (folder / "was-built").unlink()
    return replace(deployment, **changes)


def test_a_file_that_a_stream_names_is_not_run_unasked(folder, capsys):
    altered(folder)
    assert status_of(["decode", "x.mfs", "-o", "o.npz"]) == 2
    assert "own.py:sized" in (told := capsys.readouterr().err)
    assert "--subject" in told
    assert not (folder / "was-built").exists()
    assert not (folder / "o.npz").exists()


def test_no_option_names_another_subject(folder):
    """Contract: the checked reference is the one that is loaded, whatever else the options say."""
    spec = transmission.subject_spec("fashion-scenes", {"name": "own.py:sized"})
    assert (spec.name, spec.reference, dict(spec.options)) == ("fashion-scenes", None, {})


def test_a_large_number_in_a_stream_builds_nothing_unless_the_user_repeats_it(folder, capsys):
    altered(folder, options={"size": 5000})
    words = ["decode", "x.mfs", "-o", "o.npz", "--subject", "own.py:sized"]
    assert status_of(words) == 2
    assert (told := capsys.readouterr().err).endswith("repeat it with --option size=5000\n")
    assert told.count("\n") == 1
    assert not (folder / "was-built").exists()
    assert status_of([*words, "--option", "size=5000"]) == 0
    assert (folder / "was-built").read_text() == "5000"
    assert status_of([*words, "--option", "size=3"]) == 0
    assert (folder / "was-built").read_text() == "3"


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"subject": "linear-gaussian", "options": {"channels": 6}}, "is analytic"),
        ({"subject": "fashion-scenes"}, "has 64 channels, the stream is of features of (6, 4, 4)"),
        ({"subject": "fashion-scenes", "options": {"fit_images": 65536}}, "--option fit_images=65536"),
        ({"codec": "anz"}, "no codec 'anz'"),
    ],
)
def test_what_a_stream_asks_for_is_refused_before_it_is_built(folder, monkeypatch, changes, clause):
    deployment = altered(folder, **changes)
    monkeypatch.setattr(transmission, "load_subject", lambda *_, **__: pytest.fail("the subject was built"))
    with pytest.raises(MooFsError) as refused:
        transmission.receiver(deployment)
    assert clause in str(refused.value)


def test_a_subject_of_another_size_is_refused(folder, capsys):
    altered(folder, shape=(6, 4, 5))
    assert status_of(["decode", "x.mfs", "-o", "o.npz", "--subject", "own.py:sized"]) == 2
    assert "has features of (6, 4, 4), the stream is of features of (6, 4, 5)" in capsys.readouterr().err


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
        ({"words": ["--option", "name=own.py:sized"]}, "--option: wanted key=value"),
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
