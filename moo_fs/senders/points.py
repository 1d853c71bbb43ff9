"""One way of sending at one setting, measured on a part: what every sender yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moo_fs.codecs.interface import HEADER_BYTES
from moo_fs.contracts import MooFsError
from moo_fs.evaluator import NetworkEvaluator, Outcome
from moo_fs.ledger import Sizes
from moo_fs.prepared import Prepared
from moo_fs.split import Part

# Columns that say what was sent; a sender fills those that it has, the others stay empty.
LABELS = ("method", "fill", "kept", "base_share", "base_qp", "qp", "codec", "setting")
BITS_PER_BYTE, BITS_PER_KBIT = 8.0, 1000.0


@dataclass(frozen=True)
class Point:
    """`labels`: some of LABELS; `outcome` has metrics and `coded_bytes`, the mean over images; `sizes` add up to them.

    What is not coded has no sizes.
    """

    labels: dict[str, Any]
    outcome: Outcome
    sizes: Sizes | None = None


def evaluator(prepared: Prepared, part: Part) -> NetworkEvaluator:
    """The evaluator of a network's part; raises MooFsError for an analytic subject, which has nothing to send."""
    found = prepared.evaluator(part)
    if not isinstance(found, NetworkEvaluator):
        raise MooFsError(f"subject '{prepared.model.name}': wanted a network for a selection study, got a closed form")
    return found


def kbit(coded_bytes: float) -> float:
    """The rate of a stream whose coder has no tables of the fit part: its length in kbit."""
    return coded_bytes * BITS_PER_BYTE / BITS_PER_KBIT


def sized(
    labels: dict[str, Any],
    outcome: Outcome,
    *,
    nominal_bits: float = float("nan"),
    fixed: float = 0.0,
    base: float = float("nan"),
) -> Point:
    """The point of a coded outcome: beside header and `fixed` bytes everything is payload, `base` bytes among it."""
    payload = outcome.coded_bytes - HEADER_BYTES - fixed
    return Point(labels, outcome, Sizes(HEADER_BYTES, fixed, payload, base, nominal_bits / BITS_PER_BYTE))
