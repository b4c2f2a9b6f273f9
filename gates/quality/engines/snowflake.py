"""Snowflake through its official client. Names are exact: a table made as `orders` is called `ORDERS` there."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import DatabaseBatch, DbApiConnection, TypedDialect, client, function, table_source
from gates.quality.engines.open import Limits
from gates.quality.engines.url import PASSWORD, DatabaseUrl, parse_table, parse_url
from gates.quality.metrics import Aggregate, Column, Kind, Quantiles
from gates.quality.sql import Lowering, both, not_null, within
from headgate.errors import AuthenticationError, ConfigError, HeadgateError, RemoteTimeoutError, UnreachableError
from headgate.secrets import mask, read_secret

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


class SnowflakeDialect(TypedDialect):
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

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        """Means and deviations of floats: of decimals they would be rounded."""
        if metric.function in {"mean", "stddev", "variance"}:
            argument = exp.cast(within(metric.argument, metric.where), "double")
            metric = Aggregate(function=metric.function, argument=argument)
        return super().aggregate(metric)

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


class SnowflakeBatch(DatabaseBatch):
    """A table or a view."""

    name = "snowflake"

    def __init__(self, connection: DbApiConnection, parts: Sequence[str], *, where: str) -> None:
        super().__init__(connection, SnowflakeDialect(), table_source(parts, most_parts=3), where=where)

    def read_columns(self) -> Iterable[Column]:
        table = self.source.table.copy()
        table.set("alias", None)
        for name, native, *_ in self.connection.execute(f"DESCRIBE TABLE {table.sql('snowflake')}").rows:
            yield Column(name=str(name), kind=kind_of(str(native)), native=str(native))


def kind_of(native: str) -> Kind:
    """The kind of a type by Snowflake's name of it; every integer is a NUMBER without decimals there."""
    if match := re.match(r"(?:NUMBER|DECIMAL|NUMERIC)\(\d+, ?(\d+)\)", native):
        return Kind.INTEGER if match[1] == "0" else Kind.DECIMAL
    return _KINDS.get(native.partition("(")[0], Kind.OTHER)


_STOPPED = {604, 630, 631}
_AUTHENTICATION = {3001, 390100, 390101, 390102, 390114, 390144, 390195, 394300, 394304, 250006}


def translate(error: Exception, where: str) -> Exception:
    """The client's error as ours, by its number."""
    if not type(error).__module__.startswith(("snowflake", "requests", "urllib3")) and not isinstance(error, OSError):
        return error
    number, name = getattr(error, "errno", None), type(error).__name__
    text = mask(str(getattr(error, "raw_msg", "") or getattr(error, "msg", "") or error)).partition("\n")[0]
    if number in _STOPPED:
        return RemoteTimeoutError(f"a query was stopped: {text}", where=where, next_step="Allow more time.")
    if number in _AUTHENTICATION or name == "ForbiddenError":
        return AuthenticationError(
            text, where=where, next_step=f"Check the user, its rights and password ({PASSWORD})."
        )
    if name in {"ProgrammingError", "IntegrityError", "DataError", "NotSupportedError"}:
        return QueryFailedError(text)
    return UnreachableError(text, where=where, next_step="Check the account's name and the network.")


_OPTIONS = ("warehouse", "role", "authenticator", "private_key_file", "token")
_SESSION = {"TIMEZONE": "UTC", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "QUERY_TAG": "headgate"}


def open_batch(data: str, table: str | None, limits: Limits) -> SnowflakeBatch:
    """`snowflake://user@account/database/schema?warehouse=W&role=R` with `table` (up to `database.schema.table`)."""
    url = parse_url(data, read_secret(PASSWORD))
    parts = parse_table(table, parts=3, example="ORDERS, or SCHEMA.ORDERS")
    beside = [part for part in url.path.split("/") if part]
    parts = (*beside[: max(0, 3 - len(parts))], *parts)
    if len(parts) != 3:
        raise ConfigError(
            "database, schema or table is missing",
            where=url.shown,
            next_step="Write snowflake://USER@ACCOUNT/DATABASE/SCHEMA and --table.",
        )
    return SnowflakeBatch(connect(url, limits), parts, where=f"{url.shown}, table {table}")


def connect(url: DatabaseUrl, limits: Limits) -> DbApiConnection:
    """A session. Raises `ConfigError` or `TransportError`."""
    try:
        from snowflake.connector import connect as snowflake_connect
    except ImportError as error:
        raise client("snowflake-connector-python", "snowflake") from error
    unknown = sorted(set(url.options) - set(_OPTIONS))
    if unknown:
        raise ConfigError(
            f"no such option of the connection: {', '.join(unknown)}",
            where=url.shown,
            next_step=f"Known are {', '.join(_OPTIONS)}.",
        )
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on defaults that a later version will have
            raw = snowflake_connect(**settings)
    except Exception as error:
        found = translate(error, url.shown)
        raise (found if isinstance(found, HeadgateError) else ConfigError(str(found), where=url.shown)) from error
    return DbApiConnection(raw, lambda error: translate(error, url.shown))
