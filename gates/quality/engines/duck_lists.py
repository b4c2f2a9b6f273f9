"""All quantiles of the same values from one sorted list. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Count, Metric, Quantiles
from gates.quality.planner import Source, Step
from gates.quality.sql import both, interpolate, not_null, quantile_positions


def present_values(metric: Quantiles) -> Count:
    """How many values the quantiles are of."""
    return Count(condition=not_null(metric.argument), where=metric.where)


def sorted_lists(metrics: Iterable[Quantiles], counts: Callable[[Count], int], source: Source) -> tuple[Step, ...]:
    """One sorted list for all quantiles of the same values."""
    groups: dict[tuple[exp.Expression, exp.Expression | None], list[Quantiles]] = {}
    for metric in metrics:
        groups.setdefault((metric.argument, metric.where), []).append(metric)
    return tuple(_sorted_list(tuple(group), counts(present_values(group[0])), source) for group in groups.values())


def ranks_of(metrics: Sequence[Quantiles], count: int) -> tuple[int, ...]:
    """The ranks (from 1) that `metrics` need of `count` values."""
    found = {
        rank
        for metric in metrics
        for low, high, _ in quantile_positions(metric.probabilities, count, metric.method)
        for rank in (low, high)
    }
    return tuple(sorted(found))


def from_ranks(metric: Quantiles, values: Mapping[int, Any], count: int) -> tuple[Any, ...]:
    """The quantiles from the values at the ranks of `ranks_of`."""
    places = quantile_positions(metric.probabilities, count, metric.method)
    if metric.method != "continuous":
        return tuple(values[low] for low, _, _ in places)
    return tuple(interpolate(values[low], values[high], share) for low, high, share in places)


def _sorted_list(metrics: tuple[Quantiles, ...], count: int, source: Source) -> Step:
    argument, where = metrics[0].argument, metrics[0].where
    ranks = ranks_of(metrics, count)
    query = exp.select(at_ranks(argument, ranks, count)).from_(source.table.copy())
    query = query.where(both(where, not_null(argument)))

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        values = dict(zip(ranks, rows[0][0], strict=True))
        return {metric: from_ranks(metric, values, count) for metric in metrics}

    return Step(query=query, metrics=metrics, read=read)


def at_ranks(argument: exp.Expression, ranks: Sequence[int], count: int) -> exp.Expression:
    """The values at `ranks` of `count` values, as a list. Half a rank below, no rounding reaches the next one."""
    points = [exp.Literal.number(repr((rank - 0.5) / count)) for rank in ranks]
    return exp.Anonymous(this="quantile_disc", expressions=[argument.copy(), exp.Array(expressions=points)])
