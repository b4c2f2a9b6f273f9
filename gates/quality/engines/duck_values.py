"""Texts of which there are few: whatever is asked of such a column is asked of its values, each with its number of rows.

Conditions are evaluated once for each value, not for each row. The values are kept: what is asked of them later needs no
further scan. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlglot import exp

from gates.quality.engines.duck_facts import Facts
from gates.quality.engines.duck_plan import Shares
from gates.quality.metrics import Count, Distinct, Duplicated, Metric, ValueCounts
from gates.quality.planner import Part, Source, Step, plan_one, read_parts
from gates.quality.sql import Dialect, both, column, literal, named, not_null, within

Values = tuple[tuple[str, int], ...]
MOST_KEPT = 1000
"""Columns with more different values are read again where more is asked of them."""


def all_values(name: str) -> ValueCounts:
    """The metric that keeps the values of a column."""
    return ValueCounts(argument=column(name), limit=MOST_KEPT)


def by_value(
    metrics: Iterable[Metric], facts: Facts, source: Source, dialect: Dialect, kept: Mapping[Metric, Any]
) -> Shares:
    """What is asked of text columns with few values: the values are grouped first. One query for all.

    `kept` has the values of columns by `all_values`, as far as they were asked before.
    """
    groups: dict[str, list[Metric]] = {}
    again: dict[str, list[Metric]] = {}
    left = []
    for metric in metrics:
        name = _one_text(metric, facts)
        if name is None:
            left.append(metric)
        elif isinstance(metric, Distinct | ValueCounts) and isinstance(kept.get(all_values(name)), tuple):
            again.setdefault(name, []).append(metric)
        else:
            groups.setdefault(name, [all_values(name)] if _is_plain(name, facts) else []).append(metric)
    tables = [_Table(name, dict.fromkeys(found), _counted(name, source)) for name, found in groups.items()]
    tables += [
        _Table(name, dict.fromkeys(found), _listed(name, kept[all_values(name)])) for name, found in again.items()
    ]
    return Shares(steps=(_grouped(tables, source, dialect),) if tables else (), left=tuple(left))


class _Table:
    """The values of a column, and what is asked of them."""

    def __init__(self, name: str, metrics: Iterable[Metric], values: exp.Select) -> None:
        self.parts = tuple(_part(name, metric) for metric in metrics)
        self.values = values


def _counted(name: str, source: Source) -> exp.Select:
    counts = exp.select(column(name), named(exp.Count(this=exp.Star()), _TIMES)).from_(source.table.copy())
    return counts.group_by(column(name))


def _listed(name: str, values: Values) -> exp.Select:
    """The values that are known, none of them null."""
    texts = exp.cast(exp.Array(expressions=[literal(value) for value, _ in values]), "text[]")
    times = exp.cast(exp.Array(expressions=[literal(count) for _, count in values]), "bigint[]")
    unnested = [exp.Anonymous(this="unnest", expressions=[listed]) for listed in (texts, times)]
    text = exp.Alias(this=unnested[0], alias=exp.to_identifier(name, quoted=True))
    return exp.select(text, named(unnested[1], _TIMES))


def _is_plain(name: str, facts: Facts) -> bool:
    """Whether values are ordered by their bytes: those of an ENUM have an order of their own."""
    found = facts.schema.get(name)
    return found is not None and found.native == "VARCHAR"


def _one_text(metric: Metric, facts: Facts) -> str | None:
    """The column that `metric` is about, if it is one with few texts and the condition is worth it."""
    match metric:
        case Count():
            parts = [metric.condition, metric.where]
        case Distinct(keys=(exp.Column() as key,)) | Duplicated(keys=(exp.Column() as key,)):
            parts = [key, metric.where]
        case ValueCounts(argument=exp.Column() as argument) if _is_plain(argument.name, facts):
            parts = [argument, metric.where]
        case _:
            return None
    found = [part for part in parts if part is not None]
    names = {item.name for part in found for item in part.find_all(exp.Column)}
    if len(names) != 1 or any(part.find(exp.Query) for part in found):
        return None
    (name,) = names
    return (
        name
        if facts.few_texts(name) and not (isinstance(metric, Count) and all(_is_cheap(part) for part in found))
        else None
    )


def _is_cheap(condition: exp.Expression) -> bool:
    bare = condition.unnest()
    bare = bare.this.unnest() if isinstance(bare, exp.Not) else bare
    return isinstance(bare, exp.Is)


_TIMES = "headgate_times"


def _part(name: str, metric: Metric) -> Part:
    times = exp.column(_TIMES)
    match metric:
        case Count():
            condition = both(metric.condition, metric.where) or exp.true()
            value: exp.Expression = exp.Sum(this=exp.Case().when(condition, times))
        case Distinct():
            value = exp.Count(this=within(metric.keys[0], metric.where))
        case Duplicated():
            several = exp.and_(exp.GT(this=times.copy(), expression=literal(1)), metric.where)
            value = exp.Sum(this=exp.Case().when(several, times))
        case ValueCounts():
            return _values_part(name, metric)
        case _:
            raise TypeError(metric)
    return Part(metric=metric, values=(value,), read=lambda values: int(values[0] or 0), plain=False)


def _values_part(name: str, metric: ValueCounts) -> Part:
    pair = exp.Tuple(expressions=[column(name), exp.column(_TIMES)])
    listed = exp.Anonymous(this="list", expressions=[pair])
    value = exp.Filter(this=listed, expression=exp.Where(this=both(metric.where, not_null(column(name)))))

    def read(values: Sequence[Any]) -> Any:
        pairs = [(str(value), int(count)) for value, count in values[0] or ()]
        if metric.most:
            largest = max((count for _, count in pairs), default=0)
            pairs = [pair for pair in pairs if pair[1] == largest]
        if metric.limit is not None and len(pairs) > metric.limit:
            return None
        return tuple(sorted(pairs, key=lambda pair: pair[0].encode("utf-8", "surrogatepass")))

    return Part(metric=metric, values=(value,), read=read, plain=False)


def _grouped(tables: Sequence[_Table], source: Source, dialect: Dialect) -> Step:
    """One row: the values of all parts, each table of values counted in a subquery of its own."""
    query = exp.select("*")
    for place, table in enumerate(tables):
        values = [named(value, f"m{index}") for index, part in enumerate(table.parts) for value in part.values]
        row = exp.select(*values).from_(table.values.subquery("v")).subquery(f"t{place}")
        query = query.from_(row) if place == 0 else query.join(row, join_type="cross")
    everything = tuple(part for table in tables for part in table.parts)

    def split() -> tuple[Step, ...]:
        if len(tables) > 1:
            return tuple(_grouped([table], source, dialect) for table in tables)
        return tuple(plan_one(part.metric, source, dialect) for part in everything)

    return Step(
        query=query,
        metrics=tuple(part.metric for part in everything),
        read=lambda _, rows: read_parts(everything, rows[0]),
        split=split,
    )
