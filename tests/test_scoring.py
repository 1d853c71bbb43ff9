"""Scoring collects what a measure declares to need, no more, and checks what comes back."""

from dataclasses import replace

import numpy as np
import planted
import pytest
import torch
from torch.nn import functional

from moo_fs import MooFsError
from moo_fs.losses import loss_of_images
from moo_fs.registry import Measure
from moo_fs.scoring import draw, score
from moo_fs.split import Report
from moo_fs.tasks import Task


@pytest.fixture
def source():
    return planted.source(images=11)


def seen_by(source, *needs, per_task=False, whole=False):
    """The batches that a measure with these needs gets."""
    batches = []

    def spy(batch, *task):
        batches.append(batch)
        return torch.zeros(planted.CHANNELS)

    score(Measure("spy", spy, needs, per_task, whole), source, seed=0, batch_size=3)
    return batches


def test_the_draw_is_half_of_the_images_at_least_two_and_moves_with_the_seed():
    assert len(draw(40, 0)) == 20
    assert len(draw(3, 0)) == 2
    assert len(draw(1, 0)) == 1
    assert len(set(draw(40, 0))) == 20
    assert (draw(40, 0) == draw(40, 0)).all()
    assert (draw(40, 0) != draw(40, 1)).any()


def test_batches_together_are_the_draw(source):
    batches = seen_by(source, "features")
    assert [len(batch.features) for batch in batches] == [3, 2]
    assert torch.equal(torch.cat([batch.features for batch in batches]), source.features[draw(11, 0)])


def test_nothing_is_collected_that_was_not_asked_for(source):
    (batch,) = seen_by(source, "features", whole=True)
    assert not batch.outputs
    assert not batch.targets
    assert not batch.gradients
    assert batch.ablate is None


def test_a_whole_batch_is_its_parts_joined(source):
    (whole,) = seen_by(source, "features", "outputs", "targets", "gradients", whole=True)
    parts = seen_by(source, "features", "outputs", "targets", "gradients")
    for kind in ("outputs", "targets", "gradients"):
        for task in (task.name for task in planted.TASKS):
            joined = torch.cat([getattr(part, kind)[task] for part in parts])
            torch.testing.assert_close(getattr(whole, kind)[task], joined, equal_nan=True)


def test_averages_weigh_batches_by_their_samples(source):
    values = [
        score(Measure("mean", lambda batch: batch.features.mean((0, 2, 3))), source, seed=0, batch_size=size).values
        for size in (3, 32)
    ]
    np.testing.assert_allclose(*values, rtol=1e-6)


def test_gradients_are_of_the_squared_error_summed_over_valid_pixels(source):
    # depth = 3 x2, so d/dx2 of sum (3 x2 - t)^2 is 6 (3 x2 - t), 0 where t is missing and for all other channels.
    (batch,) = seen_by(source, "features", "targets", "gradients", whole=True)
    error = torch.nan_to_num(3 * batch.features[:, 2] - batch.targets["depth"])
    torch.testing.assert_close(batch.gradients["depth"][:, 2], 6 * error)
    assert (batch.gradients["depth"][:, [0, 1, 3, 4]] == 0).all()


def test_ablating_nothing_is_the_loss_and_ablating_all_is_the_loss_of_the_means(source):
    (batch,) = seen_by(source, "features", "targets", "ablate", whole=True)
    means = source.means.reshape(1, -1, 1, 1).expand_as(batch.features)
    for task in planted.TASKS:
        head, target = source.heads[task.name].eval(), batch.targets[task.name]
        for dropped, features in ((False, batch.features), (True, means)):
            wanted = loss_of_images(task, head(features), target)
            torch.testing.assert_close(batch.ablate(task.name, np.full(planted.CHANNELS, dropped)), wanted)


def test_taylor_predicts_a_small_ablation():
    # Loss differences to first order: gradient of the summed loss x change = pixels x difference of the mean loss.
    source = planted.source(images=8)
    source = replace(source, means=torch.zeros(planted.CHANNELS), features=source.features * 1e-3)
    (batch,) = seen_by(source, "features", "targets", "gradients", "ablate", whole=True)
    none, alone = torch.zeros(5, dtype=torch.bool), torch.eye(5, dtype=torch.bool)[2]
    difference = batch.ablate("depth", alone).double() - batch.ablate("depth", none).double()
    predicted = -(batch.gradients["depth"] * batch.features)[:, 2].sum((1, 2))
    valid = (~batch.targets["depth"].isnan()).sum((1, 2))
    torch.testing.assert_close(difference * valid, predicted.double(), rtol=0.02, atol=1e-3)


def test_at_depths_is_the_loss_of_decoded_channels_and_leaves_the_others_untouched(source):
    (batch,) = seen_by(source, "features", "targets", "depths", "ablate", whole=True)
    untouched, first = np.full(planted.CHANNELS, -1), np.array([-1, -1, 2, -1, -1])
    clean = batch.ablate("depth", torch.zeros(planted.CHANNELS, dtype=torch.bool))
    assert torch.equal(batch.at_depths("depth", untouched), clean)
    decoded = batch.features.clone()
    cells = source.tables.select(np.array([0, 0, 2, 0, 0]))
    decoded[:, 2] = torch.from_numpy(cells.dequantise(batch.features.numpy()))[:, 2]
    with torch.no_grad():
        output = source.heads["depth"](decoded)
    wanted = loss_of_images(planted.TASKS[1], output, batch.targets["depth"])
    torch.testing.assert_close(batch.at_depths("depth", first), wanted)
    np.testing.assert_array_equal(batch.errors, source.tables.error)
    # Depth 0 is what ablation does.
    nothing = torch.tensor([False, False, True, False, False])
    torch.testing.assert_close(
        batch.at_depths("depth", np.where(nothing, 0, -1)), batch.ablate("depth", nothing), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(MooFsError, match=r"at_depths: wanted bits \(5,\) from -1 to 8"):
        batch.at_depths("depth", np.full(planted.CHANNELS, 9))
    with pytest.raises(MooFsError, match="at_depths: no task 'deep'; did you mean 'depth'"):
        batch.at_depths("deep", untouched)


def test_run_is_the_heads_output_for_features_of_the_measures_own(source):
    (batch,) = seen_by(source, "features", "heads", whole=True)
    with torch.no_grad():
        wanted = source.heads["depth"](2 * batch.features)
    torch.testing.assert_close(batch.run("depth", 2 * batch.features), wanted)


def test_a_report_carries_what_a_measure_knows_of_its_scores(source):
    def mine(batch):
        return Report(
            np.arange(5.0), null=np.zeros(4), details={"share": ("task", [0.5] * 4)}, samples=3, doubts=("too few",)
        )

    found = score(Measure("mine", mine, whole=True), source, seed=0)
    assert found.values[:, 3].tolist() == [0, 1, 2, 3, 4]
    assert found.details["share"][0] == "task"
    assert found.details["share"][1].tolist() == [0.5] * 4
    assert found.samples == 3
    assert found.doubts == ("too few",)
    assert found.spread is None
    with pytest.raises(MooFsError, match="register it with whole=True"):
        score(Measure("mine", mine), source, seed=0)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ({"null": 0.1}, r"measure 'mine': wanted null of shape \(4,\), finite, got 0.1"),
        ({"spread": np.zeros(7)}, r"wanted spread of shape \(4,\)"),
        ({"null": np.full(4, np.nan)}, "wanted null of shape"),
        ({"doubts": "careful"}, "wanted doubts as a tuple of sentences, got 'careful'"),
        ({"doubts": None}, "wanted doubts as a tuple of sentences, got None"),
        ({"details": {"share": 3.0}}, r"details: share: wanted \(axes, numbers\), got 3.0"),
        ({"details": {"share": ("task", np.zeros(5))}}, r"details: share: wanted numbers along 'task'.*shape \(5,\)"),
        ({"details": {"share": ("image", np.zeros(5))}}, "details: share: wanted numbers along 'image'"),
    ],
)
def test_a_report_that_means_nothing_is_refused_by_the_measures_name(source, report, words):
    with pytest.raises(MooFsError, match=words):
        score(Measure("mine", lambda batch: Report(np.arange(5.0), **report), whole=True), source, seed=0)


def test_some_images_are_spread_over_all_of_them(source):
    (batch,) = seen_by(source, "features", "targets", "depths", "ablate", whole=True)
    nothing = torch.zeros(planted.CHANNELS, dtype=torch.bool)
    every = batch.ablate("depth", nothing)
    torch.testing.assert_close(batch.ablate("depth", nothing, 2), every[[1, 3]])
    torch.testing.assert_close(batch.at_depths("depth", np.full(planted.CHANNELS, -1), images=2), every[[1, 3]])
    assert torch.equal(batch.ablate("depth", nothing, 99), every)


def test_scores_of_images_that_are_named(source):
    drawn = np.array([0, 3, 4])
    found = score(Measure("mean", lambda batch: batch.features.mean((0, 2, 3))), source, seed=0, drawn=drawn)
    np.testing.assert_allclose(found.values[:, 0], source.features[drawn].mean((0, 2, 3)), rtol=1e-5)
    assert found.samples == 3


def test_heads_are_run_in_evaluation_mode_and_left_as_they_were(source):
    source.heads["reconstruction"].train()
    source.heads["depth"].eval()
    before = {name: value.clone() for name, value in source.heads["reconstruction"].state_dict().items()}
    (batch,) = seen_by(source, "features", "gradients", "ablate", whole=True)
    assert source.heads["reconstruction"][1].training
    assert not source.heads["depth"].training
    for head in source.heads.values():
        assert all(parameter.grad is None and parameter.requires_grad for parameter in head.parameters())
    for name, value in source.heads["reconstruction"].state_dict().items():
        assert torch.equal(value, before[name])
    assert not batch.features.requires_grad


def test_losses_leave_out_what_is_not_valid():
    labels = torch.tensor([[[0, 255], [1, 255]], [[255, 255], [255, 255]]])
    logits = torch.randn(2, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    task = Task("a", kind="classes", classes=2)
    one = functional.cross_entropy(logits[:1, :, :, 0], labels[:1, :, 0])
    torch.testing.assert_close(loss_of_images(task, logits, labels), torch.stack([one, torch.tensor(0.0)]))
    torch.testing.assert_close(loss_of_images(task, logits, labels, summed=True)[0], 2 * one)
    found = loss_of_images(Task("b", kind="values"), torch.tensor([1.0, 2.0]), torch.tensor([3.0, float("nan")]))
    torch.testing.assert_close(found, torch.tensor([4.0, 0.0]))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda batch: torch.zeros(3), r"measure 'bad': wanted scores of shape \(5,\), got \(3,\)"),
        (lambda batch: torch.full((5,), float("nan")), "measure 'bad': wanted finite scores, got nan for channel 0"),
        (lambda batch: "high", "measure 'bad': wanted a tensor of scores"),
        (lambda batch: np.zeros((5, 2)), r"wanted scores of shape \(5, 4\), got \(5, 2\)"),
    ],
)
def test_a_result_that_is_no_score_is_refused_by_the_measures_name(function, words, source):
    with pytest.raises(MooFsError, match=words):
        score(Measure("bad", function), source, seed=0)


def test_a_per_task_result_is_refused_with_the_tasks_name(source):
    with pytest.raises(MooFsError, match="for task 'segmentation'"):
        score(Measure("bad", lambda batch, task: torch.zeros(2), per_task=True), source, seed=0)


def test_scores_of_channel_and_task_are_taken_as_they_are(source):
    wanted = np.arange(20.0).reshape(5, 4)
    found = score(Measure("table", lambda batch: wanted), source, seed=0)
    np.testing.assert_allclose(found.values, wanted)


def test_needs_that_cannot_be_met_are_refused_before_anything_runs(source):
    with pytest.raises(MooFsError, match="needs weights"):
        score(Measure("w", lambda batch: 0, ("weights",)), replace(source, weights=None), seed=0)
    with pytest.raises(MooFsError, match="needs scale, but no batch normalisation"):
        score(Measure("s", lambda batch: 0, ("scale",)), replace(source, scale=None), seed=0)
    with pytest.raises(MooFsError, match="needs depths, but the subject's channels are not quantised"):
        score(Measure("d", lambda batch: 0, ("depths",)), replace(source, tables=None), seed=0)
    with pytest.raises(MooFsError, match="needs targets of task 'segmentation'"):
        score(Measure("t", lambda batch: 0, ("gradients",)), replace(source, targets={}), seed=0)


def test_options_reach_the_measure_and_the_generator_is_the_blocks(source):
    def mine(batch, *, rng, power=1.0):
        return rng.random(5) * power

    one = score(Measure("mine", mine, whole=True), source, seed=4)
    twice = score(Measure("mine", mine, whole=True), source, seed=4, options={"power": 2.0})
    np.testing.assert_allclose(twice.values, 2 * one.values)
    with pytest.raises(MooFsError, match="measure 'mine': no option 'powr'; did you mean 'power'"):
        score(Measure("mine", mine, whole=True), source, seed=4, options={"powr": 2.0})
    with pytest.raises(MooFsError, match="no option 'power'; it has no options"):
        score(Measure("plain", lambda batch: batch.features.sum((0, 2, 3))), source, seed=4, options={"power": 1})
