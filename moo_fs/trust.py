"""How far a measure's scores can be believed on a subject: do they foretell damage, repeat, and keep under rescaling?

Damage is what an allocation loses on the *test* part when one channel is dropped, measured in two settings: with all
other channels at 8 bits (nearly untouched) and at 1 bit (where bit allocation works).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from moo_fs import scoring
from moo_fs.coding.quantiser import fit_tables
from moo_fs.contracts import MAX_BITS, Floats, MooFsError
from moo_fs.decoding import normalise
from moo_fs.head_passes import BATCH
from moo_fs.numerals import correlation, percent
from moo_fs.peak_memory import peak_memory
from moo_fs.prepared import Prepared
from moo_fs.registry import Measure, options_of
from moo_fs.scoring import Indices, Scores, Source
from moo_fs.seeds import stream

DEPTHS = {"8 bits": MAX_BITS, "1 bit": 1}
# Our choices: label permutations asked for where a measure has them, and images that the rescaling test looks at.
PERMUTATIONS = 3
RESCALED_IMAGES = 8
MOVED = 1e-3
UNSTABLE = 0.5


@dataclass(frozen=True)
class Judged:
    """One measure on one subject.

    Attributes:
        measure: its name.
        scores: of the block's draw; None if `refused` says why there are none.
        stability: (task,) Spearman's rho with the scores of the fit part's other half, under another random stream.
        moved: largest change of a score (columns divided by their largest) when channels are rescaled and the heads
            undo it; 0 for a measure that does not depend on the unit of a channel.
        megabytes: peak of the process's memory above its start.
        doubts: sentences on why not to believe it.
        refused: why the measure cannot be computed on this subject; else empty.
    """

    measure: str
    scores: Scores | None
    stability: Floats
    moved: float
    megabytes: float
    doubts: tuple[str, ...]
    refused: str = ""


class Judge:
    """Judges measures on one prepared subject, on the draw of block `seed`."""

    def __init__(self, prepared: Prepared, *, seed: int = 0) -> None:
        self.source, self.seed = prepared.source, seed
        images = len(self.source.features)
        self.drawn = scoring.draw(images, seed)
        self.rest = np.setdiff1d(np.arange(images), self.drawn)
        factors = 2.0 ** stream(seed, "trust", "rescaling").integers(-3, 4, self.source.features.shape[1])
        self.rescaled = rescaled(self.source, torch.from_numpy(factors).float())

    def __call__(self, measure: Measure, options: Mapping[str, Any] | None = None) -> Judged:
        """Score, and score twice more; a measure that the subject cannot serve is reported as refused."""
        chosen = self._options(measure, options or {})
        try:
            with peak_memory() as peak:
                scores = self._score(measure, self.source, chosen, self.drawn)
            rest = self.rest if len(self.rest) > 1 else self.drawn
            other = self._score(measure, self.source, chosen, rest, seed=self.seed + 1)
            few = self.drawn[:RESCALED_IMAGES]
            pair = [self._score(measure, one, chosen, few).values for one in (self.source, self.rescaled)]
        except MooFsError as error:
            return Judged(measure.name, None, np.array([]), np.nan, np.nan, (), str(error))
        stability = np.array([_spearman(a, b) for a, b in zip(scores.values.T, other.values.T, strict=True)])
        moved = float(np.abs(normalise(pair[0]) - normalise(pair[1])).max())
        doubts = (*scores.doubts, *self._doubts(scores, stability, moved))
        return Judged(measure.name, scores, stability, moved, peak.megabytes, doubts)

    def _options(self, measure: Measure, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options given, and a permutation null where the measure has one that was not asked for."""
        known = options_of(measure.function, reserved=("batch", "task", "rng"))
        asked = known["permutations"].default if "permutations" in known else None
        return ({"permutations": PERMUTATIONS} if asked == 0 else {}) | dict(options)

    def _score(
        self, measure: Measure, source: Source, options: Mapping[str, Any], drawn: Indices, seed: int | None = None
    ) -> Scores:
        return scoring.score(measure, source, seed=self.seed if seed is None else seed, options=options, drawn=drawn)

    def _doubts(self, scores: Scores, stability: Floats, moved: float) -> list[str]:
        names = [task.name for task in self.source.tasks]
        doubts = [
            f"{name}: no channel has a positive score"
            for name, column in zip(names, scores.values.T, strict=True)
            if not (column > 0).any()
        ]
        doubts += [
            f"{name}: scores of the fit part's two halves agree at Spearman {correlation(value)} only"
            for name, value in zip(names, stability, strict=True)
            if value < UNSTABLE
        ]
        if moved > MOVED:
            doubts.append(
                f"moves by {percent(moved)} of the largest score if a channel is rescaled and its consumer undoes it"
            )
        if scores.samples < BATCH:
            doubts.append(f"only {scores.samples} images")
        return doubts


def rescaled(source: Source, factors: Tensor) -> Source:
    """The same network with channels (channel,) in other units: features times `factors`, heads that divide them out.

    With powers of two no digit of any output changes.
    """
    column = factors.reshape(-1, 1, 1)
    features = source.features * column
    weights = source.weights
    return replace(
        source,
        heads={name: _Undone(head, factors) for name, head in source.heads.items()},
        features=features,
        means=source.means * factors,
        weights=None if weights is None else weights * factors.reshape(-1, *[1] * (weights.ndim - 1)),
        scale=None if source.scale is None else source.scale * factors,
        tables=None if source.tables is None else fit_tables(features.numpy(), mode=source.tables.mode),
    )


class _Undone(nn.Module):
    """A head whose channels come in other units."""

    def __init__(self, head: nn.Module, factors: Tensor) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("factors", factors.reshape(-1, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        output: Tensor = self.head(features / self.factors.to(features.device))  # type: ignore[operator]
        return output


def damages(prepared: Prepared) -> dict[str, Floats]:
    """Setting -> (channel, task): by how much a task's distortion on the test part rises if a channel is dropped.

    The settings are the depths of the other channels, `DEPTHS`.
    """
    evaluator = prepared.evaluator("test")
    found = {}
    for setting, depth in DEPTHS.items():
        bits = np.full(prepared.channels, depth, np.int8)
        whole = evaluator.outcome(bits).objectives[1:]
        without = np.where(np.eye(prepared.channels, dtype=bool), 0, bits).astype(np.int8)
        found[setting] = np.stack([evaluator.outcome(row).objectives[1:] - whole for row in without])
    return found


def _spearman(first: Floats, second: Floats) -> float:
    if (first == first[0]).all() or (second == second[0]).all():
        return float("nan")
    return float(stats.spearmanr(first, second).statistic)
