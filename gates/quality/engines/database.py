"""What the engines for databases have in common: names of tables, kinds of columns, errors, rows with duplicates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from sqlglot import exp

from gates.quality.engines.base import Answer, Connection, QueryFailedError, SqlBatch
from gates.quality.engines.url import parse_table
from gates.quality.metrics import Aggregate, Column, Duplicated, Kind, Metric, Rows, Sample, Schema
from gates.quality.planner import BATCH, Source, Step, counting
from gates.quality.sql import Dialect, Lowering, named, within
from headgate.errors import ConfigError, NotFoundError
from headgate.secrets import mask

COUNT = "headgate_count"
_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT})
_TIMES = frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMP_TZ})
_DIRECT = {
    "HEADGATE_NUMBER": (_NUMBERS, "double"),
    "HEADGATE_DATE": (_TIMES, "date"),
    "HEADGATE_TIMESTAMP": (_TIMES, "timestamp"),
}
"""Node -> the kinds of columns that a plain cast does for, and its target."""


def function(name: str) -> Lowering:
    """A function of the engine under its own name, for arguments as they are."""
    return lambda *arguments: exp.Anonymous(this=name, expressions=list(arguments))


def table_expression(parts: Sequence[str], alias: str = "") -> exp.Table:
    """The table of the name in `parts` (`schema`, `table`), every part quoted."""
    names = [exp.to_identifier(part, quoted=True) for part in parts]
    keys = ("this", "db", "catalog")
    table = exp.Table(**dict(zip(keys, reversed(names), strict=False)))
    if alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return table


def table_source(parts: Sequence[str], *, most_parts: int = 2) -> Source:
    """A table of a database as a batch; other tables by name are looked for beside it first.

    Rows of a table have no order, so that none is made up.
    """

    def other(name: str) -> exp.Expression:
        try:
            found = parse_table(name, parts=most_parts)
        except ConfigError as error:
            raise QueryFailedError(str(error)) from error
        return table_expression((*parts[: max(0, len(parts) - len(found))], *found))

    return Source(table=table_expression(parts, BATCH), other=other)


class TypedDialect(Dialect):
    """A dialect that knows what kind of values a column has, for engines where a sum depends on it."""

    def __init__(self) -> None:
        self.kinds: Mapping[str, Kind] = {}

    def kind(self, value: exp.Expression) -> Kind | None:
        """The kind of a column, None of any other expression."""
        bare = value.unnest()
        return self.kinds.get(bare.name) if isinstance(bare, exp.Column) else None

    def _lower_node(self, node: exp.Expression) -> exp.Expression:
        """Columns that are numbers or times already need no careful cast."""
        if isinstance(node, exp.Anonymous) and len(node.expressions) == 1:
            kinds, target = _DIRECT.get(str(node.this), (frozenset(), ""))
            if self.kind(node.expressions[0]) in kinds:
                return exp.cast(node.expressions[0].copy(), target)
        return super()._lower_node(node)

    def wide(self, value: exp.Expression) -> exp.Expression:
        """An integer in a type so large that a sum of many of them fits."""
        return value

    def together(self, value: exp.Expression) -> exp.Expression:
        """A key in a form by which rows can be put together."""
        return value

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        if metric.function == "sum" and self.kind(metric.argument) is Kind.INTEGER:
            return self.sum(self.wide(within(metric.argument, metric.where)))
        return super().aggregate(metric)


class DatabaseBatch(SqlBatch):
    """A table of a database. Engines give `read_columns`."""

    dialect: TypedDialect

    def __init__(self, connection: Connection, dialect: TypedDialect, source: Source, *, where: str) -> None:
        super().__init__(connection, dialect, source)
        self.where = where
        """The table in messages: `postgresql://reader@warehouse/shop, table public.orders`."""

    def read_columns(self) -> Iterable[Column]:
        """The columns of the table in order; none where there is no such table."""
        raise NotImplementedError

    def read_schema(self) -> Schema:
        try:
            schema = Schema(columns=tuple(self.read_columns()))
        except QueryFailedError as error:
            raise NotFoundError(
                f"the table cannot be read: {error}",
                where=self.where,
                next_step="Check its name and your rights on it.",
            ) from error
        if not schema.columns:
            raise NotFoundError(
                "there is no such table, or it has no columns that this user may see",
                where=self.where,
                next_step="Check its name (upper and lower case count) and your rights on it.",
            )
        self.dialect.kinds = {column.name: column.kind for column in schema.columns}
        return schema

    def plan(self, metrics: Sequence[Metric]) -> tuple[Step, ...]:
        self.schema()  # the dialect needs the kinds
        doubled = [metric for metric in metrics if isinstance(metric, Rows) and isinstance(metric.of, Duplicated)]
        steps = super().plan(metrics)
        wanted = {metric for metric in doubled if any(metric in step.metrics for step in steps)}
        kept = tuple(step for step in steps if not wanted.intersection(step.metrics))
        return (*kept, *(duplicated_rows(metric, self.source, self.dialect) for metric in metrics if metric in wanted))


def duplicated_rows(metric: Rows, source: Source, dialect: TypedDialect) -> Step:
    """Rows whose keys occur more than once, by one sort.

    A join on keys that may be null is a nested loop in most databases: hours for a large table.
    """
    found = counting(metric)
    assert isinstance(found, Duplicated)  # noqa: S101 - for the type; the caller has looked
    keys = [dialect.together(key.copy()) for key in found.keys]
    together = exp.Window(this=exp.Count(this=exp.Star()), partition_by=keys)
    names = [exp.column(exp.to_identifier(name, quoted=True)) for name in metric.columns]
    shown = [named(name, f"headgate_shown_{index}") for index, name in enumerate(names)]
    inner = exp.select(*shown, named(together, COUNT)).from_(source.table.copy())
    if found.where is not None:
        inner = inner.where(found.where.copy())
    several = exp.GT(this=exp.column(COUNT), expression=exp.Literal.number(1))
    query = exp.select(*(exp.column(item.alias) for item in shown), exp.column(COUNT))
    query = query.from_(inner.subquery("t")).where(several)
    if metric.limit is not None:
        query = query.limit(metric.limit)

    def read(_: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Mapping[Metric, Any]:
        values = tuple(tuple(row[: len(names)]) for row in rows)
        return {metric: Sample(count=len(values), columns=metric.columns, rows=values)}

    return Step(query=query, metrics=(metric,), read=read)


class Cursor(Protocol):
    """The part of a cursor of Python's DB-API that is used."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None: ...

    def execute(self, operation: str, /) -> Any: ...

    def fetchall(self) -> Sequence[Sequence[Any]]: ...

    def fetchmany(self, size: int, /) -> Sequence[Sequence[Any]]: ...

    def close(self) -> Any: ...


class RawConnection(Protocol):
    """The part of a connection of Python's DB-API that is used."""

    def cursor(self) -> Cursor: ...

    def close(self) -> Any: ...


class DbApiConnection:
    """The port `Connection` over a driver; `translate` makes its exceptions ours, in one place for each driver."""

    def __init__(
        self,
        raw: RawConnection,
        translate: Callable[[Exception], Exception],
        unbuffered: Callable[[], Cursor] | None = None,
    ) -> None:
        """`unbuffered` gives a cursor that leaves rows at the server until they are fetched."""
        self.raw = raw
        self._translate = translate
        self._unbuffered = unbuffered or raw.cursor

    def execute(self, sql: str) -> Answer:
        with self._translated():
            cursor = self.raw.cursor()
            try:
                cursor.execute(sql)
                rows = cursor.fetchall()
                names = tuple(str(item[0]) for item in cursor.description or ())
            finally:
                cursor.close()
        return Answer(columns=names, rows=[tuple(map(plain, row)) for row in rows])

    def stream(self, sql: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query in pieces of `size`, so that not all of them are held at once."""
        with self._translated():
            cursor = self._unbuffered()
            try:
                cursor.execute(sql)
                while rows := cursor.fetchmany(size):
                    yield [tuple(map(plain, row)) for row in rows]
            finally:
                cursor.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            found = self._translate(error)
            if found is error:
                raise
            raise found from error

    def close(self) -> None:
        try:
            self.raw.close()
        except Exception as error:  # noqa: BLE001 - the driver's own; nothing is lost that was not read
            self.closing_error = mask(str(error))


def plain(value: Any) -> Any:
    """Whole numbers as `int`, whatever exact type an engine's sums have; other values as they are."""
    if isinstance(value, Decimal) and value.is_finite() and value.as_tuple().exponent >= 0:  # type: ignore[operator]  # finite
        return int(value)
    return value


def client(module: str, extra: str) -> ConfigError:
    """The error for a client library that is not installed."""
    return ConfigError(
        f"the client library {module} is not installed",
        where="--data",
        next_step=f"Install it: pip install 'headgate[{extra}]'.",
    )
