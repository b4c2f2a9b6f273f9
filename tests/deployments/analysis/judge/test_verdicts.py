"""What a verdict says: each kind of metric is failed and passed where it should be, and explains itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deployments.analysis.judge import (
    Evidence,
    Interval,
    JudgePolicy,
    Kind,
    MetricPolicy,
    Pairing,
    Side,
    Worse,
    default_policy,
    start,
    update,
    verdict,
)
from gates.verdict import Outcome
from tests.deployments.analysis.judge.streams import Rng, Traffic, counts, feed, gauge, histogram, ratio

CUTS = np.array([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0])


def judged(intervals: list[Interval], **rules: object) -> Evidence:
    policy = JudgePolicy(metrics=(MetricPolicy(name="m", **rules),))  # type: ignore[arg-type]
    return verdict(feed(policy, intervals)).metrics[0]


def latencies(rng: Rng, slower: float, length: int = 60) -> list[Interval]:
    intervals = []
    for t in range(-10, length):
        canary, baseline = (
            np.bincount(np.searchsorted(CUTS, factor * rng.lognormal(-3.0, 0.8, size)), minlength=8).tolist()
            for factor, size in ((slower, 50), (1.0, 450))
        )
        intervals.append(histogram(t, None if t < 0 else canary, baseline))
    return intervals


def events(rng: Rng, times: float) -> list[Interval]:
    share = [0.1, 0.3]
    return [
        counts(
            t,
            int(rng.poisson(30 * times * share[t // 30])),
            int(rng.poisson(30 * (1 - share[t // 30]))),
            share[t // 30],
        )
        for t in range(60)
    ]


def values(rng: Rng, times: float, length: int = 120) -> list[Interval]:
    return [
        gauge(t, None if t < 0 else 50 * times * math.exp(0.1 * rng.normal()), 50 * math.exp(0.1 * rng.normal()))
        for t in range(-60, length)
    ]


def runs(rng: Rng, times: float) -> list[Interval]:
    history = [gauge(t, None, 600 * math.exp(0.1 * rng.normal())) for t in range(-30, 0)]
    return history + [gauge(t, 600 * times * math.exp(0.1 * rng.normal()), None) for t in range(6)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("stream", "kind", "bad"),
    [(latencies, Kind.HISTOGRAM, 1.5), (events, Kind.COUNT, 3.0), (values, Kind.GAUGE, 1.3), (runs, Kind.GAUGE, 1.8)],
)
def test_each_kind_fails_the_bad_and_not_the_good(stream, kind: Kind, bad: float, seed: int) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(100 + seed)
    assert judged(stream(rng, bad), kind=kind).outcome is Outcome.FAIL
    good = judged(stream(rng, 0.9), kind=kind)
    assert good.outcome is Outcome.PASS
    assert good.cause is None


def test_fewer_rows_are_worse_where_lower_is_worse() -> None:
    rng = np.random.default_rng(1)
    assert judged(values(rng, 0.7), kind=Kind.GAUGE, worse=Worse.LOWER).outcome is Outcome.FAIL
    assert judged(values(rng, 1.3), kind=Kind.GAUGE, worse=Worse.LOWER).outcome is Outcome.PASS
    assert judged(runs(rng, 0.5), kind=Kind.GAUGE, worse=Worse.LOWER).outcome is Outcome.FAIL
    assert judged(runs(rng, 1.4), kind=Kind.GAUGE, worse=Worse.LOWER).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("rules", "rate", "outcome"),
    [
        ({}, 0.03, Outcome.FAIL),
        ({"max_ratio_increase": 2.5}, 0.03, Outcome.PASS),
        ({"max_absolute_increase": 0.03}, 0.03, Outcome.PASS),
        ({"max_absolute_increase": 0.01}, 0.08, Outcome.FAIL),
        ({"max_ratio_increase": 1.0}, 0.08, Outcome.FAIL),
    ],
)
def test_what_is_tolerated_is_not_failed(rules: dict[str, float], rate: float, outcome: Outcome) -> None:
    intervals = list(Traffic().intervals(np.random.default_rng(4), 400, lambda _: rate))
    assert judged(intervals, **rules).outcome is outcome


def test_a_tail_beyond_the_slo_is_all_that_counts_where_there_is_one() -> None:
    slow_below = [histogram(t, (10, 90, 0, 0), (90, 410, 0, 0) if t % 2 else (500, 0, 0, 0)) for t in range(80)]
    assert judged(slow_below, kind=Kind.HISTOGRAM, slo_index=2).outcome is Outcome.PASS
    slow_beyond = [histogram(t, (10, 80, 10, t % 2), (90, 400, 10, 0)) for t in range(80)]
    found = judged(slow_beyond, kind=Kind.HISTOGRAM, slo_index=2)
    assert found.outcome is Outcome.FAIL
    assert found.detail["edge"] == 2.0


def test_counts_take_their_share_from_another_metric() -> None:
    rng = np.random.default_rng(8)
    metrics = (
        MetricPolicy(name="requests"),
        MetricPolicy(name="timeouts", kind=Kind.COUNT, share_from="requests"),
    )
    intervals = []
    for t in range(80):
        traffic = ratio(t, (int(rng.binomial(100, 0.01)), 100 + t), (int(rng.binomial(900, 0.01)), 900), "requests")
        lost = counts(t, int(rng.poisson(4.0)), int(rng.poisson(9.0)), None, "timeouts")
        intervals.append(Interval(t=t, observations=(*traffic.observations, *lost.observations)))
    found = verdict(feed(JudgePolicy(metrics=metrics), intervals))
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith("timeouts: worse than tolerated")


def test_the_worst_metric_decides() -> None:
    metrics = (MetricPolicy(name="good"), MetricPolicy(name="bad"), MetricPolicy(name="absent"))
    intervals = []
    for t in range(60):
        good = ratio(t, (t % 2, 1000), (9, 9000 + t), "good")
        bad = ratio(t, (20, 100), (t % 3, 900), "bad")
        intervals.append(Interval(t=t, observations=(*good.observations, *bad.observations)))
    found = verdict(feed(JudgePolicy(metrics=metrics), intervals))
    outcomes = {one.name: one.outcome for one in found.metrics}
    assert outcomes["bad"] is found.outcome is Outcome.FAIL
    assert outcomes["absent"] is Outcome.INCONCLUSIVE
    without = verdict(feed(JudgePolicy(metrics=(metrics[0], metrics[2])), intervals))
    assert without.outcome is Outcome.INCONCLUSIVE
    assert without.cause == "nothing was observed of the canary"


def test_harm_stays_proven_and_is_dated() -> None:
    bad = list(Traffic().intervals(np.random.default_rng(2), 30, lambda _: 0.2))
    good = [ratio(t, (0, 15), (1, 135)) for t in range(30, 400)]
    first, last = (verdict(feed(JudgePolicy(metrics=(MetricPolicy(name="m"),)), one)) for one in (bad, bad + good))
    assert first.outcome is last.outcome is Outcome.FAIL
    assert first.decided_at_s == last.decided_at_s
    assert first.decided_at_s is not None
    assert first.decided_at_s < 10


def test_evidence_says_what_was_seen_and_what_is_missing() -> None:
    intervals = list(Traffic().intervals(np.random.default_rng(6), 12, lambda base: base))
    found = judged(intervals)
    bad = {
        side: sum(one.bad or 0 for each in intervals[20:] for one in each.observations if one.side is side)
        for side in Side
    }
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.canary.bad == bad[Side.CANARY]
    assert found.baseline.bad == bad[Side.BASELINE]
    assert found.intervals == len(found.trail) == 12
    assert found.history == sum(each.observations[0].total or 0 for each in intervals[:20])
    assert found.harm_needed == pytest.approx(math.log(20.0))
    assert found.cause is None
    assert "not decided" in found.message
    assert "more traffic to the canary" in found.next


def test_the_confidence_sequence_holds_the_ratio_at_all_looks() -> None:
    missed = 0
    for seed in range(60):
        state = start(JudgePolicy(metrics=(MetricPolicy(name="m"),)))
        out = False
        for number, interval in enumerate(Traffic().intervals(np.random.default_rng(seed), 300, lambda base: 2 * base)):
            state = update(state, interval)
            if number > 60 and number % 20 == 0:
                found = verdict(state).metrics[0]
                out |= not (found.ratio_low or 0.0) <= 2.0 <= (found.ratio_high or math.inf)
        missed += out
    assert missed <= 9  # 0.05 of 60 is 3; more than 9 has a chance of 0.1 %


def test_the_trail_is_thinned_but_keeps_its_ends() -> None:
    intervals = list(Traffic(history=1).intervals(np.random.default_rng(6), 1500, lambda base: base))
    trail = judged(intervals).trail
    assert len(trail) <= 400
    assert trail[0].t == 0
    assert trail[-1].t == 1499
    assert [point.t for point in trail] == sorted({point.t for point in trail})


def test_pairing_can_be_said_beforehand() -> None:
    rng = np.random.default_rng(1)
    told = judged(values(rng, 1.5, 12), kind=Kind.GAUGE, pairing=Pairing.HISTORY)
    assert told.outcome is Outcome.FAIL
    assert told.baseline.total == 60
    missing = judged(runs(rng, 1.0), kind=Kind.GAUGE, pairing=Pairing.SAME_INTERVAL)
    assert missing.cause is not None
    assert "the baseline is missing" in missing.cause


def test_the_default_policy_tolerates_nothing() -> None:
    policy = default_policy({"a": Kind.RATIO, "b": Kind.GAUGE})
    assert [metric.name for metric in policy.metrics] == ["a", "b"]
    assert policy.alpha == 0.05
    assert all(metric.max_ratio_increase == metric.max_absolute_increase == 0.0 for metric in policy.metrics)
    assert verdict(feed(policy, [])).metrics[0].harm_needed == pytest.approx(math.log(2 / 0.05))
