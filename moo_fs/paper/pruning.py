"""What the paper says of pruning studies and of searches over pruned networks: tables and the numbers of its text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from moo_fs.numerals import number, percent
from moo_fs.paper.cut_fronts import CutFronts
from moo_fs.paper.kinds import Opened
from moo_fs.paper.narrowing import Wrapped, named, without_columns
from moo_fs.paper.numbers import listed, macro_name
from moo_fs.prune_file import CMI
from moo_fs.prune_studies.archive import Pruning
from moo_fs.prune_studies.jobs import SAME
from moo_fs.prune_studies.claims import HEADLINE
from moo_fs.prune_studies.judged import POINTS, against_rivals, chosen, filled
from moo_fs.tables import Table
from moo_fs.tables.prune_claims import points
from moo_fs.tables.rendering import escape

CLAIM_WIDTHS = (0.7, 3.8, 2.3)
LEFT_OUT = {"batches", "removed", "validation", "seconds", "speed"}
VARIANTS_NOTE = (
    "Medians over batches. Parameters and FLOPs: shares of the whole network's; test: accuracy in %; lost: points of "
    "it, with the range over batches; zeros: accuracy of the same cuts with zeros in the place of means. The CSV and "
    "the study's report have validation accuracy, seconds and measured speed too."
)


def prune_floats(archive: Opened) -> list[Table | Wrapped]:
    """Claims, variants, other orders, and networks trained on."""
    tables, where = archive.tables, f"({archive.content.study['name']})"
    variants = without_columns(named(tables["variants"], "prune", f"Variants of pruning {where}"), LEFT_OUT)
    claims = named(tables["claims"], "prune-claims", f"Published claims on pruning {where}")
    # The text says what each claim is.
    claims = replace(claims, rows=tuple((claim.partition(":")[0], *cells) for claim, *cells in claims.rows))
    found: list[Table | Wrapped] = [Wrapped(claims, CLAIM_WIDTHS), replace(variants, note=VARIANTS_NOTE)]
    if "rivals" in tables:
        found.append(named(tables["rivals"], "prune-rivals", f"Other orders, cut to the same counts {where}"))
    if "tuned" in tables:
        tuned = without_columns(tables["tuned"], {"seconds", "kept", "test before"})
        found.append(named(tuned, "prune-tuned", f"Trained on after filters were removed {where}"))
    return found


def front_floats(archive: Opened) -> list[Table | Wrapped]:
    """The front of all runs, and published cutoffs beside it."""
    tables, where = archive.tables, f"({archive.content.results.study['name']})"
    found: list[Table | Wrapped] = [
        named(tables["pruned-front"], "prune-fronts", f"The front of all runs, every layer cut alike beside it {where}")
    ]
    if "pruned-cutoffs" in tables:
        cutoffs = without_columns(tables["pruned-cutoffs"], {"networks", "operations", "filters"})
        found.append(named(cutoffs, "prune-fronts-cutoffs", f"Cutoffs of a pruning study beside it {where}"))
    return found


def prune_macros(archive: Opened) -> dict[str, str]:
    """Sizes of a pruning study, the variant that was chosen, how the claims fare, and the other orders."""
    found: Pruning = archive.content
    said, network, images = found.study["specification"], found.study["network"], found.study["images"]
    first, whole = chosen(found).iloc[0], found.unpruned
    macros = {
        "HasPrune": "",
        "PruneArchive": escape(str(found.study["name"])),
        "PruneWidth": f"{network['width']:g}",
        "PruneFilters": str(sum(network["filters"].values())),
        "PruneCuts": str(len(found.summary) - 1),
        "PruneVariants": str(len(said["variants"])),
        "PruneBatches": str(said["seeds"]),
        "PruneBatchImages": str(said["images"]),
        "PruneChooseImages": str(said["choose_images"]),
        "PruneTestImages": str(images["test"]),
        "PruneTolerance": f"{said['tolerance']:g}",
        "PruneFilled": escape(filled(found)),
        "PruneHeadline": f"{HEADLINE:g}",
        "PruneWhole": points(POINTS * whole["test_accuracy"]),
        "PruneChosen": escape(f"{first['formulation']}, {first['cutoff']}, {first['direction']}"),
        "PruneRemoved": escape(percent(first["removed"])),
        "PruneAccuracy": points(POINTS * first["test_accuracy"]),
        "PruneLost": escape(points(first["drop"])),
    }
    for claim, rows in archive.tables["claims"].data.groupby("claim", sort=False):
        told = (f"{row['verdict']} ({row['setting']})" for row in rows.to_dict("records"))
        macros[_claim_name(str(claim))] = escape("; ".join(told))
    rivals = against_rivals(found)
    same = rivals[rivals["cutoff"] == SAME] if len(rivals) else rivals
    if len(same):
        order = same.sort_values("accuracy_median", ascending=False, kind="stable")
        told = (f"{row['measure']} {points(POINTS * row['accuracy_median'])}" for row in order.to_dict("records"))
        macros["PruneRivals"] = escape("; ".join(told))
        macros["PrunePlace"] = str([*order["measure"]].index(CMI) + 1)
        macros["PruneOrders"] = str(len(order))
    return macros


def _claim_name(claim: str) -> str:
    """`B1: ...` -> PruneClaimBOne; of B3, two claims, PruneClaimBThreeCompact and ...Directions."""
    name, _, text = claim.partition(":")
    more = {"B3": "Compact" if "compact" in text else "Directions"}
    return macro_name("Prune", "Claim", name, more.get(name, ""))


def front_macros(archive: Opened) -> dict[str, str]:
    """Sizes of a search over pruned networks, its smallest member within a point, and the published cutoffs."""
    found: CutFronts = archive.content
    results, joint, cutoffs = found.results, found.joint, found.cutoffs
    study, summary, whole = results.study, results.hypervolumes(), results.study["unpruned_error"]
    cells = summary.groupby(["optimiser", "measure"], sort=False)["hypervolume_test"].median()
    best: Any = cells.idxmax()
    macros = {
        "HasPruneFronts": "",
        "PruneFrontsArchive": escape(str(study["name"])),
        "PruneFrontsRuns": str(len(summary)),
        "PruneFrontsBudget": str(int(summary["evaluations"].max())),
        "PruneFrontsBlocks": str(results.blocks),
        "PruneFrontsMeasures": listed(results.measures),
        "PruneFrontsOptimisers": listed(results.optimisers),
        "PruneFrontsSearchImages": str(study["search_images"]),
        "PruneFrontsTestImages": str(study["all_test_images"]),
        "PruneFrontsMembers": str(len(joint)),
        "PruneFrontsBest": escape(f"{best[0]} with {best[1]} ({number(cells.max())})"),
        "PruneFrontsWhole": escape(percent(whole["test"])),
    }
    near = joint[joint["error"] <= whole["search"] + 0.01 + 1e-9].sort_values("parameter_count", kind="stable")
    if len(near):
        one, size = near.iloc[0], study["network"]
        macros |= {
            "PruneFrontsParameters": escape(percent(one["parameter_count"] / size["parameters"])),
            "PruneFrontsFlops": escape(percent(one["flop_count"] / size["flops"])),
            "PruneFrontsError": escape(percent(one["error_test"])),
        }
    plain = cutoffs[~cutoffs["fine_tuned"].astype(bool) & ~cutoffs["compensate"].astype(bool)]
    if len(plain):
        macros |= {
            "PruneFrontsCutoffs": str(len(plain)),
            "PruneFrontsDominated": str(int(plain["dominated"].sum())),
        }
    return macros
