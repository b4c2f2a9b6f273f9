"""A batch in DuckDB: plain queries, and one more for the rows of everything that failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from gates.quality.engines import duck_rows, duck_users
from gates.quality.engines.base import QueryFailedError, SqlBatch
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import ROWS, Data, describe, table_of
from gates.quality.engines.duck_rows import Equal
from gates.quality.metrics import (
    Aggregate,
    Count,
    Distinct,
    Duplicated,
    Failed,
    Metric,
    Orphans,
    Quantiles,
    Query,
    Rows,
    Sample,
    Schema,
    ValueCounts,
)
from gates.quality.planner import Source, Step, counting, plan, plan_one, user_text
from gates.quality.sql import Dialect


class DuckBatch(SqlBatch):
    """Files, an Arrow table, or a table of a DuckDB file."""

    name = "duckdb"
    connection: DuckConnection

    def __init__(self, connection: DuckConnection, dialect: Dialect, source: Source, data: Data) -> None:
        super().__init__(connection, dialect, source)
        self.data = data
        self._placed = replace(source, positioned=table_of(ROWS)) if data.addressed else source
        self._equal: dict[Metric, Equal] = {}
        self._left_open: list[Metric] = []
        self._tried: set[Metric] = set()
        self._counted: dict[Query, int] = {}

    def read_schema(self) -> Schema:
        return describe(self.connection)

    def plan(self, metrics: Sequence[Metric]) -> tuple[Step, ...]:
        """The plain steps, but for what DuckDB does better."""
        sayable = [metric for metric in metrics if self._sayable(metric)]
        others = [metric for metric in sayable if not isinstance(metric, Query)]
        asked = [metric for metric in sayable if isinstance(metric, Query)]
        counted = [duck_users.counted(metric, self._text_of(metric), self._counted) for metric in asked]
        return (*plan(others, self.source, self.dialect), *counted)

    def show(self, metrics: Sequence[Rows]) -> None:
        """The rows of everything that failed, and the metrics that cheap proofs have left open: one query for all."""
        left_open, self._left_open = self._left_open, []
        limited = [metric for metric in metrics if metric.limit is not None and self.data.addressed]
        failing = duck_rows.failing_of(limited, left_open, self._counting, self._values.get, self._equal)
        if failing:
            self.run(duck_rows.second_pass(failing, self._placed, self.dialect))
        self._take_over()
        self._forget_places(limited)
        super().show([metric for metric in metrics if metric not in self._values])

    def _counting(self, metric: Rows) -> Metric:
        """What counts the rows, in the form in which it was computed."""
        return counting(metric)

    def _take_over(self) -> None:
        """Where metrics were computed in another form, their values are known from here on."""

    def _sayable(self, metric: Metric) -> bool:
        """Whatever an expression can say, DuckDB can; what is about other tables, or the order of rows, may not be there."""
        if isinstance(metric, Count | Aggregate | Distinct | Duplicated | Quantiles | ValueCounts):
            return True
        return super()._sayable(metric)

    def _forget_places(self, metrics: Iterable[Rows]) -> None:
        """Places in a table mean nothing to people."""
        if not self.ordered:
            found = {metric: self._values.get(metric) for metric in metrics}
            kept: dict[Metric, Any] = {
                metric: replace(value, index=()) for metric, value in found.items() if isinstance(value, Sample)
            }
            self._values.update(kept)

    def _text_of(self, metric: Query) -> str:
        return user_text(metric, self.source, self.dialect)

    def unsettled(self, metric: Metric) -> None:
        """A cheap proof failed. Keys are counted where the rows that failed are looked for."""
        if isinstance(metric, Query):
            self.run(duck_users.first(metric, self._text_of(metric), self._counted.get(metric)))
        elif isinstance(metric, Duplicated | Orphans):
            self._leave_open(metric)
        else:
            super().unsettled(metric)

    def _leave_open(self, metric: Duplicated | Orphans) -> None:
        """To be counted where its rows are looked for; at the second time by itself."""
        if metric in self._tried or not self.data.addressed:
            self.run(plan_one(metric, self.source, self.dialect))
        else:
            self._tried.add(metric)
            self._left_open.append(metric)

    def interrupt(self) -> None:
        """End the query that is running, from another thread."""
        self.connection.interrupt()

    def failed(self, error: QueryFailedError) -> Failed:
        reason = str(error)
        unsupported = "invalid perl operator" in reason or "invalid escape sequence" in reason
        return Failed(reason=reason, unsupported=unsupported)
