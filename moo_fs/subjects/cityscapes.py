"""The subject `cityscapes`: the authors' earlier three-task network on street scenes that the user has.

No network ships: `moo-fs train cityscapes` makes one. Test images are the 500 of the val split, the authors' test set.
Search images are of the tenth of the train split that training leaves out. Fit images, which decide tables and scores,
are among those that the network was trained on. Each part is spread evenly over the names of its frames, and so over
cities. Which images form a part is our choice, but for the test images.
"""

from __future__ import annotations

from pathlib import Path

from moo_fs.contracts import MooFsError
from moo_fs.split import Part, SplitModel
from moo_fs.subjects import cityscapes_data, cityscapes_network, data_folder
from moo_fs.subjects.cityscapes_data import Frame


def cityscapes(
    device: str = "cpu",
    *,
    variant: str = "256",
    data: str = "",
    weights: str = "",
    height: int = cityscapes_data.HEIGHT,
    fit_images: int = 128,
    search_images: int = 32,
    test_images: int = 128,
) -> SplitModel:
    """The network of a variant ("256": features 256 x 16 x 32, "512": 512 x 8 x 16) with its three tasks.

    `weights` is a file of `moo-fs train cityscapes`; `data` the folder of Cityscapes ("": MOO_FS_DATA, or its subfolder
    `cityscapes`). Images are `height` x 2 `height` (256 as the authors', any multiple of 32) and are read in batches;
    an image's features and targets take some 4 MB of memory. Raises MooFsError if something is missing or not what it
    should be, and if a part is empty or larger than its images.
    """
    cityscapes_network.check_variant(variant)
    if not isinstance(height, int) or height < 1 or height % cityscapes_network.SIDES:
        raise MooFsError(f"subject 'cityscapes': height: wanted a multiple of {cityscapes_network.SIDES}, got {height}")
    folder = data_folder.find("cityscapes", named=data, inside="cityscapes", holds="Cityscapes")
    if not weights:
        raise MooFsError(
            "subject 'cityscapes': no network ships; train one with `moo-fs train cityscapes` and name its file with "
            "the option weights"
        )
    network = cityscapes_network.load(Path(weights), variant).to(device)
    sizes: dict[Part, int] = {"fit": fit_images, "search": search_images, "test": test_images}
    return SplitModel(
        name="cityscapes",
        edge=network.edge,
        heads=dict(network.heads.items()),
        tasks=cityscapes_network.TASKS,
        data=lambda part: cityscapes_data.batches(part_frames(folder, part, sizes[part]), height=height),
    )


def part_frames(folder: Path, part: Part, size: int) -> list[Frame]:
    """`size` frames of a part, spread evenly; raises MooFsError if there are fewer."""
    if part == "test":
        found = cityscapes_data.frames(folder, "val")
    else:
        trains, held = cityscapes_data.training_parts(folder)
        found = trains if part == "fit" else held
    if not 2 <= size <= len(found):
        raise MooFsError(
            f"subject 'cityscapes': {part}_images: wanted 2 to {len(found)}, the images there are, got {size}"
        )
    return cityscapes_data.spread(found, size)
