"""CSV and JSON lines as a side: loaded once, in the types of the other side where the text says the same.

What a reader guesses from the first lines is not what the whole file says: 00123 is no number, and a column of numbers
with one word in it is a column of texts. Such columns stay texts, and differ in type from the other side if that has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gates.quality.compare.columns import SideSchema
from gates.quality.compare.names import identifier, literal
from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_dialect import kind_of
from gates.quality.engines.files import FileSet, reader
from gates.quality.metrics import Column, Kind

_TEXT = "VARCHAR"
_NUMBERS = {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}
_TIMES = {Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ}
_CODE = r"^\s*[+-]?0[0-9]"
"""Digits after a leading zero: a number is not written like that, a code is."""


def find_codes(connection: DuckConnection, files: FileSet, columns: Sequence[Column]) -> set[str]:
    """Names of the columns of CSV files that look like integers and have values with leading zeros somewhere."""
    numbers = [column.name for column in columns if column.kind is Kind.INTEGER]
    if not numbers:
        return set()
    flags = ", ".join(f"coalesce(bool_or(regexp_matches({identifier(name)}, '{_CODE}')), false)" for name in numbers)
    row = connection.execute(f"SELECT {flags} FROM {_all_text(files)}").rows[0]
    return {name for name, found in zip(numbers, row, strict=True) if found}


def _all_text(files: FileSet) -> str:
    return f"{reader(files)[:-1]}, all_varchar = true)"


def load_text(
    connection: DuckConnection,
    name: str,
    files: FileSet,
    guessed: SideSchema,
    other: SideSchema,
    *,
    other_is_text: bool,
) -> tuple[str, SideSchema]:
    """The name of a table with the rows of `files`, beside the spill files, and its columns.

    Columns that have no type of their own (`SideSchema.guessed`) are compared in the other side's type. Raises
    `QueryFailedError` where the files cannot be read.
    """
    store = literal(str(connection.folder / f"{name}.duckdb"))
    connection.execute(f"ATTACH {store} AS {name}_loaded")
    table = f"{name}_loaded.main.rows"
    theirs = {column.name: column for column in other.columns}
    types = {column.name: _type(column, theirs.get(column.name), other_is_text) for column in guessed.columns}
    _load(connection, table, files, types)
    wanted = types if other_is_text else types | {column.name: column.native for column in other.columns}
    certain = set()
    for column in _described(connection, table):
        target = wanted[column.name]
        if column.native != _TEXT or target == _TEXT:
            continue
        if _fits(connection, table, column.name, target):
            connection.execute(f"ALTER TABLE {table} ALTER {identifier(column.name)} TYPE {target}")
        else:
            certain.add(column.name)
    return table, SideSchema(columns=_described(connection, table), guessed=guessed.guessed - certain)


def _type(mine: Column, theirs: Column | None, other_is_text: bool) -> str:
    """The type in which a column is read."""
    if theirs is None or mine.native in {theirs.native, _TEXT}:
        return mine.native
    if not other_is_text:
        return theirs.native
    related = any({mine.kind, theirs.kind} <= family for family in (_NUMBERS, _TIMES))
    return mine.native if related else _TEXT


def _load(connection: DuckConnection, table: str, files: FileSet, types: Mapping[str, str]) -> None:
    listed = ", ".join(f"{literal(column)}: {literal(native)}" for column, native in types.items())
    sources = [reader(files)]
    if files.format == "csv":
        typed = f"{reader(files)[:-1]}, types = {{{listed}}})" if types else reader(files)
        sources = [typed, _all_text(files)]
    for source in sources:
        try:
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM {source}")
            return
        except QueryFailedError:
            if source == sources[-1]:
                raise


def _described(connection: DuckConnection, table: str) -> tuple[Column, ...]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {table}").rows
    return tuple(Column(name=row[0], kind=kind_of(row[1]), native=row[1]) for row in rows)


def _fits(connection: DuckConnection, table: str, name: str, native: str) -> bool:
    """Whether all texts of a column are values of a type, written as such a type is."""
    column = identifier(name)
    odd = f"TRY_CAST({column} AS {native}) IS NULL"
    if kind_of(native) in _NUMBERS:
        odd += f" OR regexp_matches({column}, '{_CODE}')"
    query = f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {column} IS NOT NULL AND ({odd}) LIMIT 1)"
    return bool(connection.execute(query).rows[0][0] == 0)
