"""The batches of the cases as tables of a database."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

Tables = Mapping[str, pa.Table]
Execute = Callable[[str, list[tuple[Any, ...]] | None], object]
"""Runs a statement, once or (with rows) once for each of them."""

_QUOTES = {"sqlite": '"', "postgres": '"', "mysql": "`"}
_MARKS = {"sqlite": "?", "postgres": "%s", "mysql": "%s"}


def load(tables: Tables, dialect: str, execute: Execute) -> None:
    """Create and fill every table. What a database has no value for (NaN and infinities of MySQL) is null there."""
    for name, table in tables.items():
        columns = ", ".join(f"{_quoted(field.name, dialect)} {_TYPES[dialect](field.type)}" for field in table.schema)
        execute(f"CREATE TABLE {_quoted(name, dialect)} ({columns})", None)
        marks = ", ".join([_MARKS[dialect]] * table.num_columns)
        rows = [tuple(_value(value, dialect) for value in row.values()) for row in table.to_pylist()]
        if rows:
            execute(f"INSERT INTO {_quoted(name, dialect)} VALUES ({marks})", rows)


def _quoted(name: str, dialect: str) -> str:
    quote = _QUOTES[dialect]
    doubled = name.replace(quote, quote * 2)
    return f"{quote}{doubled.replace('%', '%%') if dialect == 'mysql' else doubled}{quote}"


def _first(kind: pa.DataType, **other: str) -> str:
    name = str(kind)
    if pa.types.is_decimal(kind):
        return other.get("decimal", f"NUMERIC({kind.precision}, {kind.scale})")
    if pa.types.is_timestamp(kind):
        return (
            other.get("zoned", "TIMESTAMPTZ")
            if kind.tz and "timestamp" not in other
            else other.get("timestamp", "TIMESTAMP")
        )
    names = {
        "int64": "BIGINT",
        "int8": "SMALLINT",
        "uint64": "NUMERIC(20, 0)",
        "double": other.get("float64", "DOUBLE PRECISION"),
        "float": other.get("float32", "REAL"),
        "string": "TEXT",
        "bool": "BOOLEAN",
        "date32[day]": "DATE",
    }
    return names[name]


_TYPES: dict[str, Callable[[pa.DataType], str]] = {
    "sqlite": lambda kind: _first(kind, decimal="REAL", float64="REAL", float32="REAL", timestamp="TIMESTAMP"),
    "postgres": _first,
    "mysql": lambda kind: _first(kind, timestamp="DATETIME(6)", zoned="DATETIME(6)", float64="DOUBLE", float32="FLOAT"),
}


def _value(value: Any, dialect: str) -> Any:
    if isinstance(value, float) and not math.isfinite(value) and dialect != "postgres":
        return value if dialect == "sqlite" and math.isinf(value) else None
    if dialect == "sqlite":
        return _for_sqlite(value)
    if dialect == "mysql" and isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return value


def _for_sqlite(value: Any) -> Any:
    """SQLite has no moments and no decimals: what its users write are texts and floats."""
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal) or (isinstance(value, int) and abs(value) >= 2**63):
        return float(value)
    return value
