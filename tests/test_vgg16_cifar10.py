"""The subject vgg16-cifar10 on fake batches: cut anywhere it is the same network, and what is missing is named."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from moo_fs import MooFsError
from moo_fs.loading import load_subject
from moo_fs.subjects import cifar10, vgg16, weights_file
from moo_fs.subjects.vgg16_cifar10 import SHIPPED, cut, vgg16_cifar10

COUNT = 40


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "PER_BATCH", COUNT)
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        labels = rng.permutation(np.arange(COUNT) % 10).astype(np.uint8)
        rows = np.concatenate([labels[:, None], rng.integers(0, 256, (COUNT, 3072), dtype=np.uint8)], axis=1)
        (tmp_path / f"{name}.bin").write_bytes(rows.tobytes())
    return tmp_path


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    weights_file.save(vgg16.vgg16(1 / 16), tmp_path / "small.safetensors", about={"width": 1 / 16})
    return str(tmp_path / "small.safetensors")


SIZES = {"fit_images": 8, "search_images": 6, "test_images": 5}


@pytest.mark.parametrize("split", vgg16.STAGES)
def test_cut_after_any_stage_it_is_the_same_network(split):
    network = vgg16.vgg16(1 / 16).eval()
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    edge, head = cut(network, split)
    with torch.no_grad():
        features = edge(images)
        torch.testing.assert_close(head(features), network(images))
        at = vgg16.STAGES.index(split)
        torch.testing.assert_close(features, network.activations(images)[at])
    assert features.min() >= 0


def test_the_subject_is_ready_to_be_scored_and_has_a_normalisation_to_look_at(folder, weights):
    options = {"width": 1 / 16, "weights": weights, "data": str(folder), **SIZES}
    prepared = load_subject(vgg16_cifar10, options=options)
    assert prepared.features("fit").shape == (8, 16, 8, 8)
    assert prepared.evaluator("test").images == 5
    assert prepared.source.weights.shape == (16, 16, 3, 3)
    assert prepared.source.scale.shape == (16,)


def test_the_network_that_ships_says_how_good_it_is():
    with safe_open(SHIPPED, "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert about["width"] == 0.25
    assert about["validation_accuracy"] >= 0.89
    network = vgg16.load(SHIPPED, width=0.25)
    assert sum(network.filters) == 1056
    assert SHIPPED.stat().st_size < 2_000_000


def test_parts_share_no_image(folder, weights):
    model = vgg16_cifar10(width=1 / 16, weights=weights, data=str(folder), fit_images=10, search_images=10)
    fit, search = (model.data(part)[0].numpy().reshape(10, -1) for part in ("fit", "search"))
    assert not {row.tobytes() for row in fit} & {row.tobytes() for row in search}


def test_the_folder_may_be_named_by_the_environment(folder, weights, monkeypatch):
    monkeypatch.setenv("MOO_FS_DATA", str(folder))
    assert len(vgg16_cifar10(width=1 / 16, weights=weights, **SIZES).data("test")[0]) == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"data": ""}, "wanted the folder of CIFAR-10; set MOO_FS_DATA to it, or the option data"),
        ({"split": "conv3_4"}, "split: no stage 'conv3_4'; did you mean 'conv3_3'"),
        ({"width": 1.0}, "only width 0.25 ships; train width 1 with"),
        ({"weights": "nowhere.safetensors"}, "no weights; train them"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(options, words, folder, monkeypatch):
    monkeypatch.delenv("MOO_FS_DATA", raising=False)
    with pytest.raises(MooFsError, match=words):
        vgg16_cifar10(**{"data": str(folder), **options})


def test_parts_larger_than_their_images_are_refused(folder, weights):
    model = vgg16_cifar10(width=1 / 16, weights=weights, data=str(folder))
    with pytest.raises(MooFsError, match="fit_images: wanted 2 to 10, the images there are, got 512"):
        model.data("fit")
