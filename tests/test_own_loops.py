"""`moo_fs.problem`: the search part of a subject inside loops that are not ours."""

import numpy as np
import optuna
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize
from tiny import CHANNELS, tiny_model

import moo_fs
from moo_fs.seeds import stream


@pytest.fixture(scope="module")
def problem():
    return moo_fs.problem(tiny_model(), measure="variance")


def test_an_own_loop_gets_what_evaluate_says_of_the_search_part(problem):
    bits = stream(0, "own loop").integers(0, 9, (4, CHANNELS)).astype(np.int8)
    table = moo_fs.evaluate(problem.prepared, bits, part="search")
    columns = ["rate_kbit", "segmentation", "depth", "reconstruction"]
    assert np.allclose(problem.evaluate(bits), table[columns], rtol=1e-5, atol=1e-7)


def test_pymoo_minimises_it_with_its_own_operators(problem):
    integer = {"vtype": float, "repair": RoundingRepair()}
    algorithm = NSGA2(8, sampling=IntegerRandomSampling(), crossover=SBX(**integer), mutation=PM(**integer))
    found = minimize(problem.as_pymoo(), algorithm, ("n_gen", 3), seed=1)
    assert found.F.shape[1] == 4
    assert np.array_equal(found.F, problem.evaluate(found.X.astype(np.int8)))
    assert found.X.min() >= 0
    assert found.X.max() <= 8


@pytest.mark.parametrize("encoding", ["decoding", "bits"])
def test_optuna_optimises_it_in_both_encodings(problem, encoding):
    objective = problem.as_optuna(encoding)
    study = optuna.create_study(directions=objective.directions, sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=4)
    for trial in study.trials:
        bits = np.array([[int(digit) for digit in trial.user_attrs["bits"]]], dtype=np.int8)
        assert trial.values == problem.evaluate(bits)[0].tolist()
    assert len({trial.user_attrs["bits"] for trial in study.trials}) > 1


def test_without_a_measure_channels_count_alike_and_objectives_may_be_fewer():
    few = moo_fs.problem(tiny_model(), objectives=["rate", "depth"])
    assert few.space.scores is None
    assert few.evaluate(np.zeros((1, CHANNELS), np.int8)).tolist() == [[0.128, 1.0]]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"objectives": ["depth"]}, '"rate" first'),
        ({"objectives": ["rate", "depht"]}, "did you mean 'depth'"),
        ({"objectives": ["rate", "depth", "depth"]}, "different names"),
        ({"measure": "varience"}, "did you mean 'variance'"),
    ],
)
def test_what_does_not_exist_is_refused_in_one_sentence(wanted, said):
    with pytest.raises(moo_fs.MooFsError, match=said):
        moo_fs.problem(tiny_model(), **wanted)


def test_an_unknown_encoding_is_refused(problem):
    with pytest.raises(moo_fs.MooFsError, match="did you mean 'bits'"):
        problem.as_optuna("bit")
