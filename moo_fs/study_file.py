"""The shape of a study file: TOML in, types and values checked, every fault one sentence."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from moo_fs.contracts import MooFsError, did_you_mean

MAX_BUDGET = 1_000_000
MAX_SEEDS = 10_000
LEAST_MEASURES = 3
TABLES = ("grid", "compare")
LATER = ("selection", "prune")


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


def _enough_measures(entries: list[Any]) -> list[Any]:
    names = [entry["name"] for entry in entries]
    if "random" not in names:
        raise ValueError('wanted "random" among them, which every other is compared with; add it')
    if len(names) < LEAST_MEASURES:
        raise ValueError(f"wanted {LEAST_MEASURES} or more to compare, got {len(names)}")
    return entries


def _networks(value: Any) -> tuple[str, list[Any]]:
    if not isinstance(value, dict) or len(value) != 1:
        got = f"{len(value)} of them" if isinstance(value, dict) else repr(value)
        raise ValueError(f"wanted one option of the subject and its values, like {{weights = [0, 1]}}, got {got}")
    ((option, values),) = value.items()
    if not isinstance(values, list) or not all(isinstance(one, str) or _is_finite(one) for one in values):
        raise ValueError(f"wanted a list of numbers or texts for '{option}', got {values!r}")
    for one in values:
        _name(network_name(one).replace(".", "_"))
    names = _no_repeats([network_name(one) for one in values])
    if len({one.lower() for one in names}) < len(names):  # folders are called by them
        raise ValueError(f"wanted values that differ in more than capitals, got {values!r}")
    return option, values


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < float("inf")


def network_name(value: float | str) -> str:
    """What a network is called by the value of its option.

    >>> network_name(0), network_name(True), network_name("small")
    ('0', 'true', 'small')
    """
    return value if isinstance(value, str) else json.dumps(value)


Entry = Annotated[Any, BeforeValidator(_plugin)]
Entries = Annotated[list[Entry], AfterValidator(_no_repeats)]


class _Grid(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    measures: Entries
    optimisers: Entries
    seeds: Annotated[int, _whole(MAX_SEEDS)]
    budget: Annotated[int, _whole(MAX_BUDGET)]


class _Compare(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    measures: Annotated[Entries, AfterValidator(_enough_measures)]
    networks: Annotated[Any, BeforeValidator(_networks)] = None
    seeds: Annotated[int, _whole(MAX_SEEDS)]
    budget: Annotated[int, _whole(MAX_BUDGET)]


class AskedFile(BaseModel):
    """What every study file says, whatever its table."""

    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, AfterValidator(_name)]
    question: Annotated[str, AfterValidator(_question)]
    subject: Entry
    objectives: Annotated[list[str], AfterValidator(_objectives)]
    reference: Annotated[Any, BeforeValidator(_reference)] = "uniform-2"


class StudyFile(AskedFile):
    """What a study file with a [grid] says, names not yet resolved."""

    grid: _Grid


class ComparisonFile(AskedFile):
    """What a study file with [compare] says, names not yet resolved; `compare.networks` is (option, values) or None."""

    compare: _Compare


def _sentence(error: pydantic.ValidationError, kind_of_file: type[BaseModel]) -> str:
    # An unknown key before a missing one: it is most often the missing one, misspelt.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    key, kind, message = ".".join(where), first["type"], first["msg"]
    if kind == "extra_forbidden":
        tables: dict[str, type[BaseModel]] = {"grid": _Grid, "compare": _Compare}
        model = tables[where[0]] if len(where) > 1 else kind_of_file
        return f"unknown key '{key}'{did_you_mean(where[-1], model.model_fields)}"
    if kind == "missing":
        return f"{f'table [{key}]' if key in TABLES else f'key {key!r}'} is missing"
    if kind == "value_error":
        return f"{key}: {message.removeprefix('Value error, ')}"
    wanted = message.removeprefix("Input should be ").removeprefix("a valid ").replace("valid ", "")
    got = repr(first["input"])
    return f"{key}: wanted {wanted}, got {got if len(got) < 80 else got[:77] + '...'}"


def read_file(path: Path) -> StudyFile:
    """The checked content of a study file with a [grid]. Raises MooFsError with file, key and value."""
    content = _content(path)
    if "compare" in content:
        raise MooFsError(
            f"{path}: [compare]: this is a comparison, not a study with a [grid]; use moo-fs compare {path}"
        )
    return _checked(path, content, StudyFile)


def read_comparison_file(path: Path) -> ComparisonFile:
    """The checked content of a study file with [compare]. Raises MooFsError with file, key and value."""
    return _checked(path, _content(path), ComparisonFile)


def is_comparison(path: str | Path) -> bool:
    """Whether a study file has a table [compare] (and no [grid]). Raises MooFsError if it cannot be read as TOML."""
    return "compare" in _content(Path(path))


def _content(path: Path) -> dict[str, Any]:
    content = _read_toml(path)
    for table in LATER:
        if table in content:
            raise MooFsError(f"{path}: [{table}]: studies of this kind are not there yet; wanted a [grid] table")
    if all(table in content for table in TABLES):
        raise MooFsError(f"{path}: has both [grid] and [compare]; make two study files of it")
    return content


def _checked(path: Path, content: dict[str, Any], wanted: type[File]) -> File:
    try:
        return wanted.model_validate(content)
    except pydantic.ValidationError as error:
        raise MooFsError(f"{path}: {_sentence(error, wanted)}") from error
