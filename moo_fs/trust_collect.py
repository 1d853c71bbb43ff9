"""Measures judged one after the other; each is on the disk before the next begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.archive import STUDY, source_hash, versions
from moo_fs.contracts import Floats, MooFsError
from moo_fs.plugins import PluginSpec
from moo_fs.prepared import Prepared
from moo_fs.registry import Measure
from moo_fs.study import canonical
from moo_fs.trust import Judge, Judged, damages
from moo_fs.trust_archive import ABOUT, COLUMNS, Trust
from moo_fs.whole_files import digest, write_whole

Rows = dict[str, list[dict[str, Any]]]
WORK = "work"
OTHERS = (STUDY, "comparison.json")  # what studies and comparisons leave: their folders are theirs


@dataclass(frozen=True)
class Asked:
    """A measure that is to be judged: what it is called, its options, and what tells it from all others."""

    label: str
    measure: Measure
    options: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: PluginSpec) -> Asked:
        """The measure that a study file, or a command line, names."""
        measure = spec.load("measure")
        if measure is None:
            raise MooFsError(f"measure '{spec.name}': gives no scores, so there is nothing to judge")
        return cls(spec.label, measure, spec.options, spec.specification)


def collect(
    prepared: Prepared,
    measures: Sequence[Asked],
    *,
    subject: str,
    seed: int = 0,
    splits: int = 1,
    folder: Path | None = None,
    on_measure: Callable[[str], None] = lambda name: None,
) -> Trust:
    """Judge measures on a prepared subject; `on_measure` hears each name before it is scored.

    What was judged is kept in `folder`/work, if one is given, and taken from there when the same measure, subject and
    code are asked for again. Raises MooFsError if a measure is asked for twice.
    """
    labels = [one.label for one in measures]
    for label in labels:
        if labels.count(label) > 1:
            raise MooFsError(f"measure '{label}': is asked for twice; drop one")
    judge, tasks = Judge(prepared, seed=seed, splits=splits), [task.name for task in prepared.tasks]
    search, test = prepared.evaluator("search").images, prepared.evaluator("test").images
    context = {"subject": _digest_of(prepared), "seed": seed, "splits": splits, "source": source_hash()}
    found: Rows = {name: [] for name in COLUMNS}
    for one in measures:
        on_measure(one.label)
        path = None
        if folder is not None and one.identity:
            path = folder / WORK / f"{digest(canonical([context, one.identity]).encode())[:16]}.json"
        rows = _known(path)
        if rows is None:
            rows = _rows(judge(one.measure, one.options, label=one.label), tasks, search)
            _keep(path, rows)
        for name, more in rows.items():
            found[name] += more
    on_measure("damage on the test part")
    found["damage"] = [
        {"setting": setting, "task": task, "channel": channel, "damage": float(value)}
        for setting, values in damages(prepared).items()
        for task, column in zip(tasks, values.T, strict=True)
        for channel, value in enumerate(column)
    ]
    about = {
        "subject": subject,
        "seed": seed,
        "splits": splits,
        "tasks": tasks,
        "channels": prepared.channels,
        "images": {"fit": judge.images, "scored": len(judge.drawn), "search": search, "test": test},
        "backend": prepared.backend,
        "versions": versions(),
        "source_hash": source_hash(),
    }
    frames: dict[str, Any] = {name: pd.DataFrame(rows, columns=COLUMNS[name]) for name, rows in found.items()}
    return Trust(about, **frames)


def check_folder(folder: Path) -> None:
    """Raise MooFsError unless `folder` is new, empty, or one that `moo-fs scores` wrote."""
    if folder.exists() and not folder.is_dir():
        raise MooFsError(f"--out {folder}: is a file; wanted a folder")
    held = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if held & set(OTHERS) or (held - {WORK} and ABOUT not in held):
        raise MooFsError(f"--out {folder}: holds something else; wanted a new folder, or one that moo-fs scores wrote")


def _known(path: Path | None) -> Rows | None:
    """Rows that were kept, None if there are none."""
    return None if path is None or not path.is_file() else dict(json.loads(path.read_bytes()))


def _keep(path: Path | None, rows: Rows) -> None:
    if path is not None:
        write_whole(path, json.dumps(rows).encode())


def _rows(one: Judged, tasks: Sequence[str], search_images: int) -> Rows:
    """The rows of one measure in each frame but that of damage."""
    said = [one.refused] if one.refused else one.doubts
    doubts = [{"measure": one.measure, "doubt": doubt, "refused": bool(one.refused)} for doubt in said]
    if one.scores is None:
        return {"doubts": doubts}
    scores = [
        {"measure": one.measure, "task": task, "channel": channel, "score": float(value)}
        for task, column in zip(tasks, one.scores.values.T, strict=True)
        for channel, value in enumerate(column)
    ]
    return {
        "scores": scores,
        "judged": _judged(one, tasks, search_images),
        "details": [
            row for name, detail in one.scores.details.items() for row in _detail(one.measure, name, *detail, tasks)
        ],
        "doubts": doubts,
    }


def _judged(one: Judged, tasks: Sequence[str], search_images: int) -> list[dict[str, Any]]:
    scores = one.scores
    if scores is None:
        return []
    nothing = np.full(len(tasks), np.nan)
    null, spread = (nothing if values is None else values for values in (scores.null, scores.spread))
    return [
        {
            "measure": one.measure,
            "task": task,
            "null": float(null[column]),
            "spread": float(spread[column]),
            "stability": float(one.stability[:, column].mean()),
            "stability_low": float(one.stability[:, column].min()),
            "stability_high": float(one.stability[:, column].max()),
            "moved": one.moved,
            "seconds": scores.seconds,
            "head_passes": float(scores.head_passes),
            "evaluations": float(scores.head_passes) / search_images,
            "megabytes": one.megabytes,
            "samples": scores.samples,
        }
        for column, task in enumerate(tasks)
    ]


def _detail(measure: str, quantity: str, axes: str, values: Floats, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """A row a number; axes that it does not have are empty."""
    names, rows = axes.split(), []
    for index, value in np.ndenumerate(values):
        at = dict(zip(names, index, strict=True))
        rows.append(
            {
                "measure": measure,
                "quantity": quantity,
                "task": tasks[at["task"]] if "task" in at else "",
                "channel": at.get("channel", np.nan),
                "depth": at.get("depth", np.nan),
                "value": float(value),
            }
        )
    return rows


def _digest_of(prepared: Prepared) -> str:
    """What scores and damage depend on: features of the fit part, heads by what they do, the test part."""
    clean = prepared.uniform(1, "test").objectives
    targets = [prepared.source.targets[name].cpu().numpy().tobytes() for name in sorted(prepared.source.targets)]
    return digest(b"".join([prepared.features("fit").numpy().tobytes(), clean.tobytes(), *targets]))
