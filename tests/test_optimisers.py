"""The contract of ask and tell, over every registered optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_loop import Log, evaluate, make, noisy_scores, search, space_of

from moo_fs import decoding, registry
from moo_fs.contracts import MooFsError
from moo_fs.optimisers import BUILTIN, moves, register, sweep
from moo_fs.optimisers.rays import Rays
from moo_fs.optimisers.surrogate import LINKS, Additive, Link
from moo_fs.space import Space
from moo_fs.subjects.linear_gaussian import linear_gaussian

register()
NAMES = sorted(BUILTIN)
BUDGET = {"gp": 6}


def budget_of(name: str) -> int:
    return BUDGET.get(name, 150)


@pytest.fixture(scope="module")
def logs() -> dict[str, Log]:
    model = linear_gaussian()
    space = space_of(model, noisy_scores(model, 0))
    return {name: search(name, model, space, budget=budget_of(name)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_asks_are_int8_allocations_in_range(name: str, logs: dict[str, Log]) -> None:
    for bits in logs[name].asked:
        assert bits.dtype == np.int8
        assert bits.ndim == 2
        assert bits.shape[1] == 24
        assert bits.min() >= 0
        assert bits.max() <= 8


@pytest.mark.parametrize("name", NAMES)
def test_the_budget_is_reached_within_five_times_as_many_asks(name: str, logs: dict[str, Log]) -> None:
    assert len(logs[name].objectives) == budget_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_instance_fed_the_log_asks_the_same_bit_for_bit(name: str, logs: dict[str, Log]) -> None:
    model = linear_gaussian()
    optimiser = make(name, space_of(model, noisy_scores(model, 0)), 0)
    for bits, values in zip(logs[name].asked, logs[name].told, strict=True):
        assert np.array_equal(optimiser.ask(), bits)
        optimiser.tell(bits, values)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("sweep", "rank-sweep")])
def test_another_stream_asks_something_else(name: str, logs: dict[str, Log]) -> None:
    model = linear_gaussian()
    other = make(name, space_of(model, noisy_scores(model, 0)), 1).ask()
    assert not np.array_equal(other, logs[name].asked[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scores", ["none", "zero", "one-task", "negative"])
def test_awkward_scores_do_not_stop_a_search(name: str, scores: str) -> None:
    model = linear_gaussian(channels=6)
    tasks = 1 if scores == "one-task" else 3
    values = {"none": None, "zero": np.zeros((6, 3)), "one-task": np.ones((6, 1)), "negative": -np.ones((6, 3))}[scores]
    budget = 5 if name == "gp" else 20
    log = search(name, model, space_of(model, values, tasks=tasks), budget=budget)
    assert len(log.objectives) >= min(8, budget)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_channel_costs_nothing_and_stops_nothing(name: str) -> None:
    model = linear_gaussian(channels=64)
    rate, error = model.rate.copy(), model.error.copy()
    rate[3], error[3] = 0.0, 0.0
    error[3, 0] = 1.0
    space = Space(("rate", *model.task_names), error, rate, noisy_scores(model, 0))
    budget = 5 if name == "gp" else 20
    assert len(search(name, model, space, budget=budget).objectives) == budget


@pytest.mark.parametrize("name", NAMES)
def test_a_class_says_whether_it_uses_scores_and_what_it_searches(name: str) -> None:
    loaded = registry.optimisers.load(name)
    assert isinstance(loaded.uses_scores, bool)
    assert loaded.encoding in ("bits", "decoding")
    assert BUILTIN[name][1]


@pytest.mark.parametrize("name", [name for name in NAMES if name in ("random", "lagrangian")])
def test_an_optimiser_that_uses_no_scores_asks_the_same_with_others(name: str) -> None:
    model = linear_gaussian()
    asked = [make(name, space_of(model, noisy_scores(model, block)), 0).ask() for block in (0, 1)]
    assert np.array_equal(*asked) is (not registry.optimisers.load(name).uses_scores)


@pytest.mark.parametrize("name", NAMES)
def test_impossible_options_are_refused(name: str) -> None:
    option = {"nsga2": "population", "nsga3": "population", "sms-emoa": "population", "local-search": "batch"}
    with pytest.raises(MooFsError, match="wanted"):
        make(name, space_of(linear_gaussian(channels=6), None), 0, **{option.get(name, "batch"): 0})


def test_gp_stops_by_itself_and_can_be_told_not_to() -> None:
    model = linear_gaussian(channels=6)
    space = space_of(model, noisy_scores(model, 0))
    for stop, asked in ((3, 3), (0, 4)):
        log = search("gp", model, space, budget=4, stop=stop)
        assert len(log.objectives) == asked


def test_decoding_parameters_reproduce_the_allocations() -> None:
    model = linear_gaussian()
    space = space_of(model, noisy_scores(model, 0))
    optimiser = make("tpe", space, 0)
    bits = optimiser.ask()
    for row, parameters in zip(bits, optimiser.parameters, strict=True):
        raw = -np.log([parameters[f"weight_{task}"] for task in model.task_names])
        assert np.array_equal(row, space.decode(raw / raw.sum(), parameters["lambda"], parameters["gamma"])[0])
        low, high = space.lambda_range
        assert low <= parameters["lambda"] <= high


def test_the_ladder_decodes_like_the_plain_decoding_on_tables_that_are_not_convex() -> None:
    rng = np.random.default_rng(0)
    error, rate = np.sort(rng.random((24, 9)), axis=1)[:, ::-1].copy(), np.sort(rng.random((24, 9)), axis=1)
    error[:, 0], rate[:, 0], rate[0] = 1.0, 0.0, 0.0
    joint, lam = rng.random((300, 24)), np.exp(rng.normal(0.0, 2.0, 300))
    joint[3] = 0.0
    plain = decoding.decode(np.eye(24), error, rate, weights=joint, lam=lam)
    assert np.array_equal(sweep.Ladder(error, rate).depths(joint, lam), plain)


def test_decoding_to_a_rate_stays_below_it_and_near_it() -> None:
    model = linear_gaussian(channels=64)
    space = space_of(model, None)
    targets = np.geomspace(1.0, 30.0, 50)
    joint = np.exp(np.random.default_rng(0).normal(size=(50, 64)))
    rates = space.rate_of(sweep.decode_to_rate(space, joint, targets)) - space.header
    assert (rates <= targets).all()
    assert (rates >= targets - model.rate[:, 1].max() - 0.2).all()


def test_a_guided_step_prefers_the_channel_that_buys_more() -> None:
    model = linear_gaussian(channels=6)
    scores = np.full((6, 3), 0.01)
    scores[2] = 1.0
    start = np.zeros((3000, 6), dtype=np.int8)
    counts = {}
    for guided in (True, False):
        stepper = moves.Stepper(space_of(model, scores), guided=guided)
        moved = stepper.steps(start, np.random.default_rng(0), mean_steps=1.0)
        counts[guided] = (moved > 0).sum(axis=0)
    assert counts[True].argmax() == 2
    assert counts[True][2] > 2 * counts[False][2]
    assert counts[False].max() < 1.3 * counts[False].min()


def test_children_lie_on_the_line_between_their_parents() -> None:
    first, second = np.zeros((500, 6), dtype=np.int8), np.full((500, 6), 4, dtype=np.int8)
    child = moves.line_crossover(first, second, np.random.default_rng(0))
    assert (child.max(axis=1) - child.min(axis=1) <= 1).all()  # one share for all channels, but for rounding


def test_the_surrogate_finds_the_true_sensitivities_of_an_additive_task() -> None:
    model = linear_gaussian()
    surrogate = Additive(space_of(model, noisy_scores(model, 0)))
    bits = np.random.default_rng(0).integers(0, 4, (300, 24)).astype(np.int8)
    surrogate.add(bits, model.losses(bits))
    surrogate.refit()
    assert np.corrcoef(surrogate.sensitivities.ravel(), model.weights.ravel())[0, 1] > 0.999
    fresh = np.random.default_rng(1).integers(0, 4, (50, 24)).astype(np.int8)
    assert surrogate.predict(fresh) == pytest.approx(model.losses(fresh), rel=0.02, abs=0.002)


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_a_link_runs_from_zero_to_one_and_its_inverse_undoes_it(link: Link) -> None:
    values = np.linspace(0.0, 0.95, 20)
    assert link.additive(np.array([0.0, 1.0]))[0] == 0.0
    assert link.distortion(link.additive(values)) == pytest.approx(values, abs=1e-9)
    inner, step = np.linspace(0.3, 0.9, 7), 1e-6
    numeric = (link.additive(inner + step) - link.additive(inner - step)) / (2 * step)
    assert link.slope(inner) == pytest.approx(numeric, rel=0.08)  # the slope is kept finite by a shift of 0.02


@pytest.mark.parametrize("link", LINKS, ids=str)
def test_the_surrogate_takes_the_link_that_the_distortions_were_made_with(link: Link) -> None:
    model = linear_gaussian()
    surrogate = Additive(space_of(model, None))
    for batch in range(6):
        bits = np.random.default_rng(batch).integers(0, 4, (60, 24)).astype(np.int8)
        surrogate.add(bits, link.distortion(model.losses(bits)))
        surrogate.refit()
    assert surrogate.links == [link] * 3


def test_rays_measure_gains_in_hypervolume() -> None:
    # In the unit box the point (.5, .5) dominates a quarter; (.25, .75) adds .25 x .25 beside it, (.6, .6) nothing.
    front, candidates = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75], [0.6, 0.6], [0.1, 0.1]])
    rays = Rays(np.ones(2), front, np.random.default_rng(0), count=20000)
    volumes = rays.gains(candidates)
    gains = np.maximum(volumes - rays.gains(front)[0], 0.0).mean(axis=1) * np.pi / 4
    assert gains == pytest.approx([0.0625, 0.0, 0.81 - 0.25], abs=0.01)
    assert rays.choose(volumes, 3) == [2]


def test_telling_a_repeat_teaches_the_lagrangian_nothing_twice() -> None:
    model = linear_gaussian()
    space = space_of(model, noisy_scores(model, 0))
    once, twice = make("lagrangian", space, 0), make("lagrangian", space, 0)
    bits = once.ask()
    values = evaluate(model, space, bits)
    twice.ask()
    once.tell(bits, values)
    twice.tell(np.vstack([bits, bits]), np.vstack([values, values]))
    assert np.array_equal(once.ask(), twice.ask())
