"""Zones, changes of the clock, weeks and months; the scale of the Quick Check; blends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from observability.blends import by_environment, by_team
from observability.dora import Period, evaluate_dora
from observability.environments import is_production
from observability.quick_check import score_duration, score_frequency, score_rate
from observability.series import buckets, series
from tests.observability.dora_cases.case import FIRST, SECOND, dep, inc
from tests.observability.test_dora_cases import PERIOD, events_of

BERLIN = ZoneInfo("Europe/Berlin")


def local(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-03-01", "2026-04-01", 31),  # one hour is missing in it
        ("2026-10-01", "2026-11-01", 31),  # one hour is in it twice
        ("2026-03-29", "2026-03-30", 1),
        ("2026-10-25", "2026-10-26", 1),
    ],
)
def test_days_are_days_on_the_calendar(start: str, end: str, days: int) -> None:
    assert Period(start=local(start), end=local(end), zone=BERLIN).days == days


def test_the_hour_that_happens_twice_is_a_period() -> None:
    period = Period(
        start=datetime(2026, 10, 25, 0, 30, tzinfo=UTC), end=datetime(2026, 10, 25, 1, 30, tzinfo=UTC), zone=BERLIN
    )
    assert period.days == 1 / 24


def test_spans_across_a_change_of_the_clock_are_elapsed_time() -> None:
    """01:30 to 03:30 on the night to summer time is one hour."""
    events = events_of(
        [FIRST, dep("d2", "2026-03-29T03:30:00+02:00", {"sha": "c2", "time": "2026-03-29T01:30:00+01:00"})]
    )
    report = evaluate_dora(events, Period(start=local("2026-03-01"), end=local("2026-04-01"), zone=BERLIN))
    assert report.services[0].change_lead_time.median == 3600


def test_weeks_begin_where_told_and_partial_ones_are_shown_as_such() -> None:
    period = Period(start=local("2026-03-24"), end=local("2026-04-08"), zone=BERLIN)
    weeks = list(buckets(period, "week"))
    assert [(week.days, complete) for week, complete in weeks] == [(6, False), (7, True), (2, False)]
    assert weeks[1][0].start == local("2026-03-30")
    sundays = list(buckets(period, "week", "sunday"))
    assert [(week.days, complete) for week, complete in sundays] == [(5, False), (7, True), (3, False)]
    assert (sundays[1][0].end - sundays[1][0].start) == timedelta(days=7) - timedelta(hours=1)  # the clock went on
    assert [(month.days, complete) for month, complete in buckets(period, "month")] == [(8, False), (7, False)]
    assert len(list(buckets(period, "day"))) == 15


def test_a_deployment_at_midnight_belongs_to_the_local_day() -> None:
    events = events_of([FIRST, dep("d2", "2026-03-04T23:30:00Z", "c2")])
    period = Period(start=local("2026-03-04"), end=local("2026-03-06"), zone=BERLIN)
    (found,) = evaluate_dora(events, period).services
    assert [part.deployment_frequency.n for part in series(found, period, "day")] == [0, 1]


@pytest.mark.parametrize(
    ("seconds", "score"),
    [(None, None), (0, 10), (3599, 10), (3600, 8), (86_400, 6), (604_800, 4), (30 * 86_400, 2), (182 * 86_400, 2), (183 * 86_400, 0)],
)  # fmt: skip
def test_durations_on_the_scale(seconds: float | None, score: int | None) -> None:
    assert score_duration(seconds) == score


@pytest.mark.parametrize(
    ("per_day", "score"),
    [(None, None), (25, 10), (24, 8), (1, 8), (0.5, 6), (1 / 7, 6), (1 / 8, 4), (1 / 31, 2), (0, 0)],
)
def test_frequency_on_the_scale(per_day: float | None, score: int | None) -> None:
    assert score_frequency(per_day) == score


def test_rates_on_the_scale() -> None:
    assert [score_rate(ratio) for ratio in (None, 0.0, 0.25, 1.0)] == [None, 10, 7.5, 0]


@pytest.mark.parametrize("name", ["prod", "production", "PROD-eu", "live", "eu-1", "latest", None])
def test_production_by_name(name: str | None) -> None:
    assert is_production(name)


@pytest.mark.parametrize("name", ["staging", "stage2", "dev", "qa", "pre-production", "review/abc", "composer-staging"])
def test_not_production_by_name(name: str) -> None:
    assert not is_production(name)


def test_blends_pool_raw_items() -> None:
    """Lead times 2 h of one service, 4, 6 and 8 h of the other: the median is 5 h, not the 4 h between 2 and 6."""
    other = [
        {**dep("x1", "02T10", "y1"), "service": "cart"},
        {**dep("x2", "03T10", "y2@03T06", "y3@03T04", "y4@03T02"), "service": "cart", "team": "red"},
        {**inc("i1", "03T11", "03T12"), "service": "cart"},
    ]
    report = evaluate_dora(events_of([FIRST, SECOND, *other]), PERIOD)
    (everything,) = by_environment(report)
    assert everything.change_lead_time.median == 5 * 3600
    assert (everything.change_fail_rate.numerator, everything.change_fail_rate.n) == (1, 4)
    assert everything.deployment_frequency.value == 4 / 14
    assert everything.members == (("cart", "production"), ("shop", "production"))
    (red,) = by_team(report)
    assert (red.name, red.members) == ("red", (("cart", "production"),))
    named = by_team(report, {"all": ["*"], "shops": ["sh*"], "none": ["zzz"]})
    assert [(blend.name, len(blend.members)) for blend in named] == [("all", 2), ("shops", 1)]
