"""Numbers as text, in tables, figures, reports and on the terminal: how many digits of what."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

MISSING = "–"


def number(value: Any, digits: int = 3) -> str:
    """A number to 3 significant digits, never in exponent form above 1e-5; a dash for nothing.

    >>> [number(value) for value in (0.98765, 12345.6, 0.000512, 0, float("nan"), 7.0)]
    ['0.988', '12300', '0.000512', '0', '–', '7.00']
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    if abs(value) < 1e-5:
        return f"{value:.{digits - 1}e}"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:.{decimals}f}"


def share(value: float) -> str:
    """A share with 3 decimals, for columns of shares.

    >>> share(0.0902)
    '0.090'
    """
    return f"{value:.3f}" if math.isfinite(value) else MISSING


def percent(value: float) -> str:
    """A share as a percentage with 2 significant digits.

    >>> percent(0.248)
    '25 %'
    """
    return f"{number(100 * value, 2)} %" if math.isfinite(value) else MISSING


def signed(value: float) -> str:
    """A difference of shares with 3 decimals and its sign.

    >>> [signed(value) for value in (0.0123, -0.5, 0.0001)]
    ['+0.012', '−0.500', '0.000']
    """
    shown = share(value)
    if not math.isfinite(value) or float(shown) == 0:
        return shown.removeprefix("-")
    return f"+{shown}" if value > 0 else shown.replace("-", "−")


def probability(value: float) -> str:
    """A p-value with 3 decimals.

    >>> [probability(value) for value in (0.0493, 0.00049, 1.0)]
    ['0.049', '<0.001', '1.000']
    """
    return "<0.001" if value < 0.001 else share(value)


def count(value: float) -> str:
    """A whole number.

    >>> count(150.0)
    '150'
    """
    return MISSING if not math.isfinite(value) else f"{round(value)}"


def spread(values: pd.Series) -> str:
    """Lowest and highest value.

    >>> spread(pd.Series([0.5, 0.25]))
    '0.250–0.500'
    """
    return f"{number(values.min())}–{number(values.max())}"


def whole_spread(values: pd.Series) -> str:
    """Lowest and highest of whole numbers, or the one that there is.

    >>> whole_spread(pd.Series([88, 91])), whole_spread(pd.Series([90, 90]))
    ('88–91', '90')
    """
    low, high = count(values.min()), count(values.max())
    return low if low == high else f"{low}–{high}"


def rank(value: float) -> str:
    """A mean rank, or a distance of two, with 1 decimal.

    >>> rank(2.25), rank(11.0)
    ('2.2', '11.0')
    """
    return f"{value:.1f}" if math.isfinite(value) else MISSING


def effect(value: float) -> str:
    """An effect size from 0 to 1 (A12) with 2 decimals.

    >>> effect(0.875)
    '0.88'
    """
    return f"{value:.2f}" if math.isfinite(value) else MISSING


def correlation(value: float) -> str:
    """A coefficient from -1 to 1 with 2 decimals and a minus that is one.

    >>> correlation(0.875), correlation(-0.5), correlation(-0.001)
    ('0.88', '−0.50', '0.00')
    """
    shown = effect(value)
    return shown.replace("-", "−") if value < 0 and float(shown) != 0 else shown.removeprefix("-")


def equals(p: float) -> str:
    """A p-value as it stands after the letter.

    >>> equals(0.0493), equals(0.0001)
    ('= 0.049', '< 0.001')
    """
    shown = probability(p)
    return f"< {shown[1:]}" if shown.startswith("<") else f"= {shown}"
