"""Three calls for a notebook: score the channels of a subject, judge measures on it, and evaluate an allocation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import ArrayLike

from moo_fs import scoring
from moo_fs.contracts import MooFsError, bits_array, did_you_mean
from moo_fs.evaluator import Outcome
from moo_fs.loading import Subject, load_measure, load_subject
from moo_fs.plugins import parse
from moo_fs.prepared import Prepared
from moo_fs.registry import as_measure
from moo_fs.score_tables import score_rows
from moo_fs.split import PARTS
from moo_fs.trust_archive import Trust
from moo_fs.trust_collect import Asked, collect


def scores(
    subject: Subject | Prepared, measure: str | Any, *, seed: int = 0, options: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Scores of one measure: columns measure, seed, task, channel, score, null, seconds, head_passes."""
    prepared = subject if isinstance(subject, Prepared) else load_subject(subject)
    record = load_measure(measure) if isinstance(measure, str) else as_measure(measure)
    found = scoring.score(record, prepared.source, seed=seed, options=options or {})
    return score_rows(
        record.name,
        seed,
        [task.name for task in prepared.tasks],
        found.values,
        null=found.null,
        seconds=found.seconds,
        head_passes=found.head_passes,
    )


def judge(
    subject: Subject | Prepared, measures: Sequence[str | Any], *, seed: int = 0, splits: int = 1, name: str = ""
) -> Trust:
    """How far measures can be believed on a subject: what `moo-fs scores` prints, as frames.

    `measures` are names, "name[option=value,...]", "file.py:function" or functions. `.agreements` has a row a measure,
    task and setting, `.judged` stability, cost and null, `.details` what measures report, `.all_doubts` the reasons not
    to believe them; `moo_fs.trust_archive.save` keeps all of it.
    """
    prepared = subject if isinstance(subject, Prepared) else load_subject(subject)
    asked = [_asked(one) for one in measures]
    return collect(prepared, asked, subject=name or prepared.model.name, seed=seed, splits=splits)


def _asked(measure: str | Any) -> Asked:
    if isinstance(measure, str):
        return Asked.of(parse(measure, kind="measure", key="measures", folder=Path()))
    record = as_measure(measure)
    return Asked(record.name, record)


def evaluate(subject: Subject | Prepared, bits: ArrayLike, part: str = "test") -> pd.DataFrame:
    """Rates, distortions and metrics of allocations (channel,) or (allocation, channel) on a part, a row each.

    Columns: rate_kbit, one per task (its distortion), <task>_<metric> in natural units, and coded_bytes: mean bytes
    per image of the streams of codec `ans` (not for analytic subjects).
    """
    if part not in PARTS:
        raise MooFsError(f"no part '{part}'{did_you_mean(part, PARTS)}")
    prepared = subject if isinstance(subject, Prepared) else load_subject(subject)
    rows = bits_array(bits, channels=prepared.channels)
    return pd.DataFrame([outcome_row(prepared.evaluator(part).outcome(row, metrics=True)) for row in rows])


def outcome_row(outcome: Outcome) -> dict[str, float]:
    """Rate, distortions, metrics and, where there are symbols to code, coded bytes as one flat row."""
    coded = {} if math.isnan(outcome.coded_bytes) else {"coded_bytes": outcome.coded_bytes}
    return {"rate_kbit": outcome.rate_kbit} | outcome.distortions | outcome.metrics | coded
