"""What a worker does with one run of a search over pruned networks: orders, damage, search, the front's test values.

Everything is kept in the study's folder as it is computed (`work/`), so that a study that was killed repeats nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from moo_fs.contracts import Bits, Floats, MooFsError
from moo_fs.execute import execute
from moo_fs.kept_frames import kept_frame
from moo_fs.plugins import PluginSpec
from moo_fs.prune_file import CMI
from moo_fs.prune_fronts.declared import Search
from moo_fs.prune_fronts.members import COUNTS, subject_hash
from moo_fs.prune_fronts.problem import Damage, Problem, counted, space_of, uniform, values_of_levels
from moo_fs.prune_studies.network import SHAPE, Subject, load_subject
from moo_fs.prune_studies.orders import Orders, by_score
from moo_fs.pruning.evaluation import Candidates
from moo_fs.pruning.levels import Levels
from moo_fs.results import allocations, front_of, values_of
from moo_fs.run_parts import RunOutcome
from moo_fs.seeds import stream
from moo_fs.space import Space
from moo_fs.store import open_run
from moo_fs.study import RunSpec, canonical
from moo_fs.subjects import cifar10
from moo_fs.subjects.vgg_training import unit
from moo_fs.whole_files import digest

LITTLE = 64 * 2**20


@dataclass(frozen=True)
class Setting:
    """Everything a worker needs to know; it pickles."""

    study: Search
    folder: Path
    device: str = "cpu"


@dataclass(frozen=True)
class RunResult:
    """One finished run: its trials, its front with the test part's columns, and what it took."""

    trials: pd.DataFrame
    front: pd.DataFrame
    effort: dict[str, Any]
    exhausted: str | None


def load(setting: Setting) -> Runner:
    """A worker's runner: what `workers.run_all` calls once in each process."""
    return Runner(setting, load_subject(setting.study.subject, setting.device))


class Runner:
    """Executes runs of one study; what is computed for a measure serves all its runs."""

    def __init__(self, setting: Setting, subject: Subject) -> None:
        self.setting, self.study, self.subject = setting, setting.study, subject
        self.backend = f"torch-{torch.__version__.partition('+')[0]}-{setting.device}-float32"
        counts = [getattr(self.study, name) for name in COUNTS]
        self.context = {"backend": self.backend, "subject": subject_hash(subject, counts)}
        self.work = setting.folder / "work" / digest(canonical(self.context).encode())[:12]
        self._levels: dict[str, Levels] = {}
        self._caches: dict[str, dict[bytes, Floats]] = {}

    def __call__(
        self, spec: RunSpec, *, on_progress: Callable[[int], None], should_stop: Callable[[], bool]
    ) -> RunResult | None:
        """Execute or resume one run; None if it was interrupted (what was evaluated is in its journal)."""
        levels, space = self.levels(spec.measure), self.space(spec.measure)
        problem = Problem(space, levels, self.searched, self._caches.setdefault(spec.measure.label, {}))
        optimiser = spec.optimiser.load("optimiser")(space, stream(spec.seed, "optimiser"), **spec.optimiser.options)
        with open_run(
            spec,
            study=self.study.name,
            objectives=self.study.objectives,
            folder=self.setting.folder,
            context=self.context,
        ) as recorder:
            outcome = execute(
                spec,
                problem,
                optimiser,
                recorder,
                budget=self.study.budget,
                on_progress=on_progress,
                should_stop=should_stop,
            )
        if outcome.interrupted:
            return None
        trials = outcome.trials.frame(spec.labels)
        return RunResult(trials, self.front(spec, trials), self._effort(spec, outcome), outcome.exhausted)

    def levels(self, measure: PluginSpec) -> Levels:
        """The levels of all layers, filters in the order of a measure on the first batch of training images."""
        if measure.label not in self._levels:
            orders = [self._order(measure, layer) for layer in self.subject.filters]
            self._levels[measure.label] = Levels(self.subject.chain, orders, shape=SHAPE)
        return self._levels[measure.label]

    def damage(self, measure: PluginSpec) -> Damage:
        """What cutting one layer alone does, on training images that the orders did not see."""

        def measured() -> pd.DataFrame:
            found = Damage.measured(self.levels(measure), self._damaged)
            frame = pd.DataFrame(found.error, columns=[f"level_{level}" for level in range(found.error.shape[1])])
            return frame.assign(seconds=found.seconds)

        frame = self._kept(f"damage-{self._named(measure)}", measured)
        return Damage(frame.filter(like="level_").to_numpy(), float(frame["seconds"].iloc[0]))

    def space(self, measure: PluginSpec) -> Space:
        """The search space of a measure."""
        return space_of(self.levels(measure), self.damage(measure), self.study.objectives)

    def front(self, spec: RunSpec, trials: pd.DataFrame) -> pd.DataFrame:
        """The run's front on the search part, with values on the test part and what the networks have."""
        front = front_of(trials, self.study.objectives)
        content = [canonical(self.study.objectives).encode(), *trials["bits"]]
        content.append(values_of(trials, self.study.objectives).tobytes())

        def measured() -> pd.DataFrame:
            rows = allocations(front)
            return pd.concat([front, self.tested(spec.measure, rows, self.tests)], axis=1)

        return self._kept(f"front-{spec.key}-{digest(b''.join(content))[:12]}", measured)

    def tested(self, measure: PluginSpec, rows: Bits, candidates: Candidates) -> pd.DataFrame:
        """Columns `<objective>_test` and counts of levels (network, layer) on a part of the test images."""
        values = values_of_levels(rows, self.levels(measure), candidates)
        tested = pd.DataFrame({f"{name}_test": values[name] for name in self.study.objectives})
        return pd.concat([tested, counted(rows, self.levels(measure))], axis=1)

    def baselines(self, measure: PluginSpec) -> pd.DataFrame:
        """Every layer at the same level, levels 0 to 8, on the search part and on all test images."""

        def measured() -> pd.DataFrame:
            rows = uniform(len(self.subject.filters))
            values = values_of_levels(rows, self.levels(measure), self.searched)
            shares = (np.arange(len(rows)) + 1) / len(rows)
            frame = pd.DataFrame({"baseline": f"uniform share, {measure.label}", "setting": shares})
            searched = pd.DataFrame({name: values[name] for name in self.study.objectives})
            return pd.concat([frame, searched, self.tested(measure, rows, self.all_tests)], axis=1)

        return self._kept(f"uniform-{self._named(measure)}", measured)

    def joint(self, measure: PluginSpec, front: pd.DataFrame) -> pd.DataFrame:
        """Members of the front of all runs, their test values on all test images."""
        rows, plain = allocations(front), front.loc[:, : self.study.objectives[-1]]
        name = f"joint-{self._named(measure)}-{digest(rows.tobytes())[:12]}"
        tested = self._kept(name, lambda: self.tested(measure, rows, self.all_tests))
        return pd.concat([plain.reset_index(drop=True), tested], axis=1)

    @cached_property
    def searched(self) -> Candidates:
        """Judges networks on the search part: validation images."""
        return self.subject.candidates(self.study.search_images)

    @cached_property
    def _damaged(self) -> Candidates:
        """Judges networks on training images, from the end of those that `Subject.large_batch` draws from."""
        images = self.subject.large_batch(self.study.damage_images)
        return Candidates(self.subject.chain, images.images, torch.from_numpy(images.labels), memory=LITTLE)

    @cached_property
    def tests(self) -> Candidates:
        """Judges networks on the first test images."""
        return self._on(cifar10.take(self.subject.test, np.arange(self.study.test_images)))

    @cached_property
    def all_tests(self) -> Candidates:
        """Judges networks on all test images."""
        return self._on(self.subject.test)

    def _on(self, pictures: cifar10.Pictures) -> Candidates:
        images = unit(torch.from_numpy(pictures.images).to(self.setting.device))
        return Candidates(self.subject.chain, images, torch.from_numpy(pictures.labels), memory=LITTLE)

    @cached_property
    def _orders(self) -> Orders:
        rule: Any = SimpleNamespace(alpha=self.study.alpha, method=self.study.method, width=self.study.width)
        return Orders(self.subject, rule, self.subject.batch(0, self.study.images), 0, self.work / "orders")

    def _order(self, measure: PluginSpec, layer: str) -> Any:
        if measure.name == CMI:
            return self._orders.cmi(layer, "per-layer").order
        return by_score(self._orders.scores(measure, layer))

    def _effort(self, spec: RunSpec, outcome: RunOutcome) -> dict[str, Any]:
        damage = self.damage(spec.measure)
        uses = bool(getattr(spec.optimiser.load("optimiser"), "uses_scores", True))
        images = damage.evaluations * self.study.damage_images / self.study.search_images
        return {
            "run": spec.key,
            "repeats": outcome.repeats,
            "scoring_evaluations": images if uses else 0.0,
            "scoring_seconds": damage.seconds if uses else 0.0,
            "seconds": outcome.seconds,
        }

    def _named(self, measure: PluginSpec) -> str:
        return digest(
            canonical([measure.specification, self.study.alpha, self.study.method, self.study.width]).encode()
        )[:12]

    def _kept(self, name: str, compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        return kept_frame(self.work / f"{name}.parquet", compute)


def check_sizes(study: Search, subject: Subject) -> None:
    """Raise MooFsError unless there are as many images as the study wants."""
    trains, validates, tests = (len(part.labels) for part in (subject.training, subject.validation, subject.test))
    wanted = {
        "search_images": (study.search_images, validates),
        "test_images": (study.test_images, tests),
        "images": (study.images, trains - study.damage_images),
    }
    for name, (value, most) in wanted.items():
        if value > most:
            raise MooFsError(
                f"{study.path}: prune.search.{name}: wanted at most {most}, the images there are, got {value}"
            )
