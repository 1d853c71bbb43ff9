"""Heads under quantisation noise: the noise is the quantiser's own, the edge stays, and what ships is better for it."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
import torch

from moo_fs import outcomes
from moo_fs.coding.quantiser import fit_tables
from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.subjects import fashion_scenes, garments, noise_training, trainers, weights_file

SHIPPED = [number for number in fashion_scenes.networks() if fashion_scenes.weights_path(number, "noise").exists()]


@pytest.fixture(scope="module")
def cloth_folder(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("cloth"), stream(0, "cloth")
    for name, array in (
        ("train-images-idx3-ubyte.gz", rng.integers(0, 255, (48, 28, 28))),
        ("train-labels-idx1-ubyte.gz", rng.integers(0, 10, 48)),
    ):
        raw = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / name).write_bytes(gzip.compress(raw + array.astype(np.uint8).tobytes()))
    return folder


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(noise_training, "BATCH", 4)
    monkeypatch.setattr(noise_training, "FIT_IMAGES", 8)
    return replace(noise_training.RECIPE, steps=4, warmup=1)


def test_each_channel_of_each_image_is_what_a_decoder_receives_at_its_depth():
    """Oracle: image by image, the quantiser's own cells of that allocation."""
    rng = stream(1, "noise")
    maps = np.maximum(rng.normal(size=(9, 7, 4, 5)), 0).astype(np.float32)
    maps[:, 3] = 1.5  # a constant channel
    tables = fit_tables(maps)
    depths = rng.integers(0, 9, (9, 7))
    depths[:, 0] = np.arange(9)
    found = noise_training.Noise(tables)(torch.from_numpy(maps), depths)
    for image in range(9):
        cells = tables.select(depths[image].astype(np.int8))
        assert np.array_equal(found[image].numpy(), cells.dequantise(maps[image : image + 1])[0])


def test_depths_meet_every_level_and_half_of_the_images_lie_below_the_middle_one():
    """The mean of an image's Poisson depths is its level, log-uniform from 0.25 to 8: median sqrt(0.25 x 8) = 1.41."""
    depths = noise_training.draw_depths(stream(2, "depths"), 3000, 64)
    assert set(np.unique(depths)) == set(range(9))
    level = depths.mean(axis=1)
    assert np.median(level) == pytest.approx(np.sqrt(2), rel=0.08)
    assert (level < 0.5).mean() == pytest.approx(np.log(0.5 / 0.25) / np.log(8 / 0.25), abs=0.04)
    alike = np.full((3000, 1), 1.0) * level[:, None]
    assert np.var(depths[level < 2] - alike[level < 2]) > 0.5  # channels of an image differ


def test_only_the_heads_learn_and_their_running_moments_stay(tmp_path, cloth_folder, small):
    before = fashion_scenes.load_network(fashion_scenes.weights_path(1)).heads.state_dict()
    heads = noise_training.train(cloth_folder, checkpoint=tmp_path / "c", seed=1, recipe=small)
    for name, value in heads.state_dict().items():
        steady = name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")
        assert torch.equal(value, before[name]) == steady, name
    assert not heads.training


def test_training_killed_and_resumed_ends_with_the_same_heads(tmp_path, cloth_folder, small, monkeypatch):
    def train(path, stop=None):
        monkeypatch.setattr(noise_training.training.fit, "__kwdefaults__", {**defaults, "every": 2})
        step_of = []

        def report(step, loss):
            step_of.append(step)
            if step == stop:
                raise KeyboardInterrupt

        return noise_training.train(cloth_folder, checkpoint=path, seed=0, recipe=small, report=report), step_of

    defaults = noise_training.training.fit.__kwdefaults__
    whole, _ = train(tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", stop=3)
    resumed, steps = train(tmp_path / "b")
    assert steps == [3, 4]
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_the_command_writes_heads_that_the_subject_loads(tmp_path, cloth_folder, small, monkeypatch):
    trainer = trainers.trainer("fashion-scenes", noise=True)
    assert trainer.steps == noise_training.RECIPE.steps
    path = trainer.run(cloth_folder, out=tmp_path, seed=2, device="cpu", steps=1, report=lambda step, loss: None)
    assert path.name == "fashion-scenes-noise-2.safetensors"
    assert path.stat().st_size < 2**20
    real = fashion_scenes.weights_path
    monkeypatch.setattr(fashion_scenes, "weights_path", lambda number, heads="": path if heads else real(number))
    model = fashion_scenes.fashion_scenes(weights=2, heads="noise")
    plain = fashion_scenes.load_network(real(2))
    assert torch.equal(model.edge.split.weight, plain.edge.split.weight)
    found = model.heads["depth"].leave.weight
    assert torch.equal(found, weights_file.load_file(path)["depth.leave.weight"].float())
    assert not torch.equal(found, plain.heads["depth"].leave.weight)


def test_heads_are_as_trained_unless_said_otherwise():
    model, network = fashion_scenes.fashion_scenes(), fashion_scenes.load_network(fashion_scenes.weights_path(0))
    for name, head in model.heads.items():
        for key, value in network.heads[name].state_dict().items():
            assert torch.equal(value, head.state_dict()[key]), key


@pytest.mark.parametrize("number", SHIPPED)
def test_shipped_heads_lose_less_at_one_bit_and_little_without_noise(number):
    """What the fine-tuning is for, on 32 test scenes: the losses themselves, not shares of another range."""
    images, targets = fashion_scenes.part_data("test", 32)
    losses = {}
    for heads in fashion_scenes.HEADS:
        model = fashion_scenes.fashion_scenes(weights=number, heads=heads)
        with torch.inference_mode():
            fit, features = (model.edge(part) for part in (fashion_scenes.part_data("fit", 32)[0], images))
            received = torch.from_numpy(fit_tables(fit.numpy()).depth(1).dequantise(features.numpy()))
            for task in model.tasks:
                for name, maps in (("whole", features), ("one bit", received)):
                    sums = outcomes.image_sums(task, model.heads[task.name](maps), targets[task.name])
                    losses[heads, task.name, name] = outcomes.loss(task, sums)
    for task in ("segmentation", "depth", "reconstruction"):
        assert losses["noise", task, "one bit"] < losses["", task, "one bit"], task
    assert losses["noise", "segmentation", "whole"] < 1.1 * losses["", "segmentation", "whole"]
    assert losses["noise", "depth", "whole"] < 1.2 * losses["", "depth", "whole"]


def test_what_does_not_exist_is_refused_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(MooFsError, match="heads: wanted one of '', 'noise', got 'noisy'"):
        fashion_scenes.fashion_scenes(heads="noisy")
    with pytest.raises(MooFsError, match="train vgg16-cifar10: --noise: wanted fashion-scenes; leave the option out"):
        trainers.trainer("vgg16-cifar10", noise=True)
    with pytest.raises(MooFsError, match="weights: wanted one of 0, 1, 2, got 7"):
        noise_training.train(tmp_path, checkpoint=tmp_path / "c", seed=7)
    shipped = {number: fashion_scenes.weights_path(number) for number in fashion_scenes.networks()}
    monkeypatch.setattr(
        fashion_scenes, "weights_path", lambda number, heads="": tmp_path / "none" if heads else shipped[number]
    )
    with pytest.raises(MooFsError, match="no weights; train them with `moo-fs train fashion-scenes --noise --seed 1"):
        fashion_scenes.fashion_scenes(weights=1, heads="noise")


def test_heads_that_ship_are_no_networks():
    names = [path.name for path in garments.SHIPPED.glob("fashion-scenes-noise-*")]
    assert names
    assert fashion_scenes.networks() == [0, 1, 2]
