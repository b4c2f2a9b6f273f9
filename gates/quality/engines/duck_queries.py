"""Users' queries that can be answered without being run: pure.

A query for rows without a partner in another table has no row if no key is without one, whatever else it asks; and that
is cheap to see. Only forms that are understood whole are taken; a query not proved empty is run as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from gates.quality.engines.duck_facts import Facts
from gates.quality.engines.duck_plan import bit_count, bits
from gates.quality.metrics import Query, Sample
from gates.quality.planner import BATCH, UNSETTLED, Part
from gates.quality.sql import column, literal

_OTHER_CLAUSES = (
    "group",
    "having",
    "distinct",
    "qualify",
    "windows",
    "limit",
    "offset",
    "with_",
    "with",
    "laterals",
    "pivots",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partner:
    """The key of the batch, and the table and column in which it is looked for. `nulls`: a null key counts as lost."""

    key: str
    table: exp.Expression
    column: exp.Column
    nulls: bool


def empty_proof(metric: Query, facts: Facts) -> Part | None:
    """The part that shows that `metric` has no row; None where it is not a query of this kind."""
    if metric.where is not None or metric.others or "{batch}" not in metric.sql:
        return None
    partner = _partner(metric.sql.strip().rstrip(";").replace("{batch}", BATCH))
    if partner is None:
        return None
    key = column(partner.key)
    bounds = facts.bits(key)
    if bounds is None or (partner.nulls and not facts.present(key)):
        return None
    between = exp.Between(this=partner.column.copy(), low=literal(bounds[0]), high=literal(bounds[1]))
    there = exp.select(bits(partner.column.copy(), bounds)).from_(partner.table.copy()).where(between)
    lost = exp.BitwiseAnd(this=bits(key, bounds), expression=exp.BitwiseNot(this=there.subquery()))

    def read(values: Sequence[Any]) -> Any:
        return Sample(count=0, columns=(), rows=()) if values[0] == 0 else UNSETTLED

    return Part(metric=metric, values=(bit_count(lost),), read=read, plain=False)


def _partner(sql: str) -> _Partner | None:
    try:
        query = parse_one(sql, dialect="duckdb")
    except (SqlglotError, RecursionError):
        return None
    if not isinstance(query, exp.Select) or _has_other_clauses(query):
        return None
    batch = _only_table(query)
    if (
        batch is None
        or batch.name != BATCH
        or batch.args.get("db")
        or any(item.find(exp.AggFunc) for item in query.expressions)
    ):
        return None
    where = query.args.get("where")
    conditions = _conjuncts(where.this) if where is not None else []
    joins = query.args.get("joins") or []
    found = _joined(batch, joins, conditions) if joins else _lacking(batch, conditions)
    if found is None or not found.nulls:
        return found
    excluded = any(_excludes_null(condition, batch, found.key) for condition in conditions)
    return _Partner(key=found.key, table=found.table, column=found.column, nulls=not excluded)


def _has_other_clauses(query: exp.Select) -> bool:
    return any(query.args.get(name) for name in _OTHER_CLAUSES)


def _only_table(query: exp.Select) -> exp.Table | None:
    origin = query.args.get("from_") or query.args.get("from")
    table = origin.this if origin is not None else None
    return (
        table if isinstance(table, exp.Table) and not table.args.get("joins") and not table.args.get("sample") else None
    )


def _conjuncts(condition: Any) -> list[Any]:
    bare = condition.unnest()
    return [*_conjuncts(bare.this), *_conjuncts(bare.expression)] if isinstance(bare, exp.And) else [bare]


def _lacking(batch: exp.Table, conditions: Sequence[exp.Expression]) -> _Partner | None:
    for condition in conditions:
        inner = condition.this.unnest() if isinstance(condition, exp.Not) else None
        found = None
        if isinstance(inner, exp.Exists):
            found = _not_exists(batch, inner.this)
        elif isinstance(inner, exp.In):
            found = _not_in(batch, inner)
        if found is not None:
            return found
    return None


def _not_exists(batch: exp.Table, query: exp.Expression) -> _Partner | None:
    if not isinstance(query, exp.Select) or _has_other_clauses(query) or query.args.get("joins"):
        return None
    if any(item.find(exp.AggFunc) for item in query.expressions):
        return None
    table, where = _only_table(query), query.args.get("where")
    return None if table is None or where is None else _equal_keys(batch, table, where.this)


def _equal_keys(batch: exp.Table, other: exp.Table, condition: exp.Expression) -> _Partner | None:
    bare = condition.unnest()
    if not isinstance(bare, exp.EQ) or batch.alias_or_name == other.alias_or_name:
        return None
    sides = {side.table: side for side in (bare.this, bare.expression) if isinstance(side, exp.Column)}
    here, there = sides.get(batch.alias_or_name), sides.get(other.alias_or_name)
    if here is None or there is None:
        return None
    return _Partner(key=here.name, table=other, column=there, nulls=True)


def _not_in(batch: exp.Table, condition: exp.In) -> _Partner | None:
    query = condition.args.get("query")
    inner = query.unnest() if isinstance(query, exp.Expression) else None
    key = condition.this.unnest()
    if (
        not isinstance(inner, exp.Select)
        or _has_other_clauses(inner)
        or inner.args.get("joins")
        or inner.args.get("where")
    ):
        return None
    table, chosen = _only_table(inner), inner.expressions
    if table is None or len(chosen) != 1 or not isinstance(chosen[0], exp.Column) or not isinstance(key, exp.Column):
        return None
    if key.table not in ("", batch.alias_or_name) or chosen[0].table not in ("", table.alias_or_name):
        return None
    return _Partner(key=key.name, table=table, column=chosen[0], nulls=True)


def _joined(batch: exp.Table, joins: Sequence[exp.Join], conditions: Sequence[exp.Expression]) -> _Partner | None:
    """`LEFT JOIN other ON key = other.key WHERE other.key IS NULL`."""
    join = joins[0]
    on = join.args.get("on")
    plain = join.side == "LEFT" and not join.kind and not join.method and not join.args.get("using")
    if len(joins) != 1 or not plain or not isinstance(join.this, exp.Table) or on is None:
        return None
    found = _equal_keys(batch, join.this, on)
    if found is None:
        return None
    lost = exp.Is(this=found.column, expression=exp.null())
    return found if any(condition == lost for condition in conditions) else None


def _excludes_null(condition: exp.Expression, batch: exp.Table, key: str) -> bool:
    inner = condition.this.unnest() if isinstance(condition, exp.Not) else None
    if (
        not isinstance(inner, exp.Is)
        or not isinstance(inner.expression, exp.Null)
        or not isinstance(inner.this, exp.Column)
    ):
        return False
    return bool(inner.this.name == key and inner.this.table == batch.alias_or_name)
