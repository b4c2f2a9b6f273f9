"""Expectations about one figure of a column or of the table: what is observed, and whether it is within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from gates.quality.engines.port import Batch
from gates.quality.expectations import Reference, plan, planned_types
from gates.quality.metrics import Column, Count, Failed, Finding, Kind, OtherCount, Planned, Schema
from gates.quality.result_format import ResultFormat
from tests.gates.quality.expectations.support import COLUMNS, expectation, judge, opened, write_table


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    with opened(write_table(tmp_path_factory.mktemp("figures") / "t.parquet")) as found:
        yield found


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    with opened(write_table(tmp_path_factory.mktemp("empty") / "t.parquet", rows=0)) as found:
        yield found


OBSERVED: list[tuple[str, str, Any]] = [
    ("max", "n", 7),
    ("min", "n", 1),
    ("max", "f", float("inf")),
    ("min", "f", -2.0),
    ("max", "s", "é1"),
    ("max", "b", True),
    ("max", "d", date(2024, 2, 29)),
    ("max", "t", datetime(2024, 1, 3)),  # noqa: DTZ001
    ("max", "z", datetime(2024, 1, 3, tzinfo=UTC)),
    ("max", "p", Decimal("3.00")),
    ("mean", "n", 3.0),
    ("mean", "g", 21.6),
    ("mean", "b", 0.75),
    ("mean", "t", datetime(2024, 1, 1, 18)),  # noqa: DTZ001
    ("median", "n", 2.0),
    ("median", "g", 2.5),
    ("median", "p", 1.625),
    ("median", "t", datetime(2024, 1, 1, 12)),  # noqa: DTZ001
    ("stdev", "n", 2.7080128),
    ("stdev", "f", None),
    ("sum", "n", 12),
    ("sum", "f", float("inf")),
    ("sum", "b", 3),
    ("sum", "p", Decimal("6.35")),
    ("unique_value_count", "n", 3),
    ("unique_value_count", "f", 3),
    ("proportion_of_unique_values", "n", 0.75),
    ("proportion_of_non_null_values", "f", 0.6),
]


@pytest.mark.parametrize(("figure", "column", "observed"), OBSERVED)
def test_what_is_observed(batch: Batch, figure: str, column: str, observed: Any) -> None:
    found = judge(batch, f"expect_column_{figure}_to_be_between", column=column)

    assert isinstance(found, Finding)
    assert found.raised == ""
    value = found.result["observed_value"]
    assert value == (pytest.approx(observed) if isinstance(observed, float) else observed)
    assert type(value) is bool if observed is True else True
    assert found.success is (observed is not None)


BOUNDS: list[tuple[str, dict[str, Any], bool]] = [
    ("max", {"column": "n", "max_value": 7}, True),
    ("max", {"column": "n", "max_value": 7, "strict_max": True}, False),
    ("max", {"column": "n", "min_value": 8}, False),
    ("min", {"column": "p", "min_value": 0.1}, True),
    ("min", {"column": "p", "min_value": 0.1, "strict_min": True}, False),
    ("max", {"column": "d", "min_value": "2024-02-29"}, True),
    ("max", {"column": "t", "max_value": "2024-01-03"}, True),
    ("max", {"column": "z", "max_value": "2024-01-03T00:00:00Z"}, True),
    ("unique_value_count", {"column": "s", "min_value": 3, "max_value": 3}, True),
    ("proportion_of_unique_values", {"column": "s", "min_value": 0.76}, False),
]


@pytest.mark.parametrize(("figure", "kwargs", "success"), BOUNDS)
def test_bounds(batch: Batch, figure: str, kwargs: dict[str, Any], success: bool) -> None:
    found = judge(batch, f"expect_column_{figure}_to_be_between", **kwargs)

    assert isinstance(found, Finding)
    assert (found.raised, found.success) == ("", success)


NOTHING: list[tuple[str, Any]] = [
    ("max", None),
    ("mean", None),
    ("median", None),
    ("stdev", None),
    ("sum", 0),
    ("unique_value_count", 0),
    ("proportion_of_unique_values", 0),
    ("proportion_of_non_null_values", 0),
]


@pytest.mark.parametrize(("figure", "observed"), NOTHING)
def test_without_values(empty: Batch, figure: str, observed: Any) -> None:
    found = judge(empty, f"expect_column_{figure}_to_be_between", column="n")

    assert isinstance(found, Finding)
    assert found.result["observed_value"] == observed
    assert found.success is (observed is not None)


@pytest.mark.parametrize(
    ("figure", "kwargs"),
    [
        ("max", {"column": "s", "min_value": 0}),
        ("max", {"column": "n", "min_value": "2024-01-01"}),
        ("max", {"column": "d", "min_value": "2024-01-01T00:00:00"}),
        ("max", {"column": "z", "min_value": "2024-01-01T00:00:00"}),
        ("mean", {"column": "s"}),
        ("sum", {"column": "t"}),
        ("stdev", {"column": "d"}),
    ],
)
def test_figures_that_do_not_exist_are_not_judged(batch: Batch, figure: str, kwargs: dict[str, Any]) -> None:
    found = judge(batch, f"expect_column_{figure}_to_be_between", **kwargs)

    assert isinstance(found, Finding)
    assert found.raised
    assert not found.success


def test_quantiles_are_the_nearest_values_and_have_a_tolerance(batch: Batch) -> None:
    ranges = {"quantiles": [0, 0.3, 0.5, 1], "value_ranges": [[0, 1], [None, 1], [2.5001, 3], [99, None]]}
    found = judge(batch, "expect_column_quantile_values_to_be_between", column="g", quantile_ranges=ranges)

    assert isinstance(found, Finding)
    assert found.result["observed_value"] == {"quantiles": [0, 0.3, 0.5, 1], "values": [0.5, 1.5, 2.5, 100.0]}
    assert found.result["details"] == {"success_details": [True, False, True, True]}


SETS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("be_in_set", {"column": "n", "value_set": [1, 2]}, {"unexpected_count": 1, "partial_unexpected_list": [7]}),
    (
        "be_in_set",
        {"column": "f", "value_set": [1.5]},
        {"unexpected_count": 2, "partial_unexpected_list": [-2.0, float("inf")]},
    ),
    (
        "contain_set",
        {"column": "s", "value_set": ["a", "q", 1]},
        {"missing_count": 2, "partial_missing_list": ["q", 1]},
    ),
    ("contain_set", {"column": "p", "value_set": [0.1, 0.2]}, {"missing_count": 1, "partial_missing_list": [0.2]}),
    ("contain_set", {"column": "n", "value_set": []}, {"missing_count": 0, "partial_missing_list": []}),
    (
        "contain_set",
        {"column": "t", "value_set": ["2024-01-09"]},
        {"missing_count": 1, "partial_missing_list": [datetime(2024, 1, 9)]},  # noqa: DTZ001
    ),
    (
        "equal_set",
        {"column": "n", "value_set": [1, 2, 3]},
        {"unexpected_count": 1, "missing_count": 1, "partial_unexpected_list": [7], "partial_missing_list": [3]},
    ),
]


@pytest.mark.parametrize(("kind", "kwargs", "result"), SETS)
def test_different_values(batch: Batch, kind: str, kwargs: dict[str, Any], result: dict[str, Any]) -> None:
    found = judge(batch, f"expect_column_distinct_values_to_{kind}", **kwargs)

    assert isinstance(found, Finding)
    assert found.result == {"observed_value": None, **result}
    assert found.success is not any(result.get(name) for name in ("unexpected_count", "missing_count"))


@pytest.mark.parametrize(
    ("kwargs", "success", "observed"),
    [
        ({"column": "n", "value_set": [2, 9]}, True, [2]),
        ({"column": "b", "value_set": [True]}, True, [True]),
        ({"column": "id", "value_set": [1]}, False, [1, 2, 3, 4, 5]),
        ({"column": "id", "value_set": [1], "ties_okay": True}, True, [1, 2, 3, 4, 5]),
        ({"column": "s", "value_set": ["b"]}, False, ["a"]),
    ],
)
def test_most_common_value(batch: Batch, kwargs: dict[str, Any], success: bool, observed: list[Any]) -> None:
    found = judge(batch, "expect_column_most_common_value_to_be_in_set", **kwargs)

    assert found == Finding(success=success, result={"observed_value": observed})


NAMES = list(COLUMNS)
TABLE: list[tuple[str, dict[str, Any], bool, Any]] = [
    ("table_row_count_to_equal", {"value": 5}, True, 5),
    ("table_row_count_to_equal", {"value": "4"}, False, 5),
    ("table_row_count_to_be_between", {"min_value": 5, "strict_min": True}, False, 5),
    ("table_row_count_to_be_between", {}, True, 5),
    ("table_column_count_to_equal", {"value": 11}, True, 11),
    ("table_column_count_to_be_between", {"max_value": 10}, False, 11),
    ("table_columns_to_match_ordered_list", {"column_list": NAMES}, True, NAMES),
    ("table_columns_to_match_ordered_list", {"column_list": None}, True, NAMES),
    ("table_columns_to_match_ordered_list", {"column_list": NAMES[::-1]}, False, NAMES),
    ("table_columns_to_match_set", {"column_set": NAMES[::-1]}, True, sorted(NAMES)),
    ("table_columns_to_match_set", {"column_set": ["id"], "exact_match": False}, True, sorted(NAMES)),
    ("table_columns_to_match_set", {"column_set": ["id"]}, False, sorted(NAMES)),
    ("table_columns_to_match_set", {"column_set": [*NAMES, "no"], "exact_match": False}, False, sorted(NAMES)),
]


@pytest.mark.parametrize(("kind", "kwargs", "success", "observed"), TABLE)
def test_table(batch: Batch, kind: str, kwargs: dict[str, Any], success: bool, observed: Any) -> None:
    found = judge(batch, f"expect_{kind}", **kwargs)

    assert isinstance(found, Finding)
    assert (found.raised, found.success) == ("", success)
    assert found.result["observed_value"] == observed


@pytest.mark.parametrize(
    ("kwargs", "success"),
    [
        ({"column": "n"}, True),
        ({"column": "no"}, False),
        ({"column": "n", "column_index": 1}, True),
        ({"column": "n", "column_index": 2}, False),
        ({"column": "p", "column_index": -1}, True),
        ({"column": "n", "column_index": 99}, False),
    ],
)
def test_column_exists(batch: Batch, kwargs: dict[str, Any], success: bool) -> None:
    assert judge(batch, "expect_column_to_exist", **kwargs) == Finding(success=success, result={})


@pytest.mark.parametrize(
    ("column", "name", "success"),
    [
        ("n", "BIGINT", True),
        ("n", "int64", True),
        ("n", "INTEGER", False),
        ("n", "str", False),
        ("s", "varchar", True),
        ("s", "str", True),
        ("p", "DECIMAL", True),
        ("p", "DECIMAL(9,2)", True),
        ("p", "DECIMAL(18,2)", False),
        ("t", "datetime64[ns]", True),
        ("f", "float64", True),
        ("b", "bool", True),
        ("d", "DATE", True),
    ],
)
def test_types(batch: Batch, column: str, name: str, success: bool) -> None:
    one = judge(batch, "expect_column_values_to_be_of_type", column=column, type_=name)
    listed = judge(batch, "expect_column_values_to_be_in_type_list", column=column, type_list=["JSON", name])
    exact = judge(batch, "expect_column_type_to_be", column=column, type_=name)

    for found in (one, listed, exact):
        assert isinstance(found, Finding)
        assert found.success is success


@pytest.mark.parametrize(
    ("query", "success", "observed"),
    [
        ("SELECT * FROM {batch} WHERE id > 5;", True, 0),
        ("SELECT id, s FROM {batch} WHERE n = 2", False, 2),
        ("SELECT id, s FROM {batch} WHERE s = '{{'", True, 0),
    ],
)
def test_query_of_the_user(batch: Batch, query: str, success: bool, observed: int) -> None:
    found = judge(batch, "unexpected_rows_expectation", "COMPLETE", unexpected_rows_query=query)

    assert isinstance(found, Finding)
    assert (found.raised, found.success, found.result["observed_value"]) == ("", success, observed)
    assert len(found.result["details"]["unexpected_rows"]) == observed


@pytest.mark.parametrize("query", ["SELECT * FROM {batch} WHERE s = '{'", "SELECT {0} FROM {batch}", "SELECT {x}"])
def test_braces_that_mean_nothing(batch: Batch, query: str) -> None:
    found = judge(batch, "unexpected_rows_expectation", unexpected_rows_query=query)

    assert isinstance(found, Finding)
    assert "double it" in found.raised


SCHEMA = Schema(columns=(Column(name="a", kind=Kind.INTEGER, native="BIGINT"),))


def planned(kind: str, **kwargs: Any) -> Planned:
    state = plan(
        expectation(kind, **kwargs),
        SCHEMA,
        result_format=ResultFormat(),
        parameters={},
        reference=Reference.SQL,
    )
    assert isinstance(state, Planned)
    return state


def test_rows_of_another_table() -> None:
    state = planned("expect_table_row_count_to_equal_other_table", other_table_name="other")

    assert state.then({Count(): 3, OtherCount(other="other"): 4}) == Finding(
        success=False, result={"observed_value": {"self": 3, "other": 4}}
    )


def test_a_metric_that_failed_is_not_judged() -> None:
    state = planned("expect_column_max_to_be_between", column="a")

    found = state.then({need: Failed(reason="server gone") for need in state.needs})

    assert found == Finding(success=False, result={}, raised="server gone")


def test_the_sum_of_nothing_is_nothing_in_sql() -> None:
    state = planned("expect_column_sum_to_be_between", column="a")

    assert state.then(dict.fromkeys(state.needs)) == Finding(success=False, result={"observed_value": None})


def test_names_of_columns_in_sql_have_no_case_unless_quoted() -> None:
    def judged(*names: str) -> Any:
        wanted = expectation("expect_table_columns_to_match_set", column_set=list(names))
        return plan(wanted, SCHEMA, result_format=ResultFormat(), parameters={}, reference=Reference.SQL)

    assert judged("A").success
    assert judged('"a"').success
    assert not judged('"A"').success


def test_most_exported_types_are_planned() -> None:
    assert len(planned_types()) >= 50
