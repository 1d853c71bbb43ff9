"""Measures judged, in the paper: its numbers are those of the archive, and no digit of that changes unnoticed."""

import numpy as np
import pandas as pd
import pytest
from paper_project import STUDY, copied, declare, generated, write_project

from moo_fs.paper.checking import check_paper
from moo_fs.paper.writing import write_paper
from moo_fs.trust_archive import COLUMNS, Trust, load, save
from moo_fs.trust_report import write_trust_report

TASKS = ("a", "b")
CHANNELS = 12


def judged(rng) -> Trust:
    """Damage at random; a measure that is the damage, mutual information that is half of it, and noise that moves."""
    damage = {setting: rng.random((CHANNELS, 2)) for setting in ("8 bits", "1 bit")}
    scores = {
        "truth": damage["8 bits"],
        "mutual-information": damage["8 bits"] + 0.3 * rng.normal(size=(CHANNELS, 2)),
        "noise": rng.random((CHANNELS, 2)),
    }

    def rows(key, tables, value):
        return pd.DataFrame(
            [
                {key: name, "task": task, "channel": channel, value: table[channel, column]}
                for name, table in tables.items()
                for column, task in enumerate(TASKS)
                for channel in range(CHANNELS)
            ]
        )

    costs = {
        "null": np.nan,
        "spread": np.nan,
        "stability": 0.9,
        "stability_low": 0.9,
        "stability_high": 0.9,
        "seconds": 0.1,
        "head_passes": 8.0,
    }
    whole = {"evaluations": 0.5, "megabytes": 3.0, "samples": 32}
    return Trust(
        about={
            "subject": "made-up",
            "tasks": list(TASKS),
            "channels": CHANNELS,
            "images": {"fit": 64, "scored": 32, "search": 16, "test": 20},
            "backend": "none",
        },
        scores=rows("measure", scores, "score"),
        damage=rows("setting", damage, "damage"),
        judged=pd.DataFrame(
            [
                {"measure": name, "task": task, "moved": 0.4 if name == "noise" else 0.0} | costs | whole
                for name in scores
                for task in TASKS
            ]
        ),
        details=pd.DataFrame([["truth", "pairs", "", np.nan, np.nan, 32.0]], columns=COLUMNS["details"]),
        doubts=pd.DataFrame([{"measure": "noise", "doubt": "made up", "refused": False}]),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = write_project(tmp_path_factory.mktemp("project"), comparison=False)
    save(judged(np.random.default_rng(0)), root / "results/seen")
    write_trust_report(root / "results/seen")
    declare(root, STUDY | {"trust": "seen"}, figures={"trust": "seen"})
    write_paper(root)
    return root


def test_the_papers_numbers_are_those_of_the_archive(root):
    numbers = (root / "paper/generated/numbers.tex").read_text()
    assert r"\newcommand{\TrustMeasures}{3}" in numbers
    assert r"\newcommand{\TrustLeadersEightBits}{truth (1.00), mutual-information" in numbers
    assert r"\newcommand{\TrustPlaceEightBits}{2}" in numbers
    assert r"\newcommand{\TrustMoving}{noise}" in numbers
    assert r"\newcommand{\TrustChance}{noise}" in numbers
    rows = load(root / "results/seen").agreements.set_index(["measure", "setting", "task"])
    assert f"a {rows.loc[('mutual-information', '8 bits', 'a'), 'spearman']:.2f} (" in numbers
    assert {"tables/trust.tex", "figures/trust.pdf"} <= set(generated(root))
    table = (root / "paper/generated/tables/trust.tex").read_text()
    assert "truth" in table
    assert r"\textbf{1.00}" in table


def test_all_of_it_passes_the_check(root):
    assert check_paper(root) == []


@pytest.mark.parametrize("name", ["scores.csv", "damage.csv", "judged.csv", "trust.json"])
def test_a_digit_changed_in_any_file_is_noticed(root, name, tmp_path):
    spoilt = copied(root, tmp_path)
    path = spoilt / "results/seen" / name
    content = path.read_bytes()
    at = next(index for index in range(len(content) // 2, len(content)) if content[index : index + 1].isdigit())
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert any("seen" in fault for fault in check_paper(spoilt))


@pytest.mark.parametrize("name", ["index.md", "tables/trust-8-bits.csv", "tables/doctor.tex"])
def test_an_edited_report_is_noticed(root, name, tmp_path):
    spoilt = copied(root, tmp_path)
    path = spoilt / "results/seen/report" / name
    path.write_text(path.read_text().replace("0", "1", 1))
    assert any(name in fault for fault in check_paper(spoilt))


def test_a_study_in_the_place_of_measures_judged_is_refused(root, tmp_path):
    spoilt = copied(root, tmp_path)
    declare(spoilt, STUDY | {"trust": "one"})
    with pytest.raises(ValueError, match=r"wanted the archive of measures judged in .*one, found another kind"):
        write_paper(spoilt)
