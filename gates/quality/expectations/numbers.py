"""A column's values as numbers for statistics. Pure."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from sqlglot import exp

from gates.quality.expectations.context import NUMBERS, Context, NotJudgedError
from gates.quality.logic import as_bit, negated
from gates.quality.metrics import Column, Count, Kind
from gates.quality.sql import column, literal


def numeric(context: Context, found: Column, what: str) -> exp.Expression:
    """The values as numbers, NULL where missing; not judged for columns that have none."""
    if found.kind in NUMBERS or found.kind is Kind.NULL:
        return context.value(found)
    if found.kind is Kind.BOOLEAN:
        return as_bit(column(found.name))
    raise NotJudgedError(f"cannot compute the {what} of {found.name}, which is {found.native}")


def infinite(context: Context, found: Column) -> Count | None:
    """How many values are infinite, where they can be: statistics of spread have no value then."""
    if found.kind is not Kind.FLOAT or not context.pandas:
        return None
    return Count(condition=_infinite(found), where=context.where)


def finite_value(context: Context, found: Column, value: exp.Expression) -> exp.Expression:
    """`value`, NULL where it is infinite: engines fail on the spread of infinities."""
    if found.kind is not Kind.FLOAT or not context.pandas:
        return value
    return exp.Case().when(negated(_infinite(found)), value)


def _infinite(found: Column) -> exp.Expression:
    return exp.In(this=column(found.name), expressions=[literal(math.inf), literal(-math.inf)])


def as_float(value: Any) -> float | None:
    """A finite float; None: there is no such statistic."""
    if not isinstance(value, bool | int | float | Decimal):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def is_nothing(value: Any) -> bool:
    """Whether an engine's answer is no value: null or NaN."""
    return value is None or (isinstance(value, float | Decimal) and math.isnan(value))
