"""The importance measures that the package brings: a table of names; each module is imported when first asked for."""

from moo_fs.registry import measures

BUILTIN = {
    "random": ("moo_fs.measures.randomness:random", "uniform random scores: the floor that every measure must beat"),
    "l1-norm": ("moo_fs.measures.magnitude:l1_norm", "mean absolute sum of the feature map"),
    "l2-norm": ("moo_fs.measures.magnitude:l2_norm", "mean Euclidean norm of the feature map"),
    "variance": ("moo_fs.measures.magnitude:variance", "variance of the channel over images and positions"),
    "geometric-median": (
        "moo_fs.measures.proximity:geometric_median",
        "sum of the mean distances to all other channels (FPGM on feature maps)",
    ),
    "mutual-information": (
        "moo_fs.measures.information_based:mutual_information",
        "information between patches of the channel and clusters of the task's output (Ross, rank transform)",
    ),
    "shuffled-mutual-information": (
        "moo_fs.measures.information_based:shuffled_mutual_information",
        "mutual-information with the labels shuffled over the samples: a null that is as costly and says nothing",
    ),
    "taylor": ("moo_fs.measures.sensitivity:taylor", "first-order estimate of the loss change if the channel were 0"),
    "sensitivity": (
        "moo_fs.measures.sensitivity:sensitivity",
        "measured increase of the task's loss when the channel alone is replaced by its mean",
    ),
}


def register() -> None:
    """Enter the names into the table of measures; again does nothing."""
    measures.add_all(BUILTIN)
