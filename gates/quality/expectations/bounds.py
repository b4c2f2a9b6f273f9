"""Values between bounds: which bounds go with which kinds of columns, and what is compared. Pure."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

from sqlglot import exp

from gates.quality.expectations.arguments import time_of
from gates.quality.expectations.context import NUMBERS, Context, refuse
from gates.quality.expectations.literals import number_literal
from gates.quality.logic import as_bit, compared, every
from gates.quality.metrics import Column, Kind
from gates.quality.sql import column, literal

_MIXED = "Column values, min_value, and max_value must either be None or of the same type."


class Incomparable(Exception):  # noqa: N818 - a message for the report, caught in this module only
    """A bound that values of a column cannot be compared with."""


def comparison(context: Context, found: Column) -> exp.Expression | str:
    """The condition that a value is between the bounds; a text that says why it cannot be compared with them."""
    try:
        _check_kind(context, found)
        parts = [
            _side(context, found, context["min_value"], exp.GT if context["strict_min"] else exp.GTE),
            _side(context, found, context["max_value"], exp.LT if context["strict_max"] else exp.LTE),
        ]
    except Incomparable as error:
        return str(error)
    return every(*(part for part in parts if part is not None))


def _check_kind(context: Context, found: Column) -> None:
    if not context.pandas and found.kind in (Kind.STRING, Kind.BOOLEAN):
        refuse(f"ColumnValuesBetween metrics cannot be computed on column of type {found.native}.")


def _side(context: Context, found: Column, bound: Any, sign: type[exp.Binary]) -> exp.Expression | None:
    if bound is None:
        return None
    if isinstance(bound, float) and math.isnan(bound):
        return exp.false()
    if isinstance(bound, int | float):
        return _number(found, bound, sign)
    if isinstance(bound, str):
        bound = _text(found, bound)
        if isinstance(bound, str):
            return compared(sign, column(found.name), literal(bound))
    return compared(sign, column(found.name), literal(_moment(context, found, bound)))


def _number(found: Column, bound: float, sign: type[exp.Binary]) -> exp.Expression:
    if found.kind is Kind.BOOLEAN:
        number = as_bit(column(found.name))
        return compared(sign, number, number_literal(bound, Kind.INTEGER))
    if found.kind not in NUMBERS:
        if found.kind is Kind.STRING:
            raise Incomparable(_MIXED)
        raise Incomparable(f"values of type {found.native} cannot be compared with a number")
    if math.isinf(bound) and found.kind is not Kind.FLOAT:
        return exp.true() if (bound > 0) == (sign in (exp.LT, exp.LTE)) else exp.false()
    return compared(sign, column(found.name), number_literal(bound, found.kind))


def _text(found: Column, bound: str) -> str | date | datetime:
    """A text as bound comes from a parameter only: beside texts it stays one, beside times it is one."""
    if found.kind is Kind.STRING:
        return bound
    try:
        return time_of(bound)
    except ValueError as error:
        raise Incomparable(_MIXED) from error


def _moment(context: Context, found: Column, bound: date | datetime) -> date | datetime:
    if found.kind is Kind.STRING:
        raise Incomparable(_MIXED)
    zoned = isinstance(bound, datetime) and bound.tzinfo is not None
    if found.kind is Kind.TIMESTAMP and not zoned:
        return bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day)  # noqa: DTZ001
    if found.kind is Kind.TIMESTAMP_TZ and isinstance(bound, datetime) and zoned:
        return bound.astimezone(UTC)
    if found.kind is Kind.DATE and not isinstance(bound, datetime):
        return bound
    if found.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ) and not context.pandas:
        return bound
    raise Incomparable(f"values of type {found.native} cannot be compared with {bound.isoformat()}")
