"""The steps that bring an older log up to date, each in one transaction with the note that it was done.

Step n brings a log from version n-1 to version n. Steps are only ever added; a released one is never edited, which is
why each spells out its tables instead of using today's from `observability.schema`.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
    func,
    inspect,
    select,
    text,
)

from headgate.clock import Clock
from headgate.errors import ConfigError
from observability.columns import to_microseconds
from observability.schema import PROJECTION, SEQUENCE, TEXT, metadata, version_table


def _version_1(connection: Connection) -> None:
    Table(
        "events",
        MetaData(),
        Column("seq", SEQUENCE, primary_key=True, autoincrement=True),
        *(Column(name, TEXT, nullable=False) for name in ("source", "id", "kind", "subject")),
        *(Column(name, TEXT) for name in ("service", "environment", "commit_sha")),
        Column("committed_us", BigInteger),
        Column("outcome", TEXT, nullable=False),
        *(Column(name, TEXT) for name in ("change_id", "release_id", "url")),
        Column("data", TEXT, nullable=False),
        *(Column(name, BigInteger, nullable=False) for name in ("occurred_us", "received_us")),
        UniqueConstraint("source", "id", name="events_identity"),
        Index("events_by_time", "occurred_us"),
        Index("events_by_target", "service", "environment", "occurred_us"),
        Index("events_by_commit", "commit_sha"),
        Index("events_by_change", "change_id"),
    ).create(connection)


def _version_2(connection: Connection) -> None:
    """A natural key beside the identity; releases are indexed, and indexes leave out rows without a value."""
    collation = ' COLLATE "C"' if connection.dialect.name == "postgresql" else ""
    for statement in (
        f"ALTER TABLE events ADD COLUMN natural_key {'TEXT' if collation else 'VARCHAR'}{collation}",
        "CREATE UNIQUE INDEX events_natural_key ON events (natural_key) WHERE natural_key IS NOT NULL",
        "DROP INDEX events_by_commit",
        "CREATE INDEX events_by_commit ON events (commit_sha, committed_us) WHERE commit_sha IS NOT NULL",
        "DROP INDEX events_by_change",
        "CREATE INDEX events_by_change ON events (change_id) WHERE change_id IS NOT NULL",
        "CREATE INDEX events_by_release ON events (release_id) WHERE release_id IS NOT NULL",
    ):
        connection.execute(text(statement))


def _version_3(connection: Connection) -> None:
    """The projection. Derived: a step that changes it drops its tables and makes them as they are then."""
    metadata.create_all(connection, tables=PROJECTION)


def _version_4(connection: Connection) -> None:
    """The projection knows since when each name is in use, and where histories may be cut. Made anew from the log."""
    metadata.drop_all(connection, tables=PROJECTION)
    metadata.create_all(connection, tables=PROJECTION)


def _version_5(connection: Connection) -> None:
    """The projection judges together what is connected, and no longer everything that is connected to anything."""
    _version_4(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_version_1, _version_2, _version_3, _version_4, _version_5)
CURRENT = len(MIGRATIONS)


def is_current(connection: Connection) -> bool:
    """Whether nothing is to be done; a look that takes no lock."""
    return inspect(connection).has_table(version_table.name) and version(connection) == CURRENT


def migrate(connection: Connection, clock: Clock, where: str) -> None:
    """Bring the log up to date in the caller's transaction, which keeps every other writer out.

    Raises `ConfigError` for tables that are not ours and for a log that a newer Headgate wrote.
    """
    tables = inspect(connection).get_table_names()
    known = version_table.name in tables
    # A file is ours alone; a server's schema may hold other tables, as long as the names are free.
    strangers = set() if known else set(tables) if connection.dialect.name == "sqlite" else {"events"} & set(tables)
    if strangers:
        raise ConfigError(
            f"this database belongs to something else (tables {', '.join(sorted(strangers)[:5])})",
            where=where,
            next_step="Point observability.store (or --store) at a file or database of its own.",
        )
    version_table.create(connection, checkfirst=True)
    found = version(connection)
    if found > CURRENT:
        raise ConfigError(
            f"the event store has schema {found}, this Headgate knows {CURRENT}",
            where=where,
            next_step="Upgrade Headgate.",
        )
    for number, step in enumerate(MIGRATIONS[found:], start=found + 1):
        step(connection)
        connection.execute(version_table.insert().values(version=number, applied_us=to_microseconds(clock.now())))


def version(connection: Connection) -> int:
    """The schema of the log, 0 for an empty one."""
    return connection.execute(select(func.max(version_table.c.version))).scalar() or 0
