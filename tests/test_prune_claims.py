"""What is said of the published claims on pruning, on archives whose answer is known beforehand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from synthetic_pruning import row, write_pruning

from moo_fs.prune_file import CMI
from moo_fs.prune_studies.archive import ROW, frames_of
from moo_fs.prune_studies.claims import best_trained, claims
from moo_fs.prune_studies.judged import chosen, own_width, published

KEPT, SMALL = (3, 5), (2, 3)  # of each layer: of ten filters eight, and five
WIDE = ("compact, common width", "full, common width")


@pytest.fixture
def archive(tmp_path):
    return write_pruning(tmp_path / "cut")


def with_rows(found, rows, **specification):
    """The archive with these rows beside the whole network's, and a specification that says so."""
    whole = {**row("unpruned", "", "", 0, (4, 6), 0.90), "direction": "", "compensate": False, "right": bits(0.90)}
    frames = frames_of([whole, *rows], shares=[], planted=[], orders=found.orders.to_dict("records"))
    study = {**found.study, "specification": {**found.study["specification"], **specification}}
    names = {"summary": "summary.csv", "layers": "layers.csv", "right": "right.parquet", "speed": "speed.csv"}
    return dataclasses.replace(found, study=study, **{key: frames[name] for key, name in names.items()})


def bits(share, images=50):
    """Of the test images the first are right."""
    return np.packbits(np.arange(images) < share * images).tobytes().hex()


def pair(formulation, seed, accuracy, *, share=0.9, direction="forward", determined=9, which=0, validation=None):
    made = row(CMI, formulation, f"share[kept={share}]", seed, KEPT, accuracy)
    layers = [
        {**one, "determined": determined, "which": " ".join(str(at + which) for at in range(one["kept"]))}
        for one in made["layers"]
    ]
    validation = accuracy if validation is None else validation
    return {**made, "direction": direction, "layers": layers, "validation_accuracy": validation}


def trained(formulation, accuracy, *, seed=0, kept=SMALL, measure=CMI, validation=None):
    made = row(measure, formulation, "scree", 0, kept, accuracy)
    validation = accuracy if validation is None else validation
    told = {"fine_tuned": True, "training_seed": seed, "right": bits(accuracy), "validation_accuracy": validation}
    return {**made, **told}


def said(found, words):
    rows = claims(found)
    mine = rows[rows["claim"].str.contains(words, regex=False) | rows["setting"].str.contains(words, regex=False)]
    assert len(mine), words
    return mine.to_dict("records")


def test_formulations_are_compared_with_one_width_apart_from_their_own(archive):
    rows = [
        pair(name, seed, 0.5 + 0.1 * at, which=at) for seed in range(3) for at, name in enumerate(("full", "compact"))
    ]
    rows += [pair(name, seed, 0.5, which=at) for seed in range(3) for at, name in enumerate(WIDE)]
    common, own, _ = said(with_rows(archive, rows), "compact is close to full")
    assert (common["count"], common["median"], common["verdict"]) == (3, 0.0, "holds")
    assert (own["count"], own["verdict"]) == (3, "does not hold")
    assert own["median"] == pytest.approx(10)


def test_two_pairs_or_an_order_of_rounding_decide_nothing(archive):
    rows = [pair(name, seed, 0.5, which=at) for seed in range(2) for at, name in enumerate(WIDE)]
    assert said(with_rows(archive, rows), "compact is close to full")[0]["verdict"] == "not decided"
    # Three pairs; one order is determined for fewer filters than are kept.
    rows += [pair(name, 2, 0.5, which=at, determined=4) for at, name in enumerate(WIDE)]
    told = said(with_rows(archive, rows), "compact is close to full")[0]
    assert told["verdict"] == "not decided"
    assert "of 3 pairs 1 with an order that is not determined" in told["setting"]


def test_pairs_that_cut_alike_or_err_like_chance_on_validation_images_do_not_tell(archive):
    alike = [pair("full", seed, 0.5, direction=way) for seed in range(3) for way in ("forward", "bi-directional")]
    assert said(with_rows(archive, alike), "bi-directional is at least")[0]["count"] == 0
    # Test images have no say in what counts.
    for validation, count in ((0.15, 0), (0.25, 3)):
        rows = [
            pair("full", seed, 0.15 if count else 0.5, direction=way, which=at, validation=validation)
            for seed in range(3)
            for at, way in enumerate(("forward", "bi-directional"))
        ]
        assert said(with_rows(archive, rows), "bi-directional is at least")[0]["count"] == count


def test_a_direction_is_as_good_within_the_margin_that_close_has(archive):
    for lost, verdict in ((0.004, "holds"), (0.006, "does not hold")):
        rows = [
            pair("full", seed, 0.5 - lost * at, direction=way, which=at)
            for seed in range(3)
            for at, way in enumerate(("forward", "bi-directional"))
        ]
        assert said(with_rows(archive, rows), "bi-directional is at least")[0]["verdict"] == verdict


def test_the_headline_is_of_the_best_on_validation_images_over_its_training_seeds(archive):
    rows = [row(CMI, name, "scree", 0, SMALL, 0.5) for name in ("compact", "full")]
    rows += [
        trained("compact", 0.80, validation=0.70),
        trained("full", 0.70, validation=0.80),
        trained("full", 0.74, seed=1, validation=0.60),
        trained("random", 0.90, measure="random"),
    ]
    found = with_rows(archive, rows)
    assert list(best_trained(found)["formulation"]) == ["full", "full"]
    every, best = said(found, "trained on, the best")
    assert (every["count"], every["low"], every["high"]) == (2, pytest.approx(10), pytest.approx(20))
    assert (best["count"], best["low"], best["high"]) == (2, pytest.approx(16), pytest.approx(20))
    # 50 test images; of the first 45 that are right before, the last 10 or 8 are not after.
    assert best["image_low"] < 18 < best["image_high"]
    assert best["verdict"] == "does not hold"
    assert pd.isna(every["image_low"])


def test_a_network_with_two_thirds_of_its_filters_is_the_best_only_without_another(archive):
    rows = [row(CMI, "full", "scree", 0, SMALL, 0.5), row(CMI, "compact", "scree", 0, KEPT, 0.5)]
    rows += [trained("compact", 0.89, kept=KEPT), trained("full", 0.70)]
    assert list(best_trained(with_rows(archive, rows))["formulation"]) == ["full"]
    assert list(best_trained(with_rows(archive, [rows[1], rows[2]]))["formulation"]) == ["compact"]


def test_a_raised_tolerance_is_a_line_of_its_own_and_no_choice(archive):
    steps = [row(CMI, "full", f"scree[tolerance={at}]", 0, kept, 0.6) for at, kept in ((3, KEPT), (10, SMALL))]
    ladders = [[["full", f"scree[tolerance={at}]", "forward"] for at in (3, 10, 30)]]
    grid = row(CMI, "full", "scree", 0, KEPT, 0.85)
    found = with_rows(archive, [grid, *steps], ladders=ladders, variants=[["full", "scree", "forward"]])
    assert list(chosen(found)["cutoff"]) == ["scree"]
    told = said(found, "tolerance raised until a third is gone")
    assert [(one["count"], one["median"]) for one in told] == [(1, pytest.approx(30))]
    assert not [one for one in claims(archive)["setting"] if "tolerance raised" in one]


def test_a_rise_of_a_compact_order_fails_its_claim(archive):
    made = pair("compact", 0, 0.5)
    made["layers"][0]["rise"] = 0.2
    own, others = said(with_rows(archive, [made]), "B2")
    assert own["verdict"] == "holds"
    assert (others["high"], others["verdict"]) == (0.2, "holds in 1 of 2")


def test_rows_of_one_width_are_told_from_those_of_their_own(archive):
    found = with_rows(archive, [pair("compact", 0, 0.5), pair(WIDE[0], 0, 0.5)])
    assert list(own_width(published(found.summary))["formulation"]) == ["compact"]
    assert set(ROW) <= set(found.summary.columns)
