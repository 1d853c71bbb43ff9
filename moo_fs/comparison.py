"""Comparing measures by the fronts that their scores give: launched or resumed as one study a network.

A user's own measure is placed among those of an archive that exists: only its own runs are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from moo_fs import archive, launch
from moo_fs.comparison_archive import Comparison, Part, load_comparison, write_comparison
from moo_fs.comparison_plan import Plan, read_comparison
from moo_fs.contracts import MooFsError
from moo_fs.results import Results, load_results
from moo_fs.study import Study, difference
from moo_fs.worker import Event

__all__ = ["Comparison", "Plan", "compare", "folder_for", "load_comparison", "read_comparison"]

CLOSE = 1e-4  # relative: far above the noise of another processor, far below another network or quantiser
SAME = ("backend", "channels", "tasks", "search_images", "test_images")


def compare(
    path: str | Path | Plan,
    *,
    measures: Sequence[str] = (),
    out: str | Path | None = None,
    workers: int = 1,
    device: str = "cpu",
    on_event: Callable[[Event], None] | None = None,
    on_study: Callable[[Study], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Comparison:
    """Launch or resume a comparison and return it; a finished one is returned at once.

    `measures` are the user's own, names or "file.py:function" relative to the current folder. They are compared in a
    folder of their own (`folder_for`), with the runs of `results/<name>` taken from there if its archive is whole, of
    this very comparison, and evaluated alike here; else those are computed too, and `on_note` gets a sentence that
    says why. `on_study` gets each study that is not finished before it is launched, `on_event` what happens to its
    runs. Raises what `moo_fs.run` does.
    """
    plan = path if isinstance(path, Plan) else read_comparison(path)
    plan = plan.with_own(list(measures), folder=Path.cwd())
    folder = folder_for(plan, out)
    run = _Launcher(workers, device, on_event, on_study or _ignore)
    parts = [_part(plan, network, folder, run, on_note or _ignore) for network in plan.networks]
    write_comparison(folder, plan, parts)
    return load_comparison(folder)


def folder_for(plan: Plan, out: str | Path | None = None) -> Path:
    """The comparison's folder: `out`, else results/<name>, or results/<name>-own with measures of the user's.

    Raises MooFsError if measures of the user's would be written into results/<name>.
    """
    home = launch.folder_of(plan)
    if not plan.own:
        return Path(out) if out is not None else home
    folder = Path(out) if out is not None else home.with_name(f"{home.name}-own")
    if folder.resolve() == home.resolve():
        raise MooFsError(f"{folder}: is the comparison that --measure adds to; choose another --out")
    return folder


@dataclass(frozen=True)
class _Launcher:
    """Launches or resumes studies, all in the same manner."""

    workers: int
    device: str
    on_event: Callable[[Event], None] | None
    on_study: Callable[[Study], None]

    def __call__(self, study: Study, folder: Path, key: str) -> Results:
        """The study's results; `key` is where its measures were named, for errors about one."""
        if not archive.is_covered(folder, study):
            self.on_study(study)
        try:
            return launch.run(study, out=folder, workers=self.workers, device=self.device, on_event=self.on_event)
        except MooFsError as error:
            raise MooFsError(str(error).replace(f"{study.path}: grid.measures", key)) from error


def _part(plan: Plan, network: str, folder: Path, run: _Launcher, note: Callable[[str], None]) -> Part:
    """One network: the user's own measures first, because what is wrong with them should be told first."""
    own = [
        run(plan.own_study(network, spec), folder / "own" / plan.own_name(spec) / f"network-{network}", "--measure")
        for spec in plan.own
    ]
    study, here = plan.study(network), folder / f"network-{network}"
    there = launch.folder_of(plan) / here.name
    if plan.own:
        unfit = _unfit(there, study, own)
        if unfit is None:
            return Part(network, there, tuple(one.folder for one in own))
        note(f"{there}: {unfit}; the runs of the comparison's own measures are in {here}")
    return Part(network, run(study, here, f"{plan.path}: compare.measures").folder, tuple(one.folder for one in own))


def _unfit(folder: Path, study: Study, own: Sequence[Results]) -> str | None:
    """Why the runs in `folder` cannot stand beside those of `own`, as a clause; None if they can."""
    if not (folder / archive.STUDY).is_file():
        return "no archive there"
    faults = archive.verify(folder)
    if faults:
        return f"its archive is damaged ({faults[0]})"
    if not archive.is_finished(folder, study.specification_hash):
        differs = difference(study, archive.read_study_json(folder))
        return f"its archive is of another comparison ({differs or 'with a smaller budget or fewer seeds'})"
    base = load_results(folder)
    differing = [reason for mine in own for reason in _differences(base, mine)]
    return f"what it was evaluated with differs from what is here ({differing[0]})" if differing else None


def _differences(base: Results, own: Results) -> list[str]:
    """What tells that two archives were not evaluated alike: sizes, corners, and every baseline on both parts."""
    found = [key for key in SAME if base.study.get(key) != own.study.get(key)]
    for name in ("reference", "corner"):
        if not np.allclose(getattr(base, name), getattr(own, name), rtol=CLOSE, atol=0.0):
            found.append(name)
    if not _alike(base.baselines, own.baselines):
        found.append("baselines")
    return found


def _alike(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return False
    numbers = [frame.select_dtypes("number").to_numpy(dtype=np.float64) for frame in (one, other)]
    texts = [frame.select_dtypes(exclude="number").astype(str).to_numpy() for frame in (one, other)]
    return bool((texts[0] == texts[1]).all()) and np.allclose(
        numbers[0], numbers[1], rtol=CLOSE, atol=1e-9, equal_nan=True
    )


def _ignore(what: object) -> None:
    """What nobody listens to."""
