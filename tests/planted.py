"""A split network with a known answer: which channel decides which task, and which channel is dead."""

from __future__ import annotations

import torch
from torch import nn

from moo_fs.coding.quantiser import fit_tables
from moo_fs.scoring import Source
from moo_fs.tasks import Task

CHANNELS, DEAD = 5, 0
# Task -> the channel that decides it. The reconstruction listens to three, channel 4 to no one's benefit.
DECISIVE = {"segmentation": 1, "depth": 2, "grade": 3}
TASKS = [
    Task("segmentation", kind="classes", classes=3),
    Task("depth", kind="values"),
    Task("reconstruction", kind="image"),
    Task("grade", loss=lambda output, target: (output - target).abs().mean(1)),
]


class Depth(nn.Module):
    """One value a position."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, 1, 1, bias=False)

    def forward(self, features):
        return self.conv(features)[:, 0]


def heads() -> dict[str, nn.Module]:
    """Linear heads (the third after an upsampling by two, with a normalisation that must stay in evaluation mode)."""
    modules: dict[str, nn.Module] = {
        "segmentation": nn.Conv2d(CHANNELS, 3, 1),
        "depth": Depth(),
        "reconstruction": nn.Sequential(nn.Conv2d(CHANNELS, 3, 1), nn.BatchNorm2d(3), nn.Upsample(scale_factor=2)),
        "grade": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 2)),
    }
    with torch.no_grad():
        for head in modules.values():
            for parameter in head.parameters():
                parameter.zero_()
        modules["segmentation"].weight[:, DECISIVE["segmentation"], 0, 0] = torch.tensor([-4.0, 0.0, 4.0])
        modules["segmentation"].bias[:] = torch.tensor([4.0, 2.0, -4.0])
        modules["depth"].conv.weight[0, DECISIVE["depth"]] = 3.0
        modules["reconstruction"][0].weight[range(3), [1, 2, 3]] = 0.3
        modules["reconstruction"][1].weight[:] = 1.0
        modules["grade"][2].weight[:, DECISIVE["grade"]] = torch.tensor([2.0, -1.0])
    return modules


def source(images: int = 40) -> Source:
    """ReLU features (image, 5, 8, 8), smooth enough that patches say something; targets = what an ideal head says."""
    draws = torch.Generator().manual_seed(3)
    coarse = torch.randn(images, CHANNELS, 4, 4, generator=draws)
    fine = 0.3 * torch.randn(images, CHANNELS, 8, 8, generator=draws)
    features = torch.relu(nn.functional.interpolate(coarse, scale_factor=2.0) + fine + 0.5)
    features[:, DEAD] = 0.0
    modules = heads()
    with torch.no_grad():
        outputs = {name: head.eval()(features) for name, head in modules.items()}
    noise = torch.randn(images, 8, 8, generator=draws)
    targets = {
        "segmentation": outputs["segmentation"].argmax(1),
        "depth": outputs["depth"] + noise,
        "reconstruction": outputs["reconstruction"] + 0.1 * torch.randn(images, 3, 16, 16, generator=draws),
        "grade": outputs["grade"] + 0.1,
    }
    targets["segmentation"][0, :2] = 255
    targets["depth"][1, 3:] = float("nan")
    return Source(
        modules,
        TASKS,
        features,
        targets,
        features.mean((0, 2, 3)),
        weights=torch.randn(CHANNELS, 3, 3, 3, generator=draws),
        scale=torch.randn(CHANNELS, generator=draws),
        tables=fit_tables(features.numpy()),
    )
