"""What every planner of an expectation works with: its arguments, the columns of the batch, the rules that apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Never

from sqlglot import exp

from gates.quality.logic import every, negated, some
from gates.quality.metrics import Column, Failed, Finding, Kind, Metric, Schema, Values
from gates.quality.result_format import ResultFormat
from gates.quality.sql import both, column, is_nan, not_null

NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})


class Reference(StrEnum):
    """Which of Great Expectations' backends gives the meaning where they differ.

    `pandas` for files: NaN is missing, `!=` in a row condition keeps nulls, quantiles are the nearest values, regular
    expressions are Python's. `sql` for databases and Spark: NaN is a value, conditions and patterns are the engine's.
    """

    PANDAS = "pandas"
    SQL = "sql"


class NotJudgedError(Exception):
    """What Great Expectations raises for: the expectation is not judged. The text is for the report."""


class NotPlannedError(Exception):
    """No exact form in SQL: Great Expectations itself has to judge. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One expectation on one batch. `arguments` are coerced, with defaults; `where` is its row condition."""

    type: str
    arguments: Mapping[str, Any]
    schema: Schema
    format: ResultFormat
    reference: Reference
    where: exp.Expression | None

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    @property
    def pandas(self) -> bool:
        return self.reference is Reference.PANDAS

    def column(self, name: str) -> Column:
        """The column; not judged if the batch has none of this name."""
        return find_column(self.schema, name)

    def missing(self, found: Column) -> exp.Expression:
        """The condition that a value is missing: NULL, and NaN where that is missing too."""
        null: exp.Expression = exp.Is(this=column(found.name), expression=exp.null())
        if self.pandas and found.kind is Kind.FLOAT:
            return some(null, is_nan(column(found.name)))
        return null

    def present(self, found: Column) -> exp.Expression:
        """The condition that a value is there."""
        there = not_null(column(found.name))
        if self.pandas and found.kind is Kind.FLOAT:
            return every(there, negated(is_nan(column(found.name))))
        return there

    def value(self, found: Column) -> exp.Expression:
        """The value, NULL where it is missing: for aggregates."""
        if self.pandas and found.kind is Kind.FLOAT:
            return exp.Case().when(negated(is_nan(column(found.name))), column(found.name))
        return column(found.name)

    def within(self, *conditions: exp.Expression | None) -> exp.Expression | None:
        """The row condition and these."""
        return both(self.where, *conditions)


def find_column(schema: Schema, name: str) -> Column:
    """The column of exactly this name, else the only one that differs from it in case."""
    found = schema.get(name)
    if found is not None:
        return found
    alike = [column for column in schema.columns if column.name.casefold() == name.casefold()]
    if len(alike) != 1:
        refuse(f'Error: The column "{name}" in BatchData does not exist.')
    return alike[0]


def refuse(message: str) -> Never:
    raise NotJudgedError(message)


def give_up(reason: str) -> Never:
    raise NotPlannedError(reason)


def read(values: Values, metric: Metric) -> Any:
    """The value of `metric`; not judged if the engine could not compute it."""
    value = values[metric]
    if isinstance(value, Failed):
        refuse(value.reason)
    return value


def not_judged(message: str) -> Finding:
    return Finding(success=False, result={}, raised=message or "an exception without a message")
