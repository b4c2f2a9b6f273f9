"""Snowflake through its official client. Names are exact: a table made as `orders` is called `ORDERS` there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import DbApiConnection, client, function
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
from gates.quality.metrics import Kind, Quantiles
from gates.quality.sql import Lowering, both, not_null
from headgate.errors import UnreachableError
from headgate.secrets import read_secret

_KINDS = {
    **dict.fromkeys(("FLOAT", "REAL", "DOUBLE"), Kind.FLOAT),
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING", "CHAR"), Kind.STRING),
    **dict.fromkeys(("VARIANT", "OBJECT", "ARRAY", "MAP", "VECTOR"), Kind.NESTED),
    **dict.fromkeys(("TIMESTAMP_TZ", "TIMESTAMP_LTZ"), Kind.TIMESTAMP_TZ),
    "TIMESTAMP_NTZ": Kind.TIMESTAMP,
    "BOOLEAN": Kind.BOOLEAN,
    "DATE": Kind.DATE,
    "TIME": Kind.TIME,
    "BINARY": Kind.BINARY,
}
_ISO = r"^\s*\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?)?\s*$"
_DAY_LENGTH = 10


def _text(value: exp.Expression) -> exp.Expression:
    return function("TRIM")(exp.cast(value.copy(), "text"))


def _found(text: exp.Expression, pattern: exp.Expression) -> exp.Expression:
    """Anywhere in the text: REGEXP and REGEXP_LIKE match the whole of it here."""
    return exp.GT(this=function("REGEXP_COUNT")(text, pattern), expression=exp.Literal.number(0))


def _formed(name: str) -> Lowering:
    """A conversion of texts in ISO form only: a text of digits would count as seconds since 1970."""

    def lower(value: exp.Expression) -> exp.Expression:
        fits = _found(exp.cast(value.copy(), "text"), exp.Literal.string(_ISO))
        text = _text(value)
        if name == "TRY_TO_DATE":
            text = function("LEFT")(text, exp.Literal.number(_DAY_LENGTH))
        return exp.Case().when(fits, function(name)(text))

    return lower


def _epoch(value: exp.Expression) -> exp.Expression:
    micros = function("DATE_PART")(exp.var("EPOCH_MICROSECOND"), exp.cast(value, "timestamptz"))
    return exp.Div(this=exp.cast(micros, "double"), expression=exp.Literal.number(1000000))


def _is_nan(value: exp.Expression) -> exp.Expression:
    return exp.EQ(this=exp.cast(value, "double"), expression=exp.cast(exp.Literal.string("NaN"), "double"))


class SnowflakeDialect(WarehouseDialect):
    """Snowflake's own functions. NaN is equal to itself and above every number."""

    name = "snowflake"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "MATCHES": _found,
        "NUMBER": lambda value: function("TRY_TO_DOUBLE")(_text(value)),
        "DATE": _formed("TRY_TO_DATE"),
        "TIMESTAMP": _formed("TRY_TO_TIMESTAMP_NTZ"),
        "EPOCH": _epoch,
        "IS_NAN": _is_nan,
    }

    def quantiles(self, metric: Quantiles, source: exp.Expression) -> exp.Select | None:
        kind = self.kind(metric.argument)
        if metric.method == "nearest" or kind not in {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}:
            return None
        make = function("PERCENTILE_DISC" if metric.method == "discrete" else "PERCENTILE_CONT")
        order = exp.Order(expressions=[exp.Ordered(this=metric.argument.copy())])
        picked = [
            exp.WithinGroup(this=make(exp.Literal.number(repr(float(p)))), expression=order.copy())
            for p in metric.probabilities
        ]
        return exp.select(*picked).from_(source.copy()).where(both(metric.where, not_null(metric.argument)))


def kind_of(native: str) -> Kind:
    """The kind of a type by Snowflake's name of it; every integer is a NUMBER without decimals there."""
    if match := re.match(r"(?:NUMBER|DECIMAL|NUMERIC)\(\d+, ?(\d+)\)", native):
        return Kind.INTEGER if match[1] == "0" else Kind.DECIMAL
    return _KINDS.get(native.partition("(")[0], Kind.OTHER)


class SnowflakeBatch(WarehouseBatch):
    """A table or a view."""

    name = "snowflake"
    describe = "DESCRIBE TABLE"
    make_dialect = SnowflakeDialect
    kind_of = kind_of


_STOPPED = {604, 630, 631}
_AUTHENTICATION = {3001, 390100, 390101, 390102, 390114, 390144, 390195, 394300, 394304, 250006}


def translate(error: Exception, where: str) -> Exception:
    """The client's error as ours, by its number."""
    if not is_of(error, "snowflake"):
        return error
    number, name = getattr(error, "errno", None), type(error).__name__
    text = first_line(getattr(error, "raw_msg", "") or getattr(error, "msg", "") or error)
    if number in _STOPPED:
        return stopped(text, where)
    if number in _AUTHENTICATION or name == "ForbiddenError":
        return not_allowed(text, where)
    if name in {"ProgrammingError", "IntegrityError", "DataError", "NotSupportedError"}:
        return QueryFailedError(text)
    return UnreachableError(text, where=where, next_step="Check the account's name and the network.")


_OPTIONS = ("warehouse", "role", "authenticator", "private_key_file", "token")
_SESSION = {"TIMEZONE": "UTC", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "QUERY_TAG": "headgate"}


def open_batch(data: str, table: str | None, limits: Limits) -> SnowflakeBatch:
    """`snowflake://user@account/database/schema?warehouse=W&role=R` with `table` (up to `database.schema.table`)."""
    url = parse_url(data, read_secret(PASSWORD))
    parts = full_name(
        url,
        table,
        example="ORDERS, or SCHEMA.ORDERS",
        lacking="database, schema or table",
        form="snowflake://USER@ACCOUNT/DATABASE/SCHEMA",
    )
    return SnowflakeBatch(connect(url, limits), parts, where=f"{url.shown}, table {table}")


def connect(url: DatabaseUrl, limits: Limits) -> DbApiConnection:
    """A session. Raises `ConfigError` or `TransportError`."""
    try:
        from snowflake.connector import connect as snowflake_connect
    except ImportError as error:
        raise client("snowflake-connector-python", "snowflake") from error
    check_options(url, _OPTIONS, ", ".join(_OPTIONS))
    settings: dict[str, Any] = {
        "account": url.host,
        "user": url.user,
        **url.options,
        "application": "headgate",
        "login_timeout": max(1, round(limits.connect_timeout_s)),
        "network_timeout": max(1, round(limits.statement_timeout_s + limits.lock_timeout_s)),
        "session_parameters": {**_SESSION, "STATEMENT_TIMEOUT_IN_SECONDS": max(1, round(limits.statement_timeout_s))},
    }
    if url.password:
        settings["password"] = url.password.reveal()

    def start() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on defaults that a later version will have
            return snowflake_connect(**settings)

    return begin(start, translate, url.shown)
