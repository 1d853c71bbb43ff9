"""Pruning studies on a small network and generated images: every step against an obvious twin, and killed midway."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import small_pruning

from moo_fs import MooFsError, RunError, prune_ahead, prune_launch, renyi
from moo_fs.archive import STUDY
from moo_fs.cli import status_of
from moo_fs.plugins import PluginSpec
from moo_fs.prune_file import CMI
from moo_fs.prune_report import write_prune_report
from moo_fs.prune_studies import jobs, measured, smaller_network
from moo_fs.prune_studies.archive import load
from moo_fs.prune_studies.filled import MeanFilled
from moo_fs.prune_studies.network import load_subject, right
from moo_fs.prune_studies.orders import Orders, counted, kept_of
from moo_fs.prune_studies.plan import Cutoff, Variant, read_plan
from moo_fs.prune_studies.variants import walk
from moo_fs.subjects import cifar10
from moo_fs.tables.prune import prune_tables
from moo_fs.worker import one_thread


@pytest.fixture(scope="module", autouse=True)
def small_batches():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "PER_BATCH", small_pruning.COUNT)
        patch.setattr(measured, "TIMED_IMAGES", 2)
        patch.setattr(measured, "ALTERNATIONS", 1)
        with one_thread():
            yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruning")
    small_pruning.make(folder)
    return folder


@pytest.fixture(scope="module")
def subject(folder):
    spec = read_plan(folder / "small.toml").subject
    return load_subject(spec, "cpu")


@pytest.fixture(scope="module")
def orders(folder, subject):
    plan = read_plan(folder / "small.toml")
    return Orders(subject, plan, subject.batch(0, plan.images), 0, folder / "orders")


@pytest.fixture(scope="module")
def study(folder):
    """The archive of the whole study, killed once on its way and resumed."""
    heard = []

    def killed(title):
        heard.append(title)
        if len(heard) == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune_launch.run(folder / "small.toml", out=folder / "killed", on_row=killed)
    assert not (folder / "killed" / STUDY).exists()
    again = []
    prune_launch.run(folder / "small.toml", out=folder / "killed", on_row=again.append)
    assert heard[8] in again
    assert not set(heard[:8]) & set(again)
    return load(folder / "killed")


# Orders


def test_each_step_of_an_order_is_the_best_of_an_exhaustive_look_given_the_past(subject, folder):
    plan = dataclasses.replace(read_plan(folder / "small.toml"), method="exact", alpha=1.01)
    orders = Orders(subject, plan, subject.batch(0, plan.images), 0, folder / "orders")
    # conv3_1 given what conv2_2 keeps: 16 maps, each tried by its joint entropies, nothing shared.
    past = [("conv2_2", np.array([1, 4]))]
    found = orders.cmi("conv3_1", "compact", past)
    largest, labels = orders.largest("compact"), orders.batch.labels
    grams = renyi.grams(orders.batch.maps["conv3_1"], largest_product=largest)
    given = list(renyi.grams(orders.batch.maps["conv2_2"][:, [1, 4]], largest_product=largest))
    target = renyi.label_gram(labels)

    def information(chosen):
        maps = [*given, *(grams[at] for at in chosen)]
        entropy = renyi.entropy(target, alpha=1.01) + renyi.joint_entropy(maps, alpha=1.01)
        return entropy - renyi.joint_entropy([*maps, target], alpha=1.01)

    taken = []
    everything = information(range(16))
    for step in range(16):
        left = [at for at in range(16) if at not in taken]
        best = max(information([*taken, at]) for at in left)
        taken.append(int(found.order[step]))
        assert information(taken) == pytest.approx(best, abs=1e-9)
        # The chain rule: what is left to learn is all there is less what was taken.
        assert found.cmi[step] == pytest.approx(everything - information(taken), abs=1e-9)


def test_a_formulation_conditions_on_its_own_part_of_the_past(orders):
    far, near = ("conv1_1", np.array([0, 2])), ("conv2_2", np.array([1, 4]))

    def curve(formulation, past):
        return orders.cmi("conv3_1", formulation, past).cmi

    assert np.array_equal(curve("per-layer", [far, near]), curve("per-layer", []))
    assert np.array_equal(curve("compact", [far, near]), curve("compact", [near]))
    assert not np.allclose(curve("compact", [near]), curve("compact", [far]))
    assert not np.allclose(curve("full", [far, near]), curve("full", [near]))
    assert np.array_equal(curve("full", [far, near]), curve("full", [near, far]))


def test_a_planted_constant_is_last_and_a_copy_and_noise_are_before_it(study):
    # The product of kernels credits both noise and a copy: they narrow it; only where they land is measured.
    wide = study.planted.pivot_table(index="layer", columns="planted", values="place")
    last = study.planted.groupby("layer")["filters"].first() - 1
    assert (wide["constant"] == last).all()
    assert (wide["noise"] < last).all()
    assert ((wide["copy"] > 0) & (wide["copy"] < last)).all()


# Cuts


def test_means_in_the_place_of_filters_give_what_the_smaller_network_gives(subject, orders):
    judge, rng = MeanFilled(subject, orders.batch, 20), np.random.default_rng(0)
    pictures = cifar10.take(subject.validation, np.arange(20))
    for _ in range(4):
        past = [
            (layer, np.sort(rng.choice(filters, rng.integers(filters // 2, filters + 1), replace=False)))
            for layer, filters in subject.filters.items()
        ]
        network = measured.smaller(subject, past, orders.batch, compensate=True)
        assert judge.accuracy(kept_of(past)) == right(network, pictures, "cpu").mean()
    assert judge.accuracy({}) == right(subject.chain, pictures, "cpu").mean()


def test_directions_go_outwards_from_their_start(study, folder):
    rows = [json.loads(path.read_bytes()) for path in (folder / "killed" / "work").glob("rows-*/*.json")]
    layers = list(study.filters)
    seen = set()
    for row in (row for row in rows if "cut_order" in row):
        places = [layers.index(layer) for layer in row["cut_order"]]
        seen.add(row["direction"])
        start = places[0]
        assert places == [*range(start, 13), *range(start - 1, -1, -1)]
        assert start == 0 or row["direction"] == "bi-directional"
        if row["direction"] == "bi-directional" and row["cutoff"].startswith("share"):
            # Every layer loses the same share, whatever rounding makes of it: the first of the widest layers.
            assert layers[start] == "conv4_1"
    assert seen == {"forward", "bi-directional", "one-shot"}


@pytest.mark.parametrize("direction", ["forward", "bi-directional"])
def test_compact_conditions_on_the_neighbour_that_was_cut_before(folder, subject, orders, direction):
    plan = read_plan(folder / "small.toml")
    asked = Variant("compact", Cutoff("share", {"kept": 0.66}), direction)
    seen = []

    class Recording(Orders):
        def cmi(self, layer, formulation, past=(), *, width=None, common=False):
            if formulation == "compact":
                seen.append((layer, [name for name, _ in counted(formulation, past)]))
            return super().cmi(layer, formulation, past, width=width, common=common)

    recording = Recording(subject, plan, orders.batch, 0, folder / "orders")
    walk(asked, recording, MeanFilled(subject, orders.batch, 20), tolerance=5.0)
    layers = list(subject.filters)
    start = layers.index(seen[0][0])
    assert seen[0][1] == []
    for layer, past in seen[1:]:
        at = layers.index(layer)
        assert past == [layers[at - 1 if at > start else at + 1]]


def test_choices_never_look_at_test_images(folder, subject, orders, monkeypatch):
    def looked(*_):
        raise AssertionError("test images were read")

    monkeypatch.setattr(cifar10, "load", looked)
    plan = read_plan(folder / "small.toml")
    cuts = walk(plan.variants[0], orders, MeanFilled(subject, orders.batch, 20), tolerance=5.0)
    assert [cut.layer for cut in cuts] == list(subject.filters)


def test_a_choice_keeps_what_a_look_at_every_candidate_would(folder, subject, orders):
    # All candidates of every layer by the smaller network itself: the smallest within 5 points of the state before.
    plan = read_plan(folder / "small.toml")
    variant = next(v for v in plan.variants if (v.cutoff.name, v.direction) == ("scree", "forward"))
    cuts = walk(variant, orders, MeanFilled(subject, orders.batch, 20), tolerance=5.0)
    pictures, past = cifar10.take(subject.validation, np.arange(20)), []

    def accuracy(kept):
        network = measured.smaller(subject, kept, orders.batch, compensate=True)
        return 100 * right(network, pictures, "cpu").mean()

    for cut in cuts[:5]:
        before = accuracy(past)
        good = [
            count
            for count in cut.candidates
            if accuracy([*past, (cut.layer, cut.order.order[:count])]) >= before - 5 - 1e-9
        ]
        assert len(cut.kept) == min(good, default=cut.filters)
        past.append((cut.layer, cut.kept))


def test_filters_are_gone_and_nothing_else_changes(study):
    assert study.twins["difference"].max() < 1e-5
    assert len(study.twins) >= 12
    rows = study.summary[study.summary["measure"] != "unpruned"]
    smaller = rows[rows["filters_kept"] < study.unpruned["filters_kept"]]
    assert (smaller["parameters"] < study.unpruned["parameters"]).all()
    assert (smaller["flops"] < study.unpruned["flops"]).all()
    layers = study.layers
    assert (layers["which"].str.split().str.len() == layers["kept"]).all()


def test_rivals_keep_as_many_filters_in_every_layer_as_the_chosen_variant(study):
    layers = study.layers[study.layers["compensate"] & ~study.layers["fine_tuned"]]
    rivals = layers[layers["cutoff"] == jobs.SAME]
    assert set(rivals["measure"]) == {"random"}
    counts = {
        tuple(part["kept"])
        for _, part in layers[layers["measure"] == CMI].groupby(["formulation", "cutoff", "direction"])
    }
    for _, part in rivals.groupby("measure"):
        assert tuple(part["kept"]) in counts


def test_the_best_has_lost_a_third_of_the_filters_and_then_the_best_validation_accuracy():
    def row(kept, accuracy, which):
        return {"filters_kept": kept, "validation_accuracy": accuracy, "layers": [{"which": which}]}

    rows = [row(40, 0.97, "a"), row(60, 0.99, "b"), row(30, 0.95, "c"), row(30, 0.95, "c"), row(50, 0.98, "d")]
    # Of 60 filters exactly a third is not more than a third.
    assert [one["layers"][0]["which"] for one in jobs.best_first(rows, 60)] == ["c", "a", "d", "b"]


# Widths, tolerances, training on


def test_a_common_width_is_that_of_the_largest_product_of_all_formulations(orders, subject):
    sizes = {name: orders.largest(name) for name in ("per-layer", "compact", "full")}
    assert sizes["per-layer"] < sizes["compact"] < sizes["full"] == sum(subject.filters.values())
    assert {orders.largest(name, common=True) for name in sizes} == {sizes["full"]}
    # With nothing to condition on, formulations differ in their widths alone.
    own = [orders.cmi("conv3_1", name).cmi.tolist() for name in sizes]
    common = [orders.cmi("conv3_1", name, common=True).cmi.tolist() for name in sizes]
    assert own[0] != own[2]
    assert common[0] == common[1] == common[2] == own[2]


def test_a_tolerance_is_raised_until_more_than_a_third_of_the_filters_is_gone(study):
    rows = study.summary[study.summary["cutoff"].str.startswith("scree[tolerance")]
    assert list(rows["cutoff"]) == ["scree[tolerance=50]", "scree[tolerance=100]"][: len(rows)]
    whole = study.unpruned["filters_kept"]
    gone = 3 * (whole - rows["filters_kept"].to_numpy()) > whole
    assert not gone[:-1].any()
    assert len(rows) == 2 or gone[-1]
    # A tolerance of everything takes the smallest candidate of each layer.
    if len(rows) == 2:
        cut = study.layers[study.layers["cutoff"] == "scree[tolerance=100]"]
        smallest = [min(map(int, words.split())) for words in cut["candidates"]]
        assert list(cut["kept"]) == smallest


def test_the_best_after_a_short_training_is_trained_on_with_every_seed_beside_what_it_is_held_against(study, folder):
    tuned = study.summary[study.summary["fine_tuned"]]
    assert list(tuned["measure"]) == [CMI, CMI, "unpruned", "random"]
    assert list(tuned["training_seed"]) == [0, 1, 0, 0]
    assert tuned["filters_kept"].nunique() == 2
    assert study.unpruned["test_accuracy"] != tuned["test_accuracy"].iloc[2]
    rows = [json.loads(path.read_bytes()) for path in (folder / "killed" / "work").glob("rows-*/*.json")]
    screened = [row["validation_accuracy"] for row in rows if set(row) == {"validation_accuracy"}]
    assert len(screened) > 1
    for row in [*tuned.to_dict("records"), study.unpruned]:
        assert study.images(row).mean() == row["test_accuracy"]


def test_how_far_an_order_can_be_trusted_is_kept_with_every_cut(study):
    rows = study.layers[(study.layers["measure"] == CMI) & study.layers["compensate"] & ~study.layers["fine_tuned"]]
    assert (rows["determined"].astype(float) <= rows["filters"]).all()
    assert (rows["rise"].astype(float) >= 0).all()


# Studies


def test_a_killed_study_ends_as_one_that_was_not(study, folder):
    other = prune_launch.run(folder / "small.toml", out=folder / "whole")
    for name in ("summary", "layers", "right", "shares", "planted", "twins"):
        mine, theirs = (getattr(one, name).drop(columns="seconds", errors="ignore") for one in (study, other))
        pd.testing.assert_frame_equal(mine, theirs)
    pd.testing.assert_frame_equal(study.orders.drop(columns="seconds"), other.orders.drop(columns="seconds"))


def test_several_processes_make_the_same_archive(study, folder, monkeypatch):
    heard = []
    monkeypatch.setattr(prune_ahead, "_made", small_pruning.made_of_small_batches)
    other = prune_launch.run(folder / "small.toml", out=folder / "two", workers=2, on_row=heard.append)
    pieces = ["batch 0", "ladder 0", "orders 0", "screening 0", "training 0", "control 0", "control 1", "control 2"]
    assert {f"{piece}: done" for piece in pieces} <= set(heard)
    # Whoever collects makes no row, only asks for orders that lie there.
    assert all(title.endswith(": done") or title.startswith(("order of", "planted filters")) for title in heard)
    for name in ("summary", "layers", "right", "shares", "planted", "twins"):
        mine, theirs = (getattr(one, name).drop(columns="seconds", errors="ignore") for one in (study, other))
        pd.testing.assert_frame_equal(mine, theirs)
    with pytest.raises(MooFsError, match="workers: wanted 1 or more, got 0"):
        prune_launch.run(folder / "small.toml", out=folder / "none", workers=0)


def test_what_fails_in_a_process_is_named(folder, monkeypatch):
    monkeypatch.setattr(prune_ahead, "_made", small_pruning.failing)
    with pytest.raises(RunError, match=r"small.toml: batch 0: ValueError: no such luck"):
        prune_launch.run(folder / "small.toml", out=folder / "failed", workers=2)


def test_a_finished_study_returns_at_once_without_its_images(study, folder):
    hidden = folder / "hidden"
    (folder / "data").rename(hidden)
    try:
        found = prune_launch.run(folder / "small.toml", out=folder / "killed", on_row=pytest.fail)
    finally:
        hidden.rename(folder / "data")
    assert found.archive_hash == study.archive_hash
    assert prune_launch.status(folder / "small.toml", folder / "killed").finished


def test_more_batches_extend_a_study_and_change_no_row_of_it(study, folder):
    before = study.summary.drop(columns="seconds")
    heard = []
    found = prune_launch.run(folder / "small.toml", out=folder / "killed", seeds=2, on_row=heard.append)
    assert not any("seed 0" in title for title in heard)
    after = found.summary[found.summary["seed"] == 0].drop(columns="seconds").reset_index(drop=True)
    pd.testing.assert_frame_equal(before, after)
    assert set(found.summary["seed"]) == {0, 1}
    # Batches share no image.
    subject = load_subject(read_plan(folder / "small.toml").subject, "cpu")
    first, second, large = subject.batch(0, 20), subject.batch(1, 20), subject.large_batch(40)
    seen = [{image.numpy().tobytes() for image in one.images} for one in (first, second, large)]
    assert not any(one & other for one, other in itertools.combinations(seen, 2))


def test_the_command_writes_a_report_that_judges_every_claim(study, folder, capsys):
    assert status_of(["prune", str(folder / "small.toml"), "--out", str(folder / "killed")]) == 0
    assert "B1: more than a third" in capsys.readouterr().out
    first = {path.name: path.read_bytes() for path in (folder / "killed" / "report").rglob("*.*")}
    for name, table in prune_tables(load(folder / "killed")).items():
        assert table.csv().encode() == first[f"{name}.csv"]
    claims = first["claims.md"].decode()
    for words in ("B1: more than a third", "B2:", "B3: bi-directional", "trained on", "the same cuts with zeros"):
        assert words in claims
    assert {"cmi-curves.pdf", "kept-shares.png", "error.png", "variants.tex", "orders.csv"} <= set(first)


def test_the_command_writes_the_smaller_network_of_a_row(study, folder, capsys):
    at = int(study.summary.index[study.summary["cutoff"].str.startswith("share")][0])
    command = ["prune", str(folder / "small.toml"), "--out", str(folder / "killed")]
    path = folder / "smaller.safetensors"
    assert status_of([*command, "--save", str(path), "--row", str(at)]) == 0
    kept = int(study.summary["filters_kept"].iloc[at])
    assert f"{kept} filters" in capsys.readouterr().out
    assert sum(map(len, smaller_network.load(path).kept.values())) == kept
    assert status_of([*command, "--save", str(path)]) == 2
    assert "wanted both" in capsys.readouterr().err
    assert status_of([*command, "--save", str(path), "--row", "100000"]) == 2
    assert "wanted a row from 0 to" in capsys.readouterr().err


# Refusals


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"scree"', '"skree"', "no cutoff 'skree'; did you mean 'scree'"),
        ("kept = 0.66", "kept = 1.5", "kept: wanted a share above 0 and at most 1, got 1.5"),
        (", kept = 0.66", "", "got no kept"),
        ('"compact"]', '"compakt"]', "no 'compakt'; did you mean 'compact'"),
        ('"forward", ', '"forwards", ', "no 'forwards'; did you mean 'forward'"),
        ('"random"]', '"randon"]', "did you mean 'random'"),
        ('"conditional-mutual-information", ', "", "wanted 'conditional-mutual-information' among them"),
        ('controls = ["random"]', 'controls = ["l1-norm"]', "no rival 'l1-norm'"),
        ("images = 20\nchoose", "images = 200\nchoose", "prune.images: wanted at most 120"),
        ("choose_images = 20", "choose_images = 41", "choose_images: wanted at most 40, the images there are"),
        ("width = 0.0625", "width = 0.125", "a network of another width"),
        ("/data", "/nothing", "no such folder"),
        ('name = "vgg16-cifar10"', 'name = "fashion-scenes"', "wanted 'vgg16-cifar10'"),
        ("tolerance = 5", "tolerence = 5", "unknown key 'prune.tolerence'; did you mean 'tolerance'"),
        ("seeds = 1", "seeds = 0", "seeds: wanted a whole number from 1"),
    ],
)
def test_what_is_wrong_in_a_study_is_told_in_one_sentence(folder, old, new, words):
    text = (folder / "small.toml").read_text()
    assert old in text
    path = folder / "wrong.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(MooFsError, match=words):
        prune_launch.run(path, out=folder / "wrong")
    assert not (folder / "wrong").exists()


def test_a_truncated_batch_file_is_named(folder):
    path = folder / "data" / "data_batch_3.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    try:
        with pytest.raises(MooFsError, match=r"data_batch_3.bin: wanted 245840 bytes"):
            prune_launch.run(folder / "small.toml", out=folder / "wrong")
    finally:
        path.write_bytes(whole)


def test_another_studys_folder_is_left_alone(study, folder):
    path = folder / "other.toml"
    path.write_text((folder / "small.toml").read_text().replace("tolerance = 5", "tolerance = 4"))
    with pytest.raises(MooFsError, match="holds another study, which differs in tolerance"):
        prune_launch.run(path, out=folder / "killed")
    with pytest.raises(MooFsError, match="is a file; wanted a folder"):
        prune_launch.run(path, out=path)


def test_only_one_weights_file_ships(folder):
    spec = PluginSpec("vgg16-cifar10", {"width": 1.0, "data": str(folder / "data")})
    with pytest.raises(MooFsError, match=r"only width 0.25 ships; train width 1 with"):
        load_subject(spec, "cpu")


def test_an_archive_of_an_older_version_is_told_in_one_sentence(study, folder):
    path = Path(study.folder) / "right.parquet"
    there = path.read_bytes()
    about = Path(study.folder) / STUDY
    said = about.read_text()
    files = json.loads(said)
    files["files"].pop("right.parquet")
    path.unlink()
    about.write_text(json.dumps(files))
    try:
        with pytest.raises(MooFsError, match=r"has no right.parquet: it was written by an older version"):
            load(Path(study.folder))
    finally:
        path.write_bytes(there)
        about.write_text(said)


def test_a_spoilt_archive_is_refused(study, folder):
    path = Path(study.folder) / "planted.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + b"\n")
    try:
        with pytest.raises(MooFsError, match="differs from its hash"):
            write_prune_report(study.folder)
    finally:
        path.write_bytes(whole)
