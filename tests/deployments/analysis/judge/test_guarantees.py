"""The chances that the judge promises, on simulated rollouts looked at after every interval. Seeded.

The counts that are allowed are the promised chance's own upper quantile (99.9 %), so that a judge that keeps its
promise by a hair passes, and one that breaks it clearly does not. `benchmarks/judge` measures the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from deployments.analysis.judge import Interval, JudgePolicy, Kind, MetricPolicy
from tests.deployments.analysis.judge.streams import Rng, Traffic, counts, feed, follow, gauge, histogram, ratio

ROLLOUTS = 120


def most(chance: float, rollouts: int) -> int:
    """The count that is exceeded with a chance of 0.1 % when each of the rollouts counts with `chance`."""
    below = 0.0
    for count in range(rollouts + 1):
        below += math.comb(rollouts, count) * chance**count * (1.0 - chance) ** (rollouts - count)
        if below >= 0.999:
            return count
    return rollouts


def only(kind: Kind = Kind.RATIO, **rules: Any) -> JudgePolicy:
    return JudgePolicy(metrics=(MetricPolicy(name="m", kind=kind, **rules),))


def failed(policy: JudgePolicy, stream: Callable[[Rng], Iterator[Interval]], rollouts: int = ROLLOUTS) -> int:
    found = (follow(policy, stream(np.random.default_rng(seed))) for seed in range(rollouts))
    return sum(state.tracks["m"].harm_at is not None for state in found)


CELLS = {
    "share 1 %": Traffic(share=lambda _: 0.01),
    "share 50 %, 30 % errors": Traffic(share=lambda _: 0.5, base=lambda _: 0.3),
    "rare errors": Traffic(requests=lambda _: 3000.0, base=lambda _: 1e-4),
    "daily traffic and errors": Traffic(
        requests=lambda t: 150.0 + 140.0 * math.sin(t / 9.0), base=lambda t: 0.02 + 0.019 * math.sin(t / 7.0)
    ),
    "bursts that hit both arms": Traffic(base=lambda t: 0.4 if t % 17 == 0 else 0.01),
    "weights change on the way": Traffic(share=lambda t: (0.05, 0.25, 0.5)[t // 20], base=lambda _: 0.05),
    "no history": Traffic(history=0, base=lambda _: 0.05),
}


@pytest.mark.parametrize("cell", CELLS)
def test_an_equal_canary_is_failed_at_most_alpha_times(cell: str) -> None:
    found = failed(only(), lambda rng: CELLS[cell].intervals(rng, 60, lambda base: base))
    assert found <= most(0.05, ROLLOUTS)


@pytest.mark.parametrize(
    ("rules", "canary"),
    [
        ({"max_ratio_increase": 0.2}, lambda base: 1.2 * base),
        ({"max_absolute_increase": 0.02}, lambda base: base + 0.02),
    ],
)
def test_a_canary_at_the_tolerance_is_failed_at_most_alpha_times(
    rules: dict[str, Any], canary: Callable[[float], float]
) -> None:
    traffic = Traffic(share=lambda _: 0.3, base=lambda t: 0.1 if t % 20 < 10 else 0.02)
    assert failed(only(**rules), lambda rng: traffic.intervals(rng, 60, canary)) <= most(0.05, ROLLOUTS)


def test_a_canary_at_the_margin_is_passed_at_most_beta_times() -> None:
    traffic = Traffic(share=lambda _: 0.3)
    policy = only(margin_ratio=1.0, margin_absolute=0.001)
    states = (
        feed(policy, traffic.intervals(np.random.default_rng(seed), 60, lambda base: 2.0 * base + 0.001))
        for seed in range(ROLLOUTS)
    )
    assert sum(state.tracks["m"].safety_at is not None for state in states) <= most(0.05, ROLLOUTS)


def test_counts_without_totals_hold_alpha_when_the_weight_changes() -> None:
    def stream(rng: Rng) -> Iterator[Interval]:
        for t in range(60):
            share = (0.05, 0.2, 0.5)[t // 20]
            yield counts(t, int(rng.poisson(20 * share)), int(rng.poisson(20 * (1 - share))), share)

    assert failed(only(Kind.COUNT), stream) <= most(0.05, ROLLOUTS)


def test_histograms_hold_alpha() -> None:
    cuts = np.array([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0])

    def stream(rng: Rng) -> Iterator[Interval]:
        for t in range(-5, 60):
            slow = 0.5 if t % 10 == 0 else 0.0  # both arms are slow at times
            both = [np.searchsorted(cuts, rng.lognormal(-3.0 + slow, 0.8, size)) for size in (15, 135)]
            canary, baseline = (np.bincount(one, minlength=8).tolist() for one in both)
            yield histogram(t, None if t < 0 else canary, baseline)

    assert failed(only(Kind.HISTOGRAM), stream) <= most(0.05, ROLLOUTS)


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.8])
def test_gauges_hold_alpha_though_neighbours_are_alike(alike: float) -> None:
    def stream(rng: Rng) -> Iterator[Interval]:
        x = y = 0.0
        for t in range(-60, 100):
            x, y = (alike * old + math.sqrt(1 - alike**2) * float(rng.normal()) for old in (x, y))
            level = 10.0 + 5.0 * math.sin(t / 5.0)
            yield gauge(t, None if t < 0 else level * math.exp(0.2 * x), level * math.exp(0.2 * y))

    assert failed(only(Kind.GAUGE), stream) <= most(0.05, ROLLOUTS)


@pytest.mark.parametrize("level", [0.0, -10.0, 3.0])
def test_gauges_around_and_below_zero_hold_beta(level: float) -> None:
    """The margin is a quarter of the baseline's size beyond it; choosing the moments at which it is positive would cheat."""

    def worse(value: float) -> float:
        return value + 0.25 * abs(value)

    def stream(rng: Rng) -> Iterator[Interval]:
        for t in range(-20, 60):
            x, y = (level + 5.0 * float(rng.normal()) for _ in range(2))
            yield gauge(t, None if t < 0 else worse(x), y)

    states = (feed(only(Kind.GAUGE), stream(np.random.default_rng(seed))) for seed in range(ROLLOUTS))
    assert sum(state.tracks["m"].safety_at is not None for state in states) <= most(0.05, ROLLOUTS)


def test_batch_runs_among_their_history_hold_alpha() -> None:
    def stream(rng: Rng) -> Iterator[Interval]:
        for t in range(-30, 10):
            value = float(rng.pareto(2.0))
            yield gauge(t, value if t >= 0 else None, value if t < 0 else None)

    assert failed(only(Kind.GAUGE), stream, 400) <= most(0.05, 400)


def test_alpha_is_shared_by_all_metrics() -> None:
    names = [f"m{number}" for number in range(5)]
    policy = JudgePolicy(metrics=tuple(MetricPolicy(name=name) for name in names))
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        intervals = []
        for t in range(40):
            parts = [
                ratio(t, (int(rng.binomial(40, 0.1)), 40), (int(rng.binomial(60, 0.1)), 60), name) for name in names
            ]
            intervals.append(Interval(t=t, observations=tuple(one for part in parts for one in part.observations)))
        tracks = feed(policy, intervals).tracks
        wrong += any(track.harm_at is not None for track in tracks.values())
    assert wrong <= most(0.05, 60)
