"""A subject as a problem for a user's own loop: in pymoo, in Optuna, or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
import pymoo.core.problem

from moo_fs import api
from moo_fs.contracts import MAX_BITS, Bits, Floats, MooFsError, bits_array, did_you_mean
from moo_fs.loading import Subject, load_subject
from moo_fs.optimisers.parameters import Decoding
from moo_fs.prepared import Prepared, Problem

ENCODINGS = ("decoding", "bits")


class OpenProblem(Problem):
    """A subject's search part as a problem: `evaluate(bits)`, `space`, and the forms that libraries want.

    `evaluate` takes bits (allocation, channel), 0 to 8, and gives objectives (allocation, objective): the rate in kbit
    per image, then the distortion of each task, all to be minimised. What was evaluated once is remembered.
    `prepared` may be given to `moo_fs.evaluate`, which knows the test part. A subject with groups is searched by group,
    in all forms: then `space` is theirs, and bits (allocation, group) are spread over the channels by `spread`.
    """

    def evaluate(self, bits: Bits) -> Floats:
        """See the class."""
        return super().evaluate(self.spread(bits))

    def spread(self, bits: Bits) -> Bits:
        """Bits (allocation, channel) of what is searched: the same without groups."""
        groups = self.prepared.groups
        return bits if groups is None else groups.spread(bits_array(bits, channels=groups.count))

    def as_pymoo(self) -> pymoo.core.problem.Problem:
        """A vectorised `pymoo` problem with one integer variable a channel (or group), 0 to 8.

        pymoo's own operators need `repair=RoundingRepair()`, on sampling as well; what is not whole is rounded here.
        """
        return _PymooProblem(self)

    def as_optuna(self, encoding: str = "decoding") -> OptunaObjective:
        """An objective for `optuna.Study.optimize`; its `directions` are what `optuna.create_study` wants.

        `encoding`: "decoding" suggests task weights, lambda and gamma, from which the bits are decoded by the scores
        (channels count alike without a measure); "bits" suggests one integer a channel (or group), which grows slow
        with many.
        """
        return OptunaObjective(self, encoding)


class _PymooProblem(pymoo.core.problem.Problem):  # type: ignore[misc]
    def __init__(self, problem: OpenProblem) -> None:
        space = problem.space
        super().__init__(n_var=space.channels, n_obj=len(space.objectives), xl=0, xu=MAX_BITS, vtype=int)
        self.own = problem

    def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        out["F"] = self.own.evaluate(np.rint(np.asarray(x, dtype=np.float64)).astype(np.int8))


class OptunaObjective:
    """Called with a trial, it suggests, evaluates and returns one value an objective.

    The allocation is kept as the trial's user attribute `bits`, one digit a channel.
    """

    def __init__(self, problem: OpenProblem, encoding: str = "decoding") -> None:
        if encoding not in ENCODINGS:
            raise MooFsError(f"as_optuna: encoding: no '{encoding}'{did_you_mean(encoding, ENCODINGS)}")
        self.problem, self.encoding = problem, encoding
        self._decoding = Decoding(problem.space)

    @property
    def directions(self) -> list[str]:
        """All objectives are minimised."""
        return ["minimize"] * len(self.problem.space.objectives)

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """The objectives of what is suggested in `trial`."""
        bits = self._suggested(trial)
        trial.set_user_attr("bits", "".join(map(str, self.problem.spread(bits)[0])))
        return tuple(float(value) for value in self.problem.evaluate(bits)[0])

    def _suggested(self, trial: optuna.Trial) -> Bits:
        if self.encoding == "bits":
            channels = self.problem.space.channels
            kind = "channel" if self.problem.prepared.groups is None else "group"
            row = [trial.suggest_int(f"{kind}_{at}", 0, MAX_BITS) for at in range(channels)]
            return np.array([row], dtype=np.int8)
        ranges = self._decoding.distributions.items()
        return self._decoding.decode(
            [{name: trial.suggest_float(name, one.low, one.high, log=one.log) for name, one in ranges}]
        )


def problem(
    subject: Subject | Prepared,
    *,
    measure: str | Any | None = None,
    objectives: tuple[str, ...] | list[str] | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> OpenProblem:
    """The search part of a subject as a problem for your own loop.

    `measure` (a name, "file.py:function", or a function) gives the scores that decoding uses, drawn in block `seed`;
    `objectives` is "rate" and some of the tasks (default: all); `options` are the subject's, as in a study file. Raises
    MooFsError if one of them does not exist.
    """
    prepared = subject if isinstance(subject, Prepared) else load_subject(subject, options=options, device=device)
    wanted = tuple(objectives or prepared.objectives)
    if len(wanted) < 2 or wanted[0] != "rate" or len(set(wanted)) < len(wanted):
        raise MooFsError(f'objectives: wanted "rate" first, then different names of tasks, got {list(wanted)}')
    for name in wanted[1:]:
        if name not in prepared.objectives[1:]:
            raise MooFsError(f"objectives: no task '{name}'{did_you_mean(name, prepared.objectives[1:])}")
    scores = None
    if measure is not None:
        frame = api.scores(prepared, measure, seed=seed)
        scores = np.stack([frame.loc[frame["task"] == task, "score"].to_numpy() for task in wanted[1:]], axis=1)
    return OpenProblem(prepared, prepared.searched(scores, wanted))
