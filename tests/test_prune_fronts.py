"""Pruning as a search on generated images: the archive, resume, published cutoffs and the report."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from moo_fs import MooFsError, archive, prune_fronts
from moo_fs.figures.prune_fronts import draw_pruned_fronts
from moo_fs.figures.style import styled
from moo_fs.fronts import non_dominated
from moo_fs.prune_fronts import published, runner
from moo_fs.prune_fronts.declared import read_search
from moo_fs.prune_fronts.report import page_of
from moo_fs.prune_studies.network import weights_of
from moo_fs.prune_studies.plan import read_plan
from moo_fs.pruning.levels import Levels
from moo_fs.pruning.removal import flops, parameters, removed
from moo_fs.results import allocations, load_results, recheck
from moo_fs.subjects import cifar10, vgg16, weights_file
from moo_fs.tables.prune_fronts import against_uniform, cutoff_table, uniform_table

COUNT = 60
OBJECTIVES = ("parameters", "flops", "error")
SEARCH = """
measures = ["random", "l1-norm-weights"]
optimisers = ["random", {{ name = "local-search", start = 4, batch = 4 }}, "tpe"]
seeds = 2
budget = 7
images = 20
damage_images = 20
search_images = 24
test_images = 16
published = "published"
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """CIFAR-10's form with generated images, and weights of a narrow network that knows nothing."""
    folder = tmp_path_factory.mktemp("cifar")
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        labels = rng.permutation(np.arange(COUNT) % 10).astype(np.uint8)
        rows = np.concatenate([labels[:, None], rng.integers(0, 256, (COUNT, 3072), dtype=np.uint8)], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    torch.manual_seed(0)
    weights_file.save(vgg16.vgg16(1 / 16), folder / "narrow.safetensors", about={"width": 1 / 16})
    return folder


@pytest.fixture(autouse=True)
def _short_batches(monkeypatch):
    monkeypatch.setattr(cifar10, "PER_BATCH", COUNT)


def study_file(folder, data, search=SEARCH, more="", name="tiny"):
    folder.mkdir(exist_ok=True)
    subject = {"name": "vgg16-cifar10", "width": 1 / 16, "weights": str(data / "narrow.safetensors"), "data": str(data)}
    said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in subject.items())
    head = f'name = "{name}"\nquestion = "?"\nsubject = {{ {said} }}\nobjectives = ["parameters", "flops", "error"]\n'
    path = folder / f"{name}.toml"
    path.write_text(f"{head}{more}\n[prune.search]\n{search.replace('{{', '{').replace('}}', '}')}")
    return path


@pytest.fixture(scope="module")
def ran(data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "PER_BATCH", COUNT)
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


def published_archive(folder, unpruned, rows):
    """What a pruning study leaves behind, as far as cutoffs are read from it; `which` are the filters kept."""
    columns = published.archive.COLUMNS["summary.csv"]
    none = dict.fromkeys(columns, 0) | {"measure": "unpruned", "formulation": "", "cutoff": "", "direction": ""}
    none |= {"fine_tuned": False, "compensate": False, "filters_kept": 1056}
    cut = none | {"measure": "conditional-mutual-information", "formulation": "compact", "direction": "forward"}
    all_rows = [none | unpruned, *(cut | {"filters_kept": 9} | row for row in rows)]
    frames = {name: pd.DataFrame(columns=names) for name, names in published.archive.COLUMNS.items()}
    frames["summary.csv"] = pd.DataFrame(all_rows)[columns]
    layers = pd.DataFrame(all_rows).assign(layer="conv1_1").reindex(columns=published.archive.COLUMNS["layers.csv"])
    frames["layers.csv"] = layers.assign(which=[row.get("which", "") for row in all_rows])
    published.archive.write(folder, frames, {"name": "published"}, "source")


def test_cutoffs_stand_beside_the_fronts_as_shares_of_the_same_network(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "out")
    results, joint = load_results(tmp_path / "out"), pd.read_parquet(ran / "joint.parquet")
    assert published.published(results, joint).empty
    network = results.study["network"]
    size = {name: network[name] for name in ("parameters", "flops")}
    half = {name: value / 2 for name, value in size.items()}
    best = joint.sort_values("error_test").iloc[0]
    rows = [
        size | {"cutoff": "scree", "test_accuracy": -1.0},
        half | {"cutoff": "x-means", "test_accuracy": 1.0, "fine_tuned": True},
    ]
    published_archive(tmp_path / "published", size | {"test_accuracy": 0.5}, rows)
    found = published.published(results, joint)
    assert found["what"].tolist() == ["compact, scree, forward", "compact, x-means, forward"]
    assert found[["parameters", "flops", "error_test"]].to_numpy().tolist() == [[1, 1, 2.0], [0.5, 0.5, 0.0]]
    assert best["error_test"] < 1
    assert found["dominated"].tolist() == [True, False]
    published_archive(tmp_path / "published", {"parameters": 1, "flops": 1}, rows)
    assert published.published(results, joint).empty  # another network


def test_networks_are_counted_once_and_what_is_ours_is_said_to_be(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "out")
    results, joint = load_results(tmp_path / "out"), pd.read_parquet(ran / "joint.parquet")
    size = {name: results.study["network"][name] for name in ("parameters", "flops")}
    share = size | {"cutoff": "share[kept=0.9]", "which": "0 1", "test_accuracy": 0.5}
    rows = [
        # The same filters in two directions and on two batches: one network with zeros, two with means.
        *(share | {"direction": way, "seed": seed} for way in ("forward", "bi-directional") for seed in (0, 1)),
        *(share | {"seed": seed, "compensate": True} for seed in (0, 1)),
        size | {"cutoff": "scree[tolerance=10]", "which": "0 2", "test_accuracy": 0.5},
        size | {"cutoff": "scree", "which": "3", "test_accuracy": 0.5},
        size | {"cutoff": "share[kept=0.3]", "which": "3", "test_accuracy": 0.5},
        # With nothing gone there is nothing to fill in.
        *(size | {"cutoff": "permutation", "filters_kept": 1056, "compensate": way} for way in (False, True)),
    ]
    published_archive(tmp_path / "published", size, rows)
    found = published.published(results, joint)
    assert found["kind"].value_counts().to_dict() == {"ours": 3, "published": 2, "raised": 1}
    named = found.groupby("what", sort=False)["kind"].agg(["first", "size"])
    assert named.loc["compact, scree, forward; compact, share[kept=0.3], forward"].tolist() == ["published", 1]
    both = "compact, share[kept=0.9], forward; compact, share[kept=0.9], bi-directional"
    assert named.loc[both].tolist() == ["ours", 1]
    assert named.loc["compact, share[kept=0.9], forward"].tolist() == ["ours", 2]
    table = cutoff_table(results, found)
    assert table.title == "Cutoffs of published beside the front of all runs"
    assert ("compact, share[kept=0.9], forward (and 1 more)", "ours", "") in [row[:3] for row in table.rows]
    assert table.data["networks"].sum() == len(found)
    assert "6 in all" in table.note
    page = page_of(results, {}, [], joint, found)
    assert "Of 3 distinct networks that fixed shares, our choice, cut in published, 2 of them with means" in page
    assert "Of 2 distinct networks that published cutoffs (scree, x-means, permutation) cut" in page


def test_uniform_shares_are_held_against_what_is_no_larger_in_either_size(ran):
    results, joint = load_results(ran), pd.read_parquet(ran / "joint.parquet")
    found = against_uniform(results, joint)
    assert len(found) == 2 * 8
    for row in found.to_dict("records"):
        near = results.baselines[results.baselines["baseline"] == f"uniform share, {row['measure']}"]
        (cut,) = near[np.isclose(near["setting"], row["setting"])].to_dict("records")
        assert row["error_test"] == cut["error_test"]
        fits = [
            one
            for one in joint.to_dict("records")
            if one["parameter_count"] <= cut["parameter_count"] and one["flop_count"] <= cut["flop_count"]
        ]
        assert np.isnan(row["front_error"]) == (not fits)
        if fits:
            assert row["front_error"] == min(one["error"] for one in fits)
            assert row["front_error_test"] in {one["error_test"] for one in fits if one["error"] == row["front_error"]}
            assert row["front_parameters"] <= row["parameters"]
            assert row["front_flops"] <= row["flops"]
    # A front that guesses is held against nothing; one that does not, in a table and in a sentence a share.
    assert uniform_table(results, joint.assign(error_test=0.81)) is None
    better = joint.assign(error_test=0.25)
    table = uniform_table(results, better)
    assert len(table.rows) == found["front_error"].notna().sum() > 0
    page = page_of(results, {}, [], better, published.published(results, better))
    assert page.count("front's member that is no larger in either size on 25.0 %") == len(table.rows) / 2


def test_the_report_is_the_same_to_the_byte_and_shows_every_optimiser(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "out")
    results, joint = load_results(tmp_path / "out"), pd.read_parquet(ran / "joint.parquet")
    row = {"cutoff": "scree", "test_accuracy": 0.1}
    whole = {name: results.study["network"][name] for name in ("parameters", "flops")}
    published_archive(tmp_path / "published", whole, [whole | row])
    first = {path: path.read_bytes() for path in prune_fronts.report(tmp_path / "out")}
    assert {path: path.read_bytes() for path in prune_fronts.report(tmp_path / "out")} == first
    page = (tmp_path / "out/report/index.md").read_text()
    assert "its error + 5 points (corner)" in page
    assert "2 blocks" in page
    assert "| compact, scree, forward |" in page
    assert "published/study.json" in json.loads((tmp_path / "out/report/hashes.json").read_text())["archive"]
    with styled():
        figure = draw_pruned_fronts(results, joint, published.published(results, joint))["pruned-fronts"]
    panel = figure.axes[0]
    shown = [line for line in panel.lines if line.get_label() != "unpruned"]
    dots = next(line for line in shown if line.get_marker() == ".")
    assert sorted(dots.get_ydata()) == sorted(joint["error_test"])
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {
        *results.optimisers,
        "unpruned",
        "published: published cutoff, zeros",
        "uniform share, random",
    }
    uniform = [line.get_color() for line in panel.lines if line.get_marker() == "s"]
    assert len(uniform) == len(set(uniform)) == len(results.measures)


def test_a_search_for_one_size_alone_has_a_report_with_both_sizes(data, tmp_path):
    path = study_file(tmp_path, data, SEARCH.replace("seeds = 2", "seeds = 1"))
    path.write_text(path.read_text().replace('["parameters", "flops", "error"]', '["flops", "error"]'))
    out = prune_fronts.run(path, out=tmp_path / "out")
    prune_fronts.report(out)
    page = (out / "report/index.md").read_text()
    unpruned = next(line for line in page.splitlines() if line.startswith("| unpruned |"))
    assert unpruned.count("100 %") == 2
    assert "of the parameters and 100 % of the operations are left" in page


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
