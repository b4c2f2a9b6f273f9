"""SQLite for the event log: one file, write-ahead log, many processes; every driver error mapped in one place."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy import exc as sa_exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from headgate.clock import Clock
from headgate.errors import ConfigError, HeadgateError, LockHeldError
from observability.migrations import is_current, migrate
from observability.rows import Row
from observability.sqlite_file import INSERT, make_folder, use_write_ahead_log

_EXAMPLE = (
    "Write it as sqlite:///.headgate/events.db (relative), sqlite:////var/lib/headgate/events.db (absolute) or "
    "postgresql://USER@HOST:5432/DATABASE."
)
_CACHE_KIB = 65_536  # indexes of a large log are touched all over; the default of 2 MB would read pages again and again


class SqliteDatabase:
    """The log's database. One connection is kept, with the pages that it has read: indexes are touched all over. It is
    closed with the last use of this object, at the latest with the process."""

    def __init__(self, engine: Engine, where: str) -> None:
        self.engine = engine
        self.where = where
        weakref.finalize(self, engine.dispose)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with mapped(self.where), connect(self.engine, write=False) as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        with mapped(self.where), connect(self.engine, write=True, durable=durable) as connection:
            yield connection

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        connection.exec_driver_sql(INSERT, list(rows))


def open_sqlite(url: str, *, root: Path | None, create: bool, clock: Clock, timeout_s: float) -> SqliteDatabase:
    """The database of a log that exists and has the current schema; see `observability.store.open_store`."""
    path = _path(url, root or Path.cwd())
    if not path.is_file() and not create:
        raise ConfigError(
            "there is no event store here",
            where=str(path),
            next_step="Run a gate or a release first, import events (`headgate events import FILE.jsonl`), or correct the path.",
        )
    make_folder(path.parent)
    database = SqliteDatabase(_engine(path, timeout_s), str(path))
    with mapped(database.where):
        _bring_up_to_date(database, clock, timeout_s)
    return database


def _engine(path: Path, timeout_s: float) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=-1,
        connect_args={"timeout": timeout_s},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "connect", lambda _, record: record.info.update(file=_identity(path)))
    event.listen(engine, "checkout", lambda _, record, __: _check(record, path))
    event.listen(engine, "begin", _begin)
    return engine


def _bring_up_to_date(database: SqliteDatabase, clock: Clock, timeout_s: float) -> None:
    _use_write_ahead_log(database.engine, clock, timeout_s)
    with connect(database.engine, write=False) as connection:
        current = is_current(connection)
    if not current:
        with connect(database.engine, write=True) as connection:
            migrate(connection, clock, database.where)


@contextlib.contextmanager
def connect(engine: Engine, *, write: bool, durable: bool = True) -> Iterator[Connection]:
    """One transaction. A writing one takes the write lock at its start, so that it can never fail half-way with
    "database is locked" the way a reader that turns writer does."""
    options = {"headgate_write": write, "headgate_durable": durable}
    with engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def mapped(where: str) -> Iterator[None]:
    """Turn driver errors into ours, chained."""
    try:
        yield
    except (sa_exc.DBAPIError, sqlite3.Error) as error:
        raise map_error(error, where) from error


def map_error(error: Exception, where: str) -> HeadgateError:
    """What a driver error means to a user: a lock is worth a retry, everything else has to be corrected."""
    text = str(getattr(error, "orig", None) or error)
    lowered = text.lower()
    if "locked" in lowered or "busy" in lowered:
        return LockHeldError(
            "the event store stayed locked by another process",
            where=where,
            next_step="Run again; if it stays locked, look for a process that holds the file open (`fuser`).",
        )
    if "not a database" in lowered or "malformed" in lowered:
        return ConfigError(
            f"this file is not a Headgate event store: {text}",
            where=where,
            next_step="Point observability.store (or --store) at another file, or move this one away.",
        )
    return ConfigError(
        f"the event store cannot be used: {text}",
        where=where,
        next_step="Check that the folder exists, is on a local disk with free space, and may be written.",
    )


def _path(url: str, root: Path) -> Path:
    try:
        parsed = make_url(url)
    except sa_exc.ArgumentError as error:
        raise ConfigError(f"{url!r} is not a store URL", where="observability.store", next_step=_EXAMPLE) from error
    if parsed.get_backend_name() != "sqlite":
        raise ConfigError(
            f"event stores on {parsed.get_backend_name()!r} are not supported",
            where="observability.store",
            next_step=_EXAMPLE,
        )
    if parsed.host or parsed.query or parsed.database in (None, "", ":memory:"):
        raise ConfigError(
            f"{url!r} does not name a file on this machine", where="observability.store", next_step=_EXAMPLE
        )
    return (root / Path(parsed.database or "").expanduser()).absolute()


def _prepare(dbapi: sqlite3.Connection, _record: Any) -> None:
    dbapi.isolation_level = None  # transactions are begun by `_begin`; the driver's own implicit ones are off
    cursor = dbapi.cursor()
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    cursor.close()


def _identity(path: Path) -> tuple[int, int, int]:
    """Which file this process has open under a path."""
    status = path.stat()
    return os.getpid(), status.st_dev, status.st_ino


def _check(record: ConnectionPoolEntry, path: Path) -> None:
    """Give up a kept connection that a parent process opened, or whose file was moved away: what is written to that one
    would be lost."""
    try:
        known = record.info.get("file") == _identity(path)
    except OSError:
        known = False
    if not known:
        raise sa_exc.DisconnectionError(f"{path} is not the file that was opened")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    writing = options.get("headgate_write", False)
    if writing:
        # FULL: an acknowledged event survives a power cut. What is not durable now is synced with the next that is, as
        # both are in one write-ahead log.
        durable = options.get("headgate_durable", True)
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _use_write_ahead_log(engine: Engine, clock: Clock, timeout_s: float) -> None:
    raw = engine.raw_connection()
    try:
        use_write_ahead_log(raw.cursor().execute, clock, clock.monotonic() + timeout_s)
    finally:
        raw.close()
