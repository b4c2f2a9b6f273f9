"""What follows from statistics for conditions on every row: pure.

A condition that holds for every value between two bounds holds for every row of the group. What does not follow is left
unknown and is counted in the data: nothing is estimated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from itertools import product
from typing import Any

from sqlglot import exp

from gates.quality.footers import EXACT, Chunk, Footers
from gates.quality.metrics import Aggregate, Count, Kind, Metric, Schema
from gates.quality.sql import both


def decide(metric: Metric, footers: Footers, schema: Schema) -> Any | None:
    """The value of `metric` if the footers alone give it, else None."""
    match metric:
        case Count():
            return _count(both(metric.condition, metric.where), footers, schema)
        case Aggregate(function="min" | "max", argument=exp.Column() as argument, where=None):
            bounds = footers.bounds(argument.name)
            found = schema.get(argument.name)
            if bounds is None or found is None or found.kind not in EXACT | {Kind.FLOAT}:
                return None
            return bounds[0] if metric.function == "min" else bounds[1]
        case _:
            return None


def simplify(node: exp.Expression, footers: Footers, schema: Schema) -> exp.Expression:
    """`node` with the same value in every row of the batch, without the conditions that are known to hold or not to."""
    return _Simplifier(footers, schema).simplified(node)


class _Simplifier:
    def __init__(self, footers: Footers, schema: Schema) -> None:
        self._footers = footers
        self._schema = schema

    def simplified(self, node: exp.Expression) -> exp.Expression:
        if isinstance(node, _CONDITIONS) and (known := self._known(node)) is not None:
            return exp.Boolean(this=known)
        if isinstance(node, exp.Query | exp.Literal | exp.Column | exp.DataType | exp.Identifier):
            return node.copy()
        if isinstance(node, exp.Coalesce) and None not in self._outcomes(node.this):
            return self.simplified(node.this)
        shallow = node.copy()
        for key, value in node.args.items():
            if isinstance(value, exp.Expression):
                shallow.set(key, self.simplified(value))
            elif isinstance(value, list):
                shallow.set(
                    key, [self.simplified(item) if isinstance(item, exp.Expression) else item for item in value]
                )
        return _folded(shallow)

    def _known(self, node: exp.Expression) -> bool | None:
        """The truth of `node` in every row, if it is the same and never null."""
        found = self._outcomes(node)
        return next(iter(found)) if len(found) == 1 else None

    def _outcomes(self, node: exp.Expression) -> Outcomes:
        """What `node` may be over all rows."""
        names = sorted({column.name for column in node.find_all(exp.Column)})
        if len(names) > _MOST_COLUMNS or node.find(exp.Query) is not None:
            return _ANY
        states = [self._states(name) for name in names]
        if any(not options for options in states):
            return _ANY
        found: set[bool | None] = set()
        for chosen in product(*states):
            found |= _outcomes(node, dict(zip(names, chosen, strict=True)))
        return frozenset(found)

    def _states(self, name: str) -> list[_Range]:
        """What values of a column may be: null, or something between its bounds. Nothing: unknown."""
        nulls = self._footers.nulls(name)
        found = self._schema.get(name)
        if nulls is None or found is None:
            return []
        bounds = self._footers.bounds(name) or (None, None)
        present = _range(Chunk(nulls=0, low=bounds[0], high=bounds[1]), found.kind)
        return ([NULL] if nulls else []) + ([present] if nulls < self._footers.total else [])


_CONDITIONS = (exp.Binary, exp.Not, exp.In, exp.Between, exp.Anonymous)
_MOST_COLUMNS = 3


def _folded(node: exp.Expression) -> exp.Expression:
    """`node` where parts have become constants."""
    match node:
        case exp.Paren(this=exp.Boolean() as inner):
            return inner
        case exp.Not(this=exp.Boolean(this=value)):
            return exp.Boolean(this=not value)
        case (
            exp.And(this=exp.Boolean(this=value), expression=other)
            | exp.And(this=other, expression=exp.Boolean(this=value))
        ):
            return other if value else exp.false()
        case (
            exp.Or(this=exp.Boolean(this=value), expression=other)
            | exp.Or(this=other, expression=exp.Boolean(this=value))
        ):
            return exp.true() if value else other
        case exp.Case(this=None):
            return _folded_case(node)
        case exp.Coalesce(this=exp.Boolean() as inner):
            return inner
        case _:
            return node


def _kept(node: exp.Expression | None) -> exp.Expression:
    return exp.null() if node is None else node


def _folded_case(node: exp.Case) -> exp.Expression:
    branches: list[exp.If] = []
    for branch in node.args["ifs"]:
        if branch.this == exp.true():
            if not branches:
                return _kept(branch.args["true"])
            node.set("default", branch.args["true"])
            break
        if branch.this != exp.false():
            branches.append(branch)
    if not branches:
        return _kept(node.args.get("default"))
    node.set("ifs", branches)
    return node


def _count(condition: exp.Expression | None, footers: Footers, schema: Schema) -> int | None:
    if condition is None:
        return footers.total
    names = {column.name for column in condition.find_all(exp.Column)}
    if not names <= set(footers.columns) or condition.find(exp.Query) is not None:
        return None
    counts = []
    for group, rows in enumerate(footers.rows):
        count = _in_group(condition, rows, {name: footers.columns[name][group] for name in names}, schema)
        if count is None:
            return None
        counts.append(count)
    return sum(counts)


def _in_group(condition: exp.Expression, rows: int, chunks: Mapping[str, Chunk], schema: Schema) -> int | None:
    """Rows of one group for which `condition` holds; nulls and values of a single column are told apart."""
    if rows == 0:
        return 0
    if any(chunk.nulls is None for chunk in chunks.values()):
        return None
    if len(chunks) == 1:
        ((name, chunk),) = chunks.items()
        nulls = chunk.nulls or 0
        parts = [(nulls, {name: NULL}), (rows - nulls, {name: _range(chunk, _kind(name, schema))})]
    else:
        if any(0 < (chunk.nulls or 0) < rows for chunk in chunks.values()):
            return None
        state = {name: NULL if chunk.nulls else _range(chunk, _kind(name, schema)) for name, chunk in chunks.items()}
        parts = [(rows, state)]
    total = 0
    for count, state in parts:
        if not count:
            continue
        outcomes = _outcomes(condition, state)
        if True in outcomes and len(outcomes) > 1:
            return None
        total += count if True in outcomes else 0
    return total


@dataclass(frozen=True, slots=True)
class _Range:
    """Values from `low` to `high`; None: unknown, but no null. `nan`: a NaN may be among them."""

    low: Any = None
    high: Any = None
    nan: bool = False


NULL = _Range("null", "null")
Outcomes = frozenset[bool | None]
_ANY: Outcomes = frozenset({True, False, None})
_SOME: Outcomes = frozenset({True, False})


def _kind(name: str, schema: Schema) -> Kind:
    found = schema.get(name)
    return Kind.OTHER if found is None else found.kind


def _range(chunk: Chunk, kind: Kind) -> _Range:
    """Values that are not null. Only floats may be NaN, and only if nobody has looked."""
    bounded = kind in EXACT or (kind is Kind.FLOAT and chunk.low is not None)
    return _Range(chunk.low, chunk.high) if bounded else _Range(nan=kind is Kind.FLOAT)


def _outcomes(node: exp.Expression, state: Mapping[str, _Range]) -> Outcomes:
    """What `node` may be (true, false, null) over rows of `state`."""
    match node:
        case exp.Paren():
            return _outcomes(node.this, state)
        case exp.Boolean():
            return frozenset({bool(node.this)})
        case exp.Not():
            return frozenset(None if value is None else not value for value in _outcomes(node.this, state))
        case exp.And():
            return _combined([node.this, node.expression], state, deciding=False)
        case exp.Or():
            return _combined([node.this, node.expression], state, deciding=True)
        case exp.Is(expression=exp.Null()):
            return _is_null(node.this.unnest(), state)
        case exp.Between():
            low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
            high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
            return _outcomes(exp.And(this=low, expression=high), state)
        case exp.In(args={"expressions": [*_]}) if not node.args.get("query"):
            return _among(node, state)
        case exp.Anonymous(this="HEADGATE_IS_NAN", expressions=[exp.Column() as argument]):
            return _is_nan(state[argument.name])
        case exp.GT() | exp.GTE() | exp.LT() | exp.LTE() | exp.EQ() | exp.NEQ():
            return _compared(node, state)
        case _:
            return _ANY


def _combined(parts: Sequence[exp.Expression], state: Mapping[str, _Range], *, deciding: bool) -> Outcomes:
    """`deciding` is the truth value that settles it: false for AND, true for OR."""

    def pair(left: bool | None, right: bool | None) -> bool | None:
        if deciding in (left, right):
            return deciding
        return None if left is None or right is None else not deciding

    def joined(left: Outcomes, right: Outcomes) -> Outcomes:
        return frozenset(pair(one, other) for one in left for other in right)

    return reduce(joined, [_outcomes(part, state) for part in parts])


def _is_null(node: exp.Expression, state: Mapping[str, _Range]) -> Outcomes:
    return frozenset({state[node.name] is NULL}) if isinstance(node, exp.Column) else _SOME


def _is_nan(found: _Range) -> Outcomes:
    return frozenset({None}) if found is NULL else _SOME if found.nan else frozenset({False})


def _among(node: exp.In, state: Mapping[str, _Range]) -> Outcomes:
    parts = [_compared(exp.EQ(this=node.this, expression=item), state) for item in node.expressions]
    if not parts:
        return _ANY
    if any(part == {True} for part in parts):
        return frozenset({True})
    if all(part == {False} for part in parts):
        return frozenset({False})
    return frozenset({None}) if all(part == {None} for part in parts) else _ANY


def _compared(node: exp.Binary, state: Mapping[str, _Range]) -> Outcomes:
    left, right = node.this.unnest(), node.expression.unnest()
    if not isinstance(left, exp.Column):
        return _ANY
    found = state[left.name]
    if found is NULL:
        return frozenset({None})
    if isinstance(right, exp.Column):
        return frozenset({None}) if state[right.name] is NULL else _SOME
    bound = _constant(right)
    if bound is None or not _comparable(found.low, bound) or not _comparable(found.high, bound):
        return _ANY
    return _against(node, found.low, found.high, bound)


def _against(node: exp.Binary, low: Any, high: Any, bound: Any) -> Outcomes:
    match node:
        case exp.GT():
            possible, always = high > bound, low > bound
        case exp.GTE():
            possible, always = high >= bound, low >= bound
        case exp.LT():
            possible, always = low < bound, high < bound
        case exp.LTE():
            possible, always = low <= bound, high <= bound
        case exp.EQ():
            possible, always = low <= bound <= high, low == high == bound
        case _:
            possible, always = not low == high == bound, not low <= bound <= high
    return frozenset({True}) if always else _SOME if possible else frozenset({False})


def _comparable(value: Any, bound: Any) -> bool:
    """Exactly, in Python as in SQL: exact numbers with such, floats with floats, times with times of the same type."""
    numbers = (int, Decimal)
    if isinstance(value, float) and isinstance(bound, float):
        return not math.isnan(value) and not math.isnan(bound)
    if isinstance(value, numbers) and isinstance(bound, numbers):
        return True
    return type(value) is type(bound) and isinstance(value, date) and getattr(value, "tzinfo", None) is None


def _constant(node: exp.Expression) -> Any:
    """The value of a literal; None for anything else."""
    match node:
        case exp.Neg():
            inner = _constant(node.this)
            return -inner if isinstance(inner, int | Decimal | float) else None
        case exp.Literal() if not node.is_string:
            text = str(node.this)
            return int(text) if text.isdigit() else _decimal(text)
        case exp.Cast(this=exp.Literal() as text) if node.to.is_type("double"):
            return _float(str(text.this))
        case exp.Cast(this=exp.Literal() as text) if text.is_string:
            return _moment(str(text.this), node.to)
        case _:
            return None


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _decimal(text: str) -> Decimal | None:
    try:
        return None if "e" in text.lower() else Decimal(text)
    except InvalidOperation:
        return None


def _moment(text: str, kind: exp.DataType) -> date | datetime | None:
    try:
        if kind.is_type("date"):
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text) if kind.is_type("timestamp") else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is None else None
