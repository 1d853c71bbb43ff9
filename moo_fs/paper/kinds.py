"""The kinds of archive under results/: how each is recognised, read and checked, and what its report is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from moo_fs import archive
from moo_fs.archive import STUDY, read_study_json
from moo_fs.comparison_archive import ABOUT as COMPARED
from moo_fs.comparison_archive import Comparison, load_comparison
from moo_fs.comparison_report import comparison_page
from moo_fs.contracts import MooFsError
from moo_fs.figures import prune
from moo_fs.figures.drawn import caption_of, figures_with
from moo_fs.figures.style import styled
from moo_fs.paper import cut_fronts
from moo_fs.paper.rechecking import (
    recheck_comparison,
    recheck_cut_fronts,
    recheck_pruning,
    recheck_selection,
    recheck_study,
)
from moo_fs.prune_fronts.launch import KIND as CUT_FRONTS
from moo_fs.prune_report import prune_page
from moo_fs.prune_studies.archive import KIND as PRUNING
from moo_fs.prune_studies.archive import load as load_pruning
from moo_fs.report import page_of
from moo_fs.results import load_results
from moo_fs.selection_archive import is_selection, load_selection
from moo_fs.selection_report import selection_page
from moo_fs.tables import tables_of
from moo_fs.tables.comparison import comparison_tables
from moo_fs.tables.prune import prune_tables
from moo_fs.tables.selection import selection_tables
from moo_fs.tables.trust import trust_tables
from moo_fs.trust_archive import ABOUT as JUDGED
from moo_fs.trust_archive import faults_of
from moo_fs.trust_archive import load as load_trust
from moo_fs.trust_report import trust_page

MARKERS = (STUDY, COMPARED, JUDGED)  # the file that each kind's folder has, the others' not

Tables = Mapping[str, Any]


def _none(content: Any) -> list[str]:
    return []


@dataclass(frozen=True)
class Kind:
    """One kind of archive.

    Attributes:
        name: what it is called in sentences.
        marker: the file that says what the archive is.
        is_it: whether a folder with the marker is of this kind; asked in the order of `KINDS`.
        load: reads it; raises MooFsError if it is not whole.
        verify: its files that differ from their hashes, a sentence each.
        tables: of its report, by name.
        page: the report's index.md, from content, tables and names of the figures.
        figures: from content and the name of a figure, that one if there is data for it, and what is drawn with it.
        caption: from content and the name of a figure.
        recheck: what it has otherwise than can be computed from it, a sentence each.
        files: its files with their hashes, as its report lists them.
    """

    name: str
    marker: str
    is_it: Callable[[Path], bool]
    load: Callable[[Path], Any]
    verify: Callable[[Path], list[str]]
    tables: Callable[[Any], Tables]
    page: Callable[[Any, Any, Any], str]
    figures: Callable[[Any, str], dict[str, Any]] = figures_with
    caption: Callable[[Any, str], str] = caption_of
    recheck: Callable[[Any], list[str]] = _none
    files: Callable[[Any], dict[str, str]] = lambda content: dict(content.files)


@dataclass
class Opened:
    """An archive that was read; its tables and figures are made when first asked for, and then kept."""

    kind: Kind
    content: Any
    _figures: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return Path(self.content.folder)

    @property
    def archive_hash(self) -> str:
        """SHA-256 of all that it holds."""
        return str(self.content.archive_hash)

    @property
    def files(self) -> dict[str, str]:
        """Its files with their hashes, as its report lists them."""
        return self.kind.files(self.content)

    @cached_property
    def tables(self) -> Tables:
        """The tables of its report, by name."""
        return self.kind.tables(self.content)

    def page(self, figures: Sequence[str]) -> str:
        """Its report's page with these figures."""
        return self.kind.page(self.content, self.tables, figures)

    def figure(self, name: str) -> Any:
        """The figure of this name, None if there is no data for it; ask inside `style.styled`."""
        if name not in self._figures:
            with styled():
                self._figures |= {name: None, **self.kind.figures(self.content, name)}
        return self._figures[name]

    def caption(self, name: str) -> str:
        """What the figure of this name shows."""
        return self.kind.caption(self.content, name)


def kind_of(folder: Path) -> Kind | None:
    """The kind of the archive in a folder, None if there is none."""
    return next((kind for kind in KINDS if (folder / kind.marker).is_file() and kind.is_it(folder)), None)


def open_archive(folder: Path) -> Opened:
    """The archive in a folder. Raises MooFsError if there is none, or it is not whole."""
    kind = kind_of(folder)
    if kind is None:
        raise MooFsError(f"{folder}: wanted an archive, found no {' or '.join(MARKERS)}")
    return Opened(kind, kind.load(folder))


def _says(folder: Path, kind: str) -> bool:
    """Whether study.json gives this kind; one that cannot be read gives none."""
    try:
        return bool(read_study_json(folder).get("kind") == kind)
    except MooFsError:
        return False


def _always(folder: Path) -> bool:
    return True


def _verify_comparison(folder: Path) -> list[str]:
    return [fault for path in sorted(folder.rglob(STUDY)) for fault in archive.verify(path.parent)]


def _files_of_study(content: Any) -> dict[str, str]:
    return dict(content.study["files"])


def _files_of_comparison(comparison: Comparison) -> dict[str, str]:
    return dict(comparison.about["files"])


SELECTION = Kind(
    name="a selection study", marker=STUDY, is_it=is_selection, load=load_selection, verify=archive.verify,
    tables=selection_tables, page=selection_page, recheck=recheck_selection,
)  # fmt: skip
PRUNED = Kind(
    name="a pruning study", marker=STUDY, is_it=partial(_says, kind=PRUNING), load=load_pruning, verify=archive.verify,
    tables=prune_tables, page=prune_page, figures=lambda content, name: prune.prune_figures(content),
    caption=lambda content, name: prune.CAPTIONS[name], recheck=recheck_pruning, files=_files_of_study,
)  # fmt: skip
CUT = Kind(
    name="a search over pruned networks", marker=STUDY, is_it=partial(_says, kind=CUT_FRONTS), load=cut_fronts.load,
    verify=archive.verify, tables=cut_fronts.tables, page=cut_fronts.page,
    figures=lambda content, name: cut_fronts.figures(content), caption=lambda content, name: cut_fronts.ALL[name],
    recheck=recheck_cut_fronts,
)  # fmt: skip
STUDIED = Kind(
    name="a study", marker=STUDY, is_it=_always, load=load_results, verify=archive.verify,
    tables=tables_of, page=page_of, recheck=recheck_study,
)  # fmt: skip
COMPARISON = Kind(
    name="a comparison", marker=COMPARED, is_it=_always, load=load_comparison, verify=_verify_comparison,
    tables=comparison_tables, page=comparison_page, recheck=recheck_comparison, files=_files_of_comparison,
)  # fmt: skip
TRUSTED = Kind(
    name="measures judged", marker=JUDGED, is_it=_always, load=load_trust, verify=faults_of,
    tables=trust_tables, page=trust_page,
)  # fmt: skip
# A folder is of the first kind that it fits: one with trust.json or comparison.json is no study's.
KINDS = (TRUSTED, COMPARISON, SELECTION, PRUNED, CUT, STUDIED)
