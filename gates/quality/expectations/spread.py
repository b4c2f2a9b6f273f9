"""Expectations about how far a column's values are from its middle: z-scores and outliers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from gates.quality.expectations import arguments as given
from gates.quality.expectations.columns import check_column
from gates.quality.expectations.context import Context, read, refuse
from gates.quality.expectations.mapping import not_judged_if_any
from gates.quality.expectations.numbers import as_float, finite_value, infinite, numeric
from gates.quality.logic import compared, some
from gates.quality.metrics import Aggregate, Column, Finding, Kind, Metric, Planned, Quantiles, Values
from gates.quality.sql import epoch, literal

Window = Callable[[float, float], exp.Expression]


def plan_z_scores(context: Context) -> Planned | Finding:
    found = context.column(context["column"])
    if found.kind in (Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        value: exp.Expression = epoch(context.value(found))
    elif _is_text(found):
        return _no_numbers(context, found)
    else:
        value = numeric(context, found, "z-scores")
    threshold, both_sides = context["threshold"], context["double_sided"]

    def unexpected(mean: float, deviation: float) -> exp.Expression:
        score: exp.Expression = exp.Div(
            this=exp.paren(exp.Sub(this=_double(value), expression=literal(mean))), expression=literal(deviation)
        )
        if both_sides:
            score = exp.Abs(this=score)
        return compared(exp.GTE, score, literal(abs(threshold) if both_sides else threshold))

    return _by_deviation(context, found, value, unexpected)


def plan_outliers(context: Context) -> Planned | Finding:
    found = context.column(context["column"])
    if _is_text(found) or found.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        return _no_numbers(context, found)
    value = numeric(context, found, "outliers")
    multiplier = context["multiplier"]
    if context["method"] == "iqr":
        if found.kind is Kind.BOOLEAN:
            refuse(f"{found.name} is {found.native}, of which there are no quartiles")
        return _by_quartiles(context, found, value, multiplier)

    def unexpected(mean: float, deviation: float) -> exp.Expression:
        reach = multiplier * deviation
        if reach <= 0:
            return compared(exp.NEQ, _double(value), literal(mean))
        distance = exp.Abs(this=exp.paren(exp.Sub(this=_double(value), expression=literal(mean))))
        return compared(exp.GTE, distance, literal(reach))

    return _by_deviation(context, found, value, unexpected, zero_counts=True)


def _by_deviation(
    context: Context, found: Column, value: exp.Expression, unexpected: Window, *, zero_counts: bool = False
) -> Planned:
    """Mean and deviation first; without them (no spread, one value, an infinite one) nothing is unexpected.

    `zero_counts`: a deviation of 0 is one too.
    """
    plain = finite_value(context, found, value)
    mean = Aggregate(function="mean", argument=plain, where=context.where)
    deviation = Aggregate(function="stddev", argument=plain, where=context.where)
    endless = infinite(context, found)
    needs: tuple[Metric, ...] = (mean, deviation) + ((endless,) if endless else ())

    def judge(values: Values) -> Planned:
        middle, spread = as_float(read(values, mean)), as_float(read(values, deviation))
        if endless is not None and read(values, endless):
            return check_column(context, found, exp.false())
        if middle is None or spread is None or (spread == 0 and not zero_counts):
            return check_column(context, found, exp.false())
        return check_column(context, found, unexpected(middle, spread))

    return Planned(needs=needs, then=judge)


def _by_quartiles(context: Context, found: Column, value: exp.Expression, multiplier: float) -> Planned:
    """Outside of the first and third quartile by more than `multiplier` times their distance."""
    quartiles = Quantiles(argument=_double(value), probabilities=(0.25, 0.75), method="continuous", where=context.where)

    def judge(values: Values) -> Planned:
        low, high = (*(as_float(part) for part in read(values, quartiles) or ()), None, None)[:2]
        if low is None or high is None:
            return check_column(context, found, exp.false())
        reach = multiplier * (high - low)
        return check_column(
            context,
            found,
            some(
                compared(exp.LT, _double(value), literal(low - reach)),
                compared(exp.GT, _double(value), literal(high + reach)),
            ),
        )

    return Planned(needs=(quartiles,), then=judge)


def _double(value: exp.Expression) -> exp.Expression:
    return exp.cast(value, "double")


def _is_text(found: Column) -> bool:
    return found.kind in (Kind.STRING, Kind.BINARY, Kind.NESTED, Kind.OTHER, Kind.TIME, Kind.INTERVAL)


def _no_numbers(context: Context, found: Column) -> Planned:
    why = f"{found.name} is {found.native}: its values have no mean and no deviation"
    if found.kind in (Kind.STRING, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ):
        refuse(why)
    return not_judged_if_any(context, context.present(found), (found.name,), why)


_MAP = {**given.COLUMN, **given.MAP}

PLANNERS: Mapping[str, tuple[Mapping[str, given.Field], Callable[[Context], Planned | Finding]]] = {
    "expect_column_value_z_scores_to_be_less_than": (
        {**_MAP, "threshold": given.required(given.number), "double_sided": given.required(given.flag)},
        plan_z_scores,
    ),
    "expect_column_values_to_not_be_outliers": (
        {
            **_MAP,
            "method": given.optional(given.one_of("iqr", "std"), default="iqr"),
            "multiplier": given.optional(given.multiplier, default=1.5),
        },
        plan_outliers,
    ),
}
