"""The paper follows from results/ alone, and its check notices one digit or one bit that does not."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest
from paper_project import MAIN, copied, declare, generated, write_project

from moo_fs import cli
from moo_fs.paper import check_paper, checking, write_paper
from moo_fs.paper.archives import NOT_KEPT, Archives
from moo_fs.paper.writing import places_of

PROJECT = Path(__file__).parents[1]
TEXTS = ["numbers.tex", "compare.tex"] + [
    f"tables/{name}.{ending}"
    for name in ("subjects", "hypervolume", "corner", "costs-scoring", "costs-searching", "compare", "contrasts")
    for ending in ("tex", "csv")
]
DATA = [
    "one/trials.parquet", "one/fronts.parquet", "one/baselines.parquet", "one/scores.parquet", "one/summary.csv",
    "other/trials.parquet", "pairs/network-0/trials.parquet", "pairs/network-1/summary.csv",
]  # fmt: skip
DESCRIPTIONS = [
    ("one/study.json", "other/study.json", "pairs/comparison.json"),
    ("one/study.json", "other/study.json", "pairs/network-1/study.json"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small project and its paper: two studies and a comparison; not to be changed."""
    root = write_project(tmp_path_factory.mktemp("paper"))
    write_paper(root)
    return root


@pytest.fixture(scope="module")
def made_light(tmp_path_factory):
    """The same without the comparison, which is quicker to check."""
    root = write_project(tmp_path_factory.mktemp("light"), comparison=False)
    write_paper(root)
    return root


@pytest.fixture
def root(made, tmp_path):
    """A copy to be spoilt."""
    return copied(made, tmp_path)


@pytest.fixture
def light(made_light, tmp_path):
    """A light copy to be spoilt."""
    return copied(made_light, tmp_path)


def flip(path, place):
    """Flip one bit at this share of a file."""
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def archive_faults(root):
    """Faults of the archives alone."""
    places = places_of(root)
    recorded = json.loads((places.generated / "hashes.json").read_text())["archives"]
    return checking._archives_checked(places.declared(), Archives(places.results), recorded)[0]


def test_a_paper_made_from_results_passes_its_check(made):
    assert check_paper(made) == []
    assert {*TEXTS, "hashes.json"} <= set(generated(made))


def test_the_same_results_give_the_same_bytes_and_what_is_not_made_any_more_is_removed(light):
    before = {name: path.read_bytes() for name, path in generated(light).items()}
    (light / "paper/generated/numbers.tex").unlink()
    (light / "paper/generated/tables/old.tex").write_text("old")
    write_paper(light)
    assert {name: path.read_bytes() for name, path in generated(light).items()} == before


def test_one_digit_edited_by_hand_is_noticed_in_every_generated_text(root):
    for place, name in enumerate(TEXTS):
        path = root / "paper/generated" / name
        text = path.read_text()
        digit = list(re.finditer(r"\d", text))[-(place % 2)]
        path.write_text(text[: digit.start()] + str((int(digit[0]) + 1) % 10) + text[digit.end() :])
    faults = check_paper(root)
    for name in TEXTS:
        assert any(f"/{name}: was edited by hand" in fault for fault in faults), name
        assert any(f"/{name}: differs from what the archives give" in fault for fault in faults), name


def test_an_edit_that_also_mends_the_hash_is_noticed_by_recomputation(light):
    path, hashes = light / "paper/generated/tables/hypervolume.csv", light / "paper/generated/hashes.json"
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text().replace("0.", "1.", 1))
    hashes.write_text(hashes.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))
    assert any("hypervolume.csv: differs from what the archives give" in fault for fault in check_paper(light))


@pytest.mark.parametrize("place", [0.02, 0.5, 0.98])
def test_one_bit_flipped_in_any_file_of_an_archive_is_noticed(root, place):
    for name in DATA:
        flip(root / "results" / name, place)
    faults = archive_faults(root)
    for name in DATA:
        assert any(f"results/{name}: differs from its hash" in fault for fault in faults), name


@pytest.mark.parametrize("place", [0.001, 0.4, 0.99])
@pytest.mark.parametrize("names", DESCRIPTIONS)
def test_one_bit_flipped_in_what_an_archive_says_of_itself_is_noticed(root, names, place):
    for name in names:
        flip(root / "results" / name, place)
    faults = archive_faults(root)
    for name in names:
        assert any(f"results/{name.split('/')[0]}" in fault for fault in faults), name


def test_a_quality_that_only_study_json_holds_is_noticed_in_every_archive_on_record(light):
    path = light / "results/other/study.json"
    path.write_text(path.read_text().replace('"miou": 0.7', '"miou": 0.99'))
    assert any("results/other: is not the archive that the paper was made from" in one for one in archive_faults(light))


def test_an_archive_that_nothing_names_is_a_fault_unless_a_repository_does_not_keep_it(light):
    shutil.copytree(light / "results/other", light / "results/quickstart")
    shutil.copytree(light / "results/other", light / "results/pairs-own")
    assert archive_faults(light) == []
    shutil.copytree(light / "results/other", light / "results/more")
    faults = archive_faults(light)
    assert len(faults) == 1
    assert "results/more: paper/paper.toml does not name it" in faults[0]
    ignored = (PROJECT / ".gitignore").read_text().splitlines()
    assert {f"results/{name}/" for name in NOT_KEPT} <= set(ignored)


def test_every_fault_is_listed_and_none_twice(light):
    for name in ("numbers.tex", "tables/corner.csv"):
        (light / "paper/generated" / name).write_text("")
    (light / "paper/generated/stray.tex").write_text("stray")
    (light / "paper/generated/tables/subjects.csv").unlink()
    (light / "results/other/trials.parquet").unlink()
    faults = check_paper(light)
    for name in ("numbers.tex", "tables/corner.csv", "stray.tex", "tables/subjects.csv", "other/trials.parquet"):
        assert any(name in fault for fault in faults), name
    assert len(faults) == len(set(faults))


def test_hashes_that_no_longer_fit_are_noticed(light):
    hashes = light / "paper/generated/hashes.json"
    content = json.loads(hashes.read_text())
    content["generated"]["tables/corner.tex"]["from"]["one"] = "0" * 64
    content["archives"]["other"] = "0" * 64
    hashes.write_text(json.dumps(content))
    faults = check_paper(light)
    assert any("tables/corner.tex" in fault for fault in faults)
    assert any("results/other: is not the archive that the paper was made from" in fault for fault in faults)
    hashes.write_text("{}")
    assert "is missing or not what" in check_paper(light)[0]


def test_a_summary_that_its_trials_do_not_give_is_noticed_whatever_its_hashes_say(light):
    folder = light / "results/one"
    summary, study = folder / "summary.csv", folder / "study.json"
    header, first, rest = summary.read_text().split("\n", 2)
    cells = first.split(",")
    cells[header.split(",").index("hypervolume_test")] = "0.9"
    before = hashlib.sha256(summary.read_bytes()).hexdigest()
    summary.write_text("\n".join([header, ",".join(cells), rest]))
    study.write_text(study.read_text().replace(before, hashlib.sha256(summary.read_bytes()).hexdigest()))
    write_paper(declare(light, {"costs": "one"}))
    assert any("hypervolume_test in summary.csv differs from its recomputation" in one for one in archive_faults(light))


def test_figures_are_compared_by_their_data_and_their_file_by_its_hash(root):
    write_paper(declare(root, {}, figures={"agreement": "one", "comparison": "pairs"}))
    assert set(generated(root)) == {"hashes.json", "numbers.tex", "figures/agreement.pdf", "figures/comparison.pdf"}
    hashes = json.loads((root / "paper/generated/hashes.json").read_text())
    assert hashes["archives"]["one"].encode() in generated(root)["figures/agreement.pdf"].read_bytes()
    assert check_paper(root) == []
    hashes["generated"]["figures/agreement.pdf"]["data"] = "0" * 64
    (root / "paper/generated/hashes.json").write_text(json.dumps(hashes))
    generated(root)["figures/comparison.pdf"].write_bytes(b"%PDF")
    faults = check_paper(root)
    assert [fault for fault in faults if "figures/agreement.pdf' is not what the archives give" in fault]
    assert [fault for fault in faults if "comparison.pdf: was edited by hand" in fault]


def test_a_source_that_is_not_named_leaves_its_part_out(light):
    write_paper(declare(light, {"costs": "one"}))
    macros = generated(light)["numbers.tex"].read_text()
    assert "HasCosts" in macros
    assert "HasSubjects" not in macros
    assert {name for name in generated(light) if name.startswith("tables/")} == {
        f"tables/costs-{what}.{ending}" for what in ("scoring", "searching") for ending in ("tex", "csv")
    }


def test_the_command_tells_faults_line_by_line_and_ends_with_status_1(light, monkeypatch, capsys):
    monkeypatch.chdir(light)
    (light / "paper/main.tex").write_text(MAIN % "and 0.719")
    assert cli.status_of(["paper", "--check"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "main.tex, line 6: '0.719' is typed by hand" in lines[0]
    assert lines[1:] == ["1 faults"]
    (light / "paper/main.tex").write_text(MAIN % "")
    assert cli.status_of(["paper"]) == 0
    assert cli.status_of(["paper", "--check"]) == 0
    assert "are what their hashes and results/ say" in capsys.readouterr().out
