"""PostgreSQL through psycopg 3: one read-only snapshot for the whole run, and constraints where they prove something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import Answer, QueryFailedError
from gates.quality.engines.database import (
    DatabaseBatch,
    TypedDialect,
    client,
    function,
    plain,
    table_source,
)
from gates.quality.engines.open import Limits
from gates.quality.engines.postgres_proofs import Facts, prove
from gates.quality.engines.url import PASSWORD, DatabaseUrl, parse_table, parse_url
from gates.quality.metrics import Column, Kind, Metric, Quantiles
from gates.quality.sql import Lowering, both, not_null
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    HeadgateError,
    NotFoundError,
    RemoteTimeoutError,
    UnreachableError,
)
from headgate.secrets import mask, read_secret

if TYPE_CHECKING:
    import psycopg

_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), Kind.INTEGER),
    **dict.fromkeys(("float4", "float8"), Kind.FLOAT),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext", '"char"'), Kind.STRING),
    **dict.fromkeys(("json", "jsonb"), Kind.NESTED),
    "numeric": Kind.DECIMAL,
    "bool": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMP_TZ,
    "time": Kind.TIME,
    "interval": Kind.INTERVAL,
    "bytea": Kind.BINARY,
}
_NUMBER = (
    r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?\s*$|^\s*([nN][aA][nN]|[+-]?[iI][nN][fF]([iI][nN][iI][tT][yY])?)\s*$"
)
_DAY = r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
_TIME = r"([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?"


def _text(value: exp.Expression) -> exp.Expression:
    return exp.cast(value.copy(), "text")


def _guarded(pattern: str, kind: str, *, calendar: bool = False) -> Lowering:
    """A cast where the text has the form, NULL elsewhere: PostgreSQL has no cast that gives NULL."""

    def lower(value: exp.Expression) -> exp.Expression:
        fits: Any = exp.RegexpLike(this=_text(value), expression=exp.Literal.string(pattern))
        if calendar:
            fits = exp.and_(fits, exp.case().when(fits.copy(), _in_calendar(value)))
        return exp.Case().when(fits, exp.cast(exp.Trim(this=_text(value)), kind))

    return lower


def _in_calendar(value: exp.Expression) -> exp.Expression:
    """Whether the day exists in its month: the last day of that month is not before it."""

    def part(start: int, length: int) -> exp.Expression:
        text = exp.Anonymous(this="substr", expressions=[_text(value), *map(exp.Literal.number, (start, length))])
        return exp.cast(text, "int")

    first = exp.Anonymous(this="make_date", expressions=[part(1, 4), part(6, 2), exp.Literal.number(1)])
    last = exp.Anonymous(this="date_part", expressions=[exp.Literal.string("day"), _month_end(first)])
    return exp.LTE(this=part(9, 2), expression=last)


def _month_end(first: exp.Expression) -> exp.Expression:
    step = exp.cast(exp.Literal.string("1 month -1 day"), "interval")
    return exp.Add(this=first, expression=step)


def _is_nan(value: exp.Expression) -> exp.Expression:
    return exp.EQ(this=exp.cast(value, "double"), expression=exp.cast(exp.Literal.string("NaN"), "double"))


class PostgresDialect(TypedDialect):
    """PostgreSQL's own functions. NaN is equal to itself and above every number, in order and in comparisons."""

    name = "postgres"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "LENGTH": function("char_length"),
        "NUMBER": _guarded(_NUMBER, "double"),
        "DATE": _guarded(f"^{_DAY}{_TIME}$", "date", calendar=True),
        "TIMESTAMP": _guarded(f"^{_DAY}{_TIME}$", "timestamp", calendar=True),
        "IS_NAN": _is_nan,
    }

    def aggregate(self, metric: Any) -> exp.Expression:
        """Booleans count as 0 and 1, as they do elsewhere; PostgreSQL has no aggregates of them."""
        found = super().aggregate(metric)
        if self.kind(metric.argument) is Kind.BOOLEAN:
            found.set("this", exp.cast(found.this, "int"))
        return found

    def quantiles(self, metric: Quantiles, source: exp.Expression) -> exp.Select | None:
        """`percentile_disc`, which takes any type; interpolation only exists for numbers. One sort does for all."""
        if metric.method == "nearest" or (metric.method == "continuous" and not self._numeric(metric.argument)):
            return None
        make = exp.PercentileDisc if metric.method == "discrete" else exp.PercentileCont
        argument = metric.argument
        if metric.method == "continuous":
            argument = exp.cast(argument.copy(), "double")
        order = exp.Order(expressions=[exp.Ordered(this=argument.copy())])
        picked = [
            exp.WithinGroup(this=make(this=exp.Literal.number(repr(float(p)))), expression=order.copy())
            for p in metric.probabilities
        ]
        return exp.select(*picked).from_(source.copy()).where(both(metric.where, not_null(metric.argument)))

    def _numeric(self, argument: exp.Expression) -> bool:
        return self.kind(argument) in {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}


class PostgresConnection:
    """One transaction, read only, that sees one state of the database; a failed query does not end it."""

    def __init__(self, raw: psycopg.Connection[Any], where: str) -> None:
        self.raw = raw
        self._where = where

    def execute(self, sql: str) -> Answer:
        import psycopg

        try:
            with self.raw.transaction(), self.raw.cursor() as cursor:
                # Prepared: the server takes one statement only. Ours have no semicolon, a user's own may.
                cursor.execute(sql, prepare=";" in sql)
                rows = cursor.fetchall()
                names = tuple(item.name for item in cursor.description or ())
        except psycopg.Error as error:
            raise translate(error, self._where, gone=self.raw.closed or self.raw.broken) from error
        return Answer(columns=names, rows=[tuple(map(plain, row)) for row in rows])

    def stream(self, sql: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query in pieces of `size`, by a cursor of the server, so that not all of them are held at once."""
        import psycopg

        try:
            with self.raw.transaction(), self.raw.cursor(name="headgate_rows") as cursor:
                cursor.execute(sql)
                while rows := cursor.fetchmany(size):
                    yield [tuple(map(plain, row)) for row in rows]
        except psycopg.Error as error:
            raise translate(error, self._where, gone=self.raw.closed or self.raw.broken) from error

    def close(self) -> None:
        self.raw.close()


def translate(error: psycopg.Error, where: str, *, gone: bool) -> Exception:
    """psycopg's error as ours: by SQLSTATE, and by the state of the connection."""
    state, text = error.sqlstate or "", mask(str(error)).strip().partition("\n")[0]
    if state == "57014":
        return RemoteTimeoutError(
            f"a query was stopped: {text}", where=where, next_step="Allow more time, or narrow it."
        )
    if state == "55P03":
        return RemoteTimeoutError("the table is locked", where=where, next_step="Repeat when its writer has finished.")
    if gone or state.startswith(("08", "57P")):
        return UnreachableError(f"the server went away: {text}", where=where, next_step="Repeat when it is back.")
    if state == "42501":
        return AuthenticationError(text, where=where, next_step="Grant this user SELECT on it.")
    return QueryFailedError(text)


def refused(error: Exception, where: str) -> HeadgateError:
    """Why there is no connection; libpq gives only text, and no SQLSTATE, before a session exists."""
    text = mask(str(error)).strip().replace("\n", " ")
    if "authentication failed" in text or "no password supplied" in text or "pg_hba.conf" in text:
        return AuthenticationError(text, where=where, next_step=f"Check the user and its password ({PASSWORD}).")
    if "does not exist" in text:
        return NotFoundError(text, where=where, next_step="Check the names in the URL.")
    if "timeout" in text:
        return RemoteTimeoutError(text, where=where, next_step="Check host, port and firewall.")
    return UnreachableError(text, where=where, next_step="Check host and port, and that the server runs.")


_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), coalesce(b.typname, t.typname), coalesce(b.typtype, t.typtype),
       coalesce(b.typelem, t.typelem) <> 0 AND coalesce(b.typcategory, t.typcategory) = 'A'
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = nullif(t.typbasetype, 0)
WHERE a.attrelid = to_regclass({name}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""


class PostgresBatch(DatabaseBatch):
    """A table, a view or a foreign table."""

    name = "postgres"
    connection: PostgresConnection

    def __init__(
        self, connection: PostgresConnection, parts: Sequence[str], *, where: str, sample: float | None = None
    ) -> None:
        source = table_source(parts)
        if sample is not None:
            source.table.set("sample", _sample(sample))
        super().__init__(connection, PostgresDialect(), source, where=where)
        self._regclass = table_regclass(parts)
        self._facts: Facts | None = None

    def read_columns(self) -> Iterable[Column]:
        for name, native, base, kind, array in self.connection.execute(_COLUMNS.format(name=self._regclass)).rows:
            yield Column(name=name, kind=_kind(base, kind, array=array), native=native)

    def answer(self, metrics: Sequence[Metric]) -> None:
        """What a valid constraint says needs no query; what it makes cheaper is asked in that form."""
        instead = self._proved(metrics)
        super().answer([metric for metric in dict.fromkeys(instead.values()) if metric not in self._values])
        for metric, other in instead.items():
            self._values[metric] = self._values[other]

    def _proved(self, metrics: Sequence[Metric]) -> dict[Metric, Metric]:
        """What is left to ask, in the form in which it is cheapest; values of what the catalogue proves are kept."""
        if self._facts is None:
            self._facts = Facts.read(self._ask, self._regclass)
        left: dict[Metric, Metric] = {}
        for metric in metrics:
            proven = prove(metric, self._facts, self._oid)
            if isinstance(proven, int):
                self._values[metric] = proven
            else:
                left[metric] = metric if proven is None else proven
        return left

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        """The queries that `compute` would send first; only the catalogue is read."""
        known = dict(self._values)
        try:
            wanted = [metric for metric in metrics if metric not in known]
            return super().explain(list(dict.fromkeys(self._proved(wanted).values())))
        finally:
            self._values = known

    def _ask(self, sql: str) -> Sequence[Sequence[Any]]:
        return self.connection.execute(sql).rows

    def _oid(self, name: str) -> int | None:
        """The table that `name` means, as the catalogue numbers it; None where there is none."""
        parts = [part.name for part in self.source.other(name).find_all(exp.Identifier)]
        rows = self._ask(f"SELECT to_regclass({table_regclass(parts)})::oid::bigint")
        return int(rows[0][0]) if rows and rows[0][0] is not None else None


def _sample(share: float) -> exp.TableSample:
    """The same rows in every query of a snapshot."""
    percent, seed = (exp.Literal.number(text) for text in (f"{share * 100:.9f}", "7"))
    return exp.TableSample(method=exp.var("BERNOULLI"), percent=percent, seed=seed)


def table_regclass(parts: Sequence[str]) -> str:
    """The name as a literal that `to_regclass` reads."""
    name = ".".join(exp.to_identifier(part, quoted=True).sql("postgres") for part in parts)
    return str(exp.Literal.string(name).sql("postgres"))


def _kind(base: str, category: str, *, array: bool) -> Kind:
    if array or category == "c":
        return Kind.NESTED
    return Kind.STRING if category == "e" else _KINDS.get(base, Kind.OTHER)


def open_batch(data: str, table: str | None, limits: Limits) -> PostgresBatch:
    """`postgresql://user@host:port/database?sslmode=...`, options as libpq has them; see `gates.quality.engines.open`."""
    url = parse_url(data, read_secret(PASSWORD))
    parts = parse_table(table)
    connection = connect(url, limits)
    return PostgresBatch(connection, parts, where=f"{url.shown}, table {table}", sample=limits.sample)


def connect(url: DatabaseUrl, limits: Limits) -> PostgresConnection:
    """A connection in a read-only transaction. Raises `ConfigError` or `TransportError`."""
    try:
        import psycopg
    except ImportError as error:
        raise client("psycopg", "postgres") from error
    settings = {
        "timezone": "UTC",
        "default_transaction_read_only": "on",
        "statement_timeout": str(int(limits.statement_timeout_s * 1000)),
        "lock_timeout": str(int(limits.lock_timeout_s * 1000)),
        "extra_float_digits": "1",
        "standard_conforming_strings": "on",
    }
    known: dict[str, Any] = {"user": url.user, "host": url.host, "port": url.port, "dbname": url.path}
    try:
        raw = psycopg.connect(
            "",
            **{**{name: value for name, value in known.items() if value}, **_options(url)},
            password=url.password.reveal() if url.password else None,
            connect_timeout=max(2, round(limits.connect_timeout_s)),
            application_name="headgate",
            autocommit=True,
        )
    except psycopg.ProgrammingError as error:
        raise ConfigError(mask(str(error)).strip(), where=url.shown, next_step="Correct the URL's options.") from error
    except psycopg.Error as error:
        raise refused(error, url.shown) from error
    try:
        _lenient(raw)
        for name, value in settings.items():
            raw.execute("SELECT set_config(%s, %s, false)", (name, value))
        raw.autocommit = False
        raw.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        raw.read_only = True
        raw.execute("SELECT 1")  # begins the transaction that every query is part of
    except psycopg.Error as error:
        raw.close()
        raise refused(error, url.shown) from error
    return PostgresConnection(raw, url.shown)


def _options(url: DatabaseUrl) -> Mapping[str, str]:
    """What the URL gives to libpq; the time limits are ours."""
    return {name: value for name, value in url.options.items() if name not in {"connect_timeout", "application_name"}}


def _lenient(raw: psycopg.Connection[Any]) -> None:
    """Times that Python has no value for (infinity, years after 9999 or before Christ) arrive as text."""
    from psycopg import errors
    from psycopg.types import datetime as times

    def lenient(loader: Any) -> Any:
        class Lenient(loader):  # type: ignore[misc]  # the base is a value
            def load(self, data: Any) -> datetime | str:
                try:
                    return super().load(data)  # type: ignore[no-any-return]  # as above
                except errors.DataError:
                    return bytes(data).decode()

        return Lenient

    loaders: dict[str, Callable[..., Any]] = {
        "date": times.DateLoader,
        "timestamp": times.TimestampLoader,
        "timestamptz": times.TimestamptzLoader,
        "interval": times.IntervalLoader,
    }
    for name, loader in loaders.items():
        raw.adapters.register_loader(name, lenient(loader))
