"""Which libraries code the streams of a selection study, and their versions: its bytes depend on them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any

from moo_fs.codecs.hevc_coder import encoder_version, pyav
from moo_fs.codecs.still_pictures import imagecodecs
from moo_fs.contracts import MooFsError

ALWAYS = ("constriction", "pillow")
OF_PYAV, OF_IMAGECODECS = ("hevc", "hevc-sequence"), ("jpeg-xl", "jpeg-ls")
RIVALS_OF_PYAV = ("one-qp", "hevc")
MISSING = "not installed"


def check(settings: Mapping[str, Any]) -> None:
    """Raises MooFsError, which names the extra, if the keys of [selection] name a codec whose library is missing."""
    if _wants_pyav(settings):
        pyav()
    for codec in _codecs(settings, OF_IMAGECODECS):
        imagecodecs(codec)


def versions(settings: Mapping[str, Any]) -> dict[str, str]:
    """Versions of the libraries that code what the keys of [selection] ask for, x265 among them."""
    found = {name: _version(name) for name in ALWAYS}
    if _wants_pyav(settings):
        found["av"] = _version("av")
        try:
            libraries = pyav().library_versions
            found["libavcodec"] = ".".join(map(str, libraries["libavcodec"]))
            found["x265"] = encoder_version()
        except MooFsError:
            found["x265"] = MISSING
    if _codecs(settings, OF_IMAGECODECS):
        found["imagecodecs"] = _version("imagecodecs")
    return found


def _wants_pyav(settings: Mapping[str, Any]) -> bool:
    rivals = set(RIVALS_OF_PYAV) & set(settings["rivals"])
    return bool("soft" in settings["methods"] or rivals or _codecs(settings, OF_PYAV))


def _codecs(settings: Mapping[str, Any], library: tuple[str, ...]) -> list[str]:
    """The codecs of a library that hard selection is to be coded with."""
    return [codec for codec in settings["codecs"] if codec in library and "hard" in settings["methods"]]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return MISSING
