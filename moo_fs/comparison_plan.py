"""What a study file with [compare] declares: measures compared on networks, an ordinary study each."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError
from moo_fs.plugins import PluginSpec, resolve
from moo_fs.study import Study, canonical, read_study, study_of
from moo_fs.study_file import is_comparison, network_name, read_comparison_file

WAYS = ("sweep", "rank-sweep", "nsga2")
RANDOM = "random"
STARTING_POINT = "mutual-information"  # the score that this work started from
SHUFFLED = f"shuffled-{STARTING_POINT}"  # the same with shuffled labels
NULLS = (RANDOM, SHUFFLED)
UPPER = "sensitivity"
ONLY_NETWORK = "0"
MOST_BUDGET = 300  # our choice: what a grid's study is compared at, if it has more


@dataclass(frozen=True)
class Plan:
    """A checked comparison: measures, each judged in all WAYS, on every network.

    Attributes:
        whole: the study that the file would be on the subject as it stands.
        option: the subject's option that chooses the network; None if there is one network only.
        values: that option's value for each network.
        own: measures that the user adds to those of the file.
    """

    whole: Study
    option: str | None = None
    values: tuple[Any, ...] = ()
    own: tuple[PluginSpec, ...] = ()

    @property
    def path(self) -> Path:
        """The file."""
        return self.whole.path

    @property
    def name(self) -> str:
        """The comparison's name, which its folder has."""
        return self.whole.name

    @property
    def networks(self) -> dict[str, Any]:
        """Name of each network -> the option's value."""
        return {network_name(value): value for value in self.values} if self.option else {ONLY_NETWORK: None}

    @property
    def nulls(self) -> list[str]:
        """Labels of the measures that say nothing, whatever their options and whoever named them."""
        return [spec.label for spec in (*self.whole.measures, *self.own) if spec.name in NULLS]

    @property
    def upper(self) -> list[str]:
        """Labels of the upper baseline, measured sensitivity, one for every set of its options; none without it."""
        return [spec.label for spec in (*self.whole.measures, *self.own) if spec.name == UPPER]

    def study(self, network: str) -> Study:
        """The study of the file's measures on one network."""
        subject = self.whole.subject
        if self.option is not None:
            options = {**subject.options, self.option: self.networks[network]}
            subject = dataclasses.replace(subject, options=options)
        return dataclasses.replace(self.whole, name=f"{self.name}-network-{network}", subject=subject)

    def own_study(self, network: str, *measures: PluginSpec) -> Study:
        """The study of measures of the user's on one network; with the same blocks and budget."""
        study = self.study(network)
        return dataclasses.replace(study, name=f"{study.name}-own", measures=measures)

    def own_name(self, measure: PluginSpec) -> str:
        """What the folder of a measure of the user's is called: another one for other code or another comparison."""
        digest = hashlib.sha256(canonical([self.specification, measure.specification]).encode()).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9_-]', '_', measure.name)}-{digest[:8]}"

    @property
    def specification(self) -> dict[str, Any]:
        """What the file says, as JSON."""
        said = self.whole.specification
        grid = said.pop("grid")
        networks = {"networks": {self.option: list(self.values)}} if self.option else {}
        sizes = {name: grid[name] for name in ("seeds", "budget")}
        return {**said, "compare": {"measures": grid["measures"], **networks, **sizes}}

    @property
    def specification_hash(self) -> str:
        """SHA-256 of the specification."""
        return hashlib.sha256(canonical(self.specification).encode()).hexdigest()

    def with_own(self, references: list[str], *, folder: Path) -> Plan:
        """The same with measures of the user's: names, or "file.py:function" relative to `folder`.

        Raises MooFsError if one cannot be had or is in the comparison already.
        """
        taken, own = [spec.label for spec in self.whole.measures], list(self.own)
        for reference in references:
            spec = resolve({"name": reference}, kind="measure", key="--measure", folder=folder)
            if spec.label in [*taken, *[one.label for one in own]]:
                raise MooFsError(f"--measure: '{spec.label}' is compared already; drop it, or choose another name")
            own.append(spec)
        return dataclasses.replace(self, own=tuple(own))


def read_comparison(path: str | Path) -> Plan:
    """The comparison in a TOML file, or one of a grid's measures, with both nulls, on its one subject.

    Raises MooFsError, one sentence with file, key and value, if anything is wrong.
    """
    path = Path(path)
    if not is_comparison(path):
        return _of_grid(read_study(path))
    checked = read_comparison_file(path)
    table = {**checked.compare.model_dump(), "optimisers": [{"name": way} for way in WAYS]}
    plan = Plan(study_of(path, checked, table, called="compare"))
    if table["networks"] is None:
        return plan
    option, values = table["networks"]
    if option in checked.subject:
        raise MooFsError(f"{path}: compare.networks: the subject has '{option}' already; drop it there")
    for value in values:
        key = f"{path}: compare.networks"
        resolve({**checked.subject, option: value}, kind="subject", key=key, folder=path.parent)
    return dataclasses.replace(plan, option=option, values=tuple(values))


def _of_grid(study: Study) -> Plan:
    names = [spec.label for spec in study.measures]
    whole = dataclasses.replace(
        study,
        name=f"{study.name}-compare",
        measures=(*study.measures, *[PluginSpec(null) for null in NULLS if null not in names]),
        optimisers=tuple(PluginSpec(way) for way in WAYS),
        budget=min(study.budget, MOST_BUDGET),
    )
    return Plan(whole)
