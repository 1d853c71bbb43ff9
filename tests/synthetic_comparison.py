"""A small comparison that looks like a real one's folder, from synthetic archives: nothing is scored or searched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from synthetic_archive import write_archive

from moo_fs.comparison_archive import Comparison, Part, write_comparison

WAYS = ("sweep", "nsga2")
MEASURES = ("random", "shuffled-mutual-information", "l1-norm", "mutual-information", "sensitivity")


def write_synthetic(
    folder: Path, *, networks=2, seeds=6, measures=MEASURES, evaluations=6, steps=4, asked=None, scored=False
) -> Path:
    """Write one archive a network and what holds them together into `folder`; the same arguments, the same bytes.

    Every run has `evaluations`, and `asked` is how many blocks the file asks for, if not `seeds`.
    """
    parts = []
    for network in range(networks):
        sizes = {"seeds": seeds, "evaluations": evaluations, "channels": 8 + network, "steps": steps}
        options = {"measures": measures, "optimisers": WAYS, "pictures": False, "scored": scored, "metrics": False}
        parts.append(Part(str(network), write_archive(folder / f"network-{network}", **options, **sizes)))
    ways = [SimpleNamespace(label=way) for way in WAYS]
    whole = SimpleNamespace(question="Which one?", optimisers=ways, seeds=seeds if asked is None else asked)
    nulls = [name for name in MEASURES[:2] if name in measures]
    roles = {"upper": [name for name in MEASURES[-1:] if name in measures], "nulls": nulls, "own": []}
    specification = {"name": folder.name, "compare": {"budget": evaluations, "seeds": seeds}}
    plan = SimpleNamespace(
        name=folder.name, whole=whole, specification=specification, specification_hash="0" * 64, **roles
    )
    write_comparison(folder, plan, parts)
    return folder


def planted(comparison: Comparison, steps: dict[str, float], *, own=(), noise=0.006) -> Comparison:
    """The comparison with a corner that each measure adds `steps` to: what its statistics should find."""
    rng = np.random.default_rng(1)
    summary = comparison.summary.copy()
    level = 0.2 + 0.02 * summary["network"].astype(int) + summary["optimiser"].map({"nsga2": 0.03}).fillna(0)
    truth = level + summary["measure"].map(steps)
    summary["corner_search"] = truth + rng.normal(0, noise / 10, len(summary))
    summary["corner_test"] = truth + rng.normal(0, noise, len(summary))
    about = comparison.about | {"own": list(own)}
    return Comparison(comparison.folder, about, summary, comparison.networks, comparison.own)
