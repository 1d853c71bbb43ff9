"""Multi-objective search of per-channel bit allocations for split multi-task networks.

The names a user needs are here; heavy ones are imported when first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from moo_fs import codecs as _codecs
from moo_fs import measures as _measures
from moo_fs import optimisers as _optimisers
from moo_fs import subjects as _subjects
from moo_fs.contracts import BoundsError, MooFsError, RunError
from moo_fs.registry import measure, optimiser

__version__ = "0.1.0"

_codecs.register()
_measures.register()
_optimisers.register()
_subjects.register()

_LAZY = {
    "SplitModel": "moo_fs.split:SplitModel",
    "Report": "moo_fs.split:Report",
    "Task": "moo_fs.tasks:Task",
    "Study": "moo_fs.study:Study",
    "run": "moo_fs.launch:run",
    "scores": "moo_fs.api:scores",
    "judge": "moo_fs.api:judge",
    "evaluate": "moo_fs.api:evaluate",
    "problem": "moo_fs.own_loops:problem",
    "load_results": "moo_fs.results:load_results",
    "compare": "moo_fs.comparison:compare",
    "load_comparison": "moo_fs.comparison:load_comparison",
}
_MODULES = ("information", "renyi", "fronts", "indicators")

__all__ = ["BoundsError", "MooFsError", "RunError", "measure", "optimiser", *_LAZY, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        module, attribute = _LAZY[name].split(":")
        return getattr(importlib.import_module(module), attribute)
    if name in _MODULES:
        return importlib.import_module(f"moo_fs.{name}")
    raise AttributeError(f"module 'moo_fs' has no attribute '{name}'")
