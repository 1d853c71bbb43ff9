"""A user's own network: what is accepted, and the sentence for each way in which it does not fit."""

import numpy as np
import pytest
import torch
from tiny import CHANNELS, SIZES, pair, tiny_model
from torch import nn

import moo_fs
from moo_fs.contracts import MooFsError
from moo_fs.loading import load_subject
from moo_fs.prepared import Prepared, Problem

BITS = [1, 0, 3, 2, 8, 0]


def test_nothing_sent_has_distortion_one_and_costs_the_header_only():
    row = moo_fs.evaluate(tiny_model(), [0] * CHANNELS).iloc[0]
    assert row["rate_kbit"] == pytest.approx(0.128)
    for task in ("segmentation", "depth", "reconstruction"):
        assert row[task] == pytest.approx(1.0)


def test_eight_bits_everywhere_is_close_to_the_uncompressed_network():
    prepared = Prepared(tiny_model())
    row = moo_fs.evaluate(prepared, [8] * CHANNELS).iloc[0]
    clean = prepared.evaluator("test").uncompressed
    assert row["reconstruction_psnr_db"] == pytest.approx(clean["reconstruction_psnr_db"], abs=0.01)
    assert row["depth_rmse"] == pytest.approx(clean["depth_rmse"], rel=1e-3)


def test_data_in_batches_gives_the_same_results_as_tensors():
    def batches(part):
        images, targets = pair(part)
        for start in range(0, SIZES[part], 2):
            yield images[start : start + 2], {name: values[start : start + 2] for name, values in targets.items()}

    whole = moo_fs.evaluate(tiny_model(), BITS)
    split = moo_fs.evaluate(tiny_model(data=batches), BITS)
    assert whole.columns.equals(split.columns)
    np.testing.assert_allclose(whole.to_numpy(), split.to_numpy(), rtol=1e-5)


def test_a_custom_loss_and_metric_are_used():
    def absolute(output, target):
        return (output - target).abs().mean((1, 2, 3))

    task = moo_fs.Task("reconstruction", loss=absolute, metrics={"worst": lambda o, t: float((o - t).abs().max())})
    model = tiny_model(
        heads={"reconstruction": tiny_model().heads["reconstruction"]},
        tasks=[task],
        data=lambda part: (pair(part)[0], {"reconstruction": pair(part)[0]}),
    )
    prepared = Prepared(model)
    row = moo_fs.evaluate(prepared, BITS).iloc[0]
    output = model.heads["reconstruction"](prepared.features("test")).detach()
    clean = prepared.evaluator("test").uncompressed["reconstruction_worst"]
    assert clean == pytest.approx(float((output - pair("test")[0]).abs().max()), rel=1e-4)
    assert row["reconstruction_worst"] != pytest.approx(clean, rel=1e-6)
    assert 0 < row["reconstruction"] < 1.5


def test_evaluation_does_not_depend_on_what_else_is_in_the_batch():
    prepared = Prepared(tiny_model())
    problem = Problem(prepared, prepared.space(None))
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 9, (6, CHANNELS)).astype(np.int8)
    together = problem.evaluate(bits)
    alone = np.concatenate([Problem(prepared, prepared.space(None)).evaluate(bits[[i]]) for i in (5, 4, 3, 2, 1, 0)])
    np.testing.assert_array_equal(together, alone[::-1])


def test_the_problem_keeps_the_order_of_its_objectives():
    prepared = Prepared(tiny_model())
    swapped = Problem(prepared, prepared.space(None, ("rate", "depth", "segmentation")))
    straight = Problem(prepared, prepared.space(None))
    bits = np.array([BITS], np.int8)
    np.testing.assert_array_equal(swapped.evaluate(bits)[0], straight.evaluate(bits)[0][[0, 2, 1]])


WRONG = {
    "a head is missing": ({"heads": {"depth": nn.Identity()}}, "one head for each"),
    "the edge gives vectors": ({"edge": nn.Sequential(nn.Flatten(), nn.Linear(768, 6))}, "edge: wanted features"),
    "the edge fails on the images": ({"edge": nn.Conv2d(5, 6, 1)}, "edge fails"),
    "targets are missing": ({"data": lambda part: (pair(part)[0], {})}, "no targets for task 'segmentation'"),
    "a part is empty": ({"data": lambda part: iter(())}, "is empty"),
    "labels are out of range": (
        {"tasks": [moo_fs.Task("segmentation", kind="classes", classes=2), *tiny_model().tasks[1:]]},
        "segmentation",
    ),
    "a head has the wrong size": (
        {"heads": {**tiny_model().heads, "reconstruction": nn.Conv2d(CHANNELS, 3, 1)}},
        "output like the target",
    ),
    "two tasks share a name": ({"tasks": [*tiny_model().tasks, tiny_model().tasks[0]]}, "different names"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_model_that_does_not_fit_is_refused_in_one_sentence(case):
    changes, clause = WRONG[case]
    with pytest.raises(MooFsError, match=clause) as caught:
        Prepared(tiny_model(**changes))
    assert "\n" not in str(caught.value)


def test_features_that_are_not_finite_are_refused():
    class Broken(nn.Module):
        def forward(self, images):
            return torch.full((len(images), CHANNELS, 4, 4), torch.nan)

    with pytest.raises(MooFsError, match="not finite"):
        Prepared(tiny_model(edge=Broken()))


@pytest.mark.parametrize(
    ("task", "clause"),
    [
        ({"name": "rate", "kind": "image"}, "identifier"),
        ({"name": "a-b", "kind": "image"}, "identifier"),
        ({"name": "x_test", "kind": "image"}, "identifier"),
        ({"name": "x"}, "either kind"),
        ({"name": "x", "kind": "video"}, "no kind 'video'"),
        ({"name": "x", "kind": "classes"}, "classes = N"),
    ],
)
def test_a_task_that_cannot_be_is_refused(task, clause):
    with pytest.raises(MooFsError, match=clause):
        moo_fs.Task(**task)


def test_unknown_subjects_options_and_bits_are_refused_with_a_suggestion():
    with pytest.raises(MooFsError, match="did you mean 'fashion-scenes'"):
        load_subject("fashion-scene")
    with pytest.raises(MooFsError, match="did you mean 'search_images'"):
        load_subject("fashion-scenes", options={"search_image": 3})
    with pytest.raises(MooFsError, match="wanted 6 along 'channel'"):
        moo_fs.evaluate(tiny_model(), [1, 2])
    with pytest.raises(MooFsError, match="from 0 to 8"):
        moo_fs.evaluate(tiny_model(), [9] * CHANNELS)
