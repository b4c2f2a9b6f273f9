"""Expectations about two columns of a row: equal, one greater than the other, a pair out of a set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.context import NUMBERS, TIMES, Context
from gates.quality.expectations.literals import member, member_literal
from gates.quality.expectations.mapping import by_condition, check_rows, not_judged_if_any
from gates.quality.logic import as_bit, compared, every, negated, some, surely
from gates.quality.metrics import Column, Finding, Kind, Planned
from gates.quality.sql import column


def _columns(context: Context) -> tuple[Column, Column]:
    return context.column(context["column_A"]), context.column(context["column_B"])


def _considered(context: Context, pair: tuple[Column, Column]) -> exp.Expression | None:
    match context["ignore_row_if"]:
        case "both_values_are_missing":
            return some(*(context.present(found) for found in pair))
        case "either_value_is_missing":
            return every(*(context.present(found) for found in pair))
        case _:
            return None


def _check(context: Context, pair: tuple[Column, Column], unexpected: exp.Expression) -> Planned:
    names = tuple(found.name for found in pair)
    check = by_condition(
        context,
        unexpected,
        considered=_considered(context, pair),
        columns=names,
        shape=lambda row: tuple(row[name] for name in names),
    )
    return check_rows(context, check)


def family(found: Column) -> str:
    """Columns of one family can be compared with each other."""
    if found.kind in NUMBERS or found.kind is Kind.BOOLEAN:
        return "number"
    if found.kind in TIMES:
        return found.kind if found.kind is Kind.TIMESTAMP_TZ else "time"
    return found.kind


def comparable(context: Context, found: Column) -> exp.Expression:
    """The value, NULL where missing; truth values as numbers."""
    if found.kind is Kind.BOOLEAN:
        return as_bit(column(found.name))
    return context.value(found)


def equal(context: Context, first: Column, second: Column) -> exp.Expression:
    """Whether two values are there and equal; those of different families never are."""
    if family(first) != family(second) and Kind.NULL not in (first.kind, second.kind):
        return exp.false()
    if first.kind is Kind.BOOLEAN and second.kind is Kind.BOOLEAN:
        return compared(exp.EQ, column(first.name), column(second.name))
    return compared(exp.EQ, comparable(context, first), comparable(context, second))


def plan_equal(context: Context) -> Planned:
    pair = _columns(context)
    return _check(context, pair, negated(surely(equal(context, *pair))))


def plan_greater(context: Context) -> Planned | Finding:
    pair = first, second = _columns(context)
    if family(first) != family(second) and Kind.NULL not in (first.kind, second.kind):
        both = every(context.present(first), context.present(second))
        names = (first.name, second.name)
        return not_judged_if_any(context, both, names, f"{first.native} and {second.native} cannot be compared")
    sign = exp.GTE if context["or_equal"] else exp.GT
    expected: exp.Expression = compared(sign, comparable(context, first), comparable(context, second))
    if context["or_equal"]:
        expected = some(expected, every(context.missing(first), context.missing(second)))
    # In SQL a comparison with NULL is neither expected nor unexpected; on pandas it is unexpected.
    return _check(context, pair, negated(surely(expected) if context.pandas else expected))


def plan_in_set(context: Context) -> Planned:
    pair = _columns(context)
    matches = [_is_pair(context, pair, values) for values in context["value_pairs_set"]]
    expected = some(*matches) if matches else exp.false()
    return _check(context, pair, negated(surely(expected) if context.pandas else expected))


def _is_pair(context: Context, pair: tuple[Column, Column], values: tuple[Any, Any]) -> exp.Expression:
    return every(*(_is(context, found, value) for found, value in zip(pair, values, strict=True)))


def _is(context: Context, found: Column, value: Any) -> exp.Expression:
    if value is None:
        return context.missing(found)
    wanted = member(value, found.kind)
    if wanted is None:
        return exp.false()
    return compared(exp.EQ, column(found.name), member_literal(wanted, found.kind))


PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_pair_values_to_be_equal": (given.PAIR, plan_equal),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        {**given.PAIR, "or_equal": given.optional(given.flag)},
        plan_greater,
    ),
    "expect_column_pair_values_to_be_in_set": (
        {**given.PAIR, "value_pairs_set": given.required(given.pairs)},
        plan_in_set,
    ),
}
