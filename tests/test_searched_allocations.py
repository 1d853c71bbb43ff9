"""Allocations that a selection study compares: found and chosen on the search part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import CHANNELS

from moo_fs import selection_pieces
from moo_fs.loading import load_subject
from moo_fs.selection_plan import read_selection

OWN = """\
import torch
from tiny import pair, tiny_model

def net(device, other_test=False):
    def data(part):
        images, targets = pair(part)
        if part == "test" and other_test:
            images = images.flip(1) ** 2
        return images, targets
    return tiny_model(data=data)
"""
STUDY = """\
name = "searched"
question = "Which?"
subject = ["own.py:net", {name = "own.py:net", other_test = true}]

[selection]
methods = ["hard"]
measures = ["random"]
seeds = 1
rivals = ["allocation"]
budget = 24
"""


@pytest.fixture
def searching(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "tiny.py").write_bytes((Path(__file__).parent / "tiny.py").read_bytes())
    (tmp_path / "searched.toml").write_text(STUDY)
    return read_selection(tmp_path / "searched.toml")


def searched(plan, subject, folder):
    prepared = load_subject(subject.load("subject"), options=subject.options)
    return selection_pieces._searched(subject, plan, prepared, folder), prepared


def test_searched_allocations_do_not_depend_on_the_test_part(searching, tmp_path):
    (first, one), (second, other) = (
        searched(searching, subject, tmp_path / str(at)) for at, subject in enumerate(searching.subjects)
    )
    assert not torch.equal(one.features("test"), other.features("test"))
    assert torch.equal(one.features("search"), other.features("search"))
    assert len(first) > 2
    np.testing.assert_array_equal(first, second)
    rates = [one.evaluator("search").outcome(bits).rate_kbit for bits in first]
    assert rates == sorted(rates)


def test_searched_allocations_are_those_of_least_mean_distortion_on_the_search_part(searching, tmp_path, monkeypatch):
    bits = np.arange(24, dtype=np.int8).reshape(4, CHANNELS) % 9
    values = {"rate_kbit": [3.0, 1.0, 2.0, 2.5], "segmentation": [0.3, 0.9, 0.2, 0.1], "depth": [0.0, 0.5, 0.2, 0.9]}
    trials = pd.DataFrame(values | {"reconstruction": 0.0, "bits": [row.tobytes() for row in bits]})
    asked = []

    def run(study, **told):
        asked.append(study)
        return type("Found", (), {"trials": trials})

    monkeypatch.setattr(selection_pieces.launch, "run", run)
    found, _ = searched(searching, searching.subjects[0], tmp_path)
    # Trial 3 lies on the front of four objectives, but trial 2 has less rate and mean; trial 0 has the least mean.
    np.testing.assert_array_equal(found, bits[[1, 2, 0]])
    assert (asked[0].budget, [spec.name for spec in asked[0].measures]) == (24, ["none"])


def test_at_most_so_many_allocations_are_shown_spread_over_the_front(searching, tmp_path, monkeypatch):
    rate = np.arange(1.0, 101.0)
    trials = pd.DataFrame({"rate_kbit": rate, "segmentation": 1 / rate, "depth": 0.0, "reconstruction": 0.0})
    trials["bits"] = [np.array([at // 9 % 9, at % 9, at // 81, 1, 1, 1], np.int8).tobytes() for at in range(100)]
    monkeypatch.setattr(selection_pieces.launch, "run", lambda *given, **told: type("Found", (), {"trials": trials}))
    found, _ = searched(searching, searching.subjects[0], tmp_path)
    assert len(found) == selection_pieces.POINTS
    np.testing.assert_array_equal(found[0], np.frombuffer(trials["bits"][0], np.int8))
    np.testing.assert_array_equal(found[-1], np.frombuffer(trials["bits"][99], np.int8))
