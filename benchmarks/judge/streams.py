"""Simulated rollouts as arrays: what both arms did, rollouts by intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
HISTORY = 5
BURST = 5.0  # by how much the rate of errors goes up in a burst, in both arms


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
    """Canary: `a` of `m`, baseline: `b` of `n`; the first `HISTORY` intervals have no canary (its total is 0).

    `share`: the canary's part of the traffic in each interval, as it was set.
    """

    m: Array
    n: Array
    a: Array
    b: Array
    share: Array


@dataclass(frozen=True)
class Histograms:
    """Events per bucket of both arms: rollouts by intervals by buckets."""

    canary: Array
    baseline: Array


def simulate(
    cell: Cell, rollouts: int, seed: int, canary: Callable[[Array], Array], history: int = HISTORY
) -> Rollouts:
    """`canary` makes the canary's rates out of the baseline's."""
    rng = np.random.default_rng(seed)
    m, n, share, change = _traffic(cell, rollouts, rng, history)
    base = np.minimum(cell.base * change, 0.45)
    return Rollouts(m, n, rng.binomial(m, np.clip(canary(base), 0.0, 1.0)), rng.binomial(n, base), share)


def simulate_histograms(
    cell: Cell, rollouts: int, seed: int, tails: tuple[float, ...], canary: Callable[[Array], Array]
) -> Histograms:
    """`tails`: the parts of the baseline's events beyond each edge but the first, falling; all grow in a burst.

    `canary` makes the canary's tails out of the baseline's.
    """
    rng = np.random.default_rng(seed)
    m, n, _, change = _traffic(cell, rollouts, rng, HISTORY)
    beyond = np.array(tails)[None, None, :] * np.minimum(change, 1.3)[:, :, None]
    return Histograms(_buckets(rng, m, canary(beyond)), _buckets(rng, n, beyond))


def _traffic(cell: Cell, rollouts: int, rng: np.random.Generator, history: int) -> tuple[Array, Array, Array, Array]:
    """Requests of both arms, the canary's share of them, and the factor on the rate of errors, all by interval."""
    length = history + cell.intervals
    shape = (rollouts, length)
    wave = np.sin(np.arange(length) * 2.0 * math.pi / 60.0)[None, :]
    mean, change = np.full(shape, cell.requests), np.ones(shape)
    if cell.traffic == "daily":
        mean, change = mean * (1.0 + 0.9 * wave), change * (1.0 - 0.5 * wave)
    if cell.traffic == "bursty":
        mean = mean * np.where(rng.random(shape) < 0.1, 8.0, 0.5)
        change = np.where(rng.random(shape) < 0.05, BURST, 1.0)
    share = np.full(length, cell.share)
    if cell.moves:
        share[history + cell.intervals // 2 :] = min(3.0 * cell.share, 0.5) if cell.share < 0.5 else 0.1
    share[:history] = 0.0
    requests = rng.poisson(mean)
    m = rng.binomial(requests, np.broadcast_to(share, shape))
    return m, requests - m, share, change


def _buckets(rng: np.random.Generator, events: Array, beyond: Array) -> Array:
    """Events per bucket by conditional binomials, the highest bucket first."""
    left, before, found = events, np.ones_like(beyond[:, :, 0]), []
    for edge in range(beyond.shape[2]):
        more = rng.binomial(left, np.clip(beyond[:, :, edge] / before, 0.0, 1.0))
        found.append(left - more)
        left, before = more, beyond[:, :, edge]
    return np.stack([*found, left], axis=2)
