"""Tasks of a split network: what their outputs mean, how loss is counted and which metrics are reported."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch

from moo_fs.contracts import MooFsError

Kind = Literal["classes", "values", "image", "custom"]
IGNORED = 255
RESERVED = frozenset({"rate", "run", "seed", "trial", "bits", "seconds", "measure", "optimiser"})
LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
MetricFunction = Callable[[torch.Tensor, torch.Tensor], float]


@dataclass(frozen=True)
class Task:
    """One task that a server finishes.

    Kinds: `classes` (logits (sample, class[, H, W]), int64 labels (sample[, H, W]), 255 = ignored; cross-entropy),
    `values` ((sample[, H, W]), NaN = invalid; RMSE), `image` ((sample, 3, H, W) in [0, 1]; MSE). Any other task names
    its own `loss(output, target) -> (sample,)`, averaged over images, and `metrics`, each a function of the whole
    part's (output, target) that returns a number.
    """

    name: str
    kind: Kind | None = None
    classes: int | None = None
    loss: LossFunction | None = None
    metrics: dict[str, MetricFunction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (
            not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name)
            or self.name in RESERVED
            or self.name.endswith("_test")
        ):
            raise MooFsError(
                f"task '{self.name}': wanted an identifier that does not end in _test and is none of "
                f"{', '.join(sorted(RESERVED))}"
            )
        if (self.kind is None) == (self.loss is None):
            raise MooFsError(f"task '{self.name}': wanted either kind = 'classes', 'values' or 'image', or a loss")
        if self.kind is None:
            object.__setattr__(self, "kind", "custom")
        if self.kind not in ("classes", "values", "image", "custom"):
            raise MooFsError(f"task '{self.name}': no kind '{self.kind}'; known are classes, values, image")
        if (self.kind == "classes") != (self.classes is not None):
            raise MooFsError(f"task '{self.name}': wanted classes = N exactly for kind = 'classes'")
        if self.metrics and self.kind != "custom":
            raise MooFsError(f"task '{self.name}': metrics of kind '{self.kind}' are built in; drop metrics = ...")

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics reported in natural units."""
        built_in = {"classes": ("miou", "accuracy"), "values": ("rmse", "relative_error"), "image": ("psnr_db",)}
        return built_in.get(str(self.kind), tuple(self.metrics))
