"""A study's figures, PDF and PNG, from its archive alone. Nothing else in the package imports a plotting library."""

from __future__ import annotations

from matplotlib.figure import Figure

from moo_fs.figures.allocations import draw_allocations
from moo_fs.figures.fronts import draw_fronts
from moo_fs.figures.progress import draw_progress
from moo_fs.figures.scenes import draw_scenes
from moo_fs.figures.score_maps import draw_agreement, draw_scores
from moo_fs.figures.worth import draw_worth
from moo_fs.results import Results

__all__ = ["CAPTIONS", "figures_of"]

CAPTIONS = {
    "fronts": "Fronts over all measures and blocks of each optimiser, chosen on the search part, shown on the test "
    "part, with both baselines.",
    "hypervolume-by-measure": "Hypervolume over evaluations, scoring cost included, by measure: median and range over "
    "blocks.",
    "hypervolume-by-optimiser": "Hypervolume over evaluations, scoring cost included, by optimiser: median and range "
    "over blocks.",
    "worth-searching": "Channels ranked by measured sensitivity (highest: matters most); distortion over "
    "rate, of allocations chosen on the search part, shown on the test part.",
    "allocations": "Allocations along the front, from low rate to high, chosen on the search part; rates and "
    "distortions of the test part.",
    "scores": "Scores of every channel for every task, medians over blocks, negative ones shown as 0.",
    "agreement": "Rank agreement between measures.",
    "scenes": "Test scenes at several rates.",
}
_DRAWERS = (draw_fronts, draw_progress, draw_worth, draw_allocations, draw_scores, draw_agreement, draw_scenes)


def figures_of(results: Results) -> dict[str, Figure]:
    """Every figure that this archive has data for, by name; draw on them only inside `style.styled`."""
    return {name: figure for draw in _DRAWERS for name, figure in draw(results).items()}
