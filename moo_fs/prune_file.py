"""The shape of study files with a [prune] table: which measures, cutoffs and directions prune a network, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field

from moo_fs.contracts import did_you_mean
from moo_fs.renyi_targets import FORMULATIONS
from moo_fs.study_fields import MAX_SEEDS, Entries, Entry, NamedFile, Table, no_repeats, plugin, read_table, whole

CMI = "conditional-mutual-information"
DIRECTIONS = ("forward", "bi-directional", "one-shot")
# Options of the cutoffs, each with its default; None: it has to be said.
CUTOFFS: dict[str, dict[str, Any]] = {
    "scree": {},
    "x-means": {"most": 20},
    "permutation": {"permutations": 100, "level": 0.05},
    "share": {"kept": None},
}
MOST_IMAGES = 45_000


def _known(names: tuple[str, ...]) -> AfterValidator:
    def check(values: list[str]) -> list[str]:
        for value in values:
            if value not in names:
                raise ValueError(f"no '{value}'{did_you_mean(value, names)}")
        return no_repeats(values)

    return AfterValidator(check)


def _cutoff(value: Any) -> Any:
    table = dict(plugin(value))
    name = table.pop("name")
    if name not in CUTOFFS:
        raise ValueError(f"no cutoff '{name}'{did_you_mean(name, CUTOFFS)}")
    for option, given in table.items():
        if option not in CUTOFFS[name]:
            known = did_you_mean(option, CUTOFFS[name]) or "; it has none"
            raise ValueError(f"cutoff '{name}': no option '{option}'{known}")
        whole_number = option in ("most", "permutations")
        if isinstance(given, bool) or not isinstance(given, int if whole_number else (int, float)) or given <= 0:
            raise ValueError(f"cutoff '{name}': {option}: wanted a {'whole ' * whole_number}number, got {given!r}")
    missing = [option for option, default in CUTOFFS[name].items() if default is None and option not in table]
    if missing:
        raise ValueError(f"cutoff '{name}': wanted {{name = \"{name}\", {missing[0]} = 0.66}}, got no {missing[0]}")
    if name == "share" and table["kept"] > 1:
        raise ValueError(f"cutoff 'share': kept: wanted a share above 0 and at most 1, got {table['kept']!r}")
    return {"name": name, **table}


def _shares(values: list[float]) -> list[float]:
    for value in values:
        if not 0 < value <= 1:
            raise ValueError(f"wanted shares above 0 and at most 1, got {value!r}")
    return no_repeats(values)


Cutoffs = Annotated[list[Annotated[Any, BeforeValidator(_cutoff)]], AfterValidator(no_repeats)]
Directions = Annotated[list[str], _known(DIRECTIONS)]


class _Part(Table):
    """A part of the grid; what is not said is as in the grid."""

    formulations: Annotated[list[str], _known(FORMULATIONS)] | None = None
    cutoffs: Cutoffs
    directions: Directions | None = None


class _Raised(_Part):
    """Variants whose tolerance is raised until more than a third of the filters is gone, on the first batch."""

    tolerances: Annotated[list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1), AfterValidator(no_repeats)]


class _FineTune(Table):
    """Training after filters are gone: the `best` variants and `controls`, measures cut to the best one's counts."""

    best: Annotated[int, whole(100)]
    epochs: Annotated[int, whole(1000)]
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    controls: list[str] = Field(default=[])
    # Epochs of every network without a third of its filters, whose validation accuracy says which are the best.
    screen: Annotated[int, Field(strict=True, ge=0, le=1000)] = 0
    seeds: Annotated[int, whole(100)] = 1


class _Prune(Table):
    measures: Entries
    formulations: Annotated[list[str], _known(FORMULATIONS)] = Field(default=list(FORMULATIONS))
    cutoffs: Cutoffs
    directions: Directions = Field(default=list(DIRECTIONS))
    seeds: Annotated[int, whole(MAX_SEEDS)] = 5
    # Run on every batch of images; without it the whole grid is.
    repeated: _Part | None = None
    # Run on every batch with one kernel width for all formulations.
    common_width: _Part | None = None
    raised: _Raised | None = None
    images: Annotated[int, whole(MOST_IMAGES)] = 256
    choose_images: Annotated[int, whole(MOST_IMAGES)] = 1000
    tolerance: Annotated[float, Field(ge=0, le=100)] = 0.3
    alpha: Annotated[float, Field(gt=0, le=10)] = 1.01
    method: Literal["exact", "hybrid", "frobenius"] = "hybrid"
    width: Literal["median", "published"] = "median"
    compensate: bool = False
    shares: Annotated[list[float], AfterValidator(_shares)] = Field(default=[0.9, 0.8, 0.66, 0.5])
    fine_tune: _FineTune | None = None


class PruneFile(NamedFile):
    """What a study file with [prune] says, names not yet resolved."""

    subject: Entry
    prune: _Prune


class _Whichever(pydantic.BaseModel):
    prune: dict[str, Any]


def read_prune_file(path: Path) -> PruneFile:
    """The checked content of a study file with a [prune]. Raises MooFsError with file, key and value."""
    return read_table(path, "prune", PruneFile)


def is_search(path: str | Path) -> bool:
    """Whether a study file's [prune] holds a table `search`, which is another kind of study. Raises MooFsError."""
    return "search" in read_table(Path(path), "prune", _Whichever).prune
