"""CIFAR-10 on fake folders: three forms, one order, one draw of validation images; nothing of a pickle is executed."""

import io
import os
import pickle

import numpy as np
import pytest
from PIL import Image

from moo_fs.contracts import MooFsError
from moo_fs.subjects import cifar10, restricted_pickle

COUNT = 40


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(cifar10, "PER_BATCH", COUNT)


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    return {
        name: (rng.integers(0, 256, (COUNT, 3, 32, 32), dtype=np.uint8), rng.permutation(np.arange(COUNT) % 10))
        for name in names
    }


def write_binary(folder, batches):
    for name, (images, labels) in batches.items():
        rows = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(COUNT, -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())


def write_python(folder, batches, protocol=2):
    for name, (images, labels) in batches.items():
        whole = {"batch_label": name, "labels": labels.tolist(), "data": images.reshape(COUNT, -1), "filenames": ["x"]}
        (folder / name).write_bytes(pickle.dumps(whole, protocol=protocol))


def write_packed(folder, batches):
    for name, (images, labels) in batches.items():
        stored = [webp(image) for image in images]
        target = "cifar10_test" if name == "test_batch" else f"cifar10_train_{name[-1]}"
        np.savez(
            folder / f"{target}.npz",
            webp=np.frombuffer(b"".join(stored), np.uint8),
            offset=np.cumsum([0, *map(len, stored)]),
            label=labels.astype(np.uint8),
        )


def webp(image):
    stream = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(stream, "WEBP", lossless=True, exact=True)
    return stream.getvalue()


WRITERS = {"binary": write_binary, "python": write_python, "packed": write_packed}


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_gives_the_same_arrays_in_the_same_order(tmp_path, batches, form):
    WRITERS[form](tmp_path, batches)
    (tmp_path / "other").mkdir()
    order = [*list(batches)[4::-1], "test_batch"]  # the same images in other files
    write_binary(tmp_path / "other", dict(zip(batches, map(batches.get, order), strict=True)))
    for split, count in (("train", 5 * COUNT), ("test", COUNT)):
        found, other = cifar10.load(tmp_path, split), cifar10.load(tmp_path / "other", split)
        assert found.images.shape == (count, 3, 32, 32)
        assert (found.images.dtype, found.labels.dtype) == (np.uint8, np.int64)
        assert np.array_equal(found.images, other.images)
        assert np.array_equal(found.labels, other.labels)
    labels = {image.tobytes(): label for batch in batches.values() for image, label in zip(*batch, strict=True)}
    read = cifar10.load(tmp_path, "train")
    assert all(labels[image.tobytes()] == label for image, label in zip(*read, strict=True))


@pytest.mark.parametrize(("form", "place"), [("python", "cifar-10-batches-py"), ("binary", "cifar-10-batches-bin")])
def test_the_usual_subfolder_is_found(tmp_path, batches, form, place):
    (tmp_path / place).mkdir()
    WRITERS[form](tmp_path / place, batches)
    assert len(cifar10.load(tmp_path, "test").labels) == COUNT


def test_training_never_opens_the_test_file(tmp_path, batches):
    write_binary(tmp_path, {name: batch for name, batch in batches.items() if name != "test_batch"})
    trains, validates = cifar10.training_parts(tmp_path)
    assert (len(trains.labels), len(validates.labels)) == (180, 20)
    assert np.array_equal(np.bincount(validates.labels), np.full(10, 2))
    assert not {one.tobytes() for one in trains.images} & {one.tobytes() for one in validates.images}


def test_the_draw_of_validation_images_is_the_same_on_every_machine():
    chosen = cifar10.validation(np.arange(200) % 10)
    expected = [2, 6, 19, 22, 28, 31, 54, 57, 59, 67, 74, 80, 85, 110, 143, 168, 175, 181, 183, 196]
    assert np.flatnonzero(chosen).tolist() == expected


def python_2_batch():
    """Protocol 2 as Python 2 wrote CIFAR-10: byte strings are `str` (BINSTRING), numpy under its old name."""

    def text(value):
        return b"T" + len(value).to_bytes(4, "little") + value

    kind = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    number = (
        b"cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    state = b"(K\x01K\x02K\x03\x86" + number + b"\x89" + text(bytes(range(6))) + b"tb"
    return b"\x80\x02}(" + text(b"data") + kind + state + text(b"labels") + b"](K\x07K\x09eu."


def test_pickles_of_old_and_new_pythons_are_read(tmp_path):
    path = tmp_path / "old"
    path.write_bytes(python_2_batch())
    old = restricted_pickle.load(path)
    assert old[b"labels"] == [7, 9]
    assert np.array_equal(old[b"data"], np.arange(6).reshape(2, 3))
    value = {"a": [1, 2.5, None, True, (b"\xff", "\u00e9")], "b": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    for protocol in (2, 3, 4):
        path.write_bytes(pickle.dumps(value, protocol=protocol))
        found = restricted_pickle.load(path)
        assert found["a"] == value["a"]
        assert np.array_equal(found["b"], value["b"])


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path, batches, protocol):
    write_python(tmp_path, batches)
    harm = tmp_path / "harm"
    attacks = {
        rf"'{os.system.__module__}\.system'": Malicious(os.system, f"touch {harm}"),
        r"'(builtins|__builtin__)\.eval'": Malicious(eval, f"open({str(harm)!r}, 'w')"),
        r"'(builtins|__builtin__)\.getattr'": Malicious(getattr, cifar10.load, "__globals__"),
        r"'pathlib\.": harm,
    }
    for name, attack in attacks.items():
        (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": attack, "labels": [1]}, protocol=protocol))
        with pytest.raises(MooFsError, match=f"test_batch: a pickle that asks for {name}"):
            cifar10.load(tmp_path, "test")
        assert not harm.exists()
    pickle.loads((tmp_path / "test_batch").read_bytes())  # the pickles are whole: Python itself would have obeyed


@pytest.mark.parametrize(
    "raw",
    [
        pickle.dumps(np.array([{}], dtype=object), protocol=2),  # an array of objects
        pickle.dumps(np.zeros(2, [("a", "u1")]), protocol=2),  # an array of structures
        python_2_batch().replace(b"K\x02K\x03\x86", b"K\x02K\x7f\x86"),  # a shape beyond its bytes
        b"cnumpy\nndarray\n(K\x01tR.",  # an array made directly
        b"cnumpy\ndtype\n(VV8\ntR.",
        b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
        b"c_codecs\nencode\nN}Vx\nK\x01s\x86b.",  # attributes set on what a name stands for
        b"cnumpy.core.multiarray\n_reconstruct\n(cbuiltins\nlist\nK\x00VO\ntR.",
        b"Pid\n.",
    ],
)
def test_arrays_of_anything_but_numbers_and_other_tricks_are_refused(tmp_path, raw):
    (tmp_path / "x").write_bytes(raw)
    before = dict(vars(restricted_pickle._Text))
    with pytest.raises(MooFsError, match=r"x: (a pickle that asks for|not a readable pickle)"):
        restricted_pickle.load(tmp_path / "x")
    assert dict(vars(restricted_pickle._Text)) == before


def test_a_missing_or_foreign_folder_and_half_of_the_batches_are_refused(tmp_path, batches):
    with pytest.raises(MooFsError, match="nowhere: no such folder"):
        cifar10.load(tmp_path / "nowhere", "train")
    with pytest.raises(MooFsError, match=r"no train images of CIFAR-10; wanted data_batch_1..5.bin and test_batch.bin"):
        cifar10.load(tmp_path, "train")
    write_python(tmp_path, {name: batches[name] for name in ("data_batch_1", "data_batch_2", "data_batch_4")})
    with pytest.raises(MooFsError, match=r"data_batch_3: no such file; wanted all 5 train files of the python version"):
        cifar10.load(tmp_path, "train")


@pytest.mark.parametrize(
    ("form", "name", "wanted"),
    [
        ("binary", "data_batch_2.bin", f"wanted {COUNT * 3073} bytes"),
        ("python", "data_batch_2", "not a readable pickle, or cut short"),
        ("packed", "cifar10_train_2.npz", "wanted an npz file"),
    ],
)
@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.999])
def test_a_truncated_batch_is_refused_with_its_name(tmp_path, batches, form, name, wanted, keep):
    WRITERS[form](tmp_path, batches)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(MooFsError, match=f"{name}: {wanted}"):
        cifar10.load(tmp_path, "train")


def test_wrong_sizes_and_labels_are_refused(tmp_path, batches):
    images, labels = batches["test_batch"]
    wrong = {
        "labels from 0 to 9, got 0 to 10": {
            "data": images.reshape(COUNT, -1),
            "labels": (labels + labels // 9).tolist(),
        },
        f"{COUNT} whole labels": {"data": images.reshape(COUNT, -1), "labels": labels.tolist()[1:]},
        f"{COUNT} whole labels,": {"data": images.reshape(COUNT, -1), "labels": labels.astype(float).tolist()},
        f"{COUNT} images of 3 x 32 x 32": {"data": images.reshape(COUNT, -1)[1:], "labels": labels.tolist()},
        "got float64": {"data": images.reshape(COUNT, -1) / 255, "labels": labels.tolist()},
        "got ragged": {"data": [[1], [1, 2]], "labels": labels.tolist()},
        "'data' and 'labels', got dict": {"data": images},
        "'data' and 'labels', got list": [1],
    }
    for sentence, value in wrong.items():
        (tmp_path / "test_batch").write_bytes(pickle.dumps(value, protocol=2))
        with pytest.raises(MooFsError, match=f"test_batch: .*{sentence}"):
            cifar10.load(tmp_path, "test")


def test_a_packed_file_with_wrong_offsets_or_pictures_is_refused(tmp_path, batches):
    images, labels = batches["test_batch"]
    good = [webp(image) for image in images]
    large = webp(np.zeros((3, 33, 32), np.uint8))
    cases = {
        "rising offsets": (good, 1),
        "image 3: wanted 32 x 32 pixels, got 32 x 33": ([*good[:3], large, *good[4:]], 0),
        "image 3 is not a readable WebP": ([*good[:3], good[3][:40], *good[4:]], 0),
    }
    for sentence, (stored, moved) in cases.items():
        np.savez(
            tmp_path / "cifar10_test.npz",
            webp=np.frombuffer(b"".join(stored), np.uint8),
            offset=np.cumsum([0, *map(len, stored)]) + moved,
            label=labels.astype(np.uint8),
        )
        with pytest.raises(MooFsError, match=f"cifar10_test.npz: .*{sentence}"):
            cifar10.load(tmp_path, "test")
