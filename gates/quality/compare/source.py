"""What `BASE` and `HEAD` name: files, a glob, a folder, or a table of a DuckDB file; opened side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from gates.quality.compare.columns import SideSchema
from gates.quality.compare.names import identifier, literal
from gates.quality.compare.text import find_codes, load_text
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import check_same_columns
from gates.quality.engines.duck_dialect import kind_of
from gates.quality.engines.files import FileSet, find_files, reader
from gates.quality.engines.open import file_of
from gates.quality.engines.url import parse_table
from gates.quality.metrics import Column, Kind
from headgate.errors import ConfigError, ServerFaultError

_DATABASES = {".duckdb", ".db", ".ddb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side as the user names it: `data` and, of a database, its `table`."""

    data: str
    table: str | None = None
    label: str = ""
    """What messages call it; `data` where empty."""

    @property
    def shown(self) -> str:
        head, sign, rest = self.data.partition("://")
        # A URL may hold a password, before its host or among its options.
        plain = f"{head}{sign}{rest.rpartition('@')[2].partition('?')[0]}" if sign else self.data
        return self.label or plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A side that can be asked: `relation` is what stands after FROM, `name` what it is called inside the connection."""

    side: Side
    name: str
    relation: str
    schema: SideSchema


def open_sides(connection: DuckConnection, base: Side, head: Side) -> tuple[Opened, Opened]:
    """Both sides with their columns, called `base` and `head` inside the connection.

    CSV and JSON lines are loaded once, into files beside the spill files; where the other side has types, as those.
    Raises `ConfigError` for what does not exist, `ServerFaultError` for what is there and cannot be read.
    """
    found = [_find(connection, side, name) for side, name in ((base, "base"), (head, "head"))]
    opened = tuple(_loaded(connection, mine, other) for mine, other in zip(found, reversed(found), strict=True))
    return opened[0], opened[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    opened: Opened
    files: FileSet | None = None

    @property
    def text(self) -> bool:
        """Whether its types are guessed from text."""
        return self.files is not None and self.files.format != "parquet"


def _find(connection: DuckConnection, side: Side, name: str) -> _Found:
    url = side.data.lower().startswith("duckdb://")
    path = str(file_of(side.data)) if url else side.data.removeprefix("duckdb:")
    if side.data.lower().startswith("duckdb:") or Path(path).suffix.lower() in _DATABASES:
        return _Found(opened=_database(connection, side, name, path))
    if side.table is not None:
        raise ConfigError("files have no tables", where=side.shown, next_step="Leave --table out.")
    try:
        files = find_files([side.data.removeprefix("file://")])
        if files.format == "parquet":
            check_same_columns(connection, files)
    except ConfigError as error:
        error.where = side.label or error.where
        raise
    except QueryFailedError as error:
        raise _unreadable(side, error) from error
    columns = _describe(connection, reader(files), side)
    partitions = (
        {part.partition("=")[0] for part in Path(files.paths[0]).parts[:-1] if "=" in part} if files.hive else set()
    )
    guessed = {column.name for column in columns if files.format != "parquet" or column.name in partitions}
    if files.format == "csv":
        columns = _with_codes(connection, files, columns, side)
    schema = SideSchema(columns=columns, guessed=frozenset(guessed))
    return _Found(opened=Opened(side=side, name=name, relation=reader(files), schema=schema), files=files)


def _with_codes(
    connection: DuckConnection, files: FileSet, columns: tuple[Column, ...], side: Side
) -> tuple[Column, ...]:
    """The columns of a CSV file, those with codes such as 00123 as texts."""
    try:
        codes = find_codes(connection, files, columns)
    except QueryFailedError as error:
        raise _unreadable(side, error) from error
    return tuple(replace(c, kind=Kind.STRING, native="VARCHAR") if c.name in codes else c for c in columns)


def _loaded(connection: DuckConnection, found: _Found, other: _Found) -> Opened:
    opened, files = found.opened, found.files
    if files is None or not found.text:
        return opened
    try:
        relation, schema = load_text(
            connection, opened.name, files, opened.schema, other.opened.schema, other_is_text=other.text
        )
    except QueryFailedError as error:
        raise _unreadable(opened.side, error) from error
    return replace(opened, relation=relation, schema=schema)


def _database(connection: DuckConnection, side: Side, name: str, path: str) -> Opened:
    if not Path(path).is_file():
        raise ConfigError("no such file", where=path, next_step="Name a DuckDB file, as in shop.duckdb.")
    try:
        database = _attach(connection, path, name)
        table = side.table or _only_table(connection, side, database)
        qualified = ".".join(identifier(part) for part in parse_table(table))
        connection.execute(f"CREATE TEMP VIEW {name}_table AS SELECT * FROM {database}.{qualified}")
    except QueryFailedError as error:
        raise _unreadable(side, error) from error
    columns = _describe(connection, f"{name}_table", side)
    return Opened(side=side, name=name, relation=f"{name}_table", schema=SideSchema(columns=columns))


def _attach(connection: DuckConnection, path: str, name: str) -> str:
    """The name under which the file is attached; two tables of one file are read through one attachment."""
    attached = connection.execute("SELECT database_name, path FROM duckdb_databases() WHERE path IS NOT NULL").rows
    for database, place in attached:
        if Path(place).exists() and Path(place).samefile(path):
            return str(database)
    connection.execute(f"ATTACH {literal(path)} AS {name}_file (READ_ONLY)")
    return f"{name}_file"


def _only_table(connection: DuckConnection, side: Side, database: str) -> str:
    found = connection.execute(
        f"SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = {literal(database)} ORDER BY ALL"
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
