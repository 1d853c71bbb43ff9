"""What is held against a search over pruned networks: cutoffs, uniform shares; and its report."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import small_fronts
from small_fronts import SEARCH, study_file

from moo_fs import prune_fronts
from moo_fs.figures.prune_fronts import draw_pruned_fronts
from moo_fs.figures.style import styled
from moo_fs.prune_fronts import published
from moo_fs.prune_fronts.report import page_of
from moo_fs.results import load_results
from moo_fs.subjects import cifar10
from moo_fs.tables.prune_fronts import against_uniform, cutoff_table, uniform_table


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
