"""A pruning study from its plan to its rows: each finished row is on the disk before the next begins."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from moo_fs.contracts import MooFsError
from moo_fs.plugins import PluginSpec
from moo_fs.prune_file import CMI
from moo_fs.prune_studies import measured
from moo_fs.prune_studies.filled import Judge, MeanFilled
from moo_fs.prune_studies.jobs import (
    AT_ONCE,
    CURRENT,
    SAME,
    UNPRUNED,
    WORK,
    Job,
    address,
    best_first,
    columns_of,
    title_of,
    without_a_third,
)
from moo_fs.prune_studies.network import Batch, Subject
from moo_fs.prune_studies.orders import Orders, Past, by_score
from moo_fs.prune_studies.plan import FineTune, Plan, Variant
from moo_fs.prune_studies.retraining import fine_tuned
from moo_fs.prune_studies.variants import walk
from moo_fs.pruning.cutoffs import fixed_share
from moo_fs.pruning.stages import Layer
from moo_fs.study import canonical
from moo_fs.whole_files import digest, write_whole

SETTINGS = ("images", "choose_images", "tolerance", "alpha", "method", "width")


class Runner:
    """Runs the jobs of a plan on a subject; what is done lies in `folder`/work."""

    def __init__(self, plan: Plan, subject: Subject, folder: Path, on_row: Callable[[str], None], source: str) -> None:
        """`source` is the hash of the code that runs, which may be edited meanwhile."""
        self.plan, self.subject, self.folder, self.on_row = plan, subject, folder / WORK, on_row
        # Rows of other code, another network, other images or other settings are not this study's.
        settings = {name: getattr(plan, name) for name in SETTINGS}
        context = [settings, subject.hash, source, subject.device]
        self._rows = self.folder / f"rows-{digest(canonical(context).encode())[:12]}"
        write_whole(self.folder / CURRENT, self._rows.name.encode())
        self._batch: tuple[int, Batch] | None = None
        self._filled: tuple[int, MeanFilled] | None = None

    @cached_property
    def _zeroed(self) -> Judge:
        return self.subject.candidates(self.plan.choose_images)

    def _judge(self, orders: Orders, compensate: bool) -> Judge:
        """What choices on a batch ask for accuracies."""
        if not compensate:
            return self._zeroed
        if self._filled is None or self._filled[0] != orders.seed:
            self._filled = orders.seed, MeanFilled(self.subject, orders.batch, self.plan.choose_images)
        return self._filled[1]

    def orders(self, seed: int) -> Orders:
        """The orders of a batch."""
        if self._batch is None or self._batch[0] != seed:
            self._batch = seed, self.subject.batch(seed, self.plan.images)
        return Orders(self.subject, self.plan, self._batch[1], seed, self._rows / "orders")

    def large_orders(self) -> Orders:
        """The orders of a batch of twice the size that shares no image with the others."""
        batch = self.subject.large_batch(2 * self.plan.images)
        return Orders(self.subject, self.plan, batch, -1, self._rows / "orders")

    def unpruned(self) -> dict[str, Any]:
        """The row of the network as it was trained."""
        job = Job(UNPRUNED, "", "", "", 0)
        return self._kept(job.columns, lambda: self._row(job, [], {}, self._as_trained))

    def jobs(self, seed: int) -> list[Job]:
        """Variants of the published method on one batch."""
        return [self._job(variant, seed) for variant in self.plan.variants_of(seed)]

    def _job(self, variant: Variant, seed: int) -> Job:
        said = variant.label, variant.cutoff.label, variant.direction
        return Job(CMI, *said, seed, compensate=self.plan.compensate, variant=variant)

    @property
    def _filters(self) -> int:
        return sum(self.subject.filters.values())

    def grid(self, seed: int) -> list[dict[str, Any]]:
        """Rows of the variants on one batch; if they are compensated, also with zeros: the chosen and the repeated."""
        jobs = self.jobs(seed)
        rows = [self._kept(job.columns, partial(self._variant_row, job)) for job in jobs]
        repeated = [row for job, row in zip(jobs, rows, strict=True) if job.variant in self.plan.repeated]
        best = self.chosen(rows)
        return rows + self._with_zeros(repeated if best in repeated else [best, *repeated])

    def climbed(self, ladder: Sequence[Variant]) -> list[dict[str, Any]]:
        """Rows of a variant on the first batch, its tolerance raised until more than a third of the filters is gone."""
        rows: list[dict[str, Any]] = []
        for variant in ladder:
            job = self._job(variant, 0)
            rows.append(self._kept(job.columns, partial(self._variant_row, job)))
            if without_a_third(rows[-1], self._filters):
                break
        return rows

    def _with_zeros(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self.zeroed(row) for row in rows] if self.plan.compensate else []

    def rivals(self, seed: int, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of every measure cut to the counts of the chosen variant, and to a fixed share where that differs."""
        like, found = self.chosen(rows), list[dict[str, Any]]()
        counts = {SAME: {one["layer"]: one["kept"] for one in like["layers"]}}
        for cutoff in dict.fromkeys(variant.cutoff for variant in self.plan.variants_of(seed)):
            if cutoff.name == "share":
                kept = cutoff.option("kept")
                fixed = {name: fixed_share(size, kept) for name, size in self.subject.filters.items()}
                if fixed != counts[SAME]:
                    counts[cutoff.label] = fixed
        for spec in self.plan.measures:
            found += [self.rival(spec, label, each, seed) for label, each in counts.items()]
        return found

    def rival(self, spec: PluginSpec, label: str, counts: dict[str, int], seed: int) -> dict[str, Any]:
        """The row of a measure cut to so many filters of each layer; `label` says whose counts these are."""
        job = Job(spec.label, "", label, AT_ONCE, seed, compensate=self.plan.compensate)
        # The counts are part of what the row depends on.
        key = {**job.columns, "counts": list(counts.values()), "plugin": spec.specification}
        return self._kept(key, partial(self._rival_row, job, spec, counts))

    def best_first(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that choices were made with, best first; see `best_first`."""
        ours = [row for row in rows if row["compensate"] == self.plan.compensate and not row["fine_tuned"]]
        return best_first(ours, self._filters)

    def chosen(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The row with the best validation accuracy of those without a third of the filters; see `best_first`."""
        return self.best_first(rows)[0]

    def curve(self, seed: int) -> list[dict[str, Any]]:
        """Validation accuracy of each measure at each uniform share kept, on the images that choices look at."""
        orders, rows, modes = self.orders(seed), [], [False, True] if self.plan.compensate else [False]
        for label, spec in [(CMI, None), *[(spec.label, spec) for spec in self.plan.measures]]:
            for share, compensate in itertools.product(self.plan.shares, modes):
                columns = {"measure": label, "seed": seed, "share": share, "compensate": compensate}
                key = {**columns, "curve": True, "plugin": spec.specification if spec else {}}
                rows.append(self._kept(key, partial(self._point, orders, spec, share, compensate)) | columns)
        return rows

    def trained(self, row: dict[str, Any], *, training_seed: int = 0) -> dict[str, Any]:
        """The row of a cut network after training on."""
        job = Job(**{**columns_of(row), "fine_tuned": True, "training_seed": training_seed})
        past, tune = measured.past_of(row["layers"]), self.tune
        key = self._training_key(job, row, tune.epochs)
        network = partial(self._trained_network, job, past, key)
        return self._kept(key, lambda: self._row(job, past, {}, network))

    def screened(self, row: dict[str, Any]) -> float:
        """Validation accuracy of a cut network after the few epochs that say whether it is among the best."""
        job = Job(**{**columns_of(row), "fine_tuned": True})
        key = {**self._training_key(job, row, self.tune.screen), "screened": True}

        def made() -> dict[str, Any]:
            network = self._trained_network(job, measured.past_of(row["layers"]), key)
            return {"validation_accuracy": measured.validated(self.subject, network)}

        return float(self._kept(key, made)["validation_accuracy"])

    @property
    def tune(self) -> FineTune:
        """How networks are trained on."""
        if self.plan.fine_tune is None:
            raise MooFsError("prune.fine_tune: is missing; nothing says how to train")
        return self.plan.fine_tune

    def _training_key(self, job: Job, row: dict[str, Any], epochs: int) -> dict[str, Any]:
        which = [one["which"] for one in row["layers"]]
        return {**job.columns, "which": which, "epochs": epochs, "rate": self.tune.rate}

    def _trained_network(self, job: Job, past: Past, key: dict[str, Any]) -> Any:
        cut = measured.smaller(self.subject, past, self.orders(job.seed).batch, compensate=job.compensate)
        checkpoint = self._rows / "checkpoints" / f"{address(key)}.safetensors"
        told = {"epochs": key["epochs"], "rate": key["rate"], "seed": job.training_seed}
        return fine_tuned(self.subject, cut, checkpoint=checkpoint, **told)

    def zeroed(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row of the same cut with zeros in the place of means."""
        job, past = Job(**{**columns_of(row), "compensate": False}), measured.past_of(row["layers"])
        key = {**job.columns, "which": [one["which"] for one in row["layers"]]}
        return self._kept(key, lambda: self._cut_row(job, past, {}))

    def _as_trained(self) -> Any:
        return self.subject.chain

    def _variant_row(self, job: Job) -> dict[str, Any]:
        start, orders = time.perf_counter(), self.orders(job.seed)
        if job.variant is None:
            raise MooFsError(f"{job}: wanted a variant")
        judge = self._judge(orders, job.compensate)
        cuts = walk(job.variant, orders, judge, tolerance=self.plan.tolerance)
        past = [(cut.layer, cut.kept) for cut in cuts]
        proposed = {cut.layer: cut.candidates for cut in cuts}
        row = self._cut_row(job, past, proposed, start)
        # Both say how far the order can be trusted: steps that are determined, and the largest rise of its curve.
        told = {cut.layer: {"determined": cut.order.determined, "rise": cut.rise} for cut in cuts}
        layers = [{**one, **told[one["layer"]]} for one in row["layers"]]
        return {**row, "layers": layers, "cut_order": [cut.layer for cut in cuts]}

    def _rival_row(self, job: Job, spec: PluginSpec, counts: dict[str, int]) -> dict[str, Any]:
        start, orders = time.perf_counter(), self.orders(job.seed)
        past = [(layer, by_score(orders.scores(spec, layer))[:kept]) for layer, kept in counts.items()]
        return self._cut_row(job, past, {}, start)

    def _cut_row(self, job: Job, past: Past, proposed: dict[str, Any], start: float | None = None) -> dict[str, Any]:
        batch = self.orders(job.seed).batch
        make = partial(measured.smaller, self.subject, past, batch, compensate=job.compensate)
        return self._row(job, past, proposed, make, start)

    def _row(
        self,
        job: Job,
        past: Past,
        proposed: dict[str, Any],
        make: Callable[[], Any],
        start: float | None = None,
    ) -> dict[str, Any]:
        start = time.perf_counter() if start is None else start
        network = make()
        layers = measured.layer_rows(self.subject, past, proposed)
        row = {
            **job.columns,
            "filters_kept": sum(one["kept"] for one in layers),
            **self._measured(job, network, [one["which"] for one in layers]),
            "seconds": time.perf_counter() - start,
            "layers": layers,
        }
        if job.seed == 0 and not job.training_seed:
            row["timed"] = self._timed(network, [one["which"] for one in layers])
            if not job.fine_tuned:
                batch = self.orders(0).batch
                row["difference"] = measured.difference(self.subject, network, past, batch, compensate=job.compensate)
        return row

    def _measured(self, job: Job, network: Any, which: list[str]) -> dict[str, Any]:
        """What was measured of a network; variants that cut the same on one batch are looked at once."""
        if job.fine_tuned or not job.cut:
            return measured.measured(self.subject, network, images=True)
        # Without a filter gone there is nothing to fill in, and batches do not differ.
        whole = all(len(one.split()) == size for one, size in zip(which, self.subject.filters.values(), strict=True))
        filled = job.compensate and not whole
        path = self._rows / "measured" / f"{address([which, filled, job.seed if filled else 0])}.json"
        if not path.is_file():
            write_whole(path, json.dumps(measured.measured(self.subject, network)).encode())
        return dict(json.loads(path.read_bytes()))

    def _timed(self, network: Any, which: list[str]) -> dict[str, Any]:
        """Measured seconds; networks of the same size are timed once."""
        path = self._rows / "timed" / f"{address([len(one.split()) for one in which])}.json"
        if not path.is_file():
            write_whole(path, json.dumps(measured.timed(self.subject, network)).encode())
        return dict(json.loads(path.read_bytes()))

    def _point(self, orders: Orders, spec: PluginSpec | None, share: float, compensate: bool) -> dict[str, Any]:
        kept: dict[Layer, Any] = {}
        for layer, filters in self.subject.filters.items():
            order = orders.cmi(layer, "per-layer").order if spec is None else by_score(orders.scores(spec, layer))
            kept[f"{layer}.conv"] = order[: fixed_share(filters, share)]
        return {
            "filters_kept": sum(map(len, kept.values())),
            "validation_accuracy": self._judge(orders, compensate).accuracy(kept),
        }

    def _kept(self, key: dict[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row under this key: read if it is on the disk, else made and put there."""
        path = self._rows / f"{address(key)}.json"
        if not path.is_file():
            self.on_row(title_of(key))
            write_whole(path, json.dumps(make()).encode())
        return dict(json.loads(path.read_bytes()))
