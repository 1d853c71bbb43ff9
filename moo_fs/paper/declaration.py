"""`paper/paper.toml`: which archive supplies what to the paper."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError, did_you_mean

STUDIES = ("subjects", "hypervolume", "costs", "codec")
COMPARE = "compare"
TRUST = "trust"
# Selection studies, each on composed scenes and on real streets.
SELECTIONS = ("hard", "soft", "weights", "sensitivity", "streets-hard", "streets-soft", "streets-weights")
PRUNE, PRUNE_FRONTS = "prune", "prune-fronts"
PARTS = (*STUDIES, COMPARE, TRUST, *SELECTIONS, PRUNE, PRUNE_FRONTS)
SECTIONS = ("sources", "archives")
FIGURE_NAME = re.compile(r"[a-z][a-z0-9-]*")


@dataclass(frozen=True)
class Shown:
    """A figure of an archive, by its name there."""

    archive: str
    figure: str


@dataclass(frozen=True)
class Declaration:
    """Names of archives under results/.

    `sources` maps a part of the paper (see PARTS) to its archive; a part that is not named is left out of the paper;
    that of `codec` may be a comparison, whose networks are pooled. `figures` maps a figure, as the paper calls it, to
    what it is drawn from. `kept` names further archives that the repository keeps: their hashes are recorded beside
    those of the sources.
    """

    sources: dict[str, str]
    figures: dict[str, Shown] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    @property
    def archives(self) -> list[str]:
        """Every archive that something is made from, once."""
        return list(dict.fromkeys([*self.sources.values(), *(one.archive for one in self.figures.values())]))

    @property
    def recorded(self) -> list[str]:
        """Every archive whose hash is recorded."""
        return sorted({*self.archives, *self.kept})


def read_declaration(path: Path, *, figures: tuple[str, ...]) -> Declaration:
    """The declaration in `path`; `figures` are the names of all figures that can be drawn.

    Raises MooFsError if the file is missing, is not TOML, or has a key or value that means nothing here.
    """
    content = _read(path)
    _known(path, "", content, SECTIONS)
    sources = dict(_table(path, "sources", content.get("sources", {})))
    drawn = _table(path, "sources.figures", sources.pop("figures", {}))
    _known(path, "sources.", sources, (*PARTS, "figures"))
    for key, value in sources.items():
        _archive_name(path, f"sources.{key}", value)
    shown = {name: _shown(path, name, value, figures) for name, value in drawn.items()}
    more = _table(path, "archives", content.get("archives", {}))
    _known(path, "archives.", more, ("kept",))
    kept = more.get("kept", [])
    if not isinstance(kept, list):
        raise MooFsError(f"{path}: archives.kept: wanted a list of names under results/, got {kept!r}")
    for name in kept:
        _archive_name(path, "archives.kept", name)
    return Declaration(sources, shown, tuple(kept))


def _shown(path: Path, name: str, value: Any, figures: tuple[str, ...]) -> Shown:
    """`fronts = "02_family"`: the figure of that name; `curves = "10_hard/rate-curves-x"`: another by a name here."""
    archive, slash, figure = value.partition("/") if isinstance(value, str) else (value, "", "")
    if not slash:
        _known(path, "sources.figures.", {name: value}, figures)
    elif not FIGURE_NAME.fullmatch(name) or not FIGURE_NAME.fullmatch(figure):
        raise MooFsError(
            f'{path}: sources.figures.{name}: wanted a name in small letters, digits and "-", and the like after '
            f"ARCHIVE/, got {value!r}"
        )
    _archive_name(path, f"sources.figures.{name}", archive)
    return Shown(archive, figure or name)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise MooFsError(f"{path}: cannot be read ({error.strerror}); it says which archive supplies what") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise MooFsError(f"{path}: wanted TOML, got something else: {error}") from error


def _table(path: Path, key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MooFsError(f"{path}: {key}: wanted a table, got {value!r}")
    return value


def _known(path: Path, prefix: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            raise MooFsError(f"{path}: unknown key '{prefix}{key}'{did_you_mean(key, known)}")


def _archive_name(path: Path, key: str, value: Any) -> None:
    if not isinstance(value, str) or not value or Path(value).name != value or value.startswith("."):
        raise MooFsError(f"{path}: {key}: wanted the name of a folder under results/, got {value!r}")
