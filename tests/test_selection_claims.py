"""The published claims on feature selection, judged on archives whose answer is known beforehand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from synthetic_selection import BYTES, FALLING, TASKS, by, curve, study

from moo_fs.contrasts import holm
from moo_fs.selection_claims import (
    ONE_ORDER,
    OWN_ORDER,
    RIVALS,
    claims_of,
    information_contrasts,
    soft_contrasts,
    soft_measure,
    soft_ways,
)

MI = "mutual-information"
FOUR = (*RIVALS, MI)
EACH = {"methods": ["hard"], "task_weights": ["equal", "each"], "rivals": []}
SOFT = {"methods": ["soft"], "task_weights": ["equal"], "rivals": ["one-qp"], "bases": [0.5, 0.1]}


def scores(measures=FOUR):
    return [
        {"subject": f"net[draw={draw}]", "seed": seed, "measure": name, "task": task, "channel": at, "score": at}
        for draw, seed, name, task, at in itertools.product(range(3), range(4), measures, TASKS, range(5))
    ]


def orders(subject, seed):
    """Under its own orders mutual information is the best, under one for all the worst for reconstruction."""
    noise = 1 + (seed + 4 * int(subject[-2])) / 100  # no two blocks alike
    rows = []
    for name, weights in itertools.product(FOUR, ("equal", *TASKS)):
        worse = np.array([0.2, 0.3, 0.1]) * noise if name != MI else np.zeros(3)
        if name == MI and weights == "equal":
            worse = np.array([0.0, 0.0, 0.25]) * noise
        rows += curve(subject, "hard", FALLING / 2 + worse, **by(name, task_weights=weights))
    return rows


def test_an_order_is_judged_by_each_tasks_own_and_by_one_for_all_in_one_family_of_tests():
    results = study(orders, scores=scores(), **EACH)
    found = information_contrasts(results, "net")
    assert found["order"].value_counts().to_dict() == {OWN_ORDER: 9, ONE_ORDER: 9}
    np.testing.assert_allclose(found["p_holm"], holm(found["p"].to_numpy()))
    assert found["p_holm"].max() == pytest.approx(18 * 2 / 2**12)
    claims = claims_of(results)
    ours = claims[(claims["claim"] == "A1") & claims["measured"].str.contains("p =")]
    lost = ours[ours["verdict"] == "does not hold"]["what"]
    assert len(ours) == 18
    assert len(lost) == 3
    assert lost.str.startswith("reconstruction:").all()
    assert lost.str.endswith(f"({ONE_ORDER})").all()


def test_a_share_names_how_many_orders_and_at_which_bytes_it_exceeds_one_half():
    def crossing(subject, seed):
        # Mutual information is ahead at 100 bytes and behind at 10000, by as much for all tasks.
        rows = curve(subject, "hard", FALLING, **by(MI))
        for name in RIVALS:
            ahead = FALLING + np.array([[0.2], [0.0], [-0.2]])
            rows += curve(subject, "hard", ahead + 0.01 * (name == "random"), **by(name))
        return rows

    results = study(crossing, scores=scores(), **EACH | {"task_weights": ["equal"]})
    (row, *_) = claims_of(results).query("claim == 'A4'").to_dict("records")
    assert row["what"].startswith("of 4 orders, mutual information's")
    # 25 rates from 100 to 10000 bytes: up to the twelfth, 10^(2 + 11/12), it wins everywhere.
    assert "of 100 to 10000 bytes above one half at 100 to 825" in row["measured"]


def test_shares_are_judged_beside_orders_of_single_tasks_too():
    claims = claims_of(study(orders, scores=scores(), **EACH))
    assert (claims["claim"] == "A4").sum() == 2


def test_another_setting_of_mutual_information_takes_no_weights_from_it():
    def curves(subject, seed):
        better = [
            {**row, "measure": f"{MI}-kde"} | {f"distortion_{task}": row[f"distortion_{task}"] - 0.1 for task in TASKS}
            for row in orders(subject, seed)
            if row["measure"] == MI
        ]
        return orders(subject, seed) + better

    alone = claims_of(study(orders, scores=scores(), **EACH)).query("claim == 'A4'")
    beside = claims_of(study(curves, scores=scores((*FOUR, f"{MI}-kde")), **EACH)).query("claim == 'A4'")
    assert beside["what"].str.startswith("of 4 orders").all()
    assert beside["measured"].tolist() == alone["measured"].tolist()


# Soft selection


def soft(subject, seed, measure="l2-norm"):
    noise = (seed + 4 * int(subject[-2])) / 1000
    rows = curve(subject, "one-qp", FALLING / 2)
    for base, qp in itertools.product((0.5, 0.1), ("lossless", "22")):
        told = {"base_share": base, "base_qp": qp}
        for name in ("random", measure):
            rows += curve(subject, "soft", FALLING / 2 + 0.1 + noise, **by(name, **told))
            rows += curve(subject, "hard", FALLING + 0.5 + noise, BYTES * (1 + base), **by(name, **told))
    return rows


def test_soft_selection_is_judged_without_mutual_information_and_a_base_of_a_quarter():
    results = study(soft, **SOFT, base_qps=["lossless", 22])
    assert soft_measure(results) == "l2-norm"  # random knows nothing of the channels
    assert {way.label for pair in soft_ways(results).values() for way in pair} == {
        "soft (base 10 %, lossless), l2-norm", "soft (base 10 %, QP 22), l2-norm",
        "hard (lossless), l2-norm", "hard (QP 22), l2-norm",
    }  # fmt: skip
    claims = claims_of(results)
    told = "segmentation: soft selection by l2-norm (base of 10 %, QP 22) has less distortion than one QP"
    assert claims["what"].str.startswith(told).sum() == 1
    assert claims["verdict"].tolist() == 2 * (3 * ["holds"] + 3 * ["does not hold"])


def test_mutual_information_comes_first_where_it_is_and_chance_where_nothing_else_is():
    def by_mutual_information(subject, seed):
        return soft(subject, seed, measure=MI) + soft(subject, seed)

    assert soft_measure(study(by_mutual_information, **SOFT, base_qps=["22"])) == MI
    assert soft_measure(study(lambda subject, seed: soft(subject, seed, measure="random"), **SOFT)) == "random"


def test_holms_family_of_soft_selection_is_all_its_rows():
    results = study(soft, **SOFT, base_qps=["lossless", 22])
    found = soft_contrasts(results, "net")
    assert len(found) == 2 * 2 * 3
    np.testing.assert_allclose(found["p_holm"], holm(found["p"].to_numpy()))
    assert found["p_holm"].max() == pytest.approx(12 * 2 / 2**12)
