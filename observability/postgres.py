"""PostgreSQL for the event log, through psycopg 3: one writer at a time, every driver error mapped in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy import exc as sa_exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

from headgate.clock import Clock
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    LockHeldError,
    RemoteTimeoutError,
    UnreachableError,
)
from headgate.secrets import mask, read_secret, register
from observability.columns import COLUMNS
from observability.migrations import is_current, migrate
from observability.rows import Row
from observability.schema import version_table

PASSWORD = "HEADGATE_DATABASE_PASSWORD"  # noqa: S105 - the name of the variable
_EXAMPLE = "Write it as postgresql://USER@HOST:5432/DATABASE, with %-escapes for special characters."
_CONNECT_S = 10
_CHUNK = 5000
_CASTS = ", ".join(f"%s::{'bigint' if name.endswith('_us') else 'text'}[]" for name in COLUMNS)
_INSERT = f"INSERT INTO events ({', '.join(COLUMNS)}) SELECT * FROM unnest({_CASTS}) ON CONFLICT DO NOTHING"  # noqa: S608 - our own names
# One lock for each log, wherever its schema is: writers take turns, so that numbers are given in the order in which
# they become visible. Who has seen number n will never see a smaller one appear.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('headgate event log ' || current_schema(), 0))")

_AUTHENTICATION = ("28", "42501")
_SHUTDOWN = ("57P", "08")

# What is acknowledged is on disk, also on a server or for a role that has synchronous_commit off.
_DURABLE = text(
    "SELECT set_config('lock_timeout', :ms, true), CASE WHEN current_setting('synchronous_commit') = 'off'"
    " THEN set_config('synchronous_commit', 'on', true) END"
)
_DERIVED = text("SELECT set_config('lock_timeout', :ms, true), set_config('synchronous_commit', 'off', true)")


class PostgresDatabase:
    """The log's database; no connection is kept between calls."""

    def __init__(self, engine: Engine, where: str, timeout_s: float) -> None:
        self.engine = engine
        self.where = where
        self._timeout_ms = max(1, int(timeout_s * 1000))

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        with mapped(self.where), self.engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Connection]:
        with mapped(self.where), self.engine.begin() as connection:
            connection.execute(_DURABLE if durable else _DERIVED, {"ms": str(self._timeout_ms)})
            connection.execute(_LOCK)
            yield connection

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _CHUNK):
            columns = zip(*rows[start : start + _CHUNK], strict=True)
            connection.exec_driver_sql(_INSERT, tuple(list(column) for column in columns))


def open_postgres(url: str, *, create: bool, clock: Clock, timeout_s: float) -> PostgresDatabase:
    """The database of a log that exists and has the current schema; see `observability.store.open_store`."""
    parsed = _parse(url)
    where = _shown(parsed)
    try:
        engine = create_engine(parsed, poolclass=NullPool)
    except ImportError as error:
        raise ConfigError(
            "event stores on PostgreSQL need the library psycopg",
            where=where,
            next_step="Install it: pip install 'headgate[postgres]'.",
        ) from error
    database = PostgresDatabase(engine, where, timeout_s)
    with database.reading() as connection:
        if is_current(connection):
            return database
        if not create and not inspect(connection).has_table(version_table.name):
            raise ConfigError(
                "there is no event store here",
                where=where,
                next_step="Import events first (`headgate events import FILE.jsonl`), or correct the URL.",
            )
    with database.writing() as connection:
        migrate(connection, clock, where)
    return database


@contextlib.contextmanager
def mapped(where: str) -> Iterator[None]:
    """Turn driver errors into ours, chained."""
    try:
        yield
    except (sa_exc.DBAPIError, sa_exc.ArgumentError) as error:
        # The driver's own error repeats parts of the URL and of rows; only its masked text goes on.
        raise map_error(error, where) from None


def map_error(error: Exception, where: str) -> HeadgateError:
    """What a driver error means to a user, by its SQLSTATE."""
    cause: Any = getattr(error, "orig", None) or error
    state = str(getattr(cause, "sqlstate", None) or "")
    first = mask(str(cause)).strip().splitlines()
    said = " ".join((first[0] if first else type(cause).__name__).split())[-300:]
    if state == "55P03":
        return LockHeldError(
            "the event store stayed locked by another process",
            where=where,
            next_step="Run again; if it stays locked, look for a long transaction in pg_stat_activity.",
        )
    if state == "57014":
        return RemoteTimeoutError(f"the server gave up: {said}", where=where, next_step="Run again.")
    if state.startswith(_AUTHENTICATION) or "authentication failed" in said or "no password supplied" in said:
        return AuthenticationError(
            f"the server refuses this user: {said}",
            where=where,
            next_step=f"Check user, password (in the URL, {PASSWORD} or ~/.pgpass) and rights on the schema.",
        )
    if state.startswith("3D") or ("database" in said and "does not exist" in said):
        return ConfigError(f"no such database: {said}", where=where, next_step="Create it, or correct the URL.")
    if state.startswith(_SHUTDOWN) or type(cause).__name__ in ("OperationalError", "ConnectionTimeout"):
        return UnreachableError(
            f"the server cannot be used: {said}",
            where=where,
            next_step="Check host, port and TLS options of the URL, and that the server runs.",
        )
    return ConfigError(
        f"the event store cannot be used: {said}", where=where, next_step="Check the database and its rights."
    )


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url.strip())
    except (sa_exc.ArgumentError, ValueError):  # its text may hold half a password
        raise ConfigError("the store URL cannot be read", where="observability.store", next_step=_EXAMPLE) from None
    if not parsed.database:
        raise ConfigError("the store URL names no database", where="observability.store", next_step=_EXAMPLE)
    given = parsed.password or read_secret(PASSWORD)
    password = given if isinstance(given, str) or given is None else given.reveal()
    for secret in (password, *(_option(parsed, name) for name in ("password", "sslpassword"))):
        if secret:
            register(secret)
            register(quote(secret, safe=""))
    options = {"connect_timeout": str(_CONNECT_S), "application_name": "headgate", **parsed.query}
    return parsed.set(drivername="postgresql+psycopg", password=password, query=options)


def _option(url: URL, name: str) -> str | None:
    value = url.query.get(name)
    return value if isinstance(value, str) else None


def _shown(url: URL) -> str:
    """The URL for messages: without password and options."""
    user = f"{quote(url.username, safe='')}@" if url.username else ""
    host = f"[{url.host}]" if url.host and ":" in url.host else url.host or ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{host}{port}/{url.database}"
