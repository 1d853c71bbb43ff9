"""What the tables of study files have in common: TOML in, types and values checked, every fault one sentence."""

from __future__ import annotations

import json
import re
import tomllib
import typing
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from moo_fs.contracts import MooFsError, did_you_mean

MAX_SEEDS = 10_000
COMMANDS = {"grid": "run", "compare": "compare", "selection": "run", "prune": "prune"}
KINDS = tuple(COMMANDS)
File = TypeVar("File", bound=BaseModel)


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


def is_name(value: str) -> str:
    """A name of letters, digits, - and _."""
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
    return no_repeats(value)


def _reference(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"uniform-[1-8]", value):
            raise ValueError(f'wanted "uniform-1" to "uniform-8" or a list of numbers, got \'{value}\'')
        return value
    numbers = isinstance(value, list) and all(type(number) in (int, float) for number in value)
    if not numbers or not all(0 < number < float("inf") for number in value):
        raise ValueError(f'wanted "uniform-k" or a list of positive numbers, got {value!r}')
    return [float(number) for number in value]


def plugin(value: Any) -> Any:
    """A plug-in as a table with its name, options beside it, however it was written."""
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not isinstance(table.get("name"), str) or not table["name"]:
        raise ValueError(f"wanted a name, or a table with a name and options, got {value!r}")
    try:
        json.dumps(table)
    except TypeError as error:
        raise ValueError(f"wanted options that are numbers, text or lists, got {value!r}") from error
    return table


def no_repeats(values: list[Any]) -> list[Any]:
    """A list with entries, none twice."""
    if not values:
        raise ValueError("wanted at least one entry, got an empty list")
    for at, value in enumerate(values):
        if value in values[:at]:
            name = value["name"] if isinstance(value, dict) else value
            raise ValueError(f"'{name}' is listed twice; drop one")
    return values


def whole(limit: int) -> AfterValidator:
    """A whole number from 1 to `limit`."""

    def check(value: int) -> int:
        if not 1 <= value <= limit:
            raise ValueError(f"wanted a whole number from 1 to {limit}, got {value}")
        return value

    return AfterValidator(check)


Entry = Annotated[Any, BeforeValidator(plugin)]
Entries = Annotated[list[Entry], AfterValidator(no_repeats)]


class Table(BaseModel):
    """A table of a study file: its keys and no others, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NamedFile(Table):
    """What every study file says, whatever its table."""

    name: Annotated[str, AfterValidator(is_name)]
    question: Annotated[str, AfterValidator(_question)]


class AskedFile(NamedFile):
    """What a study says of its subject and objectives where it searches."""

    subject: Entry
    objectives: Annotated[list[str], AfterValidator(_objectives)]
    reference: Annotated[Any, BeforeValidator(_reference)] = "uniform-2"


def kind_of(path: str | Path) -> str:
    """Which of `KINDS` a study file is, by its table; "grid" without any.

    Raises MooFsError if it has two, or cannot be read as TOML.
    """
    found = [kind for kind in KINDS if kind in _read_toml(Path(path))]
    if len(found) > 1:
        raise MooFsError(f"{path}: has both [{found[0]}] and [{found[1]}]; make two study files of it")
    return found[0] if found else "grid"


def read_table(path: Path, kind: str, wanted: type[File]) -> File:
    """The checked content of a study file with the table [`kind`]. Raises MooFsError with file, key and value."""
    found = kind_of(path)
    if found != kind and not (found == "grid" and "grid" not in _read_toml(path)):
        raise MooFsError(f"{path}: [{found}]: wanted a study with [{kind}]; use moo-fs {COMMANDS[found]} {path}")
    try:
        return wanted.model_validate(_read_toml(path))
    except pydantic.ValidationError as error:
        raise MooFsError(f"{path}: {_sentence(error, wanted)}") from error


def _sentence(error: pydantic.ValidationError, kind_of_file: type[BaseModel]) -> str:
    # An unknown key before a missing one: it is most often the missing one, misspelt.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    key, kind, message = ".".join(where), first["type"], first["msg"]
    if kind == "extra_forbidden":
        return f"unknown key '{key}'{did_you_mean(where[-1], _model_at(kind_of_file, where[:-1]).model_fields)}"
    if kind == "missing":
        return f"{f'table [{key}]' if key in KINDS else f'key {key!r}'} is missing"
    if kind == "value_error":
        return f"{key}: {message.removeprefix('Value error, ')}"
    wanted = message.removeprefix("Input should be ").removeprefix("a valid ").replace("valid ", "")
    got = repr(first["input"])
    return f"{key}: wanted {wanted}, got {got if len(got) < 80 else got[:77] + '...'}"


def _model_at(model: type[BaseModel], where: list[str]) -> type[BaseModel]:
    """The table that the keys `where` lead to."""
    for key in where:
        kinds = [model.model_fields[key].annotation, *typing.get_args(model.model_fields[key].annotation)]
        model = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return model
