"""Pruning as a search on generated images: the archive, resume, published cutoffs and the report."""

import dataclasses
import shutil

import pandas as pd
import pytest
import small_fronts
import torch
from small_fronts import SEARCH, study_file

from moo_fs import MooFsError, archive, prune_fronts
from moo_fs.fronts import non_dominated
from moo_fs.prune_fronts import runner
from moo_fs.prune_fronts.declared import read_search
from moo_fs.prune_studies.network import weights_of
from moo_fs.prune_studies.plan import read_plan
from moo_fs.pruning.levels import Levels
from moo_fs.pruning.removal import flops, parameters, removed
from moo_fs.results import allocations, load_results, recheck
from moo_fs.subjects import cifar10, vgg16

OBJECTIVES = ("parameters", "flops", "error")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_fronts.make_data(tmp_path_factory.mktemp("cifar"))


@pytest.fixture(autouse=True)
def _short_batches(monkeypatch):
    monkeypatch.setattr(cifar10, "PER_BATCH", small_fronts.COUNT)


@pytest.fixture(scope="module")
def ran(data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "PER_BATCH", small_fronts.COUNT)
        folder = tmp_path_factory.mktemp("ran")
        return prune_fronts.run(study_file(folder, data), out=folder / "out")


def test_the_archive_is_that_of_any_search_with_other_names(ran):
    results = load_results(ran)
    assert results.objectives == OBJECTIVES
    assert recheck(results) == []
    assert archive.verify(ran) == []
    summary = results.hypervolumes()
    assert len(summary) == 2 * 3 * 2
    assert summary["hypervolume_test"].between(0, 1).all()
    assert (summary["evaluations"] <= 7).all()
    assert results.reference.tolist() == [1.0, 1.0, 0.9]
    assert set(summary.loc[summary["optimiser"] == "random", "scoring_evaluations"]) == {0.0}
    assert set(summary.loc[summary["optimiser"] == "tpe", "scoring_evaluations"]) == {(13 * 8 + 1) * 20 / 24}


def test_every_row_of_the_archive_is_what_the_network_itself_gives(ran, data):
    results = load_results(ran)
    network = vgg16.chain(vgg16.load(data / "narrow.safetensors", width=1 / 16))
    orders = pd.read_parquet(ran / "orders.parquet")
    test = cifar10.load(data, "test")
    images, labels = torch.from_numpy(test.images).float() / 255, torch.from_numpy(test.labels)
    joint = pd.read_parquet(ran / "joint.parquet")
    for one, bits in zip(joint.to_dict("records"), allocations(joint), strict=True):
        mine = orders[orders["measure"] == one["measure"]]
        order = [mine[mine["layer"] == layer].sort_values("place")["filter"].to_numpy() for layer in vgg16.STAGES]
        twin = removed(network, Levels(network, order, shape=(3, 32, 32)).kept(bits))
        with torch.no_grad():
            assert one["error_test"] == pytest.approx(
                float((twin(images).argmax(1) != labels).double().mean()), abs=1e-6
            )
        assert (one["parameter_count"], one["flop_count"]) == (parameters(twin), flops(twin, (3, 32, 32)))
        assert one["parameters"] == pytest.approx(parameters(twin) / parameters(network), rel=1e-5)
    assert non_dominated(joint[list(OBJECTIVES)].to_numpy()).all()
    uniform = results.baselines
    assert uniform.groupby("baseline").size().tolist() == [9, 9]
    assert uniform.loc[uniform["setting"] == 1, "parameters"].tolist() == [1.0, 1.0]


def test_a_finished_study_returns_at_once_and_more_seeds_only_add_runs(ran, data, tmp_path, monkeypatch):
    shutil.copytree(ran, tmp_path / "out")
    path = study_file(tmp_path, data)
    with monkeypatch.context() as patch:
        patch.setattr(prune_fronts.launch, "load", None)
        prune_fronts.run(path, out=tmp_path / "out")
    other = study_file(tmp_path / "other", data, SEARCH.replace("search_images = 24", "search_images = 20"))
    with pytest.raises(MooFsError, match="prune differs from the archive's"):
        prune_fronts.run(other, out=tmp_path / "out")
    prune_fronts.run(path, out=tmp_path / "out", seeds=3)
    before, after = load_results(ran).trials, load_results(tmp_path / "out").trials
    both = after[after["seed"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(both.drop(columns="seconds"), before.drop(columns="seconds"))
    assert sorted(set(after["seed"])) == [0, 1, 2]


def test_a_study_killed_in_the_middle_ends_as_if_it_had_not_been(ran, data, tmp_path, monkeypatch):
    path, plain, calls = study_file(tmp_path, data), runner.Problem.evaluate, []

    def dying(self, bits):
        calls.append(len(bits))
        if len(calls) == 7:
            raise KeyboardInterrupt
        return plain(self, bits)

    with monkeypatch.context() as patch:
        patch.setattr(runner.Problem, "evaluate", dying)
        with pytest.raises(KeyboardInterrupt):
            prune_fronts.run(path, out=tmp_path / "out")
    assert not (tmp_path / "out" / "study.json").exists()
    prune_fronts.run(path, out=tmp_path / "out")
    resumed, whole = load_results(tmp_path / "out"), load_results(ran)
    for name in ("trials", "stored_fronts", "baselines", "stored_summary"):
        drop = [column for column in ("seconds", "scoring_seconds") if column in getattr(whole, name)]
        pd.testing.assert_frame_equal(
            getattr(resumed, name).drop(columns=drop), getattr(whole, name).drop(columns=drop)
        )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("budget = 7", "budget = 0"), "prune.search.budget: wanted a whole number from 1"),
        (("seeds = 2", "sedes = 2"), "unknown key 'prune.search.sedes'"),
        (('"random", "l1', '"none", "l1'), "'none' has no order of filters; drop it"),
        (('"tpe"', '"tpee"'), "prune.search.optimisers: no optimiser 'tpee'"),
        (("test_images = 16", "test_images = 61"), "test_images: wanted at most 60"),
        (("search_images = 24", "search_images = 31"), "search_images: wanted at most 30"),
        (("start = 4", "start = 0"), "prune.search.optimisers: local-search"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_sentence_and_nothing_is_written(data, tmp_path, change, said):
    path = study_file(tmp_path, data, SEARCH.replace("{{", "{").replace("}}", "}").replace(*change))
    with pytest.raises(MooFsError, match=said):
        prune_fronts.run(path, out=tmp_path / "out")
    assert not (tmp_path / "out" / "study.json").exists()


def test_weights_that_are_not_there_are_said_to_be_and_how_to_train_them(data, tmp_path):
    path = study_file(tmp_path, data)
    path.write_text(path.read_text().replace("narrow.safetensors", "nowhere.safetensors"))
    said = r"weights: .*nowhere.safetensors: no such file; train width 0.0625 with `moo-fs train vgg16-cifar10 --width"
    with pytest.raises(MooFsError, match=said):
        prune_fronts.run(path, out=tmp_path / "out")
    assert not (tmp_path / "out" / "study.json").exists()
    full = dataclasses.replace(read_plan("studies/22_prune_full.toml").subject, folder=tmp_path)
    with pytest.raises(MooFsError, match="no such file; train width 1 with `moo-fs train vgg16-cifar10 --width 1 "):
        weights_of(dataclasses.replace(full, options={**full.options, "weights": str(tmp_path / "none.safetensors")}))


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ('{ name = "fashion-scenes" }', "wanted 'vgg16-cifar10', whose filters can be removed, got 'fashion-scenes'"),
        ('{ name = "vgg16-cifar10", split = "conv4_3" }', "option 'split' says nothing of a whole network's pruning"),
    ],
)
def test_only_the_whole_network_whose_filters_can_be_removed_is_searched(data, tmp_path, subject, said):
    path = study_file(tmp_path, data)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("subject")]
    path.write_text("\n".join([f"subject = {subject}", *lines]))
    with pytest.raises(MooFsError, match=said):
        read_search(path)


@pytest.mark.parametrize(
    ("objectives", "said"),
    [
        ('["error", "flops"]', 'wanted "parameters" or "flops" first'),
        ('["parameters", "flops"]', '"error" among them'),
        ('["parameters", "eror"]', "did you mean 'error'"),
    ],
)
def test_objectives_are_sizes_first_and_the_error(data, tmp_path, objectives, said):
    path = study_file(tmp_path, data)
    path.write_text(path.read_text().replace('["parameters", "flops", "error"]', objectives))
    with pytest.raises(MooFsError, match=said):
        read_search(path)


def test_a_reference_is_chance_or_shares(data, tmp_path):
    assert read_search(study_file(tmp_path, data)).reference == "chance"
    assert read_search(study_file(tmp_path, data, more="reference = [1, 0.9, 0.5]")).reference == (1.0, 0.9, 0.5)
    for wrong in ('"uniform-2"', "[1.0, 2.0, 0.5]", "[1.0, 0.5]"):
        with pytest.raises(MooFsError, match="reference: wanted"):
            read_search(study_file(tmp_path, data, more=f"reference = {wrong}"))


def test_the_shipped_study_is_read_and_its_runs_hold_no_paths(data, tmp_path):
    shipped = read_search("studies/21_prune_fronts.toml")
    assert shipped.objectives == OBJECTIVES
    here = read_search(study_file(tmp_path, data))
    moved = shutil.copytree(data, tmp_path / "elsewhere")
    there = read_search(study_file(tmp_path / "there", moved))
    assert [run.key for run in here.runs()] == [run.key for run in there.runs()]
    assert here.specification_hash == there.specification_hash
