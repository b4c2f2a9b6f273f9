"""What `BASE` and `HEAD` name: files, a glob, a folder, or a table of a DuckDB file; opened side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp

from gates.quality.compare.columns import SideSchema
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duckdb import DuckConnection, kind_of
from gates.quality.engines.files import FileSet, find_files, reader
from gates.quality.engines.url import parse_table
from gates.quality.metrics import Column
from headgate.errors import ConfigError, ServerFaultError

_DATABASES = {".duckdb", ".db", ".ddb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side as the user names it: `data` and, for a DuckDB file, its `table`."""

    data: str
    table: str | None = None
    label: str = ""
    """What messages call it; `data` where empty."""

    @property
    def shown(self) -> str:
        return self.label or self.data


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A side that can be asked: `relation` is what stands after FROM, with `types` given for a CSV file."""

    side: Side
    name: str
    schema: SideSchema
    files: FileSet | None

    def relation(self, types: dict[str, str] | None = None) -> str:
        if self.files is None:
            return f"{self.name}_table"
        text = reader(self.files)
        if not types or self.files.format != "csv":
            return text
        listed = ", ".join(f"{literal(column)}: {literal(native)}" for column, native in types.items())
        return f"{text[:-1]}, types = {{{listed}}})"


def identifier(name: str) -> str:
    """A name as it stands in SQL, quoted whatever is in it."""
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")


def open_side(connection: DuckConnection, side: Side, name: str) -> Opened:
    """`side` with its columns. `name` (`base`, `head`) is what it is called inside the connection.

    Raises `ConfigError` for what does not exist, `ServerFaultError` for what is there and cannot be read.
    """
    path = side.data.removeprefix("duckdb://").removeprefix("duckdb:")
    if side.data.startswith("duckdb:") or Path(path).suffix.lower() in _DATABASES:
        return _database(connection, side, name, path)
    if "://" in side.data and not side.data.startswith("file://"):
        raise ConfigError(
            "only files and DuckDB files can be compared",
            where=side.shown,
            next_step="Export the table to Parquet, or name a DuckDB file and --table.",
        )
    if side.table is not None:
        raise ConfigError("files have no tables", where=side.shown, next_step="Leave --table out.")
    files = find_files([side.data.removeprefix("file://")])
    columns = _describe(connection, reader(files), side)
    guessed = {column.name for column in columns} if files.format != "parquet" else set()
    guessed |= {part.partition("=")[0] for path in files.paths[:1] for part in Path(path).parts[:-1] if "=" in part}
    return Opened(side=side, name=name, files=files, schema=SideSchema(columns=columns, guessed=frozenset(guessed)))


def _database(connection: DuckConnection, side: Side, name: str, path: str) -> Opened:
    if not Path(path).is_file():
        raise ConfigError("no such file", where=path, next_step="Name a DuckDB file, as in shop.duckdb.")
    try:
        connection.execute(f"ATTACH {literal(path)} AS {name}_file (READ_ONLY)")
        table = side.table or _only_table(connection, side, name)
        qualified = ".".join(identifier(part) for part in parse_table(table))
        connection.execute(f"CREATE TEMP VIEW {name}_table AS SELECT * FROM {name}_file.{qualified}")
    except QueryFailedError as error:
        raise _unreadable(side, error) from error
    columns = _describe(connection, f"{name}_table", side)
    return Opened(side=side, name=name, files=None, schema=SideSchema(columns=columns))


def _only_table(connection: DuckConnection, side: Side, name: str) -> str:
    found = connection.execute(
        f"SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '{name}_file' ORDER BY ALL"
    ).rows
    if len(found) != 1:
        names = ", ".join(str(row[1]) for row in found[:10]) or "none"
        raise ConfigError(
            f"the file has {len(found)} tables ({names})", where=side.shown, next_step="Name one with --table."
        )
    return ".".join(identifier(part) for part in found[0])


def _describe(connection: DuckConnection, relation: str, side: Side) -> tuple[Column, ...]:
    try:
        answer = connection.execute(f"DESCRIBE SELECT * FROM {relation}")
    except QueryFailedError as error:
        raise _unreadable(side, error) from error
    return tuple(Column(name=row[0], kind=kind_of(row[1]), native=row[1]) for row in answer.rows)


def _unreadable(side: Side, error: QueryFailedError) -> ServerFaultError:
    return ServerFaultError(
        "the data cannot be read", where=side.shown, next_step=f"DuckDB says: {' '.join(str(error).split())[:400]}"
    )
