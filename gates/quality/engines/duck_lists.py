"""Quantiles: all those of the same values from one sorted list, or where memory is short from what lies near them. Pure.

Selection in bounded memory: a sample says between which two values each one lies, one pass counts what is below and
between, another one sorts what is between. Where the sample misled, the bounds are moved apart and it is tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Count, Metric, Quantiles
from gates.quality.planner import Source, Step
from gates.quality.sql import Dialect, both, interpolate, literal, named, not_null, quantile_positions


def present_values(metric: Quantiles) -> Count:
    """How many values the quantiles are of."""
    return Count(condition=not_null(metric.argument), where=metric.where)


def sorted_list(metrics: tuple[Quantiles, ...], count: int, source: Source) -> Step:
    """One sorted list of `count` values for all of `metrics`, which are about the same values."""
    argument, where = metrics[0].argument, metrics[0].where
    ranks = ranks_of(metrics, count)
    query = exp.select(at_ranks(argument, ranks, count)).from_(source.table.copy())
    query = query.where(both(where, not_null(argument)))

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        values = dict(zip(ranks, rows[0][0], strict=True))
        return {metric: from_ranks(metric, values, count) for metric in metrics}

    return Step(query=query, metrics=metrics, read=read)


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


def at_ranks(argument: exp.Expression, ranks: Sequence[int], count: int) -> exp.Expression:
    """The values at `ranks` of `count` values, as a list. Half a rank below, no rounding reaches the next one."""
    points = [exp.Literal.number(repr((rank - 0.5) / count)) for rank in ranks]
    return exp.Anonymous(this="quantile_disc", expressions=[argument.copy(), exp.Array(expressions=points)])


SAMPLE = 20_000
"""Rows of the sample: the values between the bounds are then some percent of all."""
LIST_BYTES = 32
"""For each value of a sorted list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """Values between which the one at `rank` is looked for; None: no bound on that side."""

    rank: int
    low: Any
    high: Any

    def condition(self, argument: exp.Expression) -> exp.Expression:
        sides = [
            exp.GTE(this=argument.copy(), expression=literal(self.low)) if self.low is not None else None,
            exp.LTE(this=argument.copy(), expression=literal(self.high)) if self.high is not None else None,
        ]
        return both(*sides) or exp.true()

    def below(self, argument: exp.Expression) -> exp.Expression:
        return exp.false() if self.low is None else exp.LT(this=argument.copy(), expression=literal(self.low))


def groups_of(metrics: Iterable[Quantiles]) -> tuple[tuple[Quantiles, ...], ...]:
    """Metrics about the same values together."""
    groups: dict[tuple[exp.Expression, exp.Expression | None], list[Quantiles]] = {}
    for metric in metrics:
        groups.setdefault((metric.argument, metric.where), []).append(metric)
    return tuple(tuple(group) for group in groups.values())


def sample_points(ranks: Sequence[int], count: int, width: float) -> tuple[tuple[float | None, float | None], ...]:
    """Where in a sample the values at `ranks` are looked for: `width` standard deviations to both sides."""
    return tuple(_sample_point((rank - 0.5) / count, width) for rank in ranks)


def _sample_point(share: float, width: float) -> tuple[float | None, float | None]:
    reach = width * (share * (1 - share) / SAMPLE) ** 0.5 + width / SAMPLE
    return (share - reach if share > reach else None, share + reach if share + reach < 1 else None)


def sample_query(metric: Quantiles, points: Sequence[float], source: Source) -> exp.Select:
    """The values of a sample at `points`."""
    argument = metric.argument
    rows = exp.select(named(argument, "headgate_value")).from_(source.table.copy())
    rows = rows.where(both(metric.where, not_null(argument)))
    some = exp.select("*").from_(rows.subquery("t"))
    some.set("sample", exp.TableSample(method=exp.var("reservoir"), size=literal(SAMPLE), seed=literal(1)))
    points_list = exp.Array(expressions=[exp.Literal.number(repr(point)) for point in points])
    value = exp.Anonymous(this="quantile_disc", expressions=[exp.column("headgate_value"), points_list])
    return exp.select(value).from_(some.subquery("s"))


def counts_query(metric: Quantiles, brackets: Sequence[Bracket], source: Source, dialect: Dialect) -> exp.Select:
    """For each bracket how many values are below it, and in it."""
    within_all = both(metric.where, not_null(metric.argument))
    values = [
        dialect.count(both(within_all, condition))
        for bracket in brackets
        for condition in (bracket.below(metric.argument), bracket.condition(metric.argument))
    ]
    return exp.select(*(named(value, f"m{index}") for index, value in enumerate(values))).from_(source.table.copy())


def between_query(
    metric: Quantiles, brackets: Sequence[Bracket], counts: Sequence[int], source: Source
) -> exp.Select | None:
    """The values at the ranks, from those in their brackets; None where a bracket has missed its rank."""
    values = []
    for bracket, below, inside in zip(brackets, counts[0::2], counts[1::2], strict=True):
        if not below < bracket.rank <= below + inside:
            return None
        value = at_ranks(metric.argument, [bracket.rank - below], inside)
        condition = both(metric.where, bracket.condition(metric.argument))
        only = exp.Filter(this=value, expression=exp.Where(this=condition))
        values.append(exp.Bracket(this=exp.paren(only), expressions=[literal(1)], offset=1, safe=True))
    return exp.select(*(named(value, f"m{index}") for index, value in enumerate(values))).from_(source.table.copy())
