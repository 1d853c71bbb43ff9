"""One figure of an archive by its name, and the hash of the data in it: what a reader sees, whatever the fonts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter

from moo_fs.comparison_archive import Comparison
from moo_fs.figures import CAPTIONS, comparison, trust
from moo_fs.figures.allocations import draw_allocations
from moo_fs.figures.comparison import draw_corners, draw_critical_differences
from moo_fs.figures.fronts import draw_fronts
from moo_fs.figures.progress import draw_progress
from moo_fs.figures.scenes import draw_scenes
from moo_fs.figures.score_maps import draw_agreement, draw_scores
from moo_fs.figures.selected import figure_names, selection_caption, selection_figures
from moo_fs.figures.style import styled
from moo_fs.figures.trust import draw_maps, draw_matrix, draw_trust
from moo_fs.figures.worth import draw_worth
from moo_fs.results import Results
from moo_fs.selection_archive import SelectionResults
from moo_fs.trust_archive import Trust

DRAWERS: dict[str, Callable[[Results], dict[str, Figure]]] = {
    "fronts": draw_fronts,
    "hypervolume-by-measure": draw_progress,
    "hypervolume-by-optimiser": draw_progress,
    "worth-searching": draw_worth,
    "allocations": draw_allocations,
    "scores": draw_scores,
    "agreement": draw_agreement,
    "scenes": draw_scenes,
}
JUDGED: dict[str, Callable[[Trust], dict[str, Figure]]] = {
    "trust": draw_trust,
    "scores": draw_maps,
    "agreement": draw_matrix,
}
COMPARED: dict[str, Callable[[Comparison], dict[str, Figure]]] = {
    "comparison": draw_corners,
    "critical-difference": draw_critical_differences,
}
FIGURES = (
    {name: CAPTIONS[name] for name in DRAWERS}
    | {name: comparison.CAPTIONS[name] for name in COMPARED}
    | {"trust": trust.CAPTIONS["trust"]}
)
Archive = Results | Comparison | Trust | SelectionResults


def figure_of(archive: Archive, name: str) -> Figure | None:
    """The figure `name` of an archive, or None if it has no data for it; call it inside `style.styled`."""
    return figures_with(archive, name).get(name)


def figures_with(archive: Archive, name: str) -> dict[str, Figure]:
    """The figure `name` of an archive and those that are drawn with it; call it inside `style.styled`."""
    drawers = _drawers(archive)
    return drawers[name](archive) if name in drawers else {}


def caption_of(archive: Archive, name: str) -> str:
    """What the figure `name` of an archive shows."""
    if isinstance(archive, SelectionResults):
        return selection_caption(name, archive)
    return (trust.CAPTIONS if isinstance(archive, Trust) else FIGURES)[name]


def data_of(archive: Archive, names: Iterable[str]) -> dict[str, str]:
    """The hash of the data in each of these figures of an archive, those left out that it has no data for."""
    drawers = _drawers(archive)
    found: dict[str, str] = {}
    with styled():
        for name in names:
            if name in drawers and name not in found:  # one drawer may draw several
                found |= {drawn: data_hash(figure) for drawn, figure in drawers[name](archive).items()}
    return {name: found[name] for name in sorted(names) if name in found}


def _drawers(archive: Archive) -> dict[str, Callable[[Any], dict[str, Figure]]]:
    """The drawers of an archive's kind."""
    if isinstance(archive, SelectionResults):
        return dict.fromkeys(figure_names(archive), selection_figures)
    if isinstance(archive, Trust):
        return {**JUDGED}
    return {**COMPARED} if isinstance(archive, Comparison) else {**DRAWERS}


def data_hash(figure: Figure) -> str:
    """SHA-256 of what a figure shows: lines, points, areas, images to 6 significant digits, and its words.

    Positions on the page, fonts and ticks that matplotlib chooses are left out: they differ between machines, the data
    does not. Ticks that have words of their own are data.
    """
    digest = hashlib.sha256()
    for part in _parts(figure):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(figure: Figure) -> Iterator[str]:
    for axes in figure.axes:
        yield "axes"
        yield from (axes.get_title(place) for place in ("left", "center", "right"))
        yield from (axes.get_xlabel(), axes.get_ylabel())
        yield from (part for axis in (axes.xaxis, axes.yaxis) for part in _named_ticks(axis))
        yield from _lines_and_areas(axes)
        yield from (_digits(image.get_array()) for image in axes.images)
        yield from (text.get_text() for text in axes.texts)
        yield from _legend(axes.get_legend())
    yield from (text.get_text() for text in figure.findobj(Text, include_self=False) if text in figure.texts)
    for legend in figure.legends:
        yield from _legend(legend)


def _lines_and_areas(axes: Any) -> Iterator[str]:
    for line in axes.lines:
        yield f"line {line.get_label()} {line.get_color()}"
        yield _digits(line.get_xydata())
    for collection in axes.collections:
        yield "collection"
        yield _digits(collection.get_offsets())
        yield from (_digits(path.vertices) for path in collection.get_paths())
        if collection.get_array() is not None:
            yield _digits(collection.get_array())
    for patch in axes.patches:
        yield "patch"
        yield _digits(patch.get_patch_transform().transform(patch.get_path().vertices))


def _named_ticks(axis: Any) -> Iterator[str]:
    """Places and words of the ticks, where both were given."""
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    if isinstance(locator, FixedLocator) and isinstance(formatter, FixedFormatter | FuncFormatter):
        places = axis.get_majorticklocs()
        yield _digits(places)
        yield from formatter.format_ticks(places)


def _legend(legend: Any) -> list[str]:
    return [] if legend is None else [text.get_text() for text in [legend.get_title(), *legend.get_texts()]]


def _digits(values: Any) -> str:
    array = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
    return f"{array.shape} " + " ".join(f"{value:.6g}" for value in array.ravel() + 0.0)
