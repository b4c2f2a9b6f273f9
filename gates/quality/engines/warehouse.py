"""What Trino and Snowflake have in common: three-part names, DESCRIBE, means of decimals, and how a session begins."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import ClassVar

from sqlglot import exp

from gates.quality.engines.database import DatabaseBatch, DbApiConnection, RawConnection, TypedDialect, table_source
from gates.quality.engines.url import PASSWORD, DatabaseUrl, parse_table
from gates.quality.metrics import Aggregate, Column, Kind
from gates.quality.sql import within
from headgate.errors import AuthenticationError, ConfigError, HeadgateError, RemoteTimeoutError
from headgate.secrets import mask

Translate = Callable[[Exception, str], Exception]
"""A client's error as ours, with where it happened."""


class WarehouseDialect(TypedDialect):
    """Means and deviations of floats: of decimals they would be rounded to the decimals of the column."""

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        if metric.function in {"mean", "stddev", "variance"}:
            argument = exp.cast(within(metric.argument, metric.where), "double")
            metric = Aggregate(function=metric.function, argument=argument)
        return super().aggregate(metric)


class WarehouseBatch(DatabaseBatch):
    """A table or a view by its three-part name. `describe` lists its columns: name, type."""

    describe: ClassVar[str]
    make_dialect: ClassVar[Callable[[], TypedDialect]]
    kind_of: ClassVar[Callable[[str], Kind]]

    def __init__(self, connection: DbApiConnection, parts: Sequence[str], *, where: str) -> None:
        super().__init__(connection, type(self).make_dialect(), table_source(parts, most_parts=3), where=where)

    def read_columns(self) -> Iterable[Column]:
        table = self.source.table.copy()
        table.set("alias", None)
        for name, native, *_ in self.connection.execute(f"{self.describe} {table.sql(self.name)}").rows:
            yield Column(name=str(name), kind=type(self).kind_of(str(native)), native=str(native))


def full_name(url: DatabaseUrl, table: str | None, *, example: str, lacking: str, form: str) -> tuple[str, ...]:
    """The three parts of `table`'s name, the first ones from the URL where it has them. Raises `ConfigError`."""
    parts = parse_table(table, parts=3, example=example)
    beside = [part for part in url.path.split("/") if part]
    parts = (*beside[: max(0, 3 - len(parts))], *parts)
    if len(parts) != 3:
        raise ConfigError(f"{lacking} is missing", where=url.shown, next_step=f"Write {form} and --table.")
    return parts


def check_options(url: DatabaseUrl, known: Collection[str], described: str) -> None:
    """Raise `ConfigError` for an option of the URL that is not in `known`."""
    unknown = sorted(set(url.options) - set(known))
    if unknown:
        raise ConfigError(
            f"no such option of the connection: {', '.join(unknown)}",
            where=url.shown,
            next_step=f"Known are {described}.",
        )


def begin(start: Callable[[], RawConnection], translate: Translate, where: str) -> DbApiConnection:
    """The connection that `start` makes; its errors, then and later, are ours."""
    try:
        raw = start()
    except Exception as error:
        found = translate(error, where)
        raise (found if isinstance(found, HeadgateError) else ConfigError(str(found), where=where)) from error
    return DbApiConnection(raw, lambda error: translate(error, where))


def is_of(error: Exception, client: str) -> bool:
    """Whether `error` comes from `client`, the HTTP library below it, or the system."""
    return type(error).__module__.startswith((client, "requests", "urllib3")) or isinstance(error, OSError)


def first_line(text: object) -> str:
    return mask(str(text)).partition("\n")[0]


def stopped(text: str, where: str) -> RemoteTimeoutError:
    return RemoteTimeoutError(f"a query was stopped: {text}", where=where, next_step="Allow more time.")


def not_allowed(text: str, where: str) -> AuthenticationError:
    return AuthenticationError(text, where=where, next_step=f"Check the user, its rights and password ({PASSWORD}).")
