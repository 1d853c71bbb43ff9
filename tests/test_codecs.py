"""Codecs: what is decoded is what was encoded, at the size that the tables promise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_archive import write_archive
from tiny import CHANNELS, tiny_model

import moo_fs
from moo_fs import registry
from moo_fs.codecs.ans import Ans
from moo_fs.codecs.entropy import Entropy
from moo_fs.codecs.interface import HEADER_BYTES, coded_bytes
from moo_fs.coding.quantiser import fit_tables, uniform_step
from moo_fs.loading import load_subject
from moo_fs.pick import pick
from moo_fs.report import page_of
from moo_fs.results import allocations, load_results
from moo_fs.tables import tables_of

STREAMS = [name for name in registry.codecs.names() if registry.codecs.load(name).makes_stream]


def features(images=24, channels=12, side=8, *, seed=0, spread=1.0):
    """Rectified maps of very different widths, like a network's; channel 3 is constant."""
    width = spread * np.exp(np.random.default_rng(0).normal(0, 1, (channels, 1, 1)))
    rng = np.random.default_rng([seed, 1])
    maps = np.maximum(width * rng.standard_normal((images, channels, side, side)) + 0.3, 0)
    maps[:, 3] = 0.7
    return maps.astype(np.float32)


def settings():
    tables = fit_tables(features())
    rng = np.random.default_rng(1)
    depths = {f"depth {depth}": np.full(12, depth) for depth in range(9)}
    mixed = {f"mixed {at}": rng.integers(0, 9, 12) for at in range(4)}
    steps = {f"step {step}": uniform_step(features(), step=step) for step in (0.01, 0.3, 5.0)}
    return {name: tables.select(bits) for name, bits in (depths | mixed).items()} | steps


CELLS = settings()


def widest(cells):
    """Symbols in which every level of every channel occurs, most of them rare or never seen on the fit part."""
    ladder = np.arange(256)[None, :, None] % cells.levels[:, None, None]
    return ladder.reshape(-1, 16, 16).astype(np.uint8)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("codec", STREAMS)
def test_what_is_decoded_is_what_was_encoded(codec, name):
    """Contract of every codec that makes streams, on fitted, unseen and far-off maps."""
    cells = CELLS[name]
    coder = registry.codecs.load(codec)(cells)
    of_maps = [cells.symbols(features(2, seed=5, spread=spread)) for spread in (1.0, 40.0, 1e-3)]
    for symbols in [*np.concatenate(of_maps), widest(cells)]:
        again = registry.codecs.load(codec)(cells).decode(coder.encode(symbols), symbols.shape)
        assert again.dtype == np.uint8
        np.testing.assert_array_equal(again, symbols)


@pytest.mark.parametrize("codec", STREAMS)
def test_the_size_told_is_the_size_made(codec):
    for cells in CELLS.values():
        coder, symbols = registry.codecs.load(codec)(cells), cells.symbols(features(3, seed=6))
        codes = coder.codes(symbols) if codec == "hevc-sequence" else map(coder.encode, symbols)
        made = [max(0, len(code) - 4) for code in codes]
        np.testing.assert_array_equal(coder.payload_bytes(symbols), made)


@pytest.mark.parametrize("codec", registry.codecs.names())
def test_bytes_that_could_be_deployed_once_are_in_every_code(codec):
    """None where nothing is sent; else all codes begin alike. A sequence of three has its front of 77 bytes once."""
    coder = registry.codecs.load(codec)
    assert coder(CELLS["depth 0"]).fixed_bytes(CELLS["depth 0"].symbols(features(3))) == 0
    symbols = CELLS["depth 5"].symbols(features(3, seed=6))
    fixed = coder(CELLS["depth 5"]).fixed_bytes(symbols)
    assert fixed == {"png": 33, "hevc": 78, "hevc-sequence": 77 / 3, "jpeg-ls": 25}.get(codec, 0)
    if fixed and codec != "hevc-sequence":
        codes = [coder(CELLS["depth 5"]).encode(one) for one in symbols]
        assert len({code[: int(fixed)] for code in codes}) == 1


@pytest.mark.parametrize("codec", STREAMS)
def test_a_channel_of_one_level_costs_nothing(codec):
    symbols = CELLS["depth 0"].symbols(features(2))
    assert coded_bytes(registry.codecs.load(codec)(CELLS["depth 0"]), symbols) == HEADER_BYTES


def test_the_estimate_is_the_rate_of_the_tables():
    """Example of the contract: symbols 0 0 1 0 under .75 / .25 take 3 x .415 + 2 bits."""
    fit = np.array([0, 0, 0, 1], np.float32).reshape(1, 1, 2, 2)
    cells = fit_tables(fit, mode="minmax").depth(1)
    symbols = np.array([0, 0, 1, 0], np.uint8).reshape(1, 1, 2, 2)
    assert coded_bytes(Entropy(cells), symbols) == pytest.approx(16 + 3.245 / 8, abs=1e-4)
    for cells in CELLS.values():
        maps = features(5, seed=7)
        assert Entropy(cells).payload_bytes(cells.symbols(maps)) * 8e-3 == pytest.approx(cells.image_kbit(maps))


def test_coded_bytes_are_within_one_per_cent_of_the_entropy():
    """On unseen maps of a realistic size, header on both sides, from 1 kbit to 100; with the bits of the symbols that
    were never seen on the fit part."""
    maps, unseen = features(16, 32, 16), features(8, 32, 16, seed=8)
    tables, rng = fit_tables(maps), np.random.default_rng(2)
    few = (np.arange(32) % 6 == 0).astype(int)
    allocations = [few, *(np.full(32, depth) for depth in range(1, 9)), *rng.integers(0, 9, (4, 32))]
    for cells in [tables.select(bits) for bits in allocations] + [uniform_step(maps, step=0.05)]:
        symbols = cells.symbols(unseen)
        entropy, coded = Entropy(cells).payload_bytes(symbols) + 16, Ans(cells).payload_bytes(symbols) + 16
        assert coded.mean() == pytest.approx(entropy.mean(), rel=0.01)
        assert np.abs(coded - entropy).max() < 1


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        (np.zeros((12, 8, 8), np.int64), "wanted uint8"),
        (np.zeros((11, 8, 8), np.uint8), "wanted 12 along 'channel'"),
        (np.full((12, 8, 8), 4, np.uint8), "wanted 0 to 3 in channel 0, got 4"),
        (np.zeros((12, 8), np.uint8), "wanted uint8 with axes"),
    ],
)
def test_symbols_that_the_cells_do_not_have_are_refused(symbols, words):
    with pytest.raises(moo_fs.MooFsError, match=words):
        Ans(CELLS["depth 2"]).encode(symbols)


def test_a_code_that_leaves_something_over_is_refused():
    cells = CELLS["depth 2"]
    symbols = cells.symbols(features(1, seed=9))[0]
    code = Ans(cells).encode(symbols)
    for damaged in (code + b"\1", code + bytes(4), code[4:], b"\xff" * 9):
        with pytest.raises(moo_fs.MooFsError, match="codec 'ans'"):
            Ans(cells).decode(damaged, symbols.shape)
    with pytest.raises(moo_fs.MooFsError, match="12 channels"):
        Ans(cells).decode(code, (11, 8, 8))


def test_the_estimate_makes_no_stream():
    coder = Entropy(CELLS["depth 1"])
    with pytest.raises(moo_fs.MooFsError, match="makes no stream"):
        coder.encode(widest(CELLS["depth 1"]))
    with pytest.raises(moo_fs.MooFsError, match="no stream of it"):
        coder.decode(b"", (12, 16, 16))


def test_an_outcome_has_the_coded_bytes_of_its_part():
    prepared = load_subject(tiny_model())
    bits = np.arange(CHANNELS, dtype=np.int8)
    outcome = prepared.evaluator("test").outcome(bits, metrics=True)
    cells = prepared.tables.select(bits)
    streams = [Ans(cells).encode(one) for one in cells.symbols(prepared.features("test").numpy())]
    assert outcome.coded_bytes == pytest.approx(np.mean([12 + max(4, len(code)) for code in streams]))
    assert outcome.coded_bytes == pytest.approx(outcome.rate_kbit * 125, abs=3)  # of a few bytes
    assert np.isnan(prepared.evaluator("test").outcome(bits).coded_bytes)
    assert prepared.baselines()["coded_bytes"].notna().all()
    analytic = load_subject("linear-gaussian")
    assert np.isnan(analytic.uniform(2, "test", metrics=True).coded_bytes)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return load_results(write_archive(tmp_path_factory.mktemp("coded") / "study", seeds=1, evaluations=10, steps=3))


def with_streams(frame, ratios):
    return frame.assign(coded_bytes=frame["rate_kbit_test"] * 125 * np.resize(ratios, len(frame)))


def test_the_report_shows_entropy_against_coded_rate(archive):
    fronts = with_streams(archive.fronts(), [1.0, 1.0, 1.0, 0.98])
    coded = replace(archive, stored_fronts=pd.concat([fronts, fronts]))
    table = tables_of(coded)["coded"]
    row = table.data.iloc[0]
    assert len(table.rows) == 1  # baselines without streams are left out
    assert row["allocations"] == fronts["bits"].nunique()
    assert row["ratio_median"] == pytest.approx(1)
    assert row["ratio_worst"] == pytest.approx(0.98)
    assert row["coded_kbit_median"] == pytest.approx(row["entropy_kbit_median"], rel=0.02)
    baselines = tables_of(replace(coded, baselines=with_streams(archive.baselines, [1.001])))["coded"]
    assert [row[0] for row in baselines.rows] == ["front members", "baseline uniform", "baseline uniform-step"]
    assert baselines.rows[1][4] == "1.0010"
    assert table.title in page_of(coded, tables_of(coded), [])


def test_an_archive_without_coded_bytes_has_a_report_all_the_same(archive):
    analytic = replace(archive, stored_fronts=archive.fronts().assign(coded_bytes=np.nan))
    for results in (archive, analytic):
        assert "coded" not in tables_of(results)
        assert "Cost of a run" in page_of(results, tables_of(results), [])
        assert pick(results).bits


STUDY = """
name = "coded"
question = "How long are the streams of a front?"
subject = "own.py:tiny_subject"
objectives = ["rate", "segmentation", "depth"]
[grid]
measures = ["l2-norm"]
optimisers = ["random"]
seeds = 1
budget = 8
"""


def test_every_front_member_has_its_coded_bytes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    (tmp_path / "own.py").write_text("from tiny import tiny_subject\n")
    (tmp_path / "coded.toml").write_text(STUDY)
    fronts = moo_fs.run(tmp_path / "coded.toml", out=tmp_path / "out").fronts()
    prepared = load_subject(tiny_model())
    for bits, coded in zip(allocations(fronts), fronts["coded_bytes"], strict=True):
        assert coded == prepared.evaluator("test").outcome(bits, metrics=True).coded_bytes
    assert fronts.columns[-1] == "coded_bytes"
