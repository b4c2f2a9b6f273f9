"""A suite from what a table is today: it passes on that data, and is a draft to be read by somebody who knows it. Pure.

What follows from the structure (columns, keys, no nulls) is critical; what follows from the values seen (bounds, sets,
shares of nulls) is a warning, since tomorrow's data may rightly differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Aggregate, Column, Count, Distinct, Failed, Kind, Metric, Schema, ValueCounts, Values
from gates.quality.sql import column as named
from gates.quality.sql import is_nan, text_length

ROWS = Count()
NUMBERS = (Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT)
KEYS = (Kind.INTEGER, Kind.STRING)
SET_LIMIT = 20
"""More different values than this are not taken for a set."""
SET_REPETITION = 10
"""Each value of a set must occur this often on average."""
KEY_ROWS = 20
"""Fewer rows than this say nothing about uniqueness."""

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked about one column; None where it makes no sense for its kind."""

    column: Column
    nulls: Count
    distinct: Distinct | None
    low: Aggregate | None
    high: Aggregate | None
    values: ValueCounts | None


def profile_needs(schema: Schema) -> tuple[Metric, ...]:
    """The metrics that `suggest_suite` wants of a batch with these columns."""
    needs: list[Metric] = [ROWS]
    for asked in map(_asked, schema.columns):
        needs += [
            metric
            for metric in (asked.nulls, asked.distinct, asked.low, asked.high, asked.values)
            if metric is not None
        ]
    return tuple(dict.fromkeys(needs))


def unread(schema: Schema, values: Values) -> str:
    """Why something could not be measured that any data allow: then they are damaged, though footers may know of rows and
    nulls. "" where all was, or memory was short.
    """
    found = (values.get(metric) for metric in profile_needs(schema))
    failures = (value for value in found if isinstance(value, Failed) and not value.unsupported)
    return next((failed.reason for failed in failures if not failed.reason.startswith(_SHORT)), "")


_SHORT = "Out of Memory"


def suggest_suite(name: str, schema: Schema, values: Values, *, version: str) -> dict[str, Any]:
    """A Great Expectations 1.x suite as JSON. `version` is that of Great Expectations whose form it has.

    What could not be measured (`Failed`, see `unread`) is left out; a table without rows gets its structure only.
    """
    rows = _whole(values.get(ROWS)) or 0
    entries = list(_table(schema, rows))
    if rows:
        entries += [entry for column in schema.columns for entry in _column(_asked(column), values, rows)]
    return {
        "name": name,
        "expectations": entries,
        "meta": {"great_expectations_version": version},
        "notes": f"Suggested from {rows} rows. Read it before you rely on it.",
    }


def _asked(column: Column) -> _Asked:
    this = named(column.name)
    measured: exp.Expression | None = None
    if column.kind in NUMBERS:
        measured = this
    elif column.kind is Kind.STRING:
        measured = text_length(this.copy())
    return _Asked(
        column=column,
        nulls=Count(condition=_missing(column)),
        distinct=Distinct(keys=(this.copy(),)) if column.kind in KEYS else None,
        low=Aggregate(function="min", argument=measured) if measured is not None else None,
        high=Aggregate(function="max", argument=measured) if measured is not None else None,
        values=ValueCounts(argument=this.copy(), limit=SET_LIMIT) if column.kind is Kind.STRING else None,
    )


def _missing(column: Column) -> exp.Expression:
    """NULL, and NaN, which is missing for whoever validates files with pandas."""
    null = exp.Is(this=named(column.name), expression=exp.null())
    return exp.Or(this=null, expression=is_nan(named(column.name))) if column.kind is Kind.FLOAT else null


def _table(schema: Schema, rows: int) -> Iterator[Entry]:
    names = [column.name for column in schema.columns]
    yield _entry("expect_table_columns_to_match_set", {"column_set": names, "exact_match": True})
    if rows:
        yield _entry("expect_table_row_count_to_be_between", {"min_value": 1})


def _column(asked: _Asked, values: Values, rows: int) -> Iterator[Entry]:
    name, nulls = asked.column.name, _whole(values.get(asked.nulls))
    if nulls is None or nulls == rows:
        return
    yield from _nulls(name, nulls, rows)
    present = rows - nulls
    distinct = None if asked.distinct is None else _whole(values.get(asked.distinct))
    unique = distinct == present and present >= KEY_ROWS
    if unique:
        yield _entry("expect_column_values_to_be_unique", {"column": name})
    members = None if asked.values is None else values.get(asked.values)
    if isinstance(members, tuple) and members and len(members) * SET_REPETITION <= present:
        yield _entry(
            "expect_column_values_to_be_in_set",
            {"column": name, "value_set": [value for value, _ in members]},
            "warning",
        )
    elif asked.low is not None and asked.high is not None:
        yield from _bounds(asked, values.get(asked.low), values.get(asked.high), keyed=unique)


def _nulls(name: str, nulls: int, rows: int) -> Iterator[Entry]:
    kind = "expect_column_values_to_not_be_null"
    if nulls == 0:
        yield _entry(kind, {"column": name})
        return
    mostly = math.floor((rows - nulls) / rows * 100) / 100
    if mostly >= 0.5:
        yield _entry(kind, {"column": name, "mostly": mostly}, "warning")


def _bounds(asked: _Asked, low: object, high: object, *, keyed: bool) -> Iterator[Entry]:
    smallest, largest = _number(low), _number(high)
    if smallest is None or largest is None:
        return
    if asked.column.kind is Kind.STRING:
        bounds = {"column": asked.column.name, "min_value": int(smallest), "max_value": int(largest)}
        yield _entry("expect_column_value_lengths_to_be_between", bounds, "warning")
        return
    between: dict[str, Any] = {"column": asked.column.name, "min_value": _down(smallest)}
    if not keyed:  # a growing key has no largest value
        between["max_value"] = _up(largest)
    yield _entry("expect_column_values_to_be_between", between, "warning")


def _down(value: float) -> float:
    """`value` or a little less, with two significant digits; 0 for what is not negative and less than 10."""
    if 0 <= value < 10:
        return 0
    return _rounded(value, math.floor)


def _up(value: float) -> float:
    """`value` or a little more, with two significant digits."""
    return 0 if value == 0 else _rounded(value, math.ceil)


def _rounded(value: float, towards: Any) -> float:
    exponent = math.floor(math.log10(abs(value))) - 1
    digits = towards(Decimal(repr(value)).scaleb(-exponent))
    scaled = Decimal(digits).scaleb(exponent)
    return int(scaled) if scaled == scaled.to_integral_value() else float(scaled)


def _entry(kind: str, kwargs: dict[str, Any], severity: str = "critical") -> Entry:
    return {"type": kind, "kwargs": kwargs, "meta": {}, "severity": severity}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: object) -> float | None:
    """A finite number, whatever the engine calls it."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    return float(value) if math.isfinite(value) else None
