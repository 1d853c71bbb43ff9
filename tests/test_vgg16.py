"""VGG16 and its training: published sizes, maps that agree with the forward pass, exact resumption."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from moo_fs import cli
from moo_fs.contracts import MooFsError
from moo_fs.seeds import stream
from moo_fs.subjects import cifar10, trainers, training, vgg16, vgg_training

COUNT, WIDTH = 40, 0.03
RECIPE = replace(vgg_training.RECIPE, steps=6, batch=32)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of fake training batches; there is no test batch, so nothing can read it."""
    monkeypatch.setattr(cifar10, "PER_BATCH", COUNT)
    folder, rng = tmp_path / "data", np.random.default_rng(0)
    folder.mkdir()
    for number in range(1, 6):
        rows = rng.integers(0, 256, (COUNT, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(COUNT) % 10
        (folder / f"data_batch_{number}.bin").write_bytes(rows.tobytes())
    return folder


def images(count=4, seed=0):
    return torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_the_published_network_has_4224_filters_and_a_quarter_of_the_width_1056():
    assert sum(vgg16.filters_of(1.0)) == sum(vgg16.FILTERS) == 4224
    assert sum(vgg16.filters_of(0.25)) == 1056
    assert vgg16.filters_of(0.001) == (1,) * 13
    with torch.device("meta"):
        whole = vgg16.vgg16()
    assert [stage.conv.out_channels for stage in whole.stages.values()] == list(vgg16.FILTERS)
    assert all(stage.conv.bias is not None for stage in whole.stages.values())
    assert (
        sum(value.numel() for value in whole.parameters()) == 14_728_266
    )  # torchvision's vgg16_bn to 512, and 512 x 10


@pytest.mark.parametrize("width", [0, -1, float("nan"), float("inf"), 9])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(MooFsError, match="width: wanted a number above 0"):
        vgg16.vgg16(width)


def test_activations_are_what_the_forward_pass_computes():
    torch.manual_seed(0)
    model = vgg16.vgg16(0.25).eval()
    seen = []
    for stage in model.stages.values():
        stage.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.inference_mode():
        logits, hooked = model(images()), seen.copy()
        maps = model.activations(images())
    assert logits.shape == (4, 10)
    assert [one.shape[1] for one in maps] == list(vgg16.filters_of(0.25))
    assert [one.shape[2] for one in maps] == [32, 32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2]
    assert all(torch.equal(one, other) for one, other in zip(maps, hooked, strict=True))
    assert all(float(one.min()) >= 0 for one in maps)
    assert torch.equal(model.classifier(maps[-1].amax((2, 3))), logits)
    assert tuple(model.stages) == vgg16.STAGES


def test_the_network_normalises_its_input_itself():
    model = vgg16.vgg16(WIDTH)
    first = model.stages["conv1_1"]
    mean = torch.tensor(vgg16.MEAN).view(1, 3, 1, 1).expand(2, 3, 32, 32)
    inputs = []
    first.register_forward_hook(lambda module, received, output: inputs.append(received[0]))
    model(mean)
    assert float(inputs[0].abs().max()) < 1e-6


def test_the_rate_rises_and_follows_a_cosine_to_zero():
    recipe = replace(RECIPE, steps=1000, rate=1.0, warmup=0.1)
    rates = [recipe.rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[500] == pytest.approx(0.5)
    assert 0 < rates[999] < 1e-5
    optimiser = recipe.optimiser(torch.nn.Linear(1, 1))
    assert [optimiser.defaults[key] for key in ("momentum", "nesterov", "weight_decay")] == [0.9, True, 5e-4]
    peak = int(np.argmax(rates))
    assert 90 <= peak < 100
    assert all(np.diff(rates[:peak]) > 0)
    assert all(np.diff(rates[peak:]) < 0)


def test_a_crop_is_a_shifted_and_perhaps_mirrored_image_with_black_outside():
    whole = torch.randint(1, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    moved = vgg_training.crop(whole, stream(0, "crop"))
    padded = torch.nn.functional.pad(whole, (4,) * 4)
    seen = []
    for image, source in zip(moved, padded, strict=True):
        windows = {
            (row, column, flip): source[:, row : row + 32, column : column + 32].flip(-1 if flip else ())
            for row in range(9)
            for column in range(9)
            for flip in (False, True)
        }
        seen.append(next(key for key, window in windows.items() if torch.equal(window, image)))
    assert {key[2] for key in seen} == {False, True}
    assert {key[0] for key in seen} == {key[1] for key in seen} == set(range(9))


def test_an_epoch_shows_each_image_once_and_a_step_does_not_depend_on_the_ones_before():
    pictures = cifar10.Pictures(np.zeros((50, 3, 32, 32), np.uint8), np.arange(50))
    drawn = vgg_training.Batches(pictures, size=16, seed=3, device="cpu")
    epochs = [torch.cat([drawn.batch(step)[1] for step in range(3 * k, 3 * k + 3)]).tolist() for k in range(2)]
    assert all(len(set(epoch)) == 48 for epoch in epochs)
    assert epochs[0] != epochs[1]
    afresh = vgg_training.Batches(pictures, size=16, seed=3, device="cpu")
    assert afresh.batch(4)[1].tolist() == epochs[1][16:32]


class Killed(BaseException):
    """What a kill is to the code that was running."""


def test_training_killed_and_resumed_ends_with_the_same_weights(data, tmp_path, monkeypatch):
    monkeypatch.setattr(vgg_training, "VALIDATE_EVERY", 2)

    def train(name, stop=None):
        said, steps = [], []

        def report(step, loss):
            steps.append(step)
            if step == stop:
                raise Killed

        model, found = vgg_training.train(
            data,
            checkpoint=tmp_path / f"{name}.checkpoint",
            width=WIDTH,
            recipe=RECIPE,
            every=2,
            report=report,
            tell=said.append,
        )
        return model, found, said, steps

    whole, accuracy, said, steps = train("a")
    assert steps == [1, 2, 3, 4, 5, 6]
    assert [one.partition(":")[0] for one in said] == ["step 2", "step 4", "step 6", "trained"]
    with pytest.raises(Killed):
        train("b", stop=5)
    resumed, again, _, steps = train("b")
    assert steps == [5, 6]
    assert again == accuracy
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert (tmp_path / "a.checkpoint").read_bytes() == (tmp_path / "b.checkpoint").read_bytes()


def test_training_learns_what_can_be_learnt(tmp_path):
    labels = np.arange(64) % 4
    bright = np.broadcast_to((labels * 80).astype(np.uint8)[:, None, None, None], (64, 3, 32, 32))
    drawn = vgg_training.Batches(cifar10.Pictures(bright.copy(), labels), size=32, seed=0, device="cpu")
    model, losses = vgg_training.untrained(0.1, 0), []

    def loss_of_step(step):
        inputs, wanted = drawn.batch(step)
        return torch.nn.functional.cross_entropy(model(inputs), wanted)

    training.fit(
        model,
        loss_of_step,
        replace(RECIPE, steps=40),
        checkpoint=tmp_path / "checkpoint",
        report=lambda step, loss: losses.append(loss),
    )
    assert np.mean(losses[-5:]) < 0.3 * losses[0]


def test_the_trainer_ships_half_precision_weights_that_say_what_they_are(data, tmp_path):
    trainer = trainers.trainer("vgg16-cifar10", width=WIDTH)
    path = trainer.run(data, out=tmp_path / "out", seed=1, device="cpu", steps=2, report=lambda step, loss: None)
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["about"])
        assert all(file.get_tensor(name).dtype == torch.float16 for name in file.keys())  # noqa: SIM118
    assert (about["width"], about["seed"], about["steps"]) == (0.03, 1, 2)
    loaded = vgg16.load(path, width=WIDTH)
    _, validates = cifar10.training_parts(data)
    assert vgg_training.accuracy(loaded, validates) == about["validation_accuracy"]
    before = path.read_bytes()
    assert trainer.run(data, out=tmp_path / "out", seed=1, device="cpu", steps=2, report=print) == path
    assert path.read_bytes() == before
    with pytest.raises(MooFsError, match=r"a network of another width, .* wanted width 0.25, 1056 filters"):
        vgg16.load(path, width=0.25)


def test_a_checkpoint_of_another_width_is_refused_before_the_data_are_read(tmp_path):
    model = vgg_training.untrained(WIDTH, 0)
    optimiser = RECIPE.optimiser(model)
    training.save_checkpoint(model, optimiser, tmp_path / "x.checkpoint", step=1)
    with pytest.raises(MooFsError, match=r"x\.checkpoint: a network of another width, .* wanted width 0.25"):
        vgg_training.train(tmp_path / "nowhere", checkpoint=tmp_path / "x.checkpoint", width=0.25)
    (tmp_path / "x.checkpoint").write_bytes(b"garbage")
    with pytest.raises(MooFsError, match=r"x\.checkpoint: not the weights of a VGG16"):
        vgg_training.train(tmp_path / "nowhere", checkpoint=tmp_path / "x.checkpoint", width=0.25)
    with pytest.raises(MooFsError, match="no weights; train them"):
        vgg16.load(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["vgg16-cifar10"], "name its folder with --data"),
        (["vgg16-cifar10", "--data", "nowhere"], "nowhere: no such folder"),
        (["vgg16-cifar10", "--data", ".", "--width", "0"], "width: wanted a number above 0"),
        (["fashion-scenes", "--data", ".", "--width", "0.5"], "--width: this network has one width only"),
    ],
)
def test_the_command_refuses_bad_input_and_writes_nothing(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOO_FS_DATA", raising=False)
    assert cli.status_of(["train", *arguments]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not list(tmp_path.iterdir())
