"""The shape of study files with a [grid] or a [compare] table: a search over measures and optimisers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from moo_fs.study_fields import MAX_SEEDS, AskedFile, Entries, Table, is_name, kind_of, no_repeats, read_table, whole

MAX_BUDGET = 1_000_000
LEAST_MEASURES = 3


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
        is_name(network_name(one).replace(".", "_"))
    names = no_repeats([network_name(one) for one in values])
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


class _Grid(Table):
    measures: Entries
    optimisers: Entries
    seeds: Annotated[int, whole(MAX_SEEDS)]
    budget: Annotated[int, whole(MAX_BUDGET)]


class _Compare(Table):
    measures: Annotated[Entries, AfterValidator(_enough_measures)]
    networks: Annotated[Any, BeforeValidator(_networks)] = None
    seeds: Annotated[int, whole(MAX_SEEDS)]
    budget: Annotated[int, whole(MAX_BUDGET)]


class StudyFile(AskedFile):
    """What a study file with a [grid] says, names not yet resolved."""

    grid: _Grid


class ComparisonFile(AskedFile):
    """What a study file with [compare] says, names not yet resolved; `compare.networks` is (option, values) or None."""

    compare: _Compare


def read_file(path: Path) -> StudyFile:
    """The checked content of a study file with a [grid]. Raises MooFsError with file, key and value."""
    return read_table(path, "grid", StudyFile)


def read_comparison_file(path: Path) -> ComparisonFile:
    """The checked content of a study file with [compare]. Raises MooFsError with file, key and value."""
    return read_table(path, "compare", ComparisonFile)


def is_comparison(path: str | Path) -> bool:
    """Whether a study file has a table [compare] (and no other). Raises MooFsError if it cannot be read as TOML."""
    return kind_of(path) == "compare"
