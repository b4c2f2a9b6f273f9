"""Simulated rollouts for the judge's tests: seeded, with the traffic and the rates that a test asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from deployments.analysis.judge import Interval, JudgePolicy, Observation, Side, State, start, update

Rng = np.random.Generator


def ratio(
    t: float, canary: tuple[float, float] | None, baseline: tuple[float, float] | None, metric: str = "m"
) -> Interval:
    """An interval of a bad-of-total metric: (bad, total) of each arm, None where nothing was observed."""
    sides = ((Side.CANARY, canary), (Side.BASELINE, baseline))
    return Interval(
        t=t,
        observations=tuple(
            Observation(metric=metric, side=side, bad=numbers[0], total=numbers[1])
            for side, numbers in sides
            if numbers is not None
        ),
    )


def gauge(t: float, canary: float | None, baseline: float | None, metric: str = "m") -> Interval:
    """An interval of a gauge."""
    sides = ((Side.CANARY, canary), (Side.BASELINE, baseline))
    return Interval(
        t=t,
        observations=tuple(
            Observation(metric=metric, side=side, value=value) for side, value in sides if value is not None
        ),
    )


def counts(t: float, canary: float | None, baseline: float | None, share: float | None, metric: str = "m") -> Interval:
    """An interval of a count without a total."""
    sides = ((Side.CANARY, canary), (Side.BASELINE, baseline))
    return Interval(
        t=t,
        share=share,
        observations=tuple(Observation(metric=metric, side=side, n=n) for side, n in sides if n is not None),
    )


def histogram(
    t: float, canary: Iterable[float] | None, baseline: Iterable[float] | None, metric: str = "m"
) -> Interval:
    """An interval of a histogram."""
    sides = ((Side.CANARY, canary), (Side.BASELINE, baseline))
    return Interval(
        t=t,
        observations=tuple(
            Observation(metric=metric, side=side, buckets=tuple(buckets))
            for side, buckets in sides
            if buckets is not None
        ),
    )


@dataclass(frozen=True)
class Traffic:
    """Requests per interval, the canary's share of them at each moment, and the baseline's rate at each moment."""

    requests: Callable[[int], float] = lambda _: 150.0
    share: Callable[[int], float] = lambda _: 0.1
    base: Callable[[int], float] = lambda _: 0.01
    history: int = 20

    def intervals(self, rng: Rng, length: int, canary: Callable[[float], float]) -> Iterator[Interval]:
        """History and then `length` intervals; `canary` makes the canary's rate out of the baseline's."""
        for t in range(-self.history, length):
            requests = int(rng.poisson(self.requests(t)))
            base = self.base(t)
            if t < 0:
                yield ratio(t, None, (int(rng.binomial(requests, base)), requests))
                continue
            mine = int(rng.binomial(requests, self.share(t)))
            bad = int(rng.binomial(mine, canary(base)))
            beside = int(rng.binomial(requests - mine, base))
            yield ratio(t, (bad, mine), (beside, requests - mine))


def follow(policy: JudgePolicy, intervals: Iterable[Interval], metric: str = "m") -> State:
    """The state after the intervals, or as soon as harm is proven."""
    state = start(policy)
    for interval in intervals:
        state = update(state, interval)
        if state.tracks[metric].harm_at is not None:
            break
    return state


def feed(policy: JudgePolicy, intervals: Iterable[Interval]) -> State:
    """The state after all intervals."""
    state = start(policy)
    for interval in intervals:
        state = update(state, interval)
    return state
