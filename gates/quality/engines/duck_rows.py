"""The rows of everything that failed, in one query: pure.

One scan marks the rows of each failing metric and keeps the places of the first ones; the values are then read at these
places only. What a cheap proof left open is counted in the same scan. Rows that are many are looked for at the beginning,
and those out of order where each stands beside the one before it: branches of the same query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Count, Duplicated, Metric, Orphans, OutOfOrder, Rows, Sample
from gates.quality.planner import Source, Step, plan_one
from gates.quality.row_queries import called, groups, key_name, out_of_order, qualified
from gates.quality.sql import Dialect, both, column, literal, named, not_null

_FOUND, _PLACES = "headgate_found", "headgate_places"
_SOON = 50
"""Rows that are this many times as many as are to be shown are looked for at the beginning of the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equal:
    """The 64-bit hashes of keys that occur more than once: `size` of them in the column `h` of `table`."""

    table: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """What is to be known of the rows that `metric` counts.

    `shown` are the rows asked for, with a limit each. `count` is their number; None: to be counted here. `equal`: what
    hashes say about a `Duplicated`.
    """

    metric: Count | Duplicated | OutOfOrder | Orphans
    shown: tuple[Rows, ...] = ()
    count: int | None = None
    equal: Equal | None = None

    @property
    def limit(self) -> int:
        return max((rows.limit or 0 for rows in self.shown), default=0)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (*((self.metric,) if self.count is None else ()), *self.shown)

    @property
    def many(self) -> bool:
        return self.count is not None and self.limit * _SOON < self.count


def second_pass(failing: Sequence[Failing], source: Source, dialect: Dialect) -> Step:
    """One query for all of `failing`, in a source whose rows have positions; split in halves when it fails.

    What the hashes of a `Duplicated` do not settle (different keys with one hash) is missing from the answer.
    """
    names = tuple(dict.fromkeys(name for one in failing for rows in one.shown for name in rows.columns))

    def split() -> tuple[Step, ...]:
        if len(failing) == 1:
            return tuple(plan_one(metric, source, dialect) for metric in failing[0].metrics)
        middle = len(failing) // 2
        return tuple(second_pass(half, source, dialect) for half in (failing[:middle], failing[middle:]))

    return Step(
        query=_query(failing, names, source),
        metrics=tuple(metric for one in failing for metric in one.metrics),
        read=lambda _, rows: _read(failing, names, rows),
        split=split,
    )


@dataclass(slots=True)
class _Scan:
    """The scan being made up: what it marks in each row, what it joins, and what it aggregates over the marks."""

    source: Source
    marks: list[exp.Expression] = field(default_factory=list)
    groups: list[exp.CTE] = field(default_factory=list)
    joins: list[tuple[exp.Expression, Any]] = field(default_factory=list)
    values: list[exp.Expression] = field(default_factory=list)

    def mark(self, value: exp.Expression) -> exp.Column:
        """`value` of each row, as a column to aggregate over."""
        name = f"mark_{len(self.marks)}"
        self.marks.append(named(value, name))
        return exp.column(name)

    def value(self, aggregate: exp.Expression) -> exp.Column:
        """`aggregate` over the marks, as a column of the only row that is found."""
        name = f"value_{len(self.values)}"
        self.values.append(named(aggregate, name))
        return exp.column(name)

    def found(self) -> exp.Select:
        """The query of that row."""
        place = exp.column(self.source.position, quoted=True, table=_BATCH)
        inner = exp.select(named(place, "place"), *self.marks).from_(_positioned(self.source))
        for table, condition in self.joins:
            inner = inner.join(table, on=condition, join_type="left")
        return exp.select(*self.values).from_(inner.subquery("t"))


_BATCH = "headgate_batch"


def _positioned(source: Source) -> exp.Expression:
    if source.positioned is None:
        raise TypeError("rows of this source have no place")
    return source.positioned.copy()


def _query(failing: Sequence[Failing], names: Sequence[str], source: Source) -> exp.Expression:
    scan = _Scan(source)
    branches = [branch for number, one in enumerate(failing) for branch in _branches(number, one, scan)]
    places: exp.Query = branches[0]
    for branch in branches[1:]:
        places = exp.union(places, branch, distinct=False)
    head = [exp.column(name, table=_PLACES) for name in ("number", "place", "value")]
    shown = [exp.column(exp.to_identifier(name, quoted=True), table=_BATCH) for name in names]
    at = exp.EQ(this=exp.column(source.position, quoted=True, table=_BATCH), expression=head[1].copy())
    query: Any = exp.select(*head, *shown).from_(_PLACES).join(_positioned(source), on=at)
    if any(one.count is None for one in failing):
        empty = [exp.null() for _ in names]
        counted = exp.select(*head, *empty).from_(_PLACES).where(exp.Is(this=head[1].copy(), expression=exp.null()))
        query = exp.union(query, counted, distinct=False)
    for cte in scan.groups:
        query = query.with_(cte.alias, cte.this, materialized=True)
    if scan.values:
        query = query.with_(_FOUND, scan.found(), materialized=True)
    return query.with_(_PLACES, places, materialized=True)  # type: ignore[no-any-return]


def _branches(number: int, one: Failing, scan: _Scan) -> Iterable[exp.Select]:
    """Rows (number, place, value): the places of rows to show, and values counted, which have no place."""
    direct = _direct(one, scan.source)
    if direct is not None:
        yield exp.select(literal(number).as_("number"), named(direct[1], "place"), _none("value")).from_(direct[0])
        return
    mark = _marked(one, scan)
    if one.shown:
        first = exp.Anonymous(this="min", expressions=[exp.column("place"), literal(one.limit)])
        places = scan.value(_filtered(first, mark))
        unnested = exp.Anonymous(this="unnest", expressions=[places])
        yield exp.select(literal(number).as_("number"), named(unnested, "place"), _none("value")).from_(_FOUND)
    if one.count is None:
        yield _counted(number, scan.value(_filtered(exp.Count(this=exp.Star()), mark)))
        if one.equal is not None and isinstance(one.metric, Duplicated):
            yield _counted(_proof(number), scan.value(_different(scan.mark(_together(one.metric)), mark)))


def _counted(number: int, value: exp.Expression) -> exp.Select:
    return exp.select(literal(number).as_("number"), _none("place"), named(value, "value")).from_(_FOUND)


def _proof(number: int) -> int:
    """The number under which a proof stands beside the count it is about."""
    return -1 - number


def _none(name: str) -> exp.Expression:
    return named(exp.cast(exp.null(), "bigint"), name)


def _filtered(aggregate: exp.Expression, mark: exp.Expression) -> exp.Expression:
    return exp.Filter(this=aggregate, expression=exp.Where(this=mark.copy()))


def _different(value: exp.Expression, mark: exp.Expression) -> exp.Expression:
    """How many different values the marked rows have. A FILTER would take all rows into account, and be slow."""
    return exp.Count(this=exp.Distinct(expressions=[exp.Case().when(mark.copy(), value)]))


def _together(metric: Duplicated) -> exp.Expression:
    """The keys as one value, which is not null where they are."""
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(key_name(index)), expression=qualified(key))
        for index, key in enumerate(metric.keys)
    ]
    return exp.Struct(expressions=fields)


def _direct(one: Failing, source: Source) -> tuple[exp.Subquery, exp.Column] | None:
    """The places of the first rows by a query of their own, and the column they are in; None: by the scan."""
    place = exp.column(source.position, quoted=True)
    if isinstance(one.metric, OutOfOrder) and one.count is not None:
        ordered = exp.select(place.copy()).from_(out_of_order(one.metric, source, ())).order_by(place.copy())
        return ordered.limit(one.limit).subquery("t"), place
    if isinstance(one.metric, Count) and one.many:
        # without ORDER BY, which would read to the end: a filter and a limit keep the order of the batch
        first = exp.select(place.copy()).from_(_positioned(source))
        condition = both(one.metric.condition, one.metric.where)
        first = first if condition is None else first.where(condition)
        return first.limit(one.limit).subquery("t"), place
    return None


def _marked(one: Failing, scan: _Scan) -> exp.Expression:
    """Whether a row is one of those that `one` counts."""
    match one.metric:
        case Count(condition=condition, where=where):
            return scan.mark(_all(condition, where))
        case Duplicated(where=where) as metric:
            if one.equal is not None:
                return scan.mark(_all(where, _among_equal(metric, one.equal)))
            return scan.mark(both(_all(where), _among_groups(metric, scan)) or exp.true())
        case Orphans(where=where) as metric:
            return scan.mark(_all(where, *map(not_null, metric.keys), _without_partner(metric, scan.source)))
        case metric:
            raise TypeError(metric)


def _all(*conditions: exp.Expression | None) -> exp.Expression:
    return both(*(qualified(condition) for condition in conditions if condition is not None)) or exp.true()


def _among_equal(metric: Duplicated, equal: Equal) -> exp.Expression:
    hashed = exp.Anonymous(this="hash", expressions=[key.copy() for key in metric.keys])
    return exp.In(this=hashed, query=exp.select("h").from_(equal.table).subquery())


def _among_groups(metric: Duplicated, scan: _Scan) -> exp.Expression:
    """By a join with the keys that occur more than once: nulls are equal to each other."""
    name = f"headgate_groups_{len(scan.groups)}"
    scan.groups.append(exp.CTE(this=groups(metric, scan.source), alias=exp.TableAlias(this=exp.to_identifier(name))))
    same = [
        exp.NullSafeEQ(this=exp.column(key_name(index), table=name), expression=qualified(key))
        for index, key in enumerate(metric.keys)
    ]
    condition = exp.and_(*same)
    scan.joins.append((exp.to_table(name), condition))
    return not_null(exp.column("headgate_count", table=name))


def _without_partner(metric: Orphans, source: Source) -> exp.Expression:
    """The keys are not null here, and neither are those they are looked for among."""
    names = [column(name) for name in metric.other_keys]
    there = exp.select(*names).from_(called(source.other(metric.other), "o")).where(*map(not_null, names))
    keys = [key.copy() for key in metric.keys]
    this = keys[0] if len(keys) == 1 else exp.Tuple(expressions=keys)
    return exp.not_(exp.In(this=this, query=there.subquery()))


def _read(failing: Sequence[Failing], names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Mapping[Metric, Any]:
    counted = {row[0]: int(row[2]) for row in rows if row[1] is None}
    placed: dict[int, list[Sequence[Any]]] = {}
    for row in rows:
        if row[1] is not None:
            placed.setdefault(row[0], []).append(row)
    found: dict[Metric, Any] = {}
    for number, one in enumerate(failing):
        if one.count is None:
            if one.equal is not None and counted[_proof(number)] != one.equal.size:
                continue  # different keys have the same hash: nothing is known
            found[one.metric] = counted[number]
        first = sorted(placed.get(number, ()), key=lambda row: int(row[1]))
        found |= {wanted: _sample(wanted, names, first) for wanted in one.shown}
    return found


def _sample(wanted: Rows, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Sample:
    places = [3 + names.index(name) for name in wanted.columns]
    chosen = rows[: wanted.limit]
    return Sample(
        count=len(chosen),
        columns=wanted.columns,
        rows=tuple(tuple(row[place] for place in places) for row in chosen),
        index=tuple(int(row[1]) for row in chosen),
    )


Value = Callable[[Metric], Any]


def failing_of(
    shown: Iterable[Rows],
    open_: Iterable[Metric],
    of: Callable[[Rows], Metric],
    value: Value,
    equal: Mapping[Metric, Equal],
) -> tuple[Failing, ...]:
    """What a second pass is to find: `shown` by the metric that counts them (`of`), where it is not 0 by `value`, and
    the metrics left `open_`, whose value is None."""
    by_metric: dict[Metric, list[Rows]] = {metric: [] for metric in open_}
    for rows in shown:
        by_metric.setdefault(of(rows), []).append(rows)
    return tuple(
        Failing(metric=metric, shown=tuple(rows), count=count, equal=equal.get(metric))
        for metric, rows in by_metric.items()
        if isinstance(metric, Count | Duplicated | OutOfOrder | Orphans)
        and ((count := value(metric)) is None or (isinstance(count, int) and count > 0 and rows))
    )
