"""Two tables of one database, compared where they are: the text of the queries. Pure.

Rows of both are put under one another and grouped by key, which finds keys with nulls too, in every engine and without a
join. Names of the data are nodes of SQLGlot; all other text is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import sqlglot
from sqlglot import exp

from gates.quality.metrics import Column, Kind
from gates.quality.sql import as_text, column, named

_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
_TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})
_EXACT = {"mysql": "CAST({} AS BINARY)", "sqlite": "({} || '')", "postgres": "CAST({} AS TEXT)"}
"""Texts as they are compared: by their letters, whatever the collation of the column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One column on both sides, compared as what it is, or as text where the engine could not compare it."""

    base: Column
    head: Column

    @property
    def kind(self) -> Kind:
        return Kind.STRING if self.as_text else self.base.kind

    @property
    def as_text(self) -> bool:
        kinds = {self.base.kind, self.head.kind}
        return not (kinds <= _NUMBERS or kinds <= _TIMES or kinds == {Kind.STRING} or kinds == {Kind.TIME})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is compared: the key as `k0..`, columns as `c0..`, possible renames as `x0..`. `engine` is its name."""

    engine: str
    tables: tuple[exp.Expression, exp.Expression]
    keys: tuple[Both, ...]
    columns: tuple[Both, ...]
    renames: tuple[Both, ...] = ()
    tolerance: float = 0.0

    def exact(self, name: str, both: Both) -> str:
        return _EXACT.get(self.engine, "{}").format(name) if both.kind is Kind.STRING else name

    @property
    def places(self) -> list[str]:
        """The key as rows are grouped by it."""
        return [self.exact(f"k{at}", both) for at, both in enumerate(self.keys)]

    @property
    def values(self) -> list[str]:
        return [self.exact(f"c{at}", both) for at, both in enumerate(self.columns)]


def totals(plan: Plan) -> exp.Expression:
    """One row: matched, lost, added, then keys with several rows and those rows in base and in head, growing, shrinking,
    compared and changed keys; then changed keys for each column, and equal ones for each possible rename."""
    single = "nb = 1 AND nh = 1"
    conditions = ["nb > 0 AND nh > 0", "nh = 0", "nb = 0"]
    values = [_count(condition) for condition in conditions]
    for side in ("nb", "nh"):
        values += [_count(f"{side} > 1"), f"SUM(CASE WHEN {side} > 1 THEN {side} ELSE 0 END)"]
    values += [_count("nb > 0 AND nh > nb"), _count("nh > 0 AND nb > nh"), _count(single)]
    flags = [f"d{at}" for at in range(len(plan.columns))]
    values.append(_count(" OR ".join(f"{flag} = 1" for flag in flags) or "1 = 0"))
    values += [f"SUM({flag})" for flag in [*flags, *(f"q{at}" for at in range(len(plan.renames)))]]
    return _filled(f"SELECT {', '.join(values)} FROM {_grouped(plan)}", plan)


def _count(condition: str) -> str:
    return f"SUM(CASE WHEN {condition} THEN 1 ELSE 0 END)"


def repeated_changes(plan: Plan) -> exp.Expression:
    """How many keys, of those on both sides with several rows on one, have different rows."""
    rows = ", ".join([*plan.places, *plan.values])
    inner = f"SELECT {_places(plan)}, SUM(b) AS nb, SUM(h) AS nh FROM u GROUP BY {rows}"
    keys = ", ".join(f"p{at}" for at in range(len(plan.keys)))
    per_key = (
        f"SELECT SUM(nb) AS nb, SUM(nh) AS nh, SUM(CASE WHEN nb <> nh THEN 1 ELSE 0 END) AS n FROM ({inner}) AS r "
        f"GROUP BY {keys}"
    )
    return _filled(
        f"SELECT COUNT(*) FROM ({per_key}) AS g WHERE n > 0 AND nb > 0 AND nh > 0 AND (nb > 1 OR nh > 1)", plan
    )


def _places(plan: Plan) -> str:
    return ", ".join(f"{place} AS p{at}" for at, place in enumerate(plan.places))


SAMPLES = {"lost": "nh = 0 AND nb = 1", "added": "nb = 0 AND nh = 1", "changed": "nb = 1 AND nh = 1"}


def sample(plan: Plan, what: str, changed: Sequence[int], limit: int) -> exp.Expression:
    """Keys that are lost, added, or changed in one of `changed`: the key, base's values, head's, then a flag for each column."""
    condition = SAMPLES[what]
    if what == "changed":
        condition += f" AND ({' OR '.join(f'd{at} = 1' for at in changed)})"
    width = range(len(plan.columns))
    names = [f"k{at}" for at in range(len(plan.keys))]
    shown = [*names, *(f"b{at}" for at in width), *(f"h{at}" for at in width), *(f"d{at}" for at in width)]
    order = ", ".join(f"p{at}" for at in range(len(plan.keys)))
    query = (
        f"SELECT {', '.join(shown)} FROM {_grouped(plan, valued=True)} WHERE {condition} ORDER BY {order} LIMIT {limit}"
    )
    return _filled(query, plan)


def several(plan: Plan, limit: int) -> exp.Expression:
    """Rows of keys that have more rows on one side than on the other: 1 for base, the key, the values."""
    over = ", ".join(plan.places)
    counted = f"SELECT u.*, SUM(b) OVER (PARTITION BY {over}) AS nb, SUM(h) OVER (PARTITION BY {over}) AS nh FROM u"
    names = [f"k{at}" for at in range(len(plan.keys))]
    shown = ", ".join(["b", *names, *(f"c{at}" for at in range(len(plan.columns)))])
    return _filled(
        f"SELECT {shown} FROM ({counted}) AS w WHERE nb > 0 AND nh > 0 AND nb <> nh ORDER BY {over} LIMIT {limit}", plan
    )


def _grouped(plan: Plan, *, valued: bool = False) -> str:
    single = "SUM(b) = 1 AND SUM(h) = 1"
    values = [_places(plan), *(f"MIN(k{at}) AS k{at}" for at in range(len(plan.keys))), "SUM(b) AS nb", "SUM(h) AS nh"]
    for at, (both, value) in enumerate(zip(plan.columns, plan.values, strict=True)):
        differs = f"COUNT(c{at}) = 1 OR {_differ(plan, both, value)}"
        values.append(f"CASE WHEN {single} AND ({differs}) THEN 1 ELSE 0 END AS d{at}")
        if valued:
            values += [f"MAX(CASE WHEN {side} = 1 THEN c{at} END) AS {side}{at}" for side in "bh"]
    for at, both in enumerate(plan.renames):
        value = plan.exact(f"x{at}", both)
        equal = f"COUNT(x{at}) = 0 OR (COUNT(x{at}) = 2 AND MIN({value}) = MAX({value}))"
        values.append(f"CASE WHEN {single} AND ({equal}) THEN 1 ELSE 0 END AS q{at}")
    return f"(SELECT {', '.join(values)} FROM u GROUP BY {', '.join(plan.places)}) AS g"


def _differ(plan: Plan, both: Both, value: str) -> str:
    low, high = f"MIN({value})", f"MAX({value})"
    if not plan.tolerance or Kind.FLOAT not in {both.base.kind, both.head.kind} or both.as_text:
        return f"{low} <> {high}"
    largest = f"CASE WHEN ABS({low}) > ABS({high}) THEN ABS({low}) ELSE ABS({high}) END"
    return f"{high} - {low} > {plan.tolerance!r} * {largest}"


def _filled(text: str, plan: Plan) -> exp.Expression:
    """The query with both tables, one under the other, in the place of `u`."""
    query = cast("exp.Expression", sqlglot.parse_one(text))
    for table in list(query.find_all(exp.Table)):
        if table.name == "u":
            table.replace(_union(plan).subquery("u"))
    return query


def _union(plan: Plan) -> exp.Union:
    sides = []
    for at, table in enumerate(plan.tables):
        flags = [exp.Literal.number(1 - at), exp.Literal.number(at)]
        values = [named(flag, name) for flag, name in zip(flags, "bh", strict=True)]
        for prefix, group in (("k", plan.keys), ("c", plan.columns), ("x", plan.renames)):
            values += [
                named(_value(both, both.head if at else both.base), f"{prefix}{number}")
                for number, both in enumerate(group)
            ]
        sides.append(exp.select(*values).from_(table.copy()))
    return sides[0].union(sides[1], distinct=False)


def _value(both: Both, mine: Column) -> exp.Expression:
    return as_text(column(mine.name)) if both.as_text else column(mine.name)


def bounds(
    table: exp.Expression, plan: Plan, wanted: Sequence[tuple[int, Column, tuple[exp.Expression, ...], bool]]
) -> exp.Expression:
    """One row: rows of `table`, then for each wanted column (index, column, values, null): rows that have one of the values
    (or null, if `null`), its least and its largest value."""
    selected: list[exp.Expression] = [exp.Count(this=exp.Star())]
    for index, mine, values, null in wanted:
        value = _value(plan.columns[index], mine)
        conditions: list[exp.Expression] = (
            [exp.In(this=value.copy(), expressions=[item.copy() for item in values])] if values else []
        )
        if null:
            conditions.append(exp.Is(this=value.copy(), expression=exp.null()))
        has = exp.Case().when(exp.or_(*conditions) if conditions else exp.false(), exp.Literal.number(1))
        selected += [exp.Count(this=has), exp.Min(this=value.copy()), exp.Max(this=value.copy())]
    return exp.select(*(named(item, f"m{at}") for at, item in enumerate(selected))).from_(table.copy())
