"""`moo-fs paper --check`: does everything printed still follow from the archives, and are those what they were?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError
from moo_fs.figures.drawn import data_hash
from moo_fs.figures.style import styled
from moo_fs.paper.archives import Archives
from moo_fs.paper.contents import NUMBERS, drawings_of, texts_of
from moo_fs.paper.declaration import Declaration
from moo_fs.paper.literals import hidden_numbers, literal_numbers, macros_of
from moo_fs.paper.reports import recomputed_faults, report_faults
from moo_fs.paper.writing import HASHES, Places, entry, places_of
from moo_fs.whole_files import digest, file_digest

AGAIN = "run `moo-fs paper` again"
RESTORE = "restore the archive or, if it was meant to change, run `moo-fs paper` again"


def check_paper(root: str | Path) -> list[str]:
    """Every fault of the archives, of their reports and of the paper, a sentence each; nothing is written.

    Archives: every file against its hash, and what can be computed again from them: fronts and hypervolumes from the
    trials, distortions of selection studies from the losses of their images, filters kept from their lists.
    Reports and paper: every file against its hash, tables and numbers against their recomputation byte for byte,
    figures by the data in them. An archive that paper.toml does not name is a fault, for nothing outside of it holds
    its hash; those that a repository does not keep (`archives.NOT_KEPT`) are checked by themselves. Raises MooFsError
    if `root` is not the project's folder, or paper.toml is wrong.
    """
    places = places_of(root)
    declared, archives = places.declared(), Archives(places.results)
    hashes = _recorded(places.generated / HASHES)
    if hashes is None:
        return [f"{places.generated / HASHES}: is missing or not what `moo-fs paper` writes; {AGAIN}"]
    faults, sound = _archives_checked(declared, archives, hashes["archives"])
    faults += _file_faults(places.generated, hashes["generated"])
    if sound:
        faults += _recomputed(places, declared, archives, hashes["generated"])
    return list(dict.fromkeys(faults + _text_faults(places)))


def _archives_checked(declared: Declaration, archives: Archives, recorded: dict[str, str]) -> tuple[list[str], bool]:
    """Faults of all archives and their reports, and whether what the paper names can be made again from them."""
    known = {*recorded, *declared.recorded}
    faults, sound = [_unnamed(archives, name) for name in archives.to_be_named() if name not in known], True
    for name in sorted({*archives.names(), *known}):
        found = _archive_faults(archives, name)
        sound = sound and not (found and name in declared.recorded)  # claims are those of all that are recorded
        if not found and name in known:
            found = _unlike_recorded(archives, name, recorded.get(name))
            sound = sound and not (found and name in declared.archives)
        faults += found
        if not found:
            faults += archives.rechecked(name) + _report_faults(archives, name, again=name in recorded)
    return faults, sound


def _unnamed(archives: Archives, name: str) -> str:
    return (
        f"{archives.folder / name}: paper/paper.toml does not name it, so that a change of it could go unnoticed; add "
        "it to archives.kept and run `moo-fs paper`, or move it elsewhere"
    )


def _archive_faults(archives: Archives, name: str) -> list[str]:
    """Files that differ from their hashes, or are missing, or cannot be read."""
    faults = [f"{fault}; {RESTORE}" for fault in archives.verified(name)]
    try:
        archives.opened(name)
    except MooFsError as error:
        return faults or [str(error)]
    return faults


def _unlike_recorded(archives: Archives, name: str, wanted: str | None) -> list[str]:
    if archives.hash_of(name) == wanted:
        return []
    what = "is not the archive that the paper was made from" if wanted else f"has no hash in {HASHES} yet"
    return [f"{archives.folder / name}: {what}; {RESTORE}"]


def _report_faults(archives: Archives, name: str, *, again: bool) -> list[str]:
    """A report that was edited, and, where it was not and `again`, one that the archive would give otherwise."""
    archive = archives.opened(name)
    found = report_faults(archive)
    return found or (recomputed_faults(archive) if again else [])


def _file_faults(generated: Path, listed: dict[str, Any]) -> list[str]:
    """Files of paper/generated/ that differ from their recorded hash, are missing, or nobody made."""
    faults = []
    for name, one in listed.items():
        path = generated / name
        if not path.is_file():
            faults.append(f"{path}: is missing; {AGAIN}")
        elif file_digest(path) != one["sha256"]:
            faults.append(f"{path}: was edited by hand, it differs from its hash in {HASHES}; {AGAIN}")
    found = {path.relative_to(generated).as_posix() for path in generated.rglob("*") if path.is_file()}
    return faults + [f"{generated / name}: is not made by `moo-fs paper`; remove it" for name in _strays(found, listed)]


def _strays(found: set[str], listed: dict[str, Any]) -> list[str]:
    return sorted(found - {*listed, HASHES})


def _recomputed(places: Places, declared: Declaration, archives: Archives, listed: dict[str, Any]) -> list[str]:
    """Tables, macros and figures made again: those that differ, and those that are missing or too many."""
    again: dict[str, dict[str, Any]] = {}
    faults = []
    for item in texts_of(declared, archives):
        content = item.text.encode()
        again[item.path] = entry(item.made_from, sha256=digest(content))
        path = places.generated / item.path
        if path.is_file() and path.read_bytes() != content:
            faults.append(f"{path}: differs from what the archives give; {AGAIN}")
    with styled():
        for drawing in drawings_of(declared, archives):
            # Bytes of a figure depend on fonts, so that only its data is compared here, and its file with its hash.
            sha256 = listed.get(drawing.path, {}).get("sha256", "")
            again[drawing.path] = entry(drawing.made_from, sha256=sha256, data=data_hash(drawing.figure))
    return faults + [
        f"{places.generated / HASHES}: '{name}' is not what the archives give; {AGAIN}"
        for name in sorted({*again, *listed})
        if again.get(name) != listed.get(name)
    ]


def _text_faults(places: Places) -> list[str]:
    """Numbers of main.tex that are typed by hand, and where it could hide some."""
    main, numbers = places.paper / "main.tex", places.generated / NUMBERS
    tex = main.read_text(encoding="utf-8")
    defined = macros_of(numbers.read_text(encoding="utf-8", errors="replace")) if numbers.is_file() else []
    found = [(line, f"'{text}' is typed by hand") for line, text in literal_numbers(tex)]
    return [
        f"{main}, line {line}: {what}; take numbers from the macros of generated/{NUMBERS} alone"
        for line, what in sorted(found + hidden_numbers(tex, defined))
    ]


def _recorded(path: Path) -> dict[str, Any] | None:
    """The content of hashes.json, None unless it has the shape that `moo-fs paper` writes."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    parts = [content.get(key) for key in ("archives", "generated")] if isinstance(content, dict) else []
    if not parts or not all(isinstance(part, dict) for part in parts):
        return None
    shaped = all(isinstance(one, dict) and "sha256" in one for one in content["generated"].values())
    return dict(content) if shaped else None
