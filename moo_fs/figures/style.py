"""How every figure looks, and how it is written so that the same archive gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

WIDTH = 6.9  # inches: the text width at which figures are printed, so that 9 points stay 9 points
DPI = 200
RATE = "rate (kbit per image)"
DISTORTIONS = [0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0]
SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,
    "svg.hashsalt": "moo_fs",
}
BASELINES = {
    "uniform": {"color": "black", "marker": "o", "linestyle": "--"},
    "uniform-step": {"color": "0.35", "marker": "s", "linestyle": "-"},
}
PALETTE = [tuple(colour) for colour in sns.color_palette("colorblind")]
DASHES: list[Any] = ["-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1))]


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults and the settings above, whatever the caller has set."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, in inches, whose parts make room for one another."""
    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06))


def line_style(names: Sequence[str], name: str) -> dict[str, Any]:
    """Colour and dashes of a measure or optimiser: the colour by its place, and dashes beside it.

    >>> line_style(["a", "b"], "a")["linestyle"]
    '-'
    """
    at = list(names).index(name)
    return {"color": PALETTE[at % len(PALETTE)], "linestyle": DASHES[at % len(DASHES)]}


def baseline_style(name: str) -> dict[str, Any]:
    """Colour, marker and dashes of a baseline."""
    return dict(BASELINES.get(name, {"color": "0.5", "marker": "D", "linestyle": ":"}))


def log_rate(axes: Axes, low: float, high: float, *, labelled: bool = True) -> None:
    """A logarithmic rate axis from `low` to `high` kbit with ticks at 1, 2, 5 times powers of ten."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [factor * 10.0**power for power in range(-3, 6) for factor in (1, 2, 5)]
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    if labelled:
        axes.set_xlabel(RATE)


def root_distortion(axes: Axes, which: str = "y") -> None:
    """A distortion axis from 0 to 1, spaced by square roots, so that the small distortions worth having are seen."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    (axes.set_yscale if which == "y" else axes.set_xscale)("function", functions=(_root, _square))
    (axes.set_ylim if which == "y" else axes.set_xlim)(-0.0005, 1.08)
    axis.set_major_locator(FixedLocator(DISTORTIONS))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def _root(values: Any) -> Any:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: Any) -> Any:
    return np.sign(values) * np.square(values)


def legend_columns(names: Sequence[str], most: int = 5) -> int:
    """How many legend entries of these names fit beside one another across the page."""
    return max(1, min(most, len(names), int(WIDTH / (0.072 * max(map(len, names)) + 0.7))))


def tidy(axes: Axes) -> None:
    """An empty place in a matrix of panels."""
    axes.set_axis_off()


def handle(label: str, **style: Any) -> Line2D:
    """A legend entry."""
    return Line2D([], [], label=label, **style)


def save(figure: Figure, stem: Path, made_from: str, title: str) -> list[Path]:
    """Write `stem`.pdf and `stem`.png, without dates, naming the hash of what they were made from."""
    note = f"made from {made_from}"
    pdf, png = stem.with_suffix(".pdf"), stem.with_suffix(".png")
    figure.draw_without_rendering()  # makes room once, not once more for each format
    figure.set_layout_engine("none")
    blank = dict.fromkeys(("Creator", "Producer", "CreationDate", "ModDate"))
    figure.savefig(pdf, metadata={**blank, "Title": title, "Subject": note})
    figure.savefig(png, dpi=DPI, metadata={"Software": None, "Title": title, "Description": note})
    return [pdf, png]


def save_all(figures: Mapping[str, Figure], captions: Mapping[str, str], folder: Path, made_from: str) -> list[Path]:
    """Save each figure under its name into `folder`, its caption as title; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for name, figure in figures.items() for path in save(figure, folder / name, made_from, captions[name])]
