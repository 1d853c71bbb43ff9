"""Write paper/generated/ from results/ alone: each file beside its place first, the list of hashes last."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError
from moo_fs.figures.drawn import FIGURES, data_hash
from moo_fs.figures.prune import CAPTIONS as PRUNED
from moo_fs.figures.prune_fronts import CAPTIONS as CUT
from moo_fs.figures.selected import SHARES
from moo_fs.figures.style import save, styled
from moo_fs.paper.archives import Archives
from moo_fs.paper.contents import Drawing, drawings_of, named, texts_of
from moo_fs.paper.declaration import Declaration, read_declaration
from moo_fs.whole_files import digest, write_whole

HASHES = "hashes.json"


@dataclass(frozen=True)
class Places:
    """Where everything lies in a project's root."""

    root: Path

    @property
    def paper(self) -> Path:
        """The folder of main.tex and paper.toml."""
        return self.root / "paper"

    @property
    def generated(self) -> Path:
        """The folder that is written here and never by hand."""
        return self.paper / "generated"

    @property
    def results(self) -> Path:
        """The folder of archives."""
        return self.root / "results"

    def declared(self) -> Declaration:
        """What paper.toml says."""
        return read_declaration(self.paper / "paper.toml", figures=(*FIGURES, *PRUNED, *CUT, SHARES))


def places_of(root: str | Path) -> Places:
    """The places in a project's root. Raises MooFsError if it has no paper or no results."""
    places = Places(Path(root))
    for path in (places.paper / "main.tex", places.paper / "paper.toml", places.results):
        if not path.exists():
            raise MooFsError(
                f"{places.root.resolve()}: wanted the project's folder, with paper/main.tex, paper/paper.toml and "
                f"results/, found no {path.relative_to(places.root)}; go there first"
            )
    return places


def write_paper(root: str | Path) -> list[Path]:
    """Write every file of paper/generated/, remove what is not made any more; returns the paths.

    The same results give the same bytes. Raises MooFsError if an archive that paper.toml names is missing or not whole.
    """
    places = places_of(root)
    declared, archives = places.declared(), Archives(places.results)
    contents, listed = _contents(declared, archives)
    recorded = {name: archives.hash_of(name) for name in declared.recorded}
    hashes = {"archives": recorded, "generated": dict(sorted(listed.items()))}
    contents[HASHES] = (json.dumps(hashes, indent=1) + "\n").encode()
    for name, content in contents.items():
        write_whole(places.generated / name, content)
    written = [places.generated / name for name in contents]
    for path in places.generated.rglob("*"):
        if path.is_file() and path not in written:
            path.unlink()
    return written


def entry(made_from: dict[str, str], *, sha256: str, data: str | None = None) -> dict[str, Any]:
    """What hashes.json says of a file: its hash, the archives behind it, and a figure's hash of the data drawn."""
    return {"sha256": sha256, "from": made_from} | ({} if data is None else {"data": data})


def _contents(declared: Declaration, archives: Archives) -> tuple[dict[str, bytes], dict[str, Any]]:
    contents, listed = {}, {}
    for item in texts_of(declared, archives):
        contents[item.path] = item.text.encode()
        listed[item.path] = entry(item.made_from, sha256=digest(contents[item.path]))
    with styled():
        for drawing, data, content in _rendered(drawings_of(declared, archives)):
            contents[drawing.path] = content
            listed[drawing.path] = entry(drawing.made_from, sha256=digest(content), data=data)
    return contents, listed


def _rendered(drawings: Iterator[Drawing]) -> Iterator[tuple[Drawing, str, bytes]]:
    """Each figure with the hash of its data and its PDF."""
    for drawing in drawings:
        data = data_hash(drawing.figure)
        with tempfile.TemporaryDirectory() as folder:
            pdf, _ = save(drawing.figure, Path(folder) / "figure", named(drawing.made_from), drawing.caption)
            yield drawing, data, pdf.read_bytes()
