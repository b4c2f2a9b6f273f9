"""How soon a bad canary is aborted: 150 requests/s, 10 % of them to the canary, 1 % errors, looked at every second."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from deployments.analysis.judge import JudgePolicy, MetricPolicy, verdict
from gates.verdict import Outcome
from tests.deployments.analysis.judge.streams import Traffic, feed, follow

POLICY = JudgePolicy(metrics=(MetricPolicy(name="m"),))


@pytest.mark.parametrize(("rate", "within_s"), [(0.10, 3), (0.05, 7), (0.03, 19), (0.02, 63)])
def test_median_time_to_abort(rate: float, within_s: int) -> None:
    times = []
    for seed in range(101):
        intervals = Traffic().intervals(np.random.default_rng(seed), 300, lambda _: rate)
        at = follow(POLICY, intervals).tracks["m"].harm_at
        times.append(float("inf") if at is None else at + 1)  # the interval at 0 ends at 1 s
    assert statistics.median(times) <= within_s


def test_a_good_canary_passes_within_a_few_minutes() -> None:
    found = [
        verdict(feed(POLICY, Traffic().intervals(np.random.default_rng(seed), 240, lambda base: base)))
        for seed in range(40)
    ]
    assert sum(one.outcome is Outcome.PASS for one in found) >= 35


def test_two_arms_without_any_error_pass() -> None:
    traffic = Traffic(base=lambda _: 0.0)
    found = verdict(feed(POLICY, traffic.intervals(np.random.default_rng(1), 400, lambda base: base)))
    assert found.outcome is Outcome.PASS


def test_a_canary_that_turns_bad_late_is_still_seen_soon() -> None:
    """Money kept in cash and shared out anew: ten good minutes do not have to be made up for."""
    late = 600
    delays = []
    for seed in range(11):
        rng = np.random.default_rng(seed)
        good = list(Traffic().intervals(rng, late, lambda base: base))
        bad = Traffic(history=0).intervals(rng, 200, lambda _: 0.05)
        moved = [type(one)(t=one.t + late, observations=one.observations) for one in bad]
        at = feed(POLICY, [*good, *moved]).tracks["m"].harm_at
        delays.append(float("inf") if at is None else at - late)
    assert statistics.median(delays) <= 30


def test_zero_tolerance_sees_a_rate_from_nothing() -> None:
    traffic = Traffic(base=lambda _: 0.0)
    at = follow(POLICY, traffic.intervals(np.random.default_rng(1), 60, lambda _: 0.05)).tracks["m"].harm_at
    assert at is not None
    assert at < 10
