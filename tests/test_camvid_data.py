"""CamVid is read in both layouts to the same frames, paired by name; whatever else lies there is refused."""

import shutil

import numpy as np
import pytest
from camvid_frames import COUNTS, made, packed, unpacked
from PIL import Image

from moo_fs import MooFsError
from moo_fs.subjects import camvid_data


@pytest.fixture(params=[packed, unpacked])
def either(request, tmp_path):
    return request.param(tmp_path)


@pytest.mark.parametrize("split", camvid_data.SPLITS)
def test_both_layouts_give_the_frames_their_classes_and_names(either, split):
    frames = camvid_data.load(either, split)
    images, labels, names = made(split)
    assert np.array_equal(frames.images, images.transpose(0, 3, 1, 2))
    assert np.array_equal(frames.labels, np.where(labels == 11, 255, labels))
    assert frames.names == tuple(name.removesuffix(".png") for name in names)


def test_a_subfolder_of_the_archive_s_own_name_is_found(tmp_path):
    (tmp_path / "CamVid").mkdir()
    unpacked(tmp_path / "CamVid")
    assert len(camvid_data.load(tmp_path, "val").names) == COUNTS["val"]


def test_pairs_are_made_by_name_whatever_order_and_ending_the_files_have(tmp_path):
    wanted = camvid_data.load(unpacked(tmp_path), "val")
    for k, path in enumerate(sorted((tmp_path / "valannot").iterdir(), reverse=True)):
        path.rename(path.with_suffix(".PNG" if k % 2 else ".png"))
    (tmp_path / "valannot" / "._seq_000.png").write_bytes(b"left by another system")
    (tmp_path / "val" / "readme.txt").write_text("no frame")
    found = camvid_data.load(tmp_path, "val")
    assert np.array_equal(found.labels, wanted.labels)
    assert found.names == wanted.names


def test_packed_frames_come_in_the_order_of_their_names(tmp_path):
    wanted = camvid_data.load(packed(tmp_path), "test")
    with np.load(tmp_path / camvid_data.PACKED) as file:
        turned = {key: file[key][::-1] for key in file}
    np.savez(tmp_path / camvid_data.PACKED, **turned)
    found = camvid_data.load(tmp_path, "test")
    assert found.names == wanted.names
    assert np.array_equal(found.images, wanted.images)
    assert np.array_equal(found.labels, wanted.labels)


def test_larger_frames_are_resized_and_labels_are_never_mixed(tmp_path):
    unpacked(tmp_path)
    for folder in camvid_data.FOLDERS:
        for path in (tmp_path / folder).iterdir():
            with Image.open(path) as image:
                large = image.resize((480, 360), Image.Resampling.NEAREST)
            large.save(path)
    frames = camvid_data.load(tmp_path, "val")
    images, labels, _ = made("val")
    assert np.array_equal(frames.labels, np.where(labels == 11, 255, labels))  # each pixel's centre lies in its own
    assert np.abs(frames.images.astype(float) - images.transpose(0, 3, 1, 2)).mean() < 4


def spoil_size(folder):
    Image.new("RGB", (64, 48)).save(folder / "val" / "seq_003.png")


def spoil_label(folder):
    Image.new("L", (128, 96), 12).save(folder / "valannot" / "seq_003.png")


def spoil_mode(folder):
    Image.new("RGB", (128, 96)).save(folder / "valannot" / "seq_003.png")


def empty(folder):
    for name in ("val", "valannot"):
        shutil.rmtree(folder / name)
        (folder / name).mkdir()


def doubled(folder):
    shutil.copy(folder / "val" / "seq_003.png", folder / "val" / "seq_003.PNG")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shutil.rmtree, "no such folder; wanted the folder of CamVid"),
        (lambda folder: [shutil.rmtree(folder / name) for name in camvid_data.FOLDERS], "wanted CamVid as camvid_96x1"),
        (lambda folder: shutil.rmtree(folder / "testannot"), "no folder testannot; wanted all six of CamVid"),
        (lambda folder: (folder / "valannot" / "seq_003.png").unlink(), "in valannot, got seq_003 without its pair"),
        (lambda folder: (folder / "val" / "seq_003.png").unlink(), "in valannot, got seq_003 without its pair"),
        (empty, "wanted PNG frames and for each labels of the same name in valannot, got none"),
        (doubled, r"wanted one PNG file a name, got seq_003\.PNG and seq_003\.png"),
        (spoil_size, r"seq_003\.png: wanted 96 x 128 pixels as in the first frame, got 48 x 64"),
        (spoil_label, r"seq_003\.png: wanted labels from 0 to 11, got 12"),
        (spoil_mode, "wanted one label of 8 bits a pixel, got an image of mode RGB"),
        (lambda folder: (folder / "val" / "seq_003.png").write_bytes(b"no"), "not a readable PNG image"),
        (lambda folder: (folder / camvid_data.PACKED).write_bytes(b"PK"), "cut short or something else"),
    ],
)
def test_folders_that_are_not_camvid_are_refused_with_what_was_wanted(spoil, words, tmp_path):
    folder = unpacked(tmp_path / "here")
    spoil(folder)
    with pytest.raises(MooFsError, match=words) as refusal:
        camvid_data.load(folder, "val")
    assert str(folder) in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"val_label": None}, "cut short or something else"),
        ({"val_name": np.array([{}] * 7, dtype=object)}, "cut short or something else"),  # nothing is unpickled
        ({"val_image": np.zeros((7, 96, 128, 3))}, "val_image: wanted bytes of shape .*, got float64"),
        ({"val_image": np.zeros((7, 64, 64, 3), np.uint8)}, "val_image: wanted bytes of shape"),
        ({"val_label": np.zeros((6, 96, 128), np.uint8)}, "val_label: wanted bytes of shape"),
        ({"val_label": np.full((7, 96, 128), 12, np.uint8)}, "val_label: wanted labels from 0 to 11, got 12"),
        ({"val_name": np.array(["a"] * 7)}, "wanted 7 different names, got 1"),
        ({"val_name": np.arange(7)}, "one a name in val_name"),
    ],
)
def test_packed_files_that_are_not_camvid_are_refused(changes, words, tmp_path):
    images, labels, names = made("val")
    arrays = {"val_image": images, "val_label": labels, "val_name": np.array(names), **changes}
    np.savez(tmp_path / camvid_data.PACKED, **{key: array for key, array in arrays.items() if array is not None})
    with pytest.raises(MooFsError, match=words):
        camvid_data.load(tmp_path, "val")
