"""What `moo-fs scores` keeps of a subject: scores, damage and how the measures were judged, as CSV with hashes.

Tables and figures of the report come from this alone.
"""

from __future__ import annotations

import io
import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs.agreement import FEWEST, REPLICATES, concordance, rank_correlation, top_quarter
from moo_fs.contracts import Floats, MooFsError
from moo_fs.seeds import stream
from moo_fs.trust import DEPTHS
from moo_fs.whole_files import digest, file_digest, write_together

ABOUT = "trust.json"
COLUMNS = {
    "scores": ["measure", "task", "channel", "score"],
    "damage": ["setting", "task", "channel", "damage"],
    "judged": [
        "measure", "task", "null", "spread", "stability", "stability_low", "stability_high", "moved", "seconds",
        "head_passes", "evaluations", "megabytes", "samples",
    ],
    "details": ["measure", "quantity", "task", "channel", "depth", "value"],
    "doubts": ["measure", "doubt", "refused"],
}  # fmt: skip
COEFFICIENTS = {"spearman": rank_correlation, "kendall": concordance, "top_quarter": top_quarter}


@dataclass(frozen=True)
class Trust:
    """Measures judged on one subject.

    Attributes:
        about: subject, seed, tasks, channels, images of each part, backend, versions; in a folder also file hashes.
        scores: measure, task, channel, score.
        damage: setting ("8 bits", "1 bit": the other channels' depth), task, channel, damage (distortion, test part).
        judged: a row a measure and task: null, spread (NaN without), stability (mean over splits, and its ends); and of
            the whole measure moved, seconds, head_passes, evaluations (head passes in evaluations of the search part),
            megabytes, samples.
        details: measure, quantity, task, channel, depth, value: what measures report; axes that it has not are empty.
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
        words = "agrees with measured damage no better than chance"
        rows = [{"measure": name, "doubt": f"{task}: {words}", "refused": False} for name, task in self.by_chance]
        if self.about["channels"] < FEWEST:
            few = f"only {self.about['channels']} channels, too few for intervals"
            rows += [{"measure": name, "doubt": few, "refused": False} for name in self.measures]
        return pd.concat([self.doubts, pd.DataFrame(rows, columns=COLUMNS["doubts"])], ignore_index=True)

    @cached_property
    def by_chance(self) -> list[tuple[str, str]]:
        """Measure and task of agreements whose interval begins above 0 in no setting, where there are intervals."""
        known = self.agreements.dropna(subset="spearman_low")
        above = (known["spearman_low"] > 0).groupby([known["measure"], known["task"]], sort=False).any()
        return [(str(measure), str(task)) for measure, task in above.index[~above]]

    @property
    def always_by_chance(self) -> list[str]:
        """Measures that agree with damage no better than chance in any task."""
        tasks = pd.Series([measure for measure, _ in self.by_chance], dtype=object).value_counts()
        return [name for name in self.measures if tasks.get(name, 0) == len(self.tasks)]

    def means(self, setting: str) -> pd.Series:
        """Mean rho over tasks with the damage of a setting by measure, best first; those without one last."""
        rows = self.agreements[self.agreements["setting"] == setting]
        means = rows.groupby("measure", sort=False)["spearman"].mean()
        return means.sort_values(ascending=False, kind="stable", na_position="last")

    def ranked(self, setting: str) -> list[str]:
        """Measures in the order of `means`."""
        return [str(name) for name in self.means(setting).index]

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


def save(trust: Trust, folder: Path) -> Trust:
    """Write the folder, trust.json with the files' hashes last; returns what `load` would."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {f"{name}.csv": _csv(getattr(trust, name)) for name in COLUMNS}
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
    frames = {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False, na_values=["nan"]) for name in COLUMNS}
    return Trust(about, **frames, folder=folder)


def _csv(frame: pd.DataFrame) -> bytes:
    text = io.StringIO()
    frame.to_csv(text, index=False, float_format="%.9g", na_rep="nan", lineterminator="\n")
    return text.getvalue().encode()


def _column(frame: pd.DataFrame, key: str, name: str, task: str, value: str) -> Floats:
    mine = frame[(frame[key] == name) & (frame["task"] == task)].sort_values("channel")
    return np.asarray(mine[value], dtype=np.float64)
