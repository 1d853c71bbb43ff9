"""One run: budgets, repeats, endings, failures."""

from __future__ import annotations

import numpy as np
import pytest
from toy_runs import OBJECTIVES, Climber, Memory, ToyProblem, spec

from moo_fs.contracts import RunError
from moo_fs.execute import BATCHES_WITHOUT_NEWS, execute
from moo_fs.seeds import stream
from moo_fs.store import NEW
from moo_fs.trials import Trials, six_digits


class Script:
    """Asks for given batches, and nothing afterwards."""

    def __init__(self, batches, *, forever: bool = False) -> None:
        self.batches = [np.array(batch, np.int8) for batch in batches]
        self.forever, self.asked, self.told = forever, 0, []

    def ask(self):
        at = min(self.asked, len(self.batches) - 1) if self.forever else self.asked
        self.asked += 1
        return self.batches[at] if at < len(self.batches) else np.empty((0, 6), np.int8)

    def tell(self, bits, objectives) -> None:
        self.told.append((bits, objectives))


def rows(*first: int):
    return [[value, 0, 0, 0, 0, 0] for value in first]


def climb(budget: int, recorder=None, **changes):
    problem = ToyProblem()
    recorder = recorder or Memory()
    outcome = execute(
        spec(), problem, Climber(problem.space, stream(0, "optimiser")), recorder, budget=budget, **changes
    )
    return outcome, recorder, problem


@pytest.mark.parametrize("budget", [1, 6, 7, 8, 50, 123])
def test_a_run_evaluates_exactly_its_budget_of_distinct_allocations(budget):
    outcome, recorder, problem = climb(budget)
    assert len(outcome.trials) == len({row.tobytes() for row in outcome.trials.bits}) == budget == problem.calls
    assert outcome.asks == len(recorder.rows) == budget + outcome.repeats
    assert outcome.exhausted is None
    assert recorder.states == ["done"]


def test_repeats_are_told_the_recorded_objectives_and_cost_nothing():
    optimiser, problem, recorder = Script([rows(1, 2, 1), rows(2, 3)]), ToyProblem(), Memory()
    outcome = execute(spec(), problem, optimiser, recorder, budget=9)
    assert problem.calls == 3
    assert outcome.repeats == 2
    assert [row.repeat_of for row in recorder.rows] == [NEW, NEW, 0, 1, NEW]
    for bits, objectives in optimiser.told:
        np.testing.assert_array_equal(objectives, six_digits(ToyProblem().evaluate(bits)))


def test_a_run_ends_when_the_optimiser_asks_for_nothing_and_says_so():
    outcome = execute(spec(), ToyProblem(), Script([rows(1, 2)]), Memory(), budget=9)
    assert len(outcome.trials) == 2
    assert "nothing left" in outcome.exhausted


def test_a_run_ends_after_twenty_batches_without_a_new_allocation():
    optimiser, recorder = Script([rows(1)], forever=True), Memory()
    outcome = execute(spec(), ToyProblem(), optimiser, recorder, budget=100)
    assert optimiser.asked == 1 + BATCHES_WITHOUT_NEWS
    assert "20 batches" in outcome.exhausted
    assert recorder.states == ["exhausted"]


def test_a_run_ends_after_five_times_its_budget_of_asks_even_inside_a_batch():
    outcome = execute(spec(), ToyProblem(), Script([rows(*[1] * 60)]), Memory(), budget=10)
    assert (outcome.asks, len(outcome.trials)) == (50, 1)
    assert "5 times the budget" in outcome.exhausted


def test_a_budget_that_ends_inside_a_batch_takes_its_first_new_rows_and_tells_nothing():
    optimiser, recorder = Script([rows(1, 2), rows(2, 3, 3, 4, 5)]), Memory()
    outcome = execute(spec(), ToyProblem(), optimiser, recorder, budget=4)
    assert outcome.trials.bits[:, 0].tolist() == [1, 2, 3, 4]
    assert [row.repeat_of for row in recorder.rows] == [NEW, NEW, 1, NEW, 2, NEW]
    assert len(optimiser.told) == 1


def test_an_extended_run_is_the_run_started_with_the_larger_budget():
    fresh, fresh_recorder, _ = climb(100)
    for budget in (1, 5, 20, 33, 99):
        _, recorder, _ = climb(budget)
        extended, again, problem = climb(100, Memory(recorder.rows))
        assert problem.calls == 100 - budget
        np.testing.assert_array_equal(extended.trials.bits, fresh.trials.bits)
        np.testing.assert_array_equal(extended.trials.objectives, fresh.trials.objectives)
        assert (extended.repeats, extended.asks) == (fresh.repeats, fresh.asks)
        assert [row.repeat_of for row in again.rows] == [row.repeat_of for row in fresh_recorder.rows]


def test_a_large_batch_is_recorded_in_portions_before_it_is_told():
    recorder, problem = Memory(), ToyProblem()
    portions = []
    recorder.record = lambda rows, distributions=None: portions.append(len(rows))
    bits = np.random.default_rng(0).integers(0, 9, (100, 6))
    execute(spec(), problem, Script([bits]), recorder, budget=100)
    assert sum(portions) == 100
    assert max(portions) <= 16


def test_stopping_keeps_everything_evaluated_so_far_and_resuming_ends_the_same():
    seen = []
    stopped, recorder, _ = climb(60, on_progress=seen.append, should_stop=lambda: len(seen) > 3)
    assert stopped.interrupted
    assert 0 < len(stopped.trials) < 60
    assert recorder.states == []
    resumed, _, _ = climb(60, Memory(recorder.rows))
    np.testing.assert_array_equal(resumed.trials.bits, climb(60)[0].trials.bits)


def test_an_optimiser_that_asks_differently_on_resume_is_an_error_with_run_trial_and_remedy():
    _, recorder, problem = climb(30)
    changed = Climber(problem.space, stream(1, "optimiser"))
    with pytest.raises(RunError, match=rf"run {spec().key} .*trial 0: .*remove memory"):
        execute(spec(), problem, changed, Memory(recorder.rows), budget=30)


def test_an_objective_that_is_not_finite_is_an_error_with_run_and_trial():
    problem, recorder = ToyProblem(), Memory()
    problem.evaluate = lambda bits: np.where(bits[:, :3] == 3, np.nan, 1.0)
    with pytest.raises(RunError, match=rf"run {spec().key} .*trial 2: objectives .*'rate': nan"):
        execute(spec(), problem, Script([rows(1, 2, 3)]), recorder, budget=5)
    assert recorder.states[0].startswith("failed: run ")


@pytest.mark.parametrize("bad", [[[9, 0, 0, 0, 0, 0]], [[1, 2]], [[-1, 0, 0, 0, 0, 0]]])
def test_an_optimiser_that_asks_for_impossible_bits_is_named(bad):
    recorder = Memory()
    with pytest.raises(RunError, match=rf"run {spec().key} .*trial 0: MooFsError: optimiser 'climber': ask\(\)"):
        execute(spec(), ToyProblem(), Script([bad]), recorder, budget=5)
    assert recorder.states[0].startswith("failed: run ")


def raises(*_):
    return {}["missing"]


@pytest.mark.parametrize(("place", "trial"), [("ask", 0), ("evaluate", 0), ("tell", 2)])
def test_whatever_a_plugin_raises_is_the_failure_of_its_run_and_trial(place, trial):
    problem, optimiser, recorder = ToyProblem(), Script([rows(1, 2), rows(3)]), Memory()
    setattr(problem if place == "evaluate" else optimiser, place, raises)
    with pytest.raises(RunError, match=rf"run {spec().key} .*, trial {trial}: KeyError: 'missing'$") as failed:
        execute(spec(), problem, optimiser, recorder, budget=5)
    assert isinstance(failed.value.__cause__, KeyError)
    assert recorder.states == [f"failed: {failed.value}"]


@pytest.mark.parametrize("error", [KeyError("first"), RunError("first")])
def test_a_store_that_cannot_note_a_failure_does_not_hide_it(error):
    def ask():
        raise error

    def close(state):
        raise OSError("second")

    optimiser, recorder = Script([]), Memory()
    optimiser.ask, recorder.close = ask, close
    with pytest.raises(RunError, match="first"):
        execute(spec(), ToyProblem(), optimiser, recorder, budget=5)


@pytest.mark.parametrize("nothing", [None, [], np.empty((0, 6))])
def test_an_optimiser_that_never_asks_for_anything_is_an_error(nothing):
    optimiser, recorder = Script([]), Memory()
    optimiser.ask = lambda: nothing
    with pytest.raises(RunError, match=rf"run {spec().key} .*trial 0: the optimiser asked for nothing"):
        execute(spec(), ToyProblem(), optimiser, recorder, budget=5)
    assert recorder.states[0].startswith("failed: run ")


def test_parameters_are_recorded_if_they_are_a_row_each_and_ignored_otherwise():
    def recorded(parameters):
        optimiser, recorder = Script([rows(1, 2)]), Memory()
        optimiser.parameters = parameters
        execute(spec(), ToyProblem(), optimiser, recorder, budget=2)
        return [row.parameters for row in recorder.rows]

    assert recorded([{"x": 1.0}, {"x": 2.0}]) == [{"x": 1.0}, {"x": 2.0}]
    for wrong in (None, 3, "ab", [{"x": 1.0}], [1.0, 2.0], {"x": 1.0, "y": 2.0}, np.ones(2)):
        assert recorded(wrong) == [None, None]


def test_rounding_to_six_digits_twice_changes_nothing():
    values = np.random.default_rng(0).lognormal(0, 8, 5000) * np.random.default_rng(1).choice([-1, 1], 5000)
    once = six_digits(values)
    np.testing.assert_array_equal(six_digits(once), once)
    np.testing.assert_allclose(once, values, rtol=5.1e-6)


def test_the_frame_of_a_run_has_the_columns_of_the_archive():
    trials = Trials(2, OBJECTIVES)
    trials.append(np.array([0, 8], np.int8), np.array([1.0, 0.5, 0.25]), 0.1)
    frame = trials.frame(spec().labels)
    assert list(frame) == ["run", "measure", "optimiser", "seed", "trial", "bits", "rate_kbit", "a", "b", "seconds"]
    assert frame.bits[0] == b"\x00\x08"
    with pytest.raises(ValueError, match="trial 0 already"):
        trials.append(np.array([0, 8], np.int8), np.zeros(3))
