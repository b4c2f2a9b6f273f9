"""Spark through pyspark: files by path or glob, or a table of a catalogue, on this machine or on a cluster."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Timer
from typing import Any, ClassVar

from sqlglot import exp

from gates.quality.engines.base import Answer, QueryFailedError
from gates.quality.engines.database import DatabaseBatch, TypedDialect, client, function, plain, table_expression
from gates.quality.engines.files import FileSet, find_files
from gates.quality.engines.open import Limits
from gates.quality.engines.url import parse_table
from gates.quality.metrics import Column, Kind, Quantiles
from gates.quality.planner import BATCH, Source
from gates.quality.sql import Lowering, both, not_null
from headgate.errors import ConfigError, RemoteTimeoutError, UnreachableError
from headgate.secrets import mask

_KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), Kind.INTEGER),
    **dict.fromkeys(("float", "double"), Kind.FLOAT),
    **dict.fromkeys(("string", "varchar", "char"), Kind.STRING),
    **dict.fromkeys(("array", "map", "struct", "variant"), Kind.NESTED),
    "decimal": Kind.DECIMAL,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "timestamp_ntz": Kind.TIMESTAMP,
    "timestamp": Kind.TIMESTAMP_TZ,
    "time": Kind.TIME,
    "interval": Kind.INTERVAL,
    "binary": Kind.BINARY,
    "void": Kind.NULL,
}
_DAY = r"^\s*\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?\s*$"
_LOGGING = """
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
rootLogger.level = off
rootLogger.appenderRef.console.ref = console
"""
"""An appender, though nothing is logged: without one Spark takes its own configuration."""


def _tried(value: exp.Expression, kind: str) -> exp.Expression:
    return exp.TryCast(this=value.copy(), to=exp.DataType.build(kind), safe=True)


def _formed(kind: str) -> Lowering:
    """A cast of texts in ISO form only: Spark also takes a year for a date."""

    def lower(value: exp.Expression) -> exp.Expression:
        fits = exp.RegexpLike(this=exp.cast(value.copy(), "text"), expression=exp.Literal.string(_DAY))
        return exp.Case().when(fits, _tried(value, kind))

    return lower


def _epoch(value: exp.Expression) -> exp.Expression:
    micros = exp.Anonymous(this="UNIX_MICROS", expressions=[exp.cast(value, "timestamp")])
    return exp.Div(this=exp.cast(micros, "double"), expression=exp.cast(exp.Literal.number(1000000), "double"))


class SparkDialect(TypedDialect):
    """Spark's own functions. NaN is equal to itself and above every number."""

    name = "spark"
    lowerings: ClassVar[Mapping[str, Lowering]] = {
        "NUMBER": lambda value: _tried(value, "double"),
        "DATE": _formed("date"),
        "TIMESTAMP": _formed("timestamp"),
        "EPOCH": _epoch,
        "IS_NAN": lambda value: exp.Case().when(not_null(value), exp.IsNan(this=value)),
    }

    def wide(self, value: exp.Expression) -> exp.Expression:
        return exp.cast(value, "decimal(38, 0)")

    def quantiles(self, metric: Quantiles, source: exp.Expression) -> exp.Select | None:
        """Spark's exact percentiles, as doubles; by ranks for what is not a number."""
        kind = self.kind(metric.argument)
        if metric.method == "nearest" or kind not in {Kind.INTEGER, Kind.DECIMAL, Kind.FLOAT}:
            return None
        # Anonymous: SQLGlot would write its own nodes as PERCENTILE_APPROX.
        make = function("PERCENTILE_DISC" if metric.method == "discrete" else "PERCENTILE_CONT")
        order = exp.Order(expressions=[exp.Ordered(this=metric.argument.copy(), nulls_first=True)])
        picked: list[exp.Expression] = [
            exp.WithinGroup(this=make(exp.Literal.number(repr(float(p)))), expression=order.copy())
            for p in metric.probabilities
        ]
        if kind is Kind.INTEGER and metric.method == "discrete":
            picked = [exp.cast(value, "bigint") for value in picked]
        return exp.select(*picked).from_(source.copy()).where(both(metric.where, not_null(metric.argument)))


class SparkConnection:
    """A session of its own in a Spark context, which it ends if it has begun it."""

    def __init__(self, session: Any, limits: Limits, undo: ExitStack) -> None:
        self.session = session
        self._timeout_s = limits.statement_timeout_s
        self._undo = undo

    def execute(self, sql: str) -> Answer:
        stopped: list[bool] = []

        def stop() -> None:
            stopped.append(True)
            self.session.sparkContext.cancelAllJobs()

        timer = Timer(self._timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            frame = self.session.sql(sql)
            zoned = {at for at, field in enumerate(frame.schema.fields) if field.dataType.typeName() == "timestamp"}
            rows = frame.collect()
        except Exception as error:
            if stopped:
                raise RemoteTimeoutError(
                    "a query was stopped", where="spark", next_step="Allow more time, or narrow it."
                ) from error
            raise translate(error) from error
        finally:
            timer.cancel()
        return Answer(columns=tuple(frame.columns), rows=[_row(row, zoned) for row in rows])

    def close(self) -> None:
        self._undo.close()


def _row(values: Iterable[Any], zoned: Container[int]) -> tuple[Any, ...]:
    """Plain values. pyspark gives moments in this machine's zone, and does not say so."""
    return tuple(
        value.astimezone(UTC) if at in zoned and isinstance(value, datetime) else _plain(value)
        for at, value in enumerate(values)
    )


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytearray) else plain(value)


def translate(error: Exception) -> Exception:
    """Spark's error as ours: a query that Spark refuses, or a Spark that is not there any more."""
    name, text = type(error).__name__, mask(str(error)).strip()
    first = text.split("\n\n", maxsplit=1)[0].partition("; line ")[0].partition("\n\tat ")[0]
    gone = re.search(r"SparkContext (was|has been) (shut down|stopped)|stopped SparkContext|Connection refused", text)
    if gone or isinstance(error, OSError) or name in {"Py4JNetworkError", "Py4JError"}:
        return UnreachableError("Spark went away", where="spark", next_step=f"Repeat when it is back. {first[:300]}")
    if name == "Py4JJavaError":
        caused = re.findall(r"Caused by: [\w.$]+: (.*)", text) or re.findall(r": [\w.$]+: (.*)", text)
        return QueryFailedError(caused[-1] if caused else first)
    if type(error).__module__.startswith(("pyspark", "py4j")):
        return QueryFailedError(first)
    return error


class SparkBatch(DatabaseBatch):
    """Files, or a table."""

    name = "spark"
    connection: SparkConnection

    def read_columns(self) -> Iterable[Column]:
        table = self.source.table.copy()
        table.set("alias", None)
        fields = self.connection.session.table(table.sql("spark")).schema.fields
        names = [field.name for field in fields]
        if len({name.lower() for name in names}) < len(names):
            self.connection.session.conf.set("spark.sql.caseSensitive", "true")
        for field in fields:
            native = field.dataType.simpleString()
            yield Column(name=field.name, kind=kind_of(native), native=native)


def kind_of(native: str) -> Kind:
    """The kind of a type by Spark's name of it."""
    return _KINDS.get(re.split(r"[(<: ]", native, maxsplit=1)[0], Kind.OTHER)


def open_batch(data: str, table: str | None, limits: Limits) -> SparkBatch:
    """Files by path or glob; `spark://local`, `spark://local[4]` or `spark://host:7077` with `table`.

    A path may follow: `spark://local/data/orders/*.parquet`. See `gates.quality.engines.open`.
    """
    match = re.fullmatch(r"spark://([^/]*)(/.*)?", data, re.DOTALL)
    master, path = (match[1], match[2] or "") if match else ("", data.removeprefix("file://"))
    files = find_files([path]) if path.strip("/") and not table else None
    parts = () if files else parse_table(table, parts=3, example="orders, or database.orders")
    connection = connect(master, limits)
    where = f"{data}{f', table {table}' if table else ''}"
    try:
        source = _table_source(parts) if files is None else _file_source(connection, files)
        batch = SparkBatch(connection, SparkDialect(), source, where=where)
        batch.schema()  # at once: a table that is not there, a file that is none
    except ConfigError:
        connection.close()
        raise
    except Exception as error:
        connection.close()
        found = translate(error)
        if isinstance(found, QueryFailedError):
            raise ConfigError(f"cannot be read: {found}", where=where, next_step="Check its name.") from error
        if found is error:
            raise
        raise found from error
    return batch


def _table_source(parts: tuple[str, ...]) -> Source:
    def other(name: str) -> exp.Expression:
        found = parse_table(name, parts=3)
        return table_expression((*parts[: max(0, len(parts) - len(found))], *found))

    return Source(table=table_expression(parts, BATCH), other=other)


def _file_source(connection: SparkConnection, files: FileSet) -> Source:
    """The files as a view of the session; other names are other files."""
    _view(connection.session, files, BATCH)
    views: dict[str, str] = {}

    def other(name: str) -> exp.Expression:
        if name not in views:
            view = f"headgate_other_{len(views)}"
            try:
                _view(connection.session, find_files([name]), view)
            except Exception as error:
                found = error if isinstance(error, ConfigError) else translate(error)
                raise QueryFailedError(str(found)) from error
            views[name] = view
        return exp.to_table(views[name])

    return Source(table=table_expression((BATCH,), BATCH), other=other)


def _view(session: Any, files: FileSet, name: str) -> None:
    """The files under a name; with upper and lower case apart where that makes a difference."""
    try:
        frame = read(session, files)
    except Exception as error:
        if "COLUMN_ALREADY_EXISTS" not in str(error):
            raise
        session.conf.set("spark.sql.caseSensitive", "true")
        frame = read(session, files)
    frame.createOrReplaceTempView(name)


def read(session: Any, files: FileSet) -> Any:
    """The files as a frame, types as the files have them; of CSV and JSON as Spark infers them from all rows."""
    paths = [_escaped(path) for path in files.paths]
    reader = session.read
    if files.hive:
        reader = reader.option("basePath", _above_partitions(files.paths))
    if files.format == "parquet":
        return reader.parquet(*paths)
    if files.format == "csv":
        tabs = all(".tsv" in Path(path).name for path in files.paths)
        return reader.options(header=True, inferSchema=True, escape='"', sep="\t" if tabs else ",").csv(paths)
    return reader.json(paths)


def _above_partitions(paths: Sequence[str]) -> str:
    """The folder in which the first `name=value` folder is; its partitions are columns."""
    parts = Path(paths[0]).absolute().parts
    first = next((at for at, part in enumerate(parts[:-1]) if "=" in part), len(parts) - 1)
    return str(Path(*parts[:first]))


def _escaped(path: str) -> str:
    """Spark reads every path as a glob."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", str(Path(path).absolute()))


def connect(master: str, limits: Limits) -> SparkConnection:
    """A session. Raises `ConfigError` without pyspark or Java, `TransportError` without the cluster."""
    undo = ExitStack()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyspark warns about versions of pandas that nothing here uses
            from pyspark.sql import SparkSession

            _hush()
            running = SparkSession.getActiveSession()
            context = running or _begin(SparkSession.builder, master, limits, undo)
            session = context.newSession()
            for name, value in _SESSION.items():
                session.conf.set(name, value)
    except ImportError as error:
        raise client("pyspark", "spark") from error
    except Exception as error:
        undo.close()
        if "JAVA_GATEWAY_EXITED" in str(error) or isinstance(error, FileNotFoundError):
            raise ConfigError(
                "Spark needs Java 17", where="spark", next_step="Install it, or set JAVA_HOME."
            ) from error
        raise UnreachableError(
            "Spark did not start", where=master or "local", next_step=mask(str(error))[:300]
        ) from error
    return SparkConnection(session, limits, undo)


def _hush() -> None:
    """pyspark writes every failing query to stderr, with a stack trace, whether or not somebody catches it."""
    with suppress(ImportError):  # pyspark 3 has no such logger
        from pyspark.logger import PySparkLogger

        for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
            PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)


_SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variable.substitute": "false",  # ${env:...} in a text stays a text
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parser.quotedRegexColumnNames": "false",
}


def _begin(builder: Any, master: str, limits: Limits, undo: ExitStack) -> Any:
    """A Spark context that is quiet, stays on this machine where it is local, and leaves no files behind."""
    local = master in {"", "local"} or master.startswith("local[")
    folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="headgate-spark-", dir=limits.temp_directory))
    written = Path(folder) / "log4j2.properties"
    written.write_text(_LOGGING, encoding="utf-8")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={written.as_uri()}",
    }
    if local:
        threads = limits.threads or "*"
        master = master if "[" in master else f"local[{threads}]"
        settings |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": str(limits.threads or 8),
        }
    else:
        master = f"spark://{master}"
    if limits.memory_limit_mb is not None:
        settings["spark.driver.memory"] = f"{limits.memory_limit_mb}m"
    made = builder.master(master).appName("headgate")
    for name, value in settings.items():
        made = made.config(name, value)
    session = made.getOrCreate()
    undo.callback(_ended(session))
    session.sparkContext.setLogLevel("OFF")
    return session


def _ended(session: Any) -> Callable[[], None]:
    def end() -> None:
        with suppress(Exception):  # whatever is wrong with Spark by now, nothing is lost that was not read
            session.stop()

    return end
