"""Networks out of archives: what a row or a member of a front says is what its network gives, and its file gives it."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import small_pruning
import torch
from safetensors import safe_open

from moo_fs import MooFsError, prune_fronts
from moo_fs.plugins import PluginSpec
from moo_fs.prune_fronts.members import of_member
from moo_fs.prune_studies import measured
from moo_fs.prune_studies.archive import ROW, Pruning
from moo_fs.prune_studies.network import load_subject, right
from moo_fs.prune_studies.orders import kept_of
from moo_fs.prune_studies.smaller_network import load, of_row, save
from moo_fs.pruning.removal import flops, masked, parameters
from moo_fs.results import load_results
from moo_fs.subjects import cifar10, vgg16, weights_file

WIDTH, IMAGES = small_pruning.WIDTH, 20
SEARCH = """
name = "tiny"
question = "?"
subject = {{ name = "vgg16-cifar10", width = {width}, weights = "{folder}/narrow.safetensors", data = "{folder}" }}
objectives = ["parameters", "flops", "error"]

[prune.search]
measures = ["l1-norm-weights", "random"]
optimisers = ["random"]
seeds = 1
budget = 6
images = 20
damage_images = 20
search_images = 20
test_images = 20
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Generated images, and weights of a narrow network that knows nothing."""
    folder = tmp_path_factory.mktemp("cifar")
    small_pruning.write_pictures(folder)
    torch.manual_seed(0)
    weights_file.save(vgg16.vgg16(WIDTH), folder / "narrow.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "PER_BATCH", small_pruning.COUNT)
        yield folder


@pytest.fixture(scope="module")
def subject(folder):
    options = {"width": WIDTH, "weights": str(folder / "narrow.safetensors"), "data": str(folder)}
    return load_subject(PluginSpec("vgg16-cifar10", options), "cpu")


@pytest.fixture(scope="module")
def searched(folder):
    path = folder / "tiny.toml"
    path.write_text(SEARCH.format(width=WIDTH, folder=folder))
    return load_results(prune_fronts.run(path, out=folder / "out"))


def pruning(subject, rows):
    """As much of a pruning study's archive as a network is made from; `rows` are columns and what is kept."""
    whole = dict.fromkeys(ROW, "") | {"fine_tuned": False, "training_seed": 0, "seed": 0, "compensate": False}
    summary, layers = [], []
    for columns, past in rows:
        mine = {name: value for name, value in (whole | columns).items() if name in ROW}
        summary.append(mine)
        layers += [{**mine, **layer} for layer in measured.layer_rows(subject, past, {})]
    frames = {field.name: pd.DataFrame() for field in dataclasses.fields(Pruning)}
    study = {"subject_hash": subject.hash, "specification": {"images": IMAGES}}
    given = {"study": study, "summary": pd.DataFrame(summary), "layers": pd.DataFrame(layers), "folder": "cut"}
    return Pruning(**frames | given)


def some_of(subject, seed):
    rng = np.random.default_rng(seed)
    return [
        (layer, np.sort(rng.choice(count, max(1, round(0.7 * count)), replace=False)))
        for layer, count in subject.filters.items()
    ]


def logits(network, images):
    with torch.inference_mode():
        return network(images)


@pytest.mark.parametrize("filled", [False, True])
def test_a_row_is_the_masked_network_and_its_file_gives_the_same(subject, tmp_path, filled):
    past, batch = some_of(subject, 1), subject.batch(1, IMAGES)
    other = {"cutoff": "scree", "seed": 1, "compensate": not filled}
    found = pruning(
        subject, [(other, some_of(subject, 2)), ({"cutoff": "scree", "seed": 1, "compensate": filled}, past)]
    )
    cut = of_row(found, 1, subject)
    fills = {f"{layer}.conv": batch.maps[layer].double().mean((0, 2, 3)) for layer in subject.filters}
    twin = masked(subject.chain, kept_of(past), compensate=fills if filled else None)
    assert torch.allclose(logits(cut.network, batch.images), logits(twin, batch.images), atol=1e-5)
    assert {layer: list(kept) for layer, kept in past} == cut.kept
    assert parameters(cut.network) < parameters(subject.chain)
    save(cut, tmp_path / "cut.safetensors")
    again = load(tmp_path / "cut.safetensors")
    assert torch.equal(logits(again.network, batch.images), logits(cut.network, batch.images))
    assert (again.kept, again.filled, again.width) == (cut.kept, filled, WIDTH)
    with safe_open(tmp_path / "cut.safetensors", "pt") as file:
        assert json.loads(file.metadata()["about"])["kept"]["conv5_3"] == cut.kept["conv5_3"]
    save(again, tmp_path / "twice.safetensors")
    assert (tmp_path / "twice.safetensors").read_bytes() == (tmp_path / "cut.safetensors").read_bytes()


def test_a_whole_network_has_nothing_to_fill_in(subject, tmp_path):
    whole = [(layer, np.arange(count)) for layer, count in subject.filters.items()]
    cut = of_row(pruning(subject, [({"compensate": True}, whole)]), 0, subject)
    assert not cut.filled
    save(cut, tmp_path / "whole.safetensors")
    images = subject.batch(0, IMAGES).images
    assert torch.equal(logits(load(tmp_path / "whole.safetensors").network, images), logits(subject.chain, images))


def test_a_member_of_the_front_has_the_sizes_and_the_errors_of_its_row(searched, subject, tmp_path):
    # Members of every run's front, so that there are some of both orders.
    fronts = searched.fronts()
    assert fronts["measure"].nunique() == 2
    fronts.to_parquet(tmp_path / "joint.parquet")
    shutil.copy(searched.folder / "orders.parquet", tmp_path)
    moved, tests = dataclasses.replace(searched, folder=tmp_path), cifar10.take(subject.test, np.arange(IMAGES))
    for number, row in enumerate(fronts.to_dict("records")):
        save(of_member(moved, number, subject), tmp_path / "member.safetensors")
        network = load(tmp_path / "member.safetensors").network
        assert (parameters(network), flops(network, (3, 32, 32))) == (row["parameter_count"], row["flop_count"])
        assert 1 - right(network, tests, "cpu").mean() == pytest.approx(row["error_test"], abs=1e-6)


def test_what_an_archive_does_not_have_is_refused_in_one_sentence(searched, subject, folder, tmp_path):
    past = some_of(subject, 1)
    found = pruning(subject, [({}, past), ({"fine_tuned": True}, past)])
    other = dataclasses.replace(found, study={**found.study, "subject_hash": "0" * 64})
    torch.manual_seed(1)
    weights_file.save(vgg16.vgg16(WIDTH), tmp_path / "another.safetensors")
    options = {"width": WIDTH, "weights": str(tmp_path / "another.safetensors"), "data": str(folder)}
    another = load_subject(PluginSpec("vgg16-cifar10", options), "cpu")
    members = len(pd.read_parquet(searched.folder / "joint.parquet"))
    (tmp_path / "text.safetensors").write_text("text")
    refused = [
        (lambda: of_row(found, 2, subject), "wanted a row from 0 to 1, got row 2"),
        (lambda: of_row(found, -1, subject), "wanted a row from 0 to 1, got row -1"),
        (lambda: of_row(found, 1, subject), "row 1 was trained on, and an archive keeps no weights"),
        (lambda: of_row(other, 0, subject), "subject_hash: wanted .*, got 000000000000; name the weights"),
        (lambda: of_member(searched, members, subject), f"wanted a member from 0 to {members - 1}, got {members}"),
        (lambda: of_member(searched, 0, another), "subject_hash: wanted .* of the network and images given"),
        (lambda: load(tmp_path / "text.safetensors"), "text.safetensors: not a smaller network that was saved here"),
        (lambda: load(tmp_path / "nowhere.safetensors"), "nowhere.safetensors: not a smaller network"),
        (lambda: load(folder / "narrow.safetensors"), "narrow.safetensors: not a smaller network"),
    ]
    for call, sentence in refused:
        with pytest.raises(MooFsError, match=sentence):
            call()
