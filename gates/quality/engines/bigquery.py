"""BigQuery through its official client; what a query would read is asked before it runs, and held to a limit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import Answer, QueryFailedError
from gates.quality.engines.database import DatabaseBatch, TypedDialect, client, plain, table_source
from gates.quality.engines.moments import aligned
from gates.quality.engines.open import Limits
from gates.quality.engines.url import DatabaseUrl, parse_table, parse_url
from gates.quality.metrics import Column, Failed, Kind, Metric
from gates.quality.sql import Lowering, not_null
from headgate.errors import (
    AuthenticationError,
    ConfigError,
    NotFoundError,
    RateLimitedError,
    RemoteTimeoutError,
    ServerFaultError,
    UnreachableError,
)
from headgate.secrets import mask

_KINDS = {
    **dict.fromkeys(("INTEGER", "INT64"), Kind.INTEGER),
    **dict.fromkeys(("FLOAT", "FLOAT64"), Kind.FLOAT),
    **dict.fromkeys(("NUMERIC", "BIGNUMERIC"), Kind.DECIMAL),
    **dict.fromkeys(("BOOLEAN", "BOOL"), Kind.BOOLEAN),
    **dict.fromkeys(("RECORD", "STRUCT", "JSON"), Kind.NESTED),
    "STRING": Kind.STRING,
    "BYTES": Kind.BINARY,
    "DATE": Kind.DATE,
    "DATETIME": Kind.TIMESTAMP,
    "TIMESTAMP": Kind.TIMESTAMP_TZ,
    "TIME": Kind.TIME,
    "INTERVAL": Kind.INTERVAL,
}
_SMALLEST_BILLED = 100 * 2**20
"""A limit on billed bytes below this would refuse small tables: every table counts for ten mebibytes at least."""
_RETRY_S = 60.0
EMULATOR = "BIGQUERY_EMULATOR_HOST"


def _epoch(value: exp.Expression) -> exp.Expression:
    micros = exp.Anonymous(this="UNIX_MICROS", expressions=[exp.cast(value, "timestamptz")])
    return exp.Div(this=exp.cast(micros, "double"), expression=exp.cast(exp.Literal.number(1000000), "double"))


def _json(text: exp.Expression) -> exp.Expression:
    # Without the mode, a number with more digits than a float has would be no JSON.
    mode = exp.Kwarg(this=exp.var("wide_number_mode"), expression=exp.Literal.string("round"))
    parsed = exp.Anonymous(this="SAFE.PARSE_JSON", expressions=[text, mode])
    return exp.Case().when(not_null(text), not_null(parsed))


class BigQueryDialect(TypedDialect):
    """GoogleSQL. Regular expressions are RE2's; NaN is not equal to itself, but one value when grouped."""

    name = "bigquery"
    lowerings: ClassVar[Mapping[str, Lowering]] = {"EPOCH": _epoch, "IS_JSON": _json}

    def lower(self, query: exp.Expression) -> exp.Expression:
        return super().lower(aligned(query, self.kind))

    def wide(self, value: exp.Expression) -> exp.Expression:
        return exp.cast(value, "bigdecimal")

    def together(self, value: exp.Expression) -> exp.Expression:
        """Floats cannot part a window here: as texts they can."""
        return exp.cast(value, "text") if self.kind(value) is Kind.FLOAT else value


class BigQueryConnection:
    """A client with the bytes it has read so far."""

    def __init__(self, raw: Any, limits: Limits, where: str) -> None:
        self.raw = raw
        self.spent = 0
        self._limits = limits
        self._where = where

    def execute(self, sql: str) -> Answer:
        if ";" in sql and self.estimate(sql)[1] != "SELECT":
            raise QueryFailedError("only one query is allowed, and only a SELECT")
        job = None
        try:
            job = self.raw.query(sql, job_config=self._config(), retry=self._retry(), job_retry=None, timeout=_RETRY_S)
            found = job.result(timeout=self._limits.statement_timeout_s, retry=self._retry(), job_retry=None)
            names = tuple(field.name for field in found.schema)
            rows = [tuple(map(plain, row.values())) for row in found]
        except FutureTimeoutError as error:
            if job is not None:
                self._cancel(job)
            raise RemoteTimeoutError("a query was stopped", where=self._where, next_step="Allow more time.") from error
        except Exception as error:
            raise translate(error, self._where) from error
        self.spent += int(job.total_bytes_processed or 0)
        return Answer(columns=names, rows=rows)

    def estimate(self, sql: str) -> tuple[int, str]:
        """How many bytes `sql` would read, and what kind of statement it is; nothing runs and nothing is billed."""
        try:
            job = self.raw.query(
                sql, job_config=self._config(dry_run=True), retry=self._retry(), job_retry=None, timeout=_RETRY_S
            )
        except Exception as error:
            raise translate(error, self._where) from error
        return int(job.total_bytes_processed or 0), str(job.statement_type or "")

    def columns(self, table: Sequence[str]) -> Iterable[Any]:
        from google.cloud.bigquery import TableReference

        try:
            reference = TableReference.from_api_repr(
                dict(zip(("projectId", "datasetId", "tableId"), table, strict=True))
            )
            return self.raw.get_table(reference, retry=self._retry(), timeout=_RETRY_S).schema  # type: ignore[no-any-return]  # untyped
        except Exception as error:
            raise translate(error, self._where) from error

    def close(self) -> None:
        self.raw.close()

    def _cancel(self, job: Any) -> None:
        try:
            job.cancel(retry=None, timeout=10)
        except Exception as error:
            raise translate(error, self._where) from error

    def _config(self, *, dry_run: bool = False) -> Any:
        from google.cloud.bigquery import QueryJobConfig

        config = QueryJobConfig(dry_run=dry_run, use_query_cache=not dry_run, use_legacy_sql=False)
        config.labels = {"source": "headgate"}
        if self._limits.max_bytes is not None and not dry_run:
            config.maximum_bytes_billed = max(self._limits.max_bytes, _SMALLEST_BILLED)
        return config

    def _retry(self) -> Any:
        from google.cloud.bigquery.retry import DEFAULT_RETRY

        return DEFAULT_RETRY.with_timeout(min(_RETRY_S, self._limits.connect_timeout_s))


def translate(error: Exception, where: str) -> Exception:
    """The client's error as ours."""
    from google.api_core import exceptions
    from google.auth import exceptions as auth

    if isinstance(error, exceptions.RetryError) and isinstance(error.cause, Exception):
        error = error.cause
    text = mask(str(getattr(error, "message", "") or error)).strip().partition("\n")[0]
    reasons = {str(item.get("reason")) for item in getattr(error, "errors", ()) or () if isinstance(item, Mapping)}
    match error:
        case exceptions.TooManyRequests():
            return RateLimitedError(text, where=where, next_step="Repeat later.")
        case exceptions.Forbidden() if reasons & {"rateLimitExceeded", "quotaExceeded"}:
            return RateLimitedError(text, where=where, next_step="Repeat later, or ask for a larger quota.")
        case exceptions.Forbidden() | exceptions.Unauthorized() | auth.GoogleAuthError():
            return AuthenticationError(
                text, where=where, next_step="Check the credentials and their roles (BigQuery Data Viewer, Job User)."
            )
        case exceptions.NotFound():
            return NotFoundError(text, where=where, next_step="Check project, dataset and table.")
        case exceptions.ServerError():
            return ServerFaultError(text, where=where, next_step="Repeat later.")
        case exceptions.ClientError():
            return QueryFailedError(text)
        case exceptions.GoogleAPIError() | OSError():
            return UnreachableError(text, where=where, next_step="Check the network, and repeat.")
    return error


class BigQueryBatch(DatabaseBatch):
    """A table or a view. With `Limits.max_bytes`, nothing runs before all that is planned is known to stay within."""

    name = "bigquery"
    connection: BigQueryConnection

    def __init__(self, connection: BigQueryConnection, parts: Sequence[str], limits: Limits, *, where: str) -> None:
        super().__init__(connection, BigQueryDialect(), table_source(parts, most_parts=3), where=where)
        self._parts = parts
        self._max_bytes = limits.max_bytes

    def read_columns(self) -> Iterable[Column]:
        for field in self.connection.columns(self._parts):
            native = f"ARRAY<{field.field_type}>" if field.mode == "REPEATED" else str(field.field_type)
            yield Column(name=field.name, kind=_KINDS.get(native, Kind.NESTED), native=native)

    def answer(self, metrics: Sequence[Metric]) -> None:
        steps = self.plan(metrics)
        if self._max_bytes is not None:
            self._hold_to(self._max_bytes, [self.text(step) for step in steps])
        for step in steps:
            self.run(step)

    def _hold_to(self, limit: int, queries: Sequence[str]) -> None:
        needed = self.connection.spent + sum(map(self._estimate, queries))
        if needed > limit:
            raise ConfigError(
                f"the queries would read {needed} bytes, {limit} are allowed; none of the {len(queries)} was sent",
                where=self.where,
                next_step="Allow more bytes, or check a partition: a view of it, or fewer expectations.",
            )

    def _estimate(self, sql: str) -> int:
        try:
            return self.connection.estimate(sql)[0]
        except QueryFailedError:
            return 0  # it fails when it is sent, and says so there

    def failed(self, error: QueryFailedError) -> Failed:
        """RE2 has no look-around and no back-references: another way of judging may have."""
        reason = str(error)
        return Failed(reason=reason, unsupported="regular expression" in reason)


def open_batch(data: str, table: str | None, limits: Limits) -> BigQueryBatch:
    """`bigquery://project/dataset?location=EU` with `table` (`table`, `dataset.table` or `project.dataset.table`)."""
    url = parse_url(data)
    parts = parse_table(table, parts=3, example="orders, or dataset.orders")
    beside = [part for part in (url.host, *url.path.split("/")) if part]
    parts = (*beside[: max(0, 3 - len(parts))], *parts)
    if len(parts) != 3:
        raise ConfigError(
            "project, dataset or table is missing",
            where=url.shown,
            next_step="Write bigquery://PROJECT/DATASET and --table.",
        )
    return BigQueryBatch(connect(url, limits), parts, limits, where=f"{url.shown}, table {table}")


def connect(url: DatabaseUrl, limits: Limits) -> BigQueryConnection:
    """A client with the application's default credentials; none for an emulator. Raises `ConfigError` without it."""
    try:
        from google.auth.credentials import AnonymousCredentials
        from google.cloud import bigquery
    except ImportError as error:
        raise client("google-cloud-bigquery", "bigquery") from error
    unknown = sorted(set(url.options) - {"location"})
    if unknown:
        raise ConfigError(
            f"no such option of the connection: {', '.join(unknown)}", where=url.shown, next_step="Known is location."
        )
    try:
        raw = bigquery.Client(
            project=url.host or None,
            location=url.options.get("location"),
            credentials=AnonymousCredentials() if os.environ.get(EMULATOR) else None,
        )
    except Exception as error:
        raise translate(error, url.shown) from error
    return BigQueryConnection(raw, limits, url.shown)
