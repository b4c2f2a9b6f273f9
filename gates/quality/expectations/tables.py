"""Expectations about the table: its columns and how many rows it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

from gates.quality.expectations import arguments as given
from gates.quality.expectations.aggregates import between, finding
from gates.quality.expectations.context import Context, read, refuse
from gates.quality.metrics import Count, Finding, OtherCount, Planned, Values


def _names(context: Context) -> list[str]:
    return [column.name for column in context.schema.columns]


def plan_column_exists(context: Context) -> Finding:
    names, wanted, place = _names(context), context["column"], context["column_index"]
    if not place:
        return Finding(success=wanted in names, result={})
    there = -len(names) <= place < len(names)
    return Finding(success=there and names[place] == wanted, result={})


def plan_column_count(context: Context) -> Finding:
    count = len(context.schema.columns)
    return finding(context, count == context["value"], {"observed_value": count})


def plan_column_count_between(context: Context) -> Finding:
    return between(context, len(context.schema.columns))


def plan_column_list(context: Context) -> Finding:
    names, wanted = _names(context), context["column_list"]
    if wanted is None or names == wanted:
        return finding(context, True, {"observed_value": names})
    mismatched = [
        {"Expected Column Position": place, "Expected": expected, "Found": there}
        for place, (expected, there) in enumerate(zip_longest(wanted, names))
        if expected != there
    ]
    return finding(context, False, {"observed_value": names, "details": {"mismatched": mismatched}})


def plan_column_set(context: Context) -> Finding:
    names, exact = set(_names(context)), context["exact_match"]
    wanted = _column_set(context["column_set"] or [])
    extra, missing = _unmatched(names, wanted, exactly=context.pandas)
    observed = {"observed_value": sorted(names)}
    if not extra and not missing:
        return finding(context, True, observed)
    mismatched = ({"unexpected": sorted(extra)} if extra else {}) | ({"missing": sorted(missing)} if missing else {})
    return finding(context, not exact and not missing, observed | {"details": {"mismatched": mismatched}})


def _column_set(values: list[Any]) -> set[str]:
    if not all(isinstance(value, str) for value in values):
        refuse("column_set: str type expected")
    return set(values)


def _unmatched(names: set[str], wanted: set[str], *, exactly: bool) -> tuple[set[str], set[str]]:
    """Columns that nothing wants, and wanted ones that are not there. In SQL only quoted names keep their case."""
    if exactly:
        return names - wanted, wanted - names
    quoted = {name[1:-1]: name for name in wanted if len(name) > 1 and name[0] == name[-1] == '"'}
    folded = {name.casefold() for name in wanted - set(quoted.values())}
    there = {name.casefold() for name in names}
    extra = {name for name in names if name not in quoted and name.casefold() not in folded}
    missing = {name for name in wanted - set(quoted.values()) if name.casefold() not in there}
    return extra, missing | {full for name, full in quoted.items() if name not in names}


def plan_row_count(context: Context) -> Planned:
    rows = Count(where=context.where)

    def judge(values: Values) -> Finding:
        count = read(values, rows)
        return finding(context, count == context["value"], {"observed_value": count})

    return Planned(needs=(rows,), then=judge)


def plan_row_count_between(context: Context) -> Planned:
    low, high = context["min_value"], context["max_value"]
    if isinstance(low, int) and isinstance(high, int) and low > high:
        refuse(f"min_value ({low}) must be less than or equal to max_value ({high})")
    rows = Count(where=context.where)
    return Planned(needs=(rows,), then=lambda values: between(context, read(values, rows)))


def plan_other_row_count(context: Context) -> Planned:
    rows, other = Count(where=context.where), OtherCount(other=context["other_table_name"])

    def judge(values: Values) -> Finding:
        counts = {"self": read(values, rows), "other": read(values, other)}
        return finding(context, counts["self"] == counts["other"], {"observed_value": counts})

    return Planned(needs=(rows, other), then=judge)


PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_to_exist": (
        {"column": given.required(given.name), "column_index": given.optional(given.whole)},
        plan_column_exists,
    ),
    "expect_table_column_count_to_equal": ({"value": given.required(given.whole)}, plan_column_count),
    "expect_table_column_count_to_be_between": (
        {"min_value": given.optional(given.bound), "max_value": given.optional(given.bound)},
        plan_column_count_between,
    ),
    "expect_table_columns_to_match_ordered_list": (
        {"column_list": given.optional(given.values)},
        plan_column_list,
    ),
    "expect_table_columns_to_match_set": (
        {
            "column_set": given.optional(given.values),
            "exact_match": given.Field(coerce=given.flag, default=True, nullable=True),
        },
        plan_column_set,
    ),
    "expect_table_row_count_to_equal": ({**given.CONDITION, "value": given.required(given.whole)}, plan_row_count),
    "expect_table_row_count_to_be_between": (
        {
            **given.CONDITION,
            **given.RANGE,
            "min_value": given.optional(given.row_bound),
            "max_value": given.optional(given.row_bound),
        },
        plan_row_count_between,
    ),
    "expect_table_row_count_to_equal_other_table": (
        {**given.CONDITION, "other_table_name": given.required(given.text)},
        plan_other_row_count,
    ),
}
