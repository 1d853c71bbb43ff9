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
    "mutual-information-kde": (
        "moo_fs.measures.information_based:mutual_information_kde",
        "the same information by pairwise distances under Gaussian noise (Kolchinsky-Tracey), its null subtracted",
    ),
    "conditional-mutual-information": (
        "moo_fs.measures.conditional:conditional_mutual_information",
        "greedy order by what a channel adds about the task's output (matrix-based Rényi entropy)",
    ),
    "taylor": ("moo_fs.measures.gradients:taylor", "first-order estimate of the loss change if the channel were 0"),
    "taylor-squared": ("moo_fs.measures.gradients:taylor_squared", "the square of that change, mean over images"),
    "fisher": ("moo_fs.measures.gradients:fisher", "variance times the diagonal of the empirical Fisher information"),
    "effective-rank": ("moo_fs.measures.spectrum:effective_rank", "exponential of the entropy of singular values"),
    "l1-norm-weights": ("moo_fs.measures.weights:l1_norm_weights", "absolute sum of the filter's weights"),
    "l2-norm-weights": ("moo_fs.measures.weights:l2_norm_weights", "Euclidean norm of the filter's weights"),
    "geometric-median-weights": (
        "moo_fs.measures.weights:geometric_median_weights",
        "sum of the distances to all other filters (FPGM as published)",
    ),
    "batch-norm-scale": (
        "moo_fs.measures.weights:batch_norm_scale",
        "absolute scale of the batch normalisation right after the layer, where there is one",
    ),
    "sensitivity": (
        "moo_fs.measures.sensitivity:sensitivity",
        "measured increase of the task's loss when the channel alone is replaced by its mean",
    ),
    "sensitivity-1-bit": (
        "moo_fs.measures.sensitivity:sensitivity_1_bit",
        "measured increase of the task's loss when all channels have 1 bit and this one is dropped",
    ),
    "noise-sensitivity": (
        "moo_fs.measures.sensitivity:noise_sensitivity",
        "how much the task's output moves when noise is added to the channel",
    ),
    "distortion-table": (
        "moo_fs.measures.sensitivity:distortion_table",
        "slope of the task's loss over the channel's squared error, from the table of all depths",
    ),
    "shapley": ("moo_fs.measures.shapley:shapley", "sampled Shapley value of sending the channel, with error bars"),
}


def register() -> None:
    """Enter the names into the table of measures; again does nothing."""
    measures.add_all(BUILTIN)
