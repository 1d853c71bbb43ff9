"""Losses and metrics from per-image sums, by hand and by definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from moo_fs import compiled_outcomes, outcomes
from moo_fs.contracts import MooFsError, RunError
from moo_fs.tasks import Task

CLASSES = Task("segmentation", kind="classes", classes=3)
VALUES = Task("depth", kind="values")
IMAGE = Task("picture", kind="image")
NAN = float("nan")


def drawn(seed: int = 0, images: int = 5, side: int = 13):
    """Outputs and targets per task, with ignored labels and invalid and zero values; 169 pixels: no multiple of 8."""
    generator = torch.Generator().manual_seed(seed)
    logits = 8 * torch.randn(images, 3, side, side, generator=generator)
    labels = torch.randint(0, 3, (images, side, side), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = 255
    depth = torch.rand(images, side, side, generator=generator)
    depth[depth < 0.2] = NAN
    depth[depth < 0.3] = 0
    picture = torch.rand(images, 3, side, side, generator=generator)
    return [
        (CLASSES, logits, labels),
        (VALUES, torch.rand(images, side, side, generator=generator), depth),
        (IMAGE, torch.rand(images, 3, side, side, generator=generator), picture),
    ]


def test_class_metrics_by_hand():
    # Pixels: 0 right, 0 taken for 1, 1 right, one ignored; class 2 on neither side is left out.
    logits = torch.log(torch.tensor([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8]]]))
    sums = outcomes.image_sums(CLASSES, logits.transpose(1, 2), torch.tensor([[0, 0, 1, 255]]))
    assert outcomes.loss(CLASSES, sums) == pytest.approx((np.log(2) + np.log(4) + np.log(2)) / 3)
    assert outcomes.metrics(CLASSES, sums) == pytest.approx({"miou": 0.5, "accuracy": 2 / 3})
    assert sums[0, 2:].reshape(3, 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_a_class_that_is_only_predicted_counts_in_the_miou():
    logits = torch.tensor([[[9.0, 0.0], [0.0, 0.0], [0.0, 9.0]]])
    sums = outcomes.image_sums(CLASSES, logits, torch.tensor([[0, 0]]))
    assert outcomes.metrics(CLASSES, sums)["miou"] == pytest.approx((0.5 + 0) / 2)


def test_value_metrics_by_hand():
    output, target = torch.tensor([[3.0, 1.0, 5.0, 7.0]]), torch.tensor([[1.0, 2.0, 0.0, NAN]])
    sums = outcomes.image_sums(VALUES, output, target)
    assert outcomes.loss(VALUES, sums) == pytest.approx(np.sqrt((4 + 1 + 25) / 3))
    found = outcomes.metrics(VALUES, sums)
    assert found == pytest.approx({"rmse": np.sqrt(10), "relative_error": (2 + 0.5) / 2})


def test_image_metrics_by_hand():
    sums = outcomes.image_sums(IMAGE, torch.full((2, 3, 4, 4), 0.6), torch.full((2, 3, 4, 4), 0.5))
    assert outcomes.loss(IMAGE, sums) == pytest.approx(0.01, rel=1e-6)
    assert outcomes.metrics(IMAGE, sums)["psnr_db"] == pytest.approx(20, rel=1e-6)


def test_a_perfect_image_has_a_finite_psnr():
    perfect = torch.rand(1, 3, 2, 2)
    assert outcomes.metrics(IMAGE, outcomes.image_sums(IMAGE, perfect, perfect))["psnr_db"] == pytest.approx(120)


def test_rmse_is_pooled_over_the_part_and_not_averaged_over_images():
    # One image with error 2 on one valid pixel, one with error 0 on three: sqrt(4 / 4) = 1, the mean would be 1 too
    # only if pooled by image counts: (2 + 0) / 2 = 1, so a third image tells them apart.
    target = torch.tensor([[0.0, NAN, NAN], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    output = torch.tensor([[2.0, 9.0, 9.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    assert outcomes.loss(VALUES, outcomes.image_sums(VALUES, output, target)) == pytest.approx(1.0)
    assert outcomes.loss(VALUES, outcomes.image_sums(VALUES, output, target)[:2]) == pytest.approx(1.0)
    assert outcomes.loss(VALUES, outcomes.image_sums(VALUES, output, target)[1:]) == pytest.approx(np.sqrt(0.5))


def test_sums_of_a_part_are_the_sums_of_its_images():
    for task, output, target in drawn():
        whole = outcomes.image_sums(task, output, target)
        assert np.allclose(whole[3:4], outcomes.image_sums(task, output[3:4], target[3:4]), rtol=1e-12)
        assert whole.shape == (5, outcomes.stats(task))


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_compiled_sums_equal_the_plain_ones(number, spatial):
    task, output, target = drawn(number)[number]
    if not spatial and task.kind != "image":
        output, target = output.reshape(*output.shape[:-2], -1)[..., 0], target.reshape(len(target), -1)[:, 0]
    scorer = compiled_outcomes.scorer(task, target)
    assert scorer is not None
    found, wanted = scorer(output[1:4], slice(1, 4)), outcomes.image_sums(task, output, target)[1:4]
    assert np.allclose(found, wanted, rtol=2e-6, atol=1e-6)
    assert (found[:, 1:2] == wanted[:, 1:2]).all()
    if task.kind == "classes":
        assert (found[:, 2:] == wanted[:, 2:]).all()


def test_compiled_cross_entropy_survives_logits_of_a_thousand():
    logits = torch.tensor([[[1000.0, -1000.0, 0.0], [-1000.0, 1000.0, 0.0], [0.0, 0.0, 0.0]]])
    labels = torch.tensor([[0, 0, 2]])
    scorer = compiled_outcomes.scorer(CLASSES, labels)
    assert scorer is not None
    assert scorer(logits, slice(0, 1))[0, 0] == pytest.approx(2000 + np.log(3), rel=1e-6)


def test_of_equal_logits_the_first_class_is_predicted_by_both_forms():
    logits, labels = torch.zeros(1, 3, 2), torch.tensor([[2, 1]])
    scorer = compiled_outcomes.scorer(CLASSES, labels)
    assert scorer is not None
    wanted = outcomes.image_sums(CLASSES, logits, labels)
    assert wanted[0, 2:].reshape(3, 3)[:, 0].tolist() == [0, 1, 1]
    assert (scorer(logits, slice(0, 1))[:, 2:] == wanted[:, 2:]).all()


def test_an_output_that_is_not_a_number_is_not_hidden_by_compilation():
    logits, labels = torch.zeros(1, 3, 2), torch.tensor([[2, 1]])
    logits[0, 0, 0] = NAN
    scorer = compiled_outcomes.scorer(CLASSES, labels)
    assert scorer is not None
    assert np.isnan(scorer(logits, slice(0, 1))[0, 0])


def test_a_custom_loss_is_averaged_over_images():
    task = Task("own", loss=lambda output, target: (output - target).abs().flatten(1).mean(1))
    sums = outcomes.image_sums(task, torch.tensor([[1.0, 3.0], [5.0, 5.0]]), torch.zeros(2, 2))
    assert sums.tolist() == [[2, 1], [5, 1]]
    assert outcomes.loss(task, sums) == 3.5
    assert outcomes.metrics(task, sums) == {}


def test_a_part_without_valid_pixels_is_an_error_that_names_the_task():
    sums = outcomes.image_sums(VALUES, torch.zeros(2, 3), torch.full((2, 3), NAN))
    with pytest.raises(RunError, match="'depth'"):
        outcomes.loss(VALUES, sums)


@pytest.mark.parametrize(
    ("task", "output", "target"),
    [
        (CLASSES, torch.zeros(2, 4, 5), torch.zeros(2, 5, dtype=torch.int64)),
        (VALUES, torch.zeros(2, 1, 4, 4), torch.zeros(2, 4, 4)),
        (IMAGE, torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 8, 8)),
    ],
)
def test_an_output_of_the_wrong_shape_is_one_sentence(task, output, target):
    with pytest.raises(MooFsError, match="wanted an output of shape"):
        outcomes.image_sums(task, output, target)
    scorer = compiled_outcomes.scorer(task, target)
    assert scorer is not None
    with pytest.raises(MooFsError, match="wanted an output of shape"):
        scorer(output, slice(0, 2))
