"""Is an archive's report what the archive says? Its hashes; its tables, page and figures' data made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moo_fs.figures.drawn import data_hash
from moo_fs.figures.style import styled
from moo_fs.paper.kinds import Opened
from moo_fs.whole_files import file_digest

AGAIN = "run `moo-fs report` again"
BY_MACHINE = (".tex", ".md", ".csv", ".pdf", ".png")


def report_faults(archive: Opened) -> list[str]:
    """Faults of the report in an archive's folder, by the hashes beside it; none if there is no report."""
    report = archive.folder / "report"
    if not report.is_dir():
        return []
    content = _read(report / "hashes.json")
    if content is None:
        return [f"{report / 'hashes.json'}: is missing or not what moo-fs report writes; {AGAIN}"]
    faults = []
    if (content.get("made_from"), content.get("archive")) != (archive.archive_hash, archive.files):
        faults.append(f"{report / 'hashes.json'}: the report was made from another state of the archive; {AGAIN}")
    listed = content["report"]
    for name, digest in listed.items():
        path = report / name
        if not path.is_file():
            faults.append(f"{path}: is missing; {AGAIN}")
        elif file_digest(path) != digest:
            faults.append(f"{path}: differs from its hash in hashes.json; {AGAIN}")
    found = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.suffix in BY_MACHINE}
    faults += [f"{report / name}: is not in hashes.json; remove it, or {AGAIN}" for name in sorted(found - set(listed))]
    return faults


def recomputed_faults(archive: Opened) -> list[str]:
    """Files of a report that its archive would give otherwise: tables in all forms, the page, figures by their data."""
    report = archive.folder / "report"
    if not report.is_dir():
        return []
    figures = sorted(path.stem for path in (report / "figures").glob("*.png"))
    return [
        f"{report / name}: differs from what the archive gives; {AGAIN}"
        for name, text in _texts(archive, figures).items()
        if not (report / name).is_file() or (report / name).read_bytes() != text.encode()
    ] + _figure_faults(archive, figures)


def _texts(archive: Opened, figures: list[str]) -> dict[str, str]:
    """Path in the report -> what belongs there."""
    texts = {"index.md": archive.page(figures)}
    for name, table in archive.tables.items():
        texts[f"tables/{name}.csv"] = table.csv()
        if table.header:
            texts[f"tables/{name}.tex"] = table.tex(archive.archive_hash)
            texts[f"tables/{name}.md"] = table.markdown(archive.archive_hash)
    return texts


def _figure_faults(archive: Opened, figures: list[str]) -> list[str]:
    """Bytes of a figure depend on fonts: what was drawn is compared by its data, as recorded when it was written."""
    hashes = archive.folder / "report" / "hashes.json"
    recorded = (_read(hashes) or {}).get("figures")
    if not isinstance(recorded, dict):
        return [f"{hashes}: does not say what data its figures show; {AGAIN}"]
    with styled():
        drawn = {name: archive.figure(name) for name in sorted({*recorded, *figures})}
        again = {name: data_hash(figure) for name, figure in drawn.items() if figure is not None}
    return [
        f"{hashes}: figure '{name}' does not show what the archive gives; {AGAIN}"
        for name in drawn
        if name not in again or recorded.get(name) != again[name]
    ]


def _read(path: Path) -> dict[str, Any] | None:
    """The content of a report's hashes.json, None unless it has the shape that `moo-fs report` writes."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("report"), dict) else None
