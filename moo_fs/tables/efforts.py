"""What scores and searches cost, each on a few lines: scoring by measure, searching by optimiser."""

from __future__ import annotations

import pandas as pd

from moo_fs.results import Results
from moo_fs.tables.rendering import Table, count, number, spread

SCORING = ["head_passes", "scoring_evaluations", "scoring_seconds"]


def scoring_costs(results: Results) -> pd.DataFrame:
    """Medians over blocks, a row a measure: head passes (images x passes), their worth in evaluations, seconds.

    A run that does not read the scores is not charged for them, so a block's cost is that of its dearest run.
    """
    summary = results.hypervolumes()
    charged = summary.groupby(["measure", "seed"])[["scoring_evaluations", "scoring_seconds"]].max()
    passes = results.scores.groupby(["measure", "seed"])["head_passes"].max()
    blocks = charged.join(passes.astype(float)).reset_index()
    return blocks.groupby("measure")[SCORING].median().reindex(results.measures).reset_index()


def scoring_table(results: Results) -> Table:
    """What the scores of each measure cost, before any search."""
    data = scoring_costs(results)
    return Table(
        name="costs-scoring",
        title="Cost of scoring by measure",
        header=("measure", "images × head passes", "evaluations", "seconds"),
        rows=tuple(
            (str(row["measure"]), count(row["head_passes"]), *(number(row[name]) for name in SCORING[1:]))
            for row in data.to_dict("records")
        ),
        data=data,
        note="Medians over blocks. Evaluations: what the head passes would have paid for in the search.",
    )


def searching_table(results: Results) -> Table:
    """What the searches of each optimiser took, over all measures and blocks."""
    runs = results.hypervolumes().groupby("optimiser", sort=False)
    data = runs[["evaluations", "repeats", "seconds"]].median()
    data["seconds_min"], data["seconds_max"] = runs["seconds"].min(), runs["seconds"].max()
    data = data.reindex(results.optimisers).reset_index()
    return Table(
        name="costs-searching",
        title="Cost of a run by optimiser",
        header=("optimiser", "evaluations", "repeats", "seconds", "range"),
        rows=tuple(
            (
                str(row["optimiser"]),
                *(count(row[name]) for name in ("evaluations", "repeats")),
                number(row["seconds"]),
                spread(pd.Series([row["seconds_min"], row["seconds_max"]])),
            )
            for row in data.to_dict("records")
        ),
        data=data,
        note="Medians over measures and blocks. "
        "A run whose allocations another run has evaluated takes almost no time.",
    )
