"""Filters really removed: a smaller network against the masked one, by arithmetic and by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from moo_fs import MooFsError
from moo_fs.pruning.removal import CompensatedConv2d, flops, masked, parameters, removed

# VGG16's convolutions and poolings, at an eighth of the width.
VGG16 = [8, 8, "pool", 16, 16, "pool", 32, 32, 32, "pool", 64, 64, 64, "pool", 64, 64, 64]
CONVOLUTIONS = [size for size in VGG16 if size != "pool"]


def vgg(sizes=VGG16, *, dtype=torch.float32, bias=True, norm=True, image=32, seed=0):
    """Convolutions, normalisations with statistics of their own, ReLUs; the last maps flattened, two linear layers."""
    torch.manual_seed(seed)
    layers, channels = [], 3
    for size in sizes:
        if size == "pool":
            layers.append(nn.MaxPool2d(2))
            image //= 2
            continue
        layers += [nn.Conv2d(channels, size, 3, padding=1, bias=bias), *([nn.BatchNorm2d(size)] * norm), nn.ReLU()]
        channels = size
    head = nn.Sequential(nn.Linear(channels * image**2, 20, bias=bias), nn.ReLU(), nn.Linear(20, 10))
    network = nn.Sequential(nn.Sequential(*layers), nn.Flatten(), head).to(dtype)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0.3, 0.5)
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.3, 1.5)
    return network.eval()


def small(**options):
    return vgg([6, "pool", 5, 7], image=8, **options)


def some(filters, share=0.6, seed=0):
    """A mask that keeps about a share of the filters, at least one."""
    mask = np.random.default_rng([seed, filters]).random(filters) < share
    mask[0] = True
    return mask


def kept_of(sizes):
    """Every convolution cut, by number."""
    return {at: some(size, seed=at) for at, size in enumerate(sizes)}


def images(dtype=torch.float32, size=32, count=4):
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=dtype)


@torch.no_grad()
def apart(first, second, x):
    """The largest difference of two networks' outputs, as a share of the largest output."""
    wanted = second(x)
    return float((first(x) - wanted).abs().max() / wanted.abs().max())


@torch.no_grad()
def means_of(network, x):
    """The mean of every filter after its ReLU (filter,), by the number of its convolution."""
    means, maps = {}, x
    for layer in network[0]:
        maps = layer(maps)
        if isinstance(layer, nn.ReLU):
            means[len(means)] = maps.mean((0, 2, 3))
    return means


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"norm": False}], ids=["whole", "no bias", "no norm"])
def test_the_smaller_network_computes_what_the_masked_one_does(dtype, tolerance, options):
    network, kept, x = vgg(dtype=dtype, **options), kept_of(CONVOLUTIONS), images(dtype)
    smaller, twin = removed(network, kept), masked(network, kept)
    assert apart(smaller, twin, x) < tolerance
    assert apart(smaller, network, x) > 1e-3
    assert parameters(smaller) < parameters(network) == parameters(twin)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_compensated_it_computes_what_means_in_place_of_the_removed_channels_give(dtype, tolerance):
    network, kept, x = vgg(dtype=dtype), kept_of(CONVOLUTIONS), images(dtype)
    means = means_of(network, x)
    smaller = removed(network, kept, compensate=means, shape=(3, 32, 32))
    assert apart(smaller, masked(network, kept, compensate=means), x) < tolerance
    assert apart(smaller, removed(network, kept), x) > 1e-3


def test_a_masked_channel_is_zero_or_its_mean_after_the_relu_and_the_others_are_untouched():
    network, x = small(), images(size=8)
    layers = network[0][:3]
    for compensate, fill in ((None, 0.0), ({0: [0.25] * 6}, 0.25)):
        maps = masked(network, {0: [0, 2, 5]}, compensate=compensate)[0][:3](x)
        assert (maps[:, [1, 3, 4]] == fill).all()
        assert (maps[:, [0, 2, 5]] == layers(x)[:, [0, 2, 5]]).all()


def test_a_filter_whose_weights_alone_are_zero_would_still_emit_a_constant():
    network, x = small(), images(size=8)
    silent = copy.deepcopy(network)
    with torch.no_grad():
        silent[0][0].weight[1], silent[0][0].bias[1] = 0, 0
        silent[0][1].bias[1] = 1.0
    kept = {0: [0, 2, 3, 4, 5]}
    assert (silent[0][:3](x)[:, 1] > 0).all()
    assert apart(silent, masked(silent, kept), x) > 1e-3
    assert apart(removed(silent, kept), masked(silent, kept), x) < 1e-5


def test_compensation_depends_on_the_position_next_to_the_border():
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1), nn.Flatten(), nn.Linear(9, 1))
    with torch.no_grad():
        network[2].weight[:] = 1.0
    constant = removed(network, {0: [0]}, compensate={0: [5.0, 2.0]}, shape=(3, 3, 3))[2].constant
    # All weights are 1 and the mean is 2: corners see 4 of the 9 places, edges 6, the middle all.
    assert constant[0, 0].tolist() == [[8, 12, 8], [12, 18, 12], [8, 12, 8]]


@pytest.mark.parametrize(
    "after",
    [
        [nn.AvgPool2d(3, 2, padding=1), nn.Conv2d(6, 4, 3, stride=2, padding=2, dilation=2, padding_mode="reflect")],
        [nn.MaxPool2d(3, 1, padding=1), nn.Dropout(), nn.Conv2d(6, 4, (1, 3), bias=False)],
        [nn.AdaptiveAvgPool2d((3, 2)), nn.Identity(), nn.Conv2d(6, 4, 3, padding="same")],
    ],
    ids=["average", "maximum", "adaptive"],
)
def test_whatever_lies_between_two_convolutions_the_twins_agree(after):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.MaxPool2d(2), nn.ReLU(True), *after, nn.ReLU())
    network = network.append(nn.AdaptiveAvgPool2d(2)).append(nn.Flatten()).append(nn.Linear(16, 5)).double().eval()
    means, x = {"0": np.linspace(0.1, 2, 6), 1: np.linspace(1, 0, 4)}, images(torch.float64, size=16)
    kept = {"0": some(6), 1: [3, 1]}
    assert apart(removed(network, kept), masked(network, kept), x) < 1e-12
    smaller = removed(network, kept, compensate=means, shape=(3, 16, 16))
    assert apart(smaller, masked(network, kept, compensate=means), x) < 1e-12


def test_a_mask_indices_and_tensors_name_the_same_filters_and_names_the_same_layers():
    network, x = small(), images(size=8)
    mask = np.array([True, False, True, True, False, False])
    wanted = removed(network, {0: mask})
    for layer, values in [
        ("0.0", [0, 2, 3]),
        (0, [3, 2, 0]),
        ("0.0", mask.tolist()),
        (np.int64(0), torch.tensor(mask)),
    ]:
        assert apart(removed(network, {layer: values}), wanted, x) == 0


def test_weights_are_the_kept_ones_and_the_given_network_is_left_alone():
    network = small()
    before = copy.deepcopy(network.state_dict())
    smaller = removed(network, {1: [1, 4]}, compensate={1: [1.0] * 5}, shape=(3, 8, 8))
    first, second = network[0][4], network[0][7]
    assert torch.equal(smaller[0][4].weight, first.weight[[1, 4]])
    assert torch.equal(smaller[0][5].running_var, network[0][5].running_var[[1, 4]])
    assert torch.equal(smaller[0][7].weight, second.weight[:, [1, 4]])
    assert isinstance(smaller[0][7], CompensatedConv2d)
    assert not any(module.training for module in smaller.modules())
    assert [name for name, _ in smaller.named_parameters()] == [name for name, _ in network.named_parameters()]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_removing_in_two_steps_equals_removing_at_once():
    network, x = small(dtype=torch.float64), images(torch.float64, size=8)
    means = means_of(network, x)
    once = removed(network, {0: [1, 5], 1: [0, 2]}, compensate=means, shape=(3, 8, 8))
    some_left = {0: means[0][[1, 3, 5]]}
    steps = removed(network, {0: [1, 3, 5]}, compensate=means, shape=(3, 8, 8))
    steps = removed(steps, {0: [0, 2]}, compensate=some_left, shape=(3, 8, 8))
    steps = removed(steps, {1: [0, 2]}, compensate={1: means[1]}, shape=(3, 8, 8))
    assert apart(steps, once, x) < 1e-12


def test_a_smaller_network_can_be_trained_and_drawing_nothing_it_moves_no_random_number():
    network = small().train()
    torch.manual_seed(5)
    smaller = removed(network, {0: [0, 1], 2: [3]}, compensate={0: [1.0] * 6}, shape=(3, 8, 8))
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    smaller(images(size=8)).sum().backward()
    assert all(parameter.grad is not None for parameter in smaller.parameters())
    assert all(module.training for module in smaller.modules())


def test_a_layer_of_which_all_is_kept_changes_nothing():
    network, x = small(), images(size=8)
    same = removed(network, {0: range(6)}, compensate={0: [1.0] * 6}, shape=(3, 8, 8))
    assert apart(same, network, x) == 0
    assert apart(masked(network, {}), network, x) == 0


def test_parameters_and_operations_equal_the_arithmetic():
    network = small()
    convolutions = 6 * (27 + 1) + 5 * (54 + 1) + 7 * (45 + 1)
    assert parameters(network) == convolutions + 2 * (6 + 5 + 7) + (7 * 16 + 1) * 20 + 21 * 10
    assert flops(network, (3, 8, 8)) == 2 * (64 * 6 * 27 + 16 * 5 * 54 + 16 * 7 * 45 + 7 * 16 * 20 + 20 * 10)
    smaller = removed(network, {0: [0, 1], 1: [4], 2: [0, 1, 2]}, compensate={0: [1.0] * 6}, shape=(3, 8, 8))
    assert parameters(smaller) == 2 * 28 + 19 + 3 * 10 + 2 * (2 + 1 + 3) + (3 * 16 + 1) * 20 + 21 * 10
    assert flops(smaller, (3, 8, 8)) == 2 * (64 * 2 * 27 + 16 * 18 + 16 * 3 * 9 + 3 * 16 * 20 + 20 * 10)
    assert flops(nn.Conv2d(4, 6, (3, 1), groups=2), (4, 5, 5)) == 2 * (6 * 3 * 5) * 2 * 3


def test_counting_and_sizing_leave_statistics_hooks_and_mode_alone():
    network = small().train()
    before = copy.deepcopy(network.state_dict())
    flops(network, (3, 8, 8))
    removed(network, {0: [1]}, compensate={0: [1.0] * 6}, shape=(3, 8, 8))
    assert network.training
    assert not network[0][0]._forward_hooks
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_compensated_network_refuses_images_of_another_size():
    smaller = removed(vgg([4, 4], image=8), {0: [1]}, compensate={0: [1.0] * 4}, shape=(3, 8, 8))
    with pytest.raises(MooFsError, match="compensated for outputs of 8 x 8, got 9 x 9"):
        smaller(images(size=9))


class Own(nn.Module):
    def forward(self, x):
        return x


def odd(*layers):
    return nn.Sequential(nn.Conv2d(3, 4, 3), *layers, nn.Flatten(), nn.Linear(4, 2))


SHARED = nn.Conv2d(4, 4, 1)


@pytest.mark.parametrize(
    ("network", "kept", "sentence"),
    [
        (small(), {"0.9": [0]}, "kept: no convolution '0.9'; did you mean '0.7'"),
        (small(), {"0.1": [0]}, "kept: no convolution '0.1'; did you mean"),
        (small(), {3: [0]}, "kept: no convolution 3; the network has 3, counted from 0"),
        (small(), {-1: [0]}, "kept: no convolution -1; the network has 3, counted from 0"),
        (small(), {0: [0], "0.0": [1]}, "kept: wanted each layer once, got '0.0' by name and by number"),
        (small(), {0: [False] * 6}, r"kept\[0\]: wanted at least one of 6 filters, got none"),
        (small(), {0: []}, r"kept\[0\]: wanted at least one of 6 filters, got none"),
        (small(), {"0.0": [True] * 5}, r"kept\['0.0'\]: wanted a mask of 6 filters, got 5"),
        (small(), {0: [6]}, r"kept\[0\]: wanted distinct indices from 0 to 5, got \[6\]"),
        (small(), {0: [1, 1]}, r"kept\[0\]: wanted distinct indices from 0 to 5, got \[1, 1\]"),
        (small(), {0: [0.5]}, r"kept\[0\]: wanted a mask or indices \(filter,\), got float64"),
        (masked(small(), {0: [0]}), {0: [1]}, "layer '0.0': it is masked already"),
        (Own(), {0: [0]}, "network: wanted an nn.Sequential, got Own"),
        (odd(), {0: [0]}, "layer '0': wanted ReLU to follow '0', got Flatten at '1'"),
        (odd(nn.Sigmoid()), {0: [0]}, "layer '0': wanted ReLU to follow '0', got Sigmoid at '1'"),
        (odd(nn.ReLU(), nn.BatchNorm2d(4)), {0: [0]}, "wanted Conv2d or Linear to follow '1', got BatchNorm2d at '2'"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), {0: [0]}, "to follow '1', got the end of the network"),
        (odd(nn.ReLU(), nn.Conv2d(4, 4, 1, groups=2), nn.ReLU()), {0: [0]}, "layer '2': wanted a convolution of one"),
        (odd(nn.ReLU(), SHARED, nn.ReLU(), SHARED, nn.ReLU()), {0: [0]}, "layer '2': wanted a layer used once"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Linear(4, 4)),
            {0: [0]},
            r"wanted one nn.Flatten\(\)",
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2)), {0: [0]}, "multiple of 4 inputs"),
    ],
)
def test_what_cannot_be_removed_is_refused_in_one_sentence(network, kept, sentence):
    for change in (masked, removed):
        with pytest.raises(MooFsError, match=sentence):
            change(network, kept)


@pytest.mark.parametrize(
    ("compensate", "shape", "sentence"),
    [
        ({0: [1.0] * 6}, None, r"shape: wanted \(channel, height, width\) of one input with compensate, got None"),
        ({0: [1.0] * 5}, (3, 8, 8), r"compensate\[0\]: wanted 6 along 'filter' \(axis 0\), got 5"),
        ({0: [np.nan] * 6}, (3, 8, 8), r"compensate\[0\]: wanted finite numbers"),
        ({5: [1.0]}, (3, 8, 8), "compensate: no convolution 5"),
        ({0: [1.0] * 6}, (8, 8), r"shape: wanted \(channel, height, width\) of one input, got \(8, 8\)"),
        ({0: [1.0] * 6}, (4, 8, 8), r"shape: wanted an input that the network takes, got \(4, 8, 8\)"),
    ],
)
def test_means_and_shapes_that_do_not_fit_are_refused_in_one_sentence(compensate, shape, sentence):
    with pytest.raises(MooFsError, match=sentence):
        removed(small(), {0: [1]}, compensate=compensate, shape=shape)
