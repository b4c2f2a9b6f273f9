"""A batch behind any SQL engine: plans the metrics, sends the queries, reads the answers.

An engine gives a `Connection`, a `Dialect` and a `Source`; everything else is here. A query that fails is split into
smaller ones until only the metrics that really fail are left: those get `Failed`, and the others their values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from sqlglot import exp

from gates.quality.metrics import Failed, Metric, Rows, Sample, Schema, Values
from gates.quality.planner import Source, Step, counting, plan, plan_one
from gates.quality.row_queries import rows_together
from gates.quality.sql import Dialect, UntranslatableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query returned."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


MOST_TOGETHER = 1000
"""Rows of one condition that are fetched together with those of others."""


class QueryFailedError(Exception):
    """The engine refused or broke off one query; the text is its reason. The connection is still good."""


class Connection(Protocol):
    """A live connection. A server that is gone raises `TransportError`, a bad query `QueryFailedError`."""

    def execute(self, sql: str) -> Answer: ...

    def close(self) -> None: ...


def sendable(sql: str) -> str:
    """`sql`. Raises `QueryFailedError` for half of a surrogate pair in it, at which drivers stumble in their own ways."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryFailedError(f"{sql[error.start : error.end]!r} is no text: half of a surrogate pair") from error
    return sql


class SqlBatch:
    """The port `Batch` over SQL. Engines subclass it for `read_schema` and, if need be, for faster plans."""

    name: str = ""
    ordered: bool = False

    def __init__(self, connection: Connection, dialect: Dialect, source: Source) -> None:
        self.connection = connection
        self.dialect = dialect
        self.source = source
        self.ordered = source.positioned is not None
        self.queries: list[str] = []
        self._schema: Schema | None = None
        self._values: dict[Metric, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def schema(self) -> Schema:
        if self._schema is None:
            self._schema = self.read_schema()
        return self._schema

    def read_schema(self) -> Schema:
        """The columns, from the engine."""
        raise NotImplementedError

    def compute(self, metrics: Sequence[Metric]) -> Values:
        """Values of `metrics`; what an earlier call has computed is not computed again. `Rows` are only looked for where
        there are some: asked for beside their number, they cost nothing where it is 0."""
        wanted = tuple(dict.fromkeys(metrics))
        self._compute_new(wanted)
        return {metric: self._values[metric] for metric in wanted}

    def _compute_new(self, wanted: Iterable[Metric]) -> None:
        new = [metric for metric in wanted if metric not in self._values]
        shown = [metric for metric in new if isinstance(metric, Rows)]
        counts = [counting(metric) for metric in shown if metric.limit is not None]
        first = dict.fromkeys((*(metric for metric in new if not isinstance(metric, Rows)), *counts))
        self.answer([metric for metric in first if metric not in self._values])
        self.show(shown)
        for metric in shown:
            self._put_count(metric)

    def show(self, metrics: Sequence[Rows]) -> None:
        """Fetch rows once their numbers are known; what nothing fails is not looked for.

        Rows of conditions that few rows hold are fetched together, by one scan. Where they are many, a query for the
        first ones ends soon; those of duplicates and lost keys need more than a scan: a query each.
        """
        wanted = [metric for metric in metrics if metric.limit is None or self._number(metric)]
        few = [metric for metric in wanted if self._is_one_of_few(metric)]
        if len(few) > 1:
            self.run(rows_together(few, self.source))
        left = [metric for metric in wanted if metric not in self._values]
        if left:
            self.answer(left)

    def _number(self, metric: Rows) -> int:
        """How many rows there are to show; 0 where that is not known."""
        count = self._values[counting(metric)]
        return count if isinstance(count, int) else 0

    def _is_one_of_few(self, metric: Rows) -> bool:
        condition = isinstance(metric.of, exp.Expression) and metric.limit is not None
        return condition and self.source.positioned is None and self._number(metric) <= MOST_TOGETHER

    def _put_count(self, metric: Rows) -> None:
        if metric.limit is None:
            return
        count = self._values[counting(metric)]
        if isinstance(count, Failed):
            self._values[metric] = count
        elif not count:
            self._values[metric] = Sample(count=0, columns=metric.columns, rows=())
        elif isinstance(sample := self._values[metric], Sample):
            self._values[metric] = replace(sample, count=count)

    def answer(self, metrics: Sequence[Metric]) -> None:
        """Compute `metrics` and `keep` their values. Engines override it to choose cheaper ways first."""
        for step in self.plan(metrics):
            self.run(step)

    def plan(self, metrics: Sequence[Metric]) -> tuple[Step, ...]:
        """The steps for what can be said in this engine; `Failed` is kept at once for what cannot."""
        sayable = [metric for metric in metrics if self._sayable(metric)]
        return plan(sayable, self.source, self.dialect)

    def _sayable(self, metric: Metric) -> bool:
        try:
            step = plan_one(metric, self.source, self.dialect)
            self.text(step)
        except UntranslatableError as exc:
            self._values[metric] = Failed(reason=str(exc), unsupported=True)
            return False
        except QueryFailedError as exc:
            self._values[metric] = self.failed(exc)
            return False
        return True

    def run(self, step: Step, answered: Callable[[], Answer] | None = None) -> None:
        """Send a step and keep what its answer says; when it fails, its parts; when it has none, `Failed`.

        `answered` gives the answer of a step that was sent already.
        """
        try:
            answer = answered() if answered is not None else self.send(self.text(step))
        except QueryFailedError as exc:
            self._take_apart(step, self.failed(exc))
            return
        except UntranslatableError as exc:
            self._take_apart(step, Failed(reason=str(exc), unsupported=True))
            return
        try:
            found = step.read(answer.columns, answer.rows)
        except Exception as exc:  # noqa: BLE001 - a value that no metric can have must not take the others with it
            self._take_apart(step, Failed(reason=f"the answer cannot be read: {type(exc).__name__}: {exc}"))
            return
        self._values.update(found)
        for metric in step.metrics:
            if metric not in found:
                self.unsettled(metric)

    def _take_apart(self, step: Step, failed: Failed) -> None:
        """The parts of a step that went wrong, one by one; the last one has `failed`."""
        parts = step.split()
        for part in parts:
            self.run(part)
        if not parts:
            self._values.update(dict.fromkeys(step.metrics, failed))

    def unsettled(self, metric: Metric) -> None:
        """A cheap way proved nothing about `metric`: the plain way."""
        self.run(plan_one(metric, self.source, self.dialect))

    def failed(self, error: QueryFailedError) -> Failed:
        """What the engine's words mean for a metric."""
        return Failed(reason=str(error))

    def text(self, step: Step) -> str:
        return sendable(step.query if isinstance(step.query, str) else self.dialect.render(step.query))

    def told(self, step: Step) -> str:
        """The text to send, or why there is none: then a run sends what can be sent of its parts."""
        try:
            return self.text(step)
        except (QueryFailedError, UntranslatableError) as exc:
            return f"-- not sent: {exc}"

    def send(self, sql: str) -> Answer:
        self.queries.append(sql)
        return self.connection.execute(sql)

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        """The plain plan; nothing is sent."""
        known = dict(self._values)
        wanted = [metric for metric in dict.fromkeys(metrics) if metric not in known]
        texts = tuple(self.told(step) for step in self.plan(wanted))
        self._values = known
        return texts
