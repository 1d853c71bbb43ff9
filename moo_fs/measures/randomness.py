"""The control: scores that know nothing."""

from __future__ import annotations

import numpy as np

from moo_fs.contracts import Floats
from moo_fs.registry import measure
from moo_fs.split import Batch


@measure("random", whole=True)
def random(batch: Batch, *, rng: np.random.Generator) -> Floats:
    """Independent uniform scores in [0, 1), one a channel, the same for every task.

    A measure that does not beat them carries no information about importance. Cost: nothing is run.
    """
    return rng.random(batch.features.shape[1])
