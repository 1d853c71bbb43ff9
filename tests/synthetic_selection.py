"""Archives of selection studies made up by a test, so that what they say is known beforehand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from moo_fs.selection_archive import SelectionResults

TASKS = {"segmentation": "classes", "depth": "values", "reconstruction": "image"}
BYTES = np.array([100.0, 1000.0, 10000.0])
PIXELS, IMAGES = 10, 4
FALLING = np.array([[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])  # (point, task), a line over the log bytes


def point(subject, method, distortions, size, **labels):
    """A row: loss = 1 + distortion for every task, in each image alike but for a `spread`; metrics follow from it."""
    row = {"subject": subject, "seed": 0, "measure": "none", "task_weights": "none", "method": method, "fill": "mean"}
    row |= {"kept": 1, "base_share": np.nan, "base_qp": None, "qp": None, "codec": "ans", "setting": 8.0} | labels
    row |= {"rate_kbit": size / 125, "coded_bytes": size}
    row |= {f"distortion_{task}": value for task, value in zip(TASKS, distortions, strict=True)}
    seen, off, noise = distortions
    row |= {"segmentation_miou": 0.8 * (1 - seen / 2), "depth_rmse": 1 + off}
    return row | {"reconstruction_psnr_db": -10 * np.log10(1 + 3 * noise)}


def curve(subject, method, distortions, sizes=BYTES, **labels):
    return [point(subject, method, *one, **labels) for one in zip(distortions, sizes, strict=True)]


def study(curves, *, subjects=3, seeds=4, scores=None, **settings):
    """Results of `curves(subject, seed)`, the two ends beside them, held in memory; `settings` of the study file."""
    labels = [f"net[draw={at}]" for at in range(subjects)]
    rows = []
    for subject, seed in itertools.product(labels, range(seeds)):
        if seed == 0:
            rows.append(point(subject, "uncompressed", np.zeros(3), np.nan))
            rows.append(point(subject, "nothing", np.ones(3), 16.0))
        rows += [{**row, "seed": seed} for row in curves(subject, seed) if row["measure"] != "none" or seed == 0]
    frame = pd.DataFrame(rows)
    about = [{"name": task, "kind": kind} for task, kind in TASKS.items()]
    clean = {"segmentation_miou": 0.8, "depth_rmse": 1.0, "reconstruction_psnr_db": 0.0}
    told = {"tasks": about, "test_images": IMAGES, "uncompressed": clean}
    common = {"seeds": seeds, "fills": ["mean", "zero"], "codecs": ["ans"]}
    archived = {
        "subjects": [{"label": label, **told} for label in labels],
        "specification": {"selection": common | settings},
        "files": {},
    }
    return SelectionResults(Path(), archived, frame, losses_of(frame), pd.DataFrame(scores or []))


def losses_of(frame):
    rows = []
    for (at, row), (task, kind) in itertools.product(frame.iterrows(), TASKS.items()):
        loss = 1 + row[f"distortion_{task}"]
        apart = np.nan_to_num(row.get("spread", 0.0)) * (loss - 1) * np.array([-1.0, 1.0, -0.5, 0.5])
        sums = np.float32(PIXELS * ((loss**2 if kind == "values" else loss) + apart))
        counts = np.full(IMAGES, PIXELS, np.float32).tobytes() if row["method"] == "uncompressed" else None
        rows.append({"row": at, "task": task, "losses": sums.tobytes(), "counts": counts})
    return pd.DataFrame(rows)


def by(measure, **labels):
    return {"measure": measure, "task_weights": "equal"} | labels


def two_measures(subject, seed):
    """`good` on a line from 1 to 0 over all bytes; `poor`, from 1000 bytes on, above it by .1 and .2."""
    worse = np.array([[0.6] * 3, [0.2] * 3])
    return curve(subject, "hard", FALLING, **by("good")) + curve(subject, "hard", worse, BYTES[1:], **by("poor"))
