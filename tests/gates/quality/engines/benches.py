"""Tables made in the engines that run here, for the contract and beyond it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from gates.quality.engines.base import SqlBatch
from gates.quality.engines.open import Limits, open_batch
from gates.quality.metrics import Kind
from tests.gates.quality.engines.contract import Table
from tests.testing.mariadb import MariaDb
from tests.testing.postgres import Postgres

LIMITS = Limits(connect_timeout_s=10, statement_timeout_s=60, lock_timeout_s=10)


def opened(data: str, **named: Any) -> SqlBatch:
    """`open_batch`, as what it is: a manager with a connection."""
    return cast("SqlBatch", open_batch(data, **named))


def quoted(name: str, quote: str) -> str:
    return quote + name.replace(quote, quote * 2) + quote


def written(name: str) -> str:
    """As a user writes a name of any characters for --table."""
    return quoted(name, '"')


class PostgresBench:
    """A database of its own on the run's server."""

    has_nan = True
    types: Mapping[Kind, str] = {
        Kind.INTEGER: "bigint",
        Kind.DECIMAL: "numeric(12, 2)",
        Kind.FLOAT: "double precision",
        Kind.STRING: "text",
        Kind.BOOLEAN: "boolean",
        Kind.DATE: "date",
        Kind.TIMESTAMP: "timestamp",
    }

    def __init__(self, server: Postgres, database: str) -> None:
        self.server, self.database = server, database
        self.url = server.url(database)

    def run(self, *statements: str) -> None:
        with self.server.connect(self.database) as connection:
            for statement in statements:
                connection.execute(statement)

    def make(self, table: Table) -> None:
        name = sql.Identifier(table.name)
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(self.types[kind])) for column, kind in table.columns
        )
        places = sql.SQL(", ").join([sql.Placeholder()] * len(table.columns))
        with self.server.connect(self.database) as connection:
            connection.execute(sql.SQL("drop table if exists {}").format(name))
            connection.execute(sql.SQL("create table {} ({})").format(name, columns))
            connection.cursor().executemany(sql.SQL("insert into {} values ({})").format(name, places), table.rows)

    def batch(self, table: str) -> SqlBatch:
        return opened(self.url, table=written(table), limits=LIMITS)

    def other(self, table: str) -> str:
        return table

    def tables(self) -> set[str]:
        with self.server.connect(self.database) as connection:
            return {row[0] for row in connection.execute("select relname from pg_class where relkind = 'r'")}


class MariaDbBench:
    """A database of its own on the run's server; texts compare exactly in its tables."""

    has_nan = False
    types: Mapping[Kind, str] = {
        Kind.INTEGER: "bigint",
        Kind.DECIMAL: "decimal(12, 2)",
        Kind.FLOAT: "double",
        Kind.STRING: "varchar(200) collate utf8mb4_nopad_bin",
        Kind.BOOLEAN: "boolean",
        Kind.DATE: "date",
        Kind.TIMESTAMP: "datetime(6)",
    }

    def __init__(self, server: MariaDb, database: str) -> None:
        self.server, self.database = server, database
        self.url = server.url(database)

    def run(self, *statements: str) -> None:
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def make(self, table: Table) -> None:
        name = quoted(table.name, "`")
        columns = ", ".join(f"{quoted(column, '`')} {self.types[kind]}" for column, kind in table.columns)
        places = ", ".join(["%s"] * len(table.columns))
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute(f"drop table if exists {name}")
            cursor.execute(f"create table {name} ({columns})")
            if table.rows:
                cursor.executemany(f"insert into {name.replace('%', '%%')} values ({places})", table.rows)

    def batch(self, table: str) -> SqlBatch:
        return opened(self.url, table=written(table), limits=LIMITS)

    def other(self, table: str) -> str:
        return table

    def tables(self) -> set[str]:
        with self.server.connect(self.database) as connection, connection.cursor() as cursor:
            cursor.execute("show tables")
            return {row[0] for row in cursor.fetchall()}


class SqliteBench:
    """A file in a folder of the test's."""

    has_nan = False
    types: Mapping[Kind, str] = {
        Kind.INTEGER: "BIGINT",
        Kind.DECIMAL: "NUMERIC(12, 2)",
        Kind.FLOAT: "REAL",
        Kind.STRING: "TEXT",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.DATE: "DATE",
        Kind.TIMESTAMP: "TIMESTAMP",
    }

    def __init__(self, folder: Path) -> None:
        self.path = folder / "it's 100%25 a shop #1.db"
        self.url = f"sqlite:///{self.path}"
        sqlite3.connect(self.path).close()

    def run(self, *statements: str) -> None:
        connection = sqlite3.connect(self.path)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    def make(self, table: Table) -> None:
        columns = ", ".join(f"{quoted(column, '`')} {self.types[kind]}" for column, kind in table.columns)
        connection = sqlite3.connect(self.path)
        connection.execute(f"drop table if exists {quoted(table.name, '`')}")
        connection.execute(f"create table {quoted(table.name, '`')} ({columns})")
        places = ", ".join("?" * len(table.columns))
        rows = [tuple(self.convert(value) for value in row) for row in table.rows]
        connection.executemany(f"insert into {quoted(table.name, '`')} values ({places})", rows)
        connection.commit()
        connection.close()

    def convert(self, value: Any) -> Any:
        match value:
            case datetime():
                return value.isoformat(sep=" ")
            case date():
                return value.isoformat()
            case Decimal():
                return float(value)
            case _:
                return value

    def batch(self, table: str) -> SqlBatch:
        return opened(self.url, table=written(table), limits=LIMITS)

    def other(self, table: str) -> str:
        return table

    def tables(self) -> set[str]:
        connection = sqlite3.connect(self.path)
        found = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
        connection.close()
        return found


class FileBench:
    """Parquet files in a folder, for the engines that read files."""

    has_nan = True
    types: Mapping[Kind, Any] = {
        Kind.INTEGER: pa.int64(),
        Kind.DECIMAL: pa.decimal128(12, 2),
        Kind.FLOAT: pa.float64(),
        Kind.STRING: pa.string(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.DATE: pa.date32(),
        Kind.TIMESTAMP: pa.timestamp("us"),
    }

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder, self.engine = folder, engine

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"

    def make(self, table: Table) -> None:
        schema = pa.schema([(column, self.types[kind]) for column, kind in table.columns])
        columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
        arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), self._path(table.name))

    def batch(self, table: str) -> SqlBatch:
        return opened(str(self._path(table)), engine=self.engine, limits=LIMITS)

    def other(self, table: str) -> str:
        return str(self._path(table))

    def tables(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.parquet")}
