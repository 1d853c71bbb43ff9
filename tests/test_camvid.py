"""The subject camvid on frames made here: the boundary task, a training that resumes, parts, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from camvid_frames import packed
from safetensors import safe_open
from typer.testing import CliRunner

from moo_fs import MooFsError
from moo_fs.cli import app
from moo_fs.loading import load_subject
from moo_fs.subjects import boundaries, camvid, camvid_data, camvid_training, network, trainers, weights_file

SIZES = {"fit_images": 3, "search_images": 2, "test_images": 3}
THINGS = camvid_training.THINGS


@pytest.fixture
def subject_folder(tmp_path):
    torch.manual_seed(0)
    weights_file.save(network.Whole(11, camvid_training.BOUNDARY), packed(tmp_path) / camvid.WEIGHTS)
    return tmp_path


def brute_force(labels, limit):
    """The definition, pixel by pixel."""
    found = np.full(labels.shape, np.nan)
    places = [(row, column) for row, column in np.ndindex(labels.shape) if labels[row, column] != 255]
    for row, column in places:
        label = labels[row, column]
        others = [np.hypot(row - r, column - c) for r, c in places if labels[r, c] != label]
        size = min([limit, *(distance - 0.5 for distance in others)])
        found[row, column] = size if label in THINGS else -size
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit", [3.0, np.inf])
def test_the_signed_distance_is_its_definition(seed, limit):
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.array([0, 3, 8, 9, 255], np.uint8), p=[0.6, 0.1, 0.1, 0.1, 0.1], size=(9, 12))
    found = boundaries.signed_distance(labels, things=THINGS, limit=limit)
    np.testing.assert_allclose(found, brute_force(labels, limit), rtol=1e-6)


def test_one_class_is_at_the_limit_and_the_unlabelled_make_no_boundary():
    labels = np.full((2, 6, 6), 8, np.uint8)
    labels[1], labels[1, 2:4] = 3, 255
    found = boundaries.signed_distance(labels, things=THINGS, limit=16.0)
    assert (found[0] == 16).all()
    assert np.isnan(found[1, 2:4]).all()
    assert (found[1, [0, 1, 4, 5]] == -16).all()


def test_beside_a_straight_boundary_the_distance_is_half_a_pixel():
    labels = np.repeat(np.array([[3, 3, 8, 8]], np.uint8), 4, axis=0)
    found = boundaries.signed_distance(labels, things=THINGS)
    assert found[0].tolist() == [-1.5, -0.5, 0.5, 1.5]


def frames_as_bytes():
    """Each pixel's red and green are its row and column, so that a crop says where it was taken."""
    rows, columns = np.mgrid[:96, :128]
    images = np.stack([rows, columns, np.zeros_like(rows)]).astype(np.uint8)
    return torch.from_numpy(images)[None].repeat(64, 1, 1, 1)


def test_frames_labels_and_distances_are_changed_alike():
    images = frames_as_bytes()
    labels = images[:, 1].clone()  # the column, 0..127
    distance = torch.full(labels.shape, 4.0)
    distance[:, :48] = torch.nan
    lit, targets = camvid_training.change(images, labels, distance, np.random.default_rng(0))
    assert lit.shape == (64, 3, *camvid_training.CROP)
    assert lit.max() <= 1
    columns = targets["segmentation"].float()
    gain = (lit[:, 1] * 255 * columns).flatten(1).sum(1) / columns.square().flatten(1).sum(1)
    gap = lit[:, 1] * 255 / gain[:, None, None] - columns
    assert gap.abs().max() < 1  # bilinear against nearest: less than a pixel apart
    assert 0.6 < gain.min() < 0.85
    assert 1.15 < gain.max() < 1.45
    step = columns[:, 0, 1:] - columns[:, 0, :-1]
    mirrored = step.mean(1) < 0
    assert 20 < int(mirrored.sum()) < 44
    # at scale s neighbours are 1 / s columns apart, and a distance of 4 becomes 4.5 s - 0.5
    scale = 111 / (columns[:, 0, -1] - columns[:, 0, 0]).abs()
    grown = targets["boundary"].nan_to_num(0).flatten(1).max(1).values
    torch.testing.assert_close(grown, 4.5 * scale - 0.5, atol=0.2, rtol=0)
    assert 20 < int((step.abs() == 1).all(1).sum()) < 44
    # the unlabelled upper half stays NaN and nothing else becomes it
    rows = lit[:, 0] * 255 / lit[:, 0].flatten(1).max(1).values[:, None, None]
    assert targets["boundary"].isnan()[:, 0].all()
    assert not targets["boundary"].isnan()[:, -1].any()
    assert (rows[:, 1:] >= rows[:, :-1] - 1e-3).all()


def test_the_loss_of_the_best_constants_is_the_sum_of_the_weights(tmp_path):
    frames = camvid_data.load(packed(tmp_path), "val")
    images, targets = camvid_training.targets_of(frames)
    constants = camvid_training.constants(frames, targets["boundary"].numpy(), device="cpu")
    counts = torch.bincount(targets["segmentation"].flatten(), minlength=256)[:11] * constants.class_weights
    outputs = {
        "segmentation": (counts / counts.sum()).log().view(1, 11, 1, 1).expand(len(images), -1, 96, 128),
        "boundary": torch.full_like(targets["boundary"], float(targets["boundary"].nanmean())),
        "reconstruction": images.mean().expand_as(images),
    }
    value = float(camvid_training.loss(outputs, targets, constants))
    assert value == pytest.approx(sum(camvid_training.WEIGHTS.values()), rel=1e-4)
    outputs["boundary"][targets["boundary"].isnan()] = 1e6  # unlabelled pixels count nowhere
    assert float(camvid_training.loss(outputs, targets, constants)) == pytest.approx(value, rel=1e-6)


def test_training_killed_and_resumed_ends_with_the_same_weights_and_never_reads_the_test_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(camvid_training, "CROP", (32, 48))
    packed(tmp_path, ["train", "val"])  # training has no need of test frames
    recipe = replace(camvid_training.RECIPE, steps=3, warmup=1)

    def stop(step, loss):
        if step == 2:
            raise KeyboardInterrupt

    def train(name, **options):
        return camvid_training.train(tmp_path, checkpoint=tmp_path / name, recipe=recipe, every=1, **options)

    whole, found = train("a")
    with pytest.raises(KeyboardInterrupt):
        train("b", report=stop)
    resumed, again = train("b")
    assert found == again
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert whole.edge.ceiling == network.CEILING


def test_the_training_command_trains_and_its_weights_are_the_subject_s(tmp_path):
    (tmp_path / "data" / "camvid").mkdir(parents=True)
    packed(tmp_path / "data" / "camvid")  # the folder of several data sets is enough
    heard = []
    trainer = trainers.trainer("camvid", tell=heard.append)
    path = trainer.run(
        tmp_path / "data", out=tmp_path / "out", seed=0, device="cpu", steps=2, report=lambda step, loss: None
    )
    assert path.name == camvid.WEIGHTS
    assert "on the validation frames mIoU" in heard[-1]
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert about["steps"] == 2
    assert f"best constant {about['validation_rmse_of_constant']:.2f}" in heard[-1]
    prepared = load_subject("camvid", options={"data": str(tmp_path / "data"), "weights": str(path), **SIZES})
    assert prepared.features("fit").shape == (3, 64, 24, 32)
    assert float(prepared.features("fit").max()) <= network.CEILING


def test_the_subject_is_searched_like_any_other(subject_folder):
    prepared = load_subject("camvid", options={"data": str(subject_folder), **SIZES})
    assert [task.name for task in prepared.tasks] == ["segmentation", "boundary", "reconstruction"]
    search = prepared.evaluator("search")
    nothing, everything = search.outcome(np.zeros(64, np.int8)), search.outcome(np.full(64, 8, np.int8))
    np.testing.assert_allclose(nothing.objectives[1:], 1.0)
    assert np.abs(everything.objectives[1:]).max() < 0.1
    assert everything.objectives[0] > nothing.objectives[0]
    assert prepared.source.weights.shape == (64, 64, 1, 1)


def test_a_command_takes_its_folder_as_an_option_or_from_the_environment(subject_folder, monkeypatch, tmp_path):
    (tmp_path / "bits.json").write_text(json.dumps([2] * 64))
    sizes = ",".join(f"{name}={size}" for name, size in SIZES.items())
    command = ["evaluate", "--bits", str(tmp_path / "bits.json"), "--json"]
    named = CliRunner().invoke(app, [*command, f"camvid[data={subject_folder},{sizes}]"])
    monkeypatch.setenv("MOO_FS_DATA", str(subject_folder))
    found = CliRunner().invoke(app, [*command, f"camvid[{sizes}]"])
    assert named.exit_code == found.exit_code == 0, named.output
    assert named.stdout == found.stdout
    assert {"segmentation_miou", "boundary_rmse", "reconstruction_psnr_db"} < json.loads(named.stdout).keys()


def test_fit_and_search_are_the_two_halves_in_order_and_no_frame_is_in_two_parts(subject_folder):
    parts = {part: camvid.part_frames(subject_folder, part).names for part in ("fit", "search", "test")}
    assert parts["fit"] + parts["search"] == camvid_data.load(subject_folder, "val").names
    assert [len(names) for names in parts.values()] == [3, 4, 6]
    assert parts["test"] == camvid_data.load(subject_folder, "test").names


def test_a_part_s_frames_are_spread_evenly(subject_folder):
    wanted = camvid_data.load(subject_folder, "test").images[[1, 3, 5]]
    images, targets = camvid.part_data(subject_folder, "test", 3)
    assert np.array_equal((images * 255).round().numpy().astype(np.uint8), wanted)
    assert torch.equal(images, targets["reconstruction"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": ""}, "wanted the folder of CamVid; set MOO_FS_DATA to it, or the option data"),
        ({"data": "nowhere"}, "the option data: nowhere: no such folder; wanted the folder of CamVid"),
        ({"weights": "nowhere.safetensors"}, "no weights; train them with `moo-fs train camvid --data .* --out"),
        ({"weights": __file__}, "not the weights of this network; train them with `moo-fs train camvid"),
        ({"fit_images": 4}, "fit_images: wanted 2 to 3, the frames there are in .*, got 4"),
        ({"test_images": 1}, "test_images: wanted 2 to 6, the frames there are in .*, got 1"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(options, words, subject_folder, monkeypatch):
    monkeypatch.delenv("MOO_FS_DATA", raising=False)
    with pytest.raises(MooFsError, match=words):
        load_subject("camvid", options={"data": str(subject_folder), **SIZES, **options}).evaluator("test")


def test_without_weights_in_the_folder_the_command_that_trains_them_is_named(tmp_path):
    with pytest.raises(MooFsError, match=rf"moo-fs train camvid --data {tmp_path} --out {tmp_path}"):
        camvid.camvid(data=str(packed(tmp_path)))
