"""Failing rows of tables of databases set aside: exactly those, each once, with what they failed, masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gates.quality.metrics import Kind
from gates.quality.quarantine import Quarantined, quarantine
from gates.quality.result_format import ResultFormat
from gates.quality.session import Job, run_suites
from gates.quality.suite import parse_suite
from tests.gates.quality.engines.benches import LIMITS, MariaDbBench, PostgresBench, SqliteBench, opened, written
from tests.gates.quality.engines.contract import Table
from tests.testing.mariadb import MariaDb
from tests.testing.postgres import Postgres

Bench = PostgresBench | MariaDbBench | SqliteBench

HOSTILE = 'it\'s "a"; DROP TABLE t; -- `%s`'
MOMENT = datetime(2026, 1, 1, 10, 30)  # noqa: DTZ001 - a column without zones
COLUMNS = (
    ("id", Kind.INTEGER),
    (HOSTILE, Kind.STRING),
    ("amount", Kind.DECIMAL),
    ("ratio", Kind.FLOAT),
    ("paid", Kind.BOOLEAN),
    ("since", Kind.DATE),
    ("at", Kind.TIMESTAMP),
    ("customer", Kind.INTEGER),
)
ROWS: tuple[tuple[Any, ...], ...] = (
    (1, "ada@example.com", Decimal("10.50"), 0.5, True, date(2026, 1, 1), MOMENT, 1),
    (2, "bob@example.com", Decimal("-3.00"), 0.25, False, date(2026, 1, 2), MOMENT, 1),
    (2, None, Decimal("7.00"), None, None, date(2026, 1, 3), MOMENT, 2),
    (None, "Žofie Nováková", Decimal("-1.25"), 1.5, True, None, None, 9),
    (5, "eve's; DROP--", Decimal("8.00"), 2.0, True, date(2026, 1, 5), MOMENT, None),
)
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
PRESENT = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": HOSTILE}}
POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}
SIZE = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}}
COMPOUND = {"type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["customer", "paid"]}}
PAIR = {"type": "expect_column_pair_values_a_to_be_greater_than_b", "kwargs": {"column_A": "id", "column_B": "ratio"}}


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mariadb"])
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, mariadb: MariaDb
) -> Iterator[Bench]:
    match request.param:
        case "sqlite":
            yield made(SqliteBench(tmp_path_factory.mktemp("sqlite")))
        case "postgres":
            with postgres.database() as name:
                yield made(PostgresBench(postgres, name))
        case _:
            with mariadb.database() as name:
                yield made(MariaDbBench(mariadb, name))


def made(bench: Bench) -> Bench:
    bench.make(Table(name="orders", columns=COLUMNS, rows=ROWS))
    bench.make(Table(name="empty", columns=COLUMNS, rows=()))
    return bench


def set_aside(bench: Bench, folder: Path, *entries: dict[str, Any], reveal: tuple[str, ...] = ()) -> Quarantined:
    suite = parse_suite(json.dumps({"name": "orders", "expectations": list(entries)}).encode(), "s.json")
    with bench.batch("orders") as batch:
        findings = run_suites([Job(suite=suite, result_format=ResultFormat(), parameters={})], batch)
    (found,) = quarantine(findings, bench.url, folder, table=written("orders"), reveal=reveal, limits=LIMITS)
    return found


def read(path: Path | None, order: str = "ALL") -> list[dict[str, Any]]:
    assert path is not None
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM read_parquet(?) ORDER BY {order}", [str(path)])
        names = [item[0] for item in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_exactly_the_failing_rows_each_once_with_what_they_failed(bench: Bench, tmp_path: Path) -> None:
    found = set_aside(bench, tmp_path / "bad", UNIQUE, PRESENT, POSITIVE, SIZE, reveal=("id", "amount", "since", "at"))
    assert (found.rows, found.path) == (3, tmp_path / "bad" / "orders.parquet")
    assert found.left_out == (("expect_table_row_count_to_equal", "it is about the table, not about rows"),)
    unique, present = "expect_column_values_to_be_unique(id)", f"expect_column_values_to_not_be_null({HOSTILE})"
    between = "expect_column_values_to_be_between(amount)"
    rows = read(found.path, "amount")
    assert [(row["id"], row["amount"], row["since"], row["headgate_failed"]) for row in rows] == [
        (2, Decimal("-3.00"), date(2026, 1, 2), [unique, between]),
        (None, Decimal("-1.25"), None, [between]),
        (2, Decimal("7.00"), date(2026, 1, 3), [unique, present]),
    ]
    assert rows[0]["at"] == MOMENT
    assert [path.name for path in (tmp_path / "bad").iterdir()] == ["orders.parquet"]


def test_what_is_not_revealed_is_masked(bench: Bench, tmp_path: Path) -> None:
    rows = read(set_aside(bench, tmp_path, POSITIVE, UNIQUE, reveal=("amount",)).path, "amount")
    assert [row[HOSTILE] for row in rows] == ["***@***.***", "*** ***", None]
    assert [row["id"] for row in rows] == ["*", None, "*"]
    assert [row["since"] for row in rows] == ["****-**-**", None, "****-**-**"]
    assert "headgate_row" not in rows[0]
    content = (tmp_path / "orders.parquet").read_bytes()
    assert b"bob" not in content
    assert "Žofie".encode() not in content


def test_conditions_pairs_and_compounds(bench: Bench, tmp_path: Path) -> None:
    condition = {"row_condition": 'col("id") >= 2', "condition_parser": "great_expectations"}
    conditioned = {"column": "amount", "min_value": 9, **condition}
    rows = read(set_aside(bench, tmp_path / "a", {**POSITIVE, "kwargs": conditioned}, reveal=("id",)).path)
    assert [row["id"] for row in rows] == [2, 2, 5]
    found = set_aside(bench, tmp_path / "b", COMPOUND, PAIR, reveal=("id", "customer"))
    assert (found.path, found.rows) == (None, 0)
    doubled = {**COMPOUND, "kwargs": {"column_list": ["id", "at"]}}
    rows = read(set_aside(bench, tmp_path / "c", doubled, reveal=("customer",)).path, "customer")
    assert [row["customer"] for row in rows] == [1, 2]


def test_many_rows_come_in_pieces(bench: Bench, tmp_path: Path) -> None:
    rows = tuple((n, n % 3) for n in range(25_000))
    bench.make(Table(name="orders", columns=(("id", Kind.INTEGER), ("v", Kind.INTEGER)), rows=rows))
    try:
        entry = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "v", "value_set": [0]}}
        found = set_aside(bench, tmp_path, entry, {**UNIQUE, "kwargs": {"column": "v"}}, reveal=("id",))
        assert found.rows == len(rows)
        with duckdb.connect() as connection:
            failed = connection.execute(
                "SELECT len(headgate_failed), count(DISTINCT id) FROM read_parquet(?) GROUP BY 1 ORDER BY 1",
                [str(found.path)],
            ).fetchall()
        assert failed == [(1, 8334), (2, 16666)]
    finally:
        made(bench)


def test_one_more_query_whatever_fails(bench: Bench, tmp_path: Path) -> None:
    """The rows of three expectations of three kinds are marked by one query."""
    from sqlglot import exp

    from gates.quality.marked_rows import marking
    from gates.quality.metrics import Duplicated, Rows
    from gates.quality.sql import column, not_null

    failing = [
        Rows(of=Duplicated(keys=(column("id"),), where=not_null(column("id"))), columns=(), limit=None),
        Rows(of=exp.LT(this=column("amount"), expression=exp.Literal.number(0)), columns=(), limit=None),
    ]
    with bench.batch("orders") as batch:
        rows = batch.send(marking(failing, batch)).rows
    assert sorted((str(row[0]), *(bool(mark) for mark in row[-2:])) for row in rows) == [
        ("2", True, False),
        ("2", True, True),
        ("None", False, True),
    ]


def test_a_duckdb_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT i AS id, i % 2 AS v FROM range(5) t(i)")
    entry = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "v", "value_set": [0]}}
    suite = parse_suite(json.dumps({"name": "s", "expectations": [entry]}).encode(), "s.json")
    with opened(f"duckdb:///{path}", table="orders") as batch:
        findings = run_suites([Job(suite=suite, result_format=ResultFormat(), parameters={})], batch)
    (found,) = quarantine(findings, f"duckdb:///{path}", tmp_path, table="orders", reveal=("id",))
    assert [row["id"] for row in read(found.path)] == [1, 3]
