"""Input that is missing, impossible or suspicious never passes, never raises, and the message names the cause."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.analysis.judge import Interval, JudgePolicy, Kind, MetricPolicy, Observation, Side, verdict
from gates.verdict import Outcome
from headgate.errors import ConfigError
from tests.deployments.analysis.judge.streams import Traffic, counts, feed, gauge, histogram, ratio

POLICY = JudgePolicy(metrics=(MetricPolicy(name="m"),))
Change = Callable[[list[Interval]], list[Interval]]


def good(length: int = 200) -> list[Interval]:
    """A canary that passes as long as nobody spoils its intervals."""
    return list(Traffic().intervals(np.random.default_rng(5), length, lambda base: base))


def at(place: int, **fields: Any) -> Change:
    """Change the canary's observation of one interval."""

    def change(intervals: list[Interval]) -> list[Interval]:
        spoilt = tuple(
            replace(one, **fields) if one.side is Side.CANARY else one for one in intervals[place].observations
        )
        return [*intervals[:place], replace(intervals[place], observations=spoilt), *intervals[place + 1 :]]

    return change


def only(side: Side) -> Change:
    return lambda intervals: [
        replace(one, observations=tuple(each for each in one.observations if each.side is side)) for one in intervals
    ]


def lost(side: Side) -> Change:
    def change(intervals: list[Interval]) -> list[Interval]:
        kept = tuple(one for one in intervals[100].observations if one.side is not side)
        return [*intervals[:100], replace(intervals[100], observations=kept), *intervals[101:]]

    return change


def every(**fields: Any) -> Change:
    return lambda intervals: [
        replace(one, observations=tuple(replace(each, **fields) for each in one.observations)) for one in intervals
    ]


def same_series(intervals: list[Interval]) -> list[Interval]:
    return [
        replace(one, observations=tuple(replace(each, side=side) for side in Side for each in one.observations[-1:]))
        for one in intervals
    ]


def doubled(intervals: list[Interval]) -> list[Interval]:
    twice = replace(intervals[100], observations=intervals[100].observations * 2)
    return [*intervals[:100], twice, *intervals[101:]]


CASES: dict[str, tuple[Change, Outcome, str]] = {
    "NaN": (at(100, bad=math.nan), Outcome.ERROR, "bad is NaN"),
    "infinite": (at(100, total=math.inf), Outcome.ERROR, "total is inf"),
    "negative, as after a reset": (at(100, bad=-3), Outcome.ERROR, "negative: a counter was reset"),
    "not whole": (at(100, bad=0.5), Outcome.ERROR, "rates are not counts"),
    "more bad than all": (at(100, bad=10, total=3), Outcome.ERROR, "more bad events than events"),
    "a field missing": (at(100, total=None), Outcome.ERROR, "bad and total missing"),
    "the source says why": (
        at(100, fault="Prometheus was restarted"),
        Outcome.INCONCLUSIVE,
        "Prometheus was restarted",
    ),
    "given twice": (doubled, Outcome.ERROR, "duplicate"),
    "an interval twice": (
        lambda all_: [*all_[:100], all_[99], *all_[100:]],
        Outcome.ERROR,
        "duplicate or out of order",
    ),
    "time goes backwards": (lambda all_: [*all_[:100], all_[50], *all_[100:]], Outcome.ERROR, "out of order"),
    "canary missing once": (lost(Side.CANARY), Outcome.INCONCLUSIVE, "the canary is missing"),
    "baseline missing once": (lost(Side.BASELINE), Outcome.INCONCLUSIVE, "the baseline is missing"),
    "a hole in time": (lambda all_: [*all_[:100], *all_[130:]], Outcome.INCONCLUSIVE, "nothing was observed for 31 s"),
    "no canary at all": (only(Side.BASELINE), Outcome.INCONCLUSIVE, "nothing was observed of the canary"),
    "no baseline at all": (only(Side.CANARY), Outcome.INCONCLUSIVE, "the baseline is missing"),
    "no intervals": (lambda _: [], Outcome.INCONCLUSIVE, "nothing was observed of the canary"),
    "no traffic": (every(bad=0, total=0), Outcome.INCONCLUSIVE, "no traffic"),
    "the same series": (same_series, Outcome.ERROR, "same series for both"),
    "NaN in history": (
        lambda all_: [ratio(-99, None, (math.nan, 10)), *all_],
        Outcome.ERROR,
        "bad is NaN",
    ),
    "time is NaN": (lambda all_: [*all_, replace(all_[-1], t=math.nan)], Outcome.ERROR, "t=nan"),
}


def test_what_is_spoilt_below_passes_unspoilt() -> None:
    assert verdict(feed(POLICY, good())).outcome is Outcome.PASS


@pytest.mark.parametrize("case", CASES)
def test_never_a_pass_and_the_cause_is_named(case: str) -> None:
    change, outcome, cause = CASES[case]
    found = verdict(feed(POLICY, change(good())))
    assert found.outcome is outcome
    assert found.decided_at_s is None
    assert found.cause is not None
    assert cause in found.cause
    assert cause in found.message


@pytest.mark.parametrize("case", ["NaN", "given twice", "canary missing once", "negative, as after a reset"])
def test_faults_do_not_hide_harm(case: str) -> None:
    bad = list(Traffic().intervals(np.random.default_rng(5), 200, lambda _: 0.1))
    assert verdict(feed(POLICY, CASES[case][0](bad))).outcome is Outcome.FAIL


def test_faults_can_be_allowed() -> None:
    found = verdict(feed(replace(POLICY, max_faults=1), at(100, bad=math.nan)(good())))
    assert found.outcome is Outcome.PASS
    assert found.metrics[0].faults == ("at t=80: canary: bad is NaN, which is not a count",)


def test_equal_numbers_are_believed_when_the_arms_are_known_to_be_distinct() -> None:
    intervals = [ratio(t, (0, 75), (0, 75)) for t in range(100)]
    assert verdict(feed(POLICY, intervals)).outcome is Outcome.ERROR
    assert verdict(feed(replace(POLICY, arms_distinct=True), intervals)).outcome is Outcome.PASS


def test_a_long_interval_is_no_hole_when_it_says_its_length() -> None:
    intervals = [replace(one, length_s=1.0) for one in good(100)]
    later = [
        replace(one, t=one.t + 30, length_s=31.0 if number == 0 else 1.0) for number, one in enumerate(intervals[70:])
    ]
    found = verdict(feed(POLICY, [*intervals[:70], *later]))
    assert found.cause is None


def test_too_little_is_not_enough() -> None:
    few = [ratio(t, (0, 10**6), (0, 10**6 + 1 + t)) for t in range(2)]
    assert "too few intervals: 2 < 3" in verdict(feed(POLICY, few)).message
    metric = MetricPolicy(name="m", min_total=5000)
    assert "too few events of the canary" in verdict(feed(JudgePolicy(metrics=(metric,)), good())).message


@pytest.mark.parametrize(
    ("kind", "intervals", "cause"),
    [
        (Kind.COUNT, [counts(t, 1, 2, None) for t in range(9)], "share of the traffic is not known"),
        (Kind.COUNT, [counts(t, 1, 2, math.nan) for t in range(9)], "share of the traffic is not known"),
        (Kind.COUNT, [counts(t, -1, 2, 0.5) for t in range(9)], "negative"),
        (Kind.GAUGE, [gauge(t, math.nan, 2.0) for t in range(9)], "value is NaN"),
        (Kind.GAUGE, [gauge(t, 1.0, None) for t in range(9)], "no history and no baseline"),
        (Kind.GAUGE, [gauge(t, 1.0 + t, 1.0 + t) for t in range(9)], "same series"),
        (Kind.HISTOGRAM, [histogram(t, (1, 2), (1, 2, 3)) for t in range(9)], "buckets"),
        (Kind.HISTOGRAM, [histogram(t, (1, -2), (1, 2)) for t in range(9)], "negative"),
        (Kind.HISTOGRAM, [ratio(t, (1, 2), (1, 2)) for t in range(9)], "two or more buckets missing"),
    ],
)
def test_other_kinds_never_pass_on_bad_input(kind: Kind, intervals: list[Interval], cause: str) -> None:
    found = verdict(feed(JudgePolicy(metrics=(MetricPolicy(name="m", kind=kind),)), intervals))
    assert found.outcome in {Outcome.ERROR, Outcome.INCONCLUSIVE}
    assert cause in (found.cause or "")


ANYTHING = st.one_of(st.none(), st.integers(-3, 400), st.floats(), st.just(10**40))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(list(Kind)),
    rows=st.lists(
        st.tuples(
            st.floats(),
            st.lists(
                st.builds(
                    Observation,
                    metric=st.sampled_from(["m", "n"]),
                    side=st.sampled_from(list(Side)),
                    bad=ANYTHING,
                    total=ANYTHING,
                    n=ANYTHING,
                    value=ANYTHING,
                    buckets=st.one_of(st.none(), st.lists(st.integers(-1, 50), max_size=4).map(tuple)),
                ),
                max_size=3,
            ),
            ANYTHING,
        ),
        max_size=12,
    ),
)
def test_nothing_raises(kind: Kind, rows: list[tuple[float, list[Observation], float | None]]) -> None:
    intervals = [Interval(t=t, observations=tuple(seen), share=share) for t, seen, share in rows]
    found = verdict(feed(JudgePolicy(metrics=(MetricPolicy(name="m", kind=kind),)), intervals))
    assert found.message
    if found.outcome is Outcome.PASS:
        assert found.decided_at_s is not None


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        (JudgePolicy(metrics=()), "names no metric"),
        (JudgePolicy(metrics=(MetricPolicy(name="m"), MetricPolicy(name="m"))), "there twice"),
        (replace(POLICY, alpha=0.0), "alpha is 0.0"),
        (replace(POLICY, beta=1.0), "beta is 1.0"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", max_ratio_increase=-0.1),)), "max_ratio_increase of m is -0.1"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", margin_ratio=0.0, margin_absolute=0.0),)), "no margin"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", weight=0.0),)), "weight of m"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", kind=Kind.COUNT, max_absolute_increase=1),)), "without a total"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", kind=Kind.COUNT, share=1.5),)), "share of m is 1.5"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", kind=Kind.COUNT, share_from="x"),)), "'x', which is not there"),
        (JudgePolicy(metrics=(MetricPolicy(name="m", kind=Kind.HISTOGRAM, slo_index=0),)), "slo_index of m is 0"),
    ],
)
def test_policies_that_make_no_sense_are_refused(policy: JudgePolicy, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        feed(policy, [])
