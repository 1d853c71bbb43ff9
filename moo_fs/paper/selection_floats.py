"""The tables of selection studies at the paper's width, and how their claims fare together, study by study too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from moo_fs.contracts import MooFsError
from moo_fs.numerals import MISSING
from moo_fs.paper.kinds import Opened
from moo_fs.paper.narrowing import named, with_rows, without_columns
from moo_fs.selection_archive import SelectionResults
from moo_fs.selection_claims import FAILS, HOLDS, OPEN
from moo_fs.selection_curves import families
from moo_fs.selection_findings import INFORMATION
from moo_fs.tables import Table
from moo_fs.tables.trust import short_names

STREETS = "streets-"


def family_of(part: str, results: SelectionResults) -> str:
    """The one family of a study's subjects. Raises MooFsError if there are several."""
    found = list(families(results))
    if len(found) != 1:
        raise MooFsError(
            f"paper/paper.toml: sources.{part}: wanted a study of one recipe of networks, got {', '.join(found)}; "
            "name another"
        )
    return found[0]


def selection_floats(part: str, archive: Opened) -> list[Table]:
    """The tables of a part of the paper, by its kind: hard, soft, weights, sensitivity.

    Raises MooFsError if the study lacks the table that the part is about.
    """
    family, kind = family_of(part, archive.content), part.removeprefix(STREETS)
    tables, where = archive.tables, f"({archive.content.study['name']})"
    found = [make(tables, family, where) for make in _FLOATS[kind]]
    if found[0] is None:
        raise MooFsError(
            f"paper/paper.toml: sources.{part}: the study '{archive.content.study['name']}' has no such table; "
            "name another"
        )
    return [replace(table, name=f"{part}{table.name}") for table in found if table is not None]


def claims_summary(studies: Sequence[Opened]) -> Table | None:
    """How many statements of each published claim hold, a row a claim and recipe of networks; None without claims."""
    frames = [archive.tables["claims"].data for archive in studies if "claims" in archive.tables]
    if not frames:
        return None
    data = pd.concat(frames, ignore_index=True).sort_values(["claim", "subject"], kind="stable")
    counts = data.groupby(["claim", "subject"], sort=False)["verdict"].value_counts().unstack(fill_value=0)
    counts = counts.reindex(columns=[HOLDS, OPEN, FAILS], fill_value=0)
    return Table(
        name="selection-claims",
        title="Published claims on feature selection: how many statements hold here",
        header=("claim", "networks", "statements", *counts.columns),
        rows=tuple(
            (str(claim), str(subject), str(sum(row)), *map(str, row))
            for (claim, subject), row in zip(counts.index, counts.to_numpy(), strict=True)
        ),
        data=data,
        note="A1: the order by mutual information leaves less distortion than norm, proximity and chance, task by "
        "task, most so for reconstruction; by each task's own order, and by one order for all tasks. A2: orders "
        "differ between tasks. A3: soft selection leaves less distortion than hard selection, and than one QP. A4: "
        "mutual information is the best on more than half of the task weights, of all orders of a study. How a claim "
        "is cut into statements and tested is our choice.",
        texts=2,
    )


def claims_page(studies: Sequence[Opened]) -> str:
    """All claims of all studies as Markdown: those on feature selection in one table, the others' as they are."""
    heads = "# Published claims, and whether they hold here", "Made by `moo-fs paper` from the archives; not by hand."
    parts, rows, header = [*heads], [], ("study",)
    for archive in studies:
        table = archive.tables.get("claims")
        if table is None:
            continue
        if isinstance(archive.content, SelectionResults):
            rows += [(str(archive.content.study["name"]), *row) for row in table.rows]
            header = ("study", *table.header)
        else:
            parts += [f"## {archive.folder.name}: {table.title}", table.markdown_rows()]
    if rows:
        by_claim = tuple(sorted(rows, key=lambda row: row[1]))
        merged = Table("claims", "On feature selection", header, by_claim, pd.DataFrame(), _JUDGED, texts=4)
        parts[2:2] = [f"## {merged.title}", merged.markdown_rows()]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _hard_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"hard-{family}")
    if table is None:
        return None
    columns = [name.partition(", ") for name in table.header]
    told = short_names(list(dict.fromkeys(task for task, comma, _ in columns if comma)))
    header = tuple(told.get(task, task) + comma + rest for task, comma, rest in columns)
    # A setting of mutual information goes by its options alone.
    cells = tuple((_setting(name) if "[" in name else name, *rest) for name, *rest in table.rows)
    short = replace(table, header=header, rows=cells)
    return named(short, "", f"Hard selection: mean distortion at equal coded bytes {where}")


def _contrasts_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"contrasts-{family}")
    title = f"Mutual information's order against others {where}"
    return table and without_columns(named(table, "-contrasts", title), {"way", "pairs"})


def _orders_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"orders-{family}")
    return table and named(table, "-orders", f"Do mutual information's scores differ between tasks? {where}")


def _soft_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"soft-{family}")
    if table is None:
        return None
    short = replace(table, rows=tuple(tuple(map(_short, row)) for row in table.rows))
    return without_columns(named(short, "", f"Soft selection against its rivals at equal bytes {where}"), {"pairs"})


def _delta_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"delta-{family}")
    if table is None:
        return None
    mine = with_rows(table, lambda row: "," not in row[0] or row[0].endswith(f", {INFORMATION}"))
    short = replace(mine, rows=tuple(tuple(map(_short, row)) for row in mine.rows))
    title = f"Delta rates against one QP for all channels {where}"
    table = without_columns(named(short, "-delta", title), {"images", "blocks", "why not all"})
    return replace(
        table,
        note="Bjøntegaard delta rate in percent, negative: fewer bytes. Losses: the distortions over which it is a "
        "mean; where they reach far, points that lose most of a task decide it. In brackets: how many blocks have "
        f"one; {MISSING}: fewer than half of them. The CSV has intervals over blocks and images, and the other "
        "measures too.",
    )


def _bytes_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    title = f"Bytes at equal distortion, in percent against one QP for all channels {where}"
    return _at_distortions(tables.get(f"bytes-{family}"), "-bytes", title)


def _splitting_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    title = f"Bytes of features at equal distortion, in percent against the image under HEVC {where}"
    return _at_distortions(tables.get(f"bytes-image-{family}"), "-splitting", title)


def _at_distortions(table: Table | None, name: str, title: str) -> Table | None:
    """A table of bytes at equal distortion without the coarsest one, soft selection by mutual information alone."""
    if table is None:
        return None
    mine = with_rows(table, lambda row: "," not in row[0] or row[0].endswith((f", {INFORMATION}", ", bytes")))
    columns = [header.rpartition(" ") for header in table.header]
    tasks = list(dict.fromkeys(task for task, space, _ in columns if space))
    starts = {task: f"{task[:3]}." for task in tasks}
    told = starts if len(set(starts.values())) == len(tasks) else short_names(tasks)
    short = replace(
        mine,
        header=tuple(told.get(task, task) + space + rest for task, space, rest in columns),
        rows=tuple((_short(way), *(cell.partition(" (")[0] for cell in cells)) for way, *cells in mine.rows),
        note="At the distortion beside the task's name, 0 = nothing lost, 1 = nothing sent: percent more (negative: "
        f"fewer) bytes, geometric mean over the blocks where both curves reach it; {MISSING}: fewer than half of them. "
        "The CSV has the number of blocks, 95 % intervals and the coarsest distortion too.",
    )
    return without_columns(named(short, name, title), {f"{task} .2" for task in told.values()})


def _settings_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"settings-{family}")
    if table is None:
        return None
    cells = tuple((_setting(name), *(cell.replace("0.", ".") for cell in rest)) for name, *rest in table.rows)
    short = replace(table, header=tuple(name.removeprefix("share, ") for name in table.header), rows=cells)
    return named(short, "-settings", f"Mutual information by setting, against others {where}")


def _setting(label: str) -> str:
    """A setting of mutual information by what it changes alone."""
    changed = label.removeprefix(INFORMATION).removeprefix("-").strip("[]")
    return changed or "default"


def _weights_table(tables: Mapping[str, Any], family: str, where: str) -> Table | None:
    table = tables.get(f"weights-{family}")
    return table and named(table, "", f"Share of the task weights where an order is the best {where}")


def _short(cell: str) -> str:
    return cell.removesuffix(f", {INFORMATION}")


_JUDGED = (
    "Medians over blocks, p after Holm over the rows of a claim in a study. Blocks are draws of scores on few "
    "networks, in some studies on one: each study's report says on how many, and how its claims are tested."
)
_Maker = Callable[[Mapping[str, Any], str, str], Table | None]
_FLOATS: dict[str, Sequence[_Maker]] = {
    "hard": (_hard_table, _contrasts_table, _orders_table),
    "soft": (_soft_table, _delta_table, _bytes_table, _splitting_table),
    "weights": (_weights_table,),
    "sensitivity": (_hard_table, _settings_table),
}
