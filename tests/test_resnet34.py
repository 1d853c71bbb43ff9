"""The trunk of ResNet-34: torchvision's names and shapes, a slow twin, and which state files are refused."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from moo_fs import MooFsError
from moo_fs.subjects import cityscapes_network, resnet34

# torchvision's resnet34: the first channel counts of its blocks, and those blocks whose shortcut is a convolution.
BLOCKS = [
    *[(f"layer1.{k}", 64, 64, False) for k in range(3)],
    ("layer2.0", 64, 128, True),
    *[(f"layer2.{k}", 128, 128, False) for k in (1, 2, 3)],
    ("layer3.0", 128, 256, True),
    *[(f"layer3.{k}", 256, 256, False) for k in (1, 2, 3, 4, 5)],
    ("layer4.0", 256, 512, True),
    *[(f"layer4.{k}", 512, 512, False) for k in (1, 2)],
]


def norm_shapes(name, channels):
    shapes = {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes | {f"{name}.num_batches_tracked": ()}


def torchvision_shapes():
    shapes = {"conv1.weight": (64, 3, 7, 7), **norm_shapes("bn1", 64)}
    for name, inputs, outputs, shortcut in BLOCKS:
        shapes |= {f"{name}.conv1.weight": (outputs, inputs, 3, 3), **norm_shapes(f"{name}.bn1", outputs)}
        shapes |= {f"{name}.conv2.weight": (outputs, outputs, 3, 3), **norm_shapes(f"{name}.bn2", outputs)}
        if shortcut:
            shapes |= {f"{name}.downsample.0.weight": (outputs, inputs, 1, 1)}
            shapes |= norm_shapes(f"{name}.downsample.1", outputs)
    return shapes


@pytest.fixture(scope="module")
def state():
    """A whole ResNet-34 with moments that no network starts with, as the user's file would hold it."""
    torch.manual_seed(0)
    found = {name: torch.rand(shape) + 0.5 for name, shape in torchvision_shapes().items() if shape}
    for value in found.values():
        if value.ndim == 4:
            value.sub_(1.0).mul_(2 * value[0].numel() ** -0.5)
    return found | {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


def test_the_trunk_has_torchvisions_names_and_shapes():
    with torch.device("meta"):
        trunk = resnet34.Trunk()
    assert {name: tuple(value.shape) for name, value in trunk.state_dict().items()} == torchvision_shapes()
    # 21,797,672 parameters of resnet34 less 513,000 of its classifier.
    assert sum(value.numel() for value in trunk.parameters()) == 21_284_672


def slow_resnet(state, images, layers):
    """The network as its authors wrote it down, from a state file alone."""

    def normed(maps, name):
        mean, variance, gain, shift = (
            state[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / (variance + 1e-5).sqrt() * gain + shift

    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[:, :, None, None]
    maps = functional.conv2d((images - mean) / deviation, state["conv1.weight"], stride=2, padding=3)
    maps = functional.max_pool2d(normed(maps, "bn1").relu(), 3, stride=2, padding=1)
    for name, _, _, shortcut in BLOCKS:
        if int(name[5]) > layers:
            break
        stride = 2 if shortcut else 1
        inner = functional.conv2d(maps, state[f"{name}.conv1.weight"], stride=stride, padding=1)
        inner = functional.conv2d(normed(inner, f"{name}.bn1").relu(), state[f"{name}.conv2.weight"], padding=1)
        if shortcut:
            short = functional.conv2d(maps, state[f"{name}.downsample.0.weight"], stride=2)
            maps = normed(short, f"{name}.downsample.1")
        maps = (normed(inner, f"{name}.bn2") + maps).relu()
    return maps


@pytest.mark.parametrize(("ending", "layers"), [(".safetensors", 3), (".pth", 4)])
def test_a_state_file_of_torchvision_makes_the_trunk_that_network(ending, layers, state, tmp_path):
    path = tmp_path / f"resnet34{ending}"
    save_file(state, path) if ending == ".safetensors" else torch.save(state, path)
    edge = cityscapes_network.Edge(layers).eval()
    resnet34.start_from(edge.trunk, path)
    images = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(edge(images), slow_resnet(state, images, layers), rtol=1e-3, atol=1e-4)


STATES = {
    "a tensor missing": (lambda s: s.pop("layer4.2.bn2.bias"), "resnet34, this one lacks layer4.2.bn2.bias"),
    "a tensor too many": (lambda s: s.update({"layer1.3.conv1.weight": torch.zeros(1)}), "an unknown layer1.3.conv1.w"),
    "another network": (lambda s: s.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}), r"conv1.weight: .* \(64, 3, 7"),
    "whole numbers": (lambda s: s.update({"bn1.bias": torch.zeros(64, dtype=torch.int64)}), "bn1.bias: .* torch.int64"),
    "not finite": (lambda s: s.update({"bn1.bias": torch.full((64,), torch.nan)}), "bn1.bias: wanted finite numbers"),
    "a whole checkpoint": (lambda s: s.update({"epoch": 3}), r"wanted names and tensors \(a state_dict\), got dict"),
}


@pytest.mark.parametrize("case", STATES)
def test_a_state_file_of_anything_else_is_refused(case, state, tmp_path):
    spoil, words = STATES[case]
    spoilt = dict(state)
    spoil(spoilt)
    torch.save(spoilt, tmp_path / "x.pth")
    with pytest.raises(MooFsError, match=words):
        resnet34.start_from(resnet34.Trunk(1), tmp_path / "x.pth")


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_state_file_that_cannot_be_read_or_carries_code_is_refused(tmp_path):
    trunk = resnet34.Trunk(1)
    torch.save({"conv1.weight": Attack(str(tmp_path / "harm"))}, tmp_path / "attack.pth")
    for name, content in (("text.pth", b"hello"), ("empty.pth", b""), ("text.safetensors", b"hello")):
        (tmp_path / name).write_bytes(content)
    for name in ("attack.pth", "text.pth", "empty.pth", "text.safetensors"):
        with pytest.raises(MooFsError, match=f"{name}: not a readable .safetensors or .pth file of tensors alone"):
            resnet34.start_from(trunk, tmp_path / name)
    assert not (tmp_path / "harm").exists()
    with pytest.raises(MooFsError, match=r"none.pth: no such file; wanted the state of an ImageNet ResNet-34"):
        resnet34.start_from(trunk, tmp_path / "none.pth")
