"""The embedded subject: exact scenes, clean masks, disjoint garments, resumable training."""

import gzip
import hashlib
import itertools

import numpy as np
import pytest
import torch

from moo_fs import outcomes
from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.subjects import fashion_scenes, fashion_training, garments, network, scenes, trainers, training

SHA_OF_FIRST_SCENES = "c84c7ac5b00b10289cab44cb9cfef6cb6375a1755b511b1e7379fa639bfd2014"


@pytest.fixture(scope="module")
def cloth():
    return garments.load("t10k", last=200)


def test_scenes_are_the_same_on_every_machine(cloth):
    images, labels, depth = scenes.compose(cloth, count=4, rng=stream(0, "golden"))
    digest = hashlib.sha256(images.tobytes() + labels.tobytes() + depth.tobytes()).hexdigest()
    assert digest == SHA_OF_FIRST_SCENES


def test_nearer_garments_hide_farther_ones_and_the_ground_is_farthest(cloth):
    _, labels, depth = scenes.compose(cloth, count=50, rng=stream(1, "depth"))
    assert np.all(depth[labels == scenes.GROUND_CLASS] == scenes.GROUND_DISTANCE)
    garment_depths = depth[labels != scenes.GROUND_CLASS]
    assert garment_depths.min() >= scenes.NEAREST
    assert garment_depths.max() <= scenes.FARTHEST


def test_a_mask_has_no_holes_even_where_the_cloth_is_dark():
    from scipy import ndimage

    grey = np.full((28, 28), 0, np.uint8)
    grey[4:24, 6:22] = 180
    grey[10:14, 10:18] = 0
    mask = garments.cut_out(grey)
    assert mask[12, 14] == 1
    assert mask[0, 0] == 0
    for picture in garments.load("t10k", last=60).masks(np.arange(60)):
        assert np.array_equal(ndimage.binary_fill_holes(picture), picture.astype(bool))


def test_three_networks_ship_and_differ():
    assert fashion_scenes.networks() == [0, 1, 2]
    sizes = [fashion_scenes.weights_path(number).stat().st_size for number in fashion_scenes.networks()]
    assert sum(sizes) <= 4 * 2**20
    first = [fashion_scenes.weights_path(number).read_bytes() for number in fashion_scenes.networks()]
    assert len(set(first)) == 3


@pytest.mark.parametrize("weights", [3, -1, True, "0", 1.5])
def test_a_network_that_does_not_exist_is_refused(weights):
    with pytest.raises(MooFsError, match="weights: wanted one of 0"):
        fashion_scenes.fashion_scenes(weights=weights)


def test_no_garment_is_in_two_parts():
    ranges = list(fashion_scenes.GARMENTS.values())
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(ranges))
    assert ranges[-1][1] == 10_000


def test_a_larger_part_starts_with_the_scenes_of_a_smaller_one():
    small, large = fashion_scenes.part_data("search", 5), fashion_scenes.part_data("search", 40)
    assert torch.equal(small[0], large[0][:5])
    assert torch.equal(small[1]["depth"], large[1]["depth"][:5])


@pytest.mark.parametrize("weights", fashion_scenes.networks())
def test_a_shipped_network_is_as_good_as_a_subject_has_to_be_on_garments_it_never_saw(weights):
    model = fashion_scenes.fashion_scenes(weights=weights, test_images=128)
    images, targets = model.data("test")
    with torch.inference_mode():
        features = model.edge(images)
        outputs = {name: head(features) for name, head in model.heads.items()}
    assert features.shape == (128, 64, 16, 16)
    assert float(features.min()) == 0
    assert float(features.max()) <= network.CEILING
    found = {
        task.name: outcomes.metrics(task, outcomes.image_sums(task, outputs[task.name], targets[task.name]))
        for task in model.tasks
    }
    assert found["segmentation"]["miou"] >= 0.65
    assert found["reconstruction"]["psnr_db"] >= 26
    assert found["depth"]["rmse"] <= 0.25 * float(targets["depth"].std())


def test_training_killed_and_resumed_ends_with_the_same_weights(tmp_path):
    def train(path, stop=None):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Conv2d(2, 1, 1))

        def loss_of_step(step):
            if stop is not None and step == stop:
                raise KeyboardInterrupt
            data = torch.from_numpy(stream(0, "toy", step).normal(size=(4, 1, 5, 5)).astype(np.float32))
            return (model(data) ** 2).mean()

        training.fit(model, loss_of_step, training.Recipe(steps=12, warmup=2), checkpoint=path, every=3)
        return model.state_dict()

    whole = train(tmp_path / "a.checkpoint")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b.checkpoint", stop=8)
    resumed = train(tmp_path / "b.checkpoint")
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name


def test_the_learning_rate_rises_stays_and_falls_to_nearly_zero():
    recipe = training.Recipe(steps=1000, rate=1.0, warmup=100, decay=0.4)
    assert recipe.rate_at(0) == pytest.approx(0.01)
    assert recipe.rate_at(300) == recipe.rate_at(599) == 1.0
    assert recipe.rate_at(999) == pytest.approx(0.0025)


def test_the_training_command_trains_on_idx_files_and_its_weights_load(tmp_path):
    rng = np.random.default_rng(0)
    for name, header, array in (
        ("train-images-idx3-ubyte.gz", (3, (64, 28, 28)), rng.integers(0, 255, (64, 28, 28))),
        ("train-labels-idx1-ubyte.gz", (1, (64,)), rng.integers(0, 10, 64)),
    ):
        axes, shape = header
        raw = bytes([0, 0, 8, axes]) + b"".join(size.to_bytes(4, "big") for size in shape)
        (tmp_path / name).write_bytes(gzip.compress(raw + array.astype(np.uint8).tobytes()))
    trainer = trainers.trainer("fashion-scenes")
    steps = []
    path = trainer.run(
        tmp_path, out=tmp_path / "out", seed=1, device="cpu", steps=2, report=lambda step, loss: steps.append(step)
    )
    assert steps == [1, 2]
    assert path.stat().st_size < 4_000_000 / 3
    loaded = fashion_scenes.load_network(path)
    assert set(loaded.heads) == {"segmentation", "depth", "reconstruction"}


def test_missing_and_broken_files_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(MooFsError, match="no such file; wanted the four Fashion-MNIST files"):
        garments.load("train", folder=tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(MooFsError, match="not a readable gzip"):
        garments.load("train", folder=tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\10\3" + bytes(12) + b"extra"))
    with pytest.raises(MooFsError, match="cut short"):
        garments.load("train", folder=tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"garbage")
    with pytest.raises(MooFsError, match="not the weights"):
        fashion_scenes.load_network(tmp_path / "x.safetensors")
    with pytest.raises(MooFsError, match="has no training"):
        trainers.trainer("linear-gaussian")
    with pytest.raises(MooFsError, match="test_images: wanted 2 or more"):
        fashion_scenes.fashion_scenes(test_images=0)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    model = torch.nn.Linear(2, 2)
    training.fit(model, lambda step: model(torch.ones(2)).sum(), training.Recipe(steps=1), checkpoint=tmp_path / "c")
    other = torch.nn.Linear(3, 2)
    with pytest.raises(MooFsError, match="not a checkpoint of this network"):
        training.fit(
            other, lambda step: other(torch.ones(3)).sum(), training.Recipe(steps=1), checkpoint=tmp_path / "c"
        )


def test_losses_start_near_one_per_task_and_the_classes(cloth):
    images, targets = fashion_training.as_tensors(scenes.compose(cloth, count=64, rng=stream(2, "loss")))
    mean = {
        "segmentation": torch.zeros(64, 11, 64, 64),
        "depth": targets["depth"].mean().expand_as(targets["depth"]),
        "reconstruction": images.mean().expand_as(images),
    }
    value = float(fashion_training.loss(mean, targets))
    assert value == pytest.approx(np.log(11) + 2 + 4, rel=0.25)
