"""What one piece of a selection study computes and leaves on disk: rows of points, on the test part of one subject."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from moo_fs import launch, scoring
from moo_fs.contracts import Bits, Floats
from moo_fs.fronts import non_dominated
from moo_fs.plugins import NO_MEASURE, PluginSpec
from moo_fs.prepared import Prepared
from moo_fs.results import allocations, values_of
from moo_fs.score_tables import score_rows
from moo_fs.selection_archive import NONE, NOTHING, UNCOMPRESSED
from moo_fs.selection_plan import EACH, EQUAL, Selection
from moo_fs.senders import mosaics, pictures, whole
from moo_fs.senders.hard import hard, order_of
from moo_fs.senders.points import Point, evaluator, sized
from moo_fs.study import Study
from moo_fs.whole_files import write_whole

ROWS, SCORES, SECONDS = "rows.parquet", "scores.parquet", "seconds.json"
SEARCH = "lagrangian"  # needs no scores, and is the best of the optimisers measured at a small budget
POINTS = 24  # of a searched front, spread over it
ENDS = "ends"


@dataclass(frozen=True)
class Piece:
    """Part of a study that is computed, and kept, as a whole: a measure in a block, or what needs no scores."""

    subject: PluginSpec
    measure: PluginSpec | None = None
    seed: int = 0
    rival: str = ENDS

    @property
    def title(self) -> str:
        """What the piece is called in progress and errors."""
        what = self.rival if self.measure is None else f"{self.measure.label}, block {self.seed}"
        return f"{self.subject.label}: {what}"


@dataclass(frozen=True)
class Found:
    """A piece's points, the seconds that they took, and its scores if it has a measure."""

    rows: pd.DataFrame
    seconds: float
    scores: pd.DataFrame | None = None

    def keep(self, place: Path) -> None:
        """Write everything into a folder, rows last: where there are rows the piece is whole."""
        write_whole(place / SECONDS, json.dumps({"seconds": self.seconds}).encode())
        if self.scores is not None:
            write_whole(place / SCORES, _parquet(self.scores))
        write_whole(place / ROWS, _parquet(self.rows))

    @staticmethod
    def kept(place: Path) -> Found:
        """What `keep` has written."""
        scores = place / SCORES
        seconds = json.loads((place / SECONDS).read_bytes())["seconds"]
        return Found(pd.read_parquet(place / ROWS), seconds, pd.read_parquet(scores) if scores.is_file() else None)


def pieces_of(plan: Selection) -> list[Piece]:
    """All pieces, a subject after the other, block after block: what is done first can be compared first."""
    found = []
    for subject in plan.subjects:
        found += [Piece(subject, rival=rival) for rival in (ENDS, *plan.settings["rivals"])]
        found += [Piece(subject, measure, seed) for seed in range(plan.seeds) for measure in plan.measures]
    return found


def compute(piece: Piece, plan: Selection, prepared: Prepared, folder: Path) -> Found:
    """The rows of a piece; a searched allocation keeps its journals under `folder`."""
    began, task_names = time.perf_counter(), [task.name for task in prepared.tasks]
    if piece.measure is None:
        rows = _rows(_rival(piece, plan, prepared, folder), NONE, task_names)
        return Found(rows, time.perf_counter() - began)
    scores = scoring.score(
        piece.measure.load("measure"), prepared.source, seed=piece.seed, options=piece.measure.options
    )
    told: dict[str, Any] = {"null": scores.null, "seconds": scores.seconds, "head_passes": scores.head_passes}
    frames = []
    for name, weights in _weights(plan.settings["task_weights"], task_names):
        order = order_of(scores.values, weights)
        points = _sent(order, plan.settings, prepared, equal=name == EQUAL)
        frames.append(_rows(points, name, task_names if name == EQUAL else [name]))
    table = score_rows(piece.measure.label, piece.seed, task_names, scores.values, **told)
    return Found(pd.concat(frames, ignore_index=True), time.perf_counter() - began, table)


def _weights(kinds: Sequence[str], tasks: Sequence[str]) -> Iterator[tuple[str, Floats]]:
    """Names of orders and their task weights (task,): all alike, and each task alone."""
    for kind in kinds:
        if kind == EQUAL:
            yield EQUAL, np.full(len(tasks), 1.0 / len(tasks))
        if kind == EACH:
            yield from zip(tasks, np.eye(len(tasks)), strict=True)


def _sent(order: Any, settings: dict[str, Any], prepared: Prepared, *, equal: bool) -> Iterator[Point]:
    """Points of an order. A task's own order is cut with the first fill only, and never coded in two streams."""
    if "hard" in settings["methods"]:
        chosen = {name: settings[name] for name in ("kept", "depth", "codecs")}
        fills = settings["fills"] if equal else settings["fills"][:1]
        yield from hard(prepared, "test", order, fills=fills, **chosen)
    if "soft" in settings["methods"] and equal:
        chosen = {name: settings[name] for name in ("bases", "base_qps", "qps", "scaling")}
        yield from mosaics.soft(prepared, "test", order, **chosen)


def _rival(piece: Piece, plan: Selection, prepared: Prepared, folder: Path) -> Iterator[Point]:
    settings = plan.settings
    made: dict[str, Any] = {
        ENDS: lambda: _ends(prepared),
        "one-qp": lambda: mosaics.one_qp(prepared, "test", qps=settings["one_qps"], scaling=settings["scaling"]),
        "uniform": lambda: whole.uniform(prepared, "test"),
        "uniform-step": lambda: whole.uniform_steps(prepared, "test"),
        "klt": lambda: whole.klt(prepared, "test"),
        "allocation": lambda: whole.allocations(prepared, "test", _searched(piece.subject, plan, prepared, folder)),
        "jpeg": lambda: pictures.jpeg(prepared, "test", qualities=settings["qualities"]),
        "hevc": lambda: pictures.hevc(prepared, "test", qps=settings["one_qps"]),
    }
    yield from made[piece.rival]()


def _ends(prepared: Prepared) -> Iterator[Point]:
    """The two ends of the distortion's scale: the network as it is, and with nothing sent."""
    measured = evaluator(prepared, "test")
    whole_maps = prepared.features("test").numpy()
    yield Point({"method": UNCOMPRESSED}, measured.received(whole_maps, rate_kbit=np.nan, coded_bytes=np.nan))
    nothing = measured.outcome(np.zeros(prepared.channels, np.int8), metrics=True)
    yield sized({"method": NOTHING, "kept": 0, "codec": "ans"}, nothing, nominal_bits=0.0)


def _searched(subject: PluginSpec, plan: Selection, prepared: Prepared, folder: Path) -> list[Bits]:
    """Allocations of least mean distortion at their rate, found and chosen on the search part."""
    objectives = prepared.objectives
    study = Study(
        path=plan.path,
        name=f"{plan.name}-search",
        question=plan.question,
        subject=subject,
        objectives=objectives,
        reference="uniform-2",
        measures=(PluginSpec(NO_MEASURE),),
        optimisers=(PluginSpec(SEARCH),),
        seeds=1,
        budget=plan.settings["budget"],
    )
    trials = launch.run(study, out=folder, device=prepared.device).trials
    values = values_of(trials, objectives)
    pairs = np.stack([values[:, 0], values[:, 1:].mean(axis=1)], axis=1)
    best = np.flatnonzero(non_dominated(pairs))
    best = best[np.argsort(pairs[best, 0], kind="stable")]
    shown = np.unique(np.linspace(0, len(best) - 1, min(POINTS, len(best))).round().astype(int))
    return list(allocations(trials.iloc[best[shown]]))


def _rows(points: Iterator[Point], weights: str, tasks: Sequence[str]) -> pd.DataFrame:
    """Points as rows, with the losses of each image at some of the tasks as bytes.

    An order of one task's own is of interest for that task, so that the losses of the others need not be kept.
    """
    found = []
    for point in points:
        outcome = point.outcome
        row: dict[str, Any] = {"task_weights": weights, **point.labels}
        row |= {"rate_kbit": outcome.rate_kbit, "coded_bytes": outcome.coded_bytes}
        row |= {} if point.sizes is None else point.sizes.columns()
        row |= {f"distortion_{task}": value for task, value in outcome.distortions.items()} | outcome.metrics
        for task in tasks:
            row[f"images_{task}"] = outcome.sums[task][:, 0].astype(np.float32).tobytes()
            if point.labels["method"] == UNCOMPRESSED:
                row[f"counts_{task}"] = outcome.sums[task][:, 1].astype(np.float32).tobytes()
        found.append(row)
    return pd.DataFrame(found)


def _parquet(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_parquet(content, index=False)
    return content.getvalue()
