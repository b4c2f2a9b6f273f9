"""Failing rows set aside: exactly those, each once, with what they failed, masked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gates.quality.engines.open import open_batch
from gates.quality.quarantine import Quarantined, quarantine
from gates.quality.result_format import ResultFormat
from gates.quality.session import Job, SuiteFindings, run_suites
from gates.quality.suite import parse_suite
from headgate.errors import ConfigError
from tests.testing.tables import write_query, write_rows

COLUMNS = {"id": "INTEGER", "email": "VARCHAR", "amount": "DOUBLE", "paid": "BOOLEAN", "since": "DATE"}
ROWS: list[list[Any]] = [
    [1, "ada@example.com", 10.5, True, "2026-01-01"],
    [2, "bob@example.com", -3.0, False, "2026-01-02"],
    [2, None, 7.0, None, "2026-01-03"],
    [None, "Žofie Nováková", -1.25, True, None],
    [5, "eve@example.com", 8.0, True, "2026-01-05"],
]
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
PRESENT = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "email"}}
POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}
RISING = {"type": "expect_column_values_to_be_increasing", "kwargs": {"column": "amount"}}
SIZE = {"type": "expect_table_row_count_to_equal", "kwargs": {"value": 3}}
MEAN = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 100}}
REGEX = {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "email", "regex": "@", "mostly": 0.5}}


def run(data: str, *suites: Sequence[dict[str, Any]], name: str = "orders") -> tuple[SuiteFindings, ...]:
    parsed = [
        parse_suite(json.dumps({"name": name, "expectations": list(entries)}).encode(), "s.json") for entries in suites
    ]
    batch = open_batch(data)
    try:
        return run_suites([Job(suite=suite, result_format=ResultFormat(), parameters={}) for suite in parsed], batch)
    finally:
        batch.close()


def set_aside(data: Path | str, folder: Path, *entries: dict[str, Any], reveal: Sequence[str] = ()) -> Quarantined:
    (found,) = quarantine(run(str(data), entries), str(data), folder, reveal=reveal)
    return found


def read(path: Path | None) -> list[dict[str, Any]]:
    assert path is not None
    with duckdb.connect() as connection:
        cursor = connection.execute("SELECT * FROM read_parquet(?) ORDER BY headgate_row", [str(path)])
        names = [item[0] for item in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "data" / "orders.parquet", COLUMNS, ROWS)


def test_exactly_the_failing_rows_each_once_with_what_they_failed(tmp_path: Path, data: Path) -> None:
    found = set_aside(data, tmp_path / "bad", UNIQUE, PRESENT, POSITIVE, reveal=("id", "amount"))
    assert (found.rows, found.left_out, found.path) == (3, (), tmp_path / "bad" / "orders.parquet")
    rows = read(found.path)
    unique, present = "expect_column_values_to_be_unique(id)", "expect_column_values_to_not_be_null(email)"
    between = "expect_column_values_to_be_between(amount)"
    assert [(row["headgate_row"], row["headgate_failed"]) for row in rows] == [
        (1, [unique, between]),
        (2, [unique, present]),
        (3, [between]),
    ]
    assert [(row["id"], row["amount"]) for row in rows] == [(2, -3.0), (2, 7.0), (None, -1.25)]
    assert [path.name for path in (tmp_path / "bad").iterdir()] == ["orders.parquet"]


def test_what_is_not_revealed_is_masked_in_every_script(tmp_path: Path, data: Path) -> None:
    rows = read(set_aside(data, tmp_path, POSITIVE, UNIQUE).path)
    assert [row["email"] for row in rows] == ["***@***.***", None, "*** ***"]
    assert [row["amount"] for row in rows] == ["-*.*", "*.*", "-*.**"]
    assert [row["since"] for row in rows] == ["****-**-**", "****-**-**", None]
    assert [row["paid"] for row in rows] == [False, None, True]
    assert [row["id"] for row in rows] == ["*", "*", None]


def test_rows_that_mostly_allows_are_no_failing_rows(tmp_path: Path, data: Path) -> None:
    found = set_aside(data, tmp_path, REGEX)
    assert (found.rows, found.path) == (0, None)
    strict = {**REGEX, "kwargs": {**REGEX["kwargs"], "mostly": 0.99}}  # type: ignore[dict-item]
    assert [row["headgate_row"] for row in read(set_aside(data, tmp_path, strict).path)] == [3]


def test_a_condition_on_rows_holds_here_too(tmp_path: Path, data: Path) -> None:
    conditioned = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {
            "column": "amount",
            "min_value": 9,
            "row_condition": 'col("id") >= 2',
            "condition_parser": "great_expectations",
        },
    }
    assert [row["headgate_row"] for row in read(set_aside(data, tmp_path, conditioned).path)] == [1, 2, 4]


def test_order_and_other_tables(tmp_path: Path, data: Path) -> None:
    rows = read(set_aside(data, tmp_path, RISING, reveal=("amount",)).path)
    assert [row["amount"] for row in rows] == [-3.0, -1.25]


def test_nothing_is_left_out_in_silence(tmp_path: Path, data: Path) -> None:
    found = set_aside(data, tmp_path, SIZE, MEAN, POSITIVE)
    assert found.rows == 2
    assert found.left_out == (
        ("expect_table_row_count_to_equal", "it is about the table, not about rows"),
        ("expect_column_mean_to_be_between(amount)", "it is about the table, not about rows"),
    )
    alone = set_aside(data, tmp_path / "other", SIZE)
    assert (alone.path, len(alone.left_out)) == (None, 1)
    assert not (tmp_path / "other").exists()


def test_without_a_failure_nothing_is_opened(tmp_path: Path, data: Path) -> None:
    passed = run(str(data), [{"type": "expect_column_to_exist", "kwargs": {"column": "id"}}])
    data.unlink()
    assert quarantine(passed, str(data), tmp_path / "bad") == (Quarantined(suite="orders"),)


def test_several_files_and_suites_of_one_name(tmp_path: Path) -> None:
    for part in range(3):
        write_query(
            tmp_path / "in" / f"{part}.parquet", f"SELECT {part} * 10 + i AS id, i = 3 AS bad FROM range(10) t(i)"
        )
    wrong = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "bad", "value_set": [False]}}
    files = str(tmp_path / "in" / "*.parquet")
    found = quarantine(run(files, [wrong], [wrong, UNIQUE], name="../a b"), files, tmp_path / "out", reveal=("id",))
    assert [item.path.name for item in found if item.path] == ["a_b.parquet", "a_b-2.parquet"]
    assert [(row["id"], row["headgate_row"]) for row in read(found[0].path)] == [(3, 3), (13, 13), (23, 23)]


HOSTILE = 'it\'s "a"; DROP TABLE t; --'


def test_hostile_names_are_quoted(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "it's.csv", {HOSTILE: "INTEGER", "b": "VARCHAR"}, [[1, "x"], [-1, "y"]])
    entry = {"type": "expect_column_values_to_be_between", "kwargs": {"column": HOSTILE, "min_value": 0}}
    rows = read(set_aside(path, tmp_path / "o'ut", entry, reveal=("b",)).path)
    assert [(row["b"], row["headgate_failed"]) for row in rows] == [
        ("y", [f"expect_column_values_to_be_between({HOSTILE})"])
    ]


def test_a_folder_that_cannot_be_written(tmp_path: Path, data: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        set_aside(data, tmp_path / "file" / "bad", POSITIVE)


def test_many_failing_rows(tmp_path: Path) -> None:
    path = write_query(tmp_path / "big.parquet", "SELECT i AS id, i % 2 AS v, 'x' || i AS t FROM range(200000) t(i)")
    entry = {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "v", "value_set": [0]}}
    found = set_aside(path, tmp_path / "out", entry, {**UNIQUE, "kwargs": {"column": "v"}})
    assert found.rows == 200000
    with duckdb.connect() as connection:
        failed = connection.execute(
            "SELECT len(headgate_failed), count(*) FROM read_parquet(?) GROUP BY 1 ORDER BY 1", [str(found.path)]
        ).fetchall()
    assert failed == [(1, 100000), (2, 100000)]
