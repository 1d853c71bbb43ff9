"""Candidates with means in the place of missing filters: what is remembered is bounded and never changes an answer."""

import numpy as np
import pytest
import small_pruning
import torch

from moo_fs.prune_studies import filled
from moo_fs.prune_studies.filled import MeanFilled
from moo_fs.prune_studies.network import Subject
from moo_fs.subjects import cifar10, vgg16

IMAGES = 20


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A network that knows nothing, on generated images."""
    folder = tmp_path_factory.mktemp("cifar")
    small_pruning.write_pictures(folder)
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "PER_BATCH", small_pruning.COUNT)
        subject = Subject(vgg16.vgg16(1 / 16), folder, width=1 / 16)
        assert len(subject.validation.labels) >= IMAGES
        yield subject


def test_maps_that_are_kept_are_those_of_two_paths_and_forgetting_changes_nothing(subject, monkeypatch):
    batch, rng = subject.batch(0, IMAGES), np.random.default_rng(0)
    asked = [
        {
            f"{layer}.conv": np.sort(rng.choice(count, max(1, round(0.7 * count)), replace=False))
            for layer, count in list(subject.filters.items())[first:]
        }
        for first in (12, 0, 6, 3, 12, 9)
    ]
    path = sum(maps[:1].nbytes for maps in batch.maps.values()) * IMAGES
    answers = []
    for paths, least in ((2, 0), (0, 0), (0, 10 * path)):
        monkeypatch.setattr(filled, "PATHS", paths)
        monkeypatch.setattr(filled, "LEAST", least)
        judge, most = MeanFilled(subject, batch, IMAGES), 0
        for kept in asked:
            judge.accuracy(kept)
            most = max(most, sum(maps.nbytes for maps in judge._maps.values()))
        if (paths, least) == (2, 0):
            assert path < most <= 2 * path
        if paths == least == 0:
            assert len(judge._maps) == 1
        if least:
            assert most > 2 * path
        with torch.inference_mode():
            answers.append(torch.stack([judge._last(judge._filled(key)) for key in judge._known]))
    assert answers[0].shape == (len(asked), IMAGES, 10)
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])
    assert len(torch.unique(answers[0], dim=0)) == len(asked)
