"""Benchmarks: each module's `rows()` measures both sides alternately in one process and returns medians and ratios."""

BENCHES = ("engine", "mi", "store", "fronts", "renyi", "prune")
