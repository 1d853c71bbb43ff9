"""What a study file says about a plug-in: its name or file, its options, and the object that they stand for."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moo_fs import registry
from moo_fs.contracts import MooFsError, did_you_mean

NO_MEASURE = "none"
EVERY_SUBJECT = {"quantiser": "mse", "groups": 0}
RESERVED = {"measure": ("batch", "task", "rng"), "optimiser": ("problem", "rng"), "subject": ("device",)}


@dataclass(frozen=True)
class PluginSpec:
    """A plug-in with its options; `reference` is "file.py:name" (relative to `folder`) for a user's own, else None."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    reference: str | None = None
    folder: Path = field(default=Path(), compare=False)

    @property
    def label(self) -> str:
        """Name, and options if any are given.

        >>> PluginSpec("nsga2", {"seeded": False, "population": 50}).label
        'nsga2[population=50,seeded=false]'
        """
        if not self.options:
            return self.name
        texts = [f"{key}={_compact(value)}" for key, value in sorted(self.options.items())]
        return f"{self.name}[{','.join(texts)}]"

    @property
    def identity(self) -> dict[str, Any]:
        """Name and options: what the run's key is made of."""
        return {"name": self.name, "options": dict(self.options)}

    @property
    def specification(self) -> dict[str, Any]:
        """Name, options and, for a user's own, the file's name and the hash of its content."""
        if self.reference is None:
            return self.identity
        file_name, _, attribute = self.reference.partition(":")
        content = (self.folder / file_name).read_bytes()
        own = {"file": f"{Path(file_name).name}:{attribute}", "sha256": hashlib.sha256(content).hexdigest()}
        return {**self.identity, **own}

    def load(self, kind: str) -> Any:
        """The plug-in itself: a `registry.Measure` (None for "none"), an optimiser's class, a subject's function."""
        if kind == "measure" and self.name == NO_MEASURE:
            return None
        if self.reference is not None:
            plugin = registry.from_file(self.reference, folder=self.folder, kind=kind)
        else:
            plugin = registry.TABLES[f"{kind}s"].load(self.name)
        return registry.as_measure(plugin) if kind == "measure" else plugin


def resolve(table: Mapping[str, Any], *, kind: str, key: str, folder: Path) -> PluginSpec:
    """The plug-in that a table with `name` and options stands for; `key` (file and key) opens every refusal."""
    name, options = str(table["name"]), {option: value for option, value in table.items() if option != "name"}
    try:
        if kind == "measure" and name == NO_MEASURE:
            _refuse_options(options, set(), kind, name)
            return PluginSpec(name)
        if ".py:" in name:
            spec = PluginSpec(_own_name(name, kind, folder), options, name, folder)
        else:
            known = registry.TABLES[f"{kind}s"].names() + ([NO_MEASURE] if kind == "measure" else [])
            if name not in known:
                raise MooFsError(f"no {kind} '{name}'{did_you_mean(name, known)}")
            spec = PluginSpec(name, options)
        if options:
            _check_options(spec, kind)
    except MooFsError as error:
        raise MooFsError(f"{key}: {error}") from error
    return spec


def parse(text: str, *, kind: str, key: str, folder: Path) -> PluginSpec:
    """The plug-in behind "name" or "name[option=value,...]", as labels have it; a value is JSON, or else a word."""
    name, bracket, inside = text.partition("[")
    if bracket and not inside.endswith("]"):
        raise MooFsError(f"{key}: wanted name[option=value,...], got '{text}'")
    options: dict[str, Any] = {}
    for part in filter(None, inside.removesuffix("]").split(",")):
        option, equals, value = part.partition("=")
        if not equals:
            raise MooFsError(f"{key}: wanted name[option=value,...], got '{text}'")
        try:
            options[option.strip()] = json.loads(value)
        except json.JSONDecodeError:
            options[option.strip()] = value.strip()
    return resolve({**options, "name": name}, kind=kind, key=key, folder=folder)


def _own_name(reference: str, kind: str, folder: Path) -> str:
    """The name that a user's plug-in goes by; refused if something else has it."""
    plugin = registry.from_file(reference, folder=folder, kind=kind)
    if not callable(plugin) and not isinstance(plugin, registry.Measure):
        raise MooFsError(f"{kind} '{reference}': wanted something callable, got {type(plugin).__name__}")
    attribute = reference.partition(":")[2]
    own = registry.as_measure(plugin) if kind == "measure" else plugin
    name = own.name if isinstance(own, registry.Measure) else getattr(own, "moo_fs_name", attribute)
    table = registry.TABLES[f"{kind}s"]
    if name == NO_MEASURE or (name in table.names() and table.load(name) not in (own, plugin)):
        raise MooFsError(f"{kind} '{reference}': the name '{name}' is taken; choose another")
    return str(name)


def _check_options(spec: PluginSpec, kind: str) -> None:
    plugin = spec.load(kind)
    function: Callable[..., Any] = plugin.function if isinstance(plugin, registry.Measure) else plugin
    parameters = inspect.signature(function).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return
    options = registry.options_of(function, reserved=RESERVED[kind])
    known = {name: parameter.default for name, parameter in options.items()}
    known |= EVERY_SUBJECT if kind == "subject" else {}
    _refuse_options(spec.options, set(known), kind, spec.name)
    for option, value in spec.options.items():
        default = known[option]
        if not _fits(value, default):
            wanted = type(default).__name__
            raise MooFsError(f"{kind} '{spec.name}': option {option}: wanted {wanted} like {default!r}, got {value!r}")


def _refuse_options(options: Mapping[str, Any], known: set[str], kind: str, name: str) -> None:
    for option in options:
        if option not in known:
            near = did_you_mean(option, known) if known else "; it has none"
            raise MooFsError(f"{kind} '{name}': unknown option '{option}'{near}")


def _fits(value: Any, default: Any) -> bool:
    """Whether a value may stand where `default` does: a whole number also for a float, a list for a tuple."""
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    accepted = {float: (int, float), tuple: (list,)}.get(type(default), (type(default),))
    return isinstance(value, accepted)


def _compact(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
