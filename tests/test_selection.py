"""A selection study from its file to its archive: what lies there, and that nothing is computed or written twice."""

from __future__ import annotations

import numpy as np
import pytest
from small_selection import (
    HARD,
    IMAGES_OF_TEST,
    METRICS,
    PIECES,
    ROWS_OF_A_MEASURE,
    TASKS,
    changed,
    content_of,
    write,
)

from moo_fs import registry, scoring, selection
from moo_fs.archive import STUDY
from moo_fs.loading import load_subject
from moo_fs.selection_archive import (
    IMAGES,
    LEDGER,
    SCORES,
    SUMMARY,
    UNCOMPRESSED,
    is_selection,
    load_selection,
)
from moo_fs.selection_curves import Block, Way, image_copies, resampled
from moo_fs.selection_plan import read_selection
from moo_fs.senders.hard import hard, order_of
from moo_fs.senders.points import evaluator


@pytest.fixture(scope="module")
def results(selected):
    return load_selection(selected[0] / "results" / "small")


# The archive


def test_a_study_leaves_rows_losses_and_scores_and_says_what_they_are_of(selected, results):
    folder, told = selected
    assert sorted(content_of(folder / "results" / "small")) == [IMAGES, SCORES, STUDY, SUMMARY]
    assert [sentence.partition(",")[0] for sentence in told] == [
        f"{n} of {PIECES} pieces" for n in range(1, PIECES + 1)
    ]
    assert is_selection(results.folder)
    assert results.subjects == ["net", "net[draw=1]"]
    about = results.about("net")
    assert (about["channels"], about["test_images"], about["search_images"]) == (6, 7, 5)
    assert results.tasks("net") == TASKS
    assert sorted(about["uncompressed"]) == sorted(METRICS)
    assert results.study["specification"] == read_selection(folder / "studies" / "small.toml").specification


def test_the_summary_has_a_row_a_point_and_the_promised_columns(results):
    rows = results.rows
    assert list(rows) == [
        *[
            "subject",
            "seed",
            "measure",
            "task_weights",
            "method",
            "fill",
            "kept",
            "base_share",
            "base_qp",
            "qp",
            "codec",
        ],
        *["setting", "rate_kbit", "coded_bytes", *LEDGER, *[f"distortion_{task}" for task in TASKS], *METRICS],
    ]
    assert len(rows) == 2 * (2 + 2 + 4 * ROWS_OF_A_MEASURE)
    counts = rows.groupby("method").size().to_dict()
    assert counts == {"hard": 2 * 4 * 11, "soft": 2 * 4, "one-qp": 4, "uncompressed": 2, "nothing": 2}
    own = rows[(rows["subject"] == "net") & (rows["measure"] == "random") & (rows["seed"] == 1)]
    assert own["task_weights"].value_counts().to_dict() == {"equal": 6, **dict.fromkeys(TASKS, 2)}
    assert set(own.loc[own["task_weights"] != "equal", "fill"]) == {"mean"}
    ends = rows[rows["method"].isin(["uncompressed", "nothing"])]
    assert ends["distortion_depth"].tolist() == [0, 1, 0, 1]
    assert ends["measure"].tolist() == ["none"] * 4
    assert rows["coded_bytes"].isna().sum() == 2
    assert set(rows["qp"].dropna()) == {"20", "30", "40"}


def test_header_mask_fixed_bytes_and_payload_add_up_in_every_row(results):
    rows = results.rows.set_index("method")
    coded = rows.drop(index=UNCOMPRESSED)
    parts = coded[["header_bytes", "mask_bytes", "fixed_bytes", "payload_bytes"]]
    assert (parts >= 0).all().all()
    np.testing.assert_allclose(parts.sum(axis=1), coded["coded_bytes"], rtol=1e-12)
    assert rows.loc[UNCOMPRESSED, list(LEDGER)].isna().all().all()
    assert set(rows.loc["nothing", "payload_bytes"]) == {0.0}
    assert set(rows.loc["soft", "fixed_bytes"]) == {2 * 78.0}
    assert set(rows.loc["one-qp", "fixed_bytes"]) == {78.0}
    hard_rows = rows.loc["hard"]
    assert set(hard_rows.loc[hard_rows["codec"] == "ans", "fixed_bytes"]) == {0.0}
    assert (hard_rows["nominal_bytes"] == 16 * hard_rows["kept"]).all()  # 4 x 4 positions at 8 bits
    base = rows["base_bytes"].dropna()
    assert set(base.index) == {"soft"}
    assert (base < rows.loc["soft", "payload_bytes"]).all()


def test_seconds_of_every_piece_are_told(selected, tmp_path):
    folder, told = selected
    pieces = load_selection(folder / "results" / "small").study["pieces"]
    assert [piece["title"] for piece in pieces] == [sentence.partition(", ")[2] for sentence in told]
    text = changed('"hard", "soft"', '"hard"').replace("seeds = 2", "seeds = 1")
    again = selection.run(write(tmp_path, text.replace(', {name = "own.py:net", draw = 1}', "")))
    assert all(0 < piece["seconds"] < 600 for piece in again.study["pieces"])


def test_columns_that_are_promised_are_there_in_a_study_that_has_nothing_to_say_in_them(tmp_path):
    text = changed('"hard", "soft"', '"hard"').replace('rivals = ["one-qp"]\n', "").replace("seeds = 2", "seeds = 1")
    found = selection.run(write(tmp_path, text.replace(', {name = "own.py:net", draw = 1}', "")))
    promised = ["measure", "task_weights", "method", "kept", "qp", "codec", "rate_kbit", "coded_bytes", *METRICS]
    assert set(promised) <= set(found.rows)
    assert found.rows["qp"].isna().all()
    assert "base_share" not in found.rows


def test_a_row_is_what_its_sender_gives_under_the_blocks_scores(selected, results):
    subject = read_selection(selected[0] / "studies" / "small.toml").subjects[1]
    prepared = load_subject(subject.load("subject"), options=subject.options)
    scores = scoring.score(registry.as_measure(registry.measures.load("random")), prepared.source, seed=1).values
    kept = results.scores[(results.scores["subject"] == "net[draw=1]") & (results.scores["measure"] == "random")]
    kept = kept[kept["seed"] == 1]
    np.testing.assert_array_equal(kept["score"].to_numpy().reshape(3, 6).T, scores)
    for weights, name in [(np.full(3, 1 / 3), "equal"), (np.eye(3)[1], "depth")]:
        order = order_of(scores, weights)
        (point,) = hard(prepared, "test", order, kept=[0.5], depth=8, fills=["mean"], codecs=["ans"])
        rows = results.rows[(results.rows["subject"] == "net[draw=1]") & (results.rows["measure"] == "random")]
        rows = rows[(rows["seed"] == 1) & (rows["task_weights"] == name) & (rows["codec"] == "ans")]
        row = rows[(rows["fill"] == "mean") & (rows["kept"] == 3)]
        assert len(row) == 1
        wanted = [point.outcome.coded_bytes, *point.outcome.distortions.values(), *point.outcome.metrics.values()]
        columns = ["coded_bytes", *[f"distortion_{task}" for task in TASKS], *METRICS]
        np.testing.assert_allclose(row[columns].to_numpy(float)[0], wanted, rtol=1e-12)


# Losses of images


def test_losses_of_the_images_pool_to_the_distortions_of_the_rows(results):
    once = np.ones((1, IMAGES_OF_TEST), np.int64)
    ways = [
        HARD,
        Way("hard", "l2-norm", fixed=(("base_qp", "lossless"),)),
        Way("soft", "l2-norm"),
        Way("one-qp"),
    ]
    for way in ways:
        for block in [Block("net", 1), Block("net[draw=1]", 0)]:
            sizes, (again,) = resampled(results, way, block, once)
            rows = way.rows(results, block)
            np.testing.assert_array_equal(sizes, rows["coded_bytes"])
            np.testing.assert_allclose(again, rows[[f"distortion_{task}" for task in TASKS]], atol=1e-4)


def test_losses_of_a_tasks_own_order_are_kept_for_that_task_and_pool_to_its_distortions(results):
    counts = results.image_counts
    for name in TASKS:
        rows = results.rows[(results.rows["task_weights"] == name) & (results.rows["subject"] == "net")]
        assert {task for row, task in results.image_losses if row in rows.index} == {name}
        ends = results.rows[results.rows["subject"] == "net"].set_index("method", append=True)
        best, worst = (ends.xs(end, level="method").index[0] for end in ("uncompressed", "nothing"))
        losses = np.stack([results.image_losses[int(row), name].sum() for row in [best, worst, *rows.index]])
        pooled = losses / counts["net", name].sum()
        pooled = np.sqrt(pooled) if name == "depth" else pooled
        again = (pooled[2:] - pooled[0]) / (pooled[1] - pooled[0])
        np.testing.assert_allclose(again, rows[f"distortion_{name}"], atol=1e-4)


def test_images_drawn_twice_count_twice_at_both_ends_of_the_scale_too(selected, results):
    subject = read_selection(selected[0] / "studies" / "small.toml").subjects[0]
    prepared = load_subject(subject.load("subject"), options=subject.options)
    copies = np.array([[2, 0, 1, 0, 4, 0, 0]])
    _, (again,) = resampled(results, HARD, Block("net", 0), copies)
    measured = evaluator(prepared, "test")
    scores = scoring.score(registry.as_measure(registry.measures.load("l2-norm")), prepared.source, seed=0).values
    order = order_of(scores, np.ones(3))
    points = hard(prepared, "test", order, kept=[0.5], depth=8, fills=["zero"], codecs=["ans"])
    sums = [
        measured.engine.sums(None)["depth"],
        measured.outcome(np.zeros(6, np.int8)).sums["depth"],
        *[point.outcome.sums["depth"] for point in points],
    ]
    best, worst, *found = [np.sqrt((copies[0] @ one[:, 0]) / (copies[0] @ one[:, 1])) for one in sums]
    np.testing.assert_allclose(again[0, 1], (found[0] - best) / (worst - best), rtol=1e-4)


def test_images_are_drawn_alike_for_all_that_is_compared_and_as_many_as_there_are():
    copies = image_copies(7, 20)
    np.testing.assert_array_equal(copies, image_copies(7, 20))
    assert copies.shape == (20, 7)
    assert (copies.sum(axis=1) == 7).all()
    assert len({row.tobytes() for row in copies}) > 10
