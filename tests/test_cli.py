"""The command line: what it prints, where it writes, and with which status it ends."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import moo_fs
from moo_fs.cli import status_of
from moo_fs.results import load_results

STUDY = """
name = "{name}"
question = "Does the command line work?"
subject = "linear-gaussian"
objectives = ["rate", "a", "b", "c"]

[grid]
measures = ["random", "l2-norm"]
optimisers = ["random", "nsga2", "lagrangian"]
seeds = 2
budget = {budget}
"""


def write_study(folder: Path, *, name: str = "small", budget: int = 40, text: str = STUDY) -> Path:
    path = folder / "studies" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(name=name, budget=budget))
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    path = write_study(folder)
    assert status_of(["run", str(path)]) == 0
    return path


def results_of(path: Path):
    return load_results(path.parent.parent / "results" / path.stem)


def test_every_kind_is_listed_as_json_with_name_and_about(capsys):
    for kind in ("measures", "optimisers", "subjects"):
        assert status_of(["list", kind, "--json"]) == 0
        rows = json.loads(capsys.readouterr().out)
        assert rows
        assert all(row["name"] and row["about"] for row in rows)
    by_name = {row["name"]: row for row in rows}
    assert by_name["fashion-scenes"]["tasks"] == ["segmentation", "depth", "reconstruction"]
    assert by_name["fashion-scenes"]["channels"] == 64


def test_what_the_list_says_of_a_subject_is_what_it_loads_as(monkeypatch):
    from moo_fs import registry
    from moo_fs.loading import load_subject

    monkeypatch.delenv("MOO_FS_DATA", raising=False)
    for row in registry.subjects.rows():
        if "data" in row:  # the user's to name; tests of its own make some
            with pytest.raises(moo_fs.MooFsError, match=f"wanted the folder of {row['data']}; set MOO_FS_DATA"):
                load_subject(row["name"])
            continue
        prepared = load_subject(row["name"])
        assert [task.name for task in prepared.tasks] == row["tasks"]
        assert prepared.channels == row["channels"]


def test_a_study_runs_and_its_results_lie_beside_the_studies_folder(finished):
    results = results_of(finished)
    assert len(results.hypervolumes()) == 12
    assert (results.hypervolumes()["evaluations"] == 40).all()
    assert list(results.baselines["baseline"].unique()) == ["uniform"]


def test_a_cell_that_cannot_depend_on_the_measure_is_the_same_for_each(finished):
    trials = results_of(finished).trials
    cells = trials[trials["optimiser"] == "random"].groupby(["seed", "measure"])["bits"].apply(list).unstack()
    assert (cells["random"] == cells["l2-norm"]).all()
    assert trials[trials["optimiser"] == "random"]["run"].nunique() == 4


def test_a_search_that_does_not_look_at_scores_is_not_charged_for_them(tmp_path):
    path = write_study(
        tmp_path, budget=5, text=STUDY.replace('"random", "l2-norm"', '"taylor"').replace("seeds = 2", "seeds = 1")
    )
    assert status_of(["run", str(path)]) == 0
    charged = results_of(path).hypervolumes().set_index("optimiser")["scoring_evaluations"]
    assert charged["random"] == 0
    assert charged["nsga2"] == charged["lagrangian"] > 0


def test_a_finished_study_returns_at_once_even_without_journals(finished, capsys):
    folder = finished.parent.parent / "results" / "small"
    before = (folder / "study.json").read_bytes()
    for path in (folder / "journals").iterdir():
        path.unlink()
    start = time.monotonic()
    assert status_of(["run", str(finished)]) == 0
    assert time.monotonic() - start < 5
    assert (folder / "study.json").read_bytes() == before


def test_two_workers_find_what_one_finds(finished, tmp_path):
    out = tmp_path / "again"
    assert status_of(["run", str(finished), "--workers", "2", "--out", str(out)]) == 0
    ours, theirs = results_of(finished), load_results(out)
    for name in ("trials", "baselines", "scores"):
        left, right = getattr(ours, name), getattr(theirs, name)
        pd.testing.assert_frame_equal(
            left.drop(columns="seconds", errors="ignore"), right.drop(columns="seconds", errors="ignore")
        )
    pd.testing.assert_frame_equal(ours.fronts().drop(columns="seconds"), theirs.fronts().drop(columns="seconds"))


def test_a_larger_budget_extends_to_what_a_fresh_study_finds(tmp_path):
    path = write_study(tmp_path, budget=25)
    assert status_of(["run", str(path)]) == 0
    assert status_of(["run", str(path), "--budget", "33", "--seeds", "3"]) == 0
    fresh = tmp_path / "fresh"
    assert status_of(["run", str(path), "--budget", "33", "--seeds", "3", "--out", str(fresh)]) == 0
    extended = results_of(path).trials.drop(columns="seconds")
    pd.testing.assert_frame_equal(extended, load_results(fresh).trials.drop(columns="seconds"))


def test_anything_else_that_differs_is_refused_with_what_differs(finished, tmp_path, capsys):
    folder = finished.parent.parent / "results" / "small"
    other = write_study(tmp_path, text=STUDY.replace('"random", "nsga2", "lagrangian"', '"nsga2"'))
    assert status_of(["run", str(other), "--out", str(folder)]) == 2
    assert "grid.optimisers differs" in capsys.readouterr().err


def test_status_counts_runs_and_evaluations(finished, capsys):
    assert status_of(["status", str(finished), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["done"] == 12
    assert found["evaluations"] == 12 * 40


def test_the_report_is_written_and_told_about(finished, capsys):
    assert status_of(["report", str(finished)]) == 0
    out = capsys.readouterr().out
    for name in ("index.md", "fronts.csv", "hypervolume.md", "fronts.png"):
        assert name in out
    assert (finished.parent.parent / "results" / "small" / "report" / "tables" / "hypervolume.tex").is_file()


def test_pick_meets_the_bounds_or_ends_with_status_three(finished, capsys):
    rate = float(results_of(finished).fronts()["rate_kbit_test"].median())
    assert status_of(["pick", str(finished), "--max", f"rate={rate}", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["objectives"]["rate"] <= rate
    assert len(found["bits"]) == 24
    assert status_of(["pick", str(finished), "--max", "a=0.0000001"]) == 3
    assert "nearest" in capsys.readouterr().err
    assert status_of(["pick", str(finished), "--max", "a"]) == 2
    assert status_of(["pick", str(finished), "--max", "zz=1"]) == 2


def test_picked_bits_evaluate_to_what_pick_said(finished, tmp_path, capsys):
    assert status_of(["pick", str(finished), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (tmp_path / "bits.json").write_text(json.dumps(found["bits"]))
    assert status_of(["evaluate", "linear-gaussian", "--bits", str(tmp_path / "bits.json"), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["rate_kbit"] == pytest.approx(found["objectives"]["rate"])
    assert row["a"] == pytest.approx(found["objectives"]["a"])


def test_scores_of_a_users_own_subject_and_measure(tmp_path, capsys):
    (tmp_path / "own.py").write_text(
        f"import sys\nsys.path.insert(0, r'{Path(__file__).parent}')\nfrom tiny import tiny_subject\n"
        "def loudest(batch):\n    return batch.features.amax((0, 2, 3))\n"
    )
    words = [
        "scores",
        f"{tmp_path}/own.py:tiny_subject",
        "--measure",
        f"{tmp_path}/own.py:loudest",
        "--measure",
        "l2-norm",
    ]
    assert status_of([*words, "--json", "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"channel", "task", "loudest", "l2-norm"} == set(found["scores"][0])
    assert len(found["scores"]) == 6 * 3
    assert (tmp_path / "out" / "scores.csv").is_file()


def test_a_study_of_a_users_own_subject_measure_and_optimiser(tmp_path):
    (tmp_path / "own.py").write_text(
        f"""
import sys
sys.path.insert(0, r"{Path(__file__).parent}")
import numpy as np
import moo_fs
from tiny import tiny_subject

@moo_fs.measure("peak-height")
def peak(batch):
    return batch.features.amax((0, 2, 3))

@moo_fs.optimiser("coin-flips")
class CoinFlips:
    "Throws coins."
    def __init__(self, problem, rng):
        self.problem, self.rng = problem, rng
    def ask(self):
        return self.rng.integers(0, 3, (4, self.problem.channels)).astype(np.int8)
    def tell(self, bits, objectives):
        assert objectives.shape == (4, 4)
"""
    )
    text = (
        STUDY.replace("linear-gaussian", "../own.py:tiny_subject")
        .replace('"a", "b", "c"', '"segmentation", "depth", "reconstruction"')
        .replace('"random", "l2-norm"', '"../own.py:peak", "none"')
        .replace('"random", "nsga2", "lagrangian"', '"../own.py:CoinFlips", "nsga2"')
    )
    path = write_study(tmp_path, name="own", budget=10, text=text)
    results = moo_fs.run(path)
    assert set(results.trials["measure"]) == {"peak-height", "none"}
    assert set(results.trials["optimiser"]) == {"coin-flips", "nsga2"}
    assert (results.hypervolumes()["evaluations"] == 10).all()


WRONG = {
    "an unknown command": (["rnu"], "rnu"),
    "a missing study": (["run", "nowhere.toml"], "no such study file"),
    "an unknown kind": (["list", "measure"], "did you mean 'measures'"),
    "an unknown subject": (["scores", "fashion-scene"], "did you mean 'fashion-scenes'"),
    "an unknown measure": (["scores", "linear-gaussian", "--measure", "l2norm"], "did you mean 'l2-norm'"),
    "a missing bits file": (["evaluate", "linear-gaussian", "--bits", "none.json"], "no such file"),
    "an unknown benchmark": (["bench", "engin"], "did you mean 'engine'"),
    "a subject that is not trained": (["train", "linear-gaussian"], "no training"),
    "no training data": (["train", "fashion-scenes"], "name its folder with --data"),
    "an option that is not a number": (["run", "x.toml", "--budget", "many"], "many"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_ends_with_status_two_and_one_sentence(case, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOO_FS_DATA", raising=False)
    words, clause = WRONG[case]
    assert status_of(words) == 2
    err = capsys.readouterr().err
    assert clause in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (("measures = [", 'measures = ["none-such", '), "grid.measures"),
        (('"a", "b", "c"', '"a", "b", "z"'), "no task 'z'"),
        (('"linear-gaussian"', '{{name = "linear-gaussian", channels = 1}}'), "channels"),
        (('"nsga2"', '{{name = "nsga2", population = 0}}'), "population"),
        (("budget = {budget}", "budget = 0"), "budget"),
    ],
)
def test_a_study_that_cannot_run_is_refused_and_nothing_is_written(change, clause, tmp_path, capsys):
    path = write_study(tmp_path, text=STUDY.replace(*change))
    assert status_of(["run", str(path)]) == 2
    err = capsys.readouterr().err
    assert clause in err
    assert err.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_bits_that_are_not_an_allocation_are_refused(tmp_path, capsys):
    for text, clause in (("[1, 2]", "24"), ("{}", "JSON list"), ("[1", "not JSON"), (json.dumps([9] * 24), "0 to 8")):
        (tmp_path / "bits.json").write_text(text)
        assert status_of(["evaluate", "linear-gaussian", "--bits", str(tmp_path / "bits.json")]) == 2
        assert clause in capsys.readouterr().err


def killed_after(words: list[str], journals: Path, *, growth: int) -> bool:
    """Run a command and kill it with SIGKILL once its journals have grown; whether it was still running then."""

    def size() -> int:
        return sum(path.stat().st_size for path in journals.glob("*.log"))

    before = size()
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and size() < before + growth:
        time.sleep(0.01)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def test_a_study_killed_again_and_again_ends_with_the_archive_of_an_undisturbed_one(tmp_path):
    text = STUDY.replace('"random", "nsga2", "lagrangian"', '"random", "nsga2", "tpe", "lagrangian"')
    path = write_study(tmp_path, budget=60, text=text.replace("seeds = 2", "seeds = 1"))
    undisturbed = moo_fs.run(path, out=tmp_path / "undisturbed")
    words = [sys.executable, "-m", "moo_fs", "run", str(path), "--workers", "2", "--out", str(tmp_path / "killed")]
    kills = sum(killed_after(words, tmp_path / "killed" / "journals", growth=8_000) for _ in range(3))
    assert kills == 3
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    results = load_results(tmp_path / "killed")
    pd.testing.assert_frame_equal(results.trials.drop(columns="seconds"), undisturbed.trials.drop(columns="seconds"))
    np.testing.assert_allclose(
        results.hypervolumes()["hypervolume_test"], undisturbed.hypervolumes()["hypervolume_test"], rtol=0, atol=0
    )


def test_an_interrupted_command_says_that_nothing_is_lost(finished, monkeypatch, capsys):
    def interrupted(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("moo_fs.launch.run", interrupted)
    assert status_of(["run", str(finished)]) == 130
    assert "everything evaluated so far is kept" in capsys.readouterr().err
