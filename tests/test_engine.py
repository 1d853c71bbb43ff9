"""The engine equals its plain oracle, whatever the heads are, and its numbers depend on the allocation alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from moo_fs import outcomes
from moo_fs.coding.quantiser import QuantiserTables, fit_tables, uniform_step
from moo_fs.contracts import MooFsError
from moo_fs.engine import Engine
from moo_fs.oracle import Oracle
from moo_fs.subjects import network
from moo_fs.tasks import Task

CHANNELS = network.CHANNELS
TASKS = [
    Task("segmentation", kind="classes", classes=5),
    Task("depth", kind="values"),
    Task("reconstruction", kind="image"),
    Task("own", loss=lambda output, target: (output - target).abs().mean(1)),
]


class Branching(nn.Module):
    """Cannot be traced: what it does depends on the values."""

    def forward(self, maps: Tensor) -> Tensor:
        pooled = maps.mean((2, 3))[:, :4]
        return pooled * 2 if float(pooled.sum()) > 0 else pooled


class Flattening(nn.Module):
    """Reads memory in its given order (`view`), works in place, and has no spatial output."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(CHANNELS * 64, 4)

    def forward(self, maps: Tensor) -> Tensor:
        return self.last(maps.mul_(0.5).view(len(maps), -1))


def settled(module: nn.Module) -> nn.Module:
    """Give batch normalisations statistics that folding must get right; evaluation mode."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return module.eval()


def case(images: int = 11):
    """(heads, features, targets): 8 x 8 maps, 32 x 32 outputs, ignored labels and invalid depths among the targets."""
    torch.manual_seed(0)
    heads = dict(settled(network.heads(5)).items()) | {"own": Branching()}
    features = torch.relu(torch.randn(images, CHANNELS, 8, 8) + torch.randn(CHANNELS, 1, 1))
    labels = torch.randint(0, 5, (images, 32, 32))
    labels[torch.rand(labels.shape) < 0.1] = 255
    depth = torch.rand(images, 32, 32) + 0.5
    depth[torch.rand(depth.shape) < 0.1] = float("nan")
    targets = {
        "segmentation": labels,
        "depth": depth,
        "reconstruction": torch.rand(images, 3, 32, 32),
        "own": torch.rand(images, 4),
    }
    return heads, features, targets


@pytest.fixture(scope="module")
def data():
    torch.set_num_threads(1)
    return case()


@pytest.fixture(scope="module")
def tables(data) -> QuantiserTables:
    return fit_tables(data[1].numpy())


@pytest.fixture(scope="module")
def pair(data):
    heads, features, targets = data
    return Engine(heads, TASKS, features, targets, physical_batch=4), Oracle(heads, TASKS, features, targets)


def bits(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 9, CHANNELS).astype(np.int8)


def assert_same(engine: Engine, oracle: Oracle, cells) -> None:
    fast, plain = engine.sums(cells), oracle.sums(cells)
    for task in oracle.tasks:
        name = task.name
        assert outcomes.loss(task, fast[name]) == pytest.approx(outcomes.loss(task, plain[name]), rel=1e-5)
        found, wanted = outcomes.metrics(task, fast[name]), outcomes.metrics(task, plain[name])
        assert found == pytest.approx(wanted, rel=1e-5, abs=1e-5)
        assert np.allclose(fast[name], plain[name], rtol=1e-4, atol=2.0 if task.kind == "classes" else 1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_engine_and_oracle_agree_in_every_loss_and_metric(pair, tables, seed):
    assert_same(*pair, tables.select(bits(seed)))


def test_they_agree_on_untouched_features_and_when_nothing_is_sent(pair, tables):
    assert_same(*pair, None)
    assert_same(*pair, tables.depth(0))


def test_they_agree_on_a_common_step(pair, data):
    assert_same(*pair, uniform_step(data[1].numpy(), step=0.6))


def test_traceable_heads_are_packed_and_the_others_run_as_given(pair):
    assert pair[0].forms == {"segmentation": "packed", "depth": "packed", "reconstruction": "packed", "own": "eager"}


@pytest.mark.parametrize("physical_batch", [1, 3, 16])
def test_any_physical_batch_gives_the_same_result_for_any_number_of_images(data, tables, physical_batch):
    heads, features, targets = data
    for images in (1, 11):
        part = {name: values[:images] for name, values in targets.items()}
        engine = Engine(heads, TASKS, features[:images], part, physical_batch=physical_batch)
        assert_same(engine, Oracle(heads, TASKS, features[:images], part), tables.select(bits(5)))


def test_an_allocation_gives_the_same_bits_whatever_was_evaluated_before(data, tables):
    heads, features, targets = data
    cells = [tables.select(bits(seed)) for seed in range(3)]
    first, second = (Engine(heads, TASKS, features, targets, physical_batch=4) for _ in range(2))
    forward = [first.sums(one) for one in (*cells, None)]
    backward = [second.sums(one) for one in (None, *cells[::-1])][::-1]
    for ours, theirs in zip(forward, backward, strict=True):
        assert all((ours[name] == theirs[name]).all() for name in ours)


def test_an_image_gives_the_same_bits_whatever_images_are_beside_it(data, tables):
    heads, features, targets = data
    other = features.flip(0).clone()
    other[5] = features[5]
    cells = tables.select(bits(1))
    ours = Engine(heads, TASKS[:3], features, targets, physical_batch=4).sums(cells)
    theirs = Engine(heads, TASKS[:3], other, targets, physical_batch=4).sums(cells)
    assert all((ours[name][5] == theirs[name][5]).all() for name in ours)


def test_outputs_are_those_behind_the_sums(pair, data, tables):
    engine, oracle = pair
    cells = tables.select(bits(2))
    whole, part, plain = engine.outputs(cells), engine.outputs(cells, slice(3, 9)), oracle.outputs(cells)
    for task in TASKS:
        assert torch.equal(whole[task.name][3:9], part[task.name])
        assert torch.allclose(whole[task.name], plain[task.name], rtol=1e-4, atol=1e-5)
        sums = outcomes.image_sums(task, whole[task.name], data[2][task.name])
        assert np.allclose(sums, engine.sums(cells)[task.name], rtol=1e-5)


def test_a_head_that_reads_memory_and_works_in_place_is_given_its_own_copy(data, tables):
    _, features, targets = data
    task = Task("own", loss=lambda output, target: (output - target).abs().mean(1))
    twin = Task("twin", loss=task.loss)
    head = Flattening().eval()
    names = {"own": targets["own"], "twin": targets["own"]}
    kept = features.clone()
    engine = Engine({"own": head, "twin": head}, [task, twin], features, names, physical_batch=4)
    for cells in (None, tables.select(bits(3))):
        found = engine.sums(cells)
        assert (found["own"] == found["twin"]).all()
        assert_same(engine, Oracle({"own": head, "twin": head}, [task, twin], features, names), cells)
    assert torch.equal(features, kept)


@pytest.mark.parametrize(
    "head",
    [
        nn.Sequential(
            nn.Conv2d(CHANNELS, 6, 3, padding="same"), nn.ReLU(), nn.Upsample(scale_factor=4), nn.Conv2d(6, 3, 1)
        ),
        nn.Sequential(
            nn.ReLU(inplace=True), nn.ConvTranspose2d(CHANNELS, 8, 4, 4), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 1)
        ),
        nn.Sequential(nn.Conv2d(CHANNELS, 48, 3, 1, 2, 2, groups=4, padding_mode="reflect"), nn.PixelShuffle(4)),
        nn.Sequential(nn.Conv2d(CHANNELS, 48, 3, 1, 2, 2, groups=4), nn.Dropout(0.5), nn.PixelShuffle(4)),
    ],
)
def test_users_heads_of_many_kinds_agree(data, tables, head):
    _, features, targets = data
    task = Task("reconstruction", kind="image")
    head = settled(head)
    engine = Engine({"reconstruction": head}, [task], features, targets, physical_batch=4)
    assert_same(engine, Oracle({"reconstruction": head}, [task], features, targets), tables.select(bits(4)))


def test_the_users_heads_are_left_as_they_were(data):
    _, features, targets = data
    head = nn.Sequential(nn.Conv2d(CHANNELS, 48, 1), nn.BatchNorm2d(48), nn.PixelShuffle(4)).train()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    Engine({"reconstruction": head}, TASKS[2:3], features, targets).sums(None)
    assert head.training
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda h, f, t: (h, f[0], t), "features: wanted axes"),
        (lambda h, f, t: ({}, f, t), "wanted a head and targets"),
        (lambda h, f, t: (h, f, t | {"depth": t["depth"][:3]}), "wanted 11 targets"),
        (lambda h, f, t: (h, f, t | {"segmentation": t["segmentation"] + 3}), "wanted labels 0 to 4"),
    ],
)
def test_what_does_not_belong_together_is_one_sentence(data, change, sentence):
    heads, features, targets = change(*data)
    with pytest.raises(MooFsError, match=sentence):
        Engine(heads, TASKS, features, targets)


def test_cells_of_another_network_are_refused(pair):
    with pytest.raises(MooFsError, match="wanted 64 channels, got 2"):
        pair[0].sums(fit_tables(np.random.default_rng(0).random((2, 2, 4, 4))).depth(1))


@pytest.mark.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def test_every_device_agrees_with_the_oracle(data, tables, device):
    heads, features, targets = data
    engine = Engine(heads, TASKS, features, targets, device=device)
    assert_same(engine, Oracle(heads, TASKS, features, targets), tables.select(bits(6)))


def test_the_benchmark_has_both_figures_and_their_ratio(monkeypatch):
    from moo_fs.bench import engine as bench

    monkeypatch.setattr(bench, "PAIRS", 1)
    monkeypatch.setattr(bench, "IMAGES", 2)
    for row in bench.rows():
        assert set(row) == {"case", "ratio", "oracle_ms", "engine_ms"}
        assert row["ratio"] == pytest.approx(row["oracle_ms"] / row["engine_ms"])
