"""From the metrics of a whole suite to few queries: pure.

Everything that one pass can count side by side is one query (`streaming`); what needs a sort, a hash table or another
table is a query of its own. A `Step` is one query with the way to read its answer; a step whose query fails is split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from gates.quality.sql import (
    Dialect,
    UntranslatableError,
    both,
    column,
    interpolate,
    named,
    not_null,
    quantile_positions,
)

Read = Callable[[Sequence[str], Sequence[tuple[Any, ...]]], Mapping[Metric, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One query and what its answer (names of columns, rows) says about `metrics`.

    `split` gives the same work in smaller steps, for when the query fails; () when it cannot be split.
    """

    query: exp.Expression | str
    metrics: tuple[Metric, ...]
    read: Read
    split: Callable[[], tuple[Step, ...]] = tuple


def renamed(step: Step, metric: Metric) -> Step:
    """`step`, which answers one metric, as the answer to `metric`."""

    def read(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        (value,) = step.read(columns, rows).values()
        return {metric: value}

    return Step(query=step.query, metrics=(metric,), read=read)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the batch is called in its engine.

    `table` is the batch; `positioned` the same with one more column `position`, the place of each row from 0, or None
    where rows have no order. `other` gives the table for a name used by `Orphans`, `OtherCount` and `Query`. `in_order`:
    the engine goes through rows in their order even where it is not told to sort them.
    """

    table: exp.Expression
    other: Callable[[str], exp.Expression]
    positioned: exp.Expression | None = None
    position: str = "headgate_position"
    in_order: bool = False


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
            return _quantiles(metric, source, dialect)
        case OutOfOrder():
            return _number(metric, exp.select(exp.Count(this=exp.Star())).from_(_out_of_order(metric, source, ())))
        case Orphans():
            return _number(
                metric,
                exp.select(exp.Count(this=exp.Star())).from_(source.table.copy()).where(*_orphan(metric, source)),
            )
        case OtherCount():
            return _number(metric, exp.select(exp.Count(this=exp.Star())).from_(source.other(metric.other)))
        case Query():
            return _query(metric, source, dialect)
        case Rows():
            return _rows(metric, source)
        case _:
            assert_never(metric)


def _number(metric: Metric, query: exp.Expression) -> Step:
    return Step(query=query, metrics=(metric,), read=lambda _, rows: {metric: int(rows[0][0] or 0)})


def _named(keys: Sequence[exp.Expression]) -> list[exp.Expression]:
    return [named(key, _key(index)) for index, key in enumerate(keys)]


def _key(index: int) -> str:
    return f"headgate_key_{index}"


def _of_batch(name: str) -> exp.Column:
    """A column of the batch where another table is near."""
    return exp.column(exp.to_identifier(name, quoted=True), table=BATCH)


def _called(table: exp.Expression, alias: str) -> exp.Expression:
    table = table.copy()
    table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return table


def _filtered(query: exp.Select, *conditions: exp.Expression | None) -> exp.Select:
    condition = both(*conditions)
    return query if condition is None else query.where(condition)


def _distinct(metric: Distinct, source: Source) -> exp.Select:
    present = both(metric.where, *(not_null(key) for key in metric.keys))
    if len(metric.keys) == 1:
        value = exp.Count(this=exp.Distinct(expressions=[metric.keys[0].copy()]))
        return _filtered(exp.select(value).from_(source.table.copy()), metric.where)
    keys = _filtered(exp.select(*_named(metric.keys)).distinct().from_(source.table.copy()), present)
    return exp.select(exp.Count(this=exp.Star())).from_(keys.subquery("t"))


def _groups(metric: Duplicated, source: Source) -> exp.Select:
    """The combinations that occur more than once, each with its number of rows `n`."""
    query = exp.select(*_named(metric.keys), named(exp.Count(this=exp.Star()), "headgate_count")).from_(
        source.table.copy()
    )
    grouped = _filtered(query, metric.where).group_by(*(key.copy() for key in metric.keys))
    return grouped.having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))


def _duplicated(metric: Duplicated, source: Source) -> exp.Select:
    return exp.select(exp.Sum(this=exp.column("headgate_count"))).from_(_groups(metric, source).subquery("t"))


def _value_counts(metric: ValueCounts, source: Source) -> Step:
    value = metric.argument
    # names that no column has: ORDER BY looks among these first
    query = exp.select(named(value, "headgate_value"), named(exp.Count(this=exp.Star()), "headgate_count")).from_(
        source.table.copy()
    )
    query = (
        _filtered(query, metric.where, not_null(value))
        .group_by(value.copy())
        .order_by(exp.Ordered(this=_qualified(value), nulls_first=True))
    )
    if metric.limit is not None:
        query = query.limit(metric.limit + 1)

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        over = metric.limit is not None and len(rows) > metric.limit
        return {metric: None if over else tuple((value, int(count)) for value, count in rows)}

    return Step(query=query, metrics=(metric,), read=read)


def _quantiles(metric: Quantiles, source: Source, dialect: Dialect) -> Step:
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
    inner = _filtered(inner, metric.where, not_null(value))
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


_ABOVE = {"increasing": (exp.GT, exp.GTE), "decreasing": (exp.LT, exp.LTE)}


def _out_of_order(metric: OutOfOrder, source: Source, columns: Sequence[str]) -> exp.Subquery:
    """Rows whose value does not follow the one before it, with `columns` and the position."""
    if source.positioned is None:
        raise UntranslatableError("rows of this source have no order")
    value, place = metric.argument, exp.column(source.position, quoted=True)
    before = exp.Window(this=exp.Lag(this=value.copy()))
    if not source.in_order:
        before.set("order", exp.Order(expressions=[exp.Ordered(this=place.copy())]))
    inner = exp.select(
        place.copy(),
        named(value, "headgate_value"),
        named(before, "headgate_before"),
        *map(column, columns),
    )
    inner = _filtered(inner.from_(source.positioned.copy()), metric.where, not_null(value))
    follows = _ABOVE[metric.direction][0 if metric.strictly else 1]
    wrong = exp.not_(follows(this=exp.column("headgate_value"), expression=exp.column("headgate_before")))
    return exp.select(place.copy(), *map(column, columns)).from_(inner.subquery("t")).where(wrong).subquery(BATCH)


def _orphan(metric: Orphans, source: Source) -> tuple[exp.Expression, ...]:
    """The conditions of a row of the batch (alias `b`) that has no row in the other table."""
    other = exp.select(exp.Literal.number(1)).from_(_called(source.other(metric.other), "o"))
    # the keys are expressions over the batch; inside the subquery their columns need the outer table's name
    outer = [_qualified(key) for key in metric.keys]
    for key, name in zip(outer, metric.other_keys, strict=True):
        other = other.where(exp.EQ(this=exp.column(exp.to_identifier(name, quoted=True), table="o"), expression=key))
    present = [not_null(key) for key in metric.keys]
    wanted = [metric.where.copy()] if metric.where is not None else []
    return (*wanted, *present, exp.not_(exp.Exists(this=other)))


def _qualified(key: exp.Expression) -> exp.Expression:
    """`key` with its columns named as the batch's, but for those of queries within it."""

    def named_fully(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Column) or node.find_ancestor(exp.Query) is not None:
            return node
        return exp.column(node.this.copy(), table=BATCH)

    return key.transform(named_fully)


BATCH = "headgate_batch"
"""Alias that `Source.table` must carry, so that subqueries can name its columns."""


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


def counting(metric: Rows) -> Metric:
    """The metric that says how many rows `metric` would show without its limit."""
    match metric.of:
        case Duplicated() | OutOfOrder() | Orphans() as found:
            return replace(found, where=both(found.where, metric.where))
        case condition:
            return Count(condition=condition, where=metric.where)


def _rows(metric: Rows, source: Source) -> Step:
    """The rows only; `Sample.count` is the number of rows read until the value of `counting` is put in."""
    place = () if source.positioned is None else (_of_batch(source.position),)
    query = _limited(_rows_query(metric, source, place), metric, place)

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        skip = len(place)
        sample = Sample(
            count=len(rows),
            columns=metric.columns,
            rows=tuple(tuple(row[skip:]) for row in rows),
            index=tuple(int(row[0]) for row in rows) if skip else (),
        )
        return {metric: sample}

    return Step(query=query, metrics=(metric,), read=read)


def _limited(query: exp.Select, metric: Rows, place: tuple[exp.Expression, ...]) -> exp.Select:
    query = query.order_by(*(exp.Ordered(this=column.copy()) for column in place)) if place else query
    return query if metric.limit is None else query.limit(metric.limit)


def _rows_query(metric: Rows, source: Source, place: tuple[exp.Expression, ...]) -> exp.Select:
    table = source.table if source.positioned is None else source.positioned
    names = [*(item.copy() for item in place), *map(_of_batch, metric.columns)]
    counted = counting(metric)
    match counted:
        case OutOfOrder():
            return exp.select(*names).from_(_out_of_order(counted, source, metric.columns))
        case Duplicated():
            return _duplicated_rows(counted, source, table, names)
        case Orphans():
            return exp.select(*names).from_(table.copy()).where(*_orphan(counted, source))
        case Count():
            return _filtered(exp.select(*names).from_(table.copy()), counted.condition, counted.where)
        case _:
            raise TypeError(counted)


def _duplicated_rows(
    metric: Duplicated, source: Source, table: exp.Expression, names: list[exp.Expression]
) -> exp.Select:
    same = [
        exp.NullSafeEQ(this=exp.column(_key(index), table="headgate_groups"), expression=_qualified(key))
        for index, key in enumerate(metric.keys)
    ]
    groups = _groups(metric, source).subquery("headgate_groups")
    where = metric.where and _qualified(metric.where)
    return _filtered(exp.select(*names).from_(table.copy()).join(groups, on=exp.and_(*same)), where)
