"""The layer that makes the channels is found by what runs last, not by what was written last."""

import torch
from torch import nn
from torch.nn import functional

from moo_fs.edge_layers import making_layer
from moo_fs.subjects.network import Edge


class Block(nn.Module):
    """A residual block as torchvision writes it: the shortcut is registered last."""

    def __init__(self, added: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.downsample = nn.Conv2d(3, 8, 1)
        self.added = added

    def forward(self, images):
        short = self.downsample(images)
        made = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(images)))))
        return functional.relu(made + short if self.added else made)


def test_the_last_layer_that_runs_makes_the_channels_and_its_normalisation_scales_them():
    block = Block(added=False)
    found = making_layer(block, 8)
    assert torch.equal(found.weights, block.conv2.weight)
    assert torch.equal(found.scale, block.bn2.weight)


def test_after_an_addition_no_one_layer_makes_the_channels():
    found = making_layer(Block(added=True), 8)
    assert found.weights is None
    assert found.scale is None


def test_a_normalisation_after_a_nonlinearity_is_not_right_after_the_layer():
    edge = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.BatchNorm2d(8))
    found = making_layer(edge, 8)
    assert torch.equal(found.weights, edge[0].weight)
    assert found.scale is None


def test_a_transposed_convolution_has_its_outputs_on_the_second_axis():
    edge = nn.Sequential(nn.ConvTranspose2d(3, 8, 2, stride=2), nn.ReLU())
    assert torch.equal(making_layer(edge, 8).weights, edge[0].weight.transpose(0, 1))


def test_a_network_that_cannot_be_traced_or_has_no_such_layer_is_not_known():
    class Depends(nn.Module):
        def forward(self, images):
            return images if images.sum() > 0 else -images

    assert making_layer(Depends(), 3).weights is None
    assert making_layer(nn.Sequential(nn.Conv2d(3, 8, 1), nn.PixelShuffle(2)), 2).weights is None
    assert making_layer(nn.MaxPool2d(2), 3).weights is None


def test_the_channels_of_fashion_scenes_are_made_by_its_split():
    edge = Edge()
    found = making_layer(edge, 64)
    assert torch.equal(found.weights, edge.split.weight)
    assert found.scale is None
