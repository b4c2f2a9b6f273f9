"""The metrics by day, week or month of a calendar. Pure.

A part of a week at the end of a period is shown as the part that it is; nothing is extrapolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from observability.dora import Period, Ratio, ServiceReport, Span, measure

UNITS = ("day", "week", "month")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """One day, week or month. `complete` is False for one that the period cuts."""

    period: Period
    complete: bool
    change_lead_time: Span
    deployment_frequency: Ratio
    change_fail_rate: Ratio
    failed_deployment_recovery_time: Span
    deployment_rework_rate: Ratio


def buckets(period: Period, unit: str, week_start: str = "monday") -> Iterator[tuple[Period, bool]]:
    """The days, weeks (from `week_start`) or months of a period, on the calendar of its zone, and which are complete.

    Days of a change of the clock have 23 or 25 hours.
    """
    local = period.start.astimezone(period.zone).replace(tzinfo=None)
    begin = datetime(local.year, local.month, local.day)  # noqa: DTZ001 - a day on the wall calendar
    if unit == "week":
        begin -= timedelta(days=(begin.weekday() - WEEKDAYS.index(week_start)) % 7)
    elif unit == "month":
        begin = begin.replace(day=1)
    while True:
        after = _next(begin, unit)
        start, end = (moment.replace(tzinfo=period.zone).astimezone(UTC) for moment in (begin, after))
        if start >= period.end:
            return
        cut = Period(start=max(start, period.start), end=min(end, period.end), zone=period.zone)
        yield cut, (cut.start, cut.end) == (start, end)
        begin = after


def _next(begin: datetime, unit: str) -> datetime:
    if unit == "month":
        return (begin + timedelta(days=32)).replace(day=1)
    return begin + timedelta(days=7 if unit == "week" else 1)


def series(found: ServiceReport, period: Period, unit: str, week_start: str = "monday") -> Sequence[Bucket]:
    """The metrics of one service by day, week or month."""
    result = []
    for part, complete in buckets(period, unit, week_start):
        inside = [judged for judged in found.deployments if judged.deployment.at in part]
        items = [change for change in found.changes if change.deployed_at in part]
        result.append(Bucket(period=part, complete=complete, **measure(inside, items, part, coverage=None)))
    return result
