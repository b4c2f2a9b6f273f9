"""What the statistics in file footers say of a batch, without reading a row: pure.

Files keep, for each group of rows and each column, the smallest and largest value and the number of nulls. A condition
that holds for every value between two bounds holds for every row of the group. What does not follow is left unknown and
is counted in the data: nothing is estimated.

Floats are left out (statistics do not mention NaN), and texts too (theirs may be cut), but not their nulls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

from sqlglot import exp

from gates.quality.metrics import Aggregate, Count, Kind, Metric, Schema
from gates.quality.sql import both

EXACT = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP})
"""Kinds whose smallest and largest value are to be relied upon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One column in one group of rows. `nulls` and the bounds are None where the file does not say.

    `bytes` is the size of the column's values in the group before compression.
    """

    nulls: int | None
    low: Any = None
    high: Any = None
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Footers:
    """All groups of rows in the order of the batch: their numbers of rows, and by column one chunk for each."""

    rows: tuple[int, ...]
    columns: Mapping[str, tuple[Chunk, ...]]

    @property
    def total(self) -> int:
        return sum(self.rows)

    def nulls(self, name: str) -> int | None:
        """How many nulls a column has; None: unknown."""
        found = [chunk.nulls for chunk in self.columns.get(name, ())]
        return None if not found or None in found else sum(count for count in found if count is not None)

    def bounds(self, name: str) -> tuple[Any, Any] | None:
        """The smallest and largest value of a column; None: unknown, or there is none."""
        known = [
            (chunk.low, chunk.high)
            for rows, chunk in zip(self.rows, self.columns.get(name, ()), strict=False)
            if chunk.nulls != rows
        ]
        if not known or any(low is None or high is None for low, high in known):
            return None
        return min(low for low, _ in known), max(high for _, high in known)

    def ascending(self, name: str) -> bool:
        """Whether each group of rows begins where the one before ends, or above it: rows may be sorted by it."""
        bounds = [(chunk.low, chunk.high) for chunk in self.columns.get(name, ())]
        if not bounds or any(low is None or high is None for low, high in bounds):
            return False
        return all(before[1] <= after[0] for before, after in zip(bounds, bounds[1:], strict=False))

    def few_values(self, name: str) -> bool:
        """Whether texts of a column are stored as places in a short dictionary, as far as their size tells."""
        chunks = self.columns.get(name, ())
        values = self.total - (self.nulls(name) or 0)
        return bool(chunks) and 0 < values and sum(chunk.bytes for chunk in chunks) < values * _DICTIONARY_BYTES


_DICTIONARY_BYTES = 3.5
"""Below this size for each value texts cannot have been written out: four bytes tell the length alone."""


def parse_bound(text: str | None, kind: Kind) -> Any:
    """A bound as a value of `kind`; None where there is none to rely upon."""
    if text is None or kind not in EXACT:
        return None
    try:
        match kind:
            case Kind.INTEGER:
                return int(text)
            case Kind.DECIMAL:
                return Decimal(text)
            case Kind.DATE:
                return date.fromisoformat(text)
            case _:
                return datetime.fromisoformat(text)
    except (ValueError, InvalidOperation):
        return None


def decide(metric: Metric, footers: Footers, schema: Schema) -> Any | None:
    """The value of `metric` if the footers alone give it, else None."""
    match metric:
        case Count():
            return _count(both(metric.condition, metric.where), footers, schema)
        case Aggregate(function="min" | "max", argument=exp.Column() as argument, where=None):
            bounds = footers.bounds(argument.name)
            found = schema.get(argument.name)
            if bounds is None or found is None or found.kind not in EXACT:
                return None
            return bounds[0] if metric.function == "min" else bounds[1]
        case _:
            return None


def _count(condition: exp.Expression | None, footers: Footers, schema: Schema) -> int | None:
    if condition is None:
        return footers.total
    names = {column.name for column in condition.find_all(exp.Column)}
    if not names <= set(footers.columns) or condition.find(exp.Query) is not None:
        return None
    counts = [
        _in_group(condition, rows, {name: footers.columns[name][group] for name in names}, schema)
        for group, rows in enumerate(footers.rows)
    ]
    return None if None in counts else sum(count for count in counts if count is not None)


def _in_group(condition: exp.Expression, rows: int, chunks: Mapping[str, Chunk], schema: Schema) -> int | None:
    """Rows of one group for which `condition` holds; nulls and values of a single column are told apart."""
    if rows == 0:
        return 0
    if any(chunk.nulls is None for chunk in chunks.values()):
        return None
    if len(chunks) == 1:
        ((name, chunk),) = chunks.items()
        nulls = chunk.nulls or 0
        parts = [(nulls, {name: NULL}), (rows - nulls, {name: _range(name, chunk, schema)})]
    else:
        if any(0 < (chunk.nulls or 0) < rows for chunk in chunks.values()):
            return None
        state = {name: NULL if chunk.nulls else _range(name, chunk, schema) for name, chunk in chunks.items()}
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
    """Values from `low` to `high`, both possible; None: unknown, but no null."""

    low: Any = None
    high: Any = None


NULL = _Range("null", "null")
Outcomes = frozenset[bool | None]
_ANY: Outcomes = frozenset({True, False, None})
_SOME: Outcomes = frozenset({True, False})


def _range(name: str, chunk: Chunk, schema: Schema) -> _Range:
    found = schema.get(name)
    return _Range(chunk.low, chunk.high) if found is not None and found.kind in EXACT else _Range()


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


def _compared(node: exp.Binary, state: Mapping[str, _Range]) -> Outcomes:
    left, right = node.this.unnest(), node.expression.unnest()
    if not isinstance(left, exp.Column):
        return _ANY
    found = state[left.name]
    if found is NULL:
        return frozenset({None})
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
    """Exactly, in Python as in SQL: numbers with numbers that are no floats, times with times of the same type."""
    numbers = (int, Decimal)
    if isinstance(value, numbers) and isinstance(bound, numbers):
        return True
    return type(value) is type(bound) and isinstance(value, date) and getattr(value, "tzinfo", None) is None


def _constant(node: exp.Expression) -> Any:
    """The value of a literal; None for anything else, and for floats."""
    match node:
        case exp.Neg():
            inner = _constant(node.this)
            return -inner if isinstance(inner, int | Decimal) else None
        case exp.Literal() if not node.is_string:
            text = str(node.this)
            return int(text) if text.isdigit() else _decimal(text)
        case exp.Cast(this=exp.Literal() as text) if text.is_string:
            return _moment(str(text.this), node.to)
        case _:
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
