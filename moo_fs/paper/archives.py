"""The archives under results/ that the paper is made from: read once each, with their hashes."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from moo_fs.comparison_archive import Comparison
from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.paper.cut_fronts import CutFronts
from moo_fs.paper.kinds import (
    COMPARISON,
    CUT,
    MARKERS,
    PRUNED,
    SELECTION,
    STUDIED,
    TRUSTED,
    Kind,
    Opened,
    kind_of,
    open_archive,
)
from moo_fs.prune_studies.archive import Pruning
from moo_fs.results import Results
from moo_fs.selection_archive import SelectionResults
from moo_fs.trust_archive import Trust

NOT_KEPT = ("quickstart", "quickstart-compare", "*-own")  # what a newcomer's commands leave; .gitignore names them too


class Archives:
    """The archives in a folder, by name; one is read when it is first asked for, and then kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: dict[str, Opened] = {}

    def names(self) -> list[str]:
        """Names of all archives that lie there, of every kind."""
        return sorted({path.parent.name for marker in MARKERS for path in self.folder.glob(f"*/{marker}")})

    def to_be_named(self) -> list[str]:
        """Names of the archives whose hashes belong on record: all but those that a repository does not keep."""
        return [name for name in self.names() if not any(fnmatch(name, pattern) for pattern in NOT_KEPT)]

    def opened(self, name: str) -> Opened:
        """An archive of any kind, with what its report is made of. Raises MooFsError if there is none, or it is not
        whole.
        """
        if name not in self._opened:
            if kind_of(self.folder / name) is None:
                raise self._missing(name, STUDIED)
            self._opened[name] = open_archive(self.folder / name)
        return self._opened[name]

    def wanted(self, name: str, kind: Kind) -> Opened:
        """An archive of one kind. Raises MooFsError if there is none, it is another kind's, or it is not whole."""
        if kind_of(self.folder / name) is not kind:
            raise self._missing(name, kind)
        return self.opened(name)

    def study(self, name: str) -> Results:
        """The archive of a study; errors as for `wanted`."""
        return self._content(name, STUDIED)  # type: ignore[no-any-return]

    def comparison(self, name: str) -> Comparison:
        """The archive of a comparison; errors as for `wanted`."""
        return self._content(name, COMPARISON)  # type: ignore[no-any-return]

    def judged(self, name: str) -> Trust:
        """What `moo-fs scores` wrote; errors as for `wanted`."""
        return self._content(name, TRUSTED)  # type: ignore[no-any-return]

    def selection(self, name: str) -> SelectionResults:
        """The archive of a selection study; errors as for `wanted`."""
        return self._content(name, SELECTION)  # type: ignore[no-any-return]

    def pruning(self, name: str) -> Pruning:
        """The archive of a pruning study; errors as for `wanted`."""
        return self._content(name, PRUNED)  # type: ignore[no-any-return]

    def cut_fronts(self, name: str) -> CutFronts:
        """The archive of a search over pruned networks; errors as for `wanted`."""
        return self._content(name, CUT)  # type: ignore[no-any-return]

    def is_comparison(self, name: str) -> bool:
        """Whether an archive is that of a comparison."""
        return kind_of(self.folder / name) is COMPARISON

    def hash_of(self, name: str) -> str:
        """SHA-256 of all that an archive holds, of what study.json or comparison.json says too."""
        return self.opened(name).archive_hash

    def networks(self, name: str) -> list[Results]:
        """The studies' archives of the networks in an archive: itself, or each of a comparison's."""
        return [*self.comparison(name).networks.values()] if self.is_comparison(name) else [self.study(name)]

    def verified(self, name: str) -> list[str]:
        """Files of an archive that differ from their hashes, a sentence each."""
        folder = self.folder / name
        if sum((folder / marker).is_file() for marker in MARKERS) > 1:
            return [f"{folder}: holds archives of more than one kind; give each a folder of its own"]
        return (kind_of(folder) or STUDIED).verify(folder)

    def rechecked(self, name: str) -> list[str]:
        """What an archive has otherwise than it gives itself, a sentence each."""
        opened = self.opened(name)
        return opened.kind.recheck(opened.content)

    def _content(self, name: str, kind: Kind) -> Any:
        return self.wanted(name, kind).content

    def _missing(self, name: str, kind: Kind) -> MooFsError:
        near = did_you_mean(name, [one for one in self.names() if kind_of(self.folder / one) is kind])
        found = "another kind" if kind_of(self.folder / name) else "nothing"
        return MooFsError(
            f"paper/paper.toml: wanted the archive of {kind.name} in {self.folder / name}, found {found}{near}"
        )
