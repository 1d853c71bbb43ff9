"""Tables of a selection study about single points: channels not sent, bytes by codec, and where the bytes go."""

from __future__ import annotations

import numpy as np
import pandas as pd

from moo_fs.numerals import MISSING, count, share
from moo_fs.selection_archive import LEDGER, SelectionResults
from moo_fs.selection_claims import soft_ways
from moo_fs.selection_curves import Way, blocks_of, families
from moo_fs.selection_findings import measures_of
from moo_fs.selection_plan import EQUAL
from moo_fs.tables.rendering import Table
from moo_fs.tables.selection_bytes import percentage


def fills_table(results: SelectionResults, family: str) -> Table | None:
    """What is not sent at its mean, or at zero: distortions at half of the channels kept."""
    fills, codec = results.settings["fills"], results.settings["codecs"][0]
    if "hard" not in results.settings["methods"] or len(fills) < 2:
        return None
    rows = _hard_rows(results, family)
    rows = rows[rows["codec"] == codec]
    if rows.empty:
        return None
    half = rows["kept"].unique()[np.argmin(np.abs(rows["kept"].unique() - rows["kept"].max() / 2))]
    tasks = results.tasks(families(results)[family][0])
    columns = [f"distortion_{task}" for task in tasks]
    wide = rows[rows["kept"] == half].groupby(["measure", "fill"], sort=False)[columns].mean().unstack("fill")
    order = [(f"distortion_{task}", fill) for task in tasks for fill in fills]
    data = wide.reindex(measures_of(results))[order]
    return Table(
        name=f"fills-{family}",
        title=f"Channels not sent, at their mean or at zero: {family}, {count(half)} channels kept",
        header=("order", *(f"{column.removeprefix('distortion_')}, {fill}" for column, fill in order)),
        rows=tuple((str(name), *map(share, data.loc[name].to_numpy(float))) for name in data.index),
        data=data.set_axis([f"{column}_{fill}" for column, fill in order], axis=1).reset_index(),
        note="Distortions, means over blocks. The mean over the fit part is one number a channel, deployed once.",
    )


def codecs_table(results: SelectionResults, family: str) -> Table | None:
    """Coded bytes of the same channels by codec, at each number of channels kept."""
    codecs, fill = results.settings["codecs"], results.settings["fills"][0]
    if "hard" not in results.settings["methods"] or len(codecs) < 2:
        return None
    rows = _hard_rows(results, family)
    rows = rows[rows["fill"] == fill]
    wide = rows.pivot_table("coded_bytes", ["subject", "seed", "measure", "kept"], "codec").reindex(columns=codecs)
    if wide.empty:
        return None
    first, *others = codecs
    relative = (100 * (wide.div(wide[first], axis=0) - 1)).groupby("kept")
    data = pd.DataFrame({first: wide[first].groupby("kept").median()})
    for codec in others:
        found = relative[codec]
        ends = {codec: found.median(), f"{codec}_low": found.min(), f"{codec}_high": found.max()}
        data = data.join(pd.DataFrame(ends))
    spread = "{} ({} to {})"
    cells = [
        (
            count(row["kept"]),
            count(row[first]),
            *(spread.format(*(percentage(row[f"{name}{end}"]) for end in ("", "_low", "_high"))) for name in others),
        )
        for row in data.reset_index().to_dict("records")
    ]
    return Table(
        name=f"codecs-{family}",
        title=f"Coded bytes by codec at each number of channels kept: {family}",
        header=("channels kept", f"{first}, bytes", *(f"{name}, %" for name in others)),
        rows=tuple(cells),
        data=data.reset_index(),
        note=f"Medians over blocks and orders: bytes per image of {first}, and how many percent more (fewer) another "
        "codec takes for the same symbols, with the range.",
    )


def ledger_table(results: SelectionResults, family: str) -> Table | None:
    """Where the bytes of soft selection and of one QP go; None where the archive does not say it."""
    columns = [*LEDGER, "coded_bytes"]
    if "soft" not in results.settings["methods"] or not {*columns} <= {*results.rows}:
        return None
    frames = []
    for way in (*(soft for soft, _ in soft_ways(results).values()), Way("one-qp")):
        rows = pd.concat([way.rows(results, block) for block in blocks_of(results, family)])
        frames.append(rows.groupby("qp", sort=False)[columns].mean().reset_index().assign(way=way.label))
    data = pd.concat(frames, ignore_index=True)
    if data.empty:
        return None
    rest = data["payload_bytes"] - data["base_bytes"].fillna(0)
    shown = [*(name for name in LEDGER if name != "payload_bytes"), "rest_bytes", "coded_bytes"]
    data = data.assign(rest_bytes=rest)[["way", "qp", *shown]]
    names = {name: name.removesuffix("_bytes") for name in shown} | {"rest_bytes": "enhancement, or all channels"}
    return Table(
        name=f"ledger-{family}",
        title=f"Where the bytes go: {family}",
        header=("way", "QP", *names.values()),
        rows=tuple((row["way"], row["qp"], *(count(row[name]) for name in shown)) for row in data.to_dict("records")),
        data=data,
        note="Bytes per image, means over blocks. Nominal: without entropy coding, no part of the sum. Header: the "
        "stream's own; mask: which channels are in the base; fixed: parameter sets, the same in every stream of a way; "
        f"{MISSING}: there is none. Header, mask, fixed, base and the rest are the coded bytes.",
        texts=2,
    )


def _hard_rows(results: SelectionResults, family: str) -> pd.DataFrame:
    """Points of hard selection by one order for all tasks, in one stream: no base whose enhancement was dropped."""
    rows = results.rows[results.rows["subject"].isin(families(results)[family]) & (results.rows["method"] == "hard")]
    rows = rows[rows["task_weights"] == EQUAL]
    return rows[rows["base_share"].isna()] if "base_share" in rows else rows
