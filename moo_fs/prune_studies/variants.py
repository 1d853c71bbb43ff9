"""One variant of the published method, walked layer by layer: order, cutoff, choice, and on to the next layer.

Vu-Van, T., Du Thanh, D., Ho, N. and Vu, M. (2024), "Pruning Deep Convolutional Neural Network Using Conditional Mutual
Information". Ours, since the paper does not say: the choice among a cutoff's candidates (`cutoffs.choose`), the
direction "one-shot", and that "bi-directional" goes back to the first layer (the released code stops at the second).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from moo_fs.prune_studies.filled import Judge
from moo_fs.prune_studies.orders import Indices, Order, Orders, Past, kept_of
from moo_fs.prune_studies.plan import Cutoff, Variant
from moo_fs.pruning.cutoffs import choose, fixed_share, scree
from moo_fs.pruning.stages import Layer

POINTS = 100


@dataclass(frozen=True)
class LayerCut:
    """What became of one layer: `kept` filters, the `candidates` of the cutoff, and the order's curve."""

    layer: str
    filters: int
    kept: Indices
    candidates: tuple[int, ...]
    order: Order

    @property
    def rise(self) -> float:
        """The largest rise of the order's curve, in nats; 0 if it never rises."""
        return max(0.0, float(np.diff(self.order.cmi).max(initial=0.0)))


def walk(variant: Variant, orders: Orders, candidates: Judge, *, tolerance: float) -> list[LayerCut]:
    """Cut every layer in the variant's direction; in the order in which they were cut.

    "forward": first to last. "bi-directional": from the layer of the highest pruned share when each is cut alone
    ("per-layer", of equal ones that of the most filters, of those the first; a fixed share is equal everywhere,
    whatever rounding makes of it), forward to the last and then backward to the first. "one-shot": all layers at once,
    each choice on the network with that layer alone cut.
    A layer's neighbour that was cut before it is what "compact" conditions on.
    """
    layers = list(orders.subject.filters)
    alone = variant.direction == "one-shot"
    start = _start(variant.cutoff, orders, candidates, tolerance) if variant.direction == "bi-directional" else 0
    cuts: dict[str, LayerCut] = {}
    for at in [*range(start, len(layers)), *range(start - 1, -1, -1)]:
        neighbour = layers[at - 1] if at > start else layers[at + 1] if at < start else None
        earlier = [cut for cut in cuts.values() if cut.layer != neighbour]
        past = [(cut.layer, cut.kept) for cut in [*earlier, *([cuts[neighbour]] if neighbour else [])]]
        cuts[layers[at]] = cut_layer(layers[at], variant, orders, candidates, past, tolerance, alone=alone)
    return list(cuts.values())


def cut_layer(
    layer: str,
    variant: Variant,
    orders: Orders,
    candidates: Judge,
    past: Past,
    tolerance: float,
    *,
    alone: bool,
) -> LayerCut:
    """Order one layer given the past and choose how much it keeps, on the network as cut so far or, `alone`, whole.

    `tolerance` is in accuracy points below the network before this cut; a cutoff's own comes first.
    """
    filters = orders.subject.filters[layer]
    order = orders.cmi(layer, variant.formulation, past, common=variant.common)
    proposed = proposals(variant, orders, layer, past, order)
    if variant.cutoff.name == "share":
        return LayerCut(layer, filters, order.order[: proposed[0]], tuple(proposed), order)
    before = {} if alone else kept_of(past)
    kept = choose(
        proposed,
        _accuracy(candidates, before, layer, order.order),
        channels=filters,
        full=POINTS * candidates.accuracy(before),
        tolerance=float(variant.cutoff.options.get("tolerance", tolerance)),
    )
    return LayerCut(layer, filters, order.order[:kept], tuple(proposed), order)


def proposals(variant: Variant, orders: Orders, layer: str, past: Past, order: Order) -> list[int]:
    """The kept counts that a cutoff proposes, ascending; "share" proposes the one it keeps."""
    cutoff = variant.cutoff
    if cutoff.name == "share":
        return [fixed_share(len(order.order), cutoff.option("kept"))]
    if cutoff.name == "scree":
        return sorted(scree(order.cmi))
    if cutoff.name == "x-means":
        return orders.x_means(layer, order, cutoff.option("most"))
    options = {name: cutoff.option(name) for name in ("permutations", "level")}
    return [orders.permutation(layer, variant.formulation, past, order.order, common=variant.common, **options)]


def _start(cutoff: Cutoff, orders: Orders, candidates: Judge, tolerance: float) -> int:
    """The place of the layer with the highest pruned share when each is cut alone."""
    sizes = list(orders.subject.filters.values())
    if cutoff.name == "share":
        return sizes.index(max(sizes))
    alone = Variant("per-layer", cutoff, "one-shot")
    cuts = [cut_layer(layer, alone, orders, candidates, (), tolerance, alone=True) for layer in orders.subject.filters]
    pruned = [(1 - len(cut.kept) / cut.filters, cut.filters) for cut in cuts]
    return max(range(len(pruned)), key=lambda at: pruned[at])


def _accuracy(candidates: Judge, before: dict[Layer, Indices], layer: str, order: Indices) -> Callable[[int], float]:
    """Accuracy in points of the network cut so far and this layer cut to its first filters."""
    return lambda kept: POINTS * candidates.accuracy({**before, f"{layer}.conv": np.sort(order[:kept])})
