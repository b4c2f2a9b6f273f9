"""Expectations about every value of one column: present, in a set, between bounds, of some form, once only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.bounds import comparison
from gates.quality.expectations.context import Context, NotPlannedError, give_up, refuse
from gates.quality.expectations.literals import is_in
from gates.quality.expectations.mapping import (
    by_condition,
    by_duplicates,
    check_rows,
    not_judged_if_any,
)
from gates.quality.expectations.patterns import like_condition, pattern_condition
from gates.quality.logic import compared, every, negated, some
from gates.quality.metrics import Column, Finding, Kind, Planned
from gates.quality.sql import as_text, column, text_length


def check_column(context: Context, found: Column, unexpected: exp.Expression) -> Planned:
    """Values of a column that hold `unexpected`, missing ones left out."""
    check = by_condition(
        context,
        unexpected,
        considered=context.present(found),
        columns=(found.name,),
        shape=lambda row: row[found.name],
    )
    return check_rows(context, check)


def plan_null(context: Context) -> Planned:
    found = context.column(context["column"])
    return _nullity(context, found, context.present(found))


def plan_not_null(context: Context) -> Planned:
    found = context.column(context["column"])
    return _nullity(context, found, context.missing(found))


def _nullity(context: Context, found: Column, unexpected: exp.Expression) -> Planned:
    """All rows count, and nothing is said about missing values."""
    check = by_condition(
        context,
        unexpected,
        considered=None,
        columns=(found.name,),
        shape=lambda row: row[found.name],
        tells_missing=False,
    )
    return check_rows(context, check)


def plan_unique(context: Context) -> Planned:
    found = context.column(context["column"])
    if found.kind is Kind.NESTED:
        give_up("uniqueness of nested values")
    check = by_duplicates(
        context,
        [column(found.name)],
        considered=context.present(found),
        columns=(found.name,),
        shape=lambda row: row[found.name],
    )
    return check_rows(context, check)


def plan_in_set(context: Context) -> Planned:
    found = context.column(context["column"])
    return check_column(context, found, negated(is_in(column(found.name), context["value_set"], found)))


def plan_not_in_set(context: Context) -> Planned:
    found = context.column(context["column"])
    values = context["value_set"]
    if context.pandas and found.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        _check_times(values)
    return check_column(context, found, is_in(column(found.name), values, found))


def _check_times(values: Sequence[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            try:
                given.time_of(value)
            except ValueError:
                refuse(f"Unknown string format: {value}")


def plan_between(context: Context) -> Planned:
    found = context.column(context["column"])
    low, high = context["min_value"], context["max_value"]
    if low is None and high is None:
        refuse("min_value and max_value cannot both be None")
    _check_order(low, high)
    expected = comparison(context, found)
    if isinstance(expected, str):
        return not_judged_if_any(context, context.present(found), (found.name,), expected)
    return check_column(context, found, negated(expected))


def _check_order(low: Any, high: Any) -> None:
    if low is None or high is None:
        return
    times = isinstance(low, date), isinstance(high, date)
    if times[0] != times[1] or isinstance(low, str) != isinstance(high, str):
        refuse(f"'>' not supported between instances of '{type(low).__name__}' and '{type(high).__name__}'")
    if isinstance(low, date) and isinstance(low, datetime) != isinstance(high, datetime):
        refuse("can't compare datetime.datetime to datetime.date")
    try:
        wrong = low > high
    except TypeError as error:
        refuse(str(error))
    if wrong:
        refuse("min_value cannot be greater than max_value")


def plan_length_between(context: Context) -> Planned:
    found = context.column(context["column"])
    low, high = context["min_value"], context["max_value"]
    if low is None and high is None:
        refuse("min_value and max_value cannot both be None")
    length = text_length(text_of(context, found))
    over = exp.LTE if context["strict_min"] else exp.LT
    under = exp.GTE if context["strict_max"] else exp.GT
    wrong = [compared(over, length.copy(), exp.Literal.number(low))] if low is not None else []
    wrong += [compared(under, length.copy(), exp.Literal.number(high))] if high is not None else []
    return check_column(context, found, some(*wrong))


def plan_length_equal(context: Context) -> Planned:
    found = context.column(context["column"])
    wanted = context["value"]
    if wanted != int(wanted):
        return check_column(context, found, exp.true())
    length = text_length(text_of(context, found))
    return check_column(context, found, compared(exp.NEQ, length, exp.Literal.number(int(wanted))))


def text_of(context: Context, found: Column) -> exp.Expression:
    """The values as Python would write them; not planned where an engine writes them differently."""
    if found.kind is Kind.STRING:
        return column(found.name)
    if found.kind in (Kind.INTEGER, Kind.DATE, Kind.DECIMAL) or not context.pandas:
        return as_text(column(found.name))
    raise NotPlannedError(f"the text of values of type {found.native}")


def plan_regex(context: Context) -> Planned:
    return _patterns(context, [context["regex"]], expected=True)


def plan_not_regex(context: Context) -> Planned:
    return _patterns(context, [context["regex"]], expected=False)


def plan_regex_list(context: Context) -> Planned:
    return _patterns(context, context["regex_list"], expected=True, all_of_them=context["match_on"] == "all")


def plan_not_regex_list(context: Context) -> Planned:
    return _patterns(context, context["regex_list"], expected=False)


def _patterns(context: Context, patterns: list[str], *, expected: bool, all_of_them: bool = False) -> Planned:
    found = context.column(context["column"])
    texts = text_of(context, found)
    matches = [pattern_condition(context, texts, pattern) for pattern in patterns]
    matched = every(*matches) if all_of_them else some(*matches)
    return check_column(context, found, negated(matched) if expected else matched)


def plan_like(context: Context) -> Planned:
    return _likes(context, [context["like_pattern"]], expected=True)


def plan_not_like(context: Context) -> Planned:
    return _likes(context, [context["like_pattern"]], expected=False)


def plan_like_list(context: Context) -> Planned:
    return _likes(context, context["like_pattern_list"], expected=True, all_of_them=context["match_on"] == "all")


def plan_not_like_list(context: Context) -> Planned:
    return _likes(context, context["like_pattern_list"], expected=False)


def _likes(context: Context, patterns: list[str], *, expected: bool, all_of_them: bool = False) -> Planned:
    found = context.column(context["column"])
    if found.kind is not Kind.STRING:
        refuse(f"LIKE is for text, and {found.name} is {found.native}")
    matches = [like_condition(column(found.name), pattern, context["escape"]) for pattern in patterns]
    matched = every(*matches) if all_of_them else some(*matches)
    return check_column(context, found, negated(matched) if expected else matched)


_MAP = {**given.COLUMN, **given.MAP}
_SET = {**_MAP, "value_set": given.required(given.values)}
_MATCH_ON = {"match_on": given.optional(given.one_of("any", "all"), default="any")}
_ESCAPE = {"escape": given.optional(given.escape)}
_BOUNDS = {"min_value": given.optional(given.bound), "max_value": given.optional(given.bound), **given.RANGE}
_LENGTHS = {"min_value": given.optional(given.whole), "max_value": given.optional(given.whole), **given.RANGE}
_LIKE = {**_MAP, **_ESCAPE, "like_pattern": given.required(given.text)}
_LIKES = {**_MAP, **_ESCAPE, "like_pattern_list": given.required(given.some_texts)}
_REGEXES = {**_MAP, "regex_list": given.required(given.some_texts)}

PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_values_to_be_null": (_MAP, plan_null),
    "expect_column_values_to_not_be_null": (_MAP, plan_not_null),
    "expect_column_values_to_be_unique": (_MAP, plan_unique),
    "expect_column_values_to_be_in_set": (_SET, plan_in_set),
    "expect_column_values_to_not_be_in_set": (_SET, plan_not_in_set),
    "expect_column_values_to_be_between": ({**_MAP, **_BOUNDS}, plan_between),
    "expect_column_value_lengths_to_be_between": ({**_MAP, **_LENGTHS}, plan_length_between),
    "expect_column_value_lengths_to_equal": ({**_MAP, "value": given.required(given.number)}, plan_length_equal),
    "expect_column_values_to_match_regex": (
        {**_MAP, "regex": given.optional(given.text, default="(?s).*")},
        plan_regex,
    ),
    "expect_column_values_to_not_match_regex": ({**_MAP, "regex": given.required(given.text)}, plan_not_regex),
    "expect_column_values_to_match_regex_list": ({**_REGEXES, **_MATCH_ON}, plan_regex_list),
    "expect_column_values_to_not_match_regex_list": (_REGEXES, plan_not_regex_list),
    "expect_column_values_to_match_like_pattern": (_LIKE, plan_like),
    "expect_column_values_to_not_match_like_pattern": (_LIKE, plan_not_like),
    "expect_column_values_to_match_like_pattern_list": ({**_LIKES, **_MATCH_ON}, plan_like_list),
    "expect_column_values_to_not_match_like_pattern_list": (_LIKES, plan_not_like_list),
}
