"""Tables of a selection study: what a cell says, and what it hides from nobody."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_selection import BYTES, FALLING, by, curve, study
from test_selection_claims import EACH, FOUR, MI, SOFT, orders, scores, soft

from moo_fs.selection_curves import Way
from moo_fs.tables.selection import contrasts_table, hard_table, selection_tables
from moo_fs.tables.selection_bytes import (
    bytes_at_distortions,
    delta_deployed_table,
    delta_image_table,
    delta_table,
    equal_distortion_table,
)
from moo_fs.tables.selection_sizes import codecs_table, fills_table, ledger_table
from moo_fs.tables.selection_weights import settings_table, weights_table

QP = ["22"]


def cells(table):
    """Rows by their first cell, a mapping by header each; repeated headers get the one before as prefix."""
    names = []
    for at, header in enumerate(table.header):
        repeated = table.header.count(header) > 1
        names.append(f"{names[at - 1].partition(' ')[0]} {header}" if repeated else header)
    return {row[0]: dict(zip(names, row, strict=True)) for row in table.rows}


# Hard selection


def test_what_needs_no_order_stands_below_the_orders_and_is_never_the_best_of_them():
    def curves(subject, seed):
        late = curve(subject, "uniform", FALLING[1:] / 9, BYTES[1:])
        return orders(subject, seed) + curve(subject, "uniform-step", FALLING / 100) + late

    table = hard_table(study(curves, scores=scores(), **EACH | {"rivals": ["uniform", "uniform-step"]}), "net")
    found = cells(table)
    assert list(found) == [*FOUR, "uniform", "uniform-step"]
    assert found["uniform-step"]["depth, equal"] == found["uniform-step"]["depth, own"] == "0.005"
    assert found["uniform"]["depth, own"] == found["uniform-step"]["like MI"] == "–"
    best = {table.rows[row][0] for row, _ in table.bold}
    assert best <= {*FOUR}
    assert table.rules == {4}


def test_the_bytes_of_a_note_are_those_that_every_block_reaches():
    def curves(subject, seed):
        sizes = BYTES * (1 + seed)  # from 100 to 10000 bytes, and up to 400 to 40000
        return [
            {**row, "coded_bytes": size} for row, size in zip(orders(subject, seed), np.tile(sizes, 16), strict=True)
        ]

    note = hard_table(study(curves, scores=scores(), **EACH), "net").note
    assert "in every block: 400 to 10000 bytes; own orders: 400 to 10000 bytes" in note


def test_contrasts_say_by_which_order_and_what_their_blocks_are_draws_of():
    several = contrasts_table(study(orders, scores=scores(), **EACH), "net")
    assert [row[1] for row in several.rows] == ["own"] * 9 + ["equal"] * 9
    assert "on one network" not in several.note
    alone = contrasts_table(study(orders, subjects=1, scores=scores(), **EACH), "net")
    assert "Blocks are draws of scores on one network" in alone.note


# Single points


def test_a_fill_is_that_of_the_first_codec_in_one_stream():
    def curves(subject, seed):
        rows = []
        for fill, lost in (("mean", 1.0), ("zero", 2.0)):
            rows += curve(subject, "hard", FALLING * lost, **by("good", fill=fill))
            rows += curve(subject, "hard", FALLING * 50, **by("good", fill=fill, codec="png"))
        return rows + curve(subject, "hard", FALLING * 70, **by("good", base_share=0.25, base_qp="22"))

    found = cells(fills_table(study(curves, **EACH, codecs=["ans", "png"]), "net"))
    assert found["good"]["depth, mean"] == "0.500"
    assert found["good"]["depth, zero"] == "1.000"


def test_codecs_are_compared_on_the_same_channels():
    def curves(subject, seed):
        rows = []
        for kept, size in ((1, 100.0), (2, 300.0)):
            for codec, factor in (("ans", 1.0), ("png", 1.5), ("hevc", 0.5 if seed else 0.7)):
                told = by("good", kept=kept, codec=codec)
                rows += curve(subject, "hard", FALLING[:1], [size * factor * (1 + seed)], **told)
        return rows

    table = codecs_table(study(curves, subjects=2, seeds=3, **EACH, codecs=["ans", "png", "hevc"]), "net")
    assert table.rows == (
        ("1", "200", "+50 (+50 to +50)", "−50 (−50 to −30)"),
        ("2", "600", "+50 (+50 to +50)", "−50 (−50 to −30)"),
    )
    assert codecs_table(study(curves, **EACH), "net") is None


# Bytes at equal distortion


def partly(subject, seed):
    """`klt` reaches the losses of one QP on one network of three, `allocation` on two."""
    far = FALLING + 5
    draw = int(subject[-2])
    rows = curve(subject, "one-qp", FALLING)
    rows += curve(subject, "klt", far if draw else FALLING, 3 * BYTES)
    return rows + curve(subject, "allocation", far if draw == 2 else FALLING, 2 * BYTES)


RIVALS = {"methods": ["hard"], "task_weights": ["equal"], "rivals": ["one-qp", "klt", "allocation"]}


def test_a_delta_rate_of_some_blocks_says_of_how_many_and_why_not_of_all():
    table = delta_table(study(partly, **RIVALS), "net")
    found = cells(table)
    assert found["klt"]["segmentation"] == "– (1 of 3)"
    assert found["klt"]["depth losses"] == "–"
    assert found["allocation"]["segmentation"] == "+100 (2 of 3)"
    assert found["allocation"]["depth losses"] == "0–1"
    assert found["allocation"]["why not all"] == "no overlap"
    assert "fewer than half" in table.note
    whole = delta_table(study(lambda subject, seed: partly("net[draw=0]", seed), subjects=1, **RIVALS), "net")
    assert "why not all" not in whole.header


def test_bytes_at_a_distortion_are_a_geometric_mean_over_the_blocks_that_reach_it():
    def curves(subject, seed):
        factor = 4.0 if seed % 2 else 1.0
        reached = FALLING if seed else FALLING + 0.03  # one block of four stays above .02
        return curve(subject, "one-qp", FALLING) + curve(subject, "soft", reached, factor * BYTES, **by("good"))

    results = study(curves, subjects=3)
    found = bytes_at_distortions(results, "net", Way("one-qp"), [Way("soft", "good")])
    depth = found[found["task"] == "depth"].set_index("distortion")
    assert depth.loc[0.02, ["blocks", "all_blocks"]].tolist() == [9, 12]
    assert depth.loc[0.02, "percent"] == pytest.approx(100 * (4 ** (2 / 3) - 1))
    assert depth.loc[0.02, ["lowest", "highest"]].tolist() == pytest.approx([0, 300], abs=1e-9)
    assert np.isnan(depth.loc[0.02, "low"])  # nine blocks
    assert depth.loc[0.1, "blocks"] == 12
    assert depth.loc[0.1, "low"] < depth.loc[0.1, "percent"] < depth.loc[0.1, "high"]
    # A line over the log bytes from 1 to 0: a distortion of .2 is reached at 100^(1 - .2) times the fewest bytes.
    assert depth.loc[0.2, "anchor_bytes"] == pytest.approx(100 * 100**0.8, rel=0.01)


def test_a_table_of_distortions_begins_with_the_anchors_own_bytes():
    found = cells(equal_distortion_table(study(partly, **RIVALS), "net"))
    assert list(found) == ["one-qp, bytes", "klt", "allocation"]
    assert float(found["one-qp, bytes"]["depth .05"]) == pytest.approx(100 * 100**0.95, rel=0.03)
    assert found["klt"]["depth .05"] == "– (1 of 3)"
    assert found["allocation"]["segmentation .2"] == "+100 (2 of 3)"


def test_features_are_compared_with_the_image_itself_where_it_was_sent():
    def curves(subject, seed):
        return partly(subject, seed) + curve(subject, "image-hevc", FALLING, BYTES / 2)

    told = RIVALS | {"rivals": [*RIVALS["rivals"], "hevc"]}
    found = cells(delta_image_table(study(curves, **told), "net"))
    assert found["one-qp"]["depth"] == "+100"
    assert found["allocation"]["depth"] == "+300 (2 of 3)"
    assert delta_image_table(study(partly, **RIVALS), "net") is None


# Where the bytes go


SIZES = {"nominal_bytes": 900.0, "header_bytes": 16.0, "mask_bytes": 2.0, "fixed_bytes": 80.0}


def ledger(subject, seed):
    rows = []
    for row, qp in zip(soft(subject, seed), ["20", "30", "40"] * 17, strict=True):
        base = np.nan if row["method"] == "one-qp" else 1.0
        payload = row["coded_bytes"] - 98
        rows.append({**row, **SIZES, "qp": qp, "base_bytes": base, "payload_bytes": payload})
    return rows


def test_a_ledger_says_where_the_bytes_of_two_streams_and_of_one_go():
    results = study(ledger, **SOFT, base_qps=["lossless", 22])
    table = ledger_table(results, "net")
    assert len(table.rows) == 3 * 3
    first, *_, last = table.rows
    assert first[:8] == ("soft (base 10 %, lossless), l2-norm", "20", "900", "16", "2", "80", "1", "1")
    assert last[:2] + last[6:] == ("one-qp", "40", "–", "9902", "10000")
    data = table.data.fillna(0)
    parts = ["header_bytes", "mask_bytes", "fixed_bytes", "base_bytes", "rest_bytes"]
    np.testing.assert_allclose(data[parts].sum(axis=1), data["coded_bytes"])
    assert delta_deployed_table(results, "net") is not None


def test_an_archive_that_does_not_know_where_bytes_go_has_no_such_tables():
    results = study(soft, **SOFT, base_qps=["lossless", 22])
    assert ledger_table(results, "net") is None
    assert delta_deployed_table(results, "net") is None


def test_a_study_of_one_point_a_curve_has_tables_and_no_rates():
    def curves(subject, seed):
        return [row for row in soft(subject, seed) if row["coded_bytes"] in (100.0, 110.0, 150.0)]

    found = selection_tables(study(curves, **SOFT, base_qps=["lossless", 22]))
    assert {row["depth"] for row in cells(found["delta-net"]).values()} == {"–"}
    assert found["delta-net"].data["reason"].str.contains("one useful point").all()


# Task weights


def test_shares_say_where_an_order_has_more_than_half_and_of_how_many():
    def crossing(subject, seed):
        rows = curve(subject, "hard", FALLING, **by(MI))
        return rows + curve(subject, "hard", FALLING + np.array([[0.2], [0.0], [-0.2]]), **by("good"))

    table = weights_table(study(crossing, **EACH), "net")
    found = {row[1]: dict(zip(table.header, row, strict=True)) for row in table.rows if row[0] == "loss span"}
    assert (found[MI]["above half"], found["good"]["above half"]) == ("100 to 825", "1212 to 10000")
    assert table.note.startswith("Of 2 orders")


def test_settings_of_mutual_information_are_judged_by_their_own_orders_one_by_one():
    patched = f"{MI}[patch=4]"

    def curves(subject, seed):
        rows = orders(subject, seed)
        worse = [{**row, "measure": patched, "distortion_depth": row["distortion_depth"] + 0.5002}
                 for row in rows if row["measure"] == MI]  # fmt: skip
        return rows + worse

    results = study(curves, scores=scores((*FOUR, patched)), **EACH)
    found = cells(settings_table(results, "net"))
    assert list(found) == [MI, patched]
    # Rivals lie above by .3 times 1 to 1.11, median 1.055, so by .3165; the patched one .5002 above it.
    assert found[MI]["depth"] == " / ".join(["−0.316*"] * 3)
    assert found[patched]["depth"] == " / ".join(["+0.184*"] * 3)
    assert found[patched]["segmentation"] == found[MI]["segmentation"]
    assert float(found[patched]["share, loss span"]) < float(found[MI]["share, loss span"])
    assert settings_table(study(orders, scores=scores(), **EACH), "net") is None
