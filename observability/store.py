"""The event log: append-only, idempotent on `(source, id)`, shared by many processes.

Two clocks: `occurred_at` is when it happened (event time, any order), `received_at` when this log took it in. What
is derived from the log (deployments, failures, metrics) is recomputed from event time and never stored in it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Row, Select, func, select
from sqlalchemy.dialects.sqlite import insert

from headgate.clock import Clock, SystemClock
from headgate.errors import ConfigError
from observability.events import DeliveryEvent, Kind, masked
from observability.schema import events, from_microseconds, to_microseconds
from observability.sqlite import connect, mapped, open_engine

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its place in the log: `sequence` counts up in order of arrival, `received_at` is UTC."""

    sequence: int
    received_at: datetime
    event: DeliveryEvent


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
        """Store what is new, durably, and return how many were new; a known `(source, id)` is left as it was."""
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


def open_store(
    url: str,
    *,
    root: Path | None = None,
    create: bool = True,
    clock: Clock | None = None,
    busy_timeout_s: float = 15.0,
) -> SqliteEventStore:
    """Open the event log at `url` (`sqlite:///relative.db`, `sqlite:////absolute.db`), creating it and its folder.

    A relative path counts from `root` (default: the current folder). With `create=False` a log that does not exist is
    an error: a report on a mistyped path must not say "no deployments". Writers wait up to `busy_timeout_s` for each
    other. Raises `ConfigError` when the URL or the file is wrong, `LockHeldError` when the wait was too short.
    """
    engine, where = open_engine(url, root=root, create=create, clock=clock or SystemClock(), timeout_s=busy_timeout_s)
    return SqliteEventStore(engine, where=where, clock=clock or SystemClock())


class SqliteEventStore:
    """`EventStore` on one SQLite file in WAL mode; no connection is kept between calls."""

    def __init__(self, engine: Engine, *, where: str, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self.where = where

    def append(self, batch: Iterable[DeliveryEvent]) -> int:
        received_us = to_microseconds(self._clock.now())
        rows = [_to_row(masked(event), received_us) for event in batch]
        if not rows:
            return 0
        statement = insert(events).on_conflict_do_nothing(index_elements=["source", "id"])
        with mapped(self.where), connect(self._engine, write=True) as connection:
            before = _last(connection)
            connection.execute(statement, rows)
            # Counted in the transaction that holds the write lock: nobody else can have added in between.
            return _count_after(connection, before)

    def read(
        self,
        kinds: Collection[Kind] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        service: str | None = None,
        environment: str | None = None,
    ) -> Iterator[DeliveryEvent]:
        selection = Selection(kinds=kinds, since=since, until=until, service=service, environment=environment)
        return (recorded.event for recorded in self.select(selection))

    def select(self, selection: Selection = ALL) -> Iterator[Recorded]:
        with mapped(self.where), connect(self._engine, write=False) as connection:
            rows = connection.execution_options(yield_per=_BATCH).execute(_query(selection))
            for row in rows:
                yield _from_row(row, self.where)

    def last_sequence(self) -> int:
        with mapped(self.where), connect(self._engine, write=False) as connection:
            return _last(connection)


def _last(connection: Connection) -> int:
    return connection.execute(select(func.max(events.c.seq))).scalar() or 0


def _count_after(connection: Connection, sequence: int) -> int:
    return connection.execute(select(func.count()).where(events.c.seq > sequence)).scalar_one()


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


def _to_row(event: DeliveryEvent, received_us: int) -> dict[str, object]:
    return {
        "source": event.source,
        "id": event.id,
        "kind": event.kind.value,
        "subject": event.subject,
        "service": event.service,
        "environment": event.environment,
        "commit_sha": event.commit,
        "committed_us": None if event.committed_at is None else to_microseconds(event.committed_at),
        "outcome": event.outcome,
        "change_id": event.change,
        "release_id": event.release,
        "url": event.url,
        "data": json.dumps(dict(event.data), sort_keys=True, ensure_ascii=False),
        "occurred_us": to_microseconds(event.occurred_at),
        "received_us": received_us,
    }


def _from_row(row: Row[Any], where: str) -> Recorded:
    try:
        kind, data = Kind(row.kind), json.loads(row.data)
    except ValueError as error:
        raise ConfigError(
            f"event {row.id!r} from {row.source!r} cannot be read: {error}",
            where=where,
            next_step="Read this log with the version of Headgate that wrote it.",
        ) from error
    event = DeliveryEvent(
        kind=kind,
        source=row.source,
        id=row.id,
        occurred_at=from_microseconds(row.occurred_us),
        subject=row.subject,
        service=row.service,
        environment=row.environment,
        commit=row.commit_sha,
        committed_at=None if row.committed_us is None else from_microseconds(row.committed_us),
        outcome=row.outcome,
        change=row.change_id,
        release=row.release_id,
        url=row.url,
        data=MappingProxyType(data),
    )
    return Recorded(sequence=row.seq, received_at=from_microseconds(row.received_us), event=event)
