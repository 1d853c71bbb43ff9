"""What `moo-fs scores` keeps of a subject: scores, damage and how the measures were judged, as CSV with hashes.

Tables and figures of the report come from this alone.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.agreement import REPLICATES, concordance, rank_correlation, top_quarter
from moo_fs.archive import source_hash, versions
from moo_fs.contracts import Floats, MooFsError
from moo_fs.numerals import correlation
from moo_fs.prepared import Prepared
from moo_fs.registry import Measure
from moo_fs.seeds import stream
from moo_fs.trust import DEPTHS, Judge, Judged, damages
from moo_fs.whole_files import digest, file_digest, write_together

ABOUT = "trust.json"
FRAMES = ("scores", "damage", "judged", "details", "doubts")
COEFFICIENTS = {"spearman": rank_correlation, "kendall": concordance, "top_quarter": top_quarter}


@dataclass(frozen=True)
class Trust:
    """Measures judged on one subject.

    Attributes:
        about: subject, seed, tasks, channels, images of each part, backend, versions; in a folder also file hashes.
        scores: measure, task, channel, score.
        damage: setting ("8 bits", "1 bit": the other channels' depth), task, channel, damage (distortion, test part).
        judged: a row a measure and task: null, spread (NaN without), stability; and of the whole measure moved,
            seconds, head_passes, evaluations (head passes in evaluations of the search part), megabytes, samples.
        details: measure, task ("" for all), quantity, value: the median over channels where it has channels.
        doubts: measure, doubt (a sentence); of a measure that cannot be computed here, why, with `refused` True.
        folder: where it was read from.
    """

    about: dict[str, Any]
    scores: pd.DataFrame
    damage: pd.DataFrame
    judged: pd.DataFrame
    details: pd.DataFrame
    doubts: pd.DataFrame
    folder: Path = Path()

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return list(self.about["tasks"])

    @property
    def measures(self) -> list[str]:
        """Names of the measures that could be computed, as they were asked for."""
        return list(dict.fromkeys(self.judged["measure"]))

    @property
    def files(self) -> dict[str, str]:
        """Name of each file in the folder -> its SHA-256."""
        return dict(self.about.get("files", {}))

    @cached_property
    def agreements(self) -> pd.DataFrame:
        """Agreement of scores with damage, a row a measure, task and setting: coefficients with `_low` and `_high`.

        Spearman's rho, Kendall's tau-b and the share of the top quarter, 95 % intervals over resampled channels.
        """
        keys = itertools.product(self.measures, self.tasks, DEPTHS)
        return pd.DataFrame([self._agreement(*key) for key in keys])

    @cached_property
    def all_doubts(self) -> pd.DataFrame:
        """`doubts`, and one for each measure and task whose agreement with damage is not told apart from chance."""
        rows = []
        for (measure, task), group in self.agreements.groupby(["measure", "task"], sort=False):
            if not (group["spearman_low"] > 0).any():
                low, high = correlation(group["spearman_low"].min()), correlation(group["spearman_high"].max())
                doubt = f"{task}: agrees with measured damage no better than chance (rho {low} to {high})"
                rows.append({"measure": measure, "doubt": doubt, "refused": False})
        return pd.concat([self.doubts, pd.DataFrame(rows, columns=self.doubts.columns)], ignore_index=True)

    def ranked(self, setting: str) -> list[str]:
        """Measures by their mean rho over tasks with the damage of a setting, best first; those without one last."""
        rows = self.agreements[self.agreements["setting"] == setting]
        means = rows.groupby("measure", sort=False)["spearman"].mean()
        return [str(name) for name in means.sort_values(ascending=False, kind="stable", na_position="last").index]

    def _agreement(self, measure: str, task: str, setting: str) -> dict[str, Any]:
        scores = _column(self.scores, "measure", measure, task, "score")
        damage = _column(self.damage, "setting", setting, task, "damage")
        row: dict[str, Any] = {"measure": measure, "task": task, "setting": setting}
        for coefficient, of in COEFFICIENTS.items():
            rng = stream(0, "trust", coefficient, setting)  # the same channels drawn for every measure
            names = (coefficient, f"{coefficient}_low", f"{coefficient}_high")
            row |= dict(zip(names, of(scores, damage, rng, REPLICATES), strict=True))
        return row

    @property
    def archive_hash(self) -> str:
        """SHA-256 of all that the folder holds."""
        return digest(json.dumps(self.about, sort_keys=True).encode())


def collect(
    prepared: Prepared,
    measures: Sequence[Measure],
    *,
    subject: str,
    seed: int = 0,
    on_measure: Callable[[str], None] = lambda name: None,
) -> Trust:
    """Judge `measures` on a prepared subject; `on_measure` hears each name before it is scored."""
    judge, found = Judge(prepared, seed=seed), []
    for measure in measures:
        on_measure(measure.name)
        found.append(judge(measure))
    on_measure("damage on the test part")
    tasks = [task.name for task in prepared.tasks]
    scored = [(one.measure, one.scores.values) for one in found if one.scores is not None]
    search, test = prepared.evaluator("search").images, prepared.evaluator("test").images
    about = {
        "subject": subject,
        "seed": seed,
        "tasks": tasks,
        "channels": prepared.channels,
        "images": {"scored": len(judge.drawn), "other half": len(judge.rest), "search": search, "test": test},
        "backend": prepared.backend,
        "versions": versions(),
        "source_hash": source_hash(),
    }
    damage = [("setting", name, values) for name, values in damages(prepared).items()]
    return Trust(
        about,
        scores=_long([("measure", name, values) for name, values in scored], tasks, "score"),
        damage=_long(damage, tasks, "damage"),
        judged=pd.DataFrame([row for one in found for row in _judged(one, tasks, search)]),
        details=pd.DataFrame(
            [row for one in found for row in _details(one, tasks)], columns=["measure", "task", "quantity", "value"]
        ),
        doubts=pd.DataFrame(
            [
                {"measure": one.measure, "doubt": doubt, "refused": bool(one.refused)}
                for one in found
                for doubt in ([one.refused] if one.refused else one.doubts)
            ],
            columns=["measure", "doubt", "refused"],
        ),
    )


def save(trust: Trust, folder: Path) -> Trust:
    """Write the folder, trust.json with the files' hashes last; returns what `load` would."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {f"{name}.csv": _csv(getattr(trust, name)) for name in FRAMES}
    about = trust.about | {"files": {name: digest(content) for name, content in sorted(contents.items())}}
    contents[ABOUT] = (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode()
    write_together({folder / name: content for name, content in contents.items()})
    return load(folder)


def faults_of(folder: Path) -> list[str]:
    """Files that differ from their hashes, a sentence each; raises MooFsError if trust.json cannot be read."""
    try:
        files = json.loads((folder / ABOUT).read_bytes())["files"]
        return [
            f"{folder / name}: differs from its hash in {ABOUT}; run `moo-fs scores` again"
            for name, known in files.items()
            if not (folder / name).is_file() or file_digest(folder / name) != known
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MooFsError(f"{folder}: wanted what `moo-fs scores SUBJECT --out` writes, got {error!r}") from error


def load(folder: Path) -> Trust:
    """What `save` wrote. Raises MooFsError if the folder does not hold it, or a file differs from its hash."""
    faults = faults_of(folder)
    if faults:
        raise MooFsError(faults[0])
    about = json.loads((folder / ABOUT).read_bytes())
    frames = {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["nan"]) for name in FRAMES}
    return Trust(about, **frames, folder=folder)


def _csv(frame: pd.DataFrame) -> bytes:
    text = io.StringIO()
    frame.to_csv(text, index=False, float_format="%.9g", na_rep="nan", lineterminator="\n")
    return text.getvalue().encode()


def _column(frame: pd.DataFrame, key: str, name: str, task: str, value: str) -> Floats:
    mine = frame[(frame[key] == name) & (frame["task"] == task)].sort_values("channel")
    return np.asarray(mine[value], dtype=np.float64)


def _long(tables: list[tuple[str, str, Floats]], tasks: Sequence[str], value: str) -> pd.DataFrame:
    """Tables (channel, task), each with a key and a name, as rows."""
    return pd.DataFrame(
        [
            {key: name, "task": task, "channel": channel, value: number}
            for key, name, values in tables
            for task, column in zip(tasks, values.T, strict=True)
            for channel, number in enumerate(column)
        ]
    )


def _judged(one: Judged, tasks: Sequence[str], search_images: int) -> list[dict[str, Any]]:
    scores = one.scores
    if scores is None:
        return []
    return [
        {
            "measure": one.measure,
            "task": task,
            "null": np.nan if scores.null is None else scores.null[column],
            "spread": np.nan if scores.spread is None else scores.spread[column],
            "stability": one.stability[column],
            "moved": one.moved,
            "seconds": scores.seconds,
            "head_passes": scores.head_passes,
            "evaluations": scores.head_passes / search_images,
            "megabytes": one.megabytes,
            "samples": scores.samples,
        }
        for column, task in enumerate(tasks)
    ]


def _details(one: Judged, tasks: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    if one.scores is None:
        return rows
    channels = len(one.scores.values)
    for quantity, raw in one.scores.details.items():
        values = np.asarray(raw, dtype=np.float64)
        if values.ndim and values.shape[0] == channels:
            values = np.median(values, axis=0)
        if values.ndim == 0:
            rows.append({"measure": one.measure, "task": "", "quantity": quantity, "value": float(values)})
        elif values.shape == (len(tasks),):
            rows += [
                {"measure": one.measure, "task": task, "quantity": quantity, "value": float(value)}
                for task, value in zip(tasks, values, strict=True)
            ]
    return rows
