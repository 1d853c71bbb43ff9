"""A study's report: tables, figures and a page that holds them together, from the archive alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from moo_fs.contrasts import ENOUGH_PAIRS
from moo_fs.figures import CAPTIONS, figures_of
from moo_fs.figures.drawn import data_hash
from moo_fs.figures.style import save_all, styled
from moo_fs.results import Results, load_results
from moo_fs.tables import Table, number, tables_of, write_tables
from moo_fs.whole_files import file_digest
from moo_fs.worth import at_half_rate


def write_report(folder: str | Path) -> list[Path]:
    """Write `folder`/report: index.md, tables/*.{tex,md,csv}, figures/*.{pdf,png}, hashes.json; returns their paths.

    The same archive gives the same bytes. Files of an earlier report that this one does not write are removed. Raises
    MooFsError if the folder holds no whole archive.
    """
    results = load_results(folder)
    tables = tables_of(results)
    return publish(
        Path(folder) / "report",
        tables=tables,
        draw=lambda: figures_of(results),
        captions=CAPTIONS,
        page=lambda figures: page_of(results, tables, figures),
        made_from=results.archive_hash,
        files=results.files,
    )


def publish(
    report: Path,
    *,
    tables: dict[str, Table],
    draw: Callable[[], Mapping[str, Any]],
    captions: Mapping[str, str],
    page: Callable[[list[str]], str],
    made_from: str,
    files: Mapping[str, str],
) -> list[Path]:
    """Write a report of any kind into the folder `report` and return the paths of its files, hashes.json last.

    `draw` gives the figures by name and `page` the text of index.md from their names; `made_from` is the archive's hash
    and `files` its files with theirs. Files of an earlier report that this one does not write are removed.
    """
    written = write_tables(tables, report / "tables", made_from)
    with styled():
        figures = draw()
        data = {name: data_hash(figure) for name, figure in figures.items()}
        written += save_all(figures, captions, report / "figures", made_from)
    index = report / "index.md"
    index.write_text(page(list(figures)), encoding="utf-8", newline="\n")
    return seal(report, [*written, index], made_from, files, data)


def seal(
    report: Path, written: list[Path], made_from: str, files: Mapping[str, str], data: Mapping[str, str]
) -> list[Path]:
    """End a report: hashes.json over what it was made from and what was written; removes an earlier report's files.

    `data` is the hash of the data in each figure (`figures.drawn.data_hash`), whatever a machine's fonts. Returns the
    paths of all files, hashes.json last.
    """
    names = {path.relative_to(report).as_posix(): path for path in sorted(written)}
    content = {
        "made_from": made_from,
        "archive": dict(sorted(files.items())),
        "figures": dict(sorted(data.items())),
        "report": {name: file_digest(path) for name, path in names.items()},
    }
    hashes = report / "hashes.json"
    hashes.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n")
    for kind in ("tables", "figures"):
        for path in (report / kind).iterdir():
            if path not in written and path.suffix in (".tex", ".md", ".csv", ".pdf", ".png"):
                path.unlink()
    return [*written, hashes]


def page_of(results: Results, tables: dict[str, Table], figures: list[str]) -> str:
    """The report as Markdown: question, what was run, what it shows in numbers, every table and figure."""
    study = results.study
    parts = [f"<!-- made from {results.archive_hash} -->", f"# {study['name']}", str(study.get("question", ""))]
    parts += ["## What was run", _run_sentence(results), "## What it shows", *_findings(results, tables)]
    parts.append("## Fronts and hypervolumes")
    parts += embedded(
        tables, figures, ["hypervolume"], ["fronts", "hypervolume-by-measure", "hypervolume-by-optimiser"]
    )
    parts.append("## The subject")
    parts += embedded(tables, figures, ["uncompressed", "baselines", "worth", "sensitivities"], ["worth-searching"])
    parts.append("## Scores, allocations and pictures")
    parts += embedded(tables, figures, [], ["scores", "agreement", "allocations", "scenes"])
    parts.append("## Bitstreams and cost")
    parts += embedded(tables, figures, ["coded", "costs"], [])
    parts.append("The front of all runs together, with its allocations: [tables/fronts.csv](tables/fronts.csv).")
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def embedded(
    tables: Mapping[str, Table],
    figures: Collection[str],
    names: Iterable[str],
    pictures: Iterable[str],
    captions: Mapping[str, str] = CAPTIONS,
) -> list[str]:
    """Parts of a page: tables under their titles, then pictures with captions, those that there are."""
    parts = []
    for name in names:
        if name in tables:
            parts += [f"### {tables[name].title}", tables[name].markdown_rows()]
    for name in pictures:
        if name in figures:
            parts += [f"![{captions[name]}](figures/{name}.png)", f"*{captions[name]}* ([PDF](figures/{name}.pdf))"]
    return parts


def _run_sentence(results: Results) -> str:
    study, summary = results.study, results.hypervolumes()
    low, high = summary["evaluations"].min(), summary["evaluations"].max()
    evaluations = f"{low}" if low == high else f"{low} to {high}"
    reference = ", ".join(
        f"{name} {number(value)}" for name, value in zip(results.objectives, results.reference, strict=True)
    )
    sizes = {"channels": "channels", "search_images": "search images", "test_images": "test images"}
    known = "; ".join(f"{study[key]} {name}" for key, name in sizes.items() if study.get(key))
    return (
        f"{len(summary)} runs: {len(results.measures)} measures ({', '.join(results.measures)}), "
        f"{len(results.optimisers)} optimisers ({', '.join(results.optimisers)}), {results.blocks} blocks, "
        f"{evaluations} evaluations each; objectives {', '.join(results.objectives)}; "
        f"{known}; backend {study.get('backend', 'unknown')}. "
        f"Reference point: {reference} (rate in kbit per image). Every number below is of the test part unless it says "
        "otherwise."
    )


def _findings(results: Results, tables: dict[str, Table]) -> list[str]:
    rows = tables["hypervolume"].data.to_dict("records")
    cells = [row for row in rows if row["blocks"]]
    lines = [
        _spread_sentence(cells, name, what) for name, what in (("optimiser", "optimisers"), ("measure", "measures"))
    ]
    best = max(cells, key=lambda row: row["hypervolume_test_median"])
    lines.insert(0, f"Largest median hypervolume: {_cell(best)}.")
    for row in rows:
        if not row["blocks"]:
            beaten = sum(one["hypervolume_test_min"] > row["hypervolume_test_median"] for one in cells)
            value = number(row["hypervolume_test_median"])
            name = row["optimiser"].removeprefix("baseline ")
            lines.append(f"`{name}` has {value}: {beaten} of {len(cells)} cells lie above it in every block.")
    lines += _worth_lines(results)
    exhausted = results.study.get("exhausted") or {}
    if exhausted:
        lines.append(f"{len(exhausted)} runs ended below their budget: {'; '.join(sorted(set(exhausted.values())))}.")
    if results.blocks < ENOUGH_PAIRS:
        lines.append(
            f"{results.blocks} blocks are too few for a test: medians and ranges only, no claim of significance."
        )
    return ["\n".join(f"* {line}" for line in lines if line)]


def _cell(row: dict[Any, Any]) -> str:
    low, high = number(row["hypervolume_test_min"]), number(row["hypervolume_test_max"])
    value = number(row["hypervolume_test_median"])
    return f"{value} ({low} to {high}), `{row['optimiser']}` with `{row['measure']}`"


def _spread_sentence(cells: list[dict[Any, Any]], by: str, what: str) -> str:
    """How far apart the cells' medians lie along one axis of the grid, the other held fixed."""
    other = "measure" if by == "optimiser" else "optimiser"
    gaps = []
    for name in dict.fromkeys(row[other] for row in cells):
        medians = [row["hypervolume_test_median"] for row in cells if row[other] == name]
        gaps.append(max(medians) - min(medians))
    if len(cells) == len(gaps):
        return ""
    return (
        f"Between {what}, at the same {other}, the medians lie {number(min(gaps))} to {number(max(gaps))} apart "
        "(best minus worst)."
    )


def _worth_lines(results: Results) -> list[str]:
    worth = at_half_rate(results)
    if worth is None:
        return []
    shares = ", ".join(f"{task} {number(ratio)}" for task, ratio in zip(worth.tasks, worth.ratios, strict=True))
    verdict = "holds" if worth.holds else "does not hold"
    return [
        f"At {number(worth.rate)} kbit (half the rate of uniform 1 bit), share of `uniform-step`'s distortion at the "
        f"same rate: {shares}; mean {number(worth.mean)}. Wanted at most 0.90 each and 0.75 on average: {verdict}."
    ]
