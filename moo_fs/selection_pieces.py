"""What one piece of a selection study computes: rows of points, on the test part of one subject."""

from __future__ import annotations

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
from moo_fs.senders.points import Point, evaluator
from moo_fs.study import Study

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
    """A piece's points, and its scores if it has a measure."""

    rows: pd.DataFrame
    scores: pd.DataFrame | None = None


def pieces_of(plan: Selection) -> list[Piece]:
    """All pieces, a subject after the other, block after block: what is done first can be compared first."""
    found = []
    for subject in plan.subjects:
        found += [Piece(subject, rival=rival) for rival in (ENDS, *plan.settings["rivals"])]
        found += [Piece(subject, measure, seed) for seed in range(plan.seeds) for measure in plan.measures]
    return found


def compute(piece: Piece, plan: Selection, prepared: Prepared, folder: Path) -> Found:
    """The rows of a piece; a searched allocation keeps its journals under `folder`."""
    if piece.measure is None:
        return Found(_rows(_rival(piece, plan, prepared, folder), prepared, NONE))
    task_names = [task.name for task in prepared.tasks]
    scores = scoring.score(
        piece.measure.load("measure"), prepared.source, seed=piece.seed, options=piece.measure.options
    )
    told: dict[str, Any] = {"null": scores.null, "seconds": scores.seconds, "head_passes": scores.head_passes}
    frames = []
    for name, weights in _weights(plan.settings["task_weights"], task_names):
        order = order_of(scores.values, weights)
        points = _sent(order, plan.settings, prepared, equal=name == EQUAL)
        frames.append(_rows(points, prepared, name, images=name == EQUAL))
    return Found(
        pd.concat(frames, ignore_index=True),
        score_rows(piece.measure.label, piece.seed, task_names, scores.values, **told),
    )


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
    yield Point({"method": NOTHING, "kept": 0, "codec": "ans"}, nothing)


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


def _rows(points: Iterator[Point], prepared: Prepared, weights: str, *, images: bool = True) -> pd.DataFrame:
    """Points as rows; with the losses of each image as bytes, if wanted."""
    found = []
    for point in points:
        outcome = point.outcome
        row: dict[str, Any] = {"task_weights": weights, **point.labels}
        row |= {"rate_kbit": outcome.rate_kbit, "coded_bytes": outcome.coded_bytes}
        row |= {f"distortion_{task}": value for task, value in outcome.distortions.items()} | outcome.metrics
        for task in prepared.tasks if images else []:
            row[f"images_{task.name}"] = outcome.sums[task.name][:, 0].astype(np.float32).tobytes()
            if point.labels["method"] == UNCOMPRESSED:
                row[f"counts_{task.name}"] = outcome.sums[task.name][:, 1].astype(np.float32).tobytes()
        found.append(row)
    return pd.DataFrame(found)
