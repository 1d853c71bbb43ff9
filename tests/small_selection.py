"""A selection study that takes seconds: its file, and the user's own network beside it."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from moo_fs import scoring, selection_pieces
from moo_fs.selection_curves import Way

TASKS = ["segmentation", "depth", "reconstruction"]
METRICS = ["segmentation_miou", "segmentation_accuracy", "depth_rmse", "depth_relative_error", "reconstruction_psnr_db"]
IMAGES_OF_TEST = 7
OWN = """\
import torch
from tiny import tiny_model

def net(device, draw=0):
    model = tiny_model()
    with torch.no_grad():
        noise = torch.randn(model.edge.conv.weight.shape, generator=torch.Generator().manual_seed(draw))
        model.edge.conv.weight += 0.05 * draw * noise
    return model

def wrong(batch):
    raise KeyError("no such thing")
"""
GOOD = """\
name = "small"
question = "Which order?"
subject = ["own.py:net", {name = "own.py:net", draw = 1}]

[selection]
methods = ["hard", "soft"]
measures = ["random", "l2-norm"]
task_weights = ["equal", "each"]
kept = [0.5, 1.0]
fills = ["mean", "zero"]
bases = [0.5]
qps = [30]
one_qps = [20, 40]
rivals = ["one-qp"]
seeds = 2
"""
HARD = Way("hard", "l2-norm", fixed=(("fill", "zero"), ("codec", "ans")))
PIECES = 2 * (2 + 2 * 2)  # subjects x (ends, one rival, blocks x measures)
ROWS_OF_A_MEASURE = 2 * 2 + 3 * 2 + 2  # shares x fills; each task alone under the first fill; soft, and it dropped


def write(folder: Path, text: str = GOOD, stem: str = "small") -> Path:
    path = folder / "studies" / f"{stem}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    (path.parent / "own.py").write_text(OWN)
    shutil.copy(Path(__file__).parent / "tiny.py", path.parent)
    return path


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@contextlib.contextmanager
def quick():
    """What survives a power cut is tested elsewhere, and seconds are no part of what is equal: all are 0."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        for module in (scoring, selection_pieces):
            patch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: 0.0))
        yield
