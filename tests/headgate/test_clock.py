"""Timestamps keep their offset's meaning and never guess a zone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.clock import SystemClock, format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-29T03:30:00+02:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        ("2026-11-21T10:00:00Z", datetime(2026, 11, 21, 10, tzinfo=UTC)),
        ("2026-11-21T10:00:00.250-05:30", datetime(2026, 11, 21, 15, 30, 0, 250000, tzinfo=UTC)),
    ],
)
def test_offsets_are_converted_not_dropped(text: str, expected: datetime) -> None:
    assert parse_timestamp(text) == expected


@pytest.mark.parametrize("text", ["2026-11-21T10:00:00", "yesterday", "", "2026-13-01T00:00:00Z"])
def test_what_is_not_a_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_timestamp(text)


@given(st.datetimes(timezones=st.just(UTC)))
def test_round_trip(moment: datetime) -> None:
    assert parse_timestamp(format_timestamp(moment)) == moment


def test_a_naive_moment_is_not_formatted() -> None:
    with pytest.raises(ValueError, match="naive"):
        format_timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_the_system_clock_is_utc() -> None:
    assert SystemClock().now().utcoffset() == UTC.utcoffset(None)
