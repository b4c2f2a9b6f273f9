"""Row conditions in their three forms: the rows they are about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlglot import exp

from gates.quality.engines.port import Batch
from gates.quality.expectations.conditions import row_condition
from gates.quality.expectations.context import NotJudgedError, NotPlannedError, Reference
from gates.quality.metrics import Column, Finding, Kind, Schema
from tests.gates.quality.expectations.support import judge, opened, write_table


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    with opened(write_table(tmp_path_factory.mktemp("conditions") / "t.parquet")) as found:
        yield found


def comparison(name: str, operator: str, parameter: Any) -> dict[str, Any]:
    return {"type": "comparison", "column": {"name": name}, "operator": operator, "parameter": parameter}


def nullity(name: str, null: bool) -> dict[str, Any]:
    return {"type": "nullity", "column": {"name": name}, "is_null": null}


def both(*parts: Any) -> dict[str, Any]:
    return {"type": "and", "conditions": list(parts)}


def either(*parts: Any) -> dict[str, Any]:
    return {"type": "or", "conditions": list(parts)}


ROWS: list[tuple[Any, str | None, list[int]]] = [
    (comparison("n", ">", 1), None, [2, 3, 5]),
    (comparison("n", "!=", 2), None, [1, 4, 5]),
    (comparison("f", "<=", 1.5), None, [1, 4]),
    (comparison("f", ">", 0), None, [1, 3]),
    (comparison("f", "!=", 1.5), None, [2, 3, 4, 5]),
    (comparison("s", "IN", ["a", "b"]), None, [1, 2, 5]),
    (comparison("s", "NOT_IN", ["a", "b"]), None, [3, 4]),
    (comparison("s", "IN", []), None, []),
    (comparison("s", "NOT_IN", []), None, [1, 2, 3, 4, 5]),
    (comparison("s", "==", 1), None, []),
    (comparison("b", "==", True), None, [1, 3, 5]),
    (comparison("t", ">", "2024-01-01"), None, [2, 3]),
    (comparison("s", "==", "it's; -- \" quoted"), None, []),
    (nullity("f", True), None, [2, 5]),
    (nullity("f", False), None, [1, 3, 4]),
    (both(comparison("id", ">", 1), both(comparison("id", "<", 4), nullity("s", False))), None, [2]),
    (either(comparison("id", "==", 1), both(comparison("id", ">", 3), nullity("n", True))), None, [1, 4]),
    ('col("n") > 1', "great_expectations", [2, 3, 5]),
    ('col("n").notnull()', "great_expectations", [1, 2, 3, 5]),
    ("col(\"s\") != 'a'", "great_expectations__experimental__", [2, 3, 4]),
    ('col("t") >= date("2024-01-02")', "great_expectations", [2, 3]),
    ('col("id") == 2e0', "great_expectations", [2]),
    ("n > 1", "pandas", [2, 3, 5]),
    ("n > 1", None, [2, 3, 5]),
    ("n != 2", "pandas", [1, 4, 5]),
    ("1 < id <= 3", "pandas", [2, 3]),
    ("3 >= id", "pandas", [1, 2, 3]),
    ("(id == 1) | (s == 'b') & (id < 9)", "pandas", [1, 2]),
    ("~(n > 1)", "pandas", [1, 4]),
    ("not (s == 'a' and id < 3)", "pandas", [2, 3, 4, 5]),
    ("s in ['a', 'b'] and not b.isnull()", "pandas", [1, 2, 5]),
    ("s not in ('a',)", "pandas", [2, 3, 4]),
    ("`id` == -1 or s.isna()", "pandas", [3]),
    ("b", "pandas", [1, 3, 5]),
]


@pytest.mark.parametrize(("condition", "parser", "ids"), ROWS)
def test_rows_of_a_condition(batch: Batch, condition: Any, parser: str | None, ids: list[int]) -> None:
    given = {"row_condition": condition} | ({"condition_parser": parser} if parser else {})
    found = judge(batch, "expect_column_values_to_be_in_set", "COMPLETE", column="id", value_set=[], **given)

    assert isinstance(found, Finding)
    assert found.raised == ""
    assert found.result["unexpected_list"] == ids
    assert found.result["element_count"] == len(ids)
    assert found.result["unexpected_index_list"] == [number - 1 for number in ids]


SCHEMA = Schema(
    columns=(
        Column(name="a", kind=Kind.INTEGER, native="BIGINT"),
        Column(name="s", kind=Kind.STRING, native="VARCHAR"),
    )
)


def read(condition: Any, parser: str | None = None, reference: Reference = Reference.PANDAS) -> exp.Expression | None:
    return row_condition({"row_condition": condition, "condition_parser": parser}, SCHEMA, reference)


@pytest.mark.parametrize(
    ("condition", "parser", "message"),
    [
        ("", "pandas", "empty string"),
        (3, None, "Invalid condition type"),
        ({"type": "bogus"}, None, "Unable to determine"),
        (comparison("a", "~", 1), None, "not an operator"),
        (comparison("a", "==", None), None, "is_null"),
        (comparison("a", "NOT_IN", [None]), None, "numbers, or all texts"),
        (comparison("s", "IN", ["x", 1]), None, "numbers, or all texts"),
        (comparison("s", "IN", "x"), None, "iterable"),
        (comparison("s", "<", 1), None, "not supported"),
        (comparison("no", "<", 1), None, "does not exist"),
        (both(either(nullity("a", True))), None, "AND groups"),
        (either(both(either(nullity("a", True)))), None, "OR groups"),
        (both(*[nullity("a", True)] * 101), None, "100 conditions is the maximum"),
        ("a >", "great_expectations", "unable to parse"),
        ('col("a") > 1; DROP TABLE x', "great_expectations", None),
        ("a >", "pandas", "cannot be parsed"),
        ("`a > 1", "pandas", "backtick"),
        ("no > 1", "pandas", "does not exist"),
    ],
)
def test_what_great_expectations_refuses(condition: Any, parser: str | None, message: str | None) -> None:
    if message is None:  # its grammar reads the beginning and leaves the rest
        assert read(condition, parser) == read('col("a") > 1', parser)
        return
    with pytest.raises(NotJudgedError, match=message):
        read(condition, parser)


@pytest.mark.parametrize(
    ("condition", "parser"),
    [
        ("a + 1 > 2", "pandas"),
        ("a > s", "pandas"),
        ("a > @limit", "pandas"),
        ("s.str.len() > 1", "pandas"),
        ("a.abs() > 1", "pandas"),
        ("__import__('os')", "pandas"),
        ("a", "pandas"),
    ],
)
def test_what_is_more_than_comparisons_is_left_to_great_expectations(condition: str, parser: str) -> None:
    with pytest.raises((NotPlannedError, NotJudgedError)):
        read(condition, parser)


def test_in_sql_nulls_are_not_different() -> None:
    condition = read(comparison("a", "!=", 1), reference=Reference.SQL)

    assert condition is not None
    assert condition.sql(dialect="postgres") == 'NOT "a" IN (1)'


def test_spark_conditions_are_sql_over_columns_of_the_batch() -> None:
    condition = read("a > 1 AND s RLIKE 'x'", "spark", Reference.SQL)

    assert condition is not None
    assert {node.name for node in condition.find_all(exp.Column)} == {"a", "s"}
    assert all(node.this.quoted for node in condition.find_all(exp.Column))
    for hostile in ("a > (SELECT max(x) FROM secrets)", "a > 1; DROP TABLE x"):
        with pytest.raises(NotPlannedError):
            read(hostile, "spark", Reference.SQL)
    with pytest.raises(NotJudgedError):
        read("no > 1", "spark", Reference.SQL)


def test_in_sql_conditions_for_pandas_are_refused_and_an_empty_set_excludes_nothing() -> None:
    with pytest.raises(NotJudgedError, match="for files"):
        read("a > 1", "pandas", Reference.SQL)
    assert read(comparison("a", "NOT_IN", []), reference=Reference.SQL) == exp.true()


def test_without_a_condition_every_row_counts() -> None:
    assert read(None) is None
