"""From a pruning study's file to its archive: check everything, run or resume it; and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from moo_fs import archive, prune_ahead
from moo_fs.contracts import MooFsError
from moo_fs.journal import HeldLock, is_held
from moo_fs.loading import check_device
from moo_fs.prune_studies.archive import Pruning, load, study_in
from moo_fs.prune_studies.collect import collect
from moo_fs.prune_studies.jobs import CURRENT, WORK
from moo_fs.prune_studies.network import load_subject, weights_of
from moo_fs.prune_studies.plan import Plan, read_plan
from moo_fs.prune_studies.runner import Runner
from moo_fs.worker import one_thread

LOCK = "study.lock"


@dataclass(frozen=True)
class PruneStatus:
    """How far a pruning study has come: rows (cut networks and points of curves) on the disk, of how many."""

    name: str
    done: int
    total: int
    running: bool
    finished: bool

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def run(
    path: str | Path,
    *,
    out: Path | None = None,
    workers: int = 1,
    seeds: int | None = None,
    device: str = "cpu",
    on_row: Callable[[str], None] = lambda title: None,
) -> Pruning:
    """Run or resume a pruning study; a finished one is returned at once, `seeds` extends one that exists.

    Several `workers` share its batches of images and its trainings; `on_row` hears what begins, of their work what is
    done.

    Raises MooFsError before anything is written if the study, its subject or what lies in `out` does not fit, RunError
    if another process is running it.
    """
    source = archive.source_hash()  # of the code that runs, not of what it is edited to meanwhile
    plan = read_plan(path).with_seeds(seeds)
    folder = out or folder_of(plan)
    if workers < 1:
        raise MooFsError(f"workers: wanted 1 or more, got {workers}")
    if _covered(plan, folder):
        return load(folder)
    check_device(device)
    with one_thread():
        subject = load_subject(plan.subject, device)
        subject.check_sizes(seeds=plan.seeds, images=plan.images, choose_images=plan.choose_images)
        lock = HeldLock(folder / WORK / LOCK, what=f"study {plan.name} in {folder}")
        try:
            if workers > 1:
                runner = Runner(plan, subject, folder, lambda title: None, source)
                prune_ahead.make(runner, plan, folder, source, workers=workers, tell=on_row)
            return collect(plan, subject, folder, source=source, on_row=on_row)
        finally:
            lock.release()


def status(path: str | Path, out: Path | None = None) -> PruneStatus:
    """How far the study in a file has come. Raises MooFsError if the file is wrong, or its weights are not there."""
    plan = read_plan(path)
    weights_of(plan.subject)
    folder, total = out or folder_of(plan), total_rows(plan)
    if (folder / archive.STUDY).is_file() and _covered(plan, folder):
        return PruneStatus(plan.name, total, total, False, True)
    current = folder / WORK / CURRENT
    rows = list((folder / WORK / current.read_text()).glob("*.json")) if current.is_file() else []
    return PruneStatus(plan.name, min(len(rows), total), total, is_held(folder / WORK / LOCK), False)


def total_rows(plan: Plan) -> int:
    """How many rows a study has at most: fewer where variants cut alike or a ladder is not climbed to its end."""
    total, modes = 1, 1 + plan.compensate
    for seed in range(plan.seeds):
        variants = plan.variants_of(seed)
        shares = {variant.cutoff.label for variant in variants if variant.cutoff.name == "share"}
        total += len(variants) + (modes - 1) * (1 + len(plan.repeated)) + len(plan.measures) * (1 + len(shares))
        total += (1 + len(plan.measures)) * len(plan.shares) * modes
    total += sum(map(len, plan.ladders))
    tuned = plan.fine_tune
    if tuned is None:
        return total
    screened = len(plan.variants) + len(plan.ladders) if tuned.screen else 0
    return total + screened + tuned.best + tuned.seeds + 2 * len(tuned.controls)


def folder_of(plan: Plan) -> Path:
    """Where a study's results lie: beside its file's folder `studies`, else in the current folder."""
    parent = plan.path.resolve().parent
    return (parent.parent if parent.name == "studies" else Path.cwd()) / "results" / plan.name


def _covered(plan: Plan, folder: Path) -> bool:
    """Whether `folder` holds the study, on so many batches or more; an error if it holds anything else."""
    if folder.exists() and not folder.is_dir():
        raise MooFsError(f"--out {folder}: is a file; wanted a folder")
    if not (folder / archive.STUDY).is_file():
        return False
    said, wanted = dict(study_in(folder)["specification"]), dict(plan.specification)
    had = said.pop("seeds")
    if said != {key: value for key, value in wanted.items() if key != "seeds"}:
        changed = sorted(key for key in wanted if key != "seeds" and said.get(key) != wanted[key])
        raise MooFsError(
            f"{folder}: holds another study, which differs in {', '.join(changed)}; name another folder with --out, or "
            "move it away"
        )
    return had >= plan.seeds and not archive.verify(folder)
