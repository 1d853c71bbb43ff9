"""What the commands say of a comparison."""

from __future__ import annotations

import json

import pytest
from small_comparison import OWN_MEASURES, changed, write

from moo_fs import cli
from moo_fs.comparison import load_comparison


def test_other_commands_cope_with_a_comparison(here, capsys):
    assert cli.status_of(["list", "studies"]) == 0
    assert cli.status_of(["status", "studies/small.toml"]) == 0
    assert cli.status_of(["run", "studies/small.toml"]) == 2
    assert cli.status_of(["pick", "studies/small.toml"]) == 2
    said = capsys.readouterr()
    assert "Which measure?" in said.out
    assert "small-network-1: 9 done, 0 running" in said.out
    assert "use moo-fs compare studies/small.toml" in said.err
    assert "name one's folder with --out" in said.err


def test_the_status_of_a_comparison_is_a_list_even_of_one_network(here, capsys):
    write(here, changed("networks = {seed = [0, 1]}\n", ""))
    assert cli.status_of(["status", "studies/small.toml", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == ["small-network-0"]


@pytest.fixture
def reported(monkeypatch):
    """Where a report would be written, which takes its time and is tested elsewhere."""
    folders = []
    monkeypatch.setattr(
        "moo_fs.comparison_report.write_comparison_report",
        lambda folder: folders.append(folder.resolve()) or [folder / "report" / "index.md"],
    )
    return folders


def test_compare_prints_a_ranking_of_every_way(here, reported, capsys):
    assert cli.status_of(["compare", "studies/small.toml", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said["ways"]) == ["sweep", "rank-sweep", "nsga2"]
    assert said["report"].endswith("index.md")
    assert reported == [here / "results" / "small"]
    summary = load_comparison(said["folder"]).summary
    for way, ranking in said["ways"].items():
        assert [row["mean_rank"] for row in ranking] == sorted(row["mean_rank"] for row in ranking)
        for row in ranking:
            mine = summary[(summary["optimiser"] == way) & (summary["measure"] == row["measure"])]
            assert row["corner_test"] == pytest.approx(mine["corner_test"].median())
            assert row["scoring_seconds"] == pytest.approx(mine["scoring_seconds"].median())
            assert row["head_passes"] == 0
            assert row.get("p_holm") is None  # two pairs are not enough for a test
            assert ("median_difference" in row) == (row["measure"] != "random")


def test_compare_with_an_own_measure_names_it_and_where_the_report_lies(placed, reported, capsys, monkeypatch):
    monkeypatch.chdir(placed[0])
    assert (
        cli.status_of(["compare", "studies/small.toml", "--measure", OWN_MEASURES[0], "--measure", OWN_MEASURES[1]])
        == 0
    )
    said = capsys.readouterr().out
    assert said.count("peak (own)") == 3
    assert "random (null)" in said
    assert "fewer than 12, so no test" in said
    own = placed[0] / "results" / "small-own"
    assert f"comparison: {own}" in said
    assert cli.status_of(["report", "studies/small.toml", "--out", "results/small-own"]) == 0
    assert reported == [own] * 2
    assert cli.status_of(["compare", "studies/small.toml", "--measure", "own.py:peek"]) == 2
