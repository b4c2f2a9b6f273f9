"""Trino through its official client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import DbApiConnection, client, function
from gates.quality.engines.moments import moment
from gates.quality.engines.open import Limits
from gates.quality.engines.url import PASSWORD, DatabaseUrl, parse_url
from gates.quality.engines.warehouse import (
    WarehouseBatch,
    WarehouseDialect,
    begin,
    check_options,
    first_line,
    full_name,
    is_of,
    not_allowed,
    stopped,
)
from gates.quality.metrics import Kind
from gates.quality.sql import Lowering, not_null
from headgate.errors import (
    ConfigError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import read_secret

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


class TrinoDialect(WarehouseDialect):
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


def kind_of(native: str) -> Kind:
    """The kind of a type by Trino's name of it."""
    head = re.split(r"[( ]", native, maxsplit=1)[0]
    if head == "timestamp":
        return Kind.TIMESTAMP_TZ if native.endswith("with time zone") else Kind.TIMESTAMP
    return _KINDS.get(head, Kind.OTHER)


class TrinoBatch(WarehouseBatch):
    """A table or a view of a catalogue."""

    name = "trino"
    describe = "DESCRIBE"
    make_dialect = TrinoDialect
    kind_of = kind_of


_STOPPED = {"EXCEEDED_TIME_LIMIT", "EXCEEDED_CPU_LIMIT", "ABANDONED_QUERY", "USER_CANCELED", "ADMINISTRATIVELY_KILLED"}


def translate(error: Exception, where: str) -> Exception:
    """The client's error as ours, by Trino's own name of it."""
    if not is_of(error, "trino"):
        return error
    name, kind = str(getattr(error, "error_name", "") or ""), str(getattr(error, "error_type", "") or "")
    text = first_line(getattr(error, "message", "") or error)
    if name in _STOPPED or "Timeout" in type(error).__name__:
        return stopped(text, where)
    if name == "PERMISSION_DENIED" or re.search(r"error 40[13]\b", text):
        return not_allowed(text, where)
    if kind == "INTERNAL_ERROR" or re.search(r"error 5\d\d\b", text):
        return ServerFaultError(text, where=where, next_step="Repeat later.")
    if kind:
        return QueryFailedError(text)
    return UnreachableError(text, where=where, next_step="Check host, port and scheme, and that the server runs.")


def open_batch(data: str, table: str | None, limits: Limits) -> TrinoBatch:
    """`trino://user@host:port/catalog/schema?http_scheme=https` with `table` (up to `catalog.schema.table`)."""
    url = parse_url(data, read_secret(PASSWORD))
    parts = full_name(
        url,
        table,
        example="orders, or schema.orders",
        lacking="catalogue, schema or table",
        form="trino://HOST:PORT/CATALOG/SCHEMA",
    )
    return TrinoBatch(connect(url, limits), parts, where=f"{url.shown}, table {table}")


def connect(url: DatabaseUrl, limits: Limits) -> DbApiConnection:
    """A connection; nothing is sent yet. With a password HTTPS is used, and only that."""
    try:
        from trino.auth import BasicAuthentication
        from trino.dbapi import connect as trino_connect
    except ImportError as error:
        raise client("trino", "trino") from error
    described = "http_scheme (http or https), verify (a CA file) and role"
    check_options(url, {"http_scheme", "verify", "role"}, described)
    scheme = url.options.get("http_scheme", "https" if url.password or url.port == 443 else "http")
    if scheme not in {"http", "https"} or (url.password and scheme == "http"):
        raise ConfigError("a password needs http_scheme=https", where=url.shown, next_step=f"Known are {described}.")
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
    return begin(lambda: trino_connect(**settings), translate, url.shown)
