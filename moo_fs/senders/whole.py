"""Senders that need no scores: one depth, one step, one step after a transform, a searched allocation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from moo_fs.codecs.ans import Ans
from moo_fs.codecs.interface import coded_bytes
from moo_fs.coding.cells import Maps
from moo_fs.coding.quantiser import HEADER_KBIT, step_ladder, uniform_step
from moo_fs.contracts import MAX_BITS, Bits, Floats
from moo_fs.prepared import STEPS, Prepared
from moo_fs.senders.points import Point, evaluator, sized
from moo_fs.split import Part


def uniform(prepared: Prepared, part: Part) -> Iterator[Point]:
    """All channels at one depth, 1 to 8."""
    for depth in range(1, MAX_BITS + 1):
        labels = {"method": "uniform", "kept": prepared.channels, "codec": "ans", "setting": float(depth)}
        outcome = evaluator(prepared, part).quantised(prepared.tables.depth(depth))
        yield sized(labels, outcome, nominal_bits=depth * prepared.features(part)[0].numel())


def uniform_steps(prepared: Prepared, part: Part) -> Iterator[Point]:
    """One step for all channels, a ladder of them: the baseline `uniform-step` of every search."""
    maps = prepared.features("fit").numpy()
    for step in step_ladder(maps, count=STEPS):
        labels = {"method": "uniform-step", "kept": prepared.channels, "codec": "ans", "setting": step}
        yield sized(labels, evaluator(prepared, part).quantised(uniform_step(maps, step=step)))


def klt(prepared: Prepared, part: Part) -> Iterator[Point]:
    """Channels decorrelated over the fit part, then one step for all components, entropy-coded.

    The Karhunen-Loève transform over channels; one step for all components is reverse water-filling at high rate
    (Cover, T. and Thomas, J. (2006), "Elements of information theory", section 10.3.3). What comes back is clipped to
    the channel's range on the fit part. A component has at most 256 symbols, so that the finest steps cut the strong
    ones. It knows nothing of the tasks.
    """
    fit, maps = (prepared.features(name).numpy() for name in ("fit", part))
    mean, basis = _principal(fit)
    turned_fit, turned = _turned(fit, mean, basis), _turned(maps, mean, basis)
    low, high = (getattr(fit, end)(axis=(0, 2, 3))[None, :, None, None] for end in ("min", "max"))
    for step in step_ladder(turned_fit, count=STEPS):
        cells = uniform_step(turned_fit, step=step)
        back = np.einsum("ichw,dc->idhw", cells.dequantise(turned), basis) + mean[None, :, None, None]
        outcome = evaluator(prepared, part).received(
            np.clip(back, low, high),
            rate_kbit=cells.rate_kbit(turned) + HEADER_KBIT,
            coded_bytes=coded_bytes(Ans(cells), cells.symbols(turned)),
        )
        yield sized({"method": "klt", "kept": prepared.channels, "codec": "ans", "setting": step}, outcome)


def allocations(prepared: Prepared, part: Part, found: Sequence[Bits]) -> Iterator[Point]:
    """Bit allocations (channel,) that a search has found."""
    for at, bits in enumerate(found):
        labels = {"method": "allocation", "kept": int((bits > 0).sum()), "codec": "ans", "setting": float(at)}
        outcome = evaluator(prepared, part).outcome(bits, metrics=True)
        yield sized(labels, outcome, nominal_bits=float(bits.sum()) * prepared.features(part)[0, 0].numel())


def _principal(maps: Maps) -> tuple[Floats, Floats]:
    """Mean (channel,) and principal directions (channel, component) of maps, components by variance, signs fixed."""
    rows = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]).astype(np.float64)
    mean = rows.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False).reshape(len(mean), len(mean)))
    basis = vectors[:, ::-1]
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(len(mean))])
    return mean, basis * np.where(signs == 0, 1.0, signs)


def _turned(maps: Maps, mean: Floats, basis: Floats) -> Maps:
    turned = np.einsum("ichw,cd->idhw", maps - mean[None, :, None, None], basis)
    return np.asarray(turned, dtype=np.float32)
