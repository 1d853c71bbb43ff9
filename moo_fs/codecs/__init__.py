"""Codecs that turn one image's symbols into bytes and back, by name; what they have in common is in `interface`."""

from __future__ import annotations

from moo_fs import registry

BUILTIN = {
    "entropy": (
        "moo_fs.codecs.entropy:Entropy",
        "no stream: the size that an ideal coder with the fit part's tables would need",
        {"stream": False},
    ),
    "ans": (
        "moo_fs.codecs.ans:Ans",
        "asymmetric numeral systems with the fit part's tables, within a byte of the entropy",
        {"stream": True},
    ),
}


def register() -> None:
    """Put the built-in codecs into the registry; harmless when repeated."""
    registry.codecs.add_all(BUILTIN)
