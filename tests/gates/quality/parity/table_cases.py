"""Cases of expectations on a whole table: its columns, its rows, queries."""

from __future__ import annotations

from collections.abc import Iterator

from tests.gates.quality.parity.cases import Case, between, each, on

NAMES = ["id", "n", "f", "dec", "s", "cat", "b", "d", "ts", "tz", "const", "nulls", "nullf"]


def cases() -> Iterator[Case]:
    yield from _columns()
    yield from _rows()
    yield from _queries()
    yield from _parameters()
    yield from _unknown()


def _columns() -> Iterator[Case]:
    for table in ("people", "empty"):
        yield from each(
            table, "column_to_exist", on("id"), on("nope"), on("id", column_index=0), on("n", column_index=0)
        )
        yield from each(
            table,
            "table_columns_to_match_ordered_list",
            {"column_list": NAMES},
            {"column_list": NAMES[::-1]},
            {"column_list": NAMES[:-1]},
            {"column_list": [*NAMES, "more"]},
            {"column_list": []},
        )
        for exact in ({}, {"exact_match": True}, {"exact_match": False}):
            yield from each(
                table,
                "table_columns_to_match_set",
                {"column_set": NAMES, **exact},
                {"column_set": NAMES[::-1], **exact},
                {"column_set": NAMES[:3], **exact},
                {"column_set": [*NAMES, "more"], **exact},
                {"column_set": ["ID", "more"], **exact},
                {"column_set": [], **exact},
            )
        yield from each(table, "table_column_count_to_equal", {"value": 13}, {"value": 12})
        yield from each(
            table,
            "table_column_count_to_be_between",
            between(1, 20),
            between(13, 13),
            between(14),
            between(None, 12),
            between(20, 1),
            {},
        )
    yield from each("people", "column_to_exist", on("id", column_index=40), on("id", column_index=-1), {})


def _rows() -> Iterator[Case]:
    for table in ("people", "one", "empty", "many"):
        yield from each(table, "table_row_count_to_equal", {"value": 12}, {"value": 0}, {"value": 1})
        yield from each(
            table,
            "table_row_count_to_be_between",
            between(1, 12),
            between(12),
            between(None, 1),
            between(12, 12),
            between(1, 12, strict_min=True),
            between(1, 12, strict_max=True),
            {},
        )
    yield from each("people", "table_row_count_to_equal", {"value": 12.0}, {"value": "12"}, {"value": 12.5}, {})
    yield from each("people", "table_row_count_to_be_between", between(20, 1), between(1.5, 12.5))
    yield from each(
        "people",
        "table_row_count_to_equal_other_table",
        {"other_table_name": "people"},
        {"other_table_name": "pairs"},
        {"other_table_name": "nope"},
        oracle="sqlite",
    )


def _queries() -> Iterator[Case]:
    yield from each(
        "people",
        "unexpected_rows_expectation",
        {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n > 100"},
        {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n > 3"},
        {"unexpected_rows_query": "SELECT id FROM {batch} WHERE n IS NULL"},
        {"unexpected_rows_query": "SELECT cat, count(*) AS rows FROM {batch} GROUP BY cat HAVING count(*) > 4"},
        {"unexpected_rows_query": "SELECT nope FROM {batch}"},
        {"unexpected_rows_query": "SELECT a.id FROM {batch} AS a JOIN {batch} AS b ON a.id = b.n WHERE a.id > 4"},
        {
            "unexpected_rows_query": "SELECT id FROM {batch} WHERE n > 3",
            "row_condition": {"type": "comparison", "column": {"name": "cat"}, "operator": "==", "parameter": "a"},
        },
        oracle="sqlite",
    )
    yield from each(
        "empty", "unexpected_rows_expectation", {"unexpected_rows_query": "SELECT * FROM {batch}"}, oracle="sqlite"
    )


def _parameters() -> Iterator[Case]:
    bound = {"$PARAMETER": "bound"}
    for value in (5, 9.0):
        yield from each(
            "people",
            "column_max_to_be_between",
            on("n", min_value=0, max_value={"$PARAMETER": "bound", "run": value}),
        )
    yield from each(
        "people",
        "column_values_to_be_between",
        on("n", min_value=0, max_value=bound),
        on("n", min_value=0, max_value=bound, mostly={"$PARAMETER": "share"}),
        on("n", min_value=0, max_value={"$PARAMETER": "unknown"}),
        parameters={"bound": 5, "share": 0.5},
    )
    yield from each(
        "people",
        "column_values_to_be_in_set",
        on("cat", value_set={"$PARAMETER": "letters"}),
        parameters={"letters": ["a", "b"]},
    )
    yield from each("people", "table_row_count_to_equal", {"value": {"$PARAMETER": "rows"}}, parameters={"rows": 12})
    yield from each(
        "people",
        "column_to_exist",
        {"column": {"$PARAMETER": "name"}},
        parameters={"name": "id"},
    )


def _unknown() -> Iterator[Case]:
    yield from each("people", "no_such_thing", on("n"))
    yield from each("people", "column_values_to_be_between", {}, on("n", min_value=1, colour="red"))
