"""Members of the front of all runs as networks with the filters really gone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from moo_fs.contracts import MooFsError
from moo_fs.prune_studies.network import SHAPE, Subject
from moo_fs.prune_studies.smaller_network import Smaller, check_hash
from moo_fs.pruning.levels import Levels
from moo_fs.pruning.removal import removed
from moo_fs.results import Results, allocations
from moo_fs.study import canonical
from moo_fs.whole_files import digest

# Image counts of a study in the order in which its archive's hash of the subject has them.
COUNTS = ("images", "damage_images", "search_images", "test_images")


def subject_hash(subject: Subject, counts: list[int]) -> str:
    """What results depend on: the network, the images, and how many of them."""
    return digest(canonical([subject.hash, counts]).encode())[:12]


def of_member(results: Results, number: int, subject: Subject) -> Smaller:
    """The network of row `number` of joint.parquet and of pruned-front.csv, 0 the first.

    Raises MooFsError if there is no such row, or the study was of another network or other images.
    """
    folder = results.folder
    joint = pd.read_parquet(folder / "joint.parquet")
    if not 0 <= number < len(joint):
        raise MooFsError(f"{folder}: joint.parquet: wanted a member from 0 to {len(joint) - 1}, got {number}")
    said = results.study["specification"]["prune"]
    here = subject_hash(subject, [said[name] for name in COUNTS])
    check_hash(folder, str(results.study["subject_hash"]), here)
    member = joint.iloc[[number]]
    orders = pd.read_parquet(folder / "orders.parquet")
    mine = orders[orders["measure"] == member["measure"].iloc[0]].sort_values("place")
    order = [mine.loc[mine["layer"] == layer, "filter"].to_numpy() for layer in subject.filters]
    kept = Levels(subject.chain, order, shape=SHAPE).kept(allocations(member)[0])
    named = {layer: np.asarray(kept[at]).tolist() for at, layer in enumerate(subject.filters)}
    return Smaller(removed(subject.chain, kept).eval(), named, subject.width, filled=False)
