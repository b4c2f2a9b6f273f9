"""What `BASE` and `HEAD` name: files, a glob, a folder, or a table of a DuckDB file; opened side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sqlglot import exp

from gates.quality.compare.columns import SideSchema
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import _same_columns as same_columns
from gates.quality.engines.duck_dialect import kind_of
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
    """A side that can be asked: `relation` is what stands after FROM, `name` what it is called inside the connection."""

    side: Side
    name: str
    relation: str
    schema: SideSchema


def identifier(name: str) -> str:
    """A name as it stands in SQL, quoted whatever is in it."""
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")


def open_sides(connection: DuckConnection, base: Side, head: Side) -> tuple[Opened, Opened]:
    """Both sides with their columns, called `base` and `head` inside the connection.

    CSV and JSON lines are loaded once, into files beside the spill files; where the other side has types, as those.
    Raises `ConfigError` for what does not exist, `ServerFaultError` for what is there and cannot be read.
    """
    found = [_find(connection, side, name) for side, name in ((base, "base"), (head, "head"))]
    opened = tuple(
        _loaded(connection, mine, other) if mine.text else mine.opened
        for mine, other in zip(found, reversed(found), strict=True)
    )
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
    path = side.data.removeprefix("duckdb://").removeprefix("duckdb:")
    if side.data.startswith("duckdb:") or Path(path).suffix.lower() in _DATABASES:
        return _Found(opened=_database(connection, side, name, path))
    if "://" in side.data and not side.data.startswith("file://"):
        raise ConfigError(
            "only files and DuckDB files can be compared",
            where=side.shown,
            next_step="Export the table to Parquet, or name a DuckDB file and --table.",
        )
    if side.table is not None:
        raise ConfigError("files have no tables", where=side.shown, next_step="Leave --table out.")
    try:
        files = find_files([side.data.removeprefix("file://")])
        if files.format == "parquet":
            same_columns(connection, files)
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
    schema = SideSchema(columns=columns, guessed=frozenset(guessed))
    return _Found(opened=Opened(side=side, name=name, relation=reader(files), schema=schema), files=files)


def _loaded(connection: DuckConnection, found: _Found, other: _Found) -> Opened:
    """The text of one side as a table; text that does not fit the other side's types keeps its own."""
    opened, files = found.opened, found.files
    if files is None:
        return opened
    names = {column.name for column in opened.schema.columns}
    types = {} if other.text else {c.name: c.native for c in other.opened.schema.columns if c.name in names}
    listed = ", ".join(f"{literal(column)}: {literal(native)}" for column, native in types.items())
    typed = f"{reader(files)[:-1]}, types = {{{listed}}})" if types and files.format == "csv" else reader(files)
    store = literal(str(connection.folder / f"{opened.name}.duckdb"))
    connection.execute(f"ATTACH {store} AS {opened.name}_loaded")
    relation = f"{opened.name}_loaded.main.rows"
    for source in dict.fromkeys((typed, reader(files))):
        try:
            connection.execute(f"CREATE TABLE {relation} AS SELECT * FROM {source}")
            break
        except QueryFailedError as error:
            if source == reader(files):
                raise _unreadable(opened.side, error) from error
    columns = _describe(connection, relation, opened.side)
    return replace(opened, relation=relation, schema=SideSchema(columns=columns, guessed=opened.schema.guessed))


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
