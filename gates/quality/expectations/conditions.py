"""Row conditions: which rows an expectation is about, as an expression over the columns of a row. Pure.

Great Expectations 1.9 and later writes them as a tree (and, or, comparison, nullity); older suites as texts with a
`condition_parser`: `great_expectations` (`col("a") > 5`), `pandas` (what `DataFrame.query` takes) and `spark` (SQL).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from gates.quality.expectations.context import NotJudgedError, NotPlannedError, Reference, find_column, give_up, refuse
from gates.quality.expectations.literals import member, member_literal
from gates.quality.logic import compared, every, negated, some
from gates.quality.metrics import Column, Kind, Schema
from gates.quality.sql import column, is_nan, not_null

MAX_CONDITIONS = 100
_ORDERED: Mapping[str, type[exp.Binary]] = {"<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE}


def row_condition(arguments: Mapping[str, Any], schema: Schema, reference: Reference) -> exp.Expression | None:
    """The condition in `row_condition` of `arguments`, read as `condition_parser` says; None: every row.

    Not judged what Great Expectations refuses (a column that is not there, an unknown form); not planned what has no
    exact form here.
    """
    given = arguments.get("row_condition")
    if given is None:
        return None
    if not given:
        refuse("row_condition: expr cannot be an empty string")
    reader = Conditions(schema, reference)
    if isinstance(given, str):
        return reader.text(given, arguments.get("condition_parser"))
    if not isinstance(given, Mapping):
        refuse(f"row_condition: Invalid condition type: {type(given)}")
    _check(given)
    return reader.tree(given)


class Conditions:
    """Reads conditions on the columns of `schema`, with the meaning of `reference`."""

    def __init__(self, schema: Schema, reference: Reference) -> None:
        self._schema = schema
        self._pandas = reference is Reference.PANDAS

    def tree(self, node: Any) -> exp.Expression:
        match node:
            case {"type": "and" | "or" as kind, "conditions": [*parts]} if parts:
                combined = [self.tree(part) for part in parts]
                return every(*combined) if kind == "and" else some(*combined)
            case {"type": "nullity", "column": {"name": str(name)}, "is_null": bool(null)}:
                return self.null(name) if null else self.present(name)
            case {"type": "comparison", "column": {"name": str(name)}, "operator": str(sign), "parameter": value}:
                return self.compare(name, sign, value)
            case {"type": "pass_through", "pass_through_filter": str(text)}:
                return self.text(text, "pandas")
            case _:
                raise NotJudgedError(f"row_condition: Unable to determine Condition type from dict: {node}")

    def text(self, text: str, parser: str | None) -> exp.Expression:
        match parser:
            case "great_expectations" | "great_expectations__experimental__":
                return self._legacy(text)
            case "spark" if not self._pandas:
                return self._sql(text)
            case None | "pandas" | "spark" if self._pandas:
                from gates.quality.expectations.pandas_query import read_query

                return read_query(text, self)
            case None | "pandas":
                raise NotJudgedError("row_condition: conditions for pandas are for files; use a condition object")
            case _:
                raise NotPlannedError(f"a row condition for the parser {parser}")

    def null(self, name: str) -> exp.Expression:
        found = find_column(self._schema, name)
        missing: exp.Expression = exp.Is(this=column(name), expression=exp.null())
        return some(missing, is_nan(column(name))) if self._nan(found) else missing

    def present(self, name: str) -> exp.Expression:
        found = find_column(self._schema, name)
        there = not_null(column(name))
        return every(there, negated(is_nan(column(name)))) if self._nan(found) else there

    def is_true(self, name: str) -> exp.Expression:
        """A column of truth values by itself."""
        if find_column(self._schema, name).kind is not Kind.BOOLEAN:
            give_up("a row condition that is a column by itself")
        return compared(exp.EQ, column(name), exp.true())

    def compare(self, name: str, sign: str, value: Any) -> exp.Expression:
        """`name sign value`; on pandas a missing value is different from everything, and less than nothing."""
        found = find_column(self._schema, name)
        match sign:
            case "==":
                return self._equal(found, value)
            case "!=":
                return self._different(found, [value])
            case "IN":
                return self._any(found, _listed(value))
            case "NOT_IN":
                return self._different(found, _listed(value))
            case _ if sign in _ORDERED:
                return self._ordered(found, sign, value)
            case _:
                raise NotJudgedError(f"row_condition: {sign!r} is not an operator")

    def _nan(self, found: Column) -> bool:
        return self._pandas and found.kind is Kind.FLOAT

    def _equal(self, found: Column, value: Any) -> exp.Expression:
        if value is None:
            refuse("row_condition: Invalid Parameter type: NoneType. Did you mean to use Column.is_null()?")
        wanted = member(value, found.kind)
        if wanted is None:
            return exp.false()
        return compared(exp.EQ, column(found.name), member_literal(wanted, found.kind))

    def _any(self, found: Column, values: Sequence[Any]) -> exp.Expression:
        wanted = [item for item in (member(value, found.kind) for value in values) if item is not None]
        if not wanted:
            return exp.false()
        return exp.In(this=column(found.name), expressions=[member_literal(item, found.kind) for item in wanted])

    def _different(self, found: Column, values: Sequence[Any]) -> exp.Expression:
        if any(value is None for value in values):
            refuse("row_condition: Invalid Parameter type: NoneType. Did you mean to use Column.is_not_null()?")
        inside = self._any(found, values)
        if isinstance(inside, exp.Boolean):
            return exp.true() if self._pandas or not values else self.present(found.name)
        outside = negated(inside)
        return some(self.null(found.name), outside) if self._pandas else outside

    def _ordered(self, found: Column, sign: str, value: Any) -> exp.Expression:
        wanted = member(value, found.kind)
        if wanted is None or found.kind is Kind.BOOLEAN:
            refuse(f"row_condition: '{sign}' not supported between {found.native} and {type(value).__name__}")
        ordered = compared(_ORDERED[sign], column(found.name), member_literal(wanted, found.kind))
        return every(self.present(found.name), ordered) if self._nan(found) else ordered

    def _legacy(self, text: str) -> exp.Expression:
        if found := _NOT_NULL.match(text.strip()):
            return self.present(found["column"])
        found = _COMPARISON.match(text.strip())
        if found is None:
            refuse(f"unable to parse condition: {text}")
        if found["number"] is not None:
            return self.compare(found["column"], found["sign"], _number(found["number"]))
        texts = (found[group] for group in ("double", "single", "date_double", "date_single"))
        return self.compare(found["column"], found["sign"], next(part for part in texts if part is not None))

    def _sql(self, text: str) -> exp.Expression:
        try:
            statements = sqlglot.parse(text, dialect="spark")
        except SqlglotError:
            give_up("a row condition in SQL that cannot be read")
        parsed = statements[0]
        if len(statements) != 1 or not isinstance(parsed, exp.Condition):
            give_up("a row condition in SQL that is no condition")
        if parsed.find(exp.Subquery, exp.Select, exp.Command, exp.AggFunc, exp.Placeholder, exp.Parameter):
            give_up("a row condition with a subquery")
        for node in parsed.find_all(exp.Column):
            node.replace(column(find_column(self._schema, node.name).name))
        return exp.paren(cast("exp.Expression", parsed))


_NOT_NULL = re.compile(r'col\("(?P<column>[^"]+)"\)\s*\.notnull\(\)', re.IGNORECASE)
_COMPARISON = re.compile(
    r"""col\("(?P<column>[^"]+)"\)\s*(?P<sign><=|>=|==|!=|<|>)\s*(?:
        (?P<number>[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
        |"(?P<double>[^"']+)"|'(?P<single>[^"']+)'
        |date\s*\(\s*(?:"(?P<date_double>[^"']+)"|'(?P<date_single>[^"']+)')\s*\))""",
    re.VERBOSE,
)


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _listed(value: Any) -> list[Any]:
    """The values of a set; Great Expectations takes numbers only, or texts only."""
    if not isinstance(value, list | tuple):
        refuse("row_condition: parameter must be an iterable, but not a string")
    kinds = {"text" if isinstance(item, str) else "number" if type(item) in (int, float) else "other" for item in value}
    if "other" in kinds or len(kinds) > 1:
        refuse("row_condition: all items in parameter must be numbers, or all texts")
    return list(value)


def _check(node: Mapping[str, Any]) -> None:
    """Great Expectations refuses an "or" inside an "and" or an "or", and more than 100 conditions."""
    if _leaves(node) > MAX_CONDITIONS:
        refuse(f"row_condition: {MAX_CONDITIONS} conditions is the maximum, but {_leaves(node)} conditions are defined")
    if any(_has_or(part) for part in _parts(node)):
        kind = "AND groups cannot contain OR conditions" if node.get("type") == "and" else "OR groups cannot be nested"
        refuse(f"row_condition: {kind}")


def _parts(node: Any) -> list[Any]:
    parts = node.get("conditions") if isinstance(node, Mapping) else None
    return parts if isinstance(parts, list) else []


def _has_or(node: Any) -> bool:
    return isinstance(node, Mapping) and (node.get("type") == "or" or any(_has_or(part) for part in _parts(node)))


def _leaves(node: Any) -> int:
    parts = _parts(node)
    return sum(_leaves(part) for part in parts) if parts else 1
