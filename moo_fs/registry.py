"""Tables of plug-ins by name: what the package brings, what a user's file adds, and nothing registered twice."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from moo_fs.contracts import MooFsError, did_you_mean

Plugin = TypeVar("Plugin", bound=Callable[..., Any])
NEEDS = ("features", "outputs", "targets", "gradients", "ablate", "depths", "heads", "weights", "scale")


@dataclass(frozen=True)
class Entry:
    """One registered name; `target` is the object itself or "module:attribute", imported when first asked for."""

    name: str
    target: Any
    about: str
    details: dict[str, Any] = field(default_factory=dict)


class Table:
    """Name -> plug-in for one kind ("measure", "optimiser", "subject", "codec")."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def add(self, name: str, target: Any, *, about: str = "", details: dict[str, Any] | None = None) -> None:
        """Register `target` under `name`; a name already taken by something else is refused."""
        taken = self._entries.get(name)
        if taken is not None and taken.target != target:
            raise MooFsError(f"{self.kind} '{name}' is registered already; choose another name")
        self._entries[name] = Entry(name, target, about, details or {})

    def add_all(self, entries: Mapping[str, tuple[Any, ...]]) -> None:
        """Register name -> (target, about[, details]); harmless when repeated."""
        for name, (target, about, *details) in entries.items():
            self.add(name, target, about=about, details=details[0] if details else None)

    def names(self) -> list[str]:
        """All registered names, sorted."""
        return sorted(self._entries)

    def rows(self) -> list[dict[str, Any]]:
        """`name`, `about` and details of every entry, as `moo-fs list` shows them."""
        return [
            {"name": name, "about": self._entries[name].about} | self._entries[name].details for name in self.names()
        ]

    def load(self, name: str) -> Any:
        """The plug-in called `name`; raises MooFsError with the nearest known name."""
        if name not in self._entries:
            raise MooFsError(f"no {self.kind} '{name}'{did_you_mean(name, self._entries)}")
        target = self._entries[name].target
        if isinstance(target, str):
            module, attribute = target.split(":")
            return getattr(importlib.import_module(module), attribute)
        return target


@dataclass(frozen=True)
class Measure:
    """An importance measure: `function` of what it `needs`, see `moo_fs.measure`."""

    name: str
    function: Callable[..., Any]
    needs: tuple[str, ...] = ("features",)
    per_task: bool = False
    whole: bool = False


measures = Table("measure")
optimisers = Table("optimiser")
subjects = Table("subject")
codecs = Table("codec")
TABLES = {"measures": measures, "optimisers": optimisers, "subjects": subjects, "codecs": codecs}


def measure(
    name: str, *, needs: tuple[str, ...] = ("features",), per_task: bool = False, whole: bool = False
) -> Callable[[Plugin], Plugin]:
    """Register an importance measure: a function of a `Batch` (and of a task if `per_task`) that returns (channel,).

    Higher = matters more. The result is averaged over batches weighted by samples; with `whole` the function is called
    once with everything that was drawn, and may return a `Report`. `needs` says what the framework collects: features,
    outputs, targets, gradients, ablate, depths, heads, weights, scale (see `moo_fs.split.Batch`). A keyword parameter
    `rng` receives the block's generator, other keyword parameters are options of the study file.
    """
    unknown = [need for need in needs if need not in NEEDS]
    if unknown:
        raise MooFsError(f"measure '{name}': unknown need '{unknown[0]}'{did_you_mean(unknown[0], NEEDS)}")

    def register(function: Plugin) -> Plugin:
        record = Measure(name, function, tuple(needs), per_task, whole)
        function.moo_fs_measure = record  # type: ignore[attr-defined]
        if not _is_builtin(function):
            measures.add(name, record, about=_first_line(function))
        return function

    return register


def optimiser(name: str) -> Callable[[Plugin], Plugin]:
    """Register an optimiser: a class `Mine(problem, rng)` with `ask() -> (batch, channel)` bits and `tell`."""

    def register(factory: Plugin) -> Plugin:
        factory.moo_fs_name = name  # type: ignore[attr-defined]
        if not _is_builtin(factory):
            optimisers.add(name, factory, about=_first_line(factory))
        return factory

    return register


def as_measure(plugin: Any) -> Measure:
    """The `Measure` record of a registered or plain function (which needs features only)."""
    if isinstance(plugin, Measure):
        return plugin
    record = getattr(plugin, "moo_fs_measure", None)
    return record if isinstance(record, Measure) else Measure(plugin.__name__, plugin)


def from_file(reference: str, *, folder: Path, kind: str) -> Any:
    """The object behind "file.py:name", the file relative to `folder`; each file is executed once per process."""
    file_name, _, attribute = reference.partition(":")
    path = (folder / file_name).resolve()
    if not path.is_file():
        raise MooFsError(f"{kind} '{reference}': no file {path}")
    module_name = f"moo_fs_user_{abs(hash(path)):x}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, path)
        if spec is None or spec.loader is None:
            raise MooFsError(f"{kind} '{reference}': {path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        module.__dict__["moo_fs_content"] = path.read_bytes()
        sys.path.insert(0, str(path.parent))  # as when a script is run: it may import what lies beside it
        try:
            spec.loader.exec_module(module)
        except MooFsError:
            del sys.modules[module_name]
            raise
        except Exception as error:
            del sys.modules[module_name]
            raise MooFsError(f"{kind} '{reference}': {path} fails on import: {error!r}") from error
        finally:
            sys.path.remove(str(path.parent))
    elif module.__dict__["moo_fs_content"] != path.read_bytes():
        raise MooFsError(f"{kind} '{reference}': {path} has changed since this process loaded it; start a new one")
    if not hasattr(module, attribute):
        known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        raise MooFsError(f"{kind} '{reference}': no '{attribute}' in {path}{did_you_mean(attribute, known)}")
    return getattr(module, attribute)


def options_of(function: Callable[..., Any], *, reserved: tuple[str, ...]) -> dict[str, inspect.Parameter]:
    """The named options of a plug-in: its parameters with defaults, but for the `reserved` ones."""
    parameters = inspect.signature(function).parameters
    return {
        name: parameter
        for name, parameter in parameters.items()
        if name not in reserved and parameter.default is not inspect.Parameter.empty
    }


def _is_builtin(plugin: Callable[..., Any]) -> bool:
    return plugin.__module__.partition(".")[0] == "moo_fs"


def _first_line(plugin: Callable[..., Any]) -> str:
    return (inspect.getdoc(plugin) or "").partition("\n")[0]
