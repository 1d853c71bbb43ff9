"""What belongs in paper/generated/: every table, figure and number, made from the archives alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from moo_fs.contracts import MooFsError
from moo_fs.paper.archives import Archives
from moo_fs.paper.comparing import compare_macros, floats_tex
from moo_fs.paper.declaration import COMPARE, PRUNE, PRUNE_FRONTS, SELECTIONS, TRUST, Declaration, Shown
from moo_fs.paper.judging import trust_macros
from moo_fs.paper.kinds import CUT, PRUNED, SELECTION
from moo_fs.paper.numbers import codec_macros, costs_macros, hypervolume_macros, macro_name, macros_tex
from moo_fs.paper.pruning import front_floats, front_macros, prune_floats, prune_macros
from moo_fs.paper.selecting import selection_macros
from moo_fs.paper.selection_floats import claims_page, claims_summary, selection_floats
from moo_fs.paper.subjects import subject_macros
from moo_fs.results import Results
from moo_fs.tables.coded import coded_table
from moo_fs.tables.comparison import comparison_tables
from moo_fs.tables.efforts import scoring_table, searching_table
from moo_fs.tables.matrix import quality_matrix
from moo_fs.tables.networks import Subject, subjects_table
from moo_fs.tables.rendering import escape
from moo_fs.tables.subject import worth_table
from moo_fs.tables.trust import summary_table

NUMBERS = "numbers.tex"
CLAIMS = "../../results/claims.md"  # beside the archives, where a reader of their reports finds it


class Fragment(Protocol):
    """A table in the two forms that the paper needs."""

    @property
    def name(self) -> str:
        """The stem of its files."""

    @property
    def title(self) -> str:
        """What it shows."""

    def tex(self, made_from: str) -> str:
        """A LaTeX fragment that names what it was made from."""

    def csv(self) -> str:
        """The raw numbers."""


@dataclass(frozen=True)
class Item:
    """A file that archives give: its path from paper/generated/, its text, the archives (name -> hash) it is from."""

    path: str
    text: str
    made_from: dict[str, str]


@dataclass(frozen=True)
class Drawing:
    """A figure of paper/generated/: its path there, the figure itself, and what it was made from."""

    path: str
    figure: Any
    caption: str
    made_from: dict[str, str]


def texts_of(declared: Declaration, archives: Archives) -> list[Item]:
    """Every table (.tex and .csv) and the macros, in order."""
    made = {name: archives.hash_of(name) for name in sorted(declared.archives)}
    items = [Item(NUMBERS, macros_tex(_macros(declared, archives), named(made)), made)]
    for part, source in declared.sources.items():
        sources = {source: made[source]}
        if part == "subjects" and COMPARE in declared.sources:
            sources[declared.sources[COMPARE]] = made[declared.sources[COMPARE]]
        tables = _TABLES[part](declared, archives) if part in _TABLES else _floats(part, source, archives)
        items += _forms(tables, sources)
        if part == COMPARE or part not in _TABLES:
            items.append(Item(f"{part}.tex", floats_tex(tables, named(sources)), sources))
    return items + _claims(declared, archives, made) + _all_claims(declared, archives)


def drawings_of(declared: Declaration, archives: Archives) -> Iterator[Drawing]:
    """Every figure, one at a time; ask for them only inside `style.styled`."""
    for name, shown in declared.figures.items():
        archive = archives.opened(shown.archive)
        figure = _figure(name, shown, archives)
        yield Drawing(
            f"figures/{name}.pdf", figure, archive.caption(shown.figure), {shown.archive: archive.archive_hash}
        )


def _figure(name: str, shown: Shown, archives: Archives) -> Any:
    figure = archives.opened(shown.archive).figure(shown.figure)
    if figure is None:
        raise MooFsError(
            f"paper/paper.toml: sources.figures.{name}: archive '{shown.archive}' has no data for it; name another"
        )
    return figure


def named(made_from: Mapping[str, str]) -> str:
    """Archives with their hashes, as a comment names them.

    >>> named({"a": "00", "b": "11"})
    '00 (a), 11 (b)'
    """
    return ", ".join(f"{digest} ({name})" for name, digest in made_from.items())


def _macros(declared: Declaration, archives: Archives) -> dict[str, str]:
    found: dict[str, str] = {}
    for part, source in declared.sources.items():
        if part == COMPARE:
            found |= compare_macros(archives.comparison(source))
        elif part == TRUST:
            found |= trust_macros(source, archives.judged(source))
        elif part in SELECTIONS:
            found |= selection_macros(part, archives.wanted(source, SELECTION))
        elif part == PRUNE:
            found |= prune_macros(archives.wanted(source, PRUNED))
        elif part == PRUNE_FRONTS:
            found |= front_macros(archives.wanted(source, CUT))
        elif part == "codec":
            found |= codec_macros(source, archives.networks(source))
        else:
            found |= _MACROS[part](archives.study(source))
    if _claims_table(declared, archives) is not None:
        found["HasSelectionClaims"] = ""
    for name, shown in declared.figures.items():
        _figure(name, shown, archives)  # one that cannot be drawn has no caption either
        caption = archives.opened(shown.archive).caption(shown.figure)
        found |= {f"HasFigure{macro_name(name)}": "", f"Caption{macro_name(name)}": escape(caption)}
    return found


def _subject_tables(declared: Declaration, archives: Archives) -> list[Fragment]:
    """The study's own network, then every network of the comparison; and whether the former is worth searching."""
    source = declared.sources["subjects"]
    subjects = [_subject(source, archives.study(source))]
    if COMPARE in declared.sources:
        other = declared.sources[COMPARE]
        subjects += [Subject(other, name, one) for name, one in archives.comparison(other).networks.items()]
    worth = worth_table(archives.study(source))
    return [subjects_table(subjects), *([] if worth is None else [worth])]


def _subject(source: str, results: Results) -> Subject:
    declared = (results.study.get("specification") or {}).get("subject")
    options = declared.get("options", {}) if isinstance(declared, dict) else {}
    return Subject(source, str(options.get("weights", 0)), results)


def _quality_tables(declared: Declaration, archives: Archives) -> list[Fragment]:
    results = archives.study(declared.sources["hypervolume"])
    return [quality_matrix(results, "hypervolume_test"), quality_matrix(results, "corner_test")]


def _cost_tables(declared: Declaration, archives: Archives) -> list[Fragment]:
    results = archives.study(declared.sources["costs"])
    return [scoring_table(results), searching_table(results)]


def _codec_tables(declared: Declaration, archives: Archives) -> list[Fragment]:
    table = coded_table(*archives.networks(declared.sources["codec"]))
    if table is None:
        raise MooFsError(
            f"paper/paper.toml: sources.codec: archive '{declared.sources['codec']}' has no coded_bytes; name another"
        )
    return [table]


def _compare_tables(declared: Declaration, archives: Archives) -> list[Fragment]:
    return [*comparison_tables(archives.comparison(declared.sources[COMPARE])).values()]


def _trust_tables(declared: Declaration, archives: Archives) -> list[Fragment]:
    return [summary_table(archives.judged(declared.sources[TRUST]))]


def _floats(part: str, source: str, archives: Archives) -> Sequence[Fragment]:
    """The tables of a part that main.tex shows in floats, one after the other."""
    if part == PRUNE:
        return prune_floats(archives.wanted(source, PRUNED))
    if part == PRUNE_FRONTS:
        return front_floats(archives.wanted(source, CUT))
    return selection_floats(part, archives.wanted(source, SELECTION))


def _claims(declared: Declaration, archives: Archives, made: dict[str, str]) -> list[Item]:
    """How the claims on feature selection fare, over all its studies; nothing without one that has a claim."""
    table = _claims_table(declared, archives)
    sources = {source: made[source] for part, source in declared.sources.items() if part in SELECTIONS}
    return [] if table is None else _forms([table], sources)


def _all_claims(declared: Declaration, archives: Archives) -> list[Item]:
    """Every claim of every study on record, as a page; nothing without one."""
    opened = {name: archives.opened(name) for name in declared.recorded}
    judged = {name: one for name, one in opened.items() if one.kind in (SELECTION, PRUNED) and one.tables.get("claims")}
    made = {name: one.archive_hash for name, one in judged.items()}
    return [Item(CLAIMS, claims_page([*judged.values()]), made)] if judged else []


def _claims_table(declared: Declaration, archives: Archives) -> Fragment | None:
    sources = [source for part, source in declared.sources.items() if part in SELECTIONS]
    return claims_summary([archives.wanted(source, SELECTION) for source in sources])


def _forms(tables: Sequence[Fragment], made_from: dict[str, str]) -> list[Item]:
    return [
        Item(f"tables/{table.name}{ending}", text, made_from)
        for table in tables
        for ending, text in ((".tex", table.tex(named(made_from))), (".csv", table.csv()))
    ]


_TABLES: dict[str, Callable[[Declaration, Archives], list[Fragment]]] = {
    "subjects": _subject_tables,
    "hypervolume": _quality_tables,
    "costs": _cost_tables,
    "codec": _codec_tables,
    COMPARE: _compare_tables,
    TRUST: _trust_tables,
}
_MACROS: dict[str, Callable[[Results], dict[str, str]]] = {
    "subjects": subject_macros,
    "hypervolume": hypervolume_macros,
    "costs": costs_macros,
}
