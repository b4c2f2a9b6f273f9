"""The engine for files, and the default: DuckDB inside the process.

Parquet, CSV, JSON lines (plain, gzip or zstd), several files as one table, folders with hive partitions, an Arrow
table, a table of a DuckDB file. A row's index is its place over all files, in the order of their names.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from typing import Any, ClassVar

import duckdb
from sqlglot import exp

from gates.quality.engines.base import Answer, QueryFailedError, SqlBatch
from gates.quality.engines.files import FileSet, find_files, reader
from gates.quality.engines.open import Limits
from gates.quality.metrics import Column, Failed, Kind, Quantiles, Schema
from gates.quality.planner import BATCH, Source
from gates.quality.sql import Dialect, Lowering, both, named, not_null
from headgate.errors import ConfigError, RemoteTimeoutError, TransportError

POSITION = "headgate_position"

_KINDS = {
    "BOOLEAN": Kind.BOOLEAN,
    "DATE": Kind.DATE,
    "FLOAT": Kind.FLOAT,
    "DOUBLE": Kind.FLOAT,
    "VARCHAR": Kind.STRING,
    "BLOB": Kind.BINARY,
    "INTERVAL": Kind.INTERVAL,
    "TIMESTAMP WITH TIME ZONE": Kind.TIMESTAMP_TZ,
    '"NULL"': Kind.NULL,
    "NULL": Kind.NULL,
}
_KIND_PATTERNS = (
    (re.compile(r".*\]$|STRUCT|MAP|UNION|VARIANT|JSON"), Kind.NESTED),
    (re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|BIGNUM|VARINT"), Kind.INTEGER),
    (re.compile(r"DECIMAL"), Kind.DECIMAL),
    (re.compile(r"TIMESTAMP"), Kind.TIMESTAMP),
    (re.compile(r"TIME"), Kind.TIME),
    (re.compile(r"ENUM"), Kind.STRING),
)


def kind_of(native: str) -> Kind:
    """The kind of a type by DuckDB's name of it."""
    if native in _KINDS:
        return _KINDS[native]
    return next((kind for pattern, kind in _KIND_PATTERNS if pattern.match(native)), Kind.OTHER)


def _function(name: str) -> Lowering:
    return lambda *arguments: exp.Anonymous(this=name, expressions=list(arguments))


class DuckDialect(Dialect):
    """DuckDB's own functions."""

    name = "duckdb"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "MATCHES": _function("regexp_matches"),
        "LENGTH": _function("length"),
        "EPOCH": _function("epoch"),
        "IS_NAN": _function("isnan"),
        "IS_JSON": _function("json_valid"),
        "PARSES_AS": lambda text, form: not_null(exp.Anonymous(this="try_strptime", expressions=[text, form])),
    }

    def quantiles(self, metric: Quantiles, source: exp.Expression) -> exp.Select | None:
        if metric.method == "nearest":
            return None
        name = "quantile_disc" if metric.method == "discrete" else "quantile_cont"
        points = exp.Array(expressions=[exp.Literal.number(repr(float(p))) for p in metric.probabilities])
        value = exp.Anonymous(this=name, expressions=[metric.argument.copy(), points])
        values = exp.select(named(value, "q")).from_(source.copy())
        present = both(metric.where, not_null(metric.argument))
        picked = [
            exp.Bracket(this=exp.column("q"), expressions=[exp.Literal.number(index)], offset=1, safe=True)
            for index in range(1, len(metric.probabilities) + 1)
        ]
        return exp.select(*picked).from_(values.where(present).subquery("t"))


class DuckConnection:
    """A connection to an in-memory DuckDB whose spill files live in a folder of their own, removed on closing."""

    def __init__(self, limits: Limits) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headgate-quality-", dir=limits.temp_directory)
        settings: dict[str, Any] = {"temp_directory": self._folder.name, "autoinstall_known_extensions": False}
        if limits.memory_limit_mb is not None:
            settings["memory_limit"] = f"{limits.memory_limit_mb}MiB"
        if limits.threads is not None:
            settings["threads"] = limits.threads
        self._timeout_s = limits.statement_timeout_s
        self.raw = duckdb.connect(":memory:", config=settings)

    def execute(self, sql: str) -> Answer:
        timer = Timer(self._timeout_s, self.raw.interrupt)
        timer.daemon = True
        timer.start()
        try:
            cursor = self.raw.execute(sql)
            rows = cursor.fetchall()
        except duckdb.InterruptException as exc:
            # Not a query's own failure: asking for its parts one by one would take as long again, each of them.
            raise RemoteTimeoutError(
                f"DuckDB was not done within {self._timeout_s:g} s", next_step="Allow more time, or give it less data."
            ) from exc
        except duckdb.FatalException as exc:
            raise TransportError("DuckDB stopped", where="duckdb", next_step=_short(exc)) from exc
        except duckdb.Error as exc:
            raise QueryFailedError(_short(exc)) from exc
        finally:
            timer.cancel()
        return Answer(columns=tuple(item[0] for item in cursor.description or ()), rows=rows)

    def close(self) -> None:
        self.raw.close()
        self._folder.cleanup()


def _short(error: Exception) -> str:
    return str(error).partition("\n\n")[0].strip()


class DuckBatch(SqlBatch):
    """Files, an Arrow table, or a table of a DuckDB file."""

    name = "duckdb"
    connection: DuckConnection

    def read_schema(self) -> Schema:
        answer = self.connection.execute(f"DESCRIBE {BATCH}")
        return Schema(columns=tuple(Column(name=row[0], kind=kind_of(row[1]), native=row[1]) for row in answer.rows))

    def interrupt(self) -> None:
        """End the query that is running, from another thread."""
        self.connection.raw.interrupt()

    def failed(self, error: QueryFailedError) -> Failed:
        reason = str(error)
        unsupported = "invalid perl operator" in reason or "invalid escape sequence" in reason
        return Failed(reason=reason, unsupported=unsupported)


class _Sources:
    """The other tables of a batch by name, each a view made once."""

    def __init__(self, connection: DuckConnection) -> None:
        self._connection = connection
        self._views: dict[str, str] = {}

    def __call__(self, name: str) -> exp.Expression:
        if name not in self._views:
            view = f"headgate_other_{len(self._views)}"
            try:
                files = find_files([name])
            except ConfigError as exc:
                raise QueryFailedError(str(exc)) from exc
            self._connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {reader(files)}")
            self._views[name] = view
        return exp.to_table(self._views[name])


def _table(name: str) -> exp.Expression:
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(BATCH)))


def open_batch(data: str, table: str | None, limits: Limits) -> DuckBatch:
    """Files by path or glob, or `duckdb:///path` with `table`; see `gates.quality.engines.open`."""
    if data.startswith("duckdb:"):
        return open_database(Path(re.sub(r"^duckdb:(//)?", "", data)), table, limits)
    return open_files([data.removeprefix("file://")], limits)


def open_files(paths: Sequence[str | Path], limits: Limits | None = None) -> DuckBatch:
    """The files of `paths` (files, folders, globs) as one table.

    Raises `ConfigError` where there is none, where formats are mixed or the columns of files differ, or where a file
    cannot be read.
    """
    return _opened(limits or Limits(), lambda connection: _view_files(connection, find_files(paths)))


def open_arrow(table: Any, limits: Limits | None = None) -> DuckBatch:
    """An Arrow table (or another object DuckDB scans, such as a record batch reader's table)."""

    def prepare(connection: DuckConnection) -> str | None:
        connection.raw.register("headgate_arrow", table)
        connection.execute(f"CREATE TEMP VIEW {BATCH} AS SELECT * FROM headgate_arrow")
        return _numbered(connection)

    return _opened(limits or Limits(), prepare)


def open_database(path: Path, table: str | None, limits: Limits | None = None) -> DuckBatch:
    """A table of a DuckDB file, read only."""
    if not path.is_file():
        raise ConfigError("no such file", where=str(path), next_step="Name a DuckDB file, as in duckdb:///shop.duckdb.")
    if not table:
        raise ConfigError("no table is named", where=str(path), next_step="Name it with --table.")

    def prepare(connection: DuckConnection) -> None:
        text = str(path).replace("'", "''")
        try:
            connection.execute(f"ATTACH '{text}' AS headgate_data (READ_ONLY)")
        except QueryFailedError as exc:
            raise TransportError(
                "the database cannot be opened", where=str(path), next_step=f"DuckDB says: {exc}"
            ) from exc
        parts = _name_parts(table)
        name = ".".join(exp.to_identifier(part, quoted=True).sql("duckdb") for part in parts)
        connection.execute(f"CREATE TEMP VIEW {BATCH} AS SELECT * FROM headgate_data.{name}")

    return _opened(limits or Limits(), prepare)


def _name_parts(table: str) -> list[str]:
    """`schema.table` or `"a.b"."c"` in its parts."""
    found = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', table)
    return [quoted.replace('""', '"') or plain for quoted, plain in found]


def _opened(limits: Limits, prepare: Any) -> DuckBatch:
    connection = DuckConnection(limits)
    try:
        positioned = prepare(connection)
        source = Source(
            table=_table(BATCH),
            positioned=_table(positioned) if positioned else None,
            position=POSITION,
            other=_Sources(connection),
        )
        return DuckBatch(connection, DuckDialect(), source)
    except QueryFailedError as exc:
        connection.close()
        raise ConfigError("the data cannot be read", next_step=f"DuckDB says: {exc}") from exc
    except BaseException:
        connection.close()
        raise


def _view_files(connection: DuckConnection, files: FileSet) -> str:
    connection.execute(f"CREATE TEMP VIEW {BATCH} AS SELECT * FROM {reader(files)}")
    return _numbered(connection)


def _numbered(connection: DuckConnection) -> str:
    name = f"{BATCH}_rows"
    connection.execute(f"CREATE TEMP VIEW {name} AS SELECT *, row_number() OVER () - 1 AS {POSITION} FROM {BATCH}")
    return name
