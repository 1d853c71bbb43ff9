"""The subject cityscapes on drawn streets: trunk and decoders, a training that resumes, parts, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from moo_fs import MooFsError, api
from moo_fs.cli import status_of
from moo_fs.loading import load_subject
from moo_fs.subjects import (
    cityscapes,
    cityscapes_data,
    cityscapes_network,
    cityscapes_training,
    cityscapes_twin,
    resnet34,
    trainers,
    weights_file,
)

NARROW = (1, (64, 8, 4), (64, 8, 8))  # one group of blocks and two doublings: for tests that train
HEIGHT = 32


def parameters(module):
    return sum(value.numel() for value in module.parameters())


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setitem(cityscapes_network.VARIANTS, "256", NARROW)


@pytest.fixture
def folder(tmp_path):
    cityscapes_twin.write_twin(tmp_path / "data", counts={"train": 12, "val": 4}, size=(HEIGHT, 2 * HEIGHT))
    return tmp_path / "data"


def test_features_and_outputs_have_the_published_shapes_and_the_parameters_are_counted():
    # By hand, a block of widths a, b has a b 4 + b + b b 9 + b: 370,723 + 1,218,529 + 370,451 behind 8,170,304 ("256").
    for variant, shape, count in (("256", (256, 16, 32), 10_130_007), ("512", (512, 8, 16), 29_144_663)):
        with torch.device("meta"):
            network, images = cityscapes_network.Whole(variant).eval(), torch.zeros(2, 3, 256, 512)
        features = network.edge(images)
        assert features.shape == (2, *shape)
        assert parameters(network) == count
        outputs = {name: tuple(head(features).shape) for name, head in network.heads.items()}
        sizes = {"segmentation": (2, 19, 256, 512), "disparity": (2, 256, 512), "reconstruction": (2, 3, 256, 512)}
        assert outputs == sizes
        assert not [one for one in network.heads.modules() if isinstance(one, torch.nn.BatchNorm2d | torch.nn.ReLU)]


def test_a_decoder_is_linear_and_keeps_the_variance_at_the_start():
    torch.manual_seed(0)
    decoder = cityscapes_network.Decoder((256, 128, 64, 32, 16), 19)
    one, other = torch.randn(2, 4, 256, 4, 8)
    with torch.no_grad():
        torch.testing.assert_close(decoder(one + 2 * other), decoder(one) + 2 * decoder(other), atol=1e-4, rtol=1e-4)
        assert 0.3 < float(decoder(one).std()) < 3


def test_the_best_constant_has_loss_three_and_pixels_without_a_target_count_nowhere(folder):
    trains, _ = cityscapes_data.training_parts(folder)
    scale = cityscapes_training.constants(trains, height=HEIGHT)
    images, targets = next(cityscapes_data.batches(trains, height=HEIGHT, at_once=len(trains)))
    constant = {
        "segmentation": scale.share.clamp(min=1e-6).log().float()[None, :, None, None].expand(len(images), -1, 32, 64),
        "disparity": torch.full_like(targets["disparity"], scale.disparity),
        "reconstruction": torch.full_like(images, float(images.mean())),
    }
    value = float(cityscapes_training.loss(constant, targets, scale))
    assert value == pytest.approx(3.0, rel=1e-4)
    ignored, invalid = targets["segmentation"] == 255, targets["disparity"].isnan()
    assert ignored.any()
    assert invalid.any()
    elsewhere = {
        "segmentation": torch.where(ignored[:, None], 50.0, constant["segmentation"]),
        "disparity": torch.where(invalid, 1e4, constant["disparity"]),
        "reconstruction": constant["reconstruction"],
    }
    assert float(cityscapes_training.loss(elsewhere, targets, scale)) == pytest.approx(value, rel=1e-6)
    nothing = targets | {"segmentation": torch.full_like(targets["segmentation"], 255)}
    nothing["disparity"] = torch.full_like(targets["disparity"], torch.nan)
    assert float(cityscapes_training.loss(constant, nothing, scale)) == pytest.approx(1.0, rel=1e-4)


def test_without_features_the_untrained_network_says_the_best_constant(narrow, folder):
    scale = cityscapes_training.constants(cityscapes_data.frames(folder, "train"), height=HEIGHT)
    network = cityscapes_training.untrained("256", 0, start=None, scale=scale)
    with torch.no_grad():
        found = {name: head(torch.zeros(1, 64, 8, 16)) for name, head in network.heads.items()}
    assert found["disparity"].unique().tolist() == pytest.approx([scale.disparity])
    assert found["reconstruction"][0, :, 3, 3].tolist() == pytest.approx(scale.colour.tolist())
    share = found["segmentation"][0, :, 3, 3].softmax(0).tolist()
    assert share == pytest.approx(scale.share.tolist(), abs=1e-4)


def test_a_mirrored_scene_keeps_its_pixels_together(folder):
    scene = cityscapes_data.read(cityscapes_data.frames(folder, "train")[0], height=HEIGHT)
    turned = cityscapes_training.mirror(scene)
    for one, other in zip(scene, turned, strict=True):
        np.testing.assert_array_equal(one[:, 5], other[:, -6])


def test_the_batch_of_a_step_depends_on_the_seed_and_the_step_alone(folder):
    trains, _ = cityscapes_data.training_parts(folder)
    drawn = [cityscapes_training.Batches(trains, size=2, height=HEIGHT, seed=seed) for seed in (0, 0, 1)]
    straight = [drawn[0].batch(step)[0] for step in range(9)]
    assert torch.equal(drawn[1].batch(7)[0], straight[7])
    assert not torch.equal(drawn[2].batch(7)[0], straight[7])
    turned = [{min(one.numpy().tobytes(), one.flip(-1).numpy().tobytes()) for one in pair} for pair in straight]
    assert len(set().union(*turned[:4])) == 8  # nine frames train: an epoch of four pairs repeats none
    assert len({pair.numpy().tobytes() for pair in straight}) == 9


class Killed(BaseException):
    """What a kill is to the code that was running."""


def test_training_killed_and_resumed_ends_with_the_same_weights_and_never_reads_the_test_images(
    narrow, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(cityscapes_training, "VALIDATE_EVERY", 2)
    for package in cityscapes_data.PACKAGES:
        (folder / package.folder / "val").rename(tmp_path / package.folder)
    recipe = replace(cityscapes_training.RECIPE, steps=4, warmup=1)

    def train(name, stop=None):
        said, steps = [], []

        def report(step, loss):
            steps.append(step)
            if step == stop:
                raise Killed

        model, found = cityscapes_training.train(
            folder, checkpoint=tmp_path / name, height=HEIGHT, recipe=recipe, every=2, report=report, tell=said.append
        )
        return model.state_dict(), found, said, steps

    whole, found, said, _ = train("a")
    assert said[0] == "9 frames train, 3 of the train split are held out"
    assert [one.partition(":")[0] for one in said[1:]] == ["step 2", "step 4", "trained"]
    with pytest.raises(Killed):
        train("b", stop=3)
    resumed, again, _, steps = train("b")
    assert (steps, again) == ([3, 4], found)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_training_learns_from_streets(narrow, folder, tmp_path):
    losses = []
    recipe = replace(cityscapes_training.RECIPE, steps=25, rate=3e-3, warmup=3)
    _, found = cityscapes_training.train(
        folder,
        checkpoint=tmp_path / "x",
        height=HEIGHT,
        recipe=recipe,
        report=lambda step, loss: losses.append(loss),
    )
    assert np.mean(losses[-5:]) < 0.5 * 3.0  # 3 is the best constant's
    assert found["psnr_db"] > 10


def test_the_trainer_writes_weights_that_say_what_they_are_and_a_checkpoint_for_each_start(narrow, folder, tmp_path):
    state = resnet34.Trunk().state_dict()
    save_file(state, tmp_path / "imagenet.safetensors")
    out, said = tmp_path / "out", []
    usual = {"out": out, "seed": 1, "device": "cpu", "steps": 1, "report": lambda step, loss: None, "height": HEIGHT}
    trainer = trainers.trainer("cityscapes", start=tmp_path / "imagenet.safetensors", tell=said.append)
    path = trainer.run(folder, **usual)
    assert said[-1].startswith("trained: on frames held out mIoU")
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert {"variant": 256, "seed": 1, "steps": 1, "started": True, "height": 32}.items() <= about.items()
    assert {"held_out_miou", "held_out_rmse", "held_out_psnr_db"} <= about.keys()
    loaded = cityscapes_network.load(path, "256").edge.trunk.state_dict()
    started = state["layer1.0.conv1.weight"]
    assert 0 < float((loaded["layer1.0.conv1.weight"] - started).abs().max()) < 1e-2  # one step, and half precision
    trainers.trainer("cityscapes", variant="256").run(folder, **usual)
    kept = sorted(one.name for one in out.glob("*.checkpoint"))
    print_of_start = resnet34.fingerprint(tmp_path / "imagenet.safetensors")
    assert kept == [f"cityscapes-256-1-1-{begun}-32.checkpoint" for begun in (print_of_start, "untrained")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cityscapes", "--variant", "128"], "train cityscapes: --variant: wanted 256 or 512, got '128'"),
        (["fashion-scenes", "--variant", "256"], "train fashion-scenes: --variant: this network has one form only"),
        (["vgg16-cifar10", "--start", "x.pth"], "train vgg16-cifar10: --start: this network has one form only"),
        (["cityscapes", "--width", "0.5"], "train cityscapes: --width: this network has one width only"),
        (["cityscapes", "--data", "nowhere"], "nowhere: no such folder; wanted the folder of Cityscapes"),
        (["cityscapes", "--data", ".", "--start", "x.pth"], "x.pth: no such file; wanted the state of an ImageNet"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status_of(["train", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.iterdir())


SIZES = {"fit_images": 3, "search_images": 2, "test_images": 3, "height": HEIGHT}


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    weights_file.save(cityscapes_network.Whole("256"), tmp_path / "small.safetensors")
    return str(tmp_path / "small.safetensors")


def test_the_subject_is_ready_to_be_scored_and_evaluated(folder, weights, monkeypatch):
    monkeypatch.setenv("MOO_FS_DATA", str(folder))
    prepared = load_subject("cityscapes", options={"weights": weights, **SIZES})
    assert prepared.features("fit").shape == (3, 256, 2, 4)
    assert float(prepared.features("fit").min()) == 0.0  # after a ReLU
    frame = api.evaluate(prepared, [8] * 256, part="test").iloc[0]
    bare = api.evaluate(prepared, [0] * 256, part="test").iloc[0]
    for task in ("segmentation", "disparity", "reconstruction"):
        assert bare[task] == pytest.approx(1.0)
        assert np.isfinite(frame[task])
    assert frame["rate_kbit"] > bare["rate_kbit"]
    assert {"segmentation_miou", "disparity_rmse", "reconstruction_psnr_db"} <= set(frame.index)


def test_parts_share_no_frame_and_come_from_where_they_should(folder):
    parts = {part: cityscapes.part_frames(folder, part, 3) for part in ("fit", "search", "test")}
    names = [one.name for part in parts.values() for one in part]
    assert len(set(names)) == 9
    trains, held = cityscapes_data.training_parts(folder)
    assert set(parts["fit"]) <= set(trains)
    assert set(parts["search"]) <= set(held)
    assert {one.image.parts[-3] for one in parts["test"]} == {"val"}
    assert len({one.city for one in parts["fit"]}) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variant": "255"}, "no variant '255'; did you mean '256'"),
        ({"variant": "512"}, "not the weights of this network; train them with `moo-fs train cityscapes --variant 512"),
        ({"weights": ""}, "no network ships; train one with `moo-fs train cityscapes`"),
        ({"weights": "nowhere.safetensors"}, "no weights; train them"),
        ({"height": 100}, "height: wanted a multiple of 32, got 100"),
        ({"data": ""}, "wanted the folder of Cityscapes; set MOO_FS_DATA to it, or the option data"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(options, words, narrow, folder, weights, monkeypatch):
    monkeypatch.delenv("MOO_FS_DATA", raising=False)
    with pytest.raises(MooFsError, match=words):
        cityscapes.cityscapes(**{"data": str(folder), "weights": weights, **options})


def test_parts_larger_than_their_images_are_refused(folder):
    with pytest.raises(MooFsError, match="search_images: wanted 2 to 3, the images there are, got 32"):
        cityscapes.part_frames(folder, "search", 32)
