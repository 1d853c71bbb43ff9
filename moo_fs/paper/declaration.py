"""`paper/paper.toml`: which archive supplies what to the paper."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError, did_you_mean

STUDIES = ("subjects", "hypervolume", "costs", "codec")
COMPARE = "compare"
TRUST = "trust"
SECTIONS = ("sources", "archives")


@dataclass(frozen=True)
class Declaration:
    """Names of archives under results/.

    `sources` maps a part of the paper (subjects, hypervolume, costs, codec, compare, trust) to its archive; a part that
    is not named is left out of the paper; that of `codec` may be a comparison, whose networks are pooled. `figures` maps a
    figure to the archive that it is drawn from. `kept` names further archives that the repository keeps: their hashes
    are recorded beside those of the sources.
    """

    sources: dict[str, str]
    figures: dict[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    @property
    def archives(self) -> list[str]:
        """Every archive that something is made from, once."""
        return list(dict.fromkeys([*self.sources.values(), *self.figures.values()]))

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
    _known(path, "sources.", sources, (*STUDIES, COMPARE, TRUST, "figures"))
    _known(path, "sources.figures.", drawn, figures)
    for key, value in [*sources.items(), *((f"figures.{name}", one) for name, one in drawn.items())]:
        _archive_name(path, f"sources.{key}", value)
    more = _table(path, "archives", content.get("archives", {}))
    _known(path, "archives.", more, ("kept",))
    kept = more.get("kept", [])
    if not isinstance(kept, list):
        raise MooFsError(f"{path}: archives.kept: wanted a list of names under results/, got {kept!r}")
    for name in kept:
        _archive_name(path, "archives.kept", name)
    return Declaration(sources, drawn, tuple(kept))


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
