"""The analytic subject `linear-gaussian`: three additive tasks over Gaussian channels, nothing trained.

A task's output is a weighted sum of the channels. With independent channels and independent quantisation noise its
squared error is `sum_c a_tc error(c, bits_c)`, so tables of distortion are exact and the discrete front is known.
The rates are declared, not measured: as though a map had 16 x 16 positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from moo_fs.contracts import MAX_BITS, Floats, MooFsError, bits_array
from moo_fs.seeds import stream, words
from moo_fs.split import PARTS, Part
from moo_fs.tasks import Task

TASK_NAMES = ("a", "b", "c")
SIDE = 4
KBIT_PER_BIT = 0.256
TARGET_NOISE = 0.1


class LinearHead(nn.Module):
    """Features (sample, channel, 4, 4) to one value a position (sample, 4, 4): a weighted sum of the channels."""

    def __init__(self, weight: Floats) -> None:
        super().__init__()
        self.mix = nn.Conv2d(len(weight), 1, 1, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.from_numpy(weight).float()[None, :, None, None])

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        mixed: Tensor = self.mix(features)
        return mixed[:, 0]


@dataclass(frozen=True)
class AnalyticModel:
    """A subject whose distortions are formulas. Stands beside `SplitModel` wherever a subject is evaluated.

    Attributes:
        name: what it is called.
        tasks: three tasks of kind `values`.
        heads: torch modules that agree with the tables, for measures that run heads.
        error: (channel, 9) relative squared error at each depth, 2^(-2 bits).
        rate: (channel, 9) kbit per image, concave in depth, without the header.
        weights: (task, channel) share of each channel in a task's distortion; each row sums to 1.
        variance: (channel,) of the feature maps.
        seed: of the tables, the maps and the noise.
        interactions: share of the distortion that only the loss of both channels of a pair causes, in [0, 1].
        noise: relative standard deviation of the search part's distortions, the same at every look at an allocation.
        samples: how many maps each part has.
    """

    name: str
    tasks: list[Task]
    heads: Mapping[str, nn.Module]
    error: Floats
    rate: Floats
    weights: Floats
    variance: Floats
    seed: int
    interactions: float
    noise: float
    samples: Mapping[Part, int]

    @property
    def task_names(self) -> tuple[str, ...]:
        """Names in the order of `tasks`."""
        return tuple(task.name for task in self.tasks)

    @property
    def channels(self) -> int:
        """How many channels there are."""
        return len(self.rate)

    def losses(self, bits: ArrayLike, part: Part = "search") -> Floats:
        """Distortions (allocation, task) of allocations (allocation, channel): nothing sent is 1, exact features 0.

        `sum_c a_tc e_c`, and with interactions k: `(1 - k) sum_c a_tc e_c + k sum_c q_tc e_c e_next(c)`, where `q` is
        proportional to the geometric mean of the pair's weights. Noise acts on the search part alone.
        """
        rows = bits_array(bits, channels=self.channels)
        errors = self.error[np.arange(self.channels), rows]
        values = errors @ self.weights.T
        if self.interactions:
            pairs = np.sqrt(self.weights * np.roll(self.weights, -1, axis=1))
            pairs /= pairs.sum(axis=1, keepdims=True)
            together = (errors * np.roll(errors, -1, axis=1)) @ pairs.T
            values = (1.0 - self.interactions) * values + self.interactions * together
        if self.noise and part == "search":
            values = np.maximum(values * (1.0 + self.noise * self._deviates(rows)), 0.0)
        return np.asarray(values)

    def maps(self, part: Part) -> Tensor:
        """Independent Gaussian maps (sample, channel, 4, 4) float32 of mean 0 and the channels' variances."""
        rng = stream(self.seed, "linear-gaussian", "maps", part)
        maps = rng.standard_normal((self.samples[part], self.channels, SIDE, SIDE))
        return torch.from_numpy((maps * np.sqrt(self.variance)[:, None, None]).astype(np.float32))

    def targets(self, part: Part) -> dict[str, Tensor]:
        """Targets (sample, 4, 4) by task: the clean output and a tenth of its deviation as noise.

        The noise keeps gradients of the loss from being zero everywhere.
        """
        maps = self.maps(part)
        rng = stream(self.seed, "linear-gaussian", "targets", part)
        with torch.no_grad():
            clean = {name: head(maps) for name, head in self.heads.items()}
        return {
            name: output + TARGET_NOISE * torch.from_numpy(rng.standard_normal(output.shape).astype(np.float32))
            for name, output in clean.items()
        }

    def _deviates(self, rows: NDArray[np.int8]) -> Floats:
        """(allocation, task) uniform deviates of unit variance that depend on the allocation and the seed alone."""
        keys = stream(self.seed, "linear-gaussian", "noise").integers(1, 2**63, (self.channels, MAX_BITS + 1, 1))
        tables = (keys + np.arange(len(self.tasks)) * words("linear-gaussian")[0]).astype(np.uint64)
        state = np.bitwise_xor.reduce(_mixed(tables)[np.arange(self.channels), rows], axis=1)
        uniform = (_mixed(state) >> np.uint64(11)).astype(np.float64) / 2.0**53
        return np.asarray((uniform - 0.5) * np.sqrt(12.0))


def linear_gaussian(
    device: str = "cpu", *, channels: int = 24, seed: int = 0, interactions: float = 0.0, noise: float = 0.0
) -> AnalyticModel:
    """The analytic subject with tasks a, b and c: `D_t = sum_c a_tc 2^(-2 bits_c)`, rates concave in depth.

    Weights are log-normal, partly through the channel's variance, so that norms of the maps say something about all
    tasks and not everything about any. Raises MooFsError on impossible options.
    """
    for name, value, least, most in (
        ("channels", channels, 2, 4096),
        ("interactions", interactions, 0, 1),
        ("noise", noise, 0, 1),
    ):
        if not least <= value <= most:
            raise MooFsError(f"subject 'linear-gaussian': {name}: wanted {least} to {most}, got {value}")
    rng = stream(seed, "linear-gaussian", "tables")
    variance = np.exp(rng.normal(0.0, 1.0, channels))
    squared = np.exp(rng.normal(0.0, 1.2, (len(TASK_NAMES), channels))) * variance
    weights = squared / squared.sum(axis=1, keepdims=True)
    scale = KBIT_PER_BIT * np.exp(rng.normal(0.0, 0.3, channels))
    power = rng.uniform(0.75, 0.95, channels)
    depth = np.arange(MAX_BITS + 1.0)
    heads = {
        name: LinearHead(np.sqrt(row / variance)).to(device) for name, row in zip(TASK_NAMES, weights, strict=True)
    }
    return AnalyticModel(
        name="linear-gaussian",
        tasks=[Task(name, kind="values") for name in TASK_NAMES],
        heads=heads,
        error=np.tile(4.0**-depth, (channels, 1)),
        rate=scale[:, None] * depth ** power[:, None],
        weights=weights,
        variance=variance,
        seed=seed,
        interactions=float(interactions),
        noise=float(noise),
        samples=dict(zip(PARTS, (256, 32, 128), strict=True)),
    )


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators")."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))
