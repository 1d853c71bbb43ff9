"""Losses of several tasks over coded bytes: interpolated curves, their common range, Bjøntegaard's delta rate.

Between its points a curve is the monotone piecewise cubic of Fritsch and Carlson over the logarithm of the bytes: it
passes through every point and overshoots none. Nothing is extrapolated.

Sources: F. N. Fritsch and R. E. Carlson (1980), "Monotone piecewise cubic interpolation" (PCHIP); G. Bjøntegaard
(2001), "Calculation of average PSNR differences between RD-curves", VCEG-M33 (the mean difference of the log rates over
the common qualities; a cubic there, PCHIP in the common test conditions of HEVC and VVC). Our choices: bytes on a
logarithmic axis also where losses are read off, the envelope before a delta rate, and the overlap that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PchipInterpolator

from moo_fs.contracts import Floats, MooFsError, float_array

LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class Curve:
    """One way of coding at several rates: `losses` (point, task) at `coded_bytes` (point,), in the order of the bytes.

    Losses are minimised: of a metric that is better when larger, give the negative. Points come in any order. Of points
    with equal bytes the one of the smallest mean loss is kept, whole, so that no vector of losses is made up from
    several. Points that another one dominates are kept: the curve is what the coder does, not what it could do at best.

    Raises MooFsError unless there is a point, all numbers are finite and the bytes positive.
    """

    coded_bytes: Floats
    losses: Floats

    def __post_init__(self) -> None:
        given = float_array(self.coded_bytes, "coded_bytes", "point")
        losses = float_array(self.losses, "losses", "point task", point=len(given))
        if not len(given) or not losses.shape[1]:
            raise MooFsError("curve: wanted at least one point and one task, got none; leave this curve out")
        if given.min() <= 0:
            raise MooFsError(f"coded_bytes: wanted positive numbers, got {given.min():g}; count the header as well")
        order = np.lexsort((losses.mean(axis=1), given))
        first = np.concatenate([[True], np.diff(given[order]) > 0])
        for name, array in (("coded_bytes", given[order][first]), ("losses", losses[order][first])):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @property
    def range(self) -> tuple[float, float]:
        """The fewest and the most coded bytes of its points."""
        return float(self.coded_bytes[0]), float(self.coded_bytes[-1])

    def at(self, coded_bytes: ArrayLike, *, outside: Literal["refuse", "nan"] = "refuse") -> Floats:
        """Losses (rate, task) at `coded_bytes` (rate,), which may lie anywhere within the range.

        Outside it a loss is NaN if `outside` is "nan"; else MooFsError is raised. A curve of one point has that rate.
        """
        asked = float_array(coded_bytes, "coded_bytes", "rate")
        low, high = self.range
        inside = (asked >= low) & (asked <= high)
        if outside == "refuse" and not inside.all():
            beyond = asked[~inside][0]
            raise MooFsError(
                f"coded_bytes: wanted {low:g} to {high:g}, where the curve has points, got {beyond:g}; ask within "
                "common_range, or for NaN outside"
            )
        found = np.full((len(asked), self.losses.shape[1]), np.nan)
        if len(self.coded_bytes) == 1:
            found[inside] = self.losses[0]
        else:
            curve = PchipInterpolator(np.log(self.coded_bytes), self.losses, axis=0)
            found[inside] = curve(np.log(asked[inside]))
        return found


@dataclass(frozen=True)
class RateChange:
    """How many more coded bytes one curve needs for the same losses, in percent; negative = it needs fewer.

    `percent` is NaN exactly where `reason` is a sentence. `overlap` is the share of the narrower range of losses that
    both curves reach, `low` to `high` the losses over which they were compared (NaN if there are none).
    """

    percent: float
    overlap: float
    low: float = math.nan
    high: float = math.nan
    reason: str = ""


def at_rates(coded_bytes: ArrayLike, losses: ArrayLike, rates: ArrayLike) -> Floats:
    """Losses (copy, rate, task) at `rates` (rate,) of many curves (copy, point, task) over the same bytes (point,).

    As `Curve.at`, many at once, for rates within the range of the bytes; of points with equal bytes the first is kept.
    """
    given, first = np.unique(np.asarray(coded_bytes, dtype=np.float64), return_index=True)
    values = np.asarray(losses, dtype=np.float64)[:, first]
    if len(given) < 2:
        return np.repeat(values, np.size(rates), axis=1)
    curves = PchipInterpolator(np.log(given), values, axis=1, extrapolate=False)
    return np.asarray(curves(np.clip(np.log(rates), np.log(given[0]), np.log(given[-1]))))


def common_range(curves: Sequence[Curve]) -> tuple[float, float] | None:
    """The coded bytes that lie within every curve's range, or None if there are none.

    Raises MooFsError without a curve.
    """
    if not curves:
        raise MooFsError("curves: wanted at least one, got none")
    low, high = max(curve.range[0] for curve in curves), min(curve.range[1] for curve in curves)
    return (low, high) if low <= high else None


def common_rates(curves: Sequence[Curve], count: int) -> Floats:
    """`count` rates (rate,) in equal ratios over the common range, its ends among them; empty if there is none."""
    found = common_range(curves)
    # Rounding may leave the range by a last digit, even where it is a single rate.
    return np.clip(np.geomspace(*found, count), *found) if found else np.zeros(0)


def envelope(curve: Curve, task: int) -> tuple[Floats, Floats]:
    """The points of one task that no other one dominates: bytes rise strictly and losses fall strictly."""
    losses = curve.losses[:, task]
    lowest = np.minimum.accumulate(losses)
    kept = np.concatenate([[True], losses[1:] < lowest[:-1]])
    return curve.coded_bytes[kept], losses[kept]


def bytes_at(curve: Curve, *, task: int, losses: ArrayLike) -> Floats:
    """Coded bytes (loss,) at which a task's `losses` (loss,) are reached, NaN for those beyond the envelope's ends.

    As a delta rate reads them: the PCHIP of the log bytes over the loss, through the points of the envelope. A loss
    above the largest of the envelope is NaN too: how few bytes would do for it is not known. Raises MooFsError for a
    task that the curve has not.
    """
    _check(curve, curve, task)
    coded_bytes, reached = envelope(curve, task)
    asked = float_array(losses, "losses", "loss")
    inside = (asked >= reached[-1]) & (asked <= reached[0])
    found = np.full(len(asked), np.nan)
    if len(reached) == 1:
        found[inside] = coded_bytes[0]
    else:
        found[inside] = np.exp(_log_bytes(coded_bytes, reached)(asked[inside]))
    return found


def bd_rate(anchor: Curve, test: Curve, *, task: int, least_overlap: float = LEAST_OVERLAP) -> RateChange:
    r"""Bjøntegaard's delta rate of `test` against `anchor` for one task.

    $100 (\exp(\frac{1}{h - l} \int_l^h \ln R_{test}(x) - \ln R_{anchor}(x) \, dx) - 1)$, where $\ln R$ is the PCHIP of
    the log bytes over the loss and $l$ to $h$ the losses that both reach. The quality is minus the loss, so that the
    unit of the loss decides which rates count more: PSNR or MSE give different numbers. Each curve enters by its
    envelope, because a rate can be read off a loss only where losses fall.

    Refused, as a `RateChange` with a reason and not as an error: a curve whose envelope is one point, no common losses,
    or an overlap below `least_overlap`, the share of the narrower range of losses that both reach. Swapping the sides
    gives 100 (1 / (1 + percent / 100) - 1). Raises MooFsError for a task or a share that is impossible.
    """
    _check(anchor, test, task, least_overlap)
    sides = {"anchor": envelope(anchor, task), "test": envelope(test, task)}
    for name, (_, losses) in sides.items():
        if len(losses) < 2:
            return RateChange(math.nan, 0.0, reason=f"too few points: the {name} has one useful point, wanted two")
    low = max(float(losses[-1]) for _, losses in sides.values())
    high = min(float(losses[0]) for _, losses in sides.values())
    if low >= high:
        reason = (
            f"no overlap: the anchor's losses are {_span(sides['anchor'][1])}, those here {_span(sides['test'][1])}"
        )
        return RateChange(math.nan, 0.0, reason=reason)
    overlap = (high - low) / min(float(losses[0] - losses[-1]) for _, losses in sides.values())
    if overlap < least_overlap:
        reason = f"too little overlap: {overlap:.0%} of the narrower range of losses, wanted {least_overlap:.0%}"
        return RateChange(math.nan, overlap, low, high, reason)
    anchored, tested = (_mean_log_rate(*sides[name], low, high) for name in ("anchor", "test"))
    return RateChange(100 * math.expm1(tested - anchored), overlap, low, high)


def _mean_log_rate(coded_bytes: Floats, losses: Floats, low: float, high: float) -> float:
    return float(_log_bytes(coded_bytes, losses).integrate(low, high)) / (high - low)


def _log_bytes(coded_bytes: Floats, losses: Floats) -> PchipInterpolator:
    """The logarithm of the bytes over the loss, through the points of an envelope."""
    return PchipInterpolator(losses[::-1], np.log(coded_bytes[::-1]))


def _span(losses: Floats) -> str:
    return f"{losses[-1]:.4g} to {losses[0]:.4g}"


def _check(anchor: Curve, test: Curve, task: int, least_overlap: float = LEAST_OVERLAP) -> None:
    tasks = {anchor.losses.shape[1], test.losses.shape[1]}
    if len(tasks) > 1:
        raise MooFsError(f"curves: wanted the same tasks on both sides, got {sorted(tasks)} of them; compare like ones")
    if not 0 <= task < min(tasks):
        raise MooFsError(f"task: wanted 0 to {min(tasks) - 1}, got {task}; it counts the columns of the losses")
    if not 0 <= least_overlap <= 1:
        raise MooFsError(f"least_overlap: wanted a share from 0 to 1, got {least_overlap:g}")
