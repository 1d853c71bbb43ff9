"""Pictures for the report: a few test scenes as each task sees them at several rates, kept in the archive.

Reports come from the archive alone, so the pixels are stored with it: examples.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch

from moo_fs.contracts import Bits, Floats
from moo_fs.evaluator import NetworkEvaluator
from moo_fs.prepared import Prepared
from moo_fs.split import SplitModel
from moo_fs.tasks import Task

SCENES = 4
UNCOMPRESSED = "uncompressed"
COLUMNS = ["label", "rate_kbit", "image", "output", "kind", "height", "width", "channels", "pixels"]


def spread(objectives: Floats, *, rates: Floats) -> list[int]:
    """Rows of a front to show: at each of `rates` (kbit) the one of least mean distortion that costs no more.

    `objectives` (point, objective), the rate first. A rate that no point meets is left out, a point is shown once.
    """
    chosen: list[int] = []
    for limit in rates:
        affordable = np.flatnonzero(objectives[:, 0] <= limit)
        if len(affordable):
            best = int(affordable[np.argmin(objectives[affordable, 1:].mean(axis=1))])
            if best not in chosen:
                chosen.append(best)
    return chosen


def example_rows(prepared: Prepared, allocations: Mapping[str, Bits], *, scenes: int = SCENES) -> pd.DataFrame:
    """Rows of examples.parquet for the first test scenes: the input, then each allocation (label -> bits) by task.

    Tasks without a picture (a class or a number per image, custom outputs) and analytic subjects have none.
    """
    evaluator = prepared.evaluator("test")
    if not isinstance(evaluator, NetworkEvaluator) or not isinstance(prepared.model, SplitModel):
        return pd.DataFrame(columns=COLUMNS)
    pictured = [task for task in prepared.tasks if _is_pictured(task, evaluator)]
    shown = min(scenes, evaluator.images)
    rows: list[dict[str, Any]] = []
    image_task = next((task for task in pictured if task.kind == "image"), None)
    if image_task is not None:
        targets = evaluator.targets[image_task.name][:shown]
        rows += [_row("input", 0.0, at, "input", "image", targets[at]) for at in range(shown)]
    for task in pictured:
        rows += [
            _row("target", 0.0, at, task.name, str(task.kind), evaluator.targets[task.name][at]) for at in range(shown)
        ]
    for label, bits in {UNCOMPRESSED: None, **allocations}.items():
        cells = None if bits is None else evaluator.tables.select(bits)
        rate = float("nan") if bits is None else evaluator.outcome(bits).rate_kbit
        outputs = evaluator.engine.outputs(cells, slice(0, shown))
        for task in pictured:
            output = outputs[task.name].cpu()
            shown_output = output.argmax(1) if task.kind == "classes" else output
            rows += [_row(label, rate, at, task.name, str(task.kind), shown_output[at]) for at in range(shown)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _is_pictured(task: Task, evaluator: NetworkEvaluator) -> bool:
    return task.kind == "image" or (task.kind in ("classes", "values") and evaluator.targets[task.name].ndim == 3)


def _row(label: str, rate: float, image: int, output: str, kind: str, picture: torch.Tensor) -> dict[str, Any]:
    if kind == "image":
        pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    elif kind == "classes":
        pixels = picture.to(torch.uint8).contiguous().numpy()
    else:
        pixels = picture.float().contiguous().numpy()
    height, width = pixels.shape[:2]
    return {
        "label": label,
        "rate_kbit": rate,
        "image": image,
        "output": output,
        "kind": kind,
        "height": height,
        "width": width,
        "channels": pixels.shape[2] if pixels.ndim == 3 else 1,
        "pixels": pixels.tobytes(),
    }
