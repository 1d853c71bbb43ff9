"""What a person sees: tables, progress bars on a terminal, plain lines elsewhere, JSON alone when asked for."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

LINE_EVERY = 15.0
INTERRUPTED = 130  # the exit status after Ctrl-C
stdout = Console()
stderr = Console(stderr=True)


def say(sentence: str) -> None:
    """One plain line on stdout."""
    stdout.print(sentence, markup=False, highlight=False, soft_wrap=True)


def remark(sentence: str) -> None:
    """One plain line on stderr: what a person should know and no program reads."""
    stderr.print(sentence, markup=False, highlight=False, soft_wrap=True)


def write_json(value: Any) -> None:
    """`value` as JSON on stdout; numbers that are not finite become null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, allow_nan=False) + "\n")


def table(rows: Sequence[dict[str, Any]], *, columns: Sequence[str] | None = None, title: str | None = None) -> None:
    """Rows as a table."""
    names = list(columns or (rows[0] if rows else ()))
    _print(names, [[row[name] for name in names] for row in rows], title)


def frame(values: pd.DataFrame, *, title: str) -> None:
    """A DataFrame as a table."""
    rows = [{str(name): value for name, value in row.items()} for row in values.to_dict(orient="records")]
    table(rows, columns=[str(name) for name in values.columns], title=title)


def sheet(shown: Any) -> None:
    """A table of `moo_fs.tables` with its note."""
    _print(shown.header, shown.rows, shown.title)
    say(f"{shown.note}\n")


@contextmanager
def steps(total: int) -> Iterator[Callable[[str], None]]:
    """A function that is told the name of each of `total` steps as it begins: a bar, or a line a step elsewhere."""
    with progress() as bar:
        task, done = bar.add_task("", total=total), iter(range(total))

        def begin(name: str) -> None:
            bar.update(task, completed=next(done), description=name)
            if bar.disable:
                remark(f"{name} ...")

        yield begin


@contextmanager
def telling(first: str) -> Iterator[Callable[[str], None]]:
    """A function that is told what begins, how much there is unknown: a spinner's text, or a line each elsewhere."""
    if stderr.is_terminal:
        with stderr.status(f"{first} ...") as spinner:
            yield lambda text: spinner.update(f"{text} ...")
    else:
        yield lambda text: remark(f"{text} ...")


@contextmanager
def status(text: str) -> Iterator[None]:
    """A spinner on a terminal, nothing elsewhere."""
    if stderr.is_terminal:
        with stderr.status(text):
            yield
    else:
        yield


def progress() -> Progress:
    """A progress bar with counts and the time left, on stderr."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        disable=not stderr.is_terminal,
    )


class StudyProgress:
    """The progress of a study: a bar on a terminal, a line now and then elsewhere, with the time left."""

    def __init__(self, name: str, *, runs: int, budget: int) -> None:
        self.name, self.runs, self.budget = name, runs, budget
        self._bar = progress()
        self._task = self._bar.add_task(name, total=runs * budget)
        self._trials: dict[str, int] = {}
        self._done = 0
        self._started = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def heard(self, event: Any) -> None:
        """One event of a run: started, progress, done or failed."""
        if event.kind == "progress":
            self._trials[event.run.key] = event.trials
        elif event.kind == "done":
            self._trials[event.run.key] = self.budget
            self._done += 1
        elif event.kind == "failed":
            stderr.print(f"failed: {event.message}", markup=False, highlight=False, soft_wrap=True)
        evaluations = sum(self._trials.values())
        description = f"{self.name}: {self._done} of {self.runs} runs"
        self._bar.update(self._task, completed=evaluations, description=description)
        if self._bar.disable and time.monotonic() - self._told > LINE_EVERY:
            self._told = time.monotonic()
            left = (self._told - self._started) / max(1, evaluations) * (self.runs * self.budget - evaluations)
            line = f"{description}, {evaluations} evaluations, about {duration(left)} left"
            stderr.print(line, markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(50), duration(600), duration(9000)
    ('50 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def trained(trainer: Any, *, data: Path, out: Path, seed: int, device: str, steps: int | None) -> Path:
    """Run a trainer with a progress bar (a line every 250 steps where there is no terminal)."""
    with progress() as bar:
        total = steps or trainer.steps
        task = bar.add_task("training", total=total)

        def report(step: int, loss: float) -> None:
            bar.update(task, completed=step, description=f"training, loss {loss:.3f}")
            if bar.disable and step % 250 == 0:
                stderr.print(f"step {step} of {total}, loss {loss:.3f}", highlight=False)

        return Path(trainer.run(data, out=out, seed=seed, device=device, steps=steps, report=report))


def _print(header: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None) -> None:
    grid = Table(*header, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for row in rows:
        grid.add_row(*map(_cell, row))
    (stdout if stdout.is_terminal else Console(width=200)).print(grid)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
