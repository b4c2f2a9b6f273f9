"""Cheaper ways to the same values in DuckDB, chosen from what is known of the data: pure.

- what a `where` leaves out is known to be nothing: it is dropped, and more metrics become equal;
- whole numbers between known bounds: one bit for each possible value counts the different ones in the same pass;
- a column that grows from row to row has no value twice, and neither has a combination with it.

A way that proves nothing leaves its metric unsettled; the plain query then answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from gates.quality.engines.duck_facts import Facts
from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Kind,
    Metric,
    Orphans,
    OtherCount,
    OutOfOrder,
    Quantiles,
    Query,
    Rows,
)
from gates.quality.planner import UNSETTLED, Part, Source, Step, one_pass, part_of, plan_one, read_parts
from gates.quality.sql import (
    Dialect,
    column,
    is_nan,
    literal,
    named,
    within,
)
from gates.quality.truth import simplify


def simplified(metric: Metric, facts: Facts) -> Metric:
    """`metric` without the conditions that are known to hold for every row, or for none."""
    if isinstance(metric, Query | Rows | OtherCount):
        return metric
    changes: dict[str, Any] = {}
    for name in _EXPRESSIONS:
        value = getattr(metric, name, None)
        if isinstance(value, exp.Expression):
            changes[name] = simplify(value, facts.footers, facts.schema)
    if isinstance(metric, Distinct | Duplicated | Orphans):
        changes["keys"] = tuple(simplify(key, facts.footers, facts.schema) for key in metric.keys)
    for name in ("condition", "where"):
        if changes.get(name) == exp.true():
            changes[name] = None
    return replace(metric, **changes)


def floats(metrics: Iterable[Metric], facts: Facts) -> tuple[str, ...]:
    """The float columns that conditions and arguments of `metrics` look at."""
    found = [
        node.name
        for metric in metrics
        if isinstance(metric, Count | Aggregate | Quantiles | Distinct | Duplicated)
        for part in (*getattr(metric, "keys", ()), *(getattr(metric, name, None) for name in _EXPRESSIONS))
        if isinstance(part, exp.Expression)
        for node in part.find_all(exp.Column)
    ]
    return tuple(dict.fromkeys(name for name in found if facts.kind(name) is Kind.FLOAT))


_EXPRESSIONS = ("condition", "argument", "where")


def float_bounds(names: Iterable[str], source: Source, dialect: Dialect) -> str:
    """The query for the smallest and largest value of float columns, and whether there is a NaN."""
    values = [
        value
        for name in names
        for value in (
            exp.Min(this=column(name)),
            exp.Max(this=column(name)),
            exp.LogicalOr(this=is_nan(column(name))),
        )
    ]
    return dialect.render(exp.select(*values).from_(source.table.copy()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The steps for some metrics, and the metrics that are left."""

    steps: tuple[Step, ...]
    left: tuple[Metric, ...]


def in_order(metrics: Iterable[Metric], facts: Facts, source: Source, dialect: Dialect) -> Shares:
    """Order, and uniqueness that follows from order, of columns without nulls: each row beside the one before it."""
    parts: list[Part] = []
    left: list[Metric] = []
    names: list[str] = []
    for metric in metrics:
        key = _ordered_key(metric, facts)
        if key is None:
            left.append(metric)
            continue
        place = names.index(key) if key in names else len(names)
        names.extend([key] if place == len(names) else [])
        parts.append(_order_part(metric, place))
    along = [metric for metric in left if _goes_along(metric, names)][:MOST_ALONG]
    parts += [part_of(metric, dialect) for metric in along]
    left = [metric for metric in left if metric not in along]
    return Shares(steps=(_beside(names, parts, source, dialect),) if parts else (), left=tuple(left))


MOST_ALONG = 3
"""Rows are walked through by one thread: more than this would keep the others waiting."""


def _goes_along(metric: Metric, names: Sequence[str]) -> bool:
    """Whether `metric` compares a column that is walked through anyway with another: the column is read once then."""
    if not isinstance(metric, Count):
        return False
    found = [part for part in (metric.condition, metric.where) if part is not None]
    columns = {node.name for part in found for node in part.find_all(exp.Column)}
    dear = any(part.find(exp.Query, exp.Anonymous) for part in found)
    return not dear and len(columns) == _PAIR and not columns.isdisjoint(names)


_PAIR = 2


def _ordered_key(metric: Metric, facts: Facts) -> str | None:
    match metric:
        case OutOfOrder(argument=exp.Column() as key, where=None) if facts.present(key):
            return str(key.name)
        case Duplicated(keys=keys, where=None):
            return next((str(key.name) for key in keys if facts.grows(key)), None)
        case _:
            return None


_OURS = ("headgate_value_", "headgate_before_")
_WRONG: Mapping[tuple[str, bool], type[exp.Binary]] = {
    ("increasing", True): exp.LTE,
    ("increasing", False): exp.LT,
    ("decreasing", True): exp.GTE,
    ("decreasing", False): exp.GT,
}


def _order_part(metric: Metric, place: int) -> Part:
    direction, strictly, proof = "increasing", True, True
    if isinstance(metric, OutOfOrder):
        direction, strictly, proof = metric.direction, metric.strictly, False
    wrong = _WRONG[direction, strictly](
        this=exp.column(f"headgate_value_{place}"), expression=exp.column(f"headgate_before_{place}")
    )
    value = exp.Count(this=exp.Case().when(wrong, literal(1)))

    def read(values: Sequence[Any]) -> Any:
        return UNSETTLED if proof and values[0] else int(values[0])

    return Part(metric=metric, values=(value,), read=read, plain=False)


def _beside(names: Sequence[str], parts: Sequence[Part], source: Source, dialect: Dialect) -> Step:
    others = {node.name for part in parts for value in part.values for node in value.find_all(exp.Column)}
    inner: list[exp.Expression] = [column(name) for name in sorted(others) if not name.startswith(_OURS)]
    inner += [named(column(name), f"headgate_value_{place}") for place, name in enumerate(names)]
    # a window without an order follows the order of the batch, row by row, and holds nothing in memory
    inner += [
        named(exp.Window(this=exp.Lag(this=column(name))), f"headgate_before_{place}")
        for place, name in enumerate(names)
    ]
    values = [named(value, f"m{index}") for index, part in enumerate(parts) for value in part.values]
    rows = exp.select(*inner).from_(source.table.copy()).subquery("t")
    return Step(
        query=exp.select(*values).from_(rows),
        metrics=tuple(part.metric for part in parts),
        read=lambda _, found: read_parts(parts, found[0]),
        split=lambda: tuple(plan_one(part.metric, source, dialect) for part in parts),
    )


def flowing(
    metrics: Iterable[Metric],
    facts: Facts,
    source: Source,
    dialect: Dialect,
    known: Mapping[Metric, Part],
) -> Shares:
    """What streams, what sets of bits make stream, and what has a part already: one pass."""
    parts: list[Part] = []
    left: list[Metric] = []
    for metric in metrics:
        part = known.get(metric)
        if part is None and isinstance(metric, Count | Aggregate):
            part = part_of(metric, dialect)
        part = part or bits_part(metric, facts, source)
        if part is None:
            left.append(metric)
        else:
            parts.append(part)
    return Shares(steps=(one_pass(tuple(parts), source, dialect),) if parts else (), left=tuple(left))


def bits_part(metric: Metric, facts: Facts, source: Source) -> Part | None:
    """The part of a pass that sets a bit for each value; None where that is not worth it."""
    match metric:
        case Distinct(keys=(key,)) if bounds := facts.bits(key):
            return Part(
                metric=metric,
                values=(bit_count(bits(within(key, metric.where), bounds)),),
                read=lambda values: int(values[0] or 0),
                plain=False,
            )
        case Duplicated(keys=(key,)) if bounds := facts.bits(key):
            kept = within(key, metric.where)
            every = exp.Count(this=exp.Star() if metric.where is None else within(literal(1), metric.where))
            values = (bit_count(bits(kept, bounds)), exp.Count(this=kept.copy()), every)
            return Part(metric=metric, values=values, read=_duplicates, plain=False)
        case Orphans(keys=(key,), other_keys=(name,)) if bounds := facts.bits(key):
            there = exp.select(bits(column(name), bounds)).from_(source.other(metric.other))
            there = there.where(exp.Between(this=column(name), low=literal(bounds[0]), high=literal(bounds[1])))
            lost = exp.BitwiseAnd(
                this=bits(within(key, metric.where), bounds), expression=exp.BitwiseNot(this=there.subquery())
            )
            found = (bit_count(lost), exp.Count(this=within(key, metric.where)))
            return Part(metric=metric, values=found, read=_orphans, plain=False)
        case _:
            return None


def bits(value: exp.Expression, bounds: tuple[int, int]) -> exp.Expression:
    """The aggregate with one bit for each value from the first bound to the second."""
    return exp.Anonymous(this="bitstring_agg", expressions=[value, literal(bounds[0]), literal(bounds[1])])


def bit_count(found: exp.Expression) -> exp.Expression:
    """How many bits are set."""
    return exp.Anonymous(this="bit_count", expressions=[found])


def _duplicates(values: Sequence[Any]) -> Any:
    different, present, every = int(values[0] or 0), int(values[1]), int(values[2])
    if different != present:
        return UNSETTLED
    nulls = every - present
    return nulls if nulls > 1 else 0


def _orphans(values: Sequence[Any]) -> Any:
    return 0 if values[0] == 0 or values[1] == 0 else UNSETTLED
