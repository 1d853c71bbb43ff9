"""How far measures can be believed: what must be told of measures whose faults are known."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import planted
import pytest
import tiny
import torch

from moo_fs import MooFsError, measures, plugins, registry
from moo_fs.head_passes import HeadRunner
from moo_fs.loading import load_subject
from moo_fs.peak_memory import peak_memory
from moo_fs.registry import Measure
from moo_fs.split import Report
from moo_fs.tables.trust import trust_tables
from moo_fs.trust import Judge, damages, rescaled
from moo_fs.trust_archive import load, save
from moo_fs.trust_collect import Asked, collect
from moo_fs.trust_report import write_trust_report

measures.register()
NAMES = ["random", "variance", "l2-norm-weights", "mutual-information", "taylor", "sensitivity", "batch-norm-scale"]


def named(name):
    return registry.as_measure(registry.measures.load(name))


def asked(text):
    return Asked.of(plugins.parse(text, kind="measure", key="--measure", folder=Path()))


@pytest.fixture(scope="module")
def prepared():
    return load_subject(tiny.tiny_subject)


@pytest.fixture(scope="module")
def judge(prepared):
    return Judge(prepared)


@pytest.fixture(scope="module")
def trust(prepared):
    return collect(prepared, [asked(name) for name in NAMES], subject="tiny")


# Judging


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("random", False),
        ("mutual-information", False),
        ("taylor", False),
        ("sensitivity", False),
        ("sensitivity-1-bit", False),
        ("noise-sensitivity", False),
        ("effective-rank", False),
        ("conditional-mutual-information", False),
        ("variance", True),
        ("l1-norm", True),
        ("l2-norm-weights", True),
        ("geometric-median", True),
    ],
)
def test_only_measures_in_a_channels_own_unit_move_when_it_is_rescaled(judge, name, moves):
    found = judge(named(name))
    assert not found.refused
    assert (found.moved > 1e-3) == moves
    assert any(doubt.startswith("moves by ") for doubt in found.doubts) == moves


def test_rescaled_channels_give_the_same_outputs_to_the_last_digit():
    source = planted.source()
    factors = torch.tensor([1.0, 4.0, 0.125, 2.0, 0.5])
    other = rescaled(source, factors)
    for task in planted.TASKS:
        one, two = (HeadRunner(s.heads, s.tasks, s.means).forward(s.features, task) for s in (source, other))
        assert torch.equal(one, two)
    assert torch.equal(other.weights, source.weights * factors.reshape(-1, 1, 1, 1))
    np.testing.assert_allclose(other.tables.error, source.tables.error, atol=1e-6)


def test_a_measure_of_chance_is_found_unstable_and_one_of_the_network_is_not(judge):
    def noise(batch):
        return batch.features[:, :, 0, 0].sum(0) * 1e6 % 1.0

    found = judge(Measure("noise", noise, whole=True))
    assert found.stability.max() < 0.5
    assert any("halves agree at Spearman" in doubt for doubt in found.doubts)
    assert judge(named("variance")).stability.min() > 0.5


def test_scores_that_are_all_negative_and_a_measures_own_doubts_are_named(judge):
    def bad(batch):
        return Report(-torch.ones(tiny.CHANNELS) * torch.arange(tiny.CHANNELS), doubts=("made up",))

    found = judge(Measure("bad", bad, whole=True))
    assert "segmentation: no channel has a positive score" in found.doubts
    assert "made up" in found.doubts
    assert any(doubt == "only 6 images" for doubt in found.doubts)


def test_a_measure_that_the_subject_cannot_serve_is_refused_in_its_own_words(judge):
    found = judge(named("batch-norm-scale"))
    assert found.scores is None
    assert found.refused == "measure 'batch-norm-scale': needs scale, but no batch normalisation follows that layer"


def test_damage_is_the_rise_of_the_distortion_on_the_test_part(prepared):
    evaluator = prepared.evaluator("test")
    for setting, depth in (("8 bits", 8), ("1 bit", 1)):
        bits = np.full(tiny.CHANNELS, depth, np.int8)
        without = bits.copy()
        without[2] = 0
        wanted = evaluator.outcome(without).objectives[1:] - evaluator.outcome(bits).objectives[1:]
        np.testing.assert_array_equal(damages(prepared)[setting][2], wanted)


def test_the_peak_of_memory_sees_what_was_held_for_a_moment():
    with peak_memory() as peak:
        block = np.ones(30_000_000)
        assert block.sum() > 0
        del block
    assert peak.megabytes > 200
    with peak_memory() as nothing:
        pass
    assert nothing.megabytes < 50


# The archive and its report


def test_everything_is_judged_and_what_cannot_be_is_told(trust):
    assert trust.measures == [name for name in NAMES if name != "batch-norm-scale"]
    assert trust.tasks == ["segmentation", "depth", "reconstruction"]
    assert len(trust.scores) == 6 * 3 * tiny.CHANNELS
    assert set(trust.damage["setting"]) == {"8 bits", "1 bit"}
    refused = trust.doubts[trust.doubts["refused"]]
    assert refused["measure"].tolist() == ["batch-norm-scale"]
    judged = trust.judged.set_index(["measure", "task"])
    assert judged.loc[("sensitivity", "depth"), "head_passes"] == 6 * (tiny.CHANNELS + 1)
    assert judged.loc[("mutual-information", "depth"), "spread"] > 0
    assert np.isnan(judged.loc[("variance", "depth"), "null"])


def test_agreement_is_perfect_with_damage_itself_and_its_opposite(trust):
    damage = trust.damage[trust.damage["setting"] == "8 bits"].rename(columns={"damage": "score"})
    same = damage.drop(columns="setting").assign(measure="same")
    scores = pd.concat([same, same.assign(measure="opposite", score=-same["score"])])
    judged = trust.judged[trust.judged["measure"] == "variance"]
    judged = pd.concat([judged.assign(measure=name) for name in ("same", "opposite")])
    changed = replace(trust, scores=scores, judged=judged)
    found = changed.agreements[changed.agreements["setting"] == "8 bits"].set_index("measure")
    np.testing.assert_allclose(found.loc["same", "spearman"], 1)
    np.testing.assert_allclose(found.loc["opposite", ["spearman", "kendall"]], -1)
    assert (found.loc["same", "top_quarter"] == 1).all()
    assert changed.by_chance == []  # 6 channels are too few for intervals, and that is what is told
    assert changed.all_doubts["doubt"].str.contains("only 6 channels, too few for intervals").sum() == 2


def test_what_is_kept_is_read_back_and_a_changed_digit_is_noticed(trust, tmp_path):
    kept = save(trust, tmp_path / "kept")
    pd.testing.assert_frame_equal(kept.scores, trust.scores, check_dtype=False, rtol=1e-8)
    assert load(tmp_path / "kept").archive_hash == kept.archive_hash
    assert kept.measures == trust.measures
    path = tmp_path / "kept" / "damage.csv"
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(MooFsError, match=r"damage.csv: differs from its hash in trust.json"):
        load(tmp_path / "kept")
    with pytest.raises(MooFsError, match="wanted what `moo-fs scores SUBJECT --out` writes"):
        load(tmp_path)


def test_the_report_comes_from_the_folder_alone_with_the_same_bytes(trust, tmp_path):
    save(trust, tmp_path)
    written = {path: path.read_bytes() for path in write_trust_report(tmp_path)}
    names = {path.name for path in written}
    assert {"index.md", "trust.pdf", "scores.png", "agreement.pdf", "trust-1-bit.tex", "doctor.md"} <= names
    assert all(path.read_bytes() == written[path] for path in write_trust_report(tmp_path))
    page = (tmp_path / "report" / "index.md").read_text()
    assert "`mutual-information` is number" in page
    assert "needs scale, but no batch normalisation follows that layer" in page
    hashes = json.loads((tmp_path / "report" / "hashes.json").read_text())
    assert set(hashes["figures"]) == {"trust", "scores", "agreement"}


def test_tables_name_every_measure_and_put_the_best_in_bold(trust):
    found, tables = trust.agreements, trust_tables(trust)
    assert {row[0] for row in tables["doctor"].rows} == set(NAMES)
    table = tables["trust-8-bits"]
    assert len(table.rows) == 6 * 3
    best = found[found["setting"] == "8 bits"].groupby("task")["spearman"].max()
    shown = {table.rows[at][1]: table.rows[at][column] for at, column in sorted(table.bold)}
    assert {task: float(text.split()[0].replace("−", "-")) for task, text in shown.items()} == pytest.approx(
        best.to_dict(), abs=0.006
    )
