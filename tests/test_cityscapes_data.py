"""Cityscapes' files, on drawn streets in the same folders: pairing, refusals, ids, disparity; and the streets."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from moo_fs import MooFsError
from moo_fs.subjects import cityscapes_data as data
from moo_fs.subjects import cityscapes_twin as twin

COUNTS = {"train": 5, "val": 2}
SIZE = (32, 64)
LINDEN = "train/linden/linden_000000_000019"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cityscapes")
    for layout in ("one folder", "archives"):
        twin.write_twin(folder / layout, counts=COUNTS, size=SIZE, layout=layout)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    shutil.copytree(written / "one folder", tmp_path / "data")
    return tmp_path / "data"


def save(pixels, path):
    Image.fromarray(np.asarray(pixels)).save(path)


def same(one, other):
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, other, strict=True))


def test_both_layouts_give_the_same_pairs(written):
    for split, count in COUNTS.items():
        flat, archived = (data.frames(written / layout, split) for layout in ("one folder", "archives"))
        assert len(flat) == count
        assert [one.name for one in flat] == [one.name for one in archived]
        assert all(same(data.read(a, height=16), data.read(b, height=16)) for a, b in zip(flat, archived, strict=True))
        for one in archived:
            assert {path.parts[-5] for path in one[1:]} == {f"{package.archive}" for package in data.PACKAGES}
            assert {path.name.partition("_")[0] for path in one[1:]} == {one.city}


def test_packages_may_be_unpacked_differently(folder):
    before = data.frames(folder, "train")
    (folder / "gtFine_trainvaltest").mkdir()
    (folder / "gtFine").rename(folder / "gtFine_trainvaltest" / "gtFine")
    assert [one.name for one in data.frames(folder, "train")] == [one.name for one in before]


def test_the_order_of_files_in_the_folder_does_not_matter(folder, monkeypatch):
    before = data.frames(folder, "train")
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: sorted(glob(self, pattern), reverse=True))
    assert data.frames(folder, "train") == before
    monkeypatch.setattr(Path, "glob", lambda self, pattern: sorted(glob(self, pattern)))
    assert data.frames(folder, "train") == before


def test_other_files_of_the_packages_and_hidden_ones_do_not_count(folder):
    before = data.frames(folder, "train")
    for name in ("gtFine/{}_gtFine_color.png", "gtFine/{}_gtFine_labelTrainIds.png", "gtFine/{}_gtFine_polygons.json"):
        (folder / name.format(LINDEN)).write_bytes(b"")
    (folder / "leftImg8bit/train/linden/._linden_000000_000019_leftImg8bit.png").write_bytes(b"")
    assert data.frames(folder, "train") == before


FOLDERS = {
    "nothing there": (lambda f: shutil.rmtree(f), "data: no such folder; wanted the folder of Cityscapes"),
    "a package missing": (lambda f: shutil.rmtree(f / "disparity"), "no disparity of Cityscapes; .* disparity_trainva"),
    "a split missing": (lambda f: shutil.rmtree(f / "gtFine/train"), "gtFine/train: no such folder; unpack gtFine_t"),
    "a city missing": (
        lambda f: shutil.rmtree(f / "leftImg8bit/train/linden"),
        "for each of 3 images, 2 have no image",
    ),
    "labels missing": (
        lambda f: (f / f"gtFine/{LINDEN}_gtFine_labelIds.png").unlink(),
        r"gtFine/train: wanted one \*_gtFine_labelIds.png for each of 5 images, 1 have none, the first is "
        "linden_000000_000019; unpack gtFine_trainvaltest.zip",
    ),
    "only converted labels": (
        lambda f: [one.rename(str(one).replace("Ids", "TrainIds")) for one in (f / "gtFine/train").glob("*/*Ids.png")],
        r"gtFine/train: no city/\*_gtFine_labelIds.png in it",
    ),
    "image missing": (
        lambda f: (f / f"leftImg8bit/{LINDEN}_leftImg8bit.png").unlink(),
        r"gtFine/train: .* for each of 4 images, 1 have no image, the first is linden_000000_000019",
    ),
    "disparity missing": (
        lambda f: (f / f"disparity/{LINDEN}_disparity.png").unlink(),
        r"disparity/train: .* 1 have none",
    ),
    "a file in another city": (
        lambda f: (f / f"disparity/{LINDEN}_disparity.png").rename(
            f / "disparity/train/ostheim/linden_000000_000019_disparity.png"
        ),
        "ostheim/linden_000000_000019_disparity.png: wanted ostheim_sequence_frame_disparity.png",
    ),
    "a name without a frame": (
        lambda f: (f / f"disparity/{LINDEN}_disparity.png").rename(f / "disparity/train/linden/linden_1_disparity.png"),
        "linden_1_disparity.png: wanted linden_sequence_frame",
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_that_is_not_whole_is_refused(case, folder):
    spoil, words = FOLDERS[case]
    spoil(folder)
    with pytest.raises(MooFsError, match=words) as caught:
        data.frames(folder, "train")
    assert "\n" not in str(caught.value)


def spoiled_labels(value, dtype=np.uint8, shape=SIZE):
    pixels = np.full(shape, 7, dtype)
    pixels[0, 0] = value
    return pixels


FILES = {
    "labels of another size": ("labels", np.full((32, 60), 7, np.uint8), "labelIds.png: wanted 32 x 64 .* got 32 x 60"),
    "disparity of another size": ("disparity", np.ones((16, 32), np.uint16), "_disparity.png: wanted 32 x 64 .* 16 x"),
    "images of another shape": ("image", np.zeros((32, 60, 3), np.uint8), "twice as many columns as rows .* 32 x 60"),
    "images that are small": ("image", np.zeros((14, 28, 3), np.uint8), "at least 16 rows, got 14 x 28"),
    "grey images": ("image", np.zeros(SIZE, np.uint8), "leftImg8bit.png: wanted colours of 8 bits, .* mode L"),
    "coloured labels": ("labels", np.zeros((*SIZE, 3), np.uint8), "labelIds.png: wanted one id of 8 bits .* mode RGB"),
    "disparity of 8 bits": ("disparity", np.zeros(SIZE, np.uint8), "disparity.png: wanted one code of 16 bits"),
    "labels converted already": ("labels", spoiled_labels(255), "ids from 0 to 33, got 255: it looks converted to tr"),
    "unknown ids": ("labels", spoiled_labels(34), "labelIds.png: wanted ids from 0 to 33, got 34: it is of another"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_not_what_its_name_says_is_refused(case, folder):
    which, pixels, words = FILES[case]
    frame = data.frames(folder, "train")[0]
    save(pixels, getattr(frame, which))
    with pytest.raises(MooFsError, match=words):
        data.read(frame, height=16)


@pytest.mark.parametrize("which", ["image", "labels", "disparity"])
@pytest.mark.parametrize("keep", [0, 40, -30])
def test_a_file_cut_short_is_refused_by_name(which, keep, folder):
    frame = data.frames(folder, "train")[0]
    path = getattr(frame, which)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(MooFsError, match=f"{path.name}: not a readable PNG image, or cut short"):
        data.read(frame, height=16)


def test_ids_become_the_official_train_ids():
    # cityscapesScripts, labels.py: id -> trainId; the ids that are not listed are ignored in evaluation.
    official = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12}
    official |= {26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
    found = data.classes_of(np.arange(34), Path("x"))
    assert found.tolist() == [official.get(one, 255) for one in range(34)]


def test_resizing_averages_colours_and_picks_labels_and_codes(tmp_path):
    # 4 x 8 to 2 x 4: the pixel nearest to the centre of 2 x 2 is the lower right one. Codes 0, 1, 257, 2561 are no
    # measurement, 0, 1 and 10 pixels of 8 columns: half of that of 4 columns.
    picked = np.array([[0, 1, 257, 2561], [513, 0, 129, 65535]], np.uint16)
    codes = np.full((4, 8), 999, np.uint16)
    codes[1::2, 1::2] = picked
    ids = np.zeros((4, 8), np.uint8)
    ids[1::2, 1::2] = [[7, 8, 11, 12], [33, 4, 23, 24]]
    image = np.arange(96, dtype=np.uint8).reshape(4, 8, 3) * 2
    frame = data.Frame("a_000000_000000", *(tmp_path / f"{name}.png" for name in ("image", "labels", "disparity")))
    for pixels, path in zip((image, ids, codes), frame[1:], strict=True):
        save(pixels, path)
    scene = data.read(frame, height=2)
    wanted = [[np.nan, 0, 0.5, 5], [1, np.nan, 0.25, 65534 / 512]]
    np.testing.assert_array_equal(scene.disparity, np.array(wanted, np.float32))
    assert scene.disparity.dtype == np.float32
    assert scene.labels.tolist() == [[0, 1, 2, 3], [18, 255, 10, 11]]
    means = image.reshape(2, 2, 4, 2, 3).astype(float).mean((1, 3))
    np.testing.assert_allclose(scene.image, means, atol=0.5)
    whole = data.read(frame, height=4)
    np.testing.assert_array_equal(whole.image, image)
    np.testing.assert_array_equal(whole.disparity, data.disparity_of(codes))


def test_at_a_quarter_of_the_size_disparity_is_a_quarter(tmp_path):
    frame = data.Frame("a_000000_000000", *(tmp_path / f"{name}.png" for name in ("image", "labels", "disparity")))
    for pixels, path in zip((np.zeros((8, 16, 3), np.uint8), np.full((8, 16), 7, np.uint8)), frame[1:3], strict=True):
        save(pixels, path)
    save(np.full((8, 16), 1 + 256 * 40, np.uint16), frame.disparity)
    assert np.unique(data.read(frame, height=2).disparity).tolist() == [10.0]


def test_training_leaves_out_the_last_tenth_of_each_city(tmp_path):
    names = [f"along_{k // 5:06d}_{k:06d}" for k in range(25)] + ["alone_000000_000000"]
    names += [f"pair_000000_{k:06d}" for k in range(2)]
    for package in data.PACKAGES:
        for name in names:
            place = tmp_path / package.folder / "train" / name.partition("_")[0]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{name}{package.ending}").touch()
    trains, held = data.training_parts(tmp_path)
    assert [one.name for one in held] == ["along_000004_000023", "along_000004_000024", "pair_000000_000001"]
    assert sorted(one.name for one in trains + held) == sorted(names)
    assert [one.name for one in data.spread(trains, 5)] == [trains[k].name for k in (0, 5, 10, 15, 20)]
    assert data.spread(trains, len(trains)) == trains


def test_frames_are_read_when_their_batch_is_asked_for(folder, monkeypatch):
    read, names = data.read, []
    monkeypatch.setattr(data, "read", lambda frame, **options: names.append(frame.name) or read(frame, **options))
    found = data.batches(data.frames(folder, "train"), height=16, at_once=2)
    assert names == []
    images, targets = next(found)
    assert len(names) == 2
    assert images.shape == (2, 3, 16, 32)
    assert 0 <= images.min() <= images.max() <= 1
    assert targets["segmentation"].shape == targets["disparity"].shape == (2, 16, 32)
    assert [len(one) for one, _ in found] == [2, 1]
    assert names == [one.name for one in data.frames(folder, "train")]


def test_a_street_is_the_same_bytes_again_and_another_one_for_another_seed(written, tmp_path):
    twin.write_twin(tmp_path, counts={"val": 1}, size=SIZE)
    twin.write_twin(tmp_path / "other", counts={"val": 1}, size=SIZE, seed=1)
    files = [path for path in tmp_path.rglob("*.png") if "other" not in path.parts]
    assert len(files) == 3
    for path in files:
        assert path.read_bytes() == (written / "one folder" / path.relative_to(tmp_path)).read_bytes()
        assert path.read_bytes() != (tmp_path / "other" / path.relative_to(tmp_path)).read_bytes()


def test_disparity_of_the_road_follows_from_the_camera():
    # Row r sees the ground at distance f 1.2 / (r + 1/2 - 0.42 rows): its disparity is 0.22 / 1.2 of the denominator.
    drawn = twin.street(np.random.default_rng(0), 64, 128)
    code = np.rint(256 * 0.22 / 1.2 * (np.arange(64) + 0.5 - 0.42 * 64)) + 1
    road = (drawn.ids == 7) & (drawn.codes > 0)
    assert road.sum() > 500
    np.testing.assert_array_equal(drawn.codes[road], np.broadcast_to(code[:, None], road.shape)[road])


def test_streets_have_what_the_real_files_have():
    drawn = [twin.street(np.random.default_rng(seed), 64, 128) for seed in range(12)]
    ids = np.unique(np.stack([one.ids for one in drawn]))
    assert set(data.TRAINED_IDS) <= set(ids.tolist())
    assert {1, 2, 9} <= set(ids.tolist())
    missing = np.stack([one.codes for one in drawn]) == 0
    assert 0.05 < missing.mean() < 0.25
    assert all(one.codes[one.ids == 23].max() == 1 for one in drawn)  # the sky is infinitely far
    near, far = (np.concatenate([one.codes[one.ids == kind] for one in drawn]) for kind in (26, 11))
    assert np.median(near[near > 0]) > np.median(far[far > 0]) > 1


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(MooFsError, match="wanted layout 'one folder' or 'archives' and splits train, val, test"):
        twin.write_twin(tmp_path, counts={"val": 1}, layout="zip")
    assert not list(tmp_path.iterdir())
