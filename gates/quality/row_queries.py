"""Queries for rows: those that share their keys, do not follow the one before, lack a partner; and rows to show. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Count, Duplicated, Metric, Orphans, OutOfOrder, Rows, Sample
from gates.quality.sql import UntranslatableError, both, column, named, not_null
from gates.quality.steps import BATCH, Source, Step


def counting(metric: Rows) -> Metric:
    """The metric that says how many rows `metric` would show without its limit."""
    match metric.of:
        case Duplicated() | OutOfOrder() | Orphans() as found:
            return replace(found, where=both(found.where, metric.where))
        case condition:
            return Count(condition=condition, where=metric.where)


def named_keys(keys: Sequence[exp.Expression]) -> list[exp.Expression]:
    return [named(key, key_name(index)) for index, key in enumerate(keys)]


def key_name(index: int) -> str:
    return f"headgate_key_{index}"


def _of_batch(name: str) -> exp.Column:
    """A column of the batch where another table is near."""
    return exp.column(exp.to_identifier(name, quoted=True), table=BATCH)


def called(table: exp.Expression, alias: str) -> exp.Expression:
    table = table.copy()
    table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return table


def filtered(query: exp.Select, *conditions: exp.Expression | None) -> exp.Select:
    condition = both(*conditions)
    return query if condition is None else query.where(condition)


def groups(metric: Duplicated, source: Source) -> exp.Select:
    """The combinations that occur more than once, each with its number of rows `n`."""
    query = exp.select(*named_keys(metric.keys), named(exp.Count(this=exp.Star()), "headgate_count")).from_(
        source.table.copy()
    )
    grouped = filtered(query, metric.where).group_by(*(key.copy() for key in metric.keys))
    return grouped.having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))


_ABOVE = {"increasing": (exp.GT, exp.GTE), "decreasing": (exp.LT, exp.LTE)}


def out_of_order(metric: OutOfOrder, source: Source, columns: Sequence[str]) -> exp.Subquery:
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
    inner = filtered(inner.from_(source.positioned.copy()), metric.where, not_null(value))
    follows = _ABOVE[metric.direction][0 if metric.strictly else 1]
    wrong = exp.not_(follows(this=exp.column("headgate_value"), expression=exp.column("headgate_before")))
    return exp.select(place.copy(), *map(column, columns)).from_(inner.subquery("t")).where(wrong).subquery(BATCH)


def orphan(metric: Orphans, source: Source) -> tuple[exp.Expression, ...]:
    """The conditions of a row of the batch (alias `b`) that has no row in the other table."""
    other = exp.select(exp.Literal.number(1)).from_(called(source.other(metric.other), "o"))
    # the keys are expressions over the batch; inside the subquery their columns need the outer table's name
    outer = [qualified(key) for key in metric.keys]
    for key, name in zip(outer, metric.other_keys, strict=True):
        other = other.where(exp.EQ(this=exp.column(exp.to_identifier(name, quoted=True), table="o"), expression=key))
    present = [not_null(key) for key in metric.keys]
    wanted = [metric.where.copy()] if metric.where is not None else []
    return (*wanted, *present, exp.not_(exp.Exists(this=other)))


def qualified(key: exp.Expression) -> exp.Expression:
    """`key` with its columns named as the batch's, but for those of queries within it."""

    def named_fully(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Column) or node.find_ancestor(exp.Query) is not None:
            return node
        return exp.column(node.this.copy(), table=BATCH)

    return key.transform(named_fully)


def rows_step(metric: Rows, source: Source) -> Step:
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
            return exp.select(*names).from_(out_of_order(counted, source, metric.columns))
        case Duplicated():
            return _duplicated_rows(counted, source, table, names)
        case Orphans():
            return exp.select(*names).from_(table.copy()).where(*orphan(counted, source))
        case Count():
            return filtered(exp.select(*names).from_(table.copy()), counted.condition, counted.where)
        case _:
            raise TypeError(counted)


def _duplicated_rows(
    metric: Duplicated, source: Source, table: exp.Expression, names: list[exp.Expression]
) -> exp.Select:
    same = [
        exp.NullSafeEQ(this=exp.column(key_name(index), table="headgate_groups"), expression=qualified(key))
        for index, key in enumerate(metric.keys)
    ]
    shared = groups(metric, source).subquery("headgate_groups")
    where = metric.where and qualified(metric.where)
    return filtered(exp.select(*names).from_(table.copy()).join(shared, on=exp.and_(*same)), where)


def rows_together(metrics: Sequence[Rows], source: Source) -> Step:
    """The rows of several conditions by one scan: each row once, with marks for those that it holds.

    For rows without an order, and few of them: all are fetched. Split into a query each when it fails.
    """
    names = tuple(dict.fromkeys(name for metric in metrics for name in metric.columns))
    marks = [exp.Case().when(_holds(metric), exp.Literal.number(1)) for metric in metrics]
    inner = exp.select(
        *(named(mark, f"headgate_mark_{index}") for index, mark in enumerate(marks)),
        *(named(_of_batch(name), f"headgate_shown_{index}") for index, name in enumerate(names)),
    ).from_(source.table.copy())
    marked = [exp.column(f"headgate_mark_{index}") for index in range(len(metrics))]
    shown = [exp.column(f"headgate_shown_{index}") for index in range(len(names))]
    some = exp.or_(*(exp.EQ(this=mark.copy(), expression=exp.Literal.number(1)) for mark in marked))

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        return {metric: _marked_rows(metric, index, names, len(metrics), rows) for index, metric in enumerate(metrics)}

    return Step(
        query=exp.select(*marked, *shown).from_(inner.subquery("t")).where(some),
        metrics=tuple(metrics),
        read=read,
        split=lambda: tuple(rows_step(metric, source) for metric in metrics),
    )


def _holds(metric: Rows) -> exp.Expression:
    found = counting(metric)
    if not isinstance(found, Count):
        raise TypeError(metric)
    return both(found.condition, found.where) or exp.true()


def _marked_rows(metric: Rows, index: int, names: Sequence[str], skip: int, rows: Sequence[tuple[Any, ...]]) -> Sample:
    places = [skip + names.index(name) for name in metric.columns]
    chosen = [row for row in rows if row[index]][: metric.limit]
    values = tuple(tuple(row[place] for place in places) for row in chosen)
    return Sample(count=len(values), columns=metric.columns, rows=values)
