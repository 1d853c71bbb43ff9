"""Filters of a layer in the order of a measure: greedy conditional mutual information, or scores, highest first.

What was ordered is kept on disk, by all that it depends on: variants that share a layer's past share its order.
"""

from __future__ import annotations

import itertools
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from moo_fs import renyi, scoring
from moo_fs.contracts import Floats
from moo_fs.edge_layers import making_layer
from moo_fs.plugins import PluginSpec
from moo_fs.prune_studies.network import Batch, Subject
from moo_fs.pruning.cutoffs import permutation_test, x_means
from moo_fs.pruning.stages import Layer
from moo_fs.scoring import Source
from moo_fs.seeds import stream, words
from moo_fs.study import canonical
from moo_fs.subjects.vgg16_cifar10 import TASKS, cut
from moo_fs.whole_files import digest, write_whole

Indices = NDArray[np.int64]
# Layers cut before, each with the filters it keeps; the last is the one next to the layer that is ordered.
Past = Sequence[tuple[str, Indices]]


class Rules(Protocol):
    """What of a plan an order by conditional mutual information depends on; see `moo_fs.renyi.rank`."""

    @property
    def alpha(self) -> float:
        """Order of the entropies."""

    @property
    def width(self) -> str:
        """The rule of the kernel widths."""

    @property
    def method(self) -> str:
        """How candidates are compared."""


@dataclass(frozen=True)
class Order:
    """Filters of one layer as they were taken; see `moo_fs.renyi.Ranking`. `seconds` it took when it was first made."""

    order: Indices
    cmi: Floats
    determined: int
    saturation: Floats
    seconds: float


class Orders:
    """Orders of one batch; `folder` keeps them."""

    def __init__(self, subject: Subject, plan: Rules, batch: Batch, seed: int, folder: Path) -> None:
        self.subject, self.plan, self.batch, self.seed, self.folder = subject, plan, batch, seed, folder
        self._about = [subject.hash, len(batch.labels), seed]

    def cmi(
        self, layer: str, formulation: str, past: Past = (), *, width: str | None = None, common: bool = False
    ) -> Order:
        """A layer's filters by conditional mutual information with the labels, given the past that counts.

        `common`: with the kernel widths of all formulations, see `largest`.
        """
        rule, past = width or self.plan.width, counted(formulation, past)
        key = ["cmi", layer, formulation, rule, self.plan.alpha, self.plan.method, _plain(past), *_named(common)]
        largest = self.largest(formulation, common=common)
        found = self._kept(key, lambda: self._ranked(self.batch.maps[layer], formulation, past, rule, largest))
        return Order(
            np.array(found["order"]), np.array(found["cmi"]), found["determined"], np.array(found["saturation"]),
            found["seconds"],
        )  # fmt: skip

    def permutation(
        self, layer: str, formulation: str, past: Past, order: Indices, *, common: bool = False, **options: Any
    ) -> int:
        """The kept count of the permutation test on an order; `common` as of `cmi`."""
        past = counted(formulation, past)
        key = [
            "permutation",
            layer,
            formulation,
            self.plan.width,
            self.plan.alpha,
            _plain(past),
            order.tolist(),
            options,
            *_named(common),
        ]
        largest = self.largest(formulation, common=common)
        return int(
            self._kept(
                key,
                lambda: {
                    "kept": permutation_test(
                        self.batch.maps[layer],
                        self.batch.labels,
                        order,
                        alpha=self.plan.alpha,
                        width=self.plan.width,
                        conditioned_on=self._given(formulation, past, self.plan.width, largest),
                        largest_product=largest,
                        rng=stream(self.seed, "prune", "permutation", layer),
                        **options,
                    )
                },
            )["kept"]
        )

    def x_means(self, layer: str, order: Order, most: int) -> list[int]:
        """The kept counts that X-Means proposes on the curve of an order."""
        key, rng = ["x-means", layer, order.cmi.tolist(), most], stream(self.seed, "prune", "x-means", layer)
        return [
            int(count) for count in self._kept(key, lambda: {"kept": x_means(order.cmi, most=most, rng=rng)})["kept"]
        ]

    def scores(self, spec: PluginSpec, layer: str) -> Floats:
        """Scores (filter,) of a registered measure on the network cut after a layer, higher = matters more."""
        key = ["scores", layer, spec.specification]
        return np.array(self._kept(key, lambda: {"scores": self._scored(spec, layer).tolist()})["scores"])

    def planted(self, layer: str) -> dict[str, int]:
        """Where three filters added to a layer land, 0 = first: a constant, pure noise, a copy of the first taken."""
        return {str(name): int(at) for name, at in self._kept(["planted", layer], lambda: self._planted(layer)).items()}

    def largest(self, formulation: str, *, common: bool = False) -> int:
        """Maps in the largest product of a run, which the median rule's widths grow with: an upper bound, ours.

        "per-layer" the filters of the widest layer, "compact" of the widest two neighbours, "full" of all layers; in
        `common` that of "full", so that formulations differ in what they condition on alone.
        """
        filters = list(self.subject.filters.values())
        if formulation == "full" or common:
            return sum(filters)
        pairs = [first + second for first, second in itertools.pairwise(filters)]
        return max(pairs) if formulation == "compact" else max(filters)

    def _ranked(self, maps: torch.Tensor, formulation: str, past: Past, rule: str, largest: int) -> dict[str, Any]:
        with warnings.catch_warnings():
            # The table of orders says how much of each is determined.
            warnings.simplefilter("ignore", renyi.UndeterminedOrderWarning)
            found = renyi.rank(
                maps,
                self.batch.labels,
                alpha=self.plan.alpha,
                width=rule,
                conditioned_on=self._given(formulation, past, rule, largest),
                method=self.plan.method,
                largest_product=largest,
            )
        return {
            "order": found.order.tolist(),
            "cmi": found.cmi.tolist(),
            "determined": found.determined,
            "saturation": found.saturation.tolist(),
        }

    def _given(self, formulation: str, past: Past, rule: str, largest: int) -> Floats | None:
        maps = [self.batch.maps[layer][:, torch.from_numpy(kept)] for layer, kept in past]
        return renyi.conditioning(maps, formulation=formulation, width=rule, largest_product=largest)

    def _scored(self, spec: PluginSpec, layer: str) -> Floats:
        edge, head = cut(self.subject.network, layer)
        maps, made = self.batch.maps[layer], making_layer(edge, self.subject.filters[layer])
        task = TASKS[0].name
        source = Source(
            heads={task: head},
            tasks=TASKS,
            features=maps.contiguous(),
            targets={task: torch.from_numpy(self.batch.labels)},
            means=maps.mean((0, 2, 3)),
            weights=made.weights,
            scale=made.scale,
        )
        found = scoring.score(
            spec.load("measure"),
            source,
            # Another stream a layer, else random scores of equal layers would be equal.
            seed=words(self.seed, "prune", layer)[0],
            options=spec.options,
            drawn=np.arange(len(maps)),
        )
        return np.asarray(found.values[:, 0])

    def _planted(self, layer: str) -> dict[str, int]:
        maps, filters = self.batch.maps[layer], self.subject.filters[layer]
        rng = stream(self.seed, "prune", "planted", layer)
        noise = torch.from_numpy(rng.standard_normal((len(maps), 1, *maps.shape[2:]))).to(maps).relu()
        first = int(self.cmi(layer, "per-layer").order[0])
        more = [torch.ones_like(noise), noise * maps.std(), maps[:, first : first + 1]]
        largest = self.largest("per-layer")
        order = self._ranked(torch.cat([maps, *more], dim=1), "per-layer", (), self.plan.width, largest)["order"]
        places = {name: order.index(filters + at) for at, name in enumerate(("constant", "noise"))}
        # Copy and original are the same to any order: where the later of the two lands.
        return {**places, "copy": max(order.index(first), order.index(filters + 2))}

    def _kept(self, key: list[Any], make: Any) -> dict[str, Any]:
        """What was made under this key, now or before."""
        path = self.folder / f"{digest(canonical([self._about, key]).encode())[:20]}.json"
        if not path.is_file():
            start = time.perf_counter()
            made = make()
            write_whole(path, json.dumps({**made, "seconds": time.perf_counter() - start}).encode())
        found: dict[str, Any] = json.loads(path.read_bytes())
        if key[0] == "planted":
            found.pop("seconds")
        return found


def counted(formulation: str, past: Past) -> Past:
    """The part of the past that a formulation conditions on."""
    if formulation == "per-layer":
        return ()
    return list(past) if formulation == "full" else list(past)[-1:]


def by_score(scores: Floats) -> Indices:
    """Filters, highest score first, of equal ones the lower number."""
    return np.argsort(-scores, kind="stable")


def _named(common: bool) -> list[str]:
    return ["common width"] if common else []


def _plain(past: Past) -> list[Any]:
    """The past as JSON; its order does not change a product of kernels."""
    return sorted([layer, sorted(kept.tolist())] for layer, kept in past)


def kept_of(past: Past) -> dict[Layer, Indices]:
    """What each layer keeps, by the name of its convolution."""
    return {f"{layer}.conv": np.sort(kept) for layer, kept in past}
