"""The search algorithms that ship with the package, by name: each asks for allocations and is told objectives.

An optimiser is a class `X(problem, rng, **options)` with `ask() -> (batch, channel)` int8 bits and
`tell(bits, objectives (batch, objective))`. It never looks at a budget and is a function of its generator and of what
it was told, so a run is resumed by asking and telling again. Class attributes: `uses_scores` (whether importance scores
can change what it asks) and `encoding` ("bits", or "decoding": a few parameters decoded by the scores).
"""

from __future__ import annotations

from moo_fs import registry

BUILTIN = {
    "random": (
        "moo_fs.optimisers.sampling:Random",
        "allocations without any knowledge, at random levels of total bits",
    ),
    "nsga2": ("moo_fs.optimisers.genetic:Nsga2", "pymoo's NSGA-II on bits, seeded and guided by the scores"),
    "nsga3": ("moo_fs.optimisers.genetic:Nsga3", "pymoo's NSGA-III, with the start and moves of nsga2"),
    "sms-emoa": ("moo_fs.optimisers.genetic:SmsEmoa", "pymoo's SMS-EMOA, with the start and moves of nsga2"),
    "local-search": (
        "moo_fs.optimisers.local_search:LocalSearch",
        "steps, swaps and line crossover around the archive of non-dominated allocations",
    ),
    "sobol": ("moo_fs.optimisers.sampling:Sobol", "low-discrepancy points over task weights, lambda and gamma"),
    "sweep": (
        "moo_fs.optimisers.lattice:Sweep",
        "no search: a fixed lattice of task weights, rates and gamma, decoded",
    ),
    "rank-sweep": ("moo_fs.optimisers.lattice:RankSweep", "sweep with the scores replaced by their ranks in each task"),
    "optuna-nsga2": ("moo_fs.optimisers.bayesian:OptunaNsga2", "Optuna's NSGA-II on task weights, lambda and gamma"),
    "gp": (
        "moo_fs.optimisers.bayesian:Gp",
        "Gaussian processes on task weights, lambda and gamma; stops at 60 evaluations unless told otherwise",
    ),
    "tpe": ("moo_fs.optimisers.bayesian:Tpe", "Optuna's multivariate TPE on task weights, lambda and gamma"),
    "lagrangian": (
        "moo_fs.optimisers.lagrangian:Lagrangian",
        "sensitivities refitted to all evaluations, swept over task weights and lambda, with local moves",
    ),
}


def register() -> None:
    """Put the built-in optimisers into the registry; harmless when repeated."""
    registry.optimisers.add_all(BUILTIN)
