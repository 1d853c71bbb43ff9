"""A seeded, resumable training loop, and its usual recipe: AdamW, warm-up, constant rate, linear decay to zero.

The loss of step n depends on n alone (it draws its batch from a stream with that address), so a run that was killed
and resumed ends with the same weights as one that was not (on one machine, with one number of threads).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from moo_fs.contracts import MooFsError, RunError
from moo_fs.seeds import stream


class Plan(Protocol):
    """What the loop asks of a recipe."""

    @property
    def steps(self) -> int:
        """How many steps the whole training has."""

    @property
    def clip(self) -> float:
        """The largest norm of a gradient; infinite for no limit."""

    def rate_at(self, step: int) -> float:
        """The learning rate of step `step` (0..steps - 1)."""

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """A fresh optimiser of the model's parameters."""


@dataclass(frozen=True)
class Recipe:
    """What a training run is: `steps` of AdamW at `rate`, the last `decay` share of them falling linearly to zero."""

    steps: int
    rate: float = 3e-3
    warmup: int = 300
    decay: float = 0.4
    weight_decay: float = 1e-4
    clip: float = 1.0

    def rate_at(self, step: int) -> float:
        """The learning rate of step `step` (0..steps - 1)."""
        down = (self.steps - step) / max(1.0, self.decay * self.steps)
        return self.rate * min(1.0, (step + 1) / self.warmup, down)

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW with weight decay on every parameter."""
        return torch.optim.AdamW(model.parameters(), lr=self.rate, weight_decay=self.weight_decay)


class Epochs:
    """Which samples a step sees: all of them once an epoch, in the order of the stream (seed, subject, "epoch", n).

    An incomplete last batch is left out.
    """

    def __init__(self, samples: int, size: int, *, seed: int, subject: str) -> None:
        self.samples, self.size = samples, min(size, samples)
        self._address = (seed, subject, "epoch")
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    @property
    def steps(self) -> int:
        """How many steps an epoch has."""
        return self.samples // self.size

    def picks(self, step: int) -> NDArray[np.int64]:
        """Indices (sample,) of a step, whichever was asked for before."""
        epoch, place = divmod(step, self.steps)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, stream(*self._address, epoch).permutation(self.samples)
        return self._order[place * self.size : (place + 1) * self.size]


def fit(
    model: nn.Module,
    loss_of_step: Callable[[int], Tensor],
    recipe: Plan,
    *,
    checkpoint: Path,
    every: int = 250,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train `model` in place; resumes from `checkpoint` if it exists and writes it every `every` steps and at the end.

    Raises MooFsError if the checkpoint is of another network, RunError if the loss is not finite.
    """
    optimiser = recipe.optimiser(model)
    start = load_checkpoint(model, optimiser, checkpoint) if checkpoint.exists() else 0
    model.train()
    for step in range(start, recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate_at(step)
        loss = loss_of_step(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimiser.step()
        report(step + 1, float(loss.detach()))
        if (step + 1) % every == 0 or step + 1 == recipe.steps:
            if not torch.isfinite(loss):
                raise RunError(f"training: the loss of step {step} is not finite; the last checkpoint is {checkpoint}")
            save_checkpoint(model, optimiser, checkpoint, step=step + 1)
    model.eval()


def save_checkpoint(model: nn.Module, optimiser: torch.optim.Optimizer, path: Path, *, step: int) -> None:
    """Weights and optimiser state in one safetensors file, replaced atomically."""
    tensors = {f"model.{name}": value.detach().contiguous().clone() for name, value in model.state_dict().items()}
    for name, parameter in _named(model):
        for key, value in optimiser.state[parameter].items():
            tensors[f"optimiser.{key}.{name}"] = value.detach().contiguous().clone()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"step": json.dumps(step)})
    partial.replace(path)


def load_checkpoint(model: nn.Module, optimiser: torch.optim.Optimizer, path: Path) -> int:
    """Restore what `save_checkpoint` wrote; returns the number of steps done."""
    try:
        with safe_open(path, "pt") as file:
            step = int(json.loads((file.metadata() or {})["step"]))
        tensors = load_file(path)
        model.load_state_dict({k[6:]: v for k, v in tensors.items() if k.startswith("model.")})
        for name, parameter in _named(model):
            ends = f".{name}"
            optimiser.state[parameter] = {
                key[len("optimiser.") : -len(ends)]: value.to(parameter.device if value.ndim else "cpu")
                for key, value in tensors.items()
                if key.startswith("optimiser.") and key.endswith(ends) and key.count(".") == ends.count(".") + 1
            }
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise MooFsError(f"{path}: not a checkpoint of this network; move it away to start anew") from error
    return step


def _named(model: nn.Module) -> Iterable[tuple[str, nn.Parameter]]:
    return ((name, value) for name, value in model.named_parameters() if value.requires_grad)
