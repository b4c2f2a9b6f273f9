"""Intervals against values from tables, and by what they must guarantee."""

from __future__ import annotations

from datetime import timedelta
from math import comb
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observability.compare import compare, compare_text
from observability.dora import Period, evaluate_dora
from observability.intervals import frequency_ratio, median_difference, rate_difference, rate_interval
from tests.observability.dora_cases.case import FIRST, SECOND, dep
from tests.observability.test_dora_cases import PERIOD, events_of


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.308498), (3, 10, 0.066740, 0.652453), (10, 10, 0.691502, 1.0), (1, 1, 0.025, 1.0), (50, 100, 0.398321, 0.601679)],
)  # fmt: skip
def test_clopper_pearson(hits: int, n: int, low: float, high: float) -> None:
    assert list(rate_interval(hits, n)) == pytest.approx([low, high], abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 60), data=st.data())
def test_the_ends_have_the_tails_that_the_definition_demands(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(1, n - 1)) if n > 1 else 1
    low, high = rate_interval(hits, n)
    at_least = sum(comb(n, k) * low**k * (1 - low) ** (n - k) for k in range(hits, n + 1))
    at_most = sum(comb(n, k) * high**k * (1 - high) ** (n - k) for k in range(hits + 1))
    assert at_least == pytest.approx(0.025, rel=1e-6)
    assert at_most == pytest.approx(0.025, rel=1e-6) or hits == n


def test_no_trials_tell_nothing() -> None:
    assert rate_interval(0, 0) == (0.0, 1.0)
    assert frequency_ratio(0, 0, 7, 7) is None
    assert median_difference([timedelta(1)], [timedelta(1), timedelta(2)], seed=0) is None


def test_differences_hold_the_estimate_and_turn_round() -> None:
    low, high = rate_difference((5, 50), (15, 50))
    assert low < 0.2 < high
    back = rate_difference((15, 50), (5, 50))
    assert list(back) == pytest.approx([-high, -low])


def test_frequency_ratio_counts_days() -> None:
    assert frequency_ratio(10, 20, 10, 20) is not None
    low, high = frequency_ratio(100, 200, 10, 20) or (0, 0)
    assert low < 1 < (high or 0)
    assert frequency_ratio(0, 5, 7, 7) is not None
    assert (frequency_ratio(0, 5, 7, 7) or (0, 0))[1] is None  # no bound above


def test_the_bootstrap_is_repeatable_and_sees_a_shift() -> None:
    before = [timedelta(hours=hours) for hours in range(40)]
    after = [span + timedelta(hours=30) for span in before]
    found = median_difference(before, after, seed=7)
    assert found == median_difference(list(reversed(before)), after, seed=7)
    assert found is not None
    assert 0 < found[0] < 30 * 3600 < found[1]


def test_the_median_of_a_resample_is_drawn_as_resampling_would() -> None:
    """The middle of the interval of a sample against zero lies where the median of the sample is."""
    spans = [timedelta(hours=h) for h in (1, 2, 3, 5, 8, 13, 21)]
    zero = [timedelta(0)] * 3
    low, high = median_difference(zero, spans, seed=3) or (0, 0)
    assert low <= median(s.total_seconds() for s in spans) <= high
    assert {low, high} <= {s.total_seconds() for s in spans}


def test_comparison_of_two_periods() -> None:
    many = [dep(f"e{n}", f"{4 + n // 12:02}T{6 + n % 12:02}", f"e{n}@0{4 + n // 12}T05") for n in range(40)]
    events = events_of([FIRST, SECOND, *many])
    week = timedelta(days=2)
    before = evaluate_dora(events, Period(start=PERIOD.start, end=PERIOD.start + week))
    after = evaluate_dora(events, Period(start=PERIOD.start + week, end=PERIOD.start + 3 * week))
    (found,) = compare(before, after, seed=1)
    by_name = {difference.metric: difference for difference in found.metrics}
    frequency = by_name["deployment_frequency"]
    assert (frequency.n_before, frequency.n_after, frequency.verdict) == (2, 40, "higher")
    assert frequency.estimate == 10
    assert by_name["change_fail_rate"].verdict == "not_told_apart"
    assert by_name["failed_deployment_recovery_time"].verdict == "no_data"
    assert compare(before, after, seed=1) == compare(before, after, seed=1)
    text = compare_text(before, after, [found])
    assert "1 per day (n=2) -> 10 per day (n=40)  higher; ratio between 2." in text
