"""What a study file with [selection] means, and the one sentence that each fault of it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from moo_fs import registry
from moo_fs.contracts import MooFsError
from moo_fs.selection_plan import RIVALS, read_selection
from moo_fs.study import read_study

SHIPPED = sorted(
    path for path in (Path(__file__).parents[1] / "studies").glob("*.toml") if "[selection]" in path.read_text()
)
GOOD = """\
name = "small"
question = "Which order?"
subject = [{name = "linear-gaussian", seed = 0}, {name = "linear-gaussian", seed = 1}]

[selection]
methods = ["hard", "soft"]
measures = ["random", {name = "mutual-information", patch = 4}]
seeds = 2
"""
OWN = "def mine(batch):\n    return batch.features.abs().mean((0, 2, 3))\n"


def write(folder: Path, text: str = GOOD, stem: str = "small") -> Path:
    path = folder / f"{stem}.toml"
    path.write_text(text)
    (folder / "own.py").write_text(OWN)
    (folder / "other.py").write_text(OWN)
    return path


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def with_key(line: str) -> str:
    return GOOD + line + "\n"


def test_a_good_file_names_subjects_measures_and_blocks(tmp_path):
    plan = read_selection(write(tmp_path))
    assert [spec.label for spec in plan.subjects] == ["linear-gaussian[seed=0]", "linear-gaussian[seed=1]"]
    assert [spec.label for spec in plan.measures] == ["random", "mutual-information[patch=4]"]
    assert (plan.name, plan.seeds, plan.settings["methods"]) == ("small", 2, ["hard", "soft"])
    alone = read_selection(write(tmp_path, GOOD.replace(GOOD.splitlines()[2], 'subject = "linear-gaussian"')))
    assert [spec.label for spec in alone.subjects] == ["linear-gaussian"]


def test_every_default_is_written_out_in_the_specification(tmp_path):
    said = read_selection(write(tmp_path)).specification
    assert said["subjects"][1] == {"name": "linear-gaussian", "options": {"seed": 1}}
    assert said["selection"] == {
        "measures": [{"name": "random", "options": {}}, {"name": "mutual-information", "options": {"patch": 4}}],
        "seeds": 2,
        "methods": ["hard", "soft"],
        "task_weights": ["equal"],
        "kept": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        "fills": ["mean"],
        "depth": 8,
        "codecs": ["ans"],
        "bases": [0.1, 0.25, 0.5, 0.75],
        "base_qps": ["lossless"],
        "qps": [22, 27, 32, 37, 42],
        "one_qps": [12, 17, 22, 27, 32, 37, 42, 47],
        "scaling": "tensor",
        "rivals": [],
        "qualities": [5, 10, 20, 35, 50, 70, 85, 95],
        "budget": 300,
    }


def test_a_default_that_is_written_down_changes_nothing_and_shares_are_sorted(tmp_path):
    plain = read_selection(write(tmp_path))
    assert read_selection(write(tmp_path, with_key('fills = ["mean"]'))).specification_hash == plain.specification_hash
    assert read_selection(write(tmp_path, with_key("kept = [1, 0.5]"))).settings["kept"] == [0.5, 1.0]
    assert read_selection(write(tmp_path, with_key(f"rivals = {list(RIVALS)}"))).settings["rivals"] == list(RIVALS)


def test_the_hash_depends_on_what_is_said_and_on_no_path(tmp_path):
    text = changed('"random"', '"own.py:mine"')
    hashes = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        hashes.append(read_selection(write(tmp_path / name, text)).specification_hash)
    assert hashes[0] == hashes[1]
    path = tmp_path / "c"
    path.mkdir()
    write(path, text)
    (path / "own.py").write_text(OWN + "# another file\n")
    assert read_selection(path / "small.toml").specification_hash != hashes[0]
    assert read_selection(write(tmp_path, with_key("depth = 4"))).specification_hash != hashes[0]


def test_more_blocks_are_the_same_study_with_another_number_of_them(tmp_path):
    plan = read_selection(write(tmp_path))
    assert plan.with_seeds(None) is plan
    assert plan.with_seeds(5) == read_selection(write(tmp_path, changed("seeds = 2", "seeds = 5")))
    for wrong in (0, 10_001, 2.5, True):
        with pytest.raises(MooFsError, match=r"^seeds: wanted a whole number from 1 to 10000, got"):
            plan.with_seeds(wrong)


def test_every_codec_that_makes_streams_may_be_named(tmp_path):
    known = [name for name in registry.codecs.names() if name != "entropy"]
    assert {"ans-raw", "hevc-sequence", "jpeg-xl", "jpeg-ls"} < set(known)
    assert read_selection(write(tmp_path, with_key(f"codecs = {known}"))).settings["codecs"] == known


SUBJECT = GOOD.splitlines()[2]
MEASURES = GOOD.splitlines()[6]
BAD = {
    "groups, which are of searched bits": (
        changed(SUBJECT, 'subject = {name = "fashion-scenes", groups = 8}'),
        "subject: groups: of searched bits, but channels are selected one by one",
    ),
    "an unknown key": (changed("seeds = 2", "sedes = 2"), "unknown key 'selection.sedes'; did you mean 'seeds'"),
    "a key of another table": (with_key('optimisers = ["tpe"]'), "unknown key 'selection.optimisers'"),
    "a missing key": (changed("seeds = 2\n", ""), "key 'selection.seeds' is missing"),
    "no table": (GOOD.partition("[selection]")[0], "table [selection] is missing"),
    "a grid besides": (with_key("[grid]"), "has both [grid] and [selection]"),
    "no question": (changed("Which order?", " "), "question: wanted the question"),
    "no subject": (changed(SUBJECT + "\n", ""), "key 'subject' is missing"),
    "an empty list of subjects": (changed(SUBJECT, "subject = []"), "subject: wanted at least one entry"),
    "a subject twice": (changed("seed = 1}", "seed = 0}"), "subject: 'linear-gaussian' is listed twice"),
    "an unknown subject": (changed(SUBJECT, 'subject = "linear-gausian"'), "subject: no subject 'linear-gausian'; did"),
    "an unknown option": (changed("seed = 1", "sed = 1"), "unknown option 'sed'; did you mean 'seed'"),
    "an option of another type": (changed("seed = 1", "seed = 'b'"), "option seed: wanted int like 0, got 'b'"),
    "a subject that is a number": (changed(SUBJECT, "subject = 3"), "subject: wanted a name, or a table"),
    "an unknown measure": (changed('"random"', '"rendom"'), "selection.measures: no measure 'rendom'; did you mean"),
    "no measure at all": (changed('"random"', '"none"'), "'none' gives no order of channels; name a measure"),
    "a measure twice": (changed(MEASURES, 'measures = ["random", "random"]'), "'random' is listed twice; drop one"),
    "two measures of a name": (
        changed(MEASURES, 'measures = ["own.py:mine", "other.py:mine"]'),
        "selection.measures: two entries are called 'mine'; register one under another name",
    ),
    "no measures": (changed(MEASURES, "measures = []"), "selection.measures: wanted at least one entry"),
    "an unknown method": (changed('"hard"', '"herd"'), "selection.methods.0: wanted 'hard' or 'soft', got 'herd'"),
    "a method twice": (changed('"hard"', '"soft"'), "selection.methods: 'soft' is listed twice"),
    "no blocks": (changed("seeds = 2", "seeds = 0"), "selection.seeds: wanted a whole number from 1 to 10000, got 0"),
    "blocks that are text": (changed("seeds = 2", "seeds = 'two'"), "selection.seeds: wanted integer, got 'two'"),
    "a share of nothing": (with_key("kept = [0.0, 1.0]"), "selection.kept: wanted shares of the channels above 0"),
    "a share above all": (
        with_key("bases = [1.5]"),
        "selection.bases: wanted shares of the channels above 0, at most 1, got 1.5",
    ),
    "a share that is no number": (with_key("kept = [nan]"), "at most 1, got nan"),
    "a share twice": (with_key("kept = [0.5, 0.5]"), "selection.kept: '0.5' is listed twice"),
    "no shares": (with_key("kept = []"), "selection.kept: wanted at least one entry"),
    "a QP beyond 51": (
        with_key("qps = [22, 52]"),
        'selection.qps: wanted whole numbers from 0 to 51, or "lossless", got 52',
    ),
    "a QP below 0": (with_key("one_qps = [-1]"), "selection.one_qps: wanted whole numbers from 0 to 51"),
    "a QP that is no whole number": (with_key("qps = [22.5]"), "got 22.5"),
    "a QP that is true": (with_key("base_qps = [true]"), "selection.base_qps: wanted whole numbers from 0 to 51"),
    "a QP that is another word": (with_key('base_qps = ["losless"]'), "got 'losless'"),
    "a QP twice": (with_key('base_qps = ["lossless", "lossless"]'), "selection.base_qps: 'lossless' is listed twice"),
    "an unknown rival": (with_key('rivals = ["kltt"]'), "selection.rivals: wanted some of one-qp, uniform"),
    "a rival twice": (with_key('rivals = ["klt", "klt"]'), "selection.rivals: 'klt' is listed twice"),
    "an unknown fill": (with_key('fills = ["max"]'), "selection.fills.0: wanted 'mean' or 'zero', got 'max'"),
    "an unknown codec": (
        with_key('codecs = ["zip"]'),
        "selection.codecs: wanted codecs that make streams, got 'zip'; known are ans, ans-raw, hevc, hevc-sequence, ",
    ),
    "a codec that only estimates": (with_key('codecs = ["entropy"]'), "codecs that make streams, got 'entropy'"),
    "a codec nearly right": (with_key('codecs = ["hevc-sequenze"]'), "; did you mean 'hevc-sequence'"),
    "a codec twice": (with_key('codecs = ["ans", "ans"]'), "selection.codecs: 'ans' is listed twice"),
    "an unknown scaling": (with_key('scaling = "image"'), "selection.scaling: wanted 'tensor' or 'channel'"),
    "a depth beyond 8": (with_key("depth = 9"), "selection.depth: wanted a whole number from 1 to 8, got 9"),
    "a quality beyond 100": (with_key("qualities = [101]"), "wanted a whole number from 1 to 100, got 101"),
    "no budget": (with_key("budget = 0"), "selection.budget: wanted a whole number from 1"),
    "unknown task weights": (with_key('task_weights = ["all"]'), "selection.task_weights.0: wanted 'equal' or 'each'"),
    "soft selection without its order": (
        with_key('task_weights = ["each"]'),
        "selection.task_weights: wanted \"equal\" among them, whose order soft selection takes, got ['each']",
    ),
    "another name": (changed('"small"', '"other"'), "name: wanted the file's stem 'small', got 'other'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_sentence_with_file_key_and_value(case, tmp_path):
    text, sentence = BAD[case]
    path = write(tmp_path, text)
    with pytest.raises(MooFsError) as refused:
        read_selection(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert sentence in message
    assert "\n" not in message


def test_hard_selection_alone_may_go_without_the_common_order(tmp_path):
    text = with_key('task_weights = ["each"]').replace('"hard", "soft"', '"hard"')
    assert read_selection(write(tmp_path, text)).settings["task_weights"] == ["each"]


def test_what_reads_grids_says_that_it_wants_another_table(tmp_path):
    with pytest.raises(MooFsError, match=r"\[selection\]: wanted a study with \[grid\]; use moo-fs run"):
        read_study(write(tmp_path))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_selection_study_reads_and_asks_a_question(path):
    assert read_selection(path).question.endswith("?")
