"""Generated images in CIFAR-10's files, a narrow VGG16 that knows nothing, and a search over how it is pruned."""

import json
from pathlib import Path

import numpy as np
import torch

from moo_fs.subjects import vgg16, weights_file

COUNT = 60
SEARCH = """
measures = ["random", "l1-norm-weights"]
optimisers = ["random", {{ name = "local-search", start = 4, batch = 4 }}, "tpe"]
seeds = 2
budget = 7
images = 20
damage_images = 20
search_images = 24
test_images = 16
published = "published"
"""


def make_data(folder: Path) -> Path:
    """Images and weights in `folder`, which is returned. They are read with `cifar10.PER_BATCH` = COUNT."""
    rng = np.random.default_rng(0)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        labels = rng.permutation(np.arange(COUNT) % 10).astype(np.uint8)
        rows = np.concatenate([labels[:, None], rng.integers(0, 256, (COUNT, 3072), dtype=np.uint8)], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    torch.manual_seed(0)
    weights_file.save(vgg16.vgg16(1 / 16), folder / "narrow.safetensors", about={"width": 1 / 16})
    return folder


def study_file(folder: Path, data: Path, search: str = SEARCH, more: str = "", name: str = "tiny") -> Path:
    """A study file in `folder`; `more` are further lines before [prune.search]."""
    folder.mkdir(exist_ok=True)
    subject = {"name": "vgg16-cifar10", "width": 1 / 16, "weights": str(data / "narrow.safetensors"), "data": str(data)}
    said = ", ".join(f"{key} = {json.dumps(value)}" for key, value in subject.items())
    head = f'name = "{name}"\nquestion = "?"\nsubject = {{ {said} }}\nobjectives = ["parameters", "flops", "error"]\n'
    path = folder / f"{name}.toml"
    path.write_text(f"{head}{more}\n[prune.search]\n{search.replace('{{', '{').replace('}}', '}')}")
    return path
