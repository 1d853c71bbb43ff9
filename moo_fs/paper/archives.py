"""The archives under results/ that the paper is made from: read once each, with their hashes."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

from moo_fs.archive import STUDY, verify
from moo_fs.comparison_archive import ABOUT, Comparison, load_comparison
from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.results import Results, load_results, recheck
from moo_fs.trust_archive import ABOUT as JUDGED
from moo_fs.trust_archive import Trust, faults_of, load

NOT_KEPT = ("quickstart", "quickstart-compare", "*-own")  # what a newcomer's commands leave; .gitignore names them too


class Archives:
    """The archives in a folder, by name; one is read when it is first asked for, and then kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._studies: dict[str, Results] = {}
        self._comparisons: dict[str, Comparison] = {}
        self._judged: dict[str, Trust] = {}

    def names(self) -> list[str]:
        """Names of all archives that lie there: of studies, of comparisons and of measures judged."""
        return sorted({path.parent.name for kind in (STUDY, ABOUT, JUDGED) for path in self.folder.glob(f"*/{kind}")})

    def to_be_named(self) -> list[str]:
        """Names of the archives whose hashes belong on record: all but those that a repository does not keep."""
        return [name for name in self.names() if not any(fnmatch(name, pattern) for pattern in NOT_KEPT)]

    def is_comparison(self, name: str) -> bool:
        """Whether an archive is that of a comparison."""
        return (self.folder / name / ABOUT).is_file()

    def study(self, name: str) -> Results:
        """The archive of a study. Raises MooFsError if there is none, it is a comparison's, or it is not whole."""
        if name not in self._studies:
            if not (self.folder / name / STUDY).is_file():
                raise self._missing(name, "a study")
            self._studies[name] = load_results(self.folder / name)
        return self._studies[name]

    def comparison(self, name: str) -> Comparison:
        """The archive of a comparison. Raises MooFsError if there is none, it is a study's, or it is not whole."""
        if name not in self._comparisons:
            if not self.is_comparison(name):
                raise self._missing(name, "a comparison")
            self._comparisons[name] = load_comparison(self.folder / name)
        return self._comparisons[name]

    def is_judged(self, name: str) -> bool:
        """Whether an archive is what `moo-fs scores` wrote."""
        return (self.folder / name / JUDGED).is_file()

    def judged(self, name: str) -> Trust:
        """What `moo-fs scores` wrote. Raises MooFsError if there is none, or it is not whole."""
        if name not in self._judged:
            if not self.is_judged(name):
                raise self._missing(name, "measures judged")
            self._judged[name] = load(self.folder / name)
        return self._judged[name]

    def of(self, name: str) -> Results | Comparison | Trust:
        """An archive of any kind."""
        if self.is_judged(name):
            return self.judged(name)
        return self.comparison(name) if self.is_comparison(name) else self.study(name)

    def hash_of(self, name: str) -> str:
        """SHA-256 of all that an archive holds, of what study.json or comparison.json says too."""
        return self.of(name).archive_hash

    def networks(self, name: str) -> list[Results]:
        """The studies' archives of the networks in an archive: itself, or each of a comparison's."""
        return [*self.comparison(name).networks.values()] if self.is_comparison(name) else [self.study(name)]

    def parts(self, name: str) -> list[Results]:
        """The studies' archives that an archive consists of: itself, or every network's; none of measures judged."""
        if self.is_judged(name):
            return []
        if not self.is_comparison(name):
            return [self.study(name)]
        found = self.comparison(name)
        return [*found.networks.values(), *(one for own in found.own.values() for one in own)]

    def verified(self, name: str) -> list[str]:
        """Files of an archive that differ from their hashes, a sentence each."""
        folder = self.folder / name
        if sum((folder / kind).is_file() for kind in (STUDY, ABOUT, JUDGED)) > 1:
            return [f"{folder}: holds archives of more than one kind; give each a folder of its own"]
        if self.is_judged(name):
            return faults_of(folder)
        if not self.is_comparison(name):
            return verify(folder)
        return [fault for path in sorted(folder.rglob(STUDY)) for fault in verify(path.parent)]

    def rechecked(self, name: str) -> list[str]:
        """What an archive has otherwise than its own trials give, a sentence each."""
        return [
            f"{part.folder}: {fault}; remove the folder and run the study again"
            for part in self.parts(name)
            for fault in recheck(part)
        ]

    def _kind(self, name: str) -> str:
        if self.is_judged(name):
            return "measures judged"
        return "a comparison" if self.is_comparison(name) else "a study"

    def _missing(self, name: str, kind: str) -> MooFsError:
        near = did_you_mean(name, [one for one in self.names() if self._kind(one) == kind])
        found = "another kind" if (self.folder / name).is_dir() and name in self.names() else "nothing"
        return MooFsError(
            f"paper/paper.toml: wanted the archive of {kind} in {self.folder / name}, found {found}{near}"
        )
