"""How far a measure's scores can be believed on a subject: do they foretell damage, repeat, and keep under rescaling?

Damage is what an allocation loses on the *test* part when one channel is dropped, measured in two settings: with all
other channels at 8 bits (nearly untouched) and at 1 bit (where bit allocation works).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from moo_fs import scoring
from moo_fs.coding.quantiser import fit_tables
from moo_fs.contracts import MAX_BITS, Floats, MooFsError
from moo_fs.decoding import normalise
from moo_fs.head_passes import spread_evenly
from moo_fs.numerals import correlation, percent
from moo_fs.peak_memory import peak_memory
from moo_fs.prepared import Prepared
from moo_fs.registry import Measure, options_of
from moo_fs.scoring import Indices, Scores, Source
from moo_fs.seeds import stream

Tried = TypeVar("Tried")
DEPTHS = {"8 bits": MAX_BITS, "1 bit": 1}
# Our choices: label permutations asked for where a measure has them, and images that the rescaling test looks at.
PERMUTATIONS = 3
RESCALED_IMAGES = 8
FEW_IMAGES = 32
MOVED = 1e-3
UNSTABLE = 0.5


@dataclass(frozen=True)
class Judged:
    """One measure on one subject.

    Attributes:
        measure: its name, with its options if any were given.
        scores: of the block's draw; None if `refused` says why there are none.
        stability: (split, task) Spearman's rho between the scores of two halves of the fit part, each under a random
            stream of its own; NaN where there is no second half, or no order.
        moved: largest change of a score (columns divided by their largest) when channels are rescaled and the heads
            undo it; 0 for a measure that does not depend on the unit of a channel, NaN if that could not be tried.
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
    """Judges measures on one prepared subject, on the draw of block `seed`, by `splits` halvings of the fit part."""

    def __init__(self, prepared: Prepared, *, seed: int = 0, splits: int = 1) -> None:
        if splits < 1:
            raise MooFsError(f"splits: wanted 1 or more, got {splits}")
        self.source, self.seed, self.splits = prepared.source, seed, splits
        self.images = len(self.source.features)
        self.drawn = scoring.draw(self.images, seed)
        factors = 2.0 ** stream(seed, "trust", "rescaling").integers(-3, 4, self.source.features.shape[1])
        self.rescaled = rescaled(self.source, torch.from_numpy(factors).float())

    def __call__(self, measure: Measure, options: Mapping[str, Any] | None = None, *, label: str = "") -> Judged:
        """Score as a study would, then on other images and in other units.

        A measure that fails on the subject, whatever it raises, is reported as refused; one that fails in the trials
        only is doubted for that.
        """
        name, chosen = label or measure.name, dict(options or {})
        try:
            with peak_memory() as peak:
                scores = self._score(measure, chosen)
        except Exception as error:
            kind = "" if isinstance(error, MooFsError) else f"measure '{name}': {type(error).__name__}: "
            return Judged(name, None, np.array([[]]), np.nan, np.nan, (), f"{kind}{error}")
        doubts: list[str] = []
        scores = self._tried(doubts, "its null", lambda: self._with_null(measure, chosen, scores)) or scores
        stability = self._tried(doubts, "other images", lambda: self._stability(measure, chosen, scores))
        moved = self._tried(doubts, "channels in other units", lambda: self._moved(measure, chosen))
        stability = np.full((1, len(self.source.tasks)), np.nan) if stability is None else stability
        moved = np.nan if moved is None else moved
        doubts = [*scores.doubts, *doubts, *self._doubts(measure, scores, stability, moved)]
        return Judged(name, scores, stability, moved, peak.megabytes, tuple(doubts))

    def _score(
        self,
        measure: Measure,
        options: Mapping[str, Any],
        *,
        source: Source | None = None,
        drawn: Indices | None = None,
        seed: int = 0,
    ) -> Scores:
        drawn = self.drawn if drawn is None else drawn
        return scoring.score(measure, source or self.source, seed=self.seed + seed, options=options, drawn=drawn)

    @staticmethod
    def _tried(doubts: list[str], what: str, trial: Callable[[], Tried]) -> Tried | None:
        """The trial's result, or None and a doubt."""
        try:
            return trial()
        except Exception as error:
            doubts.append(f"could not be scored on {what}: {error}")
            return None

    def _with_null(self, measure: Measure, options: dict[str, Any], scores: Scores) -> Scores:
        """The same scores with the null that the measure has and that was not asked for; time and passes as before."""
        known = options_of(measure.function, reserved=("batch", "task", "rng"))
        default = known["permutations"].default if "permutations" in known else None
        if default != 0 or isinstance(default, bool) or "permutations" in options:
            return scores
        found = self._score(measure, {**options, "permutations": PERMUTATIONS})
        return replace(found, seconds=scores.seconds, head_passes=scores.head_passes)

    def _stability(self, measure: Measure, options: dict[str, Any], scores: Scores) -> Floats:
        found = []
        for split in range(self.splits):
            first = scoring.draw(self.images, self.seed + split)
            second = np.setdiff1d(np.arange(self.images), first)
            if len(second) < 2:
                found.append([np.nan] * len(self.source.tasks))
                continue
            one = scores if split == 0 else self._score(measure, options, drawn=first, seed=2 * split)
            other = self._score(measure, options, drawn=second, seed=2 * split + 1)
            found.append([_spearman(a, b) for a, b in zip(one.values.T, other.values.T, strict=True)])
        return np.array(found)

    def _moved(self, measure: Measure, options: dict[str, Any]) -> float:
        few = self.drawn[spread_evenly(len(self.drawn), RESCALED_IMAGES).numpy()]
        pair = [self._score(measure, options, source=one, drawn=few).values for one in (self.source, self.rescaled)]
        return float(np.abs(normalise(pair[0]) - normalise(pair[1])).max())

    def _doubts(self, measure: Measure, scores: Scores, stability: Floats, moved: float) -> list[str]:
        doubts = []
        for task, column, rho in zip(self.source.tasks, scores.values.T, stability.T, strict=True):
            if not (column > 0).any():
                doubts.append(f"{task.name}: no channel has a positive score")
            mean = float(np.mean(rho))
            if mean < UNSTABLE:
                doubts.append(
                    f"{task.name}: scores of the fit part's halves agree at Spearman {correlation(mean)} only"
                )
        if moved > MOVED:
            doubts.append(
                f"moves by {percent(moved)} of the largest score if a channel is rescaled and its consumer undoes it"
            )
        if "features" in measure.needs and scores.samples < FEW_IMAGES:
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
