"""The cutoffs of a pruning study as points beside the fronts of a search: sizes as shares, errors of test images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from moo_fs.archive import STUDY
from moo_fs.prune_file import CMI
from moo_fs.prune_studies import archive
from moo_fs.results import Results
from moo_fs.whole_files import file_digest

COLUMNS = ["what", "filters_kept", "parameters", "flops", "error_test", "fine_tuned", "compensate", "dominated"]


def published(results: Results, joint: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant and batch of the study that `results` names, beside its own folder; none if there is none.

    Only rows of the very same network count, and of them the published method's. `dominated`: whether a member of
    `joint`, chosen on validation images, is as good in both sizes and in the error on the test images, better in one.
    Raises MooFsError if the archive is damaged.
    """
    folder = results.folder.parent / str(results.study["published"])
    if not (folder / STUDY).is_file():
        return pd.DataFrame(columns=COLUMNS)
    found = archive.load(folder)
    network, whole = results.study["network"], found.unpruned
    if any(int(whole[name]) != network[name] for name in ("parameters", "flops")):
        return pd.DataFrame(columns=COLUMNS)
    rows = found.summary[found.summary["measure"] == CMI]
    frame = pd.DataFrame(
        {
            "what": rows["formulation"] + ", " + rows["cutoff"] + ", " + rows["direction"],
            "filters_kept": rows["filters_kept"].astype(int),
            "parameters": rows["parameters"] / network["parameters"],
            "flops": rows["flops"] / network["flops"],
            "error_test": 1.0 - rows["test_accuracy"],
            "fine_tuned": _truth(rows["fine_tuned"]),
            "compensate": _truth(rows["compensate"]),
        }
    )
    frame["dominated"] = [_is_dominated(row, joint) for row in frame[["parameters", "flops", "error_test"]].to_numpy()]
    return frame.sort_values(["fine_tuned", "compensate", "parameters", "what"], kind="stable").reset_index(drop=True)


def made_from(results: Results) -> dict[str, str]:
    """study.json of the study whose cutoffs are shown, by a name of its own, and its hash; nothing if there is none."""
    path = results.folder.parent / str(results.study["published"]) / STUDY
    return {f"{path.parent.name}/{STUDY}": file_digest(path)} if path.is_file() else {}


def _is_dominated(row: np.ndarray, joint: pd.DataFrame) -> bool:
    points = joint[["parameters_test", "flops_test", "error_test"]].to_numpy()
    return bool(((points <= row).all(axis=1) & (points < row).any(axis=1)).any())


def _truth(column: pd.Series) -> pd.Series:
    return column.astype(str).str.lower().isin(["true", "1"])
