"""Measures judged on subjects and by measures that are awkward: nothing is lost, mixed up or said without grounds."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import moo_fs
from moo_fs import MooFsError, plugins
from moo_fs.cli import status_of
from moo_fs.loading import load_subject
from moo_fs.registry import Measure
from moo_fs.tables.trust import short_names, trust_tables
from moo_fs.trust_archive import load, save
from moo_fs.trust_collect import Asked, check_folder, collect
from moo_fs.trust_report import write_trust_report


def subject(channels=3, fit=40, tasks=("first_task", "first_tasks"), side=4):
    """Features are the images' channels, tasks weighted sums of them."""
    draws = torch.Generator().manual_seed(0)
    edge, sizes = nn.Conv2d(3, channels, 1, bias=False), {"fit": fit, "search": 4, "test": 6}
    heads = {}
    with torch.no_grad():
        edge.weight.copy_(torch.randn(edge.weight.shape, generator=draws))
        for at, task in enumerate(tasks):
            heads[task] = nn.Conv2d(channels, 3, 1, bias=False)
            heads[task].weight.copy_(torch.randn(heads[task].weight.shape, generator=draws) / (1 + at))

    def data(part):
        more = torch.Generator().manual_seed(len(part))
        images = torch.rand(sizes[part], 3, side, side, generator=more)
        noise = 0.05 * torch.rand(images.shape, generator=more)
        with torch.no_grad():
            return images, {task: heads[task](edge(images)) + noise for task in tasks}

    parts = [
        moo_fs.Task(task, loss=lambda output, target: (output - target).square().mean((1, 2, 3))) for task in tasks
    ]
    return moo_fs.SplitModel(name="awkward", edge=edge, heads=heads, tasks=parts, data=data)


def asked(text):
    return Asked.of(plugins.parse(text, kind="measure", key="--measure", folder=Path()))


def judged(model, *names, **options):
    return collect(load_subject(model), [asked(name) for name in names], subject="awkward", **options)


def test_a_notebook_judges_functions_and_names_alike():
    def mine(batch):
        return batch.features.abs().amax((0, 2, 3))

    trust = moo_fs.judge(subject(channels=9), [mine, "variance", "mutual-information[pairs=50]"])
    assert trust.measures == ["mine", "variance", "mutual-information[pairs=50]"]
    assert len(trust.agreements) == 3 * 2 * 2


def test_as_many_channels_as_tasks_mix_nothing_up():
    trust = judged(subject(channels=2), "mutual-information", "shapley")
    details = trust.details.set_index(["measure", "quantity"])
    clusters = details.loc[[("mutual-information", "clusters")]]
    assert clusters["task"].tolist() == ["first_task", "first_tasks"]
    assert clusters["channel"].isna().all()
    errors = details.loc[[("shapley", "error")]]
    assert len(errors) == 4
    assert set(errors["channel"]) == {0, 1}


def test_tasks_whose_names_begin_alike_keep_their_own_columns():
    trust = judged(subject(channels=9), "variance", "sensitivity")
    table = trust_tables(trust)["trust"]
    assert len(set(table.header)) == len(table.header)
    wide = trust.agreements.set_index(["measure", "setting", "task"])["spearman"]
    row = next(row for row in table.rows if row[0] == "sensitivity")
    assert row[1:3] == tuple(f"{wide['sensitivity', '8 bits', task]:.2f}".replace("-", "−") for task in trust.tasks)


def test_short_names_tell_tasks_apart():
    assert short_names(["a"]) == {"a": "a"}
    assert short_names(["first_task", "first_tasks"]) == {"first_task": "first_task", "first_tasks": "first_tasks"}
    assert list(short_names(["segmentation_a", "segment"]).values()) == ["segmenta.", "segment"]


def test_the_table_of_distortions_is_kept_whole(tmp_path):
    kept = save(judged(subject(), "distortion-table[images=8]"), tmp_path)
    table = load(tmp_path).details
    assert len(table) == 3 * 9 * 2
    assert set(table["depth"]) == set(range(9))
    assert kept.measures == ["distortion-table[images=8]"]
    assert kept.judged["samples"].tolist() == [8, 8]


def test_a_measure_that_fails_only_on_other_images_keeps_its_scores_and_a_doubt():
    calls = []

    def moody(batch):
        calls.append(len(batch.features))
        if len(calls) > 1:
            raise ZeroDivisionError("no such luck")
        return batch.features.mean((0, 2, 3))

    trust = collect(load_subject(subject()), [Asked("moody", Measure("moody", moody, whole=True))], subject="awkward")
    assert trust.measures == ["moody"]
    assert trust.judged["stability"].isna().all()
    assert trust.doubts["doubt"].str.contains("could not be scored on other images: no such luck").any()
    assert trust.doubts["doubt"].str.contains("could not be scored on channels in other units").any()


def test_a_measure_that_raises_is_refused_by_name_and_spares_the_others():
    def broken(batch):
        return 1 / 0

    measures = [Asked("broken", Measure("broken", broken)), asked("variance")]
    trust = collect(load_subject(subject()), measures, subject="awkward")
    assert trust.measures == ["variance"]
    refused = trust.doubts[trust.doubts["refused"]]
    assert refused["doubt"].tolist() == ["measure 'broken': ZeroDivisionError: division by zero"]


def test_the_other_half_is_scored_under_a_random_stream_of_its_own():
    # Scores that look at no image would agree with themselves: it is their stream that must differ.
    assert (judged(subject(channels=9), "random").judged["stability"].abs() < 1).all()


def test_without_any_doubt_there_is_still_a_report(tmp_path):
    save(judged(subject(channels=9, fit=200), "taylor"), tmp_path)
    assert not load(tmp_path).doubts["refused"].any()
    assert write_trust_report(tmp_path)


def test_halves_need_a_second_half_and_splits_have_a_range():
    few = judged(subject(fit=3), "l2-norm")
    assert few.judged["stability"].isna().all()
    several = judged(subject(channels=9), "variance", splits=3)
    assert (several.judged["stability_low"] <= several.judged["stability"]).all()
    assert (several.judged["stability"] <= several.judged["stability_high"]).all()
    with pytest.raises(MooFsError, match="splits: wanted 1 or more, got 0"):
        judged(subject(), "variance", splits=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_few_channels_have_no_intervals_and_are_told_so(channels, tmp_path):
    trust = judged(subject(channels=channels, tasks=("only",)), "variance", "sensitivity")
    assert trust.agreements["spearman_low"].isna().all()
    assert trust.all_doubts["doubt"].str.contains(f"only {channels} channels").sum() == 2
    assert not trust.by_chance
    save(trust, tmp_path)
    assert write_trust_report(tmp_path)


def test_what_was_judged_is_not_judged_again(tmp_path):
    model, heard = load_subject(subject()), []

    def stop(name):
        heard.append(name)
        if name == "sensitivity":
            raise KeyboardInterrupt

    measures = [asked(name) for name in ("variance", "taylor", "sensitivity")]
    with pytest.raises(KeyboardInterrupt):
        collect(model, measures, subject="awkward", folder=tmp_path, on_measure=stop)
    kept = sorted((tmp_path / "work").iterdir())
    assert len(kept) == 2
    before = [json.loads(path.read_text())["judged"][0]["seconds"] for path in kept]
    check_folder(tmp_path)
    whole = collect(model, measures, subject="awkward", folder=tmp_path)
    assert {*before} <= {*whole.judged["seconds"]}
    other = collect(load_subject(subject(fit=30)), measures, subject="awkward", folder=tmp_path)
    assert not {*before} & {*other.judged["seconds"]}


def test_a_folder_of_something_else_is_refused_before_anything_is_scored(tmp_path, capsys):
    for name in ("study.json", "notes.txt"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).write_text("{}")
        with pytest.raises(MooFsError, match="holds something else"):
            check_folder(folder)
    (tmp_path / "file").write_text("")
    assert status_of(["scores", "linear-gaussian", "--measure", "variance", "--out", str(tmp_path / "file")]) == 2
    assert "is a file; wanted a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sensitivity-1-bit"], "needs depths, but the subject's channels are not quantised"),
        (["variance", "variance"], "measure 'variance': is asked for twice; drop one"),
        (["varience"], "no measure 'varience'; did you mean 'variance'"),
        (["none"], "measure 'none': gives no scores"),
        (["mutual-information[patch=4"], "wanted name[option=value,...]"),
        (["mutual-information[patsh=4]"], "unknown option 'patsh'; did you mean 'patch'"),
    ],
)
def test_measures_that_cannot_be_had_are_refused_in_one_sentence(words, told, capsys):
    options = [part for name in words for part in ("--measure", name)]
    assert status_of(["scores", "linear-gaussian", *options]) == 2
    error = capsys.readouterr().err
    assert told in error.replace("\n", " ")
    assert "Traceback" not in error


def test_a_subject_may_have_options_and_unknown_ones_are_refused(capsys):
    assert status_of(["scores", "linear-gaussian[channels=9]", "--measure", "variance", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["scores"]) == 9 * 3
    assert status_of(["scores", "linear-gaussian[chanels=9]", "--measure", "variance"]) == 2
    assert "unknown option 'chanels'; did you mean 'channels'" in capsys.readouterr().err.replace("\n", " ")


def test_options_of_a_measure_are_part_of_its_name(capsys):
    words = ["--measure", "variance", "--measure", "mutual-information[pairs=100,transform=standard]", "--json"]
    assert status_of(["scores", "linear-gaussian", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["measure"] for row in found["judged"]} == {
        "variance",
        "mutual-information[pairs=100,transform=standard]",
    }
    pairs = [row["value"] for row in found["details"] if row["quantity"] == "pairs"]
    assert pairs == [100]
    assert np.isfinite([row["spearman"] for row in found["damage"]]).all()
