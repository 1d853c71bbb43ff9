"""Is an archive's report what the archive says? Its hashes, and its tables and page made again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from moo_fs.comparison_archive import Comparison
from moo_fs.report import page_of
from moo_fs.results import Results
from moo_fs.tables import tables_of
from moo_fs.tables.comparison import comparison_tables

AGAIN = "run `moo-fs report` again"
BY_MACHINE = (".tex", ".md", ".csv", ".pdf", ".png")


def report_faults(folder: Path, archive_hash: str) -> list[str]:
    """Faults of the report in an archive's folder, by the hashes beside it; none if there is no report."""
    report = folder / "report"
    if not report.is_dir():
        return []
    content = _read(report / "hashes.json")
    if content is None:
        return [f"{report / 'hashes.json'}: is missing or not what moo-fs report writes; {AGAIN}"]
    faults = []
    if content.get("made_from") != archive_hash:
        faults.append(f"{report / 'hashes.json'}: the report was made from another state of the archive; {AGAIN}")
    listed = content["report"]
    for name, digest in listed.items():
        path = report / name
        if not path.is_file():
            faults.append(f"{path}: is missing; {AGAIN}")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            faults.append(f"{path}: differs from its hash in hashes.json; {AGAIN}")
    found = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.suffix in BY_MACHINE}
    faults += [f"{report / name}: is not in hashes.json; remove it, or {AGAIN}" for name in sorted(found - set(listed))]
    return faults


def recomputed_faults(archive: Results | Comparison) -> list[str]:
    """Files of a report that its archive would give otherwise: tables in all forms, and a study's page."""
    report = archive.folder / "report"
    if not report.is_dir():
        return []
    texts = {}
    if isinstance(archive, Comparison):
        tables = comparison_tables(archive)
    else:
        tables = tables_of(archive)
        texts["index.md"] = page_of(archive, tables, [path.stem for path in (report / "figures").glob("*.png")])
    for name, table in tables.items():
        texts[f"tables/{name}.csv"] = table.csv()
        if table.header:
            texts[f"tables/{name}.tex"] = table.tex(archive.archive_hash)
            texts[f"tables/{name}.md"] = table.markdown(archive.archive_hash)
    return [
        f"{report / name}: differs from what the archive gives; {AGAIN}"
        for name, text in texts.items()
        if not (report / name).is_file() or (report / name).read_bytes() != text.encode()
    ]


def _read(path: Path) -> dict[str, Any] | None:
    """The content of a report's hashes.json, None unless it has the shape that `moo-fs report` writes."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("report"), dict) else None
