"""Simulated rollouts as arrays: requests and bad ones of both arms, rollouts by intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
HISTORY = 5


@dataclass(frozen=True)
class Cell:
    """One kind of rollout. `traffic`: constant, daily or bursty; `moves`: the weight changes half-way."""

    share: float
    base: float
    traffic: str = "constant"
    moves: bool = False
    requests: float = 1500.0
    intervals: int = 60


@dataclass(frozen=True)
class Rollouts:
    """Canary: `a` of `m`, baseline: `b` of `n`; the first `HISTORY` intervals have no canary (its total is 0)."""

    m: Array
    n: Array
    a: Array
    b: Array


def simulate(
    cell: Cell, rollouts: int, seed: int, canary: Callable[[Array], Array], history: int = HISTORY
) -> Rollouts:
    """`canary` makes the canary's rates out of the baseline's."""
    rng = np.random.default_rng(seed)
    length = history + cell.intervals
    shape = (rollouts, length)
    wave = np.sin(np.arange(length) * 2.0 * math.pi / 60.0)[None, :]
    mean, base = np.full(shape, cell.requests), np.full(shape, cell.base)
    if cell.traffic == "daily":
        mean, base = mean * (1.0 + 0.9 * wave), base * (1.0 - 0.5 * wave)
    if cell.traffic == "bursty":
        mean = mean * np.where(rng.random(shape) < 0.1, 8.0, 0.5)
        base = np.minimum(base * np.where(rng.random(shape) < 0.05, 5.0, 1.0), 0.45)
    share = np.full(length, cell.share)
    if cell.moves:
        share[history + cell.intervals // 2 :] = min(3.0 * cell.share, 0.5) if cell.share < 0.5 else 0.1
    share[:history] = 0.0
    requests = rng.poisson(mean)
    m = rng.binomial(requests, np.broadcast_to(share, shape))
    n = requests - m
    return Rollouts(m, n, rng.binomial(m, np.clip(canary(base), 0.0, 1.0)), rng.binomial(n, base))
