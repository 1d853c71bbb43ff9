"""Candidates for a pruned network, judged with shared maps: against the smaller network run whole."""

import numpy as np
import pytest
import torch
from test_removal import some, vgg
from torch import nn

from moo_fs import MooFsError
from moo_fs.pruning import evaluation
from moo_fs.pruning.evaluation import Candidates
from moo_fs.pruning.removal import masked, removed
from moo_fs.seeds import stream
from moo_fs.subjects import vgg16

SIZES = [6, 7, "pool", 8, 9, "pool", 10]
LAYERS = [size for size in SIZES if size != "pool"]


@pytest.fixture(scope="module")
def network():
    return vgg(SIZES, image=16)


@pytest.fixture(scope="module")
def images():
    return torch.randn(21, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def labels():
    return torch.arange(21) % 10


def drawn(seed):
    return {layer: some(filters, seed=seed + layer) for layer, filters in enumerate(LAYERS)}


def family(seed=0, count=6):
    """Candidates of which each shares its first layers with another, in an order that means nothing."""
    rng, found = stream(seed, "family"), [drawn(seed)]
    for _ in range(count - 1):
        parent = dict(found[rng.integers(len(found))])
        layer = int(rng.integers(len(LAYERS)))
        found.append(parent | {layer: some(LAYERS[layer], seed=int(rng.integers(1000)))})
    return [found[at] for at in rng.permutation(count)]


@torch.no_grad()
def test_outputs_are_those_of_the_smaller_and_of_the_masked_network(network, images, labels):
    found = Candidates(network, images, labels, batch=8)
    for kept, output in zip(family(), found.outputs(family()), strict=True):
        for twin in (removed, masked):
            wanted = twin(network, kept)(images)
            assert (output - wanted).abs().max() <= 1e-5 * wanted.abs().max()
            assert torch.equal(output.argmax(1), wanted.argmax(1))


@torch.no_grad()
def test_accuracy_is_the_share_of_images_that_the_smaller_network_classifies_as_labelled(network, images, labels):
    found, kept = Candidates(network, images, labels, batch=8), drawn(3)
    right = (removed(network, kept)(images).argmax(1) == labels).numpy()
    assert 0 < right.sum() < len(right)
    assert found.accuracy(kept) == right.mean()
    assert found.correct([kept]).tolist() == [right.tolist()]


@pytest.mark.parametrize("memory", [0, 30_000, 2**30])
def test_numbers_depend_on_neither_the_batch_nor_what_was_computed_before(network, images, labels, memory):
    candidates = family(seed=1, count=9)
    together = Candidates(network, images, labels, batch=8, memory=memory)
    found = together.outputs(candidates)
    assert torch.equal(together.outputs(candidates[::-1]), found.flip(0))
    for kept, output in zip(candidates, found, strict=True):
        assert torch.equal(Candidates(network, images, labels, batch=8, memory=0).outputs([kept])[0], output)


def test_what_candidates_share_is_computed_once(network, images, labels, monkeypatch):
    calls, plain = [], evaluation._Convolution.__call__
    monkeypatch.setattr(
        evaluation._Convolution, "__call__", lambda self, *maps: calls.append(self) or plain(self, *maps)
    )
    found, first = Candidates(network, images, labels, batch=21), {layer: [0, 1] for layer in range(5)}
    last = [first | {4: [0, at]} for at in range(1, 6)]
    found.accuracies([last[0], first | {0: [2]}, *last[1:]])
    # Five layers of two candidates; of four more the last layer alone.
    assert len(calls) == 5 + 5 + 4
    found.accuracies([first | {3: [0]}])
    assert len(calls) == 14 + 2  # the first three are remembered
    found.accuracy(last[2])
    assert len(calls) == 16


def test_memory_is_bounded_and_the_maps_unused_for_the_longest_go_first():
    recent, maps = evaluation._Recent(100), torch.zeros(10)  # 40 bytes each
    for name in "ab":
        recent.put((0, (name,)), maps)
    recent.get((0, (b"a",)))
    assert recent.get((0, ("a",))) is maps
    recent.put((0, ("c",)), maps)
    assert [recent.get((0, (name,))) is None for name in "abc"] == [False, True, False]
    recent.put((0, ("large",)), torch.zeros(100))
    assert [recent.get((0, (name,))) is None for name in ["a", "c", "large"]] == [True, True, True]


@torch.no_grad()
def test_layers_not_named_keep_all_and_the_network_given_is_left_alone(network, images, labels):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    output = Candidates(network.train(), images, labels).outputs([{}])[0]
    assert network.training
    assert (output - network.eval()(images)).abs().max() < 1e-5
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@torch.no_grad()
def test_normalisation_after_a_pooling_and_dropout_between_are_followed(labels):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6)
    nn.init.uniform_(norm.running_mean, -1, 1)
    nn.init.uniform_(norm.weight, -1, 1)
    first = [nn.Conv2d(3, 6, 3, bias=False), nn.MaxPool2d(2), norm, nn.ReLU(), nn.Dropout(0.5)]
    network = nn.Sequential(*first, nn.Conv2d(6, 5, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(45, 10)).eval()
    images, kept = torch.randn(21, 3, 16, 16), {0: [0, 2, 5], 1: [1, 4]}
    wanted = removed(network, kept)(images)
    assert (Candidates(network, images, labels).outputs([kept])[0] - wanted).abs().max() < 1e-5


@torch.no_grad()
def test_the_chain_of_vgg16_is_the_network_itself():
    torch.manual_seed(0)
    network = vgg16.vgg16(1 / 16).eval()
    images = torch.rand(3, 3, 32, 32)
    chain = vgg16.chain(network)
    assert torch.equal(chain(images), network(images))
    assert sum(value.numel() for value in chain.parameters()) == sum(one.numel() for one in network.parameters())
    found = Candidates(chain, images, torch.zeros(3, dtype=torch.long)).outputs([{"conv1_1.conv": [0, 2]}])[0]
    assert (found - removed(chain, {0: [0, 2]})(images)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": torch.zeros(20, dtype=torch.long)}, r"labels, got shapes \(21, 3, 16, 16\) and \(20,\)"),
        ({"labels": torch.zeros(21)}, "float32"),
        ({"images": torch.zeros(21, 3, 16)}, "wanted axes"),
        ({"batch": 0}, "batch, memory: wanted 1 or more"),
        ({"network": nn.Sequential(nn.Flatten(), nn.Linear(768, 10))}, "wanted convolutions, got none"),
        ({"network": nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))}, "wanted ReLU to follow '2'"),
    ],
)
def test_what_cannot_be_judged_is_refused(network, images, labels, change, said):
    given = {"network": network, "images": images, "labels": labels} | change
    with pytest.raises(MooFsError, match=said):
        Candidates(**given)


def test_candidates_that_do_not_fit_are_refused(network, images, labels):
    found = Candidates(network, images, labels)
    with pytest.raises(MooFsError, match="wanted one or more, got none"):
        found.accuracies([])
    with pytest.raises(MooFsError, match="at least one of 6 filters"):
        found.accuracy({0: np.zeros(6, dtype=bool)})
