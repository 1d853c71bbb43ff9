"""Features as grey mosaics under HEVC: soft selection (a base and an enhancement stream), and one QP for all.

Soft selection: Ranjbar Alvar, S. and Bajić, I. V. (2024), "Compressive feature selection for remote visual multi-task
inference". Scaling, base shares and QPs are our choice. Scaling "tensor": one step for all channels over the range of
the fit part's features, as in the same authors' earlier work, so that a faint channel stays faint in the mosaic;
"channel": every channel fills the 256 grey levels, clipped for least squared error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from moo_fs.codecs import soft as streams
from moo_fs.coding.cells import SYMBOLS, Cells, Maps
from moo_fs.coding.quantiser import uniform_step
from moo_fs.contracts import MAX_BITS
from moo_fs.prepared import Prepared
from moo_fs.selection_plan import LOSSLESS
from moo_fs.senders.hard import Order, kept_count
from moo_fs.senders.points import Point, evaluator, kbit, sized
from moo_fs.split import Part


def grey_cells(prepared: Prepared, scaling: str) -> Cells:
    """The 8-bit quantiser whose symbols are the mosaics' grey levels."""
    if scaling == "channel":
        return prepared.tables.depth(MAX_BITS)
    fit = prepared.features("fit").numpy()
    return uniform_step(fit, step=float(fit.max() - fit.min()) / (SYMBOLS - 1))


def soft(
    prepared: Prepared,
    part: Part,
    order: Order,
    *,
    bases: Sequence[float],
    base_qps: Sequence[Any],
    qps: Sequence[Any],
    scaling: str,
) -> Iterator[Point]:
    """A point for every base share, QP of the base and QP of the enhancement; `qp` None: the enhancement is dropped."""
    cells = grey_cells(prepared, scaling)
    symbols = cells.symbols(prepared.features(part).numpy())
    for share in bases:
        count = kept_count(prepared.channels, share)
        base = np.zeros(prepared.channels, bool)
        base[order[:count]] = True
        for base_qp in base_qps:
            for qp in [None, *qps]:
                if base.all() and qp is not None:
                    continue  # nothing is left to enhance
                wanted: int | Literal["dropped"] | None = "dropped" if qp is None else _qp(qp)
                code = streams.soft(symbols, base, base_qp=_qp(base_qp), enhancement_qp=wanted, levels=cells.levels)
                labels = {"kept": count, "base_share": share, "base_qp": str(base_qp)}
                labels |= {"method": "hard", "fill": "mean"} if qp is None else {"method": "soft", "qp": str(qp)}
                yield _point(prepared, part, cells, code, labels)


def one_qp(prepared: Prepared, part: Part, *, qps: Sequence[Any], scaling: str) -> Iterator[Point]:
    """A point for every QP of one mosaic of all channels."""
    cells = grey_cells(prepared, scaling)
    symbols = cells.symbols(prepared.features(part).numpy())
    for qp in qps:
        code = streams.one_qp(symbols, _qp(qp), levels=cells.levels)
        yield _point(prepared, part, cells, code, {"method": "one-qp", "kept": prepared.channels, "qp": str(qp)})


def _point(prepared: Prepared, part: Part, cells: Cells, code: streams.SoftCode, labels: dict[str, Any]) -> Point:
    maps = _received(prepared, cells, code)
    size = float(np.mean(code.coded_bytes))
    outcome = evaluator(prepared, part).received(maps, rate_kbit=kbit(size), coded_bytes=size)
    soft_selected = labels["method"] == "soft"
    return sized(
        {**labels, "codec": "hevc"},
        outcome,
        nominal_bits=(prepared.channels if soft_selected else labels["kept"]) * MAX_BITS * maps[0, 0].size,
        fixed=float(code.fixed_bytes.mean()),
        base=float(code.base_bytes.mean()) if soft_selected else float("nan"),
    )


def _received(prepared: Prepared, cells: Cells, code: streams.SoftCode) -> Maps:
    """What the symbols stand for; channels that were not sent stand at their mean over the fit part."""
    maps = cells.values(code.symbols)
    missing = ~np.asarray(code.received) & (cells.levels > 1)
    maps[:, missing] = prepared.tables.depth(0).centroids[missing, 0][None, :, None, None]
    return maps


def _qp(value: Any) -> int | None:
    return None if value == LOSSLESS else int(value)
