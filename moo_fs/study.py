"""Study files: one question, declared in TOML, refused before anything runs if anything in it is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.plugins import PluginSpec, resolve

MAX_BUDGET = 1_000_000
MAX_SEEDS = 10_000
LATER = ("selection", "prune")


def canonical(value: Any) -> str:
    """JSON that does not depend on the order of keys: what hashes are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class RunSpec:
    """One cell of the grid in one block: a measure, an optimiser and a seed on a subject."""

    subject: PluginSpec
    measure: PluginSpec
    optimiser: PluginSpec
    seed: int

    @property
    def key(self) -> str:
        """12 hex digits of subject, measure and optimiser with their options, and seed; no paths, no budget."""
        parts = {kind: getattr(self, kind).identity for kind in ("subject", "measure", "optimiser")}
        return hashlib.sha256(canonical({**parts, "seed": self.seed}).encode()).hexdigest()[:12]

    @property
    def labels(self) -> dict[str, Any]:
        """The columns run, measure, optimiser and seed of the archive."""
        return {
            "run": self.key,
            "measure": self.measure.label,
            "optimiser": self.optimiser.label,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Study:
    """A checked study file. `reference` is "uniform-k" or one number an objective, the rate's first, in kbit."""

    path: Path
    name: str
    question: str
    subject: PluginSpec
    objectives: tuple[str, ...]
    reference: str | tuple[float, ...]
    measures: tuple[PluginSpec, ...]
    optimisers: tuple[PluginSpec, ...]
    seeds: int
    budget: int

    @property
    def tasks(self) -> tuple[str, ...]:
        """The objectives but the rate."""
        return self.objectives[1:]

    def with_changes(self, *, budget: int | None = None, seeds: int | None = None) -> Study:
        """The same study with another budget or number of seeds. Raises MooFsError if one is impossible."""
        changed = self
        if budget is not None:
            changed = dataclasses.replace(changed, budget=_option("budget", budget, MAX_BUDGET))
        if seeds is not None:
            changed = dataclasses.replace(changed, seeds=_option("seeds", seeds, MAX_SEEDS))
        return changed

    def runs(self) -> list[RunSpec]:
        """All runs, block after block, so that what is done first can be compared first."""
        return [
            RunSpec(self.subject, measure, optimiser, seed)
            for seed in range(self.seeds)
            for optimiser in self.optimisers
            for measure in self.measures
        ]

    @property
    def specification(self) -> dict[str, Any]:
        """What the file says, as JSON; of a user's own plug-ins the file's name and content hash, not where it lies."""
        return {
            "name": self.name,
            "question": self.question,
            "subject": self.subject.specification,
            "objectives": list(self.objectives),
            "reference": self.reference if isinstance(self.reference, str) else list(self.reference),
            "grid": {
                "measures": [spec.specification for spec in self.measures],
                "optimisers": [spec.specification for spec in self.optimisers],
                "seeds": self.seeds,
                "budget": self.budget,
            },
        }

    @property
    def specification_hash(self) -> str:
        """SHA-256 of the specification."""
        return hashlib.sha256(canonical(self.specification).encode()).hexdigest()


def read_study(path: str | Path) -> Study:
    """The study in a TOML file. Raises MooFsError, one sentence with file, key and value, if anything is wrong."""
    path = Path(path)
    content = _read_toml(path)
    for table in LATER:
        if table in content:
            raise MooFsError(f"{path}: [{table}]: studies of this kind are not there yet; wanted a [grid] table")
    try:
        checked = _File.model_validate(content)
    except pydantic.ValidationError as error:
        raise MooFsError(f"{path}: {_sentence(error)}") from error
    if checked.name != path.stem:
        raise MooFsError(f"{path}: name: wanted the file's stem '{path.stem}', got '{checked.name}'; rename one")
    return _study(path, checked)


def check_objectives(study: Study, tasks: Sequence[str]) -> None:
    """Raise MooFsError unless every objective after the rate is one of the subject's `tasks`."""
    for name in study.tasks:
        if name not in tasks:
            raise MooFsError(
                f"{study.path}: objectives: subject '{study.subject.name}' has no task '{name}'"
                + did_you_mean(name, tasks)
            )


def difference(study: Study, study_json: Mapping[str, Any]) -> str | None:
    """What keeps `study` from extending the archive of `study_json`: a clause, or None if it may.

    A larger budget or more seeds extend; anything else that differs does not.
    """
    old, new = dict(study_json.get("specification", {})), study.specification
    old_grid, new_grid = dict(old.pop("grid", {})), dict(new.pop("grid"))
    for name in ("budget", "seeds"):
        before, now = old_grid.pop(name, 0), new_grid.pop(name)
        if now < before:
            return f"{name} is {now}, less than the archive's {before}"
    changed = [key for key in (*new, *old) if old.get(key) != new.get(key)]
    changed += [f"grid.{key}" for key in (*new_grid, *old_grid) if old_grid.get(key) != new_grid.get(key)]
    return f"{changed[0]} differs from the archive's" if changed else None


def _read_toml(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise MooFsError(f"{path}: wanted a study file, got a folder; name the .toml file in it")
    if not path.exists():
        near = did_you_mean(path.name, [file.name for file in path.parent.glob("*.toml")])
        raise MooFsError(f"{path}: no such study file{near}")
    try:
        return tomllib.loads(path.read_bytes().decode())
    except UnicodeDecodeError as error:
        raise MooFsError(f"{path}: wanted UTF-8 text, got byte {error.object[error.start]:#04x}") from error
    except tomllib.TOMLDecodeError as error:
        raise MooFsError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise MooFsError(f"{path}: cannot be read: {error.strerror}") from error


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", value):
        raise ValueError(f"wanted letters, digits, - and _, got '{value}'")
    return value


def _question(value: str) -> str:
    if not value.strip():
        raise ValueError("wanted the question that the study answers, got nothing")
    return value


def _objectives(value: list[str]) -> list[str]:
    if not value or value[0] != "rate":
        raise ValueError(f'wanted "rate" first, then names of tasks, got {value}')
    if len(value) < 2:
        raise ValueError('wanted at least one task after "rate", got none')
    return _no_repeats(value)


def _reference(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"uniform-[1-8]", value):
            raise ValueError(f'wanted "uniform-1" to "uniform-8" or a list of numbers, got \'{value}\'')
        return value
    numbers = isinstance(value, list) and all(type(number) in (int, float) for number in value)
    if not numbers or not all(0 < number < float("inf") for number in value):
        raise ValueError(f'wanted "uniform-k" or a list of positive numbers, got {value!r}')
    return [float(number) for number in value]


def _plugin(value: Any) -> Any:
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not isinstance(table.get("name"), str) or not table["name"]:
        raise ValueError(f"wanted a name, or a table with a name and options, got {value!r}")
    try:
        json.dumps(table)
    except TypeError as error:
        raise ValueError(f"wanted options that are numbers, text or lists, got {value!r}") from error
    return table


def _no_repeats(values: list[Any]) -> list[Any]:
    if not values:
        raise ValueError("wanted at least one entry, got an empty list")
    for at, value in enumerate(values):
        if value in values[:at]:
            name = value["name"] if isinstance(value, dict) else value
            raise ValueError(f"'{name}' is listed twice; drop one")
    return values


def _whole(limit: int) -> AfterValidator:
    def check(value: int) -> int:
        if not 1 <= value <= limit:
            raise ValueError(f"wanted a whole number from 1 to {limit}, got {value}")
        return value

    return AfterValidator(check)


Entry = Annotated[Any, BeforeValidator(_plugin)]
Entries = Annotated[list[Entry], AfterValidator(_no_repeats)]


class _Grid(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    measures: Entries
    optimisers: Entries
    seeds: Annotated[int, _whole(MAX_SEEDS)]
    budget: Annotated[int, _whole(MAX_BUDGET)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, AfterValidator(_name)]
    question: Annotated[str, AfterValidator(_question)]
    subject: Entry
    objectives: Annotated[list[str], AfterValidator(_objectives)]
    reference: Annotated[Any, BeforeValidator(_reference)] = "uniform-2"
    grid: _Grid


def _sentence(error: pydantic.ValidationError) -> str:
    # An unknown key before a missing one: it is most often the missing one, misspelt.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    key, kind, message = ".".join(where), first["type"], first["msg"]
    if kind == "extra_forbidden":
        model: type[BaseModel] = _Grid if where[0] == "grid" else _File
        return f"unknown key '{key}'{did_you_mean(where[-1], model.model_fields)}"
    if kind == "missing":
        return f"{'table [grid]' if key == 'grid' else f'key {key!r}'} is missing"
    if kind == "value_error":
        return f"{key}: {message.removeprefix('Value error, ')}"
    wanted = message.removeprefix("Input should be ").removeprefix("a valid ").replace("valid ", "")
    got = repr(first["input"])
    return f"{key}: wanted {wanted}, got {got if len(got) < 80 else got[:77] + '...'}"


def _study(path: Path, file: _File) -> Study:
    reference = file.reference
    if not isinstance(reference, str) and len(reference) != len(file.objectives):
        raise MooFsError(
            f"{path}: reference: wanted {len(file.objectives)} numbers, one an objective, got {len(reference)}"
        )
    return Study(
        path=path,
        name=file.name,
        question=file.question,
        subject=resolve(file.subject, kind="subject", key=f"{path}: subject", folder=path.parent),
        objectives=tuple(file.objectives),
        reference=reference if isinstance(reference, str) else tuple(reference),
        measures=_resolved(path, file.grid.measures, "measure"),
        optimisers=_resolved(path, file.grid.optimisers, "optimiser"),
        seeds=file.grid.seeds,
        budget=file.grid.budget,
    )


def _resolved(path: Path, tables: Iterable[dict[str, Any]], kind: str) -> tuple[PluginSpec, ...]:
    key = f"{path}: grid.{kind}s"
    specs = tuple(resolve(table, kind=kind, key=key, folder=path.parent) for table in tables)
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise MooFsError(f"{key}: two entries are called '{label}'; register one under another name")
    return specs


def _option(name: str, value: int, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise MooFsError(f"{name}: wanted a whole number from 1 to {limit}, got {value!r}")
    return value
