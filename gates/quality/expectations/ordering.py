"""Expectations about the order of a column's values: each beside the one before it, missing ones left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.context import NUMBERS, TIMES, Context, refuse
from gates.quality.expectations.mapping import by_order, check_rows, not_judged_if_any
from gates.quality.logic import as_bit
from gates.quality.metrics import Column, Finding, Kind, Planned
from gates.quality.sql import column


def plan_increasing(context: Context) -> Planned:
    return _ordered(context, "increasing")


def plan_decreasing(context: Context) -> Planned:
    return _ordered(context, "decreasing")


def _ordered(context: Context, direction: Literal["increasing", "decreasing"]) -> Planned:
    found = context.column(context["column"])
    argument = _comparable(found)
    if argument is None:
        why = f"values of type {found.native} cannot be subtracted from each other"
        if found.kind is Kind.STRING:
            refuse(why)
        return not_judged_if_any(context, context.present(found), (found.name,), why)
    check = by_order(context, found, argument, direction=direction, strictly=bool(context["strictly"]))
    return check_rows(context, check)


def _comparable(found: Column) -> exp.Expression | None:
    if found.kind in NUMBERS or found.kind in TIMES or found.kind is Kind.NULL:
        return column(found.name)
    if found.kind is Kind.BOOLEAN:
        return as_bit(column(found.name))
    return None


_FIELDS = {**given.COLUMN, **given.MAP, "strictly": given.optional(given.flag)}

PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_values_to_be_increasing": (_FIELDS, plan_increasing),
    "expect_column_values_to_be_decreasing": (_FIELDS, plan_decreasing),
}
