"""The study file of a search over pruned networks: a [prune] table that holds `search` alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.plugins import NO_MEASURE, PluginSpec
from moo_fs.prune_studies.network import check_subject, weights_of
from moo_fs.study import RunSpec, Study, study_of
from moo_fs.study_fields import MAX_SEEDS, Entries, Entry, NamedFile, Table, is_name, no_repeats, read_table, whole
from moo_fs.study_file import MAX_BUDGET
from moo_fs.whole_files import file_digest

OBJECTIVES = ("parameters", "flops", "error")
REFERENCE = "chance"
MOST_IMAGES = 45_000
SAID = ("images", "damage_images", "search_images", "test_images", "alpha", "method", "width", "published")


def _objectives(value: list[str]) -> list[str]:
    for name in value:
        if name not in OBJECTIVES:
            raise ValueError(f"no '{name}'{did_you_mean(name, OBJECTIVES)}")
    if len(value) < 2 or value[0] == "error" or "error" not in value:
        raise ValueError(f'wanted "parameters" or "flops" first and "error" among them, got {value}')
    return no_repeats(value)


def _reference(value: Any) -> Any:
    if value == REFERENCE:
        return value
    numbers = isinstance(value, list) and all(type(number) in (int, float) for number in value)
    if not numbers or not all(0 < number <= 1 for number in value):
        raise ValueError(f'wanted "{REFERENCE}" or a list of shares above 0 and at most 1, got {value!r}')
    return [float(number) for number in value]


class _Search(Table):
    measures: Entries
    optimisers: Entries
    seeds: Annotated[int, whole(MAX_SEEDS)]
    budget: Annotated[int, whole(MAX_BUDGET)]
    images: Annotated[int, whole(MOST_IMAGES)] = 256
    damage_images: Annotated[int, whole(MOST_IMAGES)] = 500
    search_images: Annotated[int, whole(5_000)] = 1_000
    test_images: Annotated[int, whole(10_000)] = 10_000
    alpha: Annotated[float, Field(gt=0, le=10)] = 1.01
    method: Literal["exact", "hybrid", "frobenius"] = "hybrid"
    width: Literal["median", "published"] = "median"
    published: Annotated[str, AfterValidator(is_name)] = "20_prune"


class _Prune(Table):
    search: _Search


class SearchFile(NamedFile):
    """What a study file with [prune.search] says, names not yet resolved."""

    subject: Entry
    objectives: Annotated[list[str], AfterValidator(_objectives)]
    reference: Annotated[Any, BeforeValidator(_reference)] = REFERENCE
    prune: _Prune


@dataclass(frozen=True)
class Search(Study):
    """A checked study file.

    Attributes:
        reference: "chance" (the unpruned network's size, and the error of guessing), or shares, one an objective.
        images: training images that filters are ordered by.
        damage_images: training images on which each layer alone is cut to every level.
        search_images: validation images that the search sees.
        test_images: test images for the members of each run's front; the front of all runs gets all of them.
        alpha, method, width: of the order by conditional mutual information.
        published: the study whose cutoffs are shown beside the fronts, if its archive lies beside this one's.
    """

    images: int
    damage_images: int
    search_images: int
    test_images: int
    alpha: float
    method: str
    width: str
    published: str

    @property
    def network(self) -> PluginSpec:
        """The subject without paths: the data are the same for everyone, and weights go by their hash.

        Raises MooFsError if the weights are not there.
        """
        options = {key: value for key, value in self.subject.options.items() if key != "data"}
        if options.get("weights"):
            options["weights"] = file_digest(weights_of(self.subject)[0])
        return PluginSpec(self.subject.name, options)

    def runs(self) -> list[RunSpec]:
        """All runs, block after block; their keys hold no paths."""
        return [dataclasses.replace(spec, subject=self.network) for spec in super().runs()]

    @property
    def specification(self) -> dict[str, Any]:
        """What the file says, as JSON, without paths."""
        images = {name: getattr(self, name) for name in SAID}
        return {**super().specification, "subject": self.network.specification, "prune": images}


def read_search(path: str | Path) -> Search:
    """The study in a TOML file. Raises MooFsError, one sentence with file, key and value, if anything is wrong."""
    path = Path(path)
    file: Any = read_table(path, "prune", SearchFile)
    table = file.prune.search.model_dump()
    study = study_of(path, file, table, called="prune.search")
    check_subject(study.subject, path)
    if any(spec.name == NO_MEASURE for spec in study.measures):
        raise MooFsError(f"{path}: prune.search.measures: '{NO_MEASURE}' has no order of filters; drop it")
    values = {field.name: getattr(study, field.name) for field in dataclasses.fields(study)}
    return Search(**values, **{name: table[name] for name in SAID})
