"""A strip of scenes: what the tasks still see at several rates."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from moo_fs.figures.style import PALETTE, WIDTH, new_figure, tidy
from moo_fs.results import Results

SCENES = 2
RATES = 5
TARGET = "target"
LINE = 16  # letters of a task's name on one line
CLASSES = 256
IGNORED = 255
LIGHT, WHITE = (0.88, 0.88, 0.88), (1.0, 1.0, 1.0)


def draw_scenes(results: Results) -> dict[str, Figure]:
    """Input, target, a column a rate, the lowest first, the uncompressed network last; a row a task and scene."""
    examples = results.examples
    shown = examples[examples["output"] != "input"]
    if shown.empty:
        return {}
    tasks = [task for task in results.tasks if task in set(shown["output"])]
    labels = _columns(shown)
    scenes = sorted(shown["image"].unique())[:SCENES]
    cell = (WIDTH - 0.3 - 0.07 * min(LINE, max(map(len, tasks)))) / (len(labels) + 1)
    grounds = {task: ground_of(shown[shown["image"].isin(scenes) & (shown["output"] == task)]) for task in tasks}
    figure = new_figure(0.6 + cell * len(scenes) * len(tasks), WIDTH)
    grid = figure.subplots(len(scenes) * len(tasks), len(labels) + 1, squeeze=False)
    for at, scene in enumerate(scenes):
        _input(grid[at * len(tasks) : (at + 1) * len(tasks), 0], examples, scene)
        for row, task in enumerate(tasks):
            mine = shown[(shown["image"] == scene) & (shown["output"] == task)]
            panels = grid[at * len(tasks) + row, 1:]
            _row(panels, mine, labels, grounds[task])
            panels[0].set_ylabel(textwrap.fill(task, LINE), rotation=0, ha="right", va="center")
    grid[0, 0].set_title("input")
    for column, (label, rate) in enumerate(labels.itertuples(index=False)):
        grid[0, column + 1].set_title(_title(str(label), float(rate)))
    return {"scenes": figure}


def _columns(shown: pd.DataFrame) -> pd.DataFrame:
    """Labels and rates of the columns: the target, at most RATES rates from the lowest to the highest, uncompressed."""
    labels = shown[["label", "rate_kbit"]].drop_duplicates().sort_values(["rate_kbit", "label"], na_position="last")
    ends = labels["label"].eq(TARGET) | labels["rate_kbit"].isna()
    inner = np.flatnonzero(~ends)
    kept = inner[np.unique(np.linspace(0, len(inner) - 1, min(RATES, len(inner))).round().astype(int))]
    return labels[ends | np.isin(np.arange(len(labels)), kept)].reset_index(drop=True)


def _title(label: str, rate: float) -> str:
    if label == TARGET or not np.isfinite(rate):
        return "uncom-\npressed" if label == "uncompressed" else label
    if "kbit" in label:
        return label.replace(", ", "\n")
    return label.replace(" ", "\n", 1) + f"\n{rate:.3g} kbit"


def _input(column: NDArray[np.object_], examples: pd.DataFrame, scene: int) -> None:
    for axes in column[1:]:
        tidy(axes)
    found = examples[(examples["image"] == scene) & (examples["output"] == "input")]
    if found.empty:
        tidy(column[0])
    else:
        _show(column[0], found.iloc[0])


def _row(panels: NDArray[np.object_], mine: pd.DataFrame, labels: pd.DataFrame, ground: int) -> None:
    """One task of one scene; values share one scale, the uncompressed network's (or that of the highest rate)."""
    pictures = []
    for label, rate in labels.itertuples(index=False):
        same_rate = mine["rate_kbit"].isna() if np.isnan(rate) else mine["rate_kbit"] == rate
        found = mine[(mine["label"] == label) & same_rate]
        pictures.append(None if found.empty else found.iloc[0])
    last = next((picture for picture in reversed(pictures) if picture is not None), None)
    span = None if last is None or last["kind"] != "values" else pixels_of(last)
    limits = None if span is None else (float(np.nanmin(span)), float(np.nanmax(span)))
    for axes, picture in zip(panels, pictures, strict=True):
        if picture is None:
            tidy(axes)
        else:
            _show(axes, picture, limits, ground)


def pixels_of(picture: pd.Series) -> NDArray[np.float64]:
    """A row of examples.parquet as an array (height, width) or (height, width, channel), images in [0, 1]."""
    kind = np.float32 if picture["kind"] == "values" else np.uint8
    shape = (int(picture["height"]), int(picture["width"]), int(picture["channels"]))
    values = np.frombuffer(picture["pixels"], dtype=kind).reshape(shape).astype(np.float64)
    values = values[..., 0] if shape[2] == 1 else values
    return values / 255 if picture["kind"] == "image" else values


def ground_of(pictures: pd.DataFrame) -> int:
    """The class that most pixels of these pictures' targets have (of all of them if none is a target); 0 if none."""
    maps = pictures[pictures["kind"] == "classes"]
    targets = maps[maps["label"] == TARGET]
    counts = np.zeros(CLASSES, dtype=np.int64)
    for _, picture in (maps if targets.empty else targets).iterrows():
        counts += np.bincount(pixels_of(picture).astype(np.int64).ravel(), minlength=CLASSES)
    return int(counts[:IGNORED].argmax())


def _show(axes: Axes, picture: pd.Series, limits: tuple[float, float] | None = None, ground: int = 0) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    values = pixels_of(picture)
    if picture["kind"] == "classes":
        axes.imshow(values, interpolation="nearest", **_class_colours(ground))
    elif picture["kind"] == "values":
        low, high = limits or (float(np.nanmin(values)), float(np.nanmax(values)))
        axes.imshow(values, interpolation="nearest", cmap="cividis", vmin=low, vmax=high)
    else:
        axes.imshow(values, interpolation="nearest", cmap="gray", vmin=0, vmax=1)


def _class_colours(ground: int) -> dict[str, Any]:
    """The ground light, other classes by the palette; 255 (ignored) white."""
    colours = [PALETTE[at % len(PALETTE)] for at in range(CLASSES - 2)]
    colours = [*colours[:ground], LIGHT, *colours[ground:], WHITE]
    return {"cmap": ListedColormap(colours), "norm": BoundaryNorm(np.arange(CLASSES + 1) - 0.5, CLASSES)}
