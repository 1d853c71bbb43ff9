"""A split network small enough to test everything on: 6 channels of 4 x 4, three tasks, nothing trained."""

from __future__ import annotations

import torch
from torch import nn

import moo_fs

CHANNELS = 6
SIZES = {"fit": 12, "search": 5, "test": 7}


class Edge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, CHANNELS, 4, 4)

    def forward(self, images):
        return torch.relu(self.conv(images))


class Depth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, features):
        return self.conv(features)[:, 0]


def images_of(part: str) -> torch.Tensor:
    return torch.rand(SIZES[part], 3, 16, 16, generator=torch.Generator().manual_seed(len(part)))


def pair(part: str):
    images = images_of(part)
    labels = (images[:, 0, ::4, ::4] * 3).long()
    labels[0, 0, 0] = 255
    depth = images[:, 1, ::4, ::4].clone()
    depth[0, 1, 1] = torch.nan
    return images, {"segmentation": labels, "depth": depth, "reconstruction": images}


def tiny_model(**changes) -> moo_fs.SplitModel:
    torch.manual_seed(3)
    heads = {
        "segmentation": nn.Sequential(
            nn.Conv2d(CHANNELS, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1)
        ),
        "depth": Depth(),
        "reconstruction": nn.Sequential(nn.Conv2d(CHANNELS, 48, 3, padding=1), nn.PixelShuffle(4), nn.Sigmoid()),
    }
    parts = {
        "name": "tiny",
        "edge": Edge().eval(),
        "heads": {name: head.eval() for name, head in heads.items()},
        "tasks": [
            moo_fs.Task("segmentation", kind="classes", classes=3),
            moo_fs.Task("depth", kind="values"),
            moo_fs.Task("reconstruction", kind="image"),
        ],
        "data": pair,
    }
    return moo_fs.SplitModel(**(parts | changes))


def tiny_subject(device):
    """What a user's file would hold: "tiny.py:tiny_subject"."""
    return tiny_model()
