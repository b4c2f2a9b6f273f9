"""The tables of the event log and the steps that bring an older log up to date.

Times are whole microseconds since 1970-01-01 UTC: they sort, compare and index as numbers on every database, and no
driver can drop an offset from them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("source", String, nullable=False),
    Column("id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("service", String),
    Column("environment", String),
    Column("commit_sha", String),
    Column("committed_us", BigInteger),
    Column("outcome", String, nullable=False),
    Column("change_id", String),
    Column("release_id", String),
    Column("url", Text),
    Column("data", Text, nullable=False),
    Column("occurred_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    UniqueConstraint("source", "id", name="events_identity"),
    Index("events_by_time", "occurred_us"),
    Index("events_by_target", "service", "environment", "occurred_us"),
    Index("events_by_commit", "commit_sha"),
    Index("events_by_change", "change_id"),
)

version_table = Table(
    "headgate_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_us", BigInteger, nullable=False),
)


def _version_1(connection: Connection) -> None:
    events.create(connection)


# Step n brings a log from version n-1 to version n. Steps are only ever added; a released one is never edited.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_version_1,)
CURRENT = len(MIGRATIONS)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch. Raises `ValueError` for a naive datetime: its zone would be a guess."""
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no UTC offset")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The aware UTC datetime of `to_microseconds`, exactly."""
    return _EPOCH + timedelta(microseconds=value)
