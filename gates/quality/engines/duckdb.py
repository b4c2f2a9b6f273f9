"""The engine for files, and the default: DuckDB inside the process.

Parquet, CSV, JSON lines (plain, gzip or zstd), several files as one table, folders with hive partitions, an Arrow
table, a table of a DuckDB file. A row's index is its place over all files, in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlglot import exp

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_batch import DuckBatch
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import POSITION, ROWS, Data, from_files, from_scan, from_table, table_of
from gates.quality.engines.duck_dialect import DuckDialect, kind_of
from gates.quality.engines.duck_facts import Tuning
from gates.quality.engines.files import find_files, reader
from gates.quality.engines.open import Limits, file_of
from gates.quality.planner import BATCH, Source
from headgate.errors import ConfigError, TransportError

__all__ = ["DuckBatch", "DuckConnection", "kind_of", "open_arrow", "open_batch", "open_database", "open_files"]


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


def open_batch(data: str, table: str | None, limits: Limits) -> DuckBatch:
    """Files by path or glob, or `duckdb:///path` with `table`; see `gates.quality.engines.open`.

    Files are one table, whatever it is called: `table` is no matter there, so that one command line fits both.
    """
    if data.lower().startswith("duckdb://"):
        return open_database(file_of(data), table, limits)
    return open_files([data.removeprefix("file://")], limits)


def open_files(paths: Sequence[str | Path], limits: Limits | None = None, tuning: Tuning | None = None) -> DuckBatch:
    """The files of `paths` (files, folders, globs) as one table.

    Raises `ConfigError` where there is none, where formats are mixed or the columns of files differ, and
    `TransportError` where a file cannot be read.
    """
    return _opened(limits or Limits(), lambda connection: from_files(connection, find_files(paths)), tuning)


def open_arrow(table: Any, limits: Limits | None = None) -> DuckBatch:
    """An Arrow table (or another object DuckDB scans, such as a record batch reader's table)."""

    def prepare(connection: DuckConnection) -> Data:
        connection.raw.register("headgate_arrow", table)
        return from_scan(connection, "headgate_arrow")

    return _opened(limits or Limits(), prepare)


def open_database(path: Path, table: str | None, limits: Limits | None = None) -> DuckBatch:
    """A table of a DuckDB file, read only."""
    if not path.is_file():
        raise ConfigError("no such file", where=str(path), next_step="Name a DuckDB file, as in duckdb:///shop.duckdb.")
    if not table:
        raise ConfigError("no table is named", where=str(path), next_step="Name it with --table.")

    def prepare(connection: DuckConnection) -> Data:
        text = str(path).replace("'", "''")
        try:
            connection.execute(f"ATTACH '{text}' AS headgate_data (READ_ONLY)")
        except QueryFailedError as exc:
            raise TransportError(
                "the database cannot be opened", where=str(path), next_step=f"DuckDB says: {exc}"
            ) from exc
        parts = _name_parts(table)
        name = ".".join(exp.to_identifier(part, quoted=True).sql("duckdb") for part in parts)
        return from_table(connection, f"headgate_data.{name}", positioned=False)

    return _opened(limits or Limits(), prepare)


def _name_parts(table: str) -> list[str]:
    """`schema.table` or `"a.b"."c"` in its parts."""
    found = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', table)
    return [quoted.replace('""', '"') or plain for quoted, plain in found]


def _opened(limits: Limits, prepare: Callable[[DuckConnection], Data], tuning: Tuning | None = None) -> DuckBatch:
    connection = DuckConnection(limits)
    try:
        data = prepare(connection)
        if limits.sample is not None:
            from gates.quality.engines.duck_sample import sampled

            data = sampled(connection, data, limits.sample)
        source = Source(
            table=table_of(BATCH),
            positioned=table_of(ROWS) if data.positioned else None,
            position=POSITION,
            in_order=True,
            other=_Sources(connection),
        )
        tuning = tuning or Tuning()
        if data.rows < tuning.planned:
            return DuckBatch(connection, DuckDialect(), source, data)
        from gates.quality.engines.duck_large import LargeBatch  # part of the start that small data can do without

        return LargeBatch(connection, DuckDialect(), source, data, tuning)
    except QueryFailedError as exc:
        connection.close()
        # A table that is not there is a wrong name; a damaged file may be whole when it is read again.
        kind = ConfigError if str(exc).startswith("Catalog Error") else TransportError
        raise kind("the data cannot be read", next_step=f"DuckDB says: {exc}") from exc
    except BaseException:
        connection.close()
        raise
