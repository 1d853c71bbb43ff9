"""Study files: one question, declared in TOML, refused before anything runs if anything in it is wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.plugins import PluginSpec, resolve
from moo_fs.seeds import stream
from moo_fs.study_fields import MAX_SEEDS, AskedFile
from moo_fs.study_file import MAX_BUDGET, read_file

SIZES = ("budget", "seeds")


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
    def title(self) -> str:
        """What the run is called in errors."""
        return f"run {self.key} ({self.optimiser.label}, {self.measure.label}, seed {self.seed})"

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

    def with_changes(self, *, budget: int | None = None, seeds: int | None = None) -> Self:
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
    checked = read_file(path)
    return study_of(path, checked, checked.grid.model_dump(), called="grid")


def check_objectives(study: Study, tasks: Sequence[str]) -> None:
    """Raise MooFsError unless every objective after the rate is one of the subject's `tasks`."""
    for name in study.tasks:
        if name not in tasks:
            raise MooFsError(
                f"{study.path}: objectives: subject '{study.subject.name}' has no task '{name}'"
                + did_you_mean(name, tasks)
            )


def check_optimisers(study: Study, space: Any, *, called: str = "grid") -> None:
    """Raise MooFsError, with file and key, if an optimiser cannot be made on this `moo_fs.space.Space`."""
    for spec in study.optimisers:
        try:
            spec.load("optimiser")(space, stream(0, "check"), **spec.options)
        except MooFsError as error:
            raise MooFsError(f"{study.path}: {called}.optimisers: {spec.label}: {error}") from error
        except Exception as error:  # a user's own class may raise anything
            reason = f"cannot be made: {type(error).__name__}: {error}"
            raise MooFsError(f"{study.path}: {called}.optimisers: {spec.label}: {reason}") from error


def difference(study: Study, study_json: Mapping[str, Any]) -> str | None:
    """What keeps `study` from extending the archive of `study_json`: a clause, or None if it may.

    A larger budget or more seeds extend; anything else that differs does not.
    """
    before, now = _sizes(study_json.get("specification", {})), _sizes(study.specification)
    for name in SIZES:
        if now[name] < before[name]:
            return f"{name} is {now[name]}, less than the archive's {before[name]}"
    changed = _changed(study, study_json)
    return f"{changed[0]} differs from the archive's" if changed else None


def covers(study_json: Mapping[str, Any], study: Study) -> bool:
    """Whether the archive of `study_json` holds all of `study`: only a larger budget or more seeds may differ."""
    before, now = _sizes(study_json.get("specification", {})), _sizes(study.specification)
    return all(before[name] >= now[name] for name in SIZES) and not _changed(study, study_json)


def _sizes(specification: Mapping[str, Any]) -> dict[str, int]:
    return {name: specification.get("grid", {}).get(name, 0) for name in SIZES}


def _changed(study: Study, study_json: Mapping[str, Any]) -> list[str]:
    """Keys of the specification, but budget and seeds, that differ from the archive's."""
    old, new = dict(study_json.get("specification", {})), study.specification
    old_grid, new_grid = dict(old.pop("grid", {})), dict(new.pop("grid"))
    changed = [key for key in (*new, *old) if old.get(key) != new.get(key)]
    grid = [key for key in (*new_grid, *old_grid) if old_grid.get(key) != new_grid.get(key)]
    return changed + [f"grid.{key}" for key in grid if key not in SIZES]


def study_of(path: Path, file: AskedFile, table: Mapping[str, Any], *, called: str) -> Study:
    """The study of a checked file and of the measures, optimisers, seeds and budget in `table`.

    Raises MooFsError, with file and key (the table is `called` so), if a name, an option or the reference is wrong.
    """
    if file.name != path.stem:
        raise MooFsError(f"{path}: name: wanted the file's stem '{path.stem}', got '{file.name}'; rename one")
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
        measures=_resolved(path, table["measures"], "measure", f"{path}: {called}.measures"),
        optimisers=_resolved(path, table["optimisers"], "optimiser", f"{path}: {called}.optimisers"),
        seeds=table["seeds"],
        budget=table["budget"],
    )


def _resolved(path: Path, entries: Iterable[dict[str, Any]], kind: str, key: str) -> tuple[PluginSpec, ...]:
    specs = tuple(resolve(entry, kind=kind, key=key, folder=path.parent) for entry in entries)
    labels = [spec.label for spec in specs]
    for label in labels:
        if labels.count(label) > 1:
            raise MooFsError(f"{key}: two entries are called '{label}'; register one under another name")
    return specs


def _option(name: str, value: int, limit: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= limit:
        raise MooFsError(f"{name}: wanted a whole number from 1 to {limit}, got {value!r}")
    return value
