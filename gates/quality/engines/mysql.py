"""MySQL 8 and MariaDB through PyMySQL: one read-only snapshot for the whole run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.mysql import MySQL

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.database import DatabaseBatch, DbApiConnection, TypedDialect, client, function, table_source
from gates.quality.engines.open import Limits
from gates.quality.engines.url import PASSWORD, DatabaseUrl, parse_table, parse_url
from gates.quality.metrics import Aggregate, Column, Kind
from gates.quality.sql import Lowering, not_null, within
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    RemoteTimeoutError,
    UnreachableError,
)
from headgate.secrets import mask, read_secret

_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "integer", "bigint", "year"), Kind.INTEGER),
    **dict.fromkeys(("float", "double", "real"), Kind.FLOAT),
    **dict.fromkeys(
        ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set", "uuid"), Kind.STRING
    ),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"), Kind.BINARY),
    **dict.fromkeys(("datetime", "timestamp"), Kind.TIMESTAMP),
    "decimal": Kind.DECIMAL,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "json": Kind.NESTED,
}
_NUMBER = r"^[[:space:]]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?[[:space:]]*$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?$"
_LARGEST = "1.7976931348623157e308"
_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("ssl_ca", "ssl_cert", "ssl_key", "unix_socket", "read_default_file", "read_default_group"), str),
    **dict.fromkeys(("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity"), lambda text: text.lower() == "true"),
}
_SESSION = (
    # Ours are written for these modes, whatever the server's are: backslashes escape, NOT binds loosely.
    "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE'",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
)


_Generator: Any = MySQL.Generator


class HeadgateMySQL(MySQL):
    """SQLGlot's MySQL with the operator that MariaDB has too, instead of the function that it has not."""

    class Generator(_Generator):  # type: ignore[misc]  # its type is made at run time
        TRANSFORMS: ClassVar[dict[Any, Any]] = {
            **_Generator.TRANSFORMS,
            exp.RegexpLike: lambda self, node: self.binary(node, "REGEXP"),
        }


def _datetime(value: exp.Expression) -> exp.Expression:
    return exp.Cast(this=value, to=exp.DataType.build("datetime(6)", dialect="mysql"))


def _if(fits: Any, value: Any) -> exp.Expression:
    return exp.Case().when(fits, value)


def _like_pattern(value: exp.Expression, pattern: str) -> exp.Expression:
    return exp.RegexpLike(this=exp.cast(value.copy(), "text"), expression=exp.Literal.string(pattern))


def _epoch(value: exp.Expression) -> exp.Expression:
    start = exp.Literal.string("1970-01-01")
    micros = exp.Anonymous(this="TIMESTAMPDIFF", expressions=[exp.var("MICROSECOND"), start, value])
    return exp.Div(this=exp.cast(micros, "double"), expression=exp.Literal.number("1e6"))


class MySqlDialect(TypedDialect):
    """MySQL's own functions. Texts compare as their column's collation says: often without regard to case."""

    name = "headgatemysql"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "NUMBER": lambda value: _if(_like_pattern(value, _NUMBER), exp.cast(value, "double")),
        "DATE": lambda value: _if(_like_pattern(value, _TIME), exp.cast(value, "date")),
        "TIMESTAMP": lambda value: _if(_like_pattern(value, _TIME), _datetime(value)),
        "EPOCH": _epoch,
        "IS_NAN": lambda value: _if(not_null(value), exp.false()),
        "IS_JSON": function("JSON_VALID"),
    }

    def _lower_node(self, node: exp.Expression) -> exp.Expression:
        """Times keep their microseconds; what MySQL has no value for becomes the nearest that compares alike."""
        if isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast):
            text = node.this.this if isinstance(node.this, exp.Literal) and node.this.is_string else None
            if node.to.is_type("timestamptz") and text is not None:
                moment = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
                return _datetime(exp.Literal.string(moment.isoformat(sep=" ")))
            if node.to.is_type("timestamp"):
                return _datetime(node.this)
            if node.to.is_type("double") and text in {"inf", "-inf", "nan"}:
                largest = exp.Literal.number(_LARGEST)
                return {"inf": largest, "-inf": exp.Neg(this=largest), "nan": exp.null()}[text]
        return super()._lower_node(node)

    def mean(self, argument: exp.Expression) -> exp.Expression:
        """Of the exact sum: AVG of integers has four decimals here."""
        total = exp.cast(exp.Sum(this=argument.copy()), "double")
        return exp.Div(this=total, expression=exp.Count(this=argument.copy()))

    def aggregate(self, metric: Aggregate) -> exp.Expression:
        """Deviations of floats: those of integers have four decimals here."""
        if metric.function in {"stddev", "variance"}:
            argument = exp.cast(within(metric.argument, metric.where), "double")
            metric = Aggregate(function=metric.function, argument=argument)
        return super().aggregate(metric)


class MySqlBatch(DatabaseBatch):
    """A table or a view."""

    name = "mysql"

    def __init__(self, connection: DbApiConnection, parts: Sequence[str], *, where: str) -> None:
        super().__init__(connection, MySqlDialect(), table_source(parts), where=where)

    def read_columns(self) -> Iterable[Column]:
        table = self.source.table.copy()
        table.set("alias", None)
        for name, native, *_ in self.connection.execute(f"SHOW COLUMNS FROM {table.sql('mysql')}").rows:
            yield Column(name=str(name), kind=kind_of(str(native)), native=str(native))


def kind_of(native: str) -> Kind:
    """The kind of a type as `SHOW COLUMNS` writes it."""
    return _KINDS.get(re.split(r"[ (]", native.lower(), maxsplit=1)[0], Kind.OTHER)


_GONE = {1053, 1927, 2000, 2001, 2002, 2003, 2005, 2006, 2013, 2014, 2026, 2055, 4031}
_AUTHENTICATION = {1044, 1045, 1142, 1143, 1227, 1251, 1698, 1820, 2054, 2059}
_STOPPED = {1028, 1317, 1969, 3024}
_LOCKED = {1205, 3572}


def translate(error: Exception, where: str) -> Exception:
    """PyMySQL's error as ours, by the server's error number."""
    import pymysql

    if not isinstance(error, pymysql.err.Error | OSError):
        return error
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = mask(str(error.args[1] if len(error.args) > 1 else error))
    if number in _STOPPED or "timed out" in text:
        return RemoteTimeoutError(f"no answer in time: {text}", where=where, next_step="Allow more time, or narrow it.")
    if number in _LOCKED:
        return RemoteTimeoutError("the table is locked", where=where, next_step="Repeat when its writer has finished.")
    if number in _AUTHENTICATION:
        return AuthenticationError(
            text, where=where, next_step=f"Check the user, its rights and password ({PASSWORD})."
        )
    if number in _GONE or isinstance(error, OSError | pymysql.err.InterfaceError):
        return UnreachableError(f"the server went away: {text}", where=where, next_step="Repeat when it is back.")
    return QueryFailedError(text)


def open_batch(data: str, table: str | None, limits: Limits) -> MySqlBatch:
    """`mysql://user@host:port/database?ssl_ca=...`, also `mariadb://`; see `gates.quality.engines.open`."""
    url = parse_url(data, read_secret(PASSWORD))
    parts = parse_table(table, example="orders, or database.orders")
    if len(parts) == 1:
        if not url.path:
            raise ConfigError(
                "no database is named",
                where=url.shown,
                next_step="Write mysql://HOST/DATABASE, or --table DATABASE.TABLE.",
            )
        parts = (url.path, *parts)
    return MySqlBatch(connect(url, limits), parts, where=f"{url.shown}, table {table}")


def connect(url: DatabaseUrl, limits: Limits) -> DbApiConnection:
    """A connection in a read-only transaction. Raises `ConfigError` or `TransportError`."""
    try:
        import pymysql
    except ImportError as error:
        raise client("PyMySQL", "mysql") from error
    options = _options(url)
    try:
        raw = pymysql.connect(
            host=url.host or "127.0.0.1",
            port=url.port or 3306,
            user=url.user or None,
            password=url.password.reveal() if url.password else "",
            database=url.path or None,
            charset="utf8mb4",
            connect_timeout=max(1, round(limits.connect_timeout_s)),
            read_timeout=limits.statement_timeout_s + limits.lock_timeout_s + 5,
            write_timeout=60,
            program_name="headgate",
            **options,
        )
        with raw.cursor() as cursor:
            for statement in (*_SESSION, *_limits(raw.get_server_info(), limits)):
                cursor.execute(statement)
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    except (pymysql.err.Error, OSError) as error:
        raise refused(error, url.shown) from error
    return DbApiConnection(
        raw,
        lambda error: translate(error, url.shown),
        lambda: raw.cursor(pymysql.cursors.SSCursor),
    )


def refused(error: Exception, where: str) -> HeadgateError:
    """Why there is no connection."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number == 1049:
        return NotFoundError(mask(str(error.args[1])), where=where, next_step="Check the database in the URL.")
    found = translate(error, where)
    if isinstance(found, UnreachableError):
        return UnreachableError(
            mask(str(error)), where=where, next_step="Check host and port, and that the server runs."
        )
    return found if isinstance(found, HeadgateError) else UnreachableError(str(found), where=where)


def _limits(version: str, limits: Limits) -> tuple[str, str]:
    """MariaDB and MySQL have different names and units for the same limit."""
    lock = f"SET SESSION lock_wait_timeout = {max(1, round(limits.lock_timeout_s))}"
    if "mariadb" in version.lower():
        return lock, f"SET SESSION max_statement_time = {limits.statement_timeout_s:f}"
    return lock, f"SET SESSION max_execution_time = {int(limits.statement_timeout_s * 1000)}"


def _options(url: DatabaseUrl) -> dict[str, Any]:
    unknown = sorted(set(url.options) - set(_OPTIONS))
    if unknown:
        raise ConfigError(
            f"no such option of the connection: {', '.join(unknown)}",
            where=url.shown,
            next_step=f"Known are {', '.join(sorted(_OPTIONS))}.",
        )
    return {name: _OPTIONS[name](text) for name, text in url.options.items()}
