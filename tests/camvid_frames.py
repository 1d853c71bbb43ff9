"""CamVid in small: frames, labels and names made here, in the two layouts in which the data lie."""

import numpy as np
from PIL import Image

from moo_fs.subjects import camvid_data

COUNTS = {"train": 5, "val": 7, "test": 6}


def made(split):
    """Frames (frame, 96, 128, 3) and labels with a tall region of unlabelled pixels, names in order."""
    rng = np.random.default_rng(len(split))
    count = COUNTS[split]
    coarse = rng.integers(0, 11, (count, 6, 8)).astype(np.uint8)
    labels = coarse.repeat(16, axis=1).repeat(16, axis=2)
    labels[:, :, :7] = camvid_data.UNLABELLED
    images = np.stack([labels * 20, 255 - labels * 20, labels * 5], axis=-1) + rng.integers(0, 5, (count, 96, 128, 3))
    return images.astype(np.uint8), labels, [f"seq_{k:03d}.png" for k in range(count)]


def packed(folder, splits=camvid_data.SPLITS):
    arrays = {}
    for split in splits:
        for key, array in zip(("image", "label", "name"), made(split), strict=True):
            arrays[f"{split}_{key}"] = np.array(array)
    np.savez(folder / camvid_data.PACKED, **arrays)
    return folder


def unpacked(folder):
    for split in camvid_data.SPLITS:
        images, labels, names = made(split)
        for kind, arrays in (("", images), ("annot", labels)):
            (folder / f"{split}{kind}").mkdir(parents=True)
            for name, array in zip(names, arrays, strict=True):
                Image.fromarray(array).save(folder / f"{split}{kind}" / name)
    return folder
