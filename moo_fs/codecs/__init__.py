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
    "ans-raw": (
        "moo_fs.codecs.ans_raw:AnsRaw",
        "ans, but a channel that its table does not fit is sent as plain bits, one flag a channel where any is",
        {"stream": True},
    ),
    "png": (
        "moo_fs.codecs.pictures:Png",
        "the symbols as one grey picture, PNG: the naive anchor",
        {"stream": True},
    ),
    "hevc": (
        "moo_fs.codecs.pictures:Hevc",
        "the symbols as one grey picture, lossless HEVC intra (x265 by PyAV, extra hevc)",
        {"stream": True},
    ),
    "hevc-sequence": (
        "moo_fs.codecs.pictures:HevcSequence",
        "hevc, but each image predicted from those before it; a file, which holds one image, has a first picture",
        {"stream": True},
    ),
    "jpeg-xl": (
        "moo_fs.codecs.still_pictures:JpegXl",
        "the symbols as one grey picture, lossless JPEG XL (libjxl by imagecodecs, extra imagecodecs)",
        {"stream": True},
    ),
    "jpeg-ls": (
        "moo_fs.codecs.still_pictures:JpegLs",
        "the symbols as one grey picture, JPEG-LS (CharLS by imagecodecs, extra imagecodecs)",
        {"stream": True},
    ),
}


def register() -> None:
    """Put the built-in codecs into the registry; harmless when repeated."""
    registry.codecs.add_all(BUILTIN)
