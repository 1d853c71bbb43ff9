"""The published claims of pruning by conditional mutual information, and what was found of each, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moo_fs.numerals import MISSING, number, percent
from moo_fs.prune_studies.archive import Pruning
from moo_fs.prune_studies.claims import CLOSE, ENOUGH_PAIRS, HEADLINE, claims
from moo_fs.prune_studies.judged import CHANCE
from moo_fs.tables.rendering import Table


def claims_table(found: Pruning) -> Table:
    """A row a claim and setting: what was measured, its range, whether it holds."""
    data = claims(found)
    rows = tuple(_row(row) for row in data.to_dict("records"))
    return Table(
        name="claims",
        title="The published claims",
        header=("claim", "setting", "measured", "median", "lowest", "highest", "cases", "images", "verdict"),
        rows=rows,
        data=data,
        note=f"Width {found.study['network']['width']:g} of the published network. Ranges over cases, no test of "
        "chance: batches of images and training seeds are few. Images: 95 % interval of the mean over resampled test "
        f"images. B1 wants more than a third of the filters gone and at most {HEADLINE:g} "
        "points of test accuracy lost. The best variant: of those without more than a third of the filters, on "
        f"validation images. Close, and as good, our reading: within {CLOSE:g} points in every case. B3 counts pairs "
        f"that tell: other filters cut, and not both below {percent(CHANCE)} of the validation images; fewer than "
        f"{ENOUGH_PAIRS}, or one whose orders are rounding before their last kept filter, decide nothing. Kernel "
        "widths grow with the maps of a formulation's largest product; one width: that of full for all.",
        texts=3,
    )


def points(value: float) -> str:
    """Accuracy points with 2 decimals and a sign that is one.

    >>> points(-0.321), points(12.0), points(0.0)
    ('−0.32', '12.00', '0.00')
    """
    shown = f"{value:.2f}" if value == value else MISSING
    return shown.removeprefix("-") if shown == "-0.00" else shown.replace("-", "−")


def _row(row: Mapping[Any, Any]) -> tuple[str, ...]:
    show = number if "nats" in row["quantity"] else points
    removed = row.get("removed", float("nan"))
    setting = (
        row["setting"] if removed != removed else f"{row['setting']} (at least {percent(removed)} of the filters gone)"
    )
    numbers = tuple(show(row[name]) for name in ("median", "low", "high"))
    low, high = (points(row.get(f"image_{end}", float("nan"))) for end in ("low", "high"))
    images = MISSING if low == MISSING else f"{low} to {high}"
    return (row["claim"], setting, row["quantity"], *numbers, str(row["count"]), images, row["verdict"])
