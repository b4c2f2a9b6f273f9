"""Trino through its official client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import DatabaseBatch, DbApiConnection, TypedDialect, client, function, table_source
from gates.quality.engines.moments import moment
from gates.quality.engines.open import Limits
from gates.quality.engines.url import PASSWORD, DatabaseUrl, parse_table, parse_url
from gates.quality.metrics import Aggregate, Column, Kind
from gates.quality.sql import Lowering, not_null, within
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import mask, read_secret

_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), Kind.INTEGER),
    **dict.fromkeys(("real", "double"), Kind.FLOAT),
    **dict.fromkeys(("varchar", "char", "uuid"), Kind.STRING),
    **dict.fromkeys(("array", "map", "row", "json"), Kind.NESTED),
    "decimal": Kind.DECIMAL,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "varbinary": Kind.BINARY,
    "interval": Kind.INTERVAL,
    "unknown": Kind.NULL,
}
_NUMBERS_THAT_ARE_NONE = {"inf": ("INFINITY", False), "-inf": ("INFINITY", True), "nan": ("NAN", False)}


def _precise(value: exp.Expression, zone: str = "") -> exp.Expression:
    """A cast to a timestamp that keeps microseconds: without a precision it would keep milliseconds."""
    return exp.Cast(this=value, to=exp.DataType.build(f"timestamp(6){zone}", dialect="trino"))


def _tried(kind: str) -> Lowering:
    return lambda value: exp.TryCast(this=value, to=exp.DataType.build(kind, dialect="trino"))


def _json(text: exp.Expression) -> exp.Expression:
    parsed = function("TRY")(function("JSON_PARSE")(text.copy()))
    return exp.Case().when(not_null(text), not_null(parsed))


class TrinoDialect(TypedDialect):
    """Trino's own functions. NaN is not equal to itself."""

    name = "trino"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "DATE": _tried("date"),
        "TIMESTAMP": _tried("timestamp(6)"),
        "IS_JSON": _json,
    }

    def _lower_node(self, node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous) and node.this == "HEADGATE_EPOCH":
            value = super()._lower_node(node.expressions[0])
            zoned = self.kind(node.expressions[0]) is Kind.TIMESTAMP_TZ
            return function("TO_UNIXTIME")(value if zoned else _precise(value.copy()))
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            text = node.this.this if isinstance(node.this, exp.Literal) and node.this.is_string else None
            if node.to.is_type("timestamptz") and text is not None:
                return _precise(moment(text, "timestamptz").this, " with time zone")
            if node.to.is_type("timestamp") and not node.to.expressions:
                return _precise(node.this)
            if node.to.is_type("double") and text in _NUMBERS_THAT_ARE_NONE:
                name, negative = _NUMBERS_THAT_ARE_NONE[text]
                return exp.Neg(this=function(name)()) if negative else function(name)()
        return super()._lower_node(node)

    def wide(self, value: exp.Expression) -> exp.Expression:
        return exp.cast(value, "decimal(38, 0)")

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        """Means of decimals as floats: they would be rounded to the decimals of the column."""
        if metric.function in {"mean", "stddev", "variance"}:
            argument = exp.cast(within(metric.argument, metric.where), "double")
            metric = Aggregate(function=metric.function, argument=argument)
        return super().aggregate(metric)


class TrinoBatch(DatabaseBatch):
    """A table or a view of a catalogue."""

    name = "trino"

    def __init__(self, connection: DbApiConnection, parts: Sequence[str], *, where: str) -> None:
        super().__init__(connection, TrinoDialect(), table_source(parts, most_parts=3), where=where)

    def read_columns(self) -> Iterable[Column]:
        table = self.source.table.copy()
        table.set("alias", None)
        for name, native, *_ in self.connection.execute(f"DESCRIBE {table.sql('trino')}").rows:
            yield Column(name=str(name), kind=kind_of(str(native)), native=str(native))


def kind_of(native: str) -> Kind:
    """The kind of a type by Trino's name of it."""
    head = re.split(r"[( ]", native, maxsplit=1)[0]
    if head == "timestamp":
        return Kind.TIMESTAMP_TZ if native.endswith("with time zone") else Kind.TIMESTAMP
    return _KINDS.get(head, Kind.OTHER)


_STOPPED = {"EXCEEDED_TIME_LIMIT", "EXCEEDED_CPU_LIMIT", "ABANDONED_QUERY", "USER_CANCELED", "ADMINISTRATIVELY_KILLED"}


def translate(error: Exception, where: str) -> Exception:
    """The client's error as ours, by Trino's own name of it."""
    if not type(error).__module__.startswith(("trino", "requests", "urllib3")) and not isinstance(error, OSError):
        return error
    name, kind = str(getattr(error, "error_name", "") or ""), str(getattr(error, "error_type", "") or "")
    text = mask(str(getattr(error, "message", "") or error)).partition("\n")[0]
    if name in _STOPPED or "Timeout" in type(error).__name__:
        return RemoteTimeoutError(f"a query was stopped: {text}", where=where, next_step="Allow more time.")
    if name == "PERMISSION_DENIED" or re.search(r"error 40[13]\b", text):
        return AuthenticationError(
            text, where=where, next_step=f"Check the user, its rights and password ({PASSWORD})."
        )
    if kind == "INTERNAL_ERROR" or re.search(r"error 5\d\d\b", text):
        return ServerFaultError(text, where=where, next_step="Repeat later.")
    if kind:
        return QueryFailedError(text)
    return UnreachableError(text, where=where, next_step="Check host, port and scheme, and that the server runs.")


def open_batch(data: str, table: str | None, limits: Limits) -> TrinoBatch:
    """`trino://user@host:port/catalog/schema?http_scheme=https` with `table` (up to `catalog.schema.table`)."""
    url = parse_url(data, read_secret(PASSWORD))
    parts = parse_table(table, parts=3, example="orders, or schema.orders")
    beside = [part for part in url.path.split("/") if part]
    parts = (*beside[: max(0, 3 - len(parts))], *parts)
    if len(parts) != 3:
        raise ConfigError(
            "catalogue, schema or table is missing",
            where=url.shown,
            next_step="Write trino://HOST:PORT/CATALOG/SCHEMA and --table.",
        )
    return TrinoBatch(connect(url, limits), parts, where=f"{url.shown}, table {table}")


def connect(url: DatabaseUrl, limits: Limits) -> DbApiConnection:
    """A connection; nothing is sent yet. With a password HTTPS is used, and only that."""
    try:
        from trino.auth import BasicAuthentication
        from trino.dbapi import connect as trino_connect
    except ImportError as error:
        raise client("trino", "trino") from error
    unknown = sorted(set(url.options) - {"http_scheme", "verify", "role"})
    scheme = url.options.get("http_scheme", "https" if url.password or url.port == 443 else "http")
    if unknown or scheme not in {"http", "https"} or (url.password and scheme == "http"):
        raise ConfigError(
            f"no such option of the connection: {', '.join(unknown)}"
            if unknown
            else "a password needs http_scheme=https",
            where=url.shown,
            next_step="Known are http_scheme (http or https), verify (a CA file) and role.",
        )
    settings: dict[str, Any] = {
        "host": url.host,
        "port": url.port or (443 if scheme == "https" else 8080),
        "user": url.user or "headgate",
        "http_scheme": scheme,
        "source": "headgate",
        "timezone": "UTC",
        "max_attempts": 3,
        "request_timeout": limits.connect_timeout_s,
        "session_properties": {"query_max_run_time": f"{limits.statement_timeout_s:g}s"},
    }
    if url.password:
        settings["auth"] = BasicAuthentication(url.user, url.password.reveal())
    if "verify" in url.options:
        settings["verify"] = url.options["verify"]
    if "role" in url.options:
        settings["roles"] = url.options["role"]
    try:
        raw = trino_connect(**settings)
    except Exception as error:
        found = translate(error, url.shown)
        raise (found if isinstance(found, HeadgateError) else ConfigError(str(found), where=url.shown)) from error
    return DbApiConnection(raw, lambda error: translate(error, url.shown))
