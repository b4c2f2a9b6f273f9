"""The event log: append-only, idempotent, shared by many processes; on SQLite and on PostgreSQL.

An event counts once by its identity `(source, id)`, and once by its natural key, where `data.natural_key` holds one
(`observability.identity`): a provider that sends the same fact again under a new id adds nothing.

Two clocks: `occurred_at` is when it happened (event time, any order), `received_at` when this log took it in. What
is derived from the log (deployments, failures, metrics) is recomputed from event time and never stored in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Select, func, select

from headgate.clock import Clock, SystemClock
from observability.columns import to_microseconds
from observability.events import DeliveryEvent, Kind
from observability.rows import Recorded, Row, from_row, to_event, to_rows
from observability.schema import events

__all__ = ["ALL", "EventStore", "Recorded", "Selection", "SqlEventStore", "open_store"]

_BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events to read; None leaves a field open, an empty collection selects nothing.

    `since` and `until` bound `occurred_at`: since <= occurred_at < until.
    """

    kinds: Collection[Kind] | None = None
    since: datetime | None = None
    until: datetime | None = None
    service: str | None = None
    environment: str | None = None
    commits: Collection[str] | None = None
    changes: Collection[str] | None = None
    releases: Collection[str] | None = None


ALL = Selection()


class EventStore(Protocol):
    """Where delivery events are kept."""

    def append(self, batch: Iterable[DeliveryEvent]) -> int:
        """Store what is new, durably, and return how many were new; a known identity or natural key is
        left as it was. Nothing is stored when an event of the batch is refused."""
        ...

    def read(
        self,
        kinds: Collection[Kind] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        service: str | None = None,
        environment: str | None = None,
    ) -> Iterator[DeliveryEvent]:
        """Events in order of `occurred_at` (ties: `source`, `id`), those with since <= occurred_at < until."""
        ...

    def select(self, selection: Selection = ALL) -> Iterator[Recorded]:
        """As `read`, with more filters, and with the second clock."""
        ...

    def last_sequence(self) -> int:
        """Sequence of the newest entry, 0 for an empty log: it changes exactly when something was appended."""
        ...


class Database(Protocol):
    """What the log needs of a database. Errors of drivers come out as ours."""

    @property
    def where(self) -> str:
        """The database for messages, without a password."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """One transaction that sees one state of the log."""
        ...

    def writing(self, *, durable: bool = True) -> AbstractContextManager[Connection]:
        """One transaction that no other writer of this log overlaps. One that is not `durable` may be undone by a loss
        of power, but never without everything after it."""
        ...

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows of `schema.COLUMNS`; those that break a unique constraint are left out."""
        ...


def open_store(
    url: str,
    *,
    root: Path | None = None,
    create: bool = True,
    clock: Clock | None = None,
    busy_timeout_s: float = 15.0,
) -> SqlEventStore:
    """Open the event log at `url`, creating what is not there and bringing an older log up to date.

    `sqlite:///relative.db` (from `root`, default the current folder; its folder is made), `sqlite:////absolute.db`, or
    `postgresql://user:password@host:port/database` (an empty database or schema is enough). With `create=False` a log
    that does not exist is an error: a report on a mistyped path must not say "no deployments". Writers wait up to
    `busy_timeout_s` for each other. Raises `ConfigError` when the URL or the database is wrong, `LockHeldError` when
    the wait was too short, `UnreachableError` and `AuthenticationError` when a server cannot be used.
    """
    clock = clock or SystemClock()
    if is_postgres(url):
        from observability.postgres import open_postgres

        return SqlEventStore(open_postgres(url, create=create, clock=clock, timeout_s=busy_timeout_s), clock=clock)
    from observability.sqlite import open_sqlite

    return SqlEventStore(open_sqlite(url, root=root, create=create, clock=clock, timeout_s=busy_timeout_s), clock=clock)


def is_postgres(url: str) -> bool:
    """Whether `url` names a PostgreSQL server, in any of the spellings that are in use."""
    return url.partition(":")[0].lower().partition("+")[0] in ("postgresql", "postgres")


class SqlEventStore:
    """`EventStore` on a SQL database."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self.database = database
        self._clock = clock

    @property
    def where(self) -> str:
        """The store for messages."""
        return self.database.where

    def append(self, batch: Iterable[DeliveryEvent]) -> int:
        rows = to_rows(tuple(batch), to_microseconds(self._clock.now()))
        if not rows:
            return 0
        with self.database.writing() as connection:
            before = _last(connection)
            self.database.insert(connection, rows)
            # Counted in the transaction that keeps other writers out: nobody else can have added in between.
            return connection.execute(select(func.count()).where(events.c.seq > before)).scalar_one()

    def append_each(self, batches: Sequence[Sequence[DeliveryEvent]]) -> list[int]:
        """As `append`, for several batches in one transaction: durable together (or none), and counted apart."""
        received = to_microseconds(self._clock.now())
        rows = [to_rows(batch, received) for batch in batches]
        together = [row for batch in rows for row in batch]
        if not together:
            return [0 for _ in batches]
        with self.database.writing() as connection:
            before = _last(connection)
            self.database.insert(connection, together)
            added = connection.execute(select(events.c.source, events.c.id).where(events.c.seq > before)).all()
        new = {(source, name) for source, name in added}
        counts: list[int] = []
        for batch in rows:
            own = new & {(row[0], row[1]) for row in batch}
            new -= own  # of two batches with the same event the first brought it
            counts.append(len(own))
        return counts

    def read(
        self,
        kinds: Collection[Kind] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        service: str | None = None,
        environment: str | None = None,
    ) -> Iterator[DeliveryEvent]:
        selection = Selection(kinds=kinds, since=since, until=until, service=service, environment=environment)
        return (to_event(row, self.where) for row in self._rows(selection))

    def select(self, selection: Selection = ALL) -> Iterator[Recorded]:
        return (from_row(row, self.where) for row in self._rows(selection))

    def _rows(self, selection: Selection) -> Iterator[Sequence[Any]]:
        with self.database.reading() as connection:
            yield from connection.execution_options(yield_per=_BATCH).execute(_query(selection))

    def last_sequence(self) -> int:
        with self.database.reading() as connection:
            return _last(connection)


def _last(connection: Connection) -> int:
    return connection.execute(select(func.max(events.c.seq))).scalar() or 0


def _query(selection: Selection) -> Select[Any]:
    c = events.c
    query = select(events).order_by(c.occurred_us, c.source, c.id)
    if selection.kinds is not None:
        query = query.where(c.kind.in_([kind.value for kind in selection.kinds]))
    if selection.since is not None:
        query = query.where(c.occurred_us >= to_microseconds(selection.since))
    if selection.until is not None:
        query = query.where(c.occurred_us < to_microseconds(selection.until))
    for column, wanted in ((c.service, selection.service), (c.environment, selection.environment)):
        if wanted is not None:
            query = query.where(column == wanted)
    for column, several in (
        (c.commit_sha, selection.commits),
        (c.change_id, selection.changes),
        (c.release_id, selection.releases),
    ):
        if several is not None:
            query = query.where(column.in_(sorted(several)))
    return query
