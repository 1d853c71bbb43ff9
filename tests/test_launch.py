"""What is checked before anything is written, what is kept between launches, and what must not be mixed."""

import json
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch
from tiny import CHANNELS, pair, tiny_model
from torch import nn

import moo_fs
from moo_fs.archived_values import archived_values
from moo_fs.contracts import MooFsError
from moo_fs.evaluator import NetworkEvaluator
from moo_fs.loading import load_subject
from moo_fs.results import recheck
from moo_fs.runner import subject_hash

OWN = f"""
import sys
sys.path.insert(0, r"{Path(__file__).parent}")
import numpy as np
import moo_fs
import tiny
from tiny import tiny_model

def subject(device):
    return tiny_model()

def without_test(device):
    return tiny_model(data=lambda part: tiny.pair(part) if part != "test" else iter(()))

def nothing_like_a_number(device):
    best = moo_fs.Task("reconstruction", loss=lambda o, t: (o - t).square().mean((1, 2, 3)),
                       metrics={{"best": lambda o, t: float("nan")}})
    model = tiny_model()
    return tiny_model(heads={{"reconstruction": model.heads["reconstruction"]}}, tasks=[best])

def broken(batch):
    raise KeyError("no such thing")

class ReadsScores:
    def __init__(self, problem, rng):
        self.rng, self.channels = rng, problem.channels
        self.first = np.argsort(problem.scores[:, 0])
    def ask(self):
        return self.rng.integers(0, 9, (3, self.channels)).astype(np.int8)
    def tell(self, bits, objectives):
        pass
"""
STUDY = """
name = "own"
question = "What is refused?"
subject = "../own.py:{subject}"
objectives = {objectives}
[grid]
measures = {measures}
optimisers = {optimisers}
seeds = 1
budget = 8
"""


def study(folder, *, subject="subject", tasks=("segmentation", "depth"), measures=("l2-norm",), optimisers=("random",)):
    (folder / "own.py").write_text(OWN)
    (folder / "studies").mkdir(exist_ok=True)
    path = folder / "studies" / "own.toml"
    texts = {name: json.dumps(list(value)) for name, value in (("measures", measures), ("optimisers", optimisers))}
    path.write_text(STUDY.format(subject=subject, objectives=json.dumps(["rate", *tasks]), **texts))
    return path


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ({"subject": "without_test"}, "data('test') is empty"),
        ({"measures": ["../own.py:broken"]}, "grid.measures: broken: KeyError"),
        ({"tasks": ["colour"]}, "no task 'colour'"),
        ({"optimisers": ["../own.py:ReadsScores"], "measures": ["none"]}, "grid.optimisers"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_written(tmp_path, changes, clause):
    with pytest.raises(MooFsError, match=clause.replace("(", r"\(").replace(")", r"\)")) as caught:
        moo_fs.run(study(tmp_path, **changes))
    assert "own.toml" in str(caught.value)
    assert not (tmp_path / "results").exists()


def test_an_impossible_number_of_workers_writes_nothing(tmp_path):
    with pytest.raises(MooFsError, match="workers: wanted 1 or more"):
        moo_fs.run(study(tmp_path), workers=0)
    assert not (tmp_path / "results").exists()


def test_a_users_optimiser_may_read_the_scores_when_there_are_some(tmp_path):
    results = moo_fs.run(study(tmp_path, optimisers=["../own.py:ReadsScores"]))
    assert len(results.trials) == 8


def test_a_metric_without_a_value_does_not_cost_the_archive(tmp_path):
    results = moo_fs.run(study(tmp_path, subject="nothing_like_a_number", tasks=["reconstruction"]))
    assert results.study["uncompressed"]["reconstruction"]["best"] is None
    assert math.isnan(results.fronts()["reconstruction_best"].iloc[0])


def test_a_removed_journal_takes_its_cached_front_along(tmp_path):
    """The same run with other trials (here: as if an option outside of its key had changed) has another front."""
    first = moo_fs.run(study(tmp_path))
    (tmp_path / "results" / "own" / "study.json").unlink()
    second = moo_fs.run(study(tmp_path, tasks=["segmentation", "depth", "reconstruction"]), out=tmp_path / "other")
    for path in (tmp_path / "other" / "work").rglob("front-*"):
        target = tmp_path / "results" / "own" / path.relative_to(tmp_path / "other")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    again = moo_fs.run(study(tmp_path))
    assert recheck(again) == []
    assert recheck(second) == []
    pd.testing.assert_frame_equal(first.fronts().drop(columns="seconds"), again.fronts().drop(columns="seconds"))


@pytest.mark.parametrize("intact", [True, False])
def test_an_archive_without_journals_is_extended_without_evaluating_its_trials_again(tmp_path, monkeypatch, intact):
    tasks = ["segmentation", "depth", "reconstruction"]
    path, folder = study(tmp_path, tasks=tasks), tmp_path / "results" / "own"
    first = moo_fs.run(path)
    fresh = moo_fs.run(path, budget=12, out=tmp_path / "fresh")
    for name in ("journals", "work"):
        shutil.rmtree(folder / name)
    if not intact:
        (folder / "fronts.parquet").write_bytes(b"damaged")
    seen, outcome = [], NetworkEvaluator.outcome

    def watched(self, bits, *, metrics=False):
        if self.images == tiny.SIZES["search"]:
            seen.append(bits.tobytes())
        return outcome(self, bits, metrics=metrics)

    monkeypatch.setattr(NetworkEvaluator, "outcome", watched)
    extended = moo_fs.run(path, budget=12)
    again = [bits for bits in set(seen) if bits in set(first.trials["bits"])]
    assert (len(again) <= 3) == intact  # three are tried, to see that the subject is still the same
    pd.testing.assert_frame_equal(extended.trials.drop(columns="seconds"), fresh.trials.drop(columns="seconds"))
    pd.testing.assert_frame_equal(extended.fronts().drop(columns="seconds"), fresh.fronts().drop(columns="seconds"))


def test_an_archive_lends_its_values_only_to_the_same_subject_backend_and_objectives(tmp_path):
    results = moo_fs.run(study(tmp_path))
    same = {"backend": results.study["backend"], "subject": results.study["subject_hash"]}
    known = archived_values(results.folder, results.objectives, same)
    assert set(known.searched) == set(results.trials["bits"])
    assert set(known.tested) == set(results.fronts()["bits"])
    for other in ({**same, "backend": "another"}, {**same, "subject": "another"}):
        assert not archived_values(results.folder, results.objectives, other).searched
    assert not archived_values(results.folder, results.objectives[:2], same).searched


def test_another_head_or_other_labels_are_another_subject():
    def hash_of(**changes):
        return subject_hash(load_subject(tiny_model(**changes)))

    def darker(part):
        images, targets = pair(part)
        return images, targets | ({"depth": targets["depth"] * 0.5} if part == "search" else {})

    heads = dict(tiny_model().heads)
    with torch.no_grad():
        heads["depth"].conv.bias += 0.1
    assert hash_of() == hash_of()
    assert hash_of(heads=heads) != hash_of()
    assert hash_of(data=darker) != hash_of()


def test_a_network_left_in_training_mode_is_evaluated_and_not_changed():
    edge = nn.Sequential(nn.Conv2d(3, CHANNELS, 4, 4), nn.BatchNorm2d(CHANNELS), nn.ReLU())
    edge[1].running_mean += 0.3
    before = {name: value.clone() for name, value in edge.state_dict().items()}
    bits = [1, 2, 0, 1, 3, 2]
    rows = [moo_fs.evaluate(tiny_model(edge=edge.train(mode)), bits) for mode in (True, True, False)]
    pd.testing.assert_frame_equal(rows[0], rows[1])
    pd.testing.assert_frame_equal(rows[0], rows[2])
    assert all(torch.equal(before[name], value) for name, value in edge.state_dict().items())
    assert edge.train().training


def test_weights_of_the_layer_that_makes_the_channels_reach_a_measure():
    def by_weights(batch):
        return batch.weights.abs().sum((1, 2, 3))

    measure = moo_fs.registry.Measure("by-weights", by_weights, needs=("features", "weights"))
    model = tiny_model()
    found = moo_fs.scores(model, measure)
    wanted = model.edge.conv.weight.detach().abs().sum((1, 2, 3))
    assert found[found["task"] == "depth"]["score"].to_numpy() == pytest.approx(wanted.numpy())


def test_two_columns_of_one_name_are_refused():
    tasks = [
        moo_fs.Task(
            "reconstruction", loss=lambda o, t: (o - t).square().mean((1, 2, 3)), metrics={"test": lambda o, t: 0.0}
        )
    ]
    with pytest.raises(MooFsError, match="reconstruction_test"):
        load_subject(tiny_model(heads={"reconstruction": tiny_model().heads["reconstruction"]}, tasks=tasks))


def test_targets_may_be_given_as_a_list():
    model = tiny_model(data=lambda part: list(tiny.pair(part)))
    pd.testing.assert_frame_equal(moo_fs.evaluate(model, [1] * CHANNELS), moo_fs.evaluate(tiny_model(), [1] * CHANNELS))


def test_data_that_is_neither_a_pair_nor_batches_is_refused():
    with pytest.raises(MooFsError, match=r"wanted \(images, "):
        load_subject(tiny_model(data=lambda part: 7))
