"""Expectations about the different values of a column: which there are, which are missing, which is most frequent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.aggregates import finding
from gates.quality.expectations.context import TIMES, Context, give_up, read, refuse
from gates.quality.expectations.literals import is_in, member
from gates.quality.logic import negated
from gates.quality.metrics import Column, Distinct, Finding, Kind, Metric, Planned, Rows, ValueCounts, Values
from gates.quality.sql import column

MAX_DIFFERENT = 20
"""Great Expectations lists no more different values."""
MAX_COUNTED = 100_000
"""Different unexpected values to put in order; beyond, some of them are listed as they come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is asked of the values of a column beside a set: which are not in it, which of it are not there."""

    unexpected: bool
    missing: bool


def plan_in_set(context: Context) -> Planned:
    return _plan(context, _Question(unexpected=True, missing=False))


def plan_contain_set(context: Context) -> Planned:
    return _plan(context, _Question(unexpected=False, missing=True))


def plan_equal_set(context: Context) -> Planned:
    return _plan(context, _Question(unexpected=True, missing=True))


def _plan(context: Context, question: _Question) -> Planned:
    found = context.column(context["column"])
    if found.kind is Kind.NESTED:
        give_up("different nested values")
    wanted = _different(_as_days(context["value_set"]) if found.kind is Kind.DATE else context["value_set"])
    inside = is_in(column(found.name), wanted, found)
    others = Distinct(
        keys=(context.value(found),), where=context.within(context.present(found), negated(inside.copy()))
    )
    there = ValueCounts(argument=context.value(found), where=context.within(context.present(found), inside))
    needs: tuple[Metric, ...] = ((others,) if question.unexpected else ()) + ((there,) if question.missing else ())

    def judge(values: Values) -> Planned | Finding:
        count = read(values, others) if question.unexpected else 0
        missing = _missing(wanted, read(values, there), found) if question.missing else []
        if not count or context.format.partial_count == 0:
            return _finding(context, question, count, [], missing)
        return _listed(found, others, lambda shown: _finding(context, question, count, shown, missing))

    return Planned(needs=needs, then=judge)


def _as_days(values: Sequence[Any]) -> list[Any]:
    """Beside dates a text with a time of day stands for its day."""
    return [_day(value) if isinstance(value, str) else value for value in values]


def _day(value: str) -> Any:
    try:
        moment = given.time_of(value)
    except ValueError:
        return value
    return moment.date() if isinstance(moment, datetime) else moment


def _different(values: Sequence[Any]) -> list[Any]:
    try:
        return list(dict.fromkeys(values))
    except TypeError as error:
        refuse(str(error))


def _missing(wanted: Sequence[Any], there: Any, found: Column) -> list[Any]:
    """Those of the set that no value of the column is equal to, as they are written in the suite."""
    present = {_key(member(value, found.kind)) for value, _ in there or ()}
    known = [(value, member(value, found.kind)) for value in wanted]
    return [
        fitting if found.kind in TIMES and fitting is not None else value
        for value, fitting in known
        if fitting is None or _key(fitting) not in present
    ]


def _key(value: Any) -> Any:
    """Values of an engine and of a suite under one key: 0.1 is one tenth in both."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.timestamp()
    return value


def _listed(found: Column, others: Distinct, finish: Callable[[list[Any]], Finding]) -> Planned:
    """The unexpected values in order; where there are too many, some of them."""
    counted = ValueCounts(argument=others.keys[0], where=others.where, limit=MAX_COUNTED)

    def in_order(values: Values) -> Planned | Finding:
        different = read(values, counted)
        if different is not None:
            return finish([value for value, _ in different])
        some = Rows(of=exp.true(), columns=(found.name,), where=others.where, limit=MAX_DIFFERENT * 10)
        return Planned(needs=(some,), then=lambda more: finish(_first(read(more, some).rows)))

    return Planned(needs=(counted,), then=in_order)


def _first(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    return list(dict.fromkeys(row[0] for row in rows))


def _finding(context: Context, question: _Question, unexpected: int, shown: list[Any], missing: list[Any]) -> Finding:
    lists = context.format.partial_count > 0
    result: dict[str, Any] = {"observed_value": None}
    if question.unexpected:
        result["unexpected_count"] = unexpected
    if question.missing:
        result["missing_count"] = len(missing)
    if question.unexpected and lists:
        result["partial_unexpected_list"] = shown[:MAX_DIFFERENT]
    if question.missing and lists:
        result["partial_missing_list"] = _sorted(missing)[:MAX_DIFFERENT]
    return finding(context, unexpected == 0 and not missing, result)


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return values


def plan_most_common(context: Context) -> Planned:
    found = context.column(context["column"])
    if found.kind is Kind.NESTED:
        give_up("the most frequent nested value")
    wanted = {_key(value) for item in context["value_set"] if (value := member(item, found.kind)) is not None}
    counted = ValueCounts(argument=context.value(found), where=context.within(context.present(found)), most=True)

    def judge(values: Values) -> Finding:
        common = [value for value, _ in read(values, counted) or ()]
        hits = len({_key(member(value, found.kind)) for value in common} & wanted)
        success = hits > 0 if context["ties_okay"] else len(common) == 1 and hits == 1
        return finding(context, success, {"observed_value": common})

    return Planned(needs=(counted,), then=judge)


_SET = {**given.COLUMN, "value_set": given.required(given.values)}

PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_distinct_values_to_be_in_set": (
        {**given.COLUMN, "value_set": given.required(given.some_values)},
        plan_in_set,
    ),
    "expect_column_distinct_values_to_contain_set": (_SET, plan_contain_set),
    "expect_column_distinct_values_to_equal_set": (_SET, plan_equal_set),
    "expect_column_most_common_value_to_be_in_set": (
        {**_SET, "ties_okay": given.optional(given.flag)},
        plan_most_common,
    ),
}
