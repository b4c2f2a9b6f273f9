"""Cases by rule: every type of expectation on every kind of column, with every kind of argument, in every result format.

The other modules have what is odd about a type; what is the same for all of them is here. `test_coverage` counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.gates.quality.parity.cases import Case, between, each, on
from tests.gates.quality.parity.tables import tables

# Every feature of data once, as (table, column).
COLUMNS: Mapping[str, str] = {
    "n": "people", "f": "people", "dec": "people", "d": "people", "ts": "people", "tz": "people", "s": "people",
    "cat": "people", "x": "floats", "inf": "floats",
}  # fmt: skip
NUMBERS = ("n", "f", "dec", "x", "inf")
TEXTS = ("s", "cat")
BOUNDS: Mapping[str, tuple[Any, Any]] = {
    "n": (2, 7), "f": (0, 2.5), "dec": (0, 5), "x": (-1e9, 1e9), "inf": (0, 5), "s": ("Z", "b"), "cat": ("a", "b"),
    "d": ("2000-01-01", "2024-02-29"),
    "ts": ("2000-01-01 12:00:00", "2024-02-29 12:00:00"),
    "tz": ("2000-01-01T12:00:00+00:00", "2024-02-29T12:00:00+00:00"),
}  # fmt: skip
VALUES: Mapping[str, list[Any]] = {
    "n": [1, 3], "f": [0.5, 2.5], "dec": [100, 0], "x": [1.0, 2.5], "inf": [1.0, 8.0], "s": ["alice", "日本", "😀"],
    "cat": ["a", "b"], "d": ["2024-01-31", "2024-02-29"], "ts": ["2024-01-31 12:00:00"],
    "tz": ["2024-01-31T12:00:00+00:00"],
}  # fmt: skip
COUPLES = ("whole", "real", "money", "day", "time", "zoned", "word")
"""Kinds of columns of the batch `couples`, each with `_a`, `_b` and `_c`."""
CONDITION: dict[str, Any] = {"type": "comparison", "column": {"name": "cat"}, "operator": "!=", "parameter": "c"}
EARLY: dict[str, Any] = {"type": "comparison", "column": {"name": "row"}, "operator": "<", "parameter": 8}
FORMATS: tuple[Any, ...] = (
    "BOOLEAN_ONLY",
    "BASIC",
    "SUMMARY",
    {"result_format": "BOOLEAN_ONLY", "partial_unexpected_count": 3},
    {"result_format": "BASIC", "partial_unexpected_count": 0},
    {"result_format": "SUMMARY", "partial_unexpected_count": 2},
    {"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]},
    {"result_format": "COMPLETE", "partial_unexpected_count": 0},
)


def cases() -> Iterator[Case]:
    yield from _kinds_of_columns()
    yield from _kinds_of_couples()
    yield from _texts()
    yield from _bounds()
    yield from _conditions()
    yield from _shares()
    yield from _formats()


def _map_entries(column: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What judges values of any kind, row by row or all together."""
    for kind in ("values_to_be_null", "values_to_not_be_null", "values_to_be_unique"):
        yield f"column_{kind}", {}
    for kind in ("values_to_be_in_set", "values_to_not_be_in_set", "most_common_value_to_be_in_set"):
        yield f"column_{kind}", {"value_set": VALUES[column]}
    for kind in ("be_in_set", "contain_set", "equal_set"):
        yield f"column_distinct_values_to_{kind}", {"value_set": VALUES[column]}
    yield "column_unique_value_count_to_be_between", between(2, 7)
    for kind in ("proportion_of_unique_values", "proportion_of_non_null_values"):
        yield f"column_{kind}_to_be_between", between(0.5, 0.9)
    yield "column_to_exist", {}


def _kinds_of_columns() -> Iterator[Case]:
    for column, table in COLUMNS.items():
        low, high = BOUNDS[column]
        for kind, kwargs in _map_entries(column):
            yield from each(table, kind, on(column, **kwargs))
        yield from each(table, "column_values_to_be_between", on(column, **between(low, high)))
        for kind in ("max", "min"):
            yield from each(table, f"column_{kind}_to_be_between", on(column, **between(low, high)))
        for kind in ("increasing", "decreasing"):
            yield from each(table, f"column_values_to_be_{kind}", on(column))
        if column not in TEXTS:
            yield from each(table, "column_quantile_values_to_be_between", on(column, **_quantiles(low, high)))
    for column in NUMBERS:
        low, high = BOUNDS[column]
        for kind in ("sum", "mean", "median", "stdev"):
            yield from each(COLUMNS[column], f"column_{kind}_to_be_between", on(column, **between(low, high)))
        scores = on(column, threshold=1, double_sided=True)
        yield from each(COLUMNS[column], "column_value_z_scores_to_be_less_than", scores)
        yield from each(COLUMNS[column], "column_values_to_not_be_outliers", on(column), on(column, method="std"))
    for table in ("one", "empty"):
        for kind, kwargs in _map_entries("n"):
            yield from each(table, kind, on("n", **kwargs))
        for kind in ("increasing", "decreasing"):
            yield from each(table, f"column_values_to_be_{kind}", on("n"))
        yield from each(table, "column_quantile_values_to_be_between", on("n", **_quantiles(2, 7)))
        yield from each(table, "column_values_to_not_be_outliers", on("n"))
        yield from each(table, "multicolumn_sum_to_equal", {"column_list": ["id", "n"], "sum_total": 6})
        yield from each(table, "table_column_count_to_equal", {"value": 13})
        yield from each(table, "table_column_count_to_be_between", between(1, 13))
        yield from each(table, "table_columns_to_match_set", {"column_set": ["id"], "exact_match": False})
        yield from each(table, "table_columns_to_match_ordered_list", {"column_list": ["id"]})
        kwargs = {"unexpected_rows_query": "SELECT id FROM {batch} WHERE id > 0"}
        yield from each(table, "unexpected_rows_expectation", kwargs, oracle="sqlite")
        other = {"other_table_name": "people"}
        yield from each(table, "table_row_count_to_equal_other_table", other, oracle="sqlite")
        for kind in ("column_values_to_be_of_type", "column_type_to_be"):
            yield from each(table, kind, on("id", type_="int"))
        yield from each(table, "column_values_to_be_in_type_list", on("id", type_list=["int", "str"]))
    for column, table in COLUMNS.items():
        for kind in ("column_values_to_be_of_type", "column_type_to_be"):
            yield from each(table, kind, on(column, type_="no_type"))
        yield from each(table, "column_values_to_be_in_type_list", on(column, type_list=["no_type"]))
    for kind in ("column_values_to_be_of_type", "column_type_to_be"):
        yield from each("people", kind, on("s", type_="TEXT"))
    yield from each("people", "column_values_to_be_in_type_list", on("s", type_list=["VARCHAR", "TEXT"]))
    names = {"column_list": tables()["pairs"].column_names}
    yield from each("pairs", "table_columns_to_match_ordered_list", names)


def _quantiles(low: Any, high: Any) -> dict[str, Any]:
    return {"quantile_ranges": {"quantiles": [0.25, 0.75], "value_ranges": [[None, high], [low, None]]}}


def _kinds_of_couples() -> Iterator[Case]:
    for kind in COUPLES:
        first, second, third = (f"{kind}_{side}" for side in "abc")
        pair = {"column_A": first, "column_B": second}
        for table in ("couples", "one couple", "no couple"):
            yield from each(table, "column_pair_values_to_be_equal", pair)
            yield from each(table, "column_pair_values_a_to_be_greater_than_b", pair)
            for name in (
                "compound_columns_to_be_unique",
                "select_column_values_to_be_unique_within_record",
                "multicolumn_values_to_be_equal",
            ):
                yield from each(table, name, {"column_list": [first, second, third]})
            if kind in {"whole", "real", "money"}:
                yield from each(
                    table, "multicolumn_sum_to_equal", {"column_list": [first, second, third], "sum_total": 3}
                )
            if kind in {"whole", "real", "money", "word"}:
                values = [["é", "é"], ["a", "日本"]] if kind == "word" else [[1, 1], [2, 5]]
                yield from each(table, "column_pair_values_to_be_in_set", {**pair, "value_pairs_set": values})


TEXT_ENTRIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("column_value_lengths_to_be_between", between(2, 5)),
    ("column_value_lengths_to_equal", {"value": 5}),
    ("column_values_to_match_regex", {"regex": "^[a-z]"}),
    ("column_values_to_not_match_regex", {"regex": "^[a-z]"}),
    ("column_values_to_match_regex_list", {"regex_list": ["^a", "b"]}),
    ("column_values_to_not_match_regex_list", {"regex_list": ["^a", "b"]}),
)
LIKE_ENTRIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("column_values_to_match_like_pattern", {"like_pattern": "%li%"}),
    ("column_values_to_not_match_like_pattern", {"like_pattern": "%li%"}),
    ("column_values_to_match_like_pattern_list", {"like_pattern_list": ["%li%", "日%"]}),
    ("column_values_to_not_match_like_pattern_list", {"like_pattern_list": ["%li%", "日%"]}),
)


def _texts() -> Iterator[Case]:
    for entries, oracle in ((TEXT_ENTRIES, "pandas"), (LIKE_ENTRIES, "postgres")):
        for kind, kwargs in entries:
            for table in ("people", "one", "empty"):
                yield from each(table, kind, on("s", **kwargs), on("cat", **kwargs), oracle=oracle)
            yield from each("people", kind, on("s", **kwargs, row_condition=CONDITION), oracle=oracle)


def _bounds() -> Iterator[Case]:
    """Open below, open above, strict below, strict above."""
    ranged: dict[str, tuple[str, float, float]] = {
        "column_max_to_be_between": ("n", 9, 9),
        "column_min_to_be_between": ("n", 1, 1),
        "column_sum_to_be_between": ("n", 43, 43),
        "column_mean_to_be_between": ("n", 4.3, 4.3),
        "column_median_to_be_between": ("n", 4, 4),
        "column_stdev_to_be_between": ("const", 0, 0),
        "column_unique_value_count_to_be_between": ("n", 6, 6),
        "column_proportion_of_unique_values_to_be_between": ("n", 0.6, 0.6),
        "column_proportion_of_non_null_values_to_be_between": ("const", 1, 1),
        "column_values_to_be_between": ("const", 7, 7),
        "column_value_lengths_to_be_between": ("cat", 1, 1),
    }
    for kind, (column, low, high) in ranged.items():
        for strict in ({}, {"strict_min": True}, {"strict_max": True}):
            yield from each(
                "people",
                kind,
                on(column, **between(low, None, **strict)),
                on(column, **between(None, high, **strict)),
                on(column, **between(low, high, **strict)),
            )
    for strict in ({}, {"strict_min": True}, {"strict_max": True}):
        yield from each(
            "people", "table_row_count_to_be_between", between(12, None, **strict), between(None, 12, **strict)
        )


def _conditions() -> Iterator[Case]:
    """A condition for everything that takes one; also one that leaves no row."""
    nothing = {"type": "comparison", "column": {"name": "cat"}, "operator": "==", "parameter": "zzz"}
    for condition in (CONDITION, nothing):
        for kind, kwargs in (*_map_entries("n"), *_ranged("n")):
            if kind != "column_to_exist":
                yield from each("people", kind, on("n", **kwargs, row_condition=condition))
        for kind in ("increasing", "decreasing"):
            yield from each("people", f"column_values_to_be_{kind}", on("n", row_condition=condition))
        yield from each("people", "table_row_count_to_equal", {"value": 9, "row_condition": condition})
        other: dict[str, Any] = {"other_table_name": "people", "row_condition": condition}
        yield from each("people", "table_row_count_to_equal_other_table", other, oracle="sqlite")
        yield from each(
            "people", "column_values_to_be_in_type_list", on("n", type_list=["no_type"], row_condition=condition)
        )
        yield from each("people", "column_values_to_be_of_type", on("n", type_="no_type", row_condition=condition))
    for condition in (EARLY, {**EARLY, "parameter": 0}):
        pair: dict[str, Any] = {"column_A": "whole_a", "column_B": "whole_b", "row_condition": condition}
        listed: dict[str, Any] = {"column_list": ["whole_a", "whole_b"], "row_condition": condition}
        for kind, kwargs in _ENTRIES_OF_COUPLES:
            given = pair if "pair" in kind else listed
            yield from each("couples", kind, {**given, **kwargs})


_ENTRIES_OF_COUPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("column_pair_values_to_be_equal", {}),
    ("column_pair_values_a_to_be_greater_than_b", {}),
    ("column_pair_values_to_be_in_set", {"value_pairs_set": [[1, 1], [2, 5]]}),
    ("compound_columns_to_be_unique", {}),
    ("select_column_values_to_be_unique_within_record", {}),
    ("multicolumn_values_to_be_equal", {}),
    ("multicolumn_sum_to_equal", {"sum_total": 2}),
)


def _ranged(column: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What judges numbers."""
    low, high = BOUNDS[column]
    yield "column_values_to_be_between", between(low, high)
    for kind in ("max", "min", "sum", "mean", "median", "stdev"):
        yield f"column_{kind}_to_be_between", between(low, high)
    yield "column_quantile_values_to_be_between", _quantiles(low, high)
    yield "column_value_z_scores_to_be_less_than", {"threshold": 1, "double_sided": True}
    yield "column_values_to_not_be_outliers", {"multiplier": 0.5}


HOLDING: tuple[tuple[str, dict[str, Any], float], ...] = (
    ("column_value_lengths_to_be_between", {}, 8 / 11),
    ("column_value_lengths_to_equal", {}, 3 / 11),
    ("column_values_to_match_regex", {}, 5 / 11),
    ("column_values_to_not_match_regex", {}, 6 / 11),
    ("column_values_to_match_regex_list", {}, 5 / 11),
    ("column_values_to_not_match_regex_list", {}, 6 / 11),
    ("column_values_to_match_like_pattern", {}, 2 / 11),
    ("column_values_to_not_match_like_pattern", {}, 9 / 11),
    ("column_values_to_match_like_pattern_list", {}, 3 / 11),
    ("column_values_to_not_match_like_pattern_list", {}, 8 / 11),
    ("column_values_to_be_between", between(2, 7), 0.5),
    ("column_values_to_be_in_set", {"value_set": [1, 3]}, 0.5),
    ("column_values_to_not_be_in_set", {"value_set": [1, 3]}, 0.5),
    ("column_values_to_be_unique", {}, 0.3),
    ("column_values_to_be_null", {}, 2 / 12),
    ("column_values_to_not_be_null", {}, 10 / 12),
    ("column_values_to_not_be_outliers", {"multiplier": 0.01}, 0.4),
    ("column_value_z_scores_to_be_less_than", {"threshold": 1, "double_sided": True}, 0.5),
    ("column_values_to_be_increasing", {}, 6 / 8),
    ("column_values_to_be_decreasing", {}, 3 / 8),
    ("column_pair_values_to_be_equal", {}, 0.4),
    ("column_pair_values_a_to_be_greater_than_b", {}, 0.4),
    ("column_pair_values_a_to_be_greater_than_b", {}, 0.1),
    ("column_pair_values_to_be_in_set", {"value_pairs_set": [[1, 1], [2, 5]]}, 0.5),
    ("column_pair_values_to_be_in_set", {"value_pairs_set": [[1, 1], [2, 5]]}, 0.3),
    ("compound_columns_to_be_unique", {}, 0.8),
    ("select_column_values_to_be_unique_within_record", {}, 0.5),
    ("multicolumn_values_to_be_equal", {}, 0.5),
    ("multicolumn_sum_to_equal", {"sum_total": 2}, 0.5),
    ("multicolumn_sum_to_equal", {"sum_total": 2}, 0.2),
)
"""The share of what holds, by pandas or by SQL, in the batches of `_shares`."""


def _shares() -> Iterator[Case]:
    """`mostly` at the edge, and just below and just above it."""
    texts: dict[str, dict[str, Any]] = dict((*TEXT_ENTRIES, *LIKE_ENTRIES))
    given: dict[str, Any]
    for kind, kwargs, share in HOLDING:
        if kind in texts:
            table, given = "people", on("s", **texts[kind])
        elif kind.endswith("creasing"):
            table, given = "ordered", on("broken")
        elif kind.startswith(("column_pair", "compound", "select", "multicolumn")):
            ignored = "neither" if "pair" in kind else "never"
            table, given = "couples", {**_columns_of(kind), "ignore_row_if": ignored}
        else:
            table, given = "people", on("n")
        oracle = "postgres" if "like" in kind else "pandas"
        mostly = ({"mostly": share + step} for step in (0, -1e-9, 1e-9))
        yield from each(table, kind, *({**given, **kwargs, **entry} for entry in mostly), oracle=oracle)


def _columns_of(kind: str) -> dict[str, Any]:
    if "pair" in kind:
        return {"column_A": "whole_a", "column_B": "whole_b"}
    return {"column_list": ["whole_a", "whole_b"]}


def _formats() -> Iterator[Case]:
    """Every type in every result format, failing where it can."""
    entries: list[tuple[str, str, dict[str, Any], str]] = [
        *(("people", kind, on("n", **kwargs), "pandas") for kind, kwargs in (*_map_entries("n"), *_ranged("n"))),
        *(("people", kind, on("s", **kwargs), "pandas") for kind, kwargs in TEXT_ENTRIES),
        *(("people", kind, on("s", **kwargs), "postgres") for kind, kwargs in LIKE_ENTRIES),
        *(("people", f"column_values_to_be_{kind}", on("n"), "pandas") for kind in ("increasing", "decreasing")),
        *(("couples", kind, {**_columns_of(kind), **kwargs}, "pandas") for kind, kwargs in _ENTRIES_OF_COUPLES),
        ("people", "column_to_exist", on("nope"), "pandas"),
        ("people", "table_row_count_to_equal", {"value": 11}, "pandas"),
        ("people", "table_row_count_to_be_between", between(20), "pandas"),
        ("people", "table_column_count_to_equal", {"value": 11}, "pandas"),
        ("people", "table_column_count_to_be_between", between(20), "pandas"),
        ("people", "table_columns_to_match_set", {"column_set": ["id"]}, "pandas"),
        ("people", "table_columns_to_match_ordered_list", {"column_list": ["id"]}, "pandas"),
        ("people", "table_row_count_to_equal_other_table", {"other_table_name": "pairs"}, "sqlite"),
        ("people", "unexpected_rows_expectation", {"unexpected_rows_query": "SELECT id FROM {batch}"}, "sqlite"),
        ("people", "column_values_to_be_of_type", on("s", type_="no_type"), "pandas"),
        ("people", "column_type_to_be", on("s", type_="no_type"), "pandas"),
        ("people", "column_values_to_be_in_type_list", on("s", type_list=["no_type"]), "pandas"),
    ]
    for table, kind, kwargs, oracle in entries:
        for form in FORMATS:
            yield from each(table, kind, kwargs, oracle=oracle, result_format=form)
