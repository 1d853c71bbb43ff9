"""A small archive that looks like a study's, from an additive model of channels: no network, no search, no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from moo_fs import archive
from moo_fs.results import front_of, summarise

ERROR = np.array([1, 0.275, 0.083, 0.023, 0.007, 0.002, 6e-4, 2e-4, 5e-5])
BITS_PER_VALUE = np.array([0, 0.9, 1.55, 2.3, 3.1, 3.95, 4.85, 5.8, 6.75])
HEADER = 0.128
KINDS = {"segmentation": "classes", "depth": "values", "reconstruction": "image"}
METRICS = {
    "classes": ["miou", "accuracy"],
    "values": ["rmse", "relative_error"],
    "image": ["psnr_db"],
    "custom": ["map"],
}
BEST = {
    "miou": (0.7, -0.6),
    "accuracy": (0.9, -0.5),
    "rmse": (0.1, 0.3),
    "relative_error": (0.2, 0.5),
    "psnr_db": (27, -14),
    "map": (0.5, -0.4),
}
SHOWN = [
    ("target", 0.0, 0),
    ("lagrangian", 2.9, 0.3),
    ("lagrangian", 5.6, 0.15),
    ("uniform 1 bit", 11.1, 0.05),
    ("uncompressed", np.nan, 0),
]
SKILL = {"random": 2.0, "nsga2": 0.5, "tpe": 0.7, "lagrangian": 0.15}


class Model:
    """Additive distortions and rates: the truth behind a synthetic archive; `noise` is the test part's difference."""

    def __init__(self, tasks: list[str], channels: int, rng: np.random.Generator) -> None:
        self.tasks = tasks
        weights = rng.lognormal(0, 1.3, (channels, len(tasks)))
        self.weights = weights / weights.sum(axis=0)
        self.width = rng.uniform(0.4, 1.6, channels)
        self.width *= 11 / (self.width.sum() * BITS_PER_VALUE[1])
        self.test_weights = self.weights * rng.lognormal(0, 0.05, self.weights.shape)
        self.deviation = rng.lognormal(0, 0.7, channels)

    def row(self, bits: np.ndarray, part: str) -> dict[str, float]:
        rate = HEADER + float((self.width * BITS_PER_VALUE[bits]).sum())
        return self._named(rate, ERROR[bits], part)

    def step_row(self, step: float, part: str) -> dict[str, float]:
        depth = np.log2(1 + self.deviation / step) * 0.9
        return self._named(HEADER + float((self.width * depth).sum()), 2.0 ** (-2.0 * depth), part)

    def _named(self, rate: float, error: np.ndarray, part: str) -> dict[str, float]:
        test = part == "test"
        distortion = ((self.test_weights if test else self.weights).T @ error) ** 1.3
        names = ["rate_kbit", *self.tasks]
        values = [rate * (1.01 if test else 1.0), *distortion]
        return {name + ("_test" if test else ""): float(f"{x:.6g}") for name, x in zip(names, values, strict=True)}

    def metrics(self, row: dict[str, float]) -> dict[str, float]:
        return {
            f"{task}_{metric}": BEST[metric][0] + BEST[metric][1] * row[f"{task}_test"]
            for task in self.tasks
            for metric in METRICS[KINDS.get(task, "custom")]
        }


def allocations_of(model: Model, optimiser: str, evaluations: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Distinct allocations near the additive optimum, the nearer the better the optimiser and the later the trial."""
    found: dict[bytes, np.ndarray] = {}
    channels = len(model.width)
    rates = model.width[:, None] * BITS_PER_VALUE
    while len(found) < evaluations:
        skill = SKILL.get(optimiser, 0.6) * (1.5 - len(found) / evaluations)
        weight = (model.weights @ rng.dirichlet(np.ones(len(model.tasks)))) * rng.lognormal(0, skill, channels)
        price = 10 ** rng.uniform(-3.2, -0.8)
        bits = np.argmin(weight[:, None] * ERROR + price * rates, axis=1).astype(np.int8)
        found.setdefault(bits.tobytes(), bits)
    return list(found.values())


def write_archive(
    folder: Path,
    *,
    measures: tuple[str, ...] = ("random", "l2-norm", "mutual-information", "sensitivity"),
    optimisers: tuple[str, ...] = ("nsga2", "tpe", "lagrangian"),
    seeds: int = 3,
    evaluations: int = 60,
    tasks: tuple[str, ...] = ("segmentation", "depth", "reconstruction"),
    channels: int = 24,
    steps: int = 12,
    pictures: bool = True,
    metrics: bool = True,
    scored: bool = True,
) -> Path:
    """Write the files of an archive into `folder` and return it; the same arguments give the same bytes."""
    rng = np.random.default_rng(7)
    model = Model(list(tasks), channels, rng)
    folder.mkdir(parents=True, exist_ok=True)
    objectives = ("rate", *tasks)
    two, one = (model.row(np.full(channels, depth), "search")["rate_kbit"] for depth in (2, 1))
    reference, corner = [two * 1.1] + [1.0] * len(tasks), [one] + [0.5] * len(tasks)
    trials, fronts = _runs(model, measures, optimisers, seeds, evaluations, metrics, rng)
    effort = _effort(trials, measures)
    summary = summarise(trials, fronts, objectives=objectives, reference=reference, corner=corner, effort=effort)
    frames = {"trials.parquet": trials, "fronts.parquet": fronts, "summary.csv": summary}
    frames["baselines.parquet"] = baselines_of(model, channels, steps, metrics)
    if scored:
        frames["scores.parquet"] = _scores(model, measures, seeds, rng)
    if pictures:
        frames["examples.parquet"] = examples_of(tasks, rng)
    study = _study(folder.name, objectives, channels, metrics, (measures, optimisers, seeds, evaluations))
    archive.write_archive(folder, frames, study | {"reference": reference, "corner": corner}, source="1" * 64)
    return folder


def _runs(model, measures, optimisers, seeds, evaluations, metrics, rng):
    trials, fronts = [], []
    for seed in range(seeds):
        for optimiser in optimisers:
            for measure in measures:
                run = hashlib.sha256(f"{measure} {optimiser} {seed}".encode()).hexdigest()[:12]
                bits = allocations_of(model, optimiser, evaluations, rng)
                rows = [
                    {"run": run, "measure": measure, "optimiser": optimiser, "seed": seed, "trial": at}
                    | {"bits": one.tobytes()} | model.row(one, "search") | {"seconds": 0.01}
                    for at, one in enumerate(bits)
                ]  # fmt: skip
                trials.append(pd.DataFrame(rows))
                front = front_of(trials[-1], ("rate", *model.tasks))
                fronts.append(_with_test(model, front, metrics))
    return pd.concat(trials, ignore_index=True), pd.concat(fronts, ignore_index=True)


def _with_test(model: Model, front: pd.DataFrame, metrics: bool) -> pd.DataFrame:
    rows = [model.row(np.frombuffer(bits, np.int8), "test") for bits in front["bits"]]
    return front.join(pd.DataFrame([row | (model.metrics(row) if metrics else {}) for row in rows]))


def _effort(trials: pd.DataFrame, measures: tuple[str, ...]) -> pd.DataFrame:
    runs = trials[["run", "measure", "seed"]].drop_duplicates("run")
    charged = (runs["measure"] == "sensitivity").astype(float)
    return pd.DataFrame(
        {"run": runs["run"], "repeats": 5 + runs["seed"], "scoring_evaluations": charged * 12.5}
        | {"scoring_seconds": 0.2 + charged * 3, "seconds": 4.0}
    )


def baselines_of(model: Model, channels: int, steps: int, metrics: bool) -> pd.DataFrame:
    rows = []
    for depth in range(1, 9):
        bits = np.full(channels, depth)
        rows.append(
            {"baseline": "uniform", "setting": float(depth)} | model.row(bits, "search") | model.row(bits, "test")
        )
    for step in np.geomspace(8, 0.02, steps) if steps else []:
        both = model.step_row(step, "search") | model.step_row(step, "test")
        rows.append({"baseline": "uniform-step", "setting": float(step)} | both)
    return pd.DataFrame([row | (model.metrics(row) if metrics else {}) for row in rows])


def _scores(model: Model, measures: tuple[str, ...], seeds: int, rng: np.random.Generator) -> pd.DataFrame:
    frames = []
    channels = len(model.width)
    for measure in measures:
        blur = {"sensitivity": 0.1, "random": 5.0}.get(measure, 0.8)
        for seed in range(seeds):
            for at, task in enumerate(model.tasks):
                score = model.weights[:, at] * rng.lognormal(0, blur, channels)
                labels = {"measure": measure, "seed": seed, "task": task, "channel": np.arange(channels)}
                cost = {"null": np.nan, "seconds": 0.2, "head_passes": 800.0 if measure == "sensitivity" else 0.0}
                frames.append(pd.DataFrame(labels | {"score": score} | cost))
    return pd.concat(frames, ignore_index=True)


def examples_of(tasks: tuple[str, ...], rng: np.random.Generator, size: int = 32) -> pd.DataFrame:
    """Pictures of two scenes at four rates: a disc before a ramp."""
    y, x = np.mgrid[:size, :size] / size
    rows = []
    for image in range(2):
        disc = (x - 0.4 - 0.2 * image) ** 2 + (y - 0.5) ** 2 < 0.06
        colour = np.stack([x, np.where(disc, 0.9, y), 1 - x], axis=-1)
        rows.append(_picture("input", 0.0, image, "input", "image", colour))
        for label, rate, noise in SHOWN:
            for task in tasks:
                kind = KINDS.get(task, "values")
                blurred = rng.normal(0, noise, (size, size))
                clean = {"classes": disc * 3.0, "values": np.where(disc, 0.3, 1 - y), "image": colour}[kind]
                noisy = clean + (blurred[..., None] if kind == "image" else blurred)
                rows.append(_picture(label, rate, image, task, kind, noisy))
    return pd.DataFrame(rows)


def _picture(label, rate, image, output, kind, values):
    if kind == "values":
        pixels = values.astype(np.float32)
    elif kind == "classes":
        pixels = np.clip(np.round(values), 0, 10).astype(np.uint8)
    else:
        pixels = np.clip(values * 255, 0, 255).astype(np.uint8)
    height, width = values.shape[:2]
    shape = {"height": height, "width": width, "channels": values.shape[2] if values.ndim == 3 else 1}
    found = {"label": label, "rate_kbit": rate, "image": image, "output": output, "kind": kind}
    return found | shape | {"pixels": pixels.tobytes()}


def _study(name, objectives, channels, metrics, grid):
    kinds = {task: KINDS.get(task, "custom") for task in objectives[1:]}
    tasks = [{"name": task, "kind": kind, "metrics": METRICS[kind] if metrics else []} for task, kind in kinds.items()]
    measures, optimisers, seeds, budget = grid
    crossed = {"measures": list(measures), "optimisers": list(optimisers), "seeds": seeds, "budget": budget}
    return {
        "name": name,
        "question": "Does the importance measure matter once the optimiser is good?",
        "specification": {"name": name, "subject": "synthetic", "objectives": list(objectives), "grid": crossed},
        "specification_hash": "0" * 64,
        "channels": channels,
        "tasks": tasks,
        "search_images": 64,
        "test_images": 128,
        "backend": "synthetic",
        "uncompressed": {one["name"]: {metric: BEST[metric][0] for metric in one["metrics"]} for one in tasks},
    }


if __name__ == "__main__":
    import sys

    write_archive(Path(sys.argv[1]))
