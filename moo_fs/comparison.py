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
from moo_fs.comparison_archive import Comparison, Part, check_folder, load_comparison, write_comparison
from moo_fs.comparison_plan import Plan, read_comparison
from moo_fs.contracts import MooFsError
from moo_fs.loading import check_device
from moo_fs.plugins import PluginSpec
from moo_fs.results import Results, load_results
from moo_fs.runner import Runner, Setting, prepare
from moo_fs.study import Study, difference
from moo_fs.worker import Event, one_thread

__all__ = ["Comparison", "Plan", "compare", "folder_for", "load_comparison", "read_comparison"]

OWN = "own"  # the subfolder of the archives of the user's own measures
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
    this very comparison, and evaluated alike here; else those are computed too. `on_note` gets a sentence that says why
    they are, and one if another version of this package computed what is reused. `on_study` gets each study that is not
    finished before it is launched, `on_event` what happens to its runs.

    Raises what `moo_fs.run` does, and MooFsError if the folder holds something else, or more than is asked for.
    """
    plan = path if isinstance(path, Plan) else read_comparison(path)
    plan = plan.with_own(list(measures), folder=Path.cwd())
    folder = folder_for(plan, out)
    check_folder(folder, plan)
    if not plan.own:
        for network in plan.networks:
            _refuse_larger(plan.study(network), folder / f"network-{network}")
    _check_own(plan, folder, device)
    run = _Launcher(workers, device, on_event, on_study or _ignore)
    note = on_note or _ignore
    parts = [_part(plan, network, folder, run, note) for network in plan.networks]
    _note_other_code([part.folder for part in parts], note)
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
        _refuse_larger(study, folder)
        if not archive.is_covered(folder, study):
            self.on_study(study)
        try:
            return launch.run(study, out=folder, workers=self.workers, device=self.device, on_event=self.on_event)
        except MooFsError as error:
            raise _named(error, study, key) from error


def _refuse_larger(study: Study, folder: Path) -> None:
    """A study may be served from a larger archive; the rows of a comparison must be those that its file asks for."""
    if archive.is_covered(folder, study) and not archive.is_finished(folder, study.specification_hash):
        raise MooFsError(
            f"{folder}: holds more than this file asks for; restore its budget and seeds, or choose another --out"
        )


def _check_own(plan: Plan, folder: Path, device: str) -> None:
    """Refuse what is wrong with any of several own measures before the runs of the first one are paid for.

    A single one is checked by its own launch. What is finished was checked.
    """
    if len(plan.own) < 2:
        return
    network = next(iter(plan.networks))
    places = {spec: _own_folder(plan, spec, folder, network) for spec in plan.own}
    new = [spec for spec in plan.own if not archive.is_covered(places[spec], plan.own_study(network, spec))]
    if not new:
        return
    study = plan.own_study(network, *new)
    check_device(device)
    try:
        with one_thread():
            setting = Setting(study, folder / OWN, device)
            Runner(setting, prepare(setting)).check_measures()
    except MooFsError as error:
        raise _named(error, study, "--measure") from error


def _named(error: MooFsError, study: Study, key: str) -> MooFsError:
    """The error with where the measures were named, for an ordinary study's key."""
    return MooFsError(str(error).replace(f"{study.path}: grid.measures", key))


def _own_folder(plan: Plan, spec: PluginSpec, folder: Path, network: str) -> Path:
    return folder / OWN / plan.own_name(spec) / f"network-{network}"


def _note_other_code(folders: Sequence[Path], note: Callable[[str], None]) -> None:
    """Say which runs were computed by other code than this: what evaluates alike may still search otherwise."""
    here = archive.source_hash()
    older = [str(folder) for folder in folders if archive.read_study_json(folder).get("source_hash") != here]
    if older:
        note(
            f"{', '.join(older)}: computed by another version of moo_fs than this one; see versions in {archive.STUDY}"
        )


def _part(plan: Plan, network: str, folder: Path, run: _Launcher, note: Callable[[str], None]) -> Part:
    """One network: the user's own measures first, because what is wrong with them should be told first."""
    own = [
        run(plan.own_study(network, spec), _own_folder(plan, spec, folder, network), "--measure") for spec in plan.own
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
