"""What PostgreSQL's valid constraints already prove of a table, so that nothing has to be read for it. Pure.

A condition is judged over all values that the constraints let a column have; where a constraint or a condition is of
a form that is not understood here, nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from gates.quality.metrics import Count, Distinct, Duplicated, Metric, Orphans
from gates.quality.sql import both, column, not_null

Outcomes = frozenset[bool | None]
"""What a condition can be for some row: true, false, NULL."""
ANY: Outcomes = frozenset({True, False, None})

_FACTS = """
WITH t AS (SELECT to_regclass({name}) AS oid),
     alone AS (SELECT oid FROM t JOIN pg_class c USING (oid)
               WHERE c.relkind = 'p' OR (c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = c.oid)))
SELECT 'not null', ARRAY[a.attname::text], '', 0::bigint, NULL::text[]
FROM alone JOIN pg_attribute a ON a.attrelid = alone.oid WHERE a.attnotnull AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'unique', (SELECT array_agg(a.attname::text) FROM unnest(i.indkey[0:i.indnkeyatts - 1]) k
                  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k), '', 0, NULL
FROM alone JOIN pg_index i ON i.indrelid = alone.oid
WHERE i.indisunique AND i.indisvalid AND i.indisready AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
UNION ALL
SELECT 'check', ARRAY[]::text[], pg_get_expr(c.conbin, c.conrelid), 0, NULL
FROM alone JOIN pg_constraint c ON c.conrelid = alone.oid WHERE c.contype = 'c' AND c.convalidated
UNION ALL
SELECT 'foreign key',
       (SELECT array_agg(a.attname::text ORDER BY o) FROM unnest(c.conkey) WITH ORDINALITY k(n, o)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = n), '', c.confrelid::bigint,
       (SELECT array_agg(a.attname::text ORDER BY o) FROM unnest(c.confkey) WITH ORDINALITY k(n, o)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = n)
FROM alone JOIN pg_constraint c ON c.conrelid = alone.oid
WHERE c.contype = 'f' AND c.convalidated AND NOT c.condeferrable
      AND NOT EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgconstraint = c.oid AND g.tgenabled NOT IN ('O', 'A'))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """The non-null values that a column can have: within bounds (None: none), or among `among`."""

    low: Any = None
    low_open: bool = False
    high: Any = None
    high_open: bool = False
    among: frozenset[Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    columns: tuple[str, ...]
    table: int
    other_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds for every row of a table, also of its partitions."""

    not_null: frozenset[str] = frozenset()
    unique: tuple[frozenset[str], ...] = ()
    domains: Mapping[str, Domain] = field(default_factory=dict)
    foreign_keys: tuple[ForeignKey, ...] = ()

    @classmethod
    def read(cls, ask: Callable[[str], Iterable[Sequence[Any]]], regclass: str) -> Facts:
        """The facts of the table that `regclass` (a literal) names; none of views."""
        rows = list(ask(_FACTS.format(name=regclass)))
        return cls(
            not_null=frozenset(columns[0] for kind, columns, *_ in rows if kind == "not null"),
            unique=tuple(frozenset(columns) for kind, columns, *_ in rows if kind == "unique"),
            domains=domains(text for kind, _, text, *_ in rows if kind == "check"),
            foreign_keys=tuple(
                ForeignKey(columns=tuple(columns), table=table, other_columns=tuple(others))
                for kind, columns, _, table, others in rows
                if kind == "foreign key"
            ),
        )


def prove(metric: Metric, facts: Facts, table_of: Callable[[str], int | None]) -> int | Metric | None:
    """The value of `metric`, or an equal metric that costs less, or None. `table_of` gives the oid for a name."""
    match metric:
        case Count(condition=exp.Expression() as condition):
            possible = outcomes(condition, facts)
            if True not in possible:
                return 0
            return Count(where=metric.where) if possible == {True} else None
        case Duplicated():
            present = facts.not_null | set(_present(metric.where))
            return 0 if any(key <= present for key in _unique_among(metric.keys, facts)) else None
        case Distinct() if any(_unique_among(metric.keys, facts)):
            names = [key.name for key in metric.keys if key.name not in facts.not_null]
            return Count(where=both(metric.where, *(not_null(column(name)) for name in names)))
        case Orphans():
            return 0 if _referenced(metric, facts, table_of) else None
        case _:
            return None


def _unique_among(keys: Sequence[exp.Expression], facts: Facts) -> list[frozenset[str]]:
    """The unique sets of columns that `keys`, all of them plain columns, contain."""
    if not all(isinstance(key, exp.Column) for key in keys):
        return []
    names = {key.name for key in keys}
    return [key for key in facts.unique if key <= names]


def _present(where: exp.Expression | None) -> Iterator[str]:
    """Columns that a condition says are not null."""
    parts = where.flatten() if isinstance(where, exp.And) else [where]
    for part in parts:
        inner = part.unnest() if part is not None else None
        if isinstance(inner, exp.Not) and isinstance(inner.this.unnest(), exp.Is):
            test = inner.this.unnest()
            value = test.this.unnest()
            if isinstance(test.expression, exp.Null) and isinstance(value, exp.Column):
                yield value.name


def _referenced(metric: Orphans, facts: Facts, table_of: Callable[[str], int | None]) -> bool:
    if not all(isinstance(key, exp.Column) for key in metric.keys):
        return False
    pairs = {(key.name, other) for key, other in zip(metric.keys, metric.other_keys, strict=True)}
    return any(
        set(zip(foreign.columns, foreign.other_columns, strict=True)) == pairs
        and foreign.table == table_of(metric.other)
        for foreign in facts.foreign_keys
    )


def domains(checks: Iterable[str]) -> dict[str, Domain]:
    """The domains of columns from the texts of CHECK constraints."""
    found: dict[str, Domain] = {}
    for text in checks:
        try:
            tree = parse_one(text, dialect="postgres")
        except SqlglotError:
            continue
        whole = tree.unnest()
        for part in whole.flatten() if isinstance(whole, exp.And) else [whole]:
            _narrow(found, part.unnest())
    return found


def _narrow(found: dict[str, Domain], test: Any) -> None:
    match test:
        case exp.GTE() | exp.GT() | exp.LTE() | exp.LT():
            name, value = _name(test.this), constant(test.expression)
            if name is None or not isinstance(value, int | float | Decimal):
                return
            old = found.get(name, Domain())
            if isinstance(test, exp.GTE | exp.GT) and (old.low is None or value > old.low):
                found[name] = Domain(
                    low=value,
                    low_open=isinstance(test, exp.GT),
                    high=old.high,
                    high_open=old.high_open,
                    among=old.among,
                )
            elif isinstance(test, exp.LTE | exp.LT) and (old.high is None or value < old.high):
                found[name] = Domain(
                    low=old.low, low_open=old.low_open, high=value, high_open=isinstance(test, exp.LT), among=old.among
                )
        case exp.EQ(expression=exp.Any() as any_of):
            name, values = _name(test.this), _elements(any_of.this)
            if name is not None and values is not None:
                old = found.get(name, Domain())
                found[name] = Domain(
                    low=old.low, low_open=old.low_open, high=old.high, high_open=old.high_open, among=values
                )


def _name(value: exp.Expression) -> str | None:
    """A column, also one of `varchar` that a constraint casts to `text`."""
    bare = value.unnest()
    if isinstance(bare, exp.Cast) and bare.to.is_type("text"):
        bare = bare.this.unnest()
    return bare.name if isinstance(bare, exp.Column) else None


def _elements(value: exp.Expression) -> frozenset[Any] | None:
    bare = value.unnest()
    while isinstance(bare, exp.Cast):
        bare = bare.this.unnest()
    if not isinstance(bare, exp.Array):
        return None
    values = [constant(item) for item in bare.expressions]
    return None if any(item is None for item in values) else frozenset(values)


def constant(value: exp.Expression) -> Any:
    """The text or number that an expression is; None for everything else."""
    bare = value.unnest()
    match bare:
        case exp.Neg():
            number = constant(bare.this)
            return -number if isinstance(number, int | float | Decimal) else None
        case exp.Cast():
            inner = constant(bare.this)
            if bare.to.is_type("double", "float") and isinstance(inner, int | float | Decimal):
                return float(inner)
            if isinstance(inner, str) and bare.to.is_type(*exp.DataType.TEXT_TYPES):
                return inner
            return inner if not isinstance(inner, str) and bare.to.is_type(*exp.DataType.NUMERIC_TYPES) else None
        case exp.Literal(is_string=True):
            return bare.this
        case exp.Literal():
            return int(bare.this) if bare.is_int else Decimal(bare.this)
        case _:
            return None


def outcomes(condition: exp.Expression, facts: Facts) -> Outcomes:
    """What `condition` can be for a row that keeps to `facts`: never too few."""
    bare = condition.unnest()
    match bare:
        case exp.Not():
            return frozenset(None if one is None else not one for one in outcomes(bare.this, facts))
        case exp.And() | exp.Or():
            return _joined(bare, facts)
        case exp.Is(expression=exp.Null()):
            name = _name(bare.this)
            return frozenset({False}) if name in facts.not_null else frozenset({True, False})
        case exp.GTE() | exp.GT() | exp.LTE() | exp.LT():
            return _compared(type(bare), bare.this, bare.expression, facts)
        case exp.Between():
            low = _compared(exp.GTE, bare.this, bare.args["low"], facts)
            high = _compared(exp.LTE, bare.this, bare.args["high"], facts)
            return frozenset(_and(one, other) for one in low for other in high)
        case exp.In(expressions=list() as items) if items:
            return _among(bare.this, items, facts)
        case _:
            return ANY


def _joined(condition: exp.Expression, facts: Facts) -> Outcomes:
    left, right = outcomes(condition.this, facts), outcomes(condition.expression, facts)
    if isinstance(condition, exp.And):
        return frozenset(_and(one, other) for one in left for other in right)
    return frozenset(_or(one, other) for one in left for other in right)


def _and(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: bool | None, other: bool | None) -> bool | None:
    if one or other:
        return True
    return None if one is None or other is None else False


def _compared(test: Any, value: exp.Expression, bound: exp.Expression, facts: Facts) -> Outcomes:
    name, limit = _name(value), constant(bound)
    if name is None or not isinstance(limit, int | float | Decimal):
        return ANY
    domain = facts.domains.get(name, Domain())
    possible = {True, False}
    if domain.low is not None:
        above = domain.low > limit or (domain.low == limit and domain.low_open)
        if above or (domain.low == limit and test in {exp.GTE, exp.LT}):
            possible.discard(test in {exp.LT, exp.LTE})
    if domain.high is not None:
        below = domain.high < limit or (domain.high == limit and domain.high_open)
        if below or (domain.high == limit and test in {exp.LTE, exp.GT}):
            possible.discard(test in {exp.GT, exp.GTE})
    return frozenset(possible) | (frozenset() if name in facts.not_null else frozenset({None}))


def _among(value: exp.Expression, items: Sequence[exp.Expression], facts: Facts) -> Outcomes:
    name, listed = _name(value), [constant(item) for item in items]
    domain = facts.domains.get(name) if name is not None else None
    if name is None or domain is None or domain.among is None or any(item is None for item in listed):
        return ANY
    null: Outcomes = frozenset() if name in facts.not_null else frozenset({None})
    # Values that are not listed may still be equal to one that is, where the column's collation says so.
    return (frozenset({True}) if domain.among <= set(listed) else frozenset({True, False})) | null
