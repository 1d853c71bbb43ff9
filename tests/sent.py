"""What tests of senders look at: the maps that a server gets, and what they are worth by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import pair

from moo_fs.senders.points import evaluator

ORDER = np.array([4, 1, 5, 0, 3, 2])
TASKS = ("segmentation", "depth", "reconstruction")


def maps_of(prepared, part="test"):
    return prepared.features(part).numpy()


def means_of(prepared):
    return maps_of(prepared, "fit").mean((0, 2, 3))


def depth_distortion(prepared, maps):
    """By hand: the RMSE over valid pixels between the untouched features' and that of nothing but means."""
    target = pair("test")[1]["depth"]

    def rmse(features):
        gap = (prepared.model.heads["depth"](torch.as_tensor(features)) - target).double()
        return float(gap[~target.isnan()].square().mean().sqrt())

    with torch.inference_mode():
        nothing = np.broadcast_to(means_of(prepared)[None, :, None, None], maps.shape).copy()
        best, worst, found = map(rmse, (maps_of(prepared), nothing, maps))
    return (found - best) / (worst - best)


def spied(prepared, monkeypatch, part="test"):
    """The maps that the part's evaluator is given from now on."""
    seen, measured = [], evaluator(prepared, part)
    real = measured.received
    monkeypatch.setattr(measured, "received", lambda maps, **told: (seen.append(maps), real(maps, **told))[1])
    return seen


def assert_alike(first, second):
    assert first.distortions == pytest.approx(second.distortions, rel=1e-9, abs=1e-12)
    assert first.metrics == pytest.approx(second.metrics, rel=1e-9)
