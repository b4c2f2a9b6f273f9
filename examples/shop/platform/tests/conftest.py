"""A small warehouse in memory: tests give the rows of the tables that a query reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from pipelines.warehouse import connect, create

Rows = list[dict[str, Any]]
Make = Callable[..., Rows]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as connection:
        yield connection


@pytest.fixture
def make(connection: duckdb.DuckDBPyConnection) -> Make:
    """`make("dim_product", std_products=rows)`: the rows that the query gives for these inputs, as dicts."""

    def run(table: str, **inputs: Rows) -> Rows:
        for name, rows in inputs.items():
            parts = []
            for row in rows:
                values = ", ".join(f"{_literal(value)} AS {column}" for column, value in row.items())
                parts.append(f"SELECT {values}")
            connection.execute(f"CREATE TABLE {name} AS {' UNION ALL '.join(parts)}")
        create(connection, table)
        cursor = connection.execute(f"FROM {table} ORDER BY ALL")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    return run


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if hasattr(value, "isoformat"):
        return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
    return repr(value)
