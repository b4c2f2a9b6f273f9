"""Expectations about several columns of a row: unique together, all different, all equal, of one sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import combinations
from typing import Any

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.context import NUMBERS, Context, give_up
from gates.quality.expectations.literals import number_literal
from gates.quality.expectations.mapping import RowCheck, by_condition, by_duplicates, check_rows, not_judged_if_any
from gates.quality.expectations.pairs import comparable, equal
from gates.quality.logic import compared, every, negated, some, surely
from gates.quality.metrics import Column, Finding, Kind, Planned


def _columns(context: Context) -> list[Column]:
    return [context.column(name) for name in context["column_list"]]


def _considered(context: Context, columns: Sequence[Column]) -> exp.Expression | None:
    match context["ignore_row_if"]:
        case "all_values_are_missing":
            return some(*(context.present(found) for found in columns))
        case "any_value_is_missing":
            return every(*(context.present(found) for found in columns))
        case _:
            return None


def _shape(names: Sequence[str]) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda row: {name: row[name] for name in names}


def _check(context: Context, columns: Sequence[Column], unexpected: exp.Expression) -> Planned:
    names = [found.name for found in columns]
    check = by_condition(
        context, unexpected, considered=_considered(context, columns), columns=names, shape=_shape(names)
    )
    return check_rows(context, check)


def plan_compound_unique(context: Context) -> Planned:
    columns = _columns(context)
    if any(found.kind is Kind.NESTED for found in columns):
        give_up("uniqueness of nested values")
    names = [found.name for found in columns]
    # In SQL combinations with a NULL are equal to none; on pandas missing values are equal to each other.
    complete = None if context.pandas else every(*(context.present(found) for found in columns))
    check: RowCheck = by_duplicates(
        context,
        [context.value(found) for found in columns],
        considered=_considered(context, columns),
        among=complete,
        columns=names,
        shape=_shape(names),
    )
    return check_rows(context, check)


def plan_unique_within(context: Context) -> Planned:
    columns = _columns(context)
    same = [_same(context, first, second) for first, second in combinations(columns, 2)]
    return _check(context, columns, surely(some(*same)))


def plan_equal(context: Context) -> Planned:
    columns = _columns(context)
    same = [surely(_same(context, columns[0], other)) for other in columns[1:]]
    return _check(context, columns, negated(every(*same)))


def _same(context: Context, first: Column, second: Column) -> exp.Expression:
    """Whether two values are equal, or both missing."""
    return some(equal(context, first, second), every(context.missing(first), context.missing(second)))


def plan_sum(context: Context) -> Planned | Finding:
    columns = _columns(context)
    for found in columns:
        if found.kind not in NUMBERS and found.kind not in (Kind.BOOLEAN, Kind.NULL):
            names = [column.name for column in columns]
            why = f"{found.name} is {found.native}, of which there is no sum"
            return not_judged_if_any(context, _considered(context, columns), names, why)
    total = reduce(lambda left, right: exp.Add(this=left, expression=right), (_summand(context, f) for f in columns))
    kind = Kind.FLOAT if any(found.kind is Kind.FLOAT for found in columns) else Kind.DECIMAL
    expected = compared(exp.EQ, exp.paren(total), number_literal(context["sum_total"], kind))
    # In SQL a sum with NULL is neither expected nor unexpected; on pandas it is unexpected.
    return _check(context, columns, negated(surely(expected) if context.pandas else expected))


def _summand(context: Context, found: Column) -> exp.Expression:
    """The value with room for the sum: 64-bit integers overflow."""
    value = comparable(context, found)
    return exp.cast(value, "decimal(38, 0)") if found.kind is Kind.INTEGER else value


PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_compound_columns_to_be_unique": (given.SEVERAL, plan_compound_unique),
    "expect_select_column_values_to_be_unique_within_record": (given.SEVERAL, plan_unique_within),
    "expect_multicolumn_values_to_be_equal": (given.SEVERAL, plan_equal),
    "expect_multicolumn_sum_to_equal": ({**given.SEVERAL, "sum_total": given.required(given.number)}, plan_sum),
}
