"""What must not change the verdict: the unit of a gauge, the names of things, how time was cut, the order of lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.analysis.judge import (
    Interval,
    JudgePolicy,
    Kind,
    MetricPolicy,
    Observation,
    Pairing,
    Side,
    Worse,
    start,
    update,
    verdict,
)
from deployments.analysis.judge.tables import against, nearest
from gates.verdict import Outcome
from tests.deployments.analysis.judge.streams import Traffic, feed, gauge, ratio

TABLE = st.integers(0, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
POLICY = JudgePolicy(metrics=(MetricPolicy(name="m"),))


def evidence(policy: JudgePolicy, intervals: list[Interval]) -> tuple[float, float, Outcome]:
    found = verdict(feed(policy, intervals))
    return found.metrics[0].log_harm, found.metrics[0].log_safety, found.outcome


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    power=st.integers(-6, 6),
    better=st.sampled_from([0.5, 1.0, 1.3, 2.0]),
    pairing=st.sampled_from([Pairing.SAME_INTERVAL, Pairing.HISTORY]),
    worse=st.sampled_from(list(Worse)),
)
def test_gauges_do_not_know_their_unit(seed: int, power: int, better: float, pairing: Pairing, worse: Worse) -> None:
    rng = np.random.default_rng(seed)
    unit = 10.0**power
    values = [(better * float(rng.lognormal()), float(rng.lognormal())) for _ in range(60)]
    metric = MetricPolicy(name="m", kind=Kind.GAUGE, pairing=pairing, worse=worse, max_ratio_increase=0.05)

    def told(scale: float) -> tuple[float, float, Outcome]:
        history = [gauge(t - 30, None, scale * (1.0 + t % 7)) for t in range(30)]
        now = [gauge(t, scale * x, scale * y) for t, (x, y) in enumerate(values)]
        return evidence(JudgePolicy(metrics=(metric,)), history + now)

    plain, scaled = told(1.0), told(unit)
    assert scaled[:2] == pytest.approx(plain[:2], rel=1e-6, abs=1e-6)
    assert scaled[2] is plain[2]


@settings(max_examples=100, deadline=None)
@given(
    canary=TABLE,
    baseline=TABLE,
    parts=st.integers(2, 5),
    odds=st.floats(1.1, 30.0),
    line=st.sampled_from([(1.0, 0.0), (1.2, 0.0), (2.0, 0.001)]),
)
def test_a_bet_pays_the_same_on_an_interval_and_on_its_parts(
    canary: tuple[int, int], baseline: tuple[int, int], parts: int, odds: float, line: tuple[float, float]
) -> None:
    """Exactly so while nothing is learned in between; the test after this one is about what learning adds."""
    (a, m), (b, n) = canary, baseline
    if not m or not n:
        return
    factor, increase = line
    rate, bet = 0.01, 0.01 * odds
    p = nearest(m / (m + n), bet, rate, factor, increase)
    q = increase + factor * p
    first = against(m, n, a, b, bet, rate, p, q)
    whole = against(parts * m, parts * n, parts * a, parts * b, bet, rate, p, q)
    uneven = against((parts - 1) * m, (parts - 1) * n, parts * a, parts * b, bet, rate, p, q)
    assert whole == pytest.approx(parts * first, rel=1e-9, abs=1e-9)
    assert uneven + against(m, n, 0, 0, bet, rate, p, q) == pytest.approx(whole, rel=1e-9, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.01, 0.02, 0.05]))
def test_cutting_seconds_in_two_leaves_verdict_and_time_about_the_same(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    halves = list(Traffic(requests=lambda _: 75.0, history=40).intervals(rng, 300, lambda _: rate))
    halves = [replace(one, t=one.t / 2) for one in halves]
    whole = [_joined(first, second) for first, second in zip(halves[::2], halves[1::2], strict=True)]
    fine, coarse = (feed(POLICY, one).tracks["m"] for one in (halves, whole))
    first, second = ((one.trail[-1][1], one.harm_at is not None) for one in (fine, coarse))
    assert first[0] == pytest.approx(second[0], abs=1.5) or (first[1] and second[1])
    assert fine.trail[-1][2] == pytest.approx(coarse.trail[-1][2], abs=1.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
def test_order_within_an_interval_means_nothing(seed: int, order: object) -> None:
    rng = np.random.default_rng(seed)
    policy = JudgePolicy(metrics=(MetricPolicy(name="a"), MetricPolicy(name="b")))
    straight, shuffled = [], []
    for t in range(20):
        observations = [
            one
            for name in "ab"
            for one in ratio(t, (int(rng.binomial(50, 0.2)), 50), (int(rng.binomial(80, 0.1)), 80), name).observations
        ]
        straight.append(Interval(t=t, observations=tuple(observations)))
        order.shuffle(observations)  # type: ignore[attr-defined]
        shuffled.append(Interval(t=t, observations=tuple(observations)))
    assert verdict(feed(policy, straight)) == verdict(feed(policy, shuffled))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_names_of_metrics_mean_nothing(seed: int) -> None:
    intervals = list(Traffic().intervals(np.random.default_rng(seed), 20, lambda base: 3 * base))
    renamed = [
        replace(one, observations=tuple(replace(each, metric="x") for each in one.observations)) for one in intervals
    ]
    first = verdict(feed(POLICY, intervals)).metrics[0]
    second = verdict(feed(JudgePolicy(metrics=(MetricPolicy(name="x"),)), renamed)).metrics[0]
    assert replace(first, name="x") == second


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_arms_that_change_places_can_not_both_be_harmful(seed: int) -> None:
    """At equal traffic: what is harm seen from one arm is the other arm's being better."""
    rng = np.random.default_rng(seed)
    intervals = list(Traffic(share=lambda _: 0.5, history=0, base=lambda _: 0.05).intervals(rng, 60, lambda _: 0.15))
    other = {Side.CANARY: Side.BASELINE, Side.BASELINE: Side.CANARY}
    swapped = [
        replace(one, observations=tuple(replace(each, side=other[each.side]) for each in one.observations))
        for one in intervals
    ]
    assert feed(POLICY, intervals).tracks["m"].harm_at is not None
    assert feed(POLICY, swapped).tracks["m"].harm_at is None


@settings(max_examples=30, deadline=None)
@given(tables=st.lists(st.tuples(TABLE, TABLE), max_size=15), extra=st.integers(0, 15))
def test_one_more_bad_event_is_never_evidence_of_safety(
    tables: list[tuple[tuple[int, int], tuple[int, int]]], extra: int
) -> None:
    """In the last interval, where the bets are the same: evidence of harm rises and that of safety falls with it."""
    before = start(POLICY)
    before = update(before, ratio(-1, None, (7, 700)))
    for t, (canary, baseline) in enumerate(tables):
        before = update(before, ratio(t, canary, baseline))
    one, more = (update(before, ratio(99, (bad, 40), (3, 300))).tracks["m"].test for bad in (extra, extra + 1))
    assert more.harm.log_e >= one.harm.log_e - 1e-9  # type: ignore[union-attr]
    assert more.safety.log_e <= one.safety.log_e + 1e-9  # type: ignore[union-attr]


def test_the_same_intervals_give_the_same_verdict_bit_for_bit() -> None:
    intervals = list(Traffic().intervals(np.random.default_rng(3), 60, lambda base: 2 * base))
    assert verdict(feed(POLICY, intervals)) == verdict(feed(POLICY, list(intervals)))


def test_update_leaves_the_state_before_it_alone() -> None:
    state = start(POLICY)
    for interval in Traffic().intervals(np.random.default_rng(3), 5, lambda base: base):
        kept, told = state, verdict(state)
        state = update(state, interval)
        assert verdict(kept) == told


def test_a_metric_without_a_policy_is_not_judged() -> None:
    extra = Observation(metric="other", side=Side.CANARY, bad=-1, total=0)
    intervals = list(Traffic().intervals(np.random.default_rng(3), 30, lambda base: base))
    added = [replace(one, observations=(*one.observations, extra)) for one in intervals]
    assert verdict(feed(POLICY, added)) == verdict(feed(POLICY, intervals))


def _joined(first: Interval, second: Interval) -> Interval:
    sums: dict[Side, tuple[float, float]] = {}
    for one in (*first.observations, *second.observations):
        bad, total = sums.get(one.side, (0.0, 0.0))
        sums[one.side] = (bad + (one.bad or 0), total + (one.total or 0))
    return ratio(second.t, sums.get(Side.CANARY), sums.get(Side.BASELINE))
