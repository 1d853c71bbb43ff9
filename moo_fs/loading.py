"""From what a user writes - a name, "file.py:function", a model - to a subject that is ready."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from moo_fs import registry
from moo_fs.contracts import MooFsError, did_you_mean
from moo_fs.plugins import EVERY_SUBJECT
from moo_fs.prepared import Prepared
from moo_fs.split import SplitModel
from moo_fs.subjects.linear_gaussian import AnalyticModel

Subject = str | SplitModel | AnalyticModel | Callable[..., Any]
FILE = re.compile(r".+\.py:[A-Za-z_]\w*")


def load_subject(
    subject: Subject,
    *,
    options: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    device: str = "cpu",
) -> Prepared:
    """A subject made ready: a registered name, "file.py:function" (relative to `folder`), a model or its factory.

    The options `quantiser` ("mse" or "minmax") and `groups` (of channels with a depth in common, 0 for none) belong to
    every subject, the others are the factory's own. Raises MooFsError on an unknown name or option and on a model that
    does not fit its tasks and data.
    """
    check_device(device)
    wanted = dict(options or {})
    ours: dict[str, Any] = {name: wanted.pop(name, default) for name, default in EVERY_SUBJECT.items()}
    if isinstance(subject, SplitModel | AnalyticModel):
        return Prepared(subject, device=device, **ours)
    factory = factory_of(subject, folder=folder) if isinstance(subject, str) else subject
    known = registry.options_of(factory, reserved=("device",))
    for name in wanted:
        if name not in known:
            raise MooFsError(f"subject '{subject}': no option '{name}'{did_you_mean(name, [*known, *ours])}")
    try:
        model = factory(device, **wanted)
    except MooFsError:
        raise
    except Exception as error:
        raise MooFsError(f"subject '{subject}': its function fails: {type(error).__name__}: {error}") from error
    if not isinstance(model, SplitModel | AnalyticModel):
        raise MooFsError(f"subject '{subject}': wanted a moo_fs.SplitModel from it, got {type(model).__name__}")
    return Prepared(model, device=device, **ours)


def check_device(device: str) -> None:
    """Raise MooFsError unless this machine has the device."""
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise MooFsError(f"device: wanted cpu{', or cuda' if torch.cuda.is_available() else ''} here, got '{device}'")


def factory_of(reference: str, *, folder: Path | None = None) -> Callable[..., Any]:
    """The factory behind a registered name or "file.py:function"."""
    if FILE.fullmatch(reference):
        return registry.from_file(reference, folder=folder or Path(), kind="subject")  # type: ignore[no-any-return]
    return registry.subjects.load(reference)  # type: ignore[no-any-return]


def load_measure(reference: str, *, folder: Path | None = None) -> registry.Measure:
    """The measure behind a registered name or "file.py:function"."""
    if FILE.fullmatch(reference):
        return registry.as_measure(registry.from_file(reference, folder=folder or Path(), kind="measure"))
    return registry.as_measure(registry.measures.load(reference))
