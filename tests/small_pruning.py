"""A small VGG16 trained on generated images in CIFAR-10's files, and a pruning study of it: a second each."""

from pathlib import Path

import numpy as np

from moo_fs import prune_ahead
from moo_fs.subjects import cifar10, vgg_training, weights_file

COUNT, WIDTH = 80, 1 / 16
FILE = """
name = "small"
question = "Does it run?"
subject = {{ name = "vgg16-cifar10", width = 0.0625, weights = "{folder}/small.safetensors", data = "{folder}/data" }}

[prune]
measures = ["conditional-mutual-information", "random"]
formulations = ["per-layer", "compact"]
cutoffs = ["scree", {{ name = "share", kept = 0.66 }}]
directions = ["forward", "bi-directional", "one-shot"]
seeds = {seeds}
images = 20
choose_images = 20
tolerance = 5
method = "frobenius"
compensate = true
shares = [0.8]
repeated = {{ cutoffs = [{{ name = "share", kept = 0.66 }}], directions = ["forward"] }}
common_width = {{ formulations = ["compact"], cutoffs = [{{ name = "share", kept = 0.66 }}], directions = ["forward"] }}
raised = {{ formulations = ["per-layer"], cutoffs = ["scree"], directions = ["forward"], tolerances = [100, 50] }}
fine_tune = {{ best = 1, epochs = 1, controls = ["random"], screen = 1, seeds = 2 }}
"""


def write_pictures(folder: Path) -> None:
    """Ten classes of coarse patterns with noise, 40 images of each that train, in the binary form."""
    rng = np.random.default_rng(0)
    patterns = np.kron(rng.integers(0, 256, (10, 3, 4, 4)), np.ones((8, 8)))
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        labels = rng.permutation(np.arange(COUNT) % 10).astype(np.uint8)
        images = (patterns[labels] + rng.normal(0, 40, (COUNT, 3, 32, 32))).clip(0, 255).astype(np.uint8)
        rows = np.concatenate([labels[:, None], images.reshape(COUNT, -1)], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())


def make(folder: Path) -> Path:
    """Images, weights and a study file in `folder`; returns the study's path. Needs `cifar10.PER_BATCH` = COUNT."""
    if cifar10.PER_BATCH != COUNT:
        raise ValueError("wanted cifar10.PER_BATCH set to COUNT")
    (folder / "data").mkdir()
    write_pictures(folder / "data")
    recipe = vgg_training.Cosine(steps=25, rate=0.05, batch=40)
    network, _ = vgg_training.train(
        folder / "data", checkpoint=folder / "small.checkpoint", width=WIDTH, seed=0, recipe=recipe
    )
    weights_file.save(network, folder / "small.safetensors", about={"width": WIDTH})
    return write_study(folder, seeds=1)


make_piece = prune_ahead._made


def made_of_small_batches(*arguments):
    """What a worker process of a small study does: a patch of the test's process does not reach it."""
    cifar10.PER_BATCH = COUNT
    return make_piece(*arguments)


def failing(*arguments):
    """A worker process of a small study whose batches fail."""

    def fails(*_):
        raise ValueError("no such luck")

    prune_ahead.PIECES["batch"] = fails
    return made_of_small_batches(*arguments)


def write_study(folder: Path, *, seeds: int) -> Path:
    """The study file on so many batches of images."""
    path = folder / "small.toml"
    path.write_text(FILE.format(folder=folder, seeds=seeds))
    return path
