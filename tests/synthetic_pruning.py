"""An archive of a pruning study made up by a test: two layers, two batches, two measures, numbers known beforehand."""

from __future__ import annotations

import itertools
from pathlib import Path

from moo_fs.prune_file import CMI
from moo_fs.prune_studies.archive import Pruning, frames_of, write
from moo_fs.prune_studies.jobs import SAME

FILTERS = {"conv1_1": 4, "conv2_1": 6}
KEPT = {"full": (2, 3), "compact": (3, 5)}  # of each layer, by formulation
ACCURACY = {"full": 0.84, "compact": 0.89, "unpruned": 0.90, "random": 0.50}
SEEDS = 2


def row(measure, formulation, cutoff, seed, kept, accuracy):
    layers = [
        {"layer": name, "filters": FILTERS[name], "kept": count, "candidates": str(count),
         "determined": count, "rise": 0.0, "which": " ".join(map(str, range(count)))}
        for name, count in zip(FILTERS, kept, strict=True)
    ]  # fmt: skip
    return {
        "measure": measure, "formulation": formulation, "cutoff": cutoff, "direction": "forward", "fine_tuned": False,
        "training_seed": 0, "seed": seed, "compensate": True, "filters_kept": sum(kept), "parameters": 10 * sum(kept),
        "flops": 1000 * sum(kept), "validation_accuracy": accuracy, "test_accuracy": accuracy, "seconds": 1.0,
        "layers": layers,
    }  # fmt: skip


def order_rows():
    """Every order is the filters as they come, its curve falls by one nat a step."""
    return [
        {"images": 20, "seed": seed, "width": width, "layer": layer, "step": step, "filter": step,
         "cmi": float(count - step), "saturation": 0.5, "determined": count, "seconds": 0.1}
        for seed, width, (layer, count) in itertools.product((-1, 0, 1), ("median", "published"), FILTERS.items())
        for step in range(count)
    ]  # fmt: skip


def write_pruning(folder: Path) -> Pruning:
    """The archive in `folder`: "full" goes without half of the filters, "compact" without a fifth; see ACCURACY."""
    whole = tuple(FILTERS.values())
    rows = [{**row("unpruned", "", "", 0, whole, ACCURACY["unpruned"]), "direction": "", "compensate": False}]
    for seed in range(SEEDS):
        rows += [row(CMI, name, "scree", seed, KEPT[name], ACCURACY[name]) for name in KEPT]
        rows.append(row("random", "", SAME, seed, KEPT["full"], ACCURACY["random"]))
    shares = [
        {"measure": name, "seed": seed, "compensate": True, "share": 0.5, "filters_kept": 5, "validation_accuracy": 0.5}
        for name in (CMI, "random")
        for seed in range(SEEDS)
    ]
    specification = {
        "measures": [CMI, "random"], "variants": [[name, "scree", "forward"] for name in KEPT], "repeated": [],
        "ladders": [],
        "seeds": SEEDS, "images": 20, "choose_images": 30, "tolerance": 0.4, "compensate": True, "method": "hybrid",
        "alpha": 1.01, "width": "median", "fine_tune": {"epochs": 1, "rate": 0.01, "screen": 0},
    }  # fmt: skip
    about = {
        "name": "cut", "question": "How many?", "specification": specification, "backend": "none",
        "network": {"name": "made-up", "width": 0.25, "filters": FILTERS},
        "images": {"training": 100, "validation": 40, "test": 50},
    }  # fmt: skip
    frames = frames_of(rows, shares=shares, planted=[], orders=order_rows())
    return write(folder, frames, about, source="0" * 64)
