"""The table of coded rates: what an ideal coder would need against the streams that are really made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from moo_fs.results import Results
from moo_fs.streams import KBIT_PER_BYTE
from moo_fs.tables.rendering import Table, count, number


def coded_table(*networks: Results) -> Table | None:
    """Entropy and coded rate of front members and baselines, test part; None for an archive without coded bytes.

    Several archives, one a network, are pooled: the same bits on another network are another stream.
    """
    sets = {"front members": pd.concat([one.fronts().drop_duplicates("bits") for one in networks])}
    for name in dict.fromkeys(name for one in networks for name in one.baseline_sets()):
        sets[f"baseline {name}"] = pd.concat([one.baseline_sets().get(name, pd.DataFrame()) for one in networks])
    pooled = f", pooled over {len(networks)} networks" if len(networks) > 1 else ""
    found = [_row(name, frame) for name, frame in sets.items() if _has_streams(frame)]
    if not found:
        return None
    data = pd.DataFrame(found)
    rows = tuple(
        (
            str(row["streams"]),
            count(row["allocations"]),
            number(row["entropy_kbit_median"]),
            number(row["coded_kbit_median"]),
            number(row["ratio_median"], 5),
            number(row["ratio_worst"], 5),
        )
        for row in data.to_dict("records")
    )
    return Table(
        name="coded",
        title="Entropy against coded rate on the test part",
        header=("streams of", "allocations", "entropy (kbit)", "coded (kbit)", "ratio", "worst ratio"),
        rows=rows,
        data=data,
        note="Kbit per image, the header of 16 bytes included on both sides; medians over distinct allocations"
        f"{pooled}. Entropy: of the symbols under the fit part's tables, the rate of every other table. Coded: length "
        "of the streams of codec ans. Worst: the ratio furthest from 1.",
        rules=frozenset([1]) if len(rows) > 1 else frozenset(),
    )


def _has_streams(frame: pd.DataFrame) -> bool:
    return "coded_bytes" in frame and len(frame) > 0 and bool(frame["coded_bytes"].notna().all())


def _row(name: str, frame: pd.DataFrame) -> dict[str, Any]:
    entropy, coded = frame["rate_kbit_test"].to_numpy(), frame["coded_bytes"].to_numpy() * KBIT_PER_BYTE
    ratios = coded / entropy
    return {
        "streams": name,
        "allocations": len(frame),
        "entropy_kbit_median": float(np.median(entropy)),
        "coded_kbit_median": float(np.median(coded)),
        "ratio_median": float(np.median(ratios)),
        "ratio_worst": float(ratios[np.argmax(np.abs(ratios - 1))]),
    }
