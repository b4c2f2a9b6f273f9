"""Queries for quantiles: by the engine's own function, or by ranks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Quantiles
from gates.quality.row_queries import filtered
from gates.quality.sql import Dialect, interpolate, named, not_null, quantile_positions
from gates.quality.steps import Source, Step


def quantiles_step(metric: Quantiles, source: Source, dialect: Dialect) -> Step:
    native = dialect.quantiles(metric, source.table)
    if native is not None:
        return Step(query=native, metrics=(metric,), read=lambda _, rows: {metric: _present(rows[0])})
    return Step(
        query=_ranked(metric, source),
        metrics=(metric,),
        read=lambda _, rows: {metric: _at_ranks(metric, rows)},
    )


def _present(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return () if any(value is None for value in values) else tuple(values)


def _ranked(metric: Quantiles, source: Source) -> exp.Select:
    """Rows (rank, number of values, value) near the ranks wanted, for engines that have no exact quantile."""
    value = metric.argument
    rank = exp.Window(
        this=exp.RowNumber(), order=exp.Order(expressions=[exp.Ordered(this=value.copy(), nulls_first=True)])
    )
    inner = exp.select(
        named(value, "headgate_value"),
        named(rank, "headgate_rank"),
        named(exp.Window(this=exp.Count(this=exp.Star())), "headgate_count"),
    ).from_(source.table.copy())
    inner = filtered(inner, metric.where, not_null(value))
    near = [_near(probability) for probability in metric.probabilities]
    return (
        exp.select("headgate_rank", "headgate_count", "headgate_value").from_(inner.subquery("t")).where(exp.or_(*near))
    )


def _near(probability: float) -> exp.Expression:
    place = exp.Mul(this=exp.Literal.number(repr(float(probability))), expression=exp.column("headgate_count"))
    low = exp.Sub(this=place, expression=exp.Literal.number(2))
    high = exp.Add(this=place.copy(), expression=exp.Literal.number(2))
    return exp.Between(this=exp.column("headgate_rank"), low=low, high=high)


def _at_ranks(metric: Quantiles, rows: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    if not rows:
        return ()
    values = {int(rank): value for rank, _, value in rows}
    places = quantile_positions(metric.probabilities, int(rows[0][1]), metric.method)
    if metric.method != "continuous":
        return tuple(values[low] for low, _, _ in places)
    return tuple(interpolate(values[low], values[high], share) for low, high, share in places)
