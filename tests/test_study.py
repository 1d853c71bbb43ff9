"""Study files: what they mean, and what is refused before anything runs."""

from __future__ import annotations

import pickle

import pytest
from toy_runs import space

from moo_fs import measures, optimisers, registry, subjects
from moo_fs.contracts import MooFsError
from moo_fs.study import check_objectives, check_optimisers, difference, read_study

GOOD = """\
name = "tiny"
question = "Does it matter?"
subject = "linear-gaussian"
objectives = ["rate", "a", "b"]
reference = "uniform-2"

[grid]
measures = ["random", "l2-norm"]
optimisers = ["nsga2", "lagrangian"]
seeds = 2
budget = 30
"""
OWN = """\
import moo_fs.registry as registry

@registry.measure("halves", needs=("features",))
def decorated(batch, *, power=2.0):
    return batch

def plain(batch):
    return batch

def variance(batch):
    return batch

def my_subject(device="cpu", *, width=4):
    return None

class Raises:
    def __init__(self, problem, rng):
        {}["missing"]

class Own:
    def __init__(self, problem, rng, *, batch=3, weights=(1, 2), greedy=False, label="x"):
        pass

number = 3
"""


@pytest.fixture(autouse=True)
def _registered():
    for module in (measures, optimisers, subjects):
        module.register()
    yield
    registry.measures._entries.pop("halves", None)


@pytest.fixture
def write(tmp_path):
    def writer(text: str = GOOD, *, stem: str = "tiny"):
        (tmp_path / "own.py").write_text(OWN)
        path = tmp_path / f"{stem}.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return writer


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_study_file_says_what_it_says(write):
    study = read_study(write())
    assert (study.name, study.question, study.seeds, study.budget) == ("tiny", "Does it matter?", 2, 30)
    assert study.objectives == ("rate", "a", "b")
    assert study.tasks == ("a", "b")
    assert [spec.label for spec in study.measures] == ["random", "l2-norm"]
    assert len(study.runs()) == 8
    assert len({run.key for run in study.runs()}) == 8
    assert [run.seed for run in study.runs()] == [0] * 4 + [1] * 4


def test_the_key_of_a_run_depends_on_what_it_is_and_on_nothing_else(write):
    study = read_study(write())
    keys = [run.key for run in study.runs()]
    assert all(len(key) == 12 and set(key) <= set("0123456789abcdef") for key in keys)
    other = GOOD.replace('"tiny"', '"other"').replace("budget = 30", "budget = 31").replace("seeds = 2", "seeds = 3")
    assert [run.key for run in read_study(write(other, stem="other")).runs()][:8] == keys
    table = changed('"nsga2"', '{name = "nsga2"}')
    assert [run.key for run in read_study(write(table)).runs()] == keys
    width = changed('subject = "linear-gaussian"', 'subject = {name = "linear-gaussian", channels = 6}')
    assert not {run.key for run in read_study(write(width)).runs()} & set(keys)


def test_the_key_of_a_run_never_moves():
    """Golden: journals and archives of earlier versions are found by it."""
    from moo_fs.plugins import PluginSpec
    from moo_fs.study import RunSpec

    spec = RunSpec(PluginSpec("s"), PluginSpec("m", {"b": 1, "a": [1.5]}), PluginSpec("o"), 3)
    assert spec.key == RunSpec(PluginSpec("s"), PluginSpec("m", {"a": [1.5], "b": 1}), PluginSpec("o"), 3).key
    assert spec.key == "aa848b168686"


def test_options_are_part_of_the_label_and_two_sets_of_them_are_two_columns(write):
    entries = '[{name = "nsga2", population = 20}, {name = "nsga2", population = 40}, "nsga2"]'
    study = read_study(write(changed('["nsga2", "lagrangian"]', entries)))
    labels = [spec.label for spec in study.optimisers]
    assert labels == ["nsga2[population=20]", "nsga2[population=40]", "nsga2"]


def test_a_users_own_plugins_go_by_the_name_they_were_registered_with(write, tmp_path):
    text = changed('["random", "l2-norm"]', '["own.py:decorated", "own.py:plain", "none"]')
    text = text.replace('["nsga2", "lagrangian"]', '[{name = "own.py:Own", batch = 5, weights = [3]}]')
    text = text.replace('"linear-gaussian"', '{name = "own.py:my_subject", width = 8, quantiser = "minmax"}')
    study = read_study(write(text))
    assert [spec.label for spec in study.measures] == ["halves", "plain", "none"]
    assert study.optimisers[0].label == "Own[batch=5,weights=[3]]"
    assert study.subject.name == "my_subject"
    assert study.measures[0].load("measure").name == "halves"
    assert study.measures[2].load("measure") is None
    assert study.optimisers[0].load("optimiser").__name__ == "Own"
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "own.py").write_text(OWN)
    (moved / "tiny.toml").write_text(text)
    registry.measures._entries.pop("halves")
    again = read_study(moved / "tiny.toml")
    assert [run.key for run in again.runs()] == [run.key for run in study.runs()]
    assert again.specification_hash == study.specification_hash


def test_a_study_and_its_runs_survive_pickling(write):
    study = read_study(write())
    assert pickle.loads(pickle.dumps(study)) == study
    assert pickle.loads(pickle.dumps(study.runs())) == study.runs()


BAD = {
    "an unknown key": (changed("seeds", "colour = 1\nseeds"), "unknown key 'grid.colour'"),
    "a misspelt key": (changed("budget = 30", "budgett = 30"), "unknown key 'grid.budgett'; did you mean 'budget'"),
    "an unknown key at the top": ("qestion = 1\n" + GOOD, "unknown key 'qestion'; did you mean 'question'"),
    "a missing key": (changed('question = "Does it matter?"\n', ""), "key 'question' is missing"),
    "a missing key of the grid": (changed("seeds = 2\n", ""), "key 'grid.seeds' is missing"),
    "no grid": (GOOD.partition("[grid]")[0], "table [grid] is missing"),
    "a grid that is no table": (GOOD.partition("[grid]")[0] + "grid = 3\n", "grid: wanted"),
    "a number for a text": (changed('"Does it matter?"', "7"), "question: wanted string, got 7"),
    "an empty question": (changed('"Does it matter?"', '" "'), "question: wanted the question"),
    "text for a number": (changed("budget = 30", 'budget = "many"'), "grid.budget: wanted integer, got 'many'"),
    "a fraction for a whole number": (changed("seeds = 2", "seeds = 2.5"), "grid.seeds: wanted integer, got 2.5"),
    "true for a number": (changed("seeds = 2", "seeds = true"), "grid.seeds: wanted integer, got True"),
    "no seeds": (changed("seeds = 2", "seeds = 0"), "grid.seeds: wanted a whole number from 1 to"),
    "no budget": (changed("budget = 30", "budget = 0"), "grid.budget: wanted a whole number from 1 to 1000000, got 0"),
    "a huge budget": (changed("budget = 30", "budget = 1000001"), "grid.budget: wanted a whole number from 1"),
    "an unknown measure": (changed('"l2-norm"', '"l2norm"'), "no measure 'l2norm'; did you mean 'l2-norm'"),
    "an unknown optimiser": (
        changed('"lagrangian"', '"lagrange"'),
        "no optimiser 'lagrange'; did you mean 'lagrangian'",
    ),
    "an unknown subject": (changed('"linear-gaussian"', '"linear"'), "no subject 'linear'"),
    "none as an optimiser": (changed('"nsga2"', '"none"'), "no optimiser 'none'"),
    "a measure listed twice": (changed('"l2-norm"', '"random"'), "grid.measures: 'random' is listed twice"),
    "a measure listed twice, once as a table": (changed('"l2-norm"', '{name = "random"}'), "'random' is listed twice"),
    "no measures": (changed('["random", "l2-norm"]', "[]"), "grid.measures: wanted at least one entry"),
    "a measure that is a number": (changed('"l2-norm"', "3"), "wanted a name, or a table with a name"),
    "a measure that is no list": (changed('["random", "l2-norm"]', '"random"'), "grid.measures: wanted list"),
    "an entry without a name": (changed('"l2-norm"', "{k = 3}"), "wanted a name, or a table with a name"),
    "an option that is a date": (changed('"nsga2"', '{name = "nsga2", population = 2026-01-01}'), "wanted options"),
    "a bad name": (changed('"tiny"', '"ti ny"'), "name: wanted letters, digits, - and _, got 'ti ny'"),
    "a name that is not the stem": (changed('"tiny"', '"other"'), "name: wanted the file's stem 'tiny', got 'other'"),
    "objectives without rate first": (changed('"rate", "a"', '"a", "rate"'), 'objectives: wanted "rate" first'),
    "only the rate": (changed('["rate", "a", "b"]', '["rate"]'), "objectives: wanted at least one task"),
    "an objective twice": (changed('"a", "b"', '"a", "a"'), "objectives: 'a' is listed twice"),
    "a reference that does not exist": (changed("uniform-2", "uniform-9"), 'reference: wanted "uniform-1" to'),
    "a reference of the wrong length": (changed('"uniform-2"', "[1.0, 1.0]"), "reference: wanted 3 numbers"),
    "a reference that is not positive": (changed('"uniform-2"', "[9.0, 0, 1]"), "reference: wanted"),
    "a reference that is not finite": (changed('"uniform-2"', "[inf, 1, 1]"), "reference: wanted"),
    "an unknown option": (changed('"nsga2"', '{name = "nsga2", populaton = 20}'), "unknown option 'populaton'"),
    "an option of the wrong type": (changed('"nsga2"', '{name = "nsga2", population = "x"}'), "option population:"),
    "an option of no measure": (changed('"l2-norm"', '{name = "none", k = 1}'), "unknown option 'k'; it has none"),
    "a file that is not there": (changed('"l2-norm"', '"gone.py:mine"'), "measure 'gone.py:mine': no file"),
    "a function that is not there": (changed('"l2-norm"', '"own.py:plane"'), "no 'plane' in"),
    "a function's name that is taken": (changed('"l2-norm"', '"own.py:variance"'), "the name 'variance' is taken"),
    "something that cannot be called": (changed('"l2-norm"', '"own.py:number"'), "wanted something callable, got int"),
    "an option of the wrong kind": (changed('"nsga2"', '{name = "own.py:Own", greedy = 1}'), "greedy: wanted bool"),
    "a selection study": (
        GOOD.replace("[grid]", "[selection]"),
        "[selection]: wanted a study with [grid]; use moo-fs run",
    ),
    "a pruning study": (GOOD.replace("[grid]", "[prune]"), "[prune]: wanted a study with [grid]; use moo-fs prune"),
    "no TOML": (changed("seeds = 2", "seeds = = 2"), "(at line 10, column 9)"),
    "a key twice": (changed("seeds = 2", "seeds = 2\nseeds = 3"), "not TOML: "),
    "no UTF-8": (GOOD.encode() + b"# \xff\n", "wanted UTF-8 text, got byte 0xff"),
    "nothing": ("", "key 'name' is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_study_is_refused_in_one_sentence_with_file_key_and_value(case, write):
    text, sentence = BAD[case]
    path = write(text)
    with pytest.raises(MooFsError) as refused:
        read_study(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert sentence in message
    assert "\n" not in message
    assert "Input should" not in message
    assert len(message) < 600


def test_a_folder_or_a_file_that_is_not_there_is_refused(write, tmp_path):
    write()
    with pytest.raises(MooFsError, match="got a folder"):
        read_study(tmp_path)
    with pytest.raises(MooFsError, match=r"no such study file; did you mean 'tiny\.toml'"):
        read_study(tmp_path / "tinny.toml")


def test_a_broken_plugin_file_is_refused(write, tmp_path):
    path = write(changed('"l2-norm"', '"broken.py:mine"'))
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(MooFsError, match=r"tiny\.toml: grid\.measures: .*fails on import"):
        read_study(path)


def test_objectives_must_be_tasks_of_the_subject(write):
    study = read_study(write())
    check_objectives(study, ["a", "b", "c"])
    with pytest.raises(MooFsError, match="subject 'linear-gaussian' has no task 'b'; known are a, depth"):
        check_objectives(study, ["a", "depth"])


def test_options_that_an_optimiser_refuses_are_refused_before_anything_runs(write):
    check_optimisers(read_study(write()), space())
    study = read_study(write(changed('"nsga2"', '{name = "nsga2", population = 0}')))
    with pytest.raises(MooFsError, match=r"tiny\.toml: grid\.optimisers: nsga2\[population=0\]: .*population"):
        check_optimisers(study, space())


def test_an_optimiser_that_cannot_be_made_is_refused_with_file_and_key(write):
    study = read_study(write(changed('"nsga2"', '"own.py:Raises"')))
    with pytest.raises(MooFsError, match=r"tiny\.toml: grid\.optimisers: Raises: cannot be made: KeyError: 'missing'$"):
        check_optimisers(study, space())


@pytest.mark.parametrize("change", [{"budget": 0}, {"seeds": 0}, {"budget": True}, {"budget": 10**6 + 1}])
def test_impossible_changes_are_refused(write, change):
    with pytest.raises(MooFsError, match=rf"{next(iter(change))}: wanted a whole number"):
        read_study(write()).with_changes(**change)


def test_a_larger_budget_or_more_seeds_extend_an_archive_and_nothing_else_does(write):
    study = read_study(write())
    archived = {"specification": study.specification}
    assert difference(study, archived) is None
    assert difference(study.with_changes(budget=60, seeds=5), archived) is None
    assert difference(study.with_changes(budget=20), archived) == "budget is 20, less than the archive's 30"
    other = read_study(write(changed('"l2-norm"', '"l1-norm"')))
    assert difference(other, archived) == "grid.measures differs from the archive's"
    other = read_study(write(changed("uniform-2", "uniform-3")))
    assert difference(other, archived) == "reference differs from the archive's"


def test_a_changed_plugin_file_changes_the_specification_but_not_the_runs_key(write, tmp_path):
    text = changed('"l2-norm"', '"own.py:plain"')
    before = read_study(write(text))
    hashed, keys = before.specification_hash, [run.key for run in before.runs()]
    (tmp_path / "own.py").write_text(OWN + "\n# another\n")
    assert before.specification_hash != hashed
    assert [run.key for run in before.runs()] == keys
