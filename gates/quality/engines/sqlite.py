"""SQLite through the standard library, the file opened read only; what SQLite lacks is added as functions.

Types are by value here: a column's kind is that of its declared type, or of its values where none is declared. Times
are texts in ISO form, and compare as such. NaN does not exist: SQLite keeps NULL instead.
"""

from __future__ import annotations

import math
import re
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, cast
from urllib.parse import quote

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import DatabaseBatch, DbApiConnection, TypedDialect, function, table_source
from gates.quality.engines.open import Limits, file_of
from gates.quality.engines.sqlite_functions import Functions
from gates.quality.engines.url import parse_table
from gates.quality.metrics import Aggregate, Column, Kind, Metric, Quantiles, ValueCounts, Values
from gates.quality.sql import Lowering, within
from headgate.errors import ConfigError, RemoteTimeoutError, TransportError

_LOOKED_AT = 1000
"""Rows looked at for the kind of a column without a type."""
_STEPS = 100_000
"""Instructions of SQLite's machine between two looks at the clock."""


class HeadgateSQLite(SQLite):
    """SQLGlot's SQLite with names in backticks: a name in double quotes that does not exist would become a text."""

    class Tokenizer(SQLite.Tokenizer):
        IDENTIFIERS: ClassVar[list[Any]] = ["`"]


class SqliteDialect(TypedDialect):
    """SQLite's functions, and those of this module."""

    name = "headgatesqlite"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "MATCHES": function("headgate_matches"),
        "NUMBER": function("headgate_number"),
        "DATE": function("headgate_date"),
        "TIMESTAMP": function("headgate_timestamp"),
        "EPOCH": function("headgate_epoch"),
        "IS_NAN": lambda value: exp.Case().when(exp.Is(this=value, expression=exp.null()).not_(), exp.false()),
        "IS_JSON": function("headgate_is_json"),
        "PARSES_AS": function("headgate_parses_as"),
    }

    def _lower_node(self, node: exp.Expression) -> exp.Expression:
        """Times are texts; infinity is written as a number too large."""
        if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
            text = node.this.this
            if node.to.is_type("date", "timestamp", "time"):
                return exp.Literal.string(text)
            if node.to.is_type("timestamptz"):
                moment = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
                return exp.Literal.string(moment.isoformat(sep=" "))
            if node.to.is_type("double") and text in {"inf", "-inf", "nan"}:
                return exp.null() if text == "nan" else exp.Literal.number(text.replace("inf", "9e999"))
        return super()._lower_node(node)

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        names = {"sum": "headgate_sum", "stddev": "headgate_stddev", "variance": "headgate_variance"}
        if metric.function not in names:
            return super().aggregate(metric)
        argument = within(metric.argument, metric.where)
        return exp.Anonymous(this=names[metric.function], expressions=[argument])


class SqliteConnection(DbApiConnection):
    """A connection that reads only and stops a query whose time is over."""

    def __init__(self, raw: sqlite3.Connection, where: str, limits: Limits, functions: Functions) -> None:
        super().__init__(cast("Any", raw), self._ours)
        self._functions = functions
        self._where = where
        self._timeout_s = limits.statement_timeout_s
        self._deadline = math.inf
        raw.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS)

    def execute(self, sql: str) -> Any:
        self._deadline = time.monotonic() + self._timeout_s
        return super().execute(sql)

    def _ours(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        text = str(error)
        if text == "interrupted":
            return RemoteTimeoutError(
                "a query was stopped", where=self._where, next_step="Allow more time, or narrow the query."
            )
        if "locked" in text:
            return RemoteTimeoutError(text, where=self._where, next_step="Repeat when its writer has finished.")
        if isinstance(error, sqlite3.DatabaseError) and ("malformed" in text or "not a database" in text):
            return TransportError(text, where=self._where, next_step="Restore the file.")
        return QueryFailedError(self._functions.reason if "user-defined" in text else text)


class SqliteBatch(DatabaseBatch):
    """A table or a view of a file."""

    name = "sqlite"

    def __init__(self, connection: SqliteConnection, parts: Sequence[str], *, where: str) -> None:
        super().__init__(connection, SqliteDialect(), table_source(parts), where=where)
        self._parts = parts

    def compute(self, metrics: Sequence[Metric]) -> Values:
        """Values as everywhere: what SQLite keeps as text is a date or a time where the column is one."""
        return {metric: self._moments(metric, value) for metric, value in super().compute(metrics).items()}

    def _moments(self, metric: Metric, value: Any) -> Any:
        if not isinstance(metric, Aggregate | ValueCounts | Quantiles):
            return value
        kind = self.dialect.kind(metric.argument)
        if kind not in (Kind.DATE, Kind.TIMESTAMP) or not isinstance(value, str | tuple):
            return value
        if isinstance(value, str):
            return _moment(value, kind)
        if isinstance(metric, ValueCounts):
            return tuple((_moment(item, kind), count) for item, count in value)
        return tuple(_moment(item, kind) for item in value)

    def read_columns(self) -> Iterable[Column]:
        schema, name = (*self._parts[:-1], "")[0] or "main", self._parts[-1]
        literal = exp.Literal.string(name).sql("sqlite")
        place = exp.Literal.string(schema).sql("sqlite")
        found = self.connection.execute(
            f"SELECT name, type FROM pragma_table_xinfo({literal}, {place}) WHERE hidden <> 1"
        )
        for column, native in found.rows:
            kind = kind_of(native)
            yield Column(name=column, kind=self._kind_of_values(column) if kind is Kind.NULL else kind, native=native)

    def _kind_of_values(self, column: str) -> Kind:
        """The kind that all of the first values have; for columns of views and columns without a type."""
        value = exp.column(exp.to_identifier(column, quoted=True))
        table = self.source.table.copy()
        first = exp.select(exp.Anonymous(this="typeof", expressions=[value])).from_(table).limit(_LOOKED_AT)
        types = {row[0] for row in self.connection.execute(self.dialect.render(first)).rows} - {"null"}
        return _BY_VALUE.get(types.pop(), Kind.OTHER) if len(types) == 1 else Kind.OTHER


_BY_VALUE = {"integer": Kind.INTEGER, "real": Kind.FLOAT, "text": Kind.STRING, "blob": Kind.BINARY}
_BY_NAME = (
    (re.compile(r"INT"), Kind.INTEGER),
    (re.compile(r"BOOL"), Kind.BOOLEAN),
    (re.compile(r"CHAR|CLOB|TEXT|STRING|UUID|ENUM"), Kind.STRING),
    (re.compile(r"DATETIME|TIMESTAMP"), Kind.TIMESTAMP),
    (re.compile(r"DATE"), Kind.DATE),
    (re.compile(r"TIME"), Kind.TIME),
    (re.compile(r"BLOB|BINARY|BYTEA"), Kind.BINARY),
    (re.compile(r"REAL|FLOA|DOUB"), Kind.FLOAT),
    (re.compile(r"DEC|NUMERIC|NUMBER|MONEY"), Kind.DECIMAL),
    (re.compile(r"JSON"), Kind.NESTED),
)


def _moment(value: Any, kind: Kind) -> Any:
    """The time that a text in ISO form means; any other value, and a time where only a day should be, as it is."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    if kind is Kind.DATE:
        return moment.date() if len(value) == len("2024-01-31") else value
    return moment


def kind_of(native: str) -> Kind:
    """The kind of a declared type; NULL where none is declared."""
    if not native:
        return Kind.NULL
    return next((kind for pattern, kind in _BY_NAME if pattern.search(native.upper())), Kind.OTHER)


def open_batch(data: str, table: str | None, limits: Limits) -> SqliteBatch:
    """`sqlite:///relative/path.db` or `sqlite:////absolute/path.db`; see `gates.quality.engines.open`."""
    path = file_of(data)
    where = str(path)
    if not path.is_file():
        raise ConfigError("no such file", where=where, next_step="Write sqlite:///PATH, with four slashes for /PATH.")
    parts = parse_table(table, example="orders")
    if len(parts) == 2 and parts[0] != "main":
        parts = (str(table),)
    functions = Functions()
    try:
        raw = _connect(path, limits, functions)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise TransportError(f"cannot be opened: {error}", where=where, next_step="Run it again later.") from error
        raise ConfigError(f"cannot be opened: {error}", where=where, next_step="Check its permissions.") from error
    except sqlite3.DatabaseError as error:
        raw_error = f"not a SQLite database: {error}"
        raise ConfigError(
            raw_error, where=where, next_step="Name a SQLite file, or other data by its own scheme."
        ) from error
    return SqliteBatch(SqliteConnection(raw, where, limits, functions), parts, where=f"{where}, table {table}")


def _connect(path: Path, limits: Limits, functions: Functions) -> sqlite3.Connection:
    raw = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=limits.lock_timeout_s, isolation_level=None
    )
    raw.text_factory = lambda data: data.decode("utf-8", "replace")
    try:
        raw.execute("PRAGMA query_only = ON")
        raw.execute("PRAGMA trusted_schema = OFF")  # views of a stranger's file call no function of ours
        if limits.memory_limit_mb is not None:
            raw.execute(f"PRAGMA cache_size = -{limits.memory_limit_mb * 512}")
        functions.add_to(raw)
        # One state of the data for all queries, where that keeps no writer from its work.
        if raw.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            raw.execute("BEGIN")
        raw.execute("SELECT count(*) FROM sqlite_master").fetchall()  # the first that reads the file
    except BaseException:
        raw.close()
        raise
    return raw
