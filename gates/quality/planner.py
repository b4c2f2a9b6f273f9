"""From the metrics of a whole suite to few queries: pure.

Everything that one pass can count side by side is one query (`streaming`); what needs a sort, a hash table or another
table is a query of its own. A `Step` is one query with the way to read its answer; a step whose query fails is split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from sqlglot import exp

from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Metric,
    Orphans,
    OtherCount,
    OutOfOrder,
    Quantiles,
    Query,
    Rows,
    Sample,
    ValueCounts,
)
from gates.quality.quantile_queries import quantiles_step
from gates.quality.row_queries import counting, filtered, groups, named_keys, orphan, out_of_order, qualified, rows_step
from gates.quality.sql import Dialect, both, named, not_null
from gates.quality.steps import BATCH, Source, Step, renamed

__all__ = [
    "BATCH",
    "UNSETTLED",
    "Part",
    "Source",
    "Step",
    "batch_text",
    "counting",
    "one_pass",
    "part_of",
    "plan",
    "plan_one",
    "read_parts",
    "renamed",
    "streaming",
    "user_text",
]


def plan(metrics: Iterable[Metric], source: Source, dialect: Dialect) -> tuple[Step, ...]:
    """The steps for `metrics`, equal ones once: one pass for all that streams, then one step for each of the others."""
    wanted = tuple(dict.fromkeys(metrics))
    flowing = tuple(metric for metric in wanted if isinstance(metric, Count | Aggregate))
    rest = [plan_one(metric, source, dialect) for metric in wanted if not isinstance(metric, Count | Aggregate)]
    return ((streaming(flowing, source, dialect),) if flowing else ()) + tuple(rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A share of one pass: aggregates over all rows, and how their values give the value of `metric`.

    `read` gives `UNSETTLED` where the values prove nothing; `plain` says that there is no plainer way.
    """

    metric: Metric
    values: tuple[exp.Expression, ...]
    read: Callable[[Sequence[Any]], Any]
    plain: bool = True


UNSETTLED = object()
"""In place of a value: the cheap way did not decide it, ask again the plain way."""


def streaming(metrics: tuple[Metric, ...], source: Source, dialect: Dialect) -> Step:
    """All of `metrics` (`Count`, `Aggregate`) in one pass; split in halves when it fails."""
    return one_pass(tuple(part_of(metric, dialect) for metric in metrics), source, dialect)


def one_pass(parts: tuple[Part, ...], source: Source, dialect: Dialect) -> Step:
    """All of `parts` side by side. What stays unsettled is missing from what its `read` gives."""
    values = [value for part in parts for value in part.values]
    query = exp.select(*(named(value, f"m{index}") for index, value in enumerate(values)))

    def split() -> tuple[Step, ...]:
        if len(parts) == 1:
            return () if parts[0].plain else (plan_one(parts[0].metric, source, dialect),)
        middle = len(parts) // 2
        return tuple(one_pass(half, source, dialect) for half in (parts[:middle], parts[middle:]))

    return Step(
        query=query.from_(source.table.copy()),
        metrics=tuple(part.metric for part in parts),
        read=lambda _, rows: read_parts(parts, rows[0]),
        split=split,
    )


def read_parts(parts: Sequence[Part], row: Sequence[Any]) -> Mapping[Metric, Any]:
    """The values of `parts` from one row that has the values of all of them in order."""
    found: dict[Metric, Any] = {}
    start = 0
    for part in parts:
        value = part.read(row[start : start + len(part.values)])
        start += len(part.values)
        if value is not UNSETTLED:
            found[part.metric] = value
    return found


def part_of(metric: Metric, dialect: Dialect) -> Part:
    """The part for a metric that streams."""
    match metric:
        case Count():
            value = dialect.count(both(metric.condition, metric.where))
        case Aggregate():
            value = dialect.aggregate(metric)
        case _:
            raise TypeError(metric)
    return Part(metric=metric, values=(value,), read=lambda values: values[0])


def plan_one(metric: Metric, source: Source, dialect: Dialect) -> Step:
    """The plain step for one metric; `UntranslatableError` where the engine cannot say it."""
    match metric:
        case Count() | Aggregate():
            return streaming((metric,), source, dialect)
        case Distinct():
            return _number(metric, _distinct(metric, source))
        case Duplicated():
            return _number(metric, _duplicated(metric, source))
        case ValueCounts():
            return _value_counts(metric, source)
        case Quantiles():
            return quantiles_step(metric, source, dialect)
        case OutOfOrder():
            return _number(metric, exp.select(exp.Count(this=exp.Star())).from_(out_of_order(metric, source, ())))
        case Orphans():
            return _number(
                metric,
                exp.select(exp.Count(this=exp.Star())).from_(source.table.copy()).where(*orphan(metric, source)),
            )
        case OtherCount():
            return _number(metric, exp.select(exp.Count(this=exp.Star())).from_(source.other(metric.other)))
        case Query():
            return _query(metric, source, dialect)
        case Rows():
            return rows_step(metric, source)
        case _:
            assert_never(metric)


def _number(metric: Metric, query: exp.Expression) -> Step:
    return Step(query=query, metrics=(metric,), read=lambda _, rows: {metric: int(rows[0][0] or 0)})


def _distinct(metric: Distinct, source: Source) -> exp.Select:
    present = both(metric.where, *(not_null(key) for key in metric.keys))
    if len(metric.keys) == 1:
        value = exp.Count(this=exp.Distinct(expressions=[metric.keys[0].copy()]))
        return filtered(exp.select(value).from_(source.table.copy()), metric.where)
    keys = filtered(exp.select(*named_keys(metric.keys)).distinct().from_(source.table.copy()), present)
    return exp.select(exp.Count(this=exp.Star())).from_(keys.subquery("t"))


def _duplicated(metric: Duplicated, source: Source) -> exp.Select:
    return exp.select(exp.Sum(this=exp.column("headgate_count"))).from_(groups(metric, source).subquery("t"))


def _value_counts(metric: ValueCounts, source: Source) -> Step:
    value = metric.argument
    # names that no column has: ORDER BY looks among these first
    query = exp.select(named(value, "headgate_value"), named(exp.Count(this=exp.Star()), "headgate_count")).from_(
        source.table.copy()
    )
    query = filtered(query, metric.where, not_null(value)).group_by(value.copy())
    if metric.most:
        query = _most(query)
    else:
        query = query.order_by(exp.Ordered(this=qualified(value), nulls_first=True))
    if metric.limit is not None:
        query = query.limit(metric.limit + 1)

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        over = metric.limit is not None and len(rows) > metric.limit
        return {metric: None if over else tuple((value, int(count)) for value, count in rows)}

    return Step(query=query, metrics=(metric,), read=read)


def _most(query: exp.Select) -> exp.Select:
    """Of the groups of `query` those with the largest number of rows."""
    count = exp.column("headgate_count")
    most = exp.Window(this=exp.Max(this=exp.Count(this=exp.Star())))
    inner = query.select(named(most, "headgate_most")).subquery("t")
    largest = exp.EQ(this=count.copy(), expression=exp.column("headgate_most"))
    names = (exp.column("headgate_value"), count)
    found = exp.select(*names).from_(inner).where(largest)
    return found.order_by(exp.Ordered(this=exp.column("headgate_value"), nulls_first=True))


def user_text(metric: Query, source: Source, dialect: Dialect) -> str:
    """A user's query with its placeholders filled in."""
    text = metric.sql.strip().rstrip(";").strip()
    for name, other in metric.others:
        text = text.replace("{" + name + "}", dialect.render(source.other(other)))
    return text.replace("{batch}", batch_text(metric, source, dialect))


def _query(metric: Query, source: Source, dialect: Dialect) -> Step:
    text = user_text(metric, source, dialect)

    def read(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        count = int(rows[0][0]) if rows else 0
        return {
            metric: Sample(count=count, columns=tuple(names[1:]), rows=tuple(row[1:] for row in rows[: metric.limit]))
        }

    # the count is a window so that a query of the user runs once, and what is not a SELECT cannot run at all
    head = "SELECT COUNT(*) OVER () AS headgate_count, q.* FROM ("
    query = f"{head}\n{text}\n) AS q LIMIT {max(1, metric.limit)}"
    return Step(query=query, metrics=(metric,), read=read)


def batch_text(metric: Query, source: Source, dialect: Dialect) -> str:
    """What stands for `{batch}` in a user's query: the table, or a subquery where rows are conditioned."""
    table = source.table.copy()
    table.set("alias", None)
    if metric.where is None:
        return dialect.render(table)
    return f"({dialect.render(exp.select('*').from_(table).where(metric.where.copy()))})"
