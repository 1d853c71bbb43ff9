"""Paired statistics of a comparison against definitions, hand computations and other people's implementations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from moo_fs.contracts import MooFsError
from moo_fs.contrasts import (
    RANDOM,
    RIVAL,
    Roles,
    a12,
    agreement,
    best_rival,
    critical_difference,
    friedman,
    holm,
    mean_ranks,
    median_interval,
    nemenyi,
    pairs_of,
    planned_contrasts,
    signed_rank_p,
)

ROLES = Roles("random", ("random", "shuffled"), ("sensitivity",), ("mine",))
MEASURES = ("random", "shuffled", "l1", "mi", "mine", "sensitivity")


def summary_of(networks=3, seeds=4, measures=MEASURES, ways=("sweep",), noise=0.01, rise=0.02):
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        [
            {"network": str(network), "measure": measure, "optimiser": way, "seed": seed}
            | {"corner_test": 0.2 + rise * at + rng.normal(0, noise), "corner_search": 0.3 + rise * at}
            for network, seed, way in itertools.product(range(networks), range(seeds), ways)
            for at, measure in enumerate(measures)
        ]
    )


def test_twelve_positive_differences_have_p_of_two_in_four_thousand_and_ninety_six():
    assert signed_rank_p(np.arange(1, 13) / 100) == pytest.approx(2 / 2**12, rel=1e-12)
    assert signed_rank_p(-np.arange(1, 13) / 100) == pytest.approx(2 / 2**12, rel=1e-12)


@pytest.mark.parametrize("pairs", [5, 12, 25])
def test_p_without_ties_is_that_of_scipys_exact_test(pairs):
    rng = np.random.default_rng(pairs)
    for _ in range(5):
        differences = rng.normal(0.3, 1, pairs)
        assert signed_rank_p(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue, rel=1e-9)


def test_p_with_ties_and_zeros_counts_every_sign():
    differences = np.array([0, 1, 1, -1, 2, 2, 3, -3, 4, 0, 5])
    kept = differences[differences != 0]
    ranks = stats.rankdata(np.abs(kept))
    centre = ranks.sum() / 2
    off = abs(ranks[kept > 0].sum() - centre)
    every = [abs(ranks[list(signs)].sum() - centre) for signs in itertools.product([False, True], repeat=len(kept))]
    assert signed_rank_p(differences) == pytest.approx(np.mean(np.array(every) >= off - 1e-9), rel=1e-12)


def test_measures_that_are_equal_everywhere_have_p_of_one():
    assert signed_rank_p(np.zeros(12)) == 1.0
    summary = summary_of(rise=0.0, noise=0.0)
    found = planned_contrasts(summary, "sweep", ROLES)
    assert (found["p_holm"] == 1).all()
    assert (found["a12"] == 0.5).all()
    assert friedman(pairs_of(summary, "sweep")) == 1.0


def test_holm_equals_a_hand_computation():
    assert holm([0.01, 0.02, 0.03, 0.5]).tolist() == pytest.approx([0.04, 0.06, 0.06, 0.5])
    assert holm([0.5, 0.03, 0.9, 0.02]).tolist() == pytest.approx([1.0, 0.09, 1.0, 0.08])


def test_a12_is_its_definition_and_the_mann_whitney_statistic():
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(0, 6, 12), rng.integers(1, 7, 12)
    wins = sum((a > b) + (a == b) / 2 for a in ours for b in theirs)
    assert a12(ours, theirs) == wins / 144
    assert a12(ours, theirs) == pytest.approx(stats.mannwhitneyu(ours, theirs).statistic / 144)


def test_ranks_are_one_for_the_largest_and_shared_by_equals():
    pairs = pd.DataFrame({"a": [3, 3], "b": [2, 3], "c": [1, 1]})
    assert mean_ranks(pairs).to_dict() == {"a": 1.25, "b": 1.75, "c": 3.0}


def test_the_critical_difference_is_that_of_the_published_table():
    # Demšar (2006), table 5(a): q at 5 % is 2.343 for 3, 3.164 for 10 measures.
    assert critical_difference(3, 30) == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 30)), rel=1e-3)
    assert critical_difference(10, 12) == pytest.approx(3.164 * math.sqrt(10 * 11 / (6 * 12)), rel=1e-3)


def test_nemenyi_is_that_of_scikit_posthocs_and_agrees_with_the_critical_difference():
    posthocs = pytest.importorskip("scikit_posthocs")
    pairs = pairs_of(summary_of(noise=0.03), "sweep")
    found = nemenyi(pairs)
    oracle = posthocs.posthoc_nemenyi_friedman(pairs.reset_index(drop=True))
    assert np.allclose(found, oracle.loc[found.index, found.columns], atol=1e-6)
    ranks = mean_ranks(pairs).to_numpy()
    apart = np.abs(np.subtract.outer(ranks, ranks)) > critical_difference(len(ranks), len(pairs))
    assert np.array_equal(found.to_numpy() < 0.05, apart)
    assert apart.any()
    assert not apart.all()


def test_friedman_is_scipys_on_the_columns():
    pairs = pairs_of(summary_of(noise=0.1), "sweep")
    assert friedman(pairs) == pytest.approx(stats.friedmanchisquare(*pairs.to_numpy().T).pvalue)


def test_the_interval_of_a_median_holds_it_and_is_mirrored_when_sides_are_swapped():
    differences = np.random.default_rng(1).normal(0.01, 0.02, 12)
    low, high = median_interval(differences)
    assert differences.min() < low < np.median(differences) < high < differences.max()
    assert median_interval(-differences) == pytest.approx((-high, -low), abs=1e-12)
    oracle = stats.bootstrap((differences,), np.median, method="percentile", n_resamples=9999, rng=0)
    assert (low, high) == pytest.approx(tuple(oracle.confidence_interval), abs=0.004)


def test_every_measure_meets_random_and_all_but_nulls_meet_their_best_rival():
    found = planned_contrasts(summary_of(), "sweep", ROLES)
    against_random = found[found["kind"] == RANDOM]
    assert against_random["measure"].tolist() == list(MEASURES[1:])
    rivals = found[found["kind"] == RIVAL].set_index("measure")["against"].to_dict()
    assert rivals == {"l1": "mine", "mi": "mine", "mine": "mi", "sensitivity": "mine"}


def test_the_family_of_holm_is_all_contrasts_of_the_way():
    summary = summary_of(ways=("sweep", "nsga2"), noise=0.03)
    found = planned_contrasts(summary, "sweep", ROLES)
    assert len(found) == 9
    assert found["p_holm"].tolist() == pytest.approx(holm(found["p"]).tolist())
    assert found["p_holm"].min() == pytest.approx(9 * found["p"].min())


def test_a_rival_is_chosen_on_the_search_part_and_is_neither_null_nor_upper_baseline():
    summary = summary_of()
    boost = {"random": 1.0, "shuffled": 2.0, "sensitivity": 3.0, "l1": 0.5}
    summary["corner_search"] += summary["measure"].map(boost).fillna(0)
    summary.loc[summary["measure"] == "mi", "corner_test"] = 0.9
    assert best_rival(pairs_of(summary, "sweep", "corner_search"), "mi", ROLES) == "l1"
    found = planned_contrasts(summary, "sweep", ROLES)
    assert set(found[found["kind"] == RIVAL]["against"]) == {"l1", "mine"}


def test_a_baseline_that_the_user_added_is_no_candidate():
    roles = Roles("random", ("random", "shuffled"), ("sensitivity", "exact"), ("mine", "exact", "shuffled"))
    wanted = {"mine": "own", "exact": "upper", "sensitivity": "upper", "shuffled": "null", "l1": ""}
    assert {name: roles.name(name) for name in wanted} == wanted
    summary = summary_of()
    assert best_rival(pairs_of(summary, "sweep", "corner_search"), "l1", roles) == "mine"
    fewer = Roles("random", ("random", "shuffled"), ("sensitivity", "mine"), ("mine",))
    assert best_rival(pairs_of(summary, "sweep", "corner_search"), "l1", fewer) == "mi"


def test_networks_that_disagree_are_counted():
    summary = summary_of(measures=("random", "l1"), rise=0.1)
    summary.loc[(summary["network"] == "2") & (summary["measure"] == "l1"), "corner_test"] = 0.0
    row = planned_contrasts(summary, "sweep", ROLES).iloc[0]
    assert (row["networks"], row["networks_alike"]) == (3, 2)
    assert row["median_difference"] > 0


def test_a_comparison_may_lack_an_upper_baseline():
    found = planned_contrasts(summary_of(), "sweep", Roles("random", ("random", "shuffled")))
    assert found[found["kind"] == RIVAL].set_index("measure")["against"]["l1"] == "sensitivity"


def test_a_lone_measure_has_no_rival():
    summary = summary_of(measures=("random", "l1"))
    found = planned_contrasts(summary, "sweep", ROLES)
    assert found[["measure", "against", "kind"]].to_numpy().tolist() == [["l1", "random", RANDOM]]


def test_eleven_pairs_have_medians_and_no_p():
    summary = summary_of(networks=1, seeds=11)
    found = planned_contrasts(summary, "sweep", ROLES)
    assert found[["p", "p_holm", "low", "high"]].isna().all().all()
    assert found["median_difference"].notna().all()
    assert math.isnan(friedman(pairs_of(summary, "sweep")))
    assert planned_contrasts(summary_of(networks=1, seeds=12), "sweep", ROLES)["p_holm"].notna().all()


def test_the_order_of_rows_changes_nothing():
    summary = summary_of(noise=0.03)
    mixed = summary.sample(frac=1, random_state=0)
    keys = ["measure", "kind"]
    first, second = (
        planned_contrasts(one, "sweep", ROLES).sort_values(keys, ignore_index=True) for one in (summary, mixed)
    )
    pd.testing.assert_frame_equal(first, second)
    assert mean_ranks(pairs_of(summary, "sweep")).to_dict() == mean_ranks(pairs_of(mixed, "sweep")).to_dict()


def test_other_labels_change_no_number():
    summary = summary_of(noise=0.03)
    renamed = summary.assign(measure=summary["measure"].replace({"l1": "zz", "mi": "aa"}))
    first, second = (planned_contrasts(one, "sweep", ROLES) for one in (summary, renamed))
    pd.testing.assert_frame_equal(
        first.drop(columns=["measure", "against"]), second.drop(columns=["measure", "against"])
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(index=3), "'mi' with 'sweep' on network 0, block 0, is missing"),
        (lambda rows: pd.concat([rows, rows.iloc[[2]]]), "'l1' with 'sweep' on network 0, block 0, is there twice"),
        (lambda rows: rows[rows["measure"] != "random"], "wanted 'random' among the measures"),
        (lambda rows: rows.assign(optimiser="tpe"), "wanted runs of 'sweep'"),
    ],
)
def test_a_comparison_that_is_not_whole_is_refused_with_a_sentence(change, said):
    with pytest.raises(MooFsError, match=said):
        planned_contrasts(change(summary_of()), "sweep", ROLES)


def test_rankings_agree_fully_with_themselves_and_not_at_all_with_their_reverse():
    ranks = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0})
    assert agreement(ranks, ranks) == 1.0
    assert agreement(ranks, -ranks) == -1.0
    assert math.isnan(agreement(ranks, pd.Series({"a": 1.0})))


def test_a_null_measure_rarely_beats_random_by_chance():
    rng = np.random.default_rng(5)
    p = [signed_rank_p(rng.normal(size=12)) for _ in range(2000)]
    assert 0.03 < np.mean(np.array(p) <= 0.05) < 0.06
