"""Expectations about rows: what is unexpected, of what it is a share, what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gates.quality.engines.port import Batch
from gates.quality.metrics import Finding
from tests.gates.quality.expectations.support import judge, opened, write_table


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    with opened(write_table(tmp_path_factory.mktemp("rows") / "t.parquet")) as found:
        yield found


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    with opened(write_table(tmp_path_factory.mktemp("empty") / "t.parquet", rows=0)) as found:
        yield found


COLUMN_CASES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("values_to_be_null", {"column": "n"}, [0, 1, 2, 4]),
    ("values_to_be_null", {"column": "f"}, [0, 2, 3]),
    ("values_to_not_be_null", {"column": "f"}, [1, 4]),
    ("values_to_not_be_null", {"column": "id"}, []),
    ("values_to_be_unique", {"column": "n"}, [1, 2]),
    ("values_to_be_unique", {"column": "s"}, [0, 4]),
    ("values_to_be_unique", {"column": "f"}, []),
    ("values_to_be_in_set", {"column": "n", "value_set": [1, 2.0]}, [4]),
    ("values_to_be_in_set", {"column": "n", "value_set": ["1"]}, [0, 1, 2, 4]),
    ("values_to_be_in_set", {"column": "n", "value_set": [True, None]}, [1, 2, 4]),
    ("values_to_be_in_set", {"column": "n", "value_set": []}, [0, 1, 2, 4]),
    ("values_to_be_in_set", {"column": "b", "value_set": [1]}, [1]),
    ("values_to_be_in_set", {"column": "s", "value_set": ["a", 1]}, [1, 3]),
    ("values_to_be_in_set", {"column": "d", "value_set": ["2024-02-29", "2024-01-01"]}, [1, 4]),
    ("values_to_be_in_set", {"column": "p", "value_set": [0.1, 3]}, [1, 4]),
    ("values_to_not_be_in_set", {"column": "n", "value_set": [1, 2.0]}, [0, 1, 2]),
    ("values_to_not_be_in_set", {"column": "t", "value_set": ["2024-01-01"]}, [0, 4]),
    ("values_to_be_between", {"column": "n", "min_value": 2}, [0]),
    (
        "values_to_be_between",
        {"column": "n", "min_value": 1, "max_value": 7, "strict_min": True, "strict_max": True},
        [0, 4],
    ),
    ("values_to_be_between", {"column": "n", "min_value": "2"}, [0]),
    ("values_to_be_between", {"column": "f", "min_value": 0}, [3]),
    ("values_to_be_between", {"column": "p", "min_value": 0.1, "max_value": 2}, [3]),
    ("values_to_be_between", {"column": "b", "min_value": 1}, [1]),
    ("values_to_be_between", {"column": "d", "min_value": "2024-01-02"}, [0, 4]),
    ("values_to_be_between", {"column": "t", "max_value": "2024-01-02"}, [2]),
    ("values_to_be_between", {"column": "t", "min_value": "2024-01-02T00:00:00", "strict_min": True}, [0, 1, 4]),
    ("values_to_be_between", {"column": "z", "min_value": "2024-01-02T01:00:00+01:00"}, [0, 4]),
    ("value_lengths_to_be_between", {"column": "s", "min_value": 2}, [0, 1, 4]),
    ("value_lengths_to_be_between", {"column": "s", "min_value": 3, "max_value": 1}, [0, 1, 3, 4]),
    ("value_lengths_to_equal", {"column": "s", "value": 1}, [3]),
    ("value_lengths_to_equal", {"column": "s", "value": 1.5}, [0, 1, 3, 4]),
    ("values_to_match_regex", {"column": "s", "regex": r"^\w$"}, [3]),
    ("values_to_match_regex", {"column": "s", "regex": "[a-z]"}, [3]),
    ("values_to_match_regex", {"column": "s"}, []),
    ("values_to_match_regex", {"column": "n", "regex": "[1-5]"}, [4]),
    ("values_to_not_match_regex", {"column": "s", "regex": "a|1$"}, [0, 3, 4]),
    ("values_to_match_regex_list", {"column": "s", "regex_list": ["a", "b"]}, [3]),
    ("values_to_match_regex_list", {"column": "s", "regex_list": [".", "1"], "match_on": "all"}, [0, 1, 4]),
    ("values_to_not_match_regex_list", {"column": "s", "regex_list": ["a", "b"]}, [0, 1, 4]),
    ("values_to_match_like_pattern", {"column": "s", "like_pattern": "a%"}, [1, 3]),
    ("values_to_not_match_like_pattern", {"column": "s", "like_pattern": "_1"}, [3]),
    ("values_to_match_like_pattern", {"column": "s", "like_pattern": "!_1", "escape": "!"}, [0, 1, 3, 4]),
    ("values_to_match_like_pattern_list", {"column": "s", "like_pattern_list": ["a", "b"]}, [3]),
    ("values_to_not_match_like_pattern_list", {"column": "s", "like_pattern_list": ["a", "b"]}, [0, 1, 4]),
    ("values_to_be_increasing", {"column": "n"}, []),
    ("values_to_be_increasing", {"column": "n", "strictly": True}, [2]),
    ("values_to_be_decreasing", {"column": "d"}, [1, 3]),
    ("values_to_be_increasing", {"column": "f"}, [3]),
    ("value_z_scores_to_be_less_than", {"column": "g", "threshold": 1.7, "double_sided": True}, [4]),
    ("value_z_scores_to_be_less_than", {"column": "f", "threshold": 0.1, "double_sided": True}, []),
    ("values_to_not_be_outliers", {"column": "g"}, [4]),
    ("values_to_not_be_outliers", {"column": "g", "method": "std", "multiplier": 1.7}, [4]),
    ("values_to_not_be_outliers", {"column": "n", "multiplier": 0}, [0, 4]),
]


@pytest.mark.parametrize(("kind", "kwargs", "rows"), COLUMN_CASES)
def test_unexpected_rows_of_a_column(batch: Batch, kind: str, kwargs: dict[str, Any], rows: list[int]) -> None:
    found = judge(batch, f"expect_column_{kind}", "COMPLETE", **kwargs)

    assert isinstance(found, Finding)
    assert found.raised == ""
    assert found.result["unexpected_index_list"] == rows
    assert found.result["unexpected_count"] == len(rows)
    assert found.success is (not rows)


PAIR = {"column_A": "n", "column_B": "id"}
SEVERAL_CASES: list[tuple[str, dict[str, Any], list[int]]] = [
    ("column_pair_values_to_be_equal", PAIR, [2, 3, 4]),
    ("column_pair_values_to_be_equal", PAIR | {"ignore_row_if": "either_value_is_missing"}, [2, 4]),
    ("column_pair_values_to_be_equal", {"column_A": "s", "column_B": "u"}, [1, 3, 4]),
    ("column_pair_values_to_be_equal", {"column_A": "s", "column_B": "id"}, [0, 1, 2, 3, 4]),
    ("column_pair_values_a_to_be_greater_than_b", PAIR, [0, 1, 2, 3]),
    ("column_pair_values_a_to_be_greater_than_b", PAIR | {"or_equal": True}, [2, 3]),
    (
        "column_pair_values_a_to_be_greater_than_b",
        {"column_A": "s", "column_B": "u", "or_equal": True, "ignore_row_if": "neither"},
        [1, 3, 4],
    ),
    ("column_pair_values_to_be_in_set", PAIR | {"value_pairs_set": [[1, 1], [2, 3], [None, 4]]}, [1, 4]),
    ("column_pair_values_to_be_in_set", PAIR | {"value_pairs_set": []}, [0, 1, 2, 3, 4]),
    ("compound_columns_to_be_unique", {"column_list": ["n", "b"]}, []),
    ("compound_columns_to_be_unique", {"column_list": ["s", "s"]}, [0, 4]),
    ("compound_columns_to_be_unique", {"column_list": ["b", "z"]}, [0, 4]),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["n", "id"]}, [0, 1]),
    ("select_column_values_to_be_unique_within_record", {"column_list": ["s", "u"], "ignore_row_if": "never"}, [0, 2]),
    ("multicolumn_values_to_be_equal", {"column_list": ["s", "u"], "ignore_row_if": "never"}, [1, 3, 4]),
    ("multicolumn_values_to_be_equal", {"column_list": ["n", "id"]}, [2, 3, 4]),
    ("multicolumn_sum_to_equal", {"column_list": ["n", "id"], "sum_total": 4}, [0, 2, 3, 4]),
    (
        "multicolumn_sum_to_equal",
        {"column_list": ["g", "id"], "sum_total": 1.5, "ignore_row_if": "never"},
        [1, 2, 3, 4],
    ),
]


@pytest.mark.parametrize(("kind", "kwargs", "rows"), SEVERAL_CASES)
def test_unexpected_rows_of_several_columns(batch: Batch, kind: str, kwargs: dict[str, Any], rows: list[int]) -> None:
    found = judge(batch, f"expect_{kind}", "COMPLETE", **kwargs)

    assert isinstance(found, Finding)
    assert found.raised == ""
    assert found.result["unexpected_index_list"] == rows


def test_shares_are_of_what_is_not_missing(batch: Batch) -> None:
    found = judge(batch, "expect_column_values_to_be_between", column="f", min_value=0, mostly=0.66)

    assert isinstance(found, Finding)
    assert found.success
    assert found.result == {
        "element_count": 5,
        "unexpected_count": 1,
        "unexpected_percent": pytest.approx(100 / 3),
        "partial_unexpected_list": [-2.0],
        "missing_count": 2,
        "missing_percent": 40.0,
        "unexpected_percent_total": 20.0,
        "unexpected_percent_nonmissing": pytest.approx(100 / 3),
        "partial_unexpected_counts": [{"value": -2.0, "count": 1}],
        "partial_unexpected_index_list": [3],
    }


def test_missing_values_are_of_all_rows_and_nothing_more_is_said_about_them(batch: Batch) -> None:
    found = judge(batch, "expect_column_values_to_not_be_null", "BASIC", column="n", mostly=0.8)

    assert found == Finding(
        success=True,
        result={
            "element_count": 5,
            "unexpected_count": 1,
            "unexpected_percent": 20.0,
            "partial_unexpected_list": [None],
        },
    )


@pytest.mark.parametrize("kind", ["values_to_be_unique", "values_to_not_be_null", "values_to_be_increasing"])
def test_nothing_is_unexpected_among_no_rows(empty: Batch, kind: str) -> None:
    found = judge(empty, f"expect_column_{kind}", column="n")

    assert isinstance(found, Finding)
    assert found.success
    assert found.result["element_count"] == 0
    assert found.result["unexpected_percent"] is None


FORMATS: list[tuple[Any, set[str]]] = [
    ("BOOLEAN_ONLY", set()),
    ("BASIC", {"element_count", "partial_unexpected_list"}),
    ("SUMMARY", {"partial_unexpected_counts", "partial_unexpected_index_list"}),
    ("COMPLETE", {"unexpected_list", "unexpected_index_list"}),
]


@pytest.mark.parametrize(("level", "wanted"), FORMATS)
def test_each_format_says_more_than_the_one_before(batch: Batch, level: str, wanted: set[str]) -> None:
    found = judge(batch, "expect_column_values_to_be_unique", level, column="s")

    assert isinstance(found, Finding)
    assert not found.success
    assert wanted <= set(found.result)
    beyond = {key for name, keys in FORMATS for key in keys if [n for n, _ in FORMATS].index(name) > _rank(level)}
    assert not beyond & set(found.result)


def _rank(level: str) -> int:
    return [name for name, _ in FORMATS].index(level)


def test_rows_are_named_by_columns(batch: Batch) -> None:
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"], "partial_unexpected_count": 1}
    found = judge(batch, "expect_column_values_to_be_unique", form, column="s")

    assert isinstance(found, Finding)
    assert found.result["unexpected_index_column_names"] == ["id"]
    assert found.result["unexpected_index_list"] == [{"s": "a", "id": 1}, {"s": "a", "id": 5}]
    assert found.result["partial_unexpected_list"] == ["a"]


def test_values_are_left_out_on_request(batch: Batch) -> None:
    form = {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"], "exclude_unexpected_values": True}
    found = judge(batch, "expect_column_values_to_be_unique", form, column="s")

    assert isinstance(found, Finding)
    assert found.result["unexpected_index_list"] == [{"id": [1, 5]}]
    assert not {"partial_unexpected_list", "unexpected_list", "partial_unexpected_counts"} & set(found.result)


def test_whole_rows_on_request(batch: Batch) -> None:
    form = {"result_format": "BASIC", "include_unexpected_rows": True}
    found = judge(batch, "expect_column_values_to_be_between", form, column="id", max_value=4)

    assert isinstance(found, Finding)
    (row,) = found.result["unexpected_rows"]
    assert row["id"] == 5
    assert row["u"] == "b"


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("column_values_to_be_between", {"column": "n"}, "cannot both be None"),
    ("column_values_to_be_between", {"column": "n", "min_value": 2, "max_value": 1}, "cannot be greater"),
    ("column_values_to_be_between", {"column": "n", "min_value": "abc"}, "min_value"),
    ("column_values_to_be_between", {"column": "s", "min_value": 1}, "same type"),
    ("column_values_to_be_between", {"column": "n", "min_value": "2024-01-01"}, "cannot be compared"),
    ("column_values_to_be_between", {"column": "z", "min_value": "2024-01-01T00:00:00"}, "cannot be compared"),
    ("column_values_to_be_between", {"column": "no", "min_value": 1}, '"no" in BatchData does not exist'),
    ("column_values_to_be_between", {"column": "n", "min_value": 1, "foo": 1}, "foo: extra fields"),
    ("column_values_to_be_between", {"column": "n", "min_value": 1, "mostly": 1.5}, "mostly"),
    ("column_values_to_be_between", {"column": 1, "min_value": 1}, "column: str type expected"),
    ("column_values_to_be_between", {"min_value": 1}, "column: field required"),
    ("column_values_to_be_in_set", {"column": "n", "value_set": None}, "value_set: none is not"),
    ("column_values_to_not_be_in_set", {"column": "t", "value_set": ["x"]}, "Unknown string format"),
    ("column_value_lengths_to_be_between", {"column": "s"}, "cannot both be None"),
    ("column_values_to_match_regex", {"column": "s", "regex": "("}, "Invalid regular expression"),
    ("column_values_to_match_regex_list", {"column": "s", "regex_list": []}, "regex_list"),
    ("column_values_to_match_like_pattern", {"column": "s", "like_pattern": "a", "escape": "!!"}, "single character"),
    ("column_values_to_be_increasing", {"column": "s"}, "subtracted"),
    ("column_value_z_scores_to_be_less_than", {"column": "s", "threshold": 1, "double_sided": True}, "no mean"),
    ("column_pair_values_to_be_equal", {"column_A": "n", "column_B": "id", "ignore_row_if": "never"}, "ignore_row_if"),
    ("column_pair_values_a_to_be_greater_than_b", {"column_A": "n", "column_B": "s"}, "cannot be compared"),
    ("compound_columns_to_be_unique", {"column_list": ["n"]}, "at least two columns"),
    ("multicolumn_sum_to_equal", {"column_list": ["n", "s"], "sum_total": 1}, "no sum"),
]


@pytest.mark.parametrize(("kind", "kwargs", "message"), REFUSED)
def test_what_cannot_be_meant_is_not_judged(batch: Batch, kind: str, kwargs: dict[str, Any], message: str) -> None:
    found = judge(batch, f"expect_{kind}", **kwargs)

    assert isinstance(found, Finding)
    assert not found.success
    assert message in found.raised
    assert found.result == {}


def test_without_a_value_nothing_is_incomparable(empty: Batch) -> None:
    found = judge(empty, "expect_column_values_to_be_between", column="s", min_value=1)

    assert isinstance(found, Finding)
    assert found.success


def test_bounds_and_names_come_from_parameters(batch: Batch) -> None:
    kwargs = {"column": "s", "max_value": {"$PARAMETER": "top"}}
    found = judge(batch, "expect_column_values_to_be_between", "COMPLETE", {"top": "a"}, **kwargs)

    assert isinstance(found, Finding)
    assert found.result["unexpected_index_list"] == [1, 3]


def test_a_parameter_without_a_value_is_not_judged(batch: Batch) -> None:
    found = judge(batch, "expect_column_max_to_be_between", column="n", max_value={"$PARAMETER": "top"})

    assert isinstance(found, Finding)
    assert found.raised == "No value found for $PARAMETER top"


NOT_PLANNED: list[tuple[str, dict[str, Any]]] = [
    ("expect_no_such_thing", {}),
    ("expect_column_values_to_be_json_parseable", {"column": "s"}),
    ("expect_column_values_to_match_regex", {"column": "s", "regex": "a(?=b)"}),
    ("expect_column_values_to_match_regex", {"column": "f", "regex": "1"}),
    ("expect_column_max_to_be_between", {"column": "n", "max_value": {"$PARAMETER": "a + 1"}}),
    ("expect_column_max_to_be_between", {"column": "n", "row_condition": "id + 1 > 2", "condition_parser": "pandas"}),
]


@pytest.mark.parametrize(("kind", "kwargs"), NOT_PLANNED)
def test_what_has_no_exact_form_is_left_to_great_expectations(batch: Batch, kind: str, kwargs: dict[str, Any]) -> None:
    assert isinstance(judge(batch, kind, **kwargs), str)


def test_rows_are_asked_for_only_where_some_are_unexpected(tmp_path: Path) -> None:
    def queries(low: int) -> int:
        with opened(write_table(tmp_path / "t.parquet")) as batch:
            judge(batch, "expect_column_value_lengths_to_be_between", column="s", min_value=low)
            return len(batch.queries)

    assert queries(2) == queries(1) + 1
