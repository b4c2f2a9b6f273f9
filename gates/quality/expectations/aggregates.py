"""Expectations about one figure of a column: its extremes, mean, median, deviation, sum, quantiles and shares."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.arguments import time_of
from gates.quality.expectations.context import NUMBERS, TIMES, Context, give_up, read, refuse
from gates.quality.expectations.numbers import finite_value, infinite, is_nothing, numeric
from gates.quality.metrics import (
    Aggregate,
    Column,
    Count,
    Distinct,
    Finding,
    Kind,
    Metric,
    Planned,
    Quantiles,
    Values,
)
from gates.quality.result_format import Level
from gates.quality.sql import column, epoch

_MOMENTS = (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ)
TOLERANCE = 1e-4
"""Relative: a quantile this close to a bound is within it."""


def finding(context: Context, success: bool, result: Mapping[str, Any]) -> Finding:
    """What was observed, at the format asked for."""
    return Finding(success=success, result={} if context.format.level is Level.BOOLEAN_ONLY else result)


def between(context: Context, observed: Any) -> Finding:
    """Whether `observed` is within the bounds; no value never is."""
    if is_nothing(observed):
        return finding(context, False, {"observed_value": None})
    low, high = (_fitting(context[name], observed) for name in ("min_value", "max_value"))
    strict = context.arguments.get("strict_min", False), context.arguments.get("strict_max", False)
    # Bounds are floats, whatever the suite says: 2**63 - 1 must not be less than itself.
    value = float(observed) if isinstance(observed, int) else observed
    try:
        above = low is None or (value > low if strict[0] else value >= low)
        below = high is None or (value < high if strict[1] else value <= high)
    except TypeError as error:
        refuse(str(error))
    return finding(context, bool(above and below), {"observed_value": observed})


def _fitting(bound: Any, observed: Any) -> Any:
    """The bound as something that can be compared with `observed`; not judged if there is none."""
    if isinstance(bound, str) and isinstance(observed, date):
        try:
            bound = time_of(bound)
        except ValueError as error:
            refuse(f"Could not parse {bound!r} into datetime representation ({error})")
    if isinstance(bound, float) and isinstance(observed, Decimal) and math.isfinite(bound):
        return Decimal(repr(bound))
    if isinstance(observed, datetime) and isinstance(bound, date) and not isinstance(bound, datetime):
        return datetime(bound.year, bound.month, bound.day, tzinfo=observed.tzinfo)
    if isinstance(bound, datetime) and isinstance(observed, date) and not isinstance(observed, datetime):
        refuse(f"{observed} is a date and cannot be compared with {bound.isoformat()}")
    return bound


def plan_max(context: Context) -> Planned:
    return _extreme(context, "max")


def plan_min(context: Context) -> Planned:
    return _extreme(context, "min")


def _extreme(context: Context, function: Any) -> Planned:
    found = context.column(context["column"])
    if found.kind in (Kind.NESTED, Kind.BINARY):
        give_up(f"the {function} of {found.native}")
    argument = numeric(context, found, function) if found.kind is Kind.BOOLEAN else context.value(found)
    metric = Aggregate(function=function, argument=argument, where=context.where)

    def judge(values: Values) -> Finding:
        observed = read(values, metric)
        if found.kind is Kind.BOOLEAN and observed is not None:
            observed = bool(observed)
        return between(context, observed)

    return Planned(needs=(metric,), then=judge)


def plan_mean(context: Context) -> Planned:
    found = context.column(context["column"])
    value = epoch(column(found.name)) if found.kind in _MOMENTS else numeric(context, found, "mean")
    metric = Aggregate(function="mean", argument=value, where=context.where)
    return Planned(needs=(metric,), then=lambda values: between(context, _as_moment(found, read(values, metric))))


def _as_moment(found: Column, value: Any) -> Any:
    """Seconds since 1970 as the time they are, for columns of times."""
    if found.kind not in _MOMENTS or is_nothing(value):
        return value
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(value))
    return moment if found.kind is Kind.TIMESTAMP_TZ else moment.replace(tzinfo=None)


def plan_stdev(context: Context) -> Planned:
    found = context.column(context["column"])
    value = finite_value(context, found, numeric(context, found, "standard deviation"))
    metric = Aggregate(function="stddev", argument=value, where=context.where)
    endless = infinite(context, found)
    needs: tuple[Metric, ...] = (metric, endless) if endless else (metric,)

    def judge(values: Values) -> Finding:
        none = endless is not None and read(values, endless)
        return between(context, None if none else read(values, metric))

    return Planned(needs=needs, then=judge)


def plan_sum(context: Context) -> Planned:
    found = context.column(context["column"])
    metric = Aggregate(function="sum", argument=numeric(context, found, "sum"), where=context.where)

    def judge(values: Values) -> Finding:
        observed = read(values, metric)
        # The sum of nothing is 0 for pandas and NULL in SQL.
        return between(context, 0 if observed is None and context.pandas else observed)

    return Planned(needs=(metric,), then=judge)


def plan_median(context: Context) -> Planned:
    found = context.column(context["column"])
    value = epoch(column(found.name)) if found.kind in _MOMENTS else numeric(context, found, "median")
    if found.kind is Kind.DECIMAL:
        value = exp.cast(value, "double")
    metric = Quantiles(argument=value, probabilities=(0.5,), method="continuous", where=context.where)

    def judge(values: Values) -> Finding:
        observed = read(values, metric)
        return between(context, _as_moment(found, observed[0]) if observed else None)

    return Planned(needs=(metric,), then=judge)


def _one(context: Context, metric: Metric) -> Planned:
    return Planned(needs=(metric,), then=lambda values: between(context, read(values, metric)))


def plan_unique_count(context: Context) -> Planned:
    return _one(context, _distinct(context, context.column(context["column"])))


def _distinct(context: Context, found: Column) -> Distinct:
    if found.kind is Kind.NESTED:
        give_up("different nested values")
    return Distinct(keys=(context.value(found),), where=context.where)


def plan_unique_proportion(context: Context) -> Planned:
    found = context.column(context["column"])
    different, present = _distinct(context, found), Count(where=context.within(context.present(found)))

    def judge(values: Values) -> Finding:
        count = read(values, present)
        return between(context, read(values, different) / count if count else 0)

    return Planned(needs=(different, present), then=judge)


def plan_non_null_proportion(context: Context) -> Planned:
    found = context.column(context["column"])
    rows, present = Count(where=context.where), Count(where=context.within(context.present(found)))

    def judge(values: Values) -> Finding:
        count = read(values, rows)
        return between(context, read(values, present) / count if count else 0)

    return Planned(needs=(rows, present), then=judge)


def plan_quantiles(context: Context) -> Planned:
    found = context.column(context["column"])
    wanted, ranges = context["quantile_ranges"]
    if context["allow_relative_error"] not in (False, "nearest"):
        give_up("quantiles with a relative error")
    value = column(found.name) if found.kind in TIMES else numeric(context, found, "quantiles")
    if found.kind in NUMBERS:
        value = context.value(found)
    metric = Quantiles(
        argument=value,
        probabilities=tuple(wanted),
        method="nearest" if context.pandas else "discrete",
        where=context.where,
    )

    def judge(values: Values) -> Finding:
        observed = list(read(values, metric)) or [None] * len(wanted)
        if found.kind is Kind.BOOLEAN:
            observed = [None if item is None else bool(item) for item in observed]
        details = [_in_range(item, *bounds) for item, bounds in zip(observed, ranges, strict=True)]
        result = {
            "observed_value": {"quantiles": wanted, "values": observed},
            "details": {"success_details": details},
        }
        return finding(context, all(details), result)

    return Planned(needs=(metric,), then=judge)


def _in_range(value: Any, low: float | None, high: float | None) -> bool:
    if is_nothing(value):
        return False
    if not isinstance(value, bool | int | float | Decimal):
        refuse(f"a quantile of type {type(value).__name__} cannot be compared with a number")
    number = float(value)
    bottom, top = -math.inf if low is None else low, math.inf if high is None else high
    return _close(number, bottom) or _close(number, top) or bottom <= number <= top


def _close(number: float, bound: float) -> bool:
    return number == bound or (math.isfinite(bound) and abs(number - bound) <= 1e-8 + TOLERANCE * abs(bound))


def _quantile_ranges(value: Any) -> tuple[list[float], list[tuple[float | None, float | None]]]:
    if not isinstance(value, Mapping) or set(value) - {"quantiles", "value_ranges"}:
        raise ValueError("value is not a mapping with quantiles and value_ranges")
    wanted = [given.number(item) for item in given.values(value.get("quantiles"))]
    ranges = [_pair(item) for item in given.values(value.get("value_ranges"))]
    if not wanted:
        raise ValueError("quantile_ranges has no quantiles")
    if len(wanted) != len(ranges):
        raise ValueError("quantile_values and quantiles must have the same number of elements")
    if any(not 0 <= probability <= 1 for probability in wanted):
        raise ValueError("percentiles should all be in the interval [0, 1]")
    return wanted, ranges


def _pair(value: Any) -> tuple[float | None, float | None]:
    items = given.values(value)
    if len(items) != 2:
        raise ValueError("quantile_ranges must consist of ordered pairs")
    low, high = (None if item is None else given.number(item) for item in items)
    if low is not None and high is not None and low > high:
        raise ValueError("quantile_ranges must consist of ordered pairs")
    return low, high


def _relative_error(value: Any) -> bool | str:
    return value if isinstance(value, bool) else given.text(value)


_BOUNDS = {
    **given.COLUMN,
    **given.RANGE,
    "min_value": given.optional(given.bound),
    "max_value": given.optional(given.bound),
}
_NUMBERS = {**_BOUNDS, "min_value": given.optional(given.number), "max_value": given.optional(given.number)}
_WHOLE = {**_BOUNDS, "min_value": given.optional(given.whole), "max_value": given.optional(given.whole)}

PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_max_to_be_between": (_BOUNDS, plan_max),
    "expect_column_min_to_be_between": (_BOUNDS, plan_min),
    "expect_column_mean_to_be_between": (_BOUNDS, plan_mean),
    "expect_column_median_to_be_between": (_BOUNDS, plan_median),
    "expect_column_sum_to_be_between": (_BOUNDS, plan_sum),
    "expect_column_stdev_to_be_between": (_NUMBERS, plan_stdev),
    "expect_column_unique_value_count_to_be_between": (_WHOLE, plan_unique_count),
    "expect_column_proportion_of_unique_values_to_be_between": (_NUMBERS, plan_unique_proportion),
    "expect_column_proportion_of_non_null_values_to_be_between": (_NUMBERS, plan_non_null_proportion),
    "expect_column_quantile_values_to_be_between": (
        {
            **given.COLUMN,
            "quantile_ranges": given.required(_quantile_ranges),
            "allow_relative_error": given.optional(_relative_error, default=False),
        },
        plan_quantiles,
    ),
}
