"""The subject `camvid`: a three-task network on real driving frames of 96 x 128, cut after 64 channels of 24 x 32.

The data are the user's to name (`camvid_data` says how they lie) and so are the weights: CamVid is for research that
earns no money, so nothing made from it ships. `moo-fs train camvid --data FOLDER` trains the network on one core in
about an hour, on the 367 training frames only. Fit and search frames are the two halves of the 101 validation frames,
in the order of their names, so that video frames that lie side by side straddle one border only; test frames are the
233 of the usual split.

Tasks: `segmentation` (11 classes), `boundary` (`boundaries`: signed distance in pixels to the nearest boundary of two
classes, positive inside things and negative inside stuff, clipped to 16) and `reconstruction`. The network, the size,
the boundary task and the use of the validation frames are our choice.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from moo_fs.contracts import MooFsError
from moo_fs.split import Pair, Part, SplitModel
from moo_fs.subjects import camvid_data, camvid_training, data_folder, network, weights_file

INSIDE = "camvid"
WEIGHTS = "camvid-0.safetensors"


def camvid(
    device: str = "cpu",
    *,
    data: str = "",
    weights: str = "",
    fit_images: int = 50,
    search_images: int = 25,
    test_images: int = 117,
) -> SplitModel:
    """The trained network with so many frames in the three parts, spread evenly over the frames of each part.

    `data` is the folder of CamVid ("": the environment variable MOO_FS_DATA; its subfolder `camvid` if there is one),
    `weights` a file of `moo-fs train camvid` ("": `camvid-0.safetensors` in the folder of the data). Raises MooFsError
    if either is missing or not what it should be, and if a part is too small or larger than its frames.
    """
    folder = data_folder.find("camvid", named=data, inside=INSIDE, holds="CamVid")
    path = Path(weights) if weights else folder / WEIGHTS
    whole = network.Whole(camvid_training.CLASSES, camvid_training.BOUNDARY)
    command = f"moo-fs train camvid --data {folder} --out {path.parent}"
    weights_file.load(whole, path, command=command)
    whole.to(device)
    sizes: dict[Part, int] = {"fit": fit_images, "search": search_images, "test": test_images}
    return SplitModel(
        name="camvid",
        edge=whole.edge,
        heads=dict(whole.heads.items()),
        tasks=camvid_training.TASKS,
        data=lambda part: part_data(folder, part, sizes[part]),
    )


def part_data(folder: Path, part: Part, size: int) -> Pair:
    """`size` frames of a part, spread evenly: images (frame, 3, 96, 128) in [0, 1] and targets."""
    frames = part_frames(folder, part)
    count = len(frames.names)
    if not 2 <= size <= count:
        raise MooFsError(
            f"subject 'camvid': {part}_images: wanted 2 to {count}, the frames there are in {folder}, got {size}"
        )
    chosen = ((np.arange(size) + 0.5) * count / size).astype(np.int64)
    return camvid_training.targets_of(camvid_data.take(frames, chosen))


def part_frames(folder: Path, part: Part) -> camvid_data.Frames:
    """All frames of a part in the order of their names: halves of `val` for fit and search, `test`."""
    frames = _loaded(folder, "test" if part == "test" else "val")
    every, half = np.arange(len(frames.names)), len(frames.names) // 2
    return camvid_data.take(frames, {"fit": every[:half], "search": every[half:], "test": every}[part])


@lru_cache(maxsize=2)
def _loaded(folder: Path, split: camvid_data.Split) -> camvid_data.Frames:
    return camvid_data.load(folder, split)
