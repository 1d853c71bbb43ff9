"""What a study file with [selection] declares: what is sent of the features, how, and on which subjects."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from moo_fs import registry
from moo_fs.contracts import MAX_BITS, MooFsError, did_you_mean
from moo_fs.plugins import NO_MEASURE, PluginSpec, resolve
from moo_fs.study import canonical
from moo_fs.study_fields import MAX_SEEDS, Entries, NamedFile, Table, no_repeats, plugin, read_table, whole
from moo_fs.study_file import MAX_BUDGET

LOSSLESS = "lossless"
MOST_QP = 51
RIVALS = ("one-qp", "uniform", "uniform-step", "klt", "allocation", "jpeg", "hevc")
EQUAL, EACH = "equal", "each"


def _subjects(value: Any) -> list[Any]:
    entries = value if isinstance(value, list) else [value]
    return no_repeats([plugin(entry) for entry in entries])


def _shares(values: list[float]) -> list[float]:
    for value in values:
        if not 0 < value <= 1:
            raise ValueError(f"wanted shares of the channels above 0, at most 1, got {value}")
    return sorted(no_repeats(values))


def _qps(values: list[Any]) -> list[Any]:
    for value in values:
        if value != LOSSLESS and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_QP):
            raise ValueError(f'wanted whole numbers from 0 to {MOST_QP}, or "{LOSSLESS}", got {value!r}')
    return no_repeats(values)


Shares = Annotated[list[float], AfterValidator(_shares)]
Qps = Annotated[list[Any], AfterValidator(_qps)]


class _Selection(Table):
    measures: Entries
    methods: Annotated[list[Literal["hard", "soft"]], AfterValidator(no_repeats)]
    seeds: Annotated[int, whole(MAX_SEEDS)]
    task_weights: Annotated[list[Literal["equal", "each"]], AfterValidator(no_repeats)] = Field(["equal"])
    kept: Shares = Field([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    fills: Annotated[list[Literal["mean", "zero"]], AfterValidator(no_repeats)] = Field(["mean"])
    depth: Annotated[int, whole(MAX_BITS)] = MAX_BITS
    codecs: Annotated[list[str], AfterValidator(lambda values: _known_codecs(values))] = Field(["ans"])
    bases: Shares = Field([0.1, 0.25, 0.5, 0.75])
    base_qps: Qps = Field([LOSSLESS])
    qps: Qps = Field([22, 27, 32, 37, 42])
    one_qps: Qps = Field([12, 17, 22, 27, 32, 37, 42, 47])
    scaling: Literal["tensor", "channel"] = "tensor"
    rivals: Annotated[list[str], AfterValidator(lambda values: _known_rivals(values))] = Field([])
    qualities: Annotated[list[Annotated[int, whole(100)]], AfterValidator(no_repeats)] = Field(
        [5, 10, 20, 35, 50, 70, 85, 95]
    )
    budget: Annotated[int, whole(MAX_BUDGET)] = 300


def _known_codecs(values: list[str]) -> list[str]:
    known = [row["name"] for row in registry.codecs.rows() if row.get("stream", True)]
    for value in values:
        if value not in known:
            raise ValueError(f"wanted codecs that make streams, got '{value}'{did_you_mean(value, known)}")
    return no_repeats(values)


def _known_rivals(values: list[str]) -> list[str]:
    for value in values:
        if value not in RIVALS:
            raise ValueError(f"wanted some of {', '.join(RIVALS)}, got '{value}'")
    return values if not values else no_repeats(values)


class SelectionFile(NamedFile):
    """What a study file with [selection] says, names not yet resolved; `subject` is one or a list of them."""

    subject: Annotated[list[Any], BeforeValidator(_subjects)]
    selection: _Selection


@dataclass(frozen=True)
class Selection:
    """A checked selection study; `settings` are the keys of its table that are neither names nor seeds."""

    path: Path
    name: str
    question: str
    subjects: tuple[PluginSpec, ...]
    measures: tuple[PluginSpec, ...]
    seeds: int
    settings: dict[str, Any]

    @property
    def specification(self) -> dict[str, Any]:
        """What the file says, as JSON, every default written out."""
        return {
            "name": self.name,
            "question": self.question,
            "subjects": [spec.specification for spec in self.subjects],
            "selection": {
                "measures": [spec.specification for spec in self.measures],
                "seeds": self.seeds,
                **self.settings,
            },
        }

    @property
    def specification_hash(self) -> str:
        """SHA-256 of the specification."""
        return hashlib.sha256(canonical(self.specification).encode()).hexdigest()

    def with_seeds(self, seeds: int | None) -> Selection:
        """The same with another number of blocks. Raises MooFsError if that is no whole number in their range."""
        if seeds is not None and not (type(seeds) is int and 1 <= seeds <= MAX_SEEDS):
            raise MooFsError(f"seeds: wanted a whole number from 1 to {MAX_SEEDS}, got {seeds!r}")
        return self if seeds is None else dataclasses.replace(self, seeds=seeds)


def read_selection(path: str | Path) -> Selection:
    """The selection study in a TOML file. Raises MooFsError, one sentence with file, key and value."""
    path = Path(path)
    file = read_table(path, "selection", SelectionFile)
    if file.name != path.stem:
        raise MooFsError(f"{path}: name: wanted the file's stem '{path.stem}', got '{file.name}'; rename one")
    settings = file.selection.model_dump()
    entries, seeds = settings.pop("measures"), settings.pop("seeds")
    if "soft" in settings["methods"] and EQUAL not in settings["task_weights"]:
        raise MooFsError(
            f'{path}: selection.task_weights: wanted "{EQUAL}" among them, whose order soft selection takes, got '
            f"{settings['task_weights']}; add it, or drop the method"
        )
    measures = _resolved(path, entries, "measure", "selection.measures")
    if any(spec.name == NO_MEASURE for spec in measures):
        raise MooFsError(f"{path}: selection.measures: '{NO_MEASURE}' gives no order of channels; name a measure")
    subjects = _resolved(path, file.subject, "subject", "subject")
    if any("groups" in spec.options for spec in subjects):
        raise MooFsError(f"{path}: subject: groups: of searched bits, but channels are selected one by one; drop it")
    return Selection(path, file.name, file.question, subjects, measures, seeds, settings)


def _resolved(path: Path, entries: list[dict[str, Any]], kind: str, key: str) -> tuple[PluginSpec, ...]:
    """The plug-ins of a list; rows of the archive go by their labels, so that no two may have the same."""
    specs = tuple(resolve(entry, kind=kind, key=f"{path}: {key}", folder=path.parent) for entry in entries)
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise MooFsError(f"{path}: {key}: two entries are called '{label}'; register one under another name")
    return specs
