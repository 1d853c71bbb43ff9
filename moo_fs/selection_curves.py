"""From the rows of a selection study to curves over coded bytes: of a block, or of resampled images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moo_fs.contracts import Floats
from moo_fs.rate_curves import Curve
from moo_fs.seeds import stream
from moo_fs.selection_archive import NOTHING, UNCOMPRESSED, SelectionResults, family_of
from moo_fs.selection_plan import EQUAL, LOSSLESS
from moo_fs.task_weights import NATURAL, NORMALISATIONS, normalised

IMAGE_REPLICATES = 100
LOSS_SPAN, RELATIVE = NORMALISATIONS
# Methods that need no scores, and labels of measures and methods that know nothing of the channels.
SCORELESS = ("one-qp", "uniform", "uniform-step", "klt", "allocation", "image-jpeg", "image-hevc")
NULLS = ("random", "shuffled-mutual-information", "uniform", "uniform-step")
Copies = NDArray[np.int64]


@dataclass(frozen=True)
class Block:
    """One pair: a subject and a draw of scores on it."""

    subject: str
    seed: int


@dataclass(frozen=True)
class Way:
    """What one curve is of: a method, with the order's measure and task weights and what else is held fixed.

    `fixed` are (column, value) of summary.csv, None for an empty place. What needs no scores has measure None and is
    the same in all blocks.
    """

    method: str
    measure: str | None = None
    weights: str = EQUAL
    fixed: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """What the way is called: its measure for hard selection, else the method and what is fixed.

        >>> Way("soft", "random", fixed=(("base_share", 0.25), ("base_qp", "22"))).label
        'soft (base 25 %, QP 22), random'
        """
        if self.measure is None:
            return self.method
        fixed = dict(self.fixed)
        words = [f"base {fixed['base_share'] * 100:g} %"] if fixed.get("base_share") is not None else []
        words += [_quality(fixed["base_qp"])] if "base_qp" in fixed else []
        return f"{self.method} ({', '.join(words)}), {self.measure}" if words else self.measure

    def rows(self, results: SelectionResults, block: Block) -> pd.DataFrame:
        """Its rows in a block, in the order of the archive; none if it was not run."""
        found = results.by_subject[block.subject]
        found = found[found["method"] == self.method]
        if self.measure is not None:
            found = found[(found["measure"] == self.measure) & (found["seed"] == block.seed)]
            found = found[found["task_weights"] == self.weights]
        for column, value in self.fixed:
            if column in found:
                found = found[found[column].isna() if value is None else found[column] == value]
        return found


def _quality(qp: str) -> str:
    return qp if qp == LOSSLESS else f"QP {qp}"


def families(results: SelectionResults) -> dict[str, list[str]]:
    """Subjects by family: trainings of one recipe are judged together, each in blocks of its own."""
    found: dict[str, list[str]] = {}
    for subject in results.subjects:
        found.setdefault(family_of(subject), []).append(subject)
    return found


def blocks_of(results: SelectionResults, family: str) -> list[Block]:
    """The pairs of a family, subject after subject."""
    return [Block(subject, seed) for subject in families(results)[family] for seed in range(results.seeds)]


def curve_of(
    results: SelectionResults, way: Way, block: Block, how: str = LOSS_SPAN, *, deployed: bool = False
) -> Curve | None:
    """The curve of a way in a block under a normalisation; None if it was not run.

    With `deployed`, over the bytes without those that are the same in every image's stream (column `fixed_bytes`), as
    if they were deployed once; None too where the archive does not know them.
    """
    key = (way, block, how, deployed)
    if key not in results.curves:
        rows = way.rows(results, block)
        sizes = _without_fixed(rows) if deployed else rows["coded_bytes"]
        known = len(rows) and sizes.notna().all()
        values = distortions_of(results, rows, how) if known else None
        results.curves[key] = None if values is None else Curve(sizes.to_numpy(), values)
    return results.curves[key]  # type: ignore[no-any-return]


def _without_fixed(rows: pd.DataFrame) -> pd.Series:
    return rows["coded_bytes"] - rows.get("fixed_bytes", pd.Series(np.nan, rows.index))


def distortions_of(results: SelectionResults, rows: pd.DataFrame, how: str) -> Floats:
    """Distortions (row, task) of rows of one subject: "loss span" or "relative", see `moo_fs.task_weights`."""
    about = results.about(str(rows["subject"].iloc[0]))
    tasks = [task["name"] for task in about["tasks"]]
    spans = rows[[f"distortion_{task}" for task in tasks]].to_numpy(float)
    if how == LOSS_SPAN:
        return np.asarray(spans)
    kinds = [task["kind"] for task in about["tasks"]]
    names = [f"{task}_{NATURAL[kind]}" for task, kind in zip(tasks, kinds, strict=True)]
    ends = [about["uncompressed"][name] for name in names]
    return normalised(
        how, distortions=spans, metrics=rows[names].to_numpy(float), uncompressed=np.array(ends), kinds=kinds
    )


def has_normalisation(results: SelectionResults, subject: str, how: str) -> bool:
    """Whether a subject's tasks have the metrics that a normalisation needs."""
    return how == LOSS_SPAN or all(task["kind"] in NATURAL for task in results.about(subject)["tasks"])


def image_copies(images: int, replicates: int = IMAGE_REPLICATES) -> Copies:
    """How often each image is drawn (replicate, image): the same draws for everything that is compared."""
    drawn = stream(0, "selection", "images").integers(images, size=(replicates, images))
    return np.stack([np.bincount(row, minlength=images) for row in drawn])


def resampled(results: SelectionResults, way: Way, block: Block, copies: Copies) -> tuple[Floats, Floats]:
    """Bytes (point,) of a way's curve, and its loss-span distortions (replicate, point, task) of resampled images.

    `copies` (replicate, image) says how often each image is drawn. Bytes stay those of all images; losses, and both
    ends of the distortions' scale, are pooled over the drawn images.
    """
    rows, tasks = way.rows(results, block), results.tasks(block.subject)
    values = [_resampled(results, rows.index, block.subject, task, copies) for task in tasks]
    return rows["coded_bytes"].to_numpy(float), np.stack(values, axis=2)


def _resampled(results: SelectionResults, rows: pd.Index, subject: str, task: str, copies: Copies) -> Floats:
    """Distortions (replicate, row) of a task."""
    own = results.by_subject[subject]
    best, worst = (int(own.index[own["method"] == end][0]) for end in (UNCOMPRESSED, NOTHING))
    losses = np.stack([results.image_losses[int(row), task] for row in [best, worst, *rows]], axis=1)
    pooled = (copies @ losses) / (copies @ results.image_counts[subject, task])[:, None]
    kind = next(one["kind"] for one in results.about(subject)["tasks"] if one["name"] == task)
    scaled = np.sqrt(pooled) if kind == "values" else pooled
    span = scaled[:, 1:2] - scaled[:, :1]
    # A task that needs no feature at all has distortion 0, as in the rows themselves.
    return np.asarray((scaled[:, 2:] - scaled[:, :1]) / np.where(np.abs(span) > 1e-12, span, np.inf))
