"""What a row of the event log is made of, and its times. Light: no database library is loaded for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

COLUMNS = (
    "source", "id", "kind", "subject", "service", "environment", "commit_sha", "committed_us", "outcome", "change_id",
    "release_id", "url", "data", "occurred_us", "received_us", "natural_key",
)  # fmt: skip
"""What a row is made of when it is written, in this order."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch. Raises `ValueError` for a naive datetime: its zone would be a guess."""
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no UTC offset")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware UTC datetime of `to_microseconds`, exactly."""
    return _EPOCH + timedelta(microseconds=value)
