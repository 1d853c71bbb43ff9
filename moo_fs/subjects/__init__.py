"""The split networks that ship with the package, by name."""

from __future__ import annotations

from moo_fs import registry

BUILTIN = {
    "fashion-scenes": (
        "moo_fs.subjects.fashion_scenes:fashion_scenes",
        "garments before textured ground, 64 x 64; segmentation, depth, reconstruction; trained",
        {"tasks": ["segmentation", "depth", "reconstruction"], "channels": 64},
    ),
    "linear-gaussian": (
        "moo_fs.subjects.linear_gaussian:linear_gaussian",
        "analytic: three additive tasks with a known front, nothing trained",
        {"tasks": ["a", "b", "c"], "channels": 24},
    ),
}


def register() -> None:
    """Put the built-in subjects into the registry; harmless when repeated."""
    registry.subjects.add_all(BUILTIN)
