"""What a pruning study runs: variants of the published method on batches of images, and what they are held against.

A *variant* is a formulation, a cutoff and a direction; "one-shot" goes with "per-layer" alone. All of them are run on
the first batch of images, those of `repeated` on every batch; a batch is drawn from the training images, batches share
no image. Kernel widths grow with the maps of a formulation's largest product, so that formulations differ in width too:
variants of `common_width` are run with one width for all. A *ladder* is a variant whose tolerance is raised, step by
step on the first batch, until more than a third of the filters is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.plugins import NO_MEASURE, PluginSpec, resolve
from moo_fs.prune_file import CMI, CUTOFFS, read_prune_file
from moo_fs.prune_studies.network import check_subject
from moo_fs.study import canonical
from moo_fs.study_fields import MAX_SEEDS
from moo_fs.whole_files import file_digest

SETTINGS = ("seeds", "images", "choose_images", "tolerance", "alpha", "method", "width", "compensate")


@dataclass(frozen=True)
class Cutoff:
    """A rule for how many filters a layer keeps: "scree", "x-means", "permutation" or "share", with its options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """Name, and the options that were given.

        >>> Cutoff("share", {"kept": 0.66}).label, Cutoff("scree").label
        ('share[kept=0.66]', 'scree')
        """
        given = ",".join(f"{name}={value:g}" for name, value in sorted(self.options.items()))
        return f"{self.name}[{given}]" if given else self.name

    def option(self, name: str) -> Any:
        """The value of an option, its default if none was given."""
        return self.options.get(name, CUTOFFS[self.name][name])


@dataclass(frozen=True)
class Variant:
    """One way to prune by conditional mutual information; `common`: with the widths of all formulations alike."""

    formulation: str
    cutoff: Cutoff
    direction: str
    common: bool = False

    @property
    def label(self) -> str:
        """The formulation, and whether its widths are those of all.

        >>> Variant("full", Cutoff("scree"), "forward", common=True).label
        'full, common width'
        """
        return with_common_width(self.formulation) if self.common else self.formulation


def with_common_width(formulation: str) -> str:
    """The label of a formulation whose widths are those of all."""
    return f"{formulation}, common width"


@dataclass(frozen=True)
class FineTune:
    """So many epochs of training at a rate, for the `best` variants and for `controls`, measures by label.

    `screen` epochs of every network without a third of its filters say which are the best; with 0 the accuracy before
    training does. The best one after training is trained with `seeds` seeds.
    """

    best: int
    epochs: int
    rate: float
    controls: tuple[str, ...]
    screen: int
    seeds: int


@dataclass(frozen=True)
class Plan:
    """A checked pruning study; `measures` are the rivals, `tolerance` is in accuracy points."""

    path: Path
    name: str
    question: str
    subject: PluginSpec
    measures: tuple[PluginSpec, ...]
    variants: tuple[Variant, ...]
    repeated: tuple[Variant, ...]
    common_width: tuple[Variant, ...]
    ladders: tuple[tuple[Variant, ...], ...]
    shares: tuple[float, ...]
    seeds: int
    images: int
    choose_images: int
    tolerance: float
    alpha: float
    method: str
    width: str
    compensate: bool
    fine_tune: FineTune | None

    def variants_of(self, seed: int) -> tuple[Variant, ...]:
        """The variants that are run on batch `seed`, their tolerances not raised."""
        return (self.variants if seed == 0 else self.repeated) + self.common_width

    @property
    def specification(self) -> dict[str, Any]:
        """What the file says, as JSON, without paths: weights go by their hash, the data are the same for everyone."""
        options = {key: value for key, value in self.subject.options.items() if key != "data"}
        weights = Path(str(options.get("weights", "")))
        if weights.is_file():
            options["weights"] = file_digest(weights)
        said = {name: getattr(self, name) for name in ("name", "question", *SETTINGS)}
        tuned = self.fine_tune
        return {
            **said,
            "subject": {"name": self.subject.name, "options": options},
            "measures": [CMI, *[spec.label for spec in self.measures]],
            "variants": [_said(variant) for variant in self.variants],
            "repeated": [_said(variant) for variant in self.repeated],
            "common_width": [_said(variant) for variant in self.common_width],
            "ladders": [[_said(variant) for variant in ladder] for ladder in self.ladders],
            "shares": list(self.shares),
            "fine_tune": None if tuned is None else {**vars(tuned), "controls": list(tuned.controls)},
        }

    @property
    def specification_hash(self) -> str:
        """SHA-256 of the specification."""
        return hashlib.sha256(canonical(self.specification).encode()).hexdigest()

    def with_seeds(self, seeds: int | None) -> Plan:
        """The same study on another number of batches. Raises MooFsError if that is impossible."""
        if seeds is None:
            return self
        if not 1 <= seeds <= MAX_SEEDS:
            raise MooFsError(f"--seeds: wanted a whole number from 1 to {MAX_SEEDS}, got {seeds}")
        return replace(self, seeds=seeds)


def read_plan(path: str | Path) -> Plan:
    """The pruning study in a TOML file. Raises MooFsError, one sentence with file, key and value, if it is wrong."""
    path = Path(path)
    file = read_prune_file(path)
    if file.name != path.stem and path.resolve().parent.name == "studies":
        raise MooFsError(f"{path}: name: wanted '{path.stem}', as the file is called, got '{file.name}'")
    table = file.prune
    measures = tuple(
        resolve(entry, kind="measure", key=f"{path}: prune.measures", folder=path.parent) for entry in table.measures
    )
    _check_measures(path, measures)
    rivals = tuple(spec for spec in measures if spec.name != CMI)
    variants = _variants(table.formulations, table.cutoffs, table.directions)
    repeated = variants if table.repeated is None else _part(table.repeated, table)
    common = _part(table.common_width, table, common=True) if table.common_width else ()
    if not variants:
        raise MooFsError(f'{path}: prune.formulations: wanted "per-layer" among them, the one that "one-shot" has')
    strange = [variant for variant in repeated if variant not in variants]
    if strange:
        raise MooFsError(f"{path}: prune.repeated: wanted variants of the grid itself, got {_said(strange[0])}")
    return Plan(
        path=path,
        name=file.name,
        question=file.question,
        subject=_subject(file.subject, path),
        measures=rivals,
        variants=variants,
        repeated=repeated,
        common_width=common,
        ladders=_ladders(table, path),
        shares=tuple(table.shares),
        fine_tune=_fine_tune(table.fine_tune, rivals, path),
        **{name: getattr(table, name) for name in SETTINGS},
    )


def _part(part: Any, table: Any, *, common: bool = False) -> tuple[Variant, ...]:
    """Variants of a part of the grid: what it does not say is as in the grid."""
    formulations, directions = part.formulations or table.formulations, part.directions or table.directions
    return _variants(formulations, part.cutoffs, directions, common=common)


def _ladders(table: Any, path: Path) -> tuple[tuple[Variant, ...], ...]:
    """For each variant of `raised` the same with every tolerance, ascending."""
    if table.raised is None:
        return ()
    if any(entry["name"] == "share" for entry in table.raised.cutoffs):
        raise MooFsError(f"{path}: prune.raised.cutoffs: a share has no tolerance to raise; drop it")
    return tuple(
        tuple(
            replace(variant, cutoff=Cutoff(variant.cutoff.name, {**variant.cutoff.options, "tolerance": tolerance}))
            for tolerance in sorted(table.raised.tolerances)
        )
        for variant in _part(table.raised, table)
    )


def _variants(
    formulations: list[str], cutoffs: list[Any], directions: list[str], *, common: bool = False
) -> tuple[Variant, ...]:
    rules = [Cutoff(entry["name"], {key: entry[key] for key in entry if key != "name"}) for entry in cutoffs]
    return tuple(
        Variant(formulation, cutoff, direction, common)
        for formulation in formulations
        for cutoff in rules
        for direction in directions
        # All at once nothing is cut before: every formulation is the layer's own.
        if direction != "one-shot" or formulation == "per-layer"
    )


def _said(variant: Variant) -> list[str]:
    return [variant.label, variant.cutoff.label, variant.direction]


def _subject(entry: Mapping[str, Any], path: Path) -> PluginSpec:
    # What another subject makes of the options does not matter.
    check_subject(PluginSpec(entry["name"], {key: entry[key] for key in entry if key != "name"}), path)
    return resolve(entry, kind="subject", key=f"{path}: subject", folder=path.parent)


def _check_measures(path: Path, measures: tuple[PluginSpec, ...]) -> None:
    for spec in measures:
        if spec.name == NO_MEASURE:
            raise MooFsError(f"{path}: prune.measures: '{NO_MEASURE}' has no order of filters; drop it")
        if spec.name == CMI and spec.options:
            raise MooFsError(f"{path}: prune.measures: '{CMI}' takes alpha, method and width from [prune] itself")
    if CMI not in [spec.name for spec in measures]:
        raise MooFsError(f"{path}: prune.measures: wanted '{CMI}' among them, whose variants the study is about")


def _fine_tune(table: Any, rivals: tuple[PluginSpec, ...], path: Path) -> FineTune | None:
    if table is None:
        return None
    labels = [spec.label for spec in rivals]
    for label in table.controls:
        if label not in labels:
            raise MooFsError(f"{path}: prune.fine_tune.controls: no rival '{label}'{did_you_mean(label, labels)}")
    return FineTune(table.best, table.epochs, table.rate, tuple(table.controls), table.screen, table.seeds)
