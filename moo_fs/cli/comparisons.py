"""The command `compare`: measures ranked by the fronts that their scores give, a user's own among them."""

from __future__ import annotations

import math
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from moo_fs.cli import console
from moo_fs.cli.studies import StudyFile
from moo_fs.cli.subjects import Device, Json

if TYPE_CHECKING:
    from moo_fs.comparison import Comparison
    from moo_fs.study import Study
    from moo_fs.worker import Event

DIFFERENCE = ["median_difference", "low", "high", "p_holm"]


def add_to(app: typer.Typer) -> None:
    """Register this module's command."""
    app.command()(compare)


def compare(
    study: StudyFile,
    measure: Annotated[
        list[str] | None, typer.Option("--measure", help="Yours, file.py:function or a name; repeat for several.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Default results/NAME; with --measure results/NAME-own.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes that execute runs side by side.")] = 1,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Rank importance measures by the fronts their scores give: by a fixed sweep, by its ranks, and with nsga2."""
    from moo_fs import comparison
    from moo_fs.comparison_report import write_comparison_report
    from moo_fs.tables.comparison import short_words

    with _Bars() as bars:
        found = comparison.compare(
            study,
            measures=measure or [],
            out=out,
            workers=workers,
            device=device,
            on_event=bars.heard,
            on_study=bars.study,
            on_note=console.remark,
        )
    with console.status("tables and figures ..."):
        written = write_comparison_report(found.folder)
    page = next((path for path in written if path.name == "index.md"), found.folder / "report")
    ranking = rankings(found)
    if as_json:
        console.write_json({"folder": str(found.folder), "report": str(page), "ways": ranking})
        return
    for way, rows in ranking.items():
        console.table([_cells(row) for row in rows], title=f"{way}: {_pairs(rows)}")
    short = short_words(found)
    if short:
        console.say(short)
    console.say(f"comparison: {found.folder}")
    console.say(f"report: {page}")


def rankings(found: Comparison) -> dict[str, list[dict[str, Any]]]:
    """Of each way a row a measure, best mean rank first: corner on the test part, difference to random, cost."""
    from moo_fs.contrasts import RANDOM
    from moo_fs.tables.comparison import COSTS, by_measure, planned

    data, pairs = by_measure(found), len(found.summary[["network", "seed"]].drop_duplicates())
    ranking = {}
    for way, contrasts in planned(found).items():
        against = contrasts[contrasts["kind"] == RANDOM].set_index("measure")[DIFFERENCE].to_dict("index")
        ranking[way] = [
            {
                "measure": row["measure"],
                "role": row["role"],
                "mean_rank": row[f"{way}_mean_rank"],
                "corner_test": row[f"{way}_corner_median"],
                **{str(name): value for name, value in against.get(row["measure"], {}).items()},
                **{name: row[name] for name in COSTS},
                "pairs": pairs,
            }
            for row in data.sort_values([f"{way}_mean_rank", "measure"]).to_dict("records")
        ]
    return ranking


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """One measure as a person reads it; a dash where nothing was tested."""
    from moo_fs.numerals import MISSING, count, number, probability, rank, share, signed
    from moo_fs.tables.comparison import COSTS

    difference, low, high, p = (row.get(key, math.nan) for key in DIFFERENCE)
    passes, evaluations, seconds = (row[name] for name in COSTS)
    return {
        "measure": row["measure"] + (f" ({row['role']})" if row["role"] else ""),
        "mean rank": rank(row["mean_rank"]),
        "corner (test)": share(row["corner_test"]),
        "against random": signed(difference),
        "95 % interval": MISSING if math.isnan(low) else f"{signed(low)} to {signed(high)}",
        "p (Holm)": probability(p),
        "head passes": count(passes),
        "scoring": f"{number(evaluations)} evaluations, {number(seconds)} s",
    }


def _pairs(rows: list[dict[str, Any]]) -> str:
    from moo_fs.contrasts import ENOUGH_PAIRS

    pairs = rows[0]["pairs"]
    few = f"; fewer than {ENOUGH_PAIRS}, so no test" if pairs < ENOUGH_PAIRS else ""
    return f"medians over {pairs} {'pair' if pairs == 1 else 'pairs'} of network and block{few}; rank 1 is best"


class _Bars:
    """One progress bar after the other, one a study."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._bar: console.StudyProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def study(self, study: Study) -> None:
        """A study is launched."""
        self._open.close()
        bar = console.StudyProgress(study.name, runs=len(study.runs()), budget=study.budget)
        self._bar = self._open.enter_context(bar)

    def heard(self, event: Event) -> None:
        """Something happened to one of its runs."""
        if self._bar is not None:
            self._bar.heard(event)
