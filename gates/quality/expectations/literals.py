"""Values of a suite beside values of a column: as SQL literals that compare as Great Expectations compares them. Pure.

Numbers beside integers and decimals are exact decimals, so that 0.1 is one tenth; beside floats they are floats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeGuard

from sqlglot import exp

from gates.quality.expectations.arguments import time_of
from gates.quality.expectations.context import NUMBERS
from gates.quality.metrics import Column, Kind
from gates.quality.sql import literal

MAX_EXACT = 1e18


def number_literal(value: float | Decimal, kind: Kind) -> exp.Expression:
    """A number for comparison with values of `kind`."""
    number = float(value)
    if kind is Kind.FLOAT or not math.isfinite(number) or abs(number) > MAX_EXACT:
        return literal(number)
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return literal(int(exact)) if exact == exact.to_integral_value() else literal(exact)


def is_number(value: Any) -> TypeGuard[int | float | Decimal]:
    return isinstance(value, int | float | Decimal)


def member(value: Any, kind: Kind) -> Any:
    """`value` as a member of a column of `kind` would be; None: no value of this kind is equal to it.

    Numbers and truth values are equal as in Python (`True == 1 == 1.0`), texts are equal to texts only; texts in ISO
    form are dates and times beside those.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if kind in NUMBERS:
        return value if is_number(value) else None
    if kind is Kind.BOOLEAN:
        return bool(value) if is_number(value) and value in (0, 1) else None
    if kind is Kind.STRING:
        return value if isinstance(value, str) else None
    if kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        return _moment(value, kind)
    return value if isinstance(value, str) else None


def _moment(value: Any, kind: Kind) -> date | datetime | None:
    if isinstance(value, str):
        try:
            value = time_of(value)
        except ValueError:
            return None
    if not isinstance(value, date):
        return None
    if kind is Kind.DATE:
        if not isinstance(value, datetime):
            return value
        midnight = value.tzinfo is None and value == datetime(value.year, value.month, value.day)  # noqa: DTZ001
        return value.date() if midnight else None
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if (kind is Kind.TIMESTAMP_TZ) != (moment.tzinfo is not None):
        return None
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


def member_literal(value: Any, kind: Kind) -> exp.Expression:
    """A value made by `member` in SQL."""
    return number_literal(value, kind) if kind in NUMBERS else literal(value)


def members(values: Iterable[Any], kind: Kind) -> list[Any]:
    """The values that something in a column of `kind` can be equal to, each once, in order."""
    found = (member(value, kind) for value in values)
    return list(dict.fromkeys(value for value in found if value is not None))


def is_in(value: exp.Expression, given: Iterable[Any], found: Column) -> exp.Expression:
    """Whether `value` of column `found` is one of `given`."""
    wanted = members(given, found.kind)
    if not wanted:
        return exp.false()
    return exp.In(this=value, expressions=[member_literal(item, found.kind) for item in wanted])
