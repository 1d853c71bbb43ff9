"""Randomness has an address: a draw added in one stage moves no other stage."""

from __future__ import annotations

import hashlib

import numpy as np


def words(*parts: object) -> list[int]:
    """Eight 32-bit words of the SHA-256 of the parts: the same on every machine and in every process."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return [int.from_bytes(digest[at : at + 4], "little") for at in range(0, 32, 4)]


def stream(seed: int, *purpose: object) -> np.random.Generator:
    """The random stream of one purpose under one seed.

    >>> bool(stream(0, "scores").random() == stream(0, "scores").random())
    True
    >>> bool(stream(0, "scores").random() == stream(0, "search").random())
    False
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words(seed, *purpose))))
