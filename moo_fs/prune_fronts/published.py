"""The cutoffs of a pruning study as points beside the fronts of a search: sizes as shares, errors of test images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from moo_fs.archive import STUDY
from moo_fs.prune_file import CMI
from moo_fs.prune_studies import archive
from moo_fs.renyi_targets import FORMULATIONS
from moo_fs.results import Results
from moo_fs.whole_files import file_digest

COLUMNS = [
    "what", "kind", "filters_kept", "parameters", "flops", "error_test", "fine_tuned", "compensate", "dominated",
]  # fmt: skip
# A fixed share is ours; so is letting a published cutoff lose more than the study's own tolerance.
KINDS = ("published", "raised", "ours")
OURS, RAISED = "share", "tolerance="


def published(results: Results, joint: pd.DataFrame) -> pd.DataFrame:
    """A row a distinct network that the study named by `results`, beside its own folder, cut; none if there is none.

    Networks differ by which filters they keep; with means in the place of the others also by the batch of images; and
    once trained on, by the draw and the length of that. `what`: the variants that made it, "formulation, cutoff,
    direction", with "; " between. `kind`: "published" if one of these has a published cutoff, else "raised" if one has
    such a cutoff at a tolerance of its own, else "ours". Only rows of the very same network count, and of them those
    of the published order with each layer's own widths. `dominated`: whether a member of `joint`, chosen on validation
    images, is as good in both sizes and in the error on the test images, better in one.
    Raises MooFsError if the archive is damaged.
    """
    folder = results.folder.parent / str(results.study["published"])
    if not (folder / STUDY).is_file():
        return pd.DataFrame(columns=COLUMNS)
    found = archive.load(folder)
    network, whole = results.study["network"], found.unpruned
    if any(int(whole[name]) != network[name] for name in ("parameters", "flops")):
        return pd.DataFrame(columns=COLUMNS)
    rows = _distinct(found)
    frame = pd.DataFrame(
        {
            "what": rows["what"],
            "kind": rows["kind"],
            "filters_kept": rows["filters_kept"].astype(int),
            "parameters": rows["parameters"] / network["parameters"],
            "flops": rows["flops"] / network["flops"],
            "error_test": 1.0 - rows["test_accuracy"],
            "fine_tuned": _truth(rows["fine_tuned"]),
            "compensate": _truth(rows["compensate"]),
        }
    )
    sizes = [joint[f"{name[:-1]}_count"] / network[name] for name in ("parameters", "flops")]
    members = np.column_stack([*sizes, joint["error_test"]])
    frame["dominated"] = [_dominates(members, row) for row in frame[["parameters", "flops", "error_test"]].to_numpy()]
    return frame.sort_values(["fine_tuned", "compensate", "parameters", "what"], kind="stable").reset_index(drop=True)


def made_from(results: Results) -> dict[str, str]:
    """study.json of the study whose cutoffs are shown, by a name of its own, and its hash; nothing if there is none."""
    path = results.folder.parent / str(results.study["published"]) / STUDY
    return {f"{path.parent.name}/{STUDY}": file_digest(path)} if path.is_file() else {}


def _distinct(found: archive.Pruning) -> pd.DataFrame:
    """Rows of the published order, one of each network, with `what`, the variants that made it."""
    rows = found.summary[found.summary["measure"] == CMI]
    rows = rows[rows["formulation"].isin(FORMULATIONS)]
    if "widths" in rows:
        rows = rows[rows["widths"] == "own"]
    same = [name for name in found.layers.columns if name in rows.columns]
    kept = found.layers.groupby(same, sort=False)["which"].agg("|".join).rename("which").reset_index()
    rows = rows.merge(kept, on=same, how="left", validate="one_to_one").fillna({"which": ""})
    # Without a filter gone there is nothing to fill in, and batches do not differ.
    cut = rows["filters_kept"].astype(int) < int(found.unpruned["filters_kept"])
    means, tuned = cut & _truth(rows["compensate"]), _truth(rows["fine_tuned"])
    parts = {"which": rows["which"], "filled": means, "batch": rows["seed"].where(means | tuned, 0), "tuned": tuned}
    parts |= {name: rows[name] for name in ("epochs", "training_seed") if name in rows}
    rows["what"] = rows["formulation"] + ", " + rows["cutoff"] + ", " + rows["direction"]
    rows["kind"] = rows["cutoff"].map(_kind)
    groups = rows.groupby([column.fillna("") for column in parts.values()], sort=False)
    rows["what"] = groups["what"].transform(lambda each: "; ".join(dict.fromkeys(each)))
    rows["kind"] = groups["kind"].transform(lambda each: min(each, key=KINDS.index))
    return rows.loc[groups["what"].head(1).index]


def _kind(cutoff: str) -> str:
    """One of `KINDS`: how a cutoff by its label came about.

    >>> _kind("scree"), _kind("scree[tolerance=10]"), _kind("share[kept=0.66]")
    ('published', 'raised', 'ours')
    """
    return KINDS[2] if cutoff.startswith(OURS) else KINDS[RAISED in cutoff]


def _dominates(members: np.ndarray, row: np.ndarray) -> bool:
    return bool(((members <= row).all(axis=1) & (members < row).any(axis=1)).any())


def _truth(column: pd.Series) -> pd.Series:
    return column.astype(str).str.lower().isin(["true", "1"])
