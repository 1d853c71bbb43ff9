"""What archives hold otherwise than can be computed again from them alone, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from moo_fs.comparison_archive import Comparison
from moo_fs.paper.cut_fronts import CutFronts
from moo_fs.prune_studies.archive import ROW, Pruning
from moo_fs.results import Results, recheck, union_on_search
from moo_fs.selection_archive import NOTHING, UNCOMPRESSED, SelectionResults

# Images' losses are kept as float32, so that what is summed from them agrees to 7 digits.
CLOSE = 1e-6
AGAIN = "remove the folder and run the study again"


def recheck_study(results: Results) -> list[str]:
    """Fronts and hypervolumes from the trials."""
    return [f"{results.folder}: {fault}; {AGAIN}" for fault in recheck(results)]


def recheck_comparison(found: Comparison) -> list[str]:
    """The same of every network, and of every run of a user's own measure."""
    return [fault for part in parts_of(found) for fault in recheck_study(part)]


def parts_of(found: Comparison) -> list[Results]:
    """The studies' archives that a comparison consists of."""
    return [*found.networks.values(), *(one for own in found.own.values() for one in own)]


def recheck_selection(results: SelectionResults) -> list[str]:
    """Distortions, RMSE and PSNR of all rows whose images' losses are kept, from those losses.

    Coded bytes, mIoU and accuracy cannot be had from the archive, nor rows of which no image's loss is kept.
    """
    found = []
    for subject, rows in results.by_subject.items():
        for task in results.about(subject)["tasks"]:
            found += [f"{results.folder}: {fault}; {AGAIN}" for fault in _off(results, subject, rows, task)]
    return found


def _off(results: SelectionResults, subject: str, rows: pd.DataFrame, task: dict[str, str]) -> Iterator[str]:
    name, losses = task["name"], results.image_losses
    mine = rows.loc[[row for row in rows.index if (int(row), name) in losses]]
    ends = [mine["method"].to_numpy() == end for end in (UNCOMPRESSED, NOTHING)]
    if (subject, name) not in results.image_counts or not all(end.sum() == 1 for end in ends):
        yield f"images.parquet lacks losses of {subject} without compression, or with nothing sent, for {name}"
        return
    pooled = np.array([losses[int(row), name].sum() for row in mine.index]) / results.image_counts[subject, name].sum()
    pooled = np.sqrt(pooled) if task["kind"] == "values" else pooled
    best, worst = (float(pooled[end][0]) for end in ends)
    again = {f"distortion_{name}": (pooled - best) / (worst - best if abs(worst - best) > 1e-12 else np.inf)}
    if task["kind"] == "values":
        again[f"{name}_rmse"] = pooled
    elif task["kind"] == "image":
        with np.errstate(divide="ignore"):
            again[f"{name}_psnr_db"] = -10 * np.log10(pooled)
    for column, values in again.items():
        differs = ~np.isclose(values, mine[column].to_numpy(float), rtol=CLOSE, atol=CLOSE)
        if differs.any():
            yield f"{column} in {differs.sum()} rows of summary.csv is not what the losses in images.parquet give"


def recheck_pruning(found: Pruning) -> list[str]:
    """Filters kept in each row, from the layers' lists of them, and that each order holds every filter once."""
    layers = found.layers
    listed = pd.Series([len(str(which).split()) for which in layers["which"]], index=layers.index)
    faults = ["kept in layers.csv is not the number of filters listed there"] * bool((listed != layers["kept"]).any())
    sums = layers.groupby(ROW, dropna=False, sort=False)["kept"].sum()
    kept = found.summary.set_index(ROW)["filters_kept"]
    if not sums.sort_index().equals(kept.sort_index().rename("kept")):
        faults.append("filters_kept in summary.csv is not the sum over the layers in layers.csv")
    orders = found.orders.groupby(["images", "seed", "width", "layer"], sort=False)["filter"]
    if any(sorted(order) != [*range(len(order))] for _, order in orders):
        faults.append("an order in orders.parquet does not hold each filter once")
    return [f"{found.folder}: {fault}; {AGAIN}" for fault in faults]


def recheck_cut_fronts(found: CutFronts) -> list[str]:
    """Fronts and hypervolumes from the trials, and that no member of the front of all runs dominates another."""
    joint = found.joint
    faults = recheck_study(found.results)
    if len(union_on_search(joint, found.results.objectives)) != len(joint):
        faults.append(f"{found.folder}: joint.parquet holds members that others dominate; {AGAIN}")
    return faults
