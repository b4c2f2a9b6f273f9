"""The engine for files, and the default: DuckDB inside the process.

Parquet, CSV, JSON lines (plain, gzip or zstd), several files as one table, folders with hive partitions, an Arrow
table, a table of a DuckDB file. A row's index is its place over all files, in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlglot import exp

from gates.quality.engines import duck_plan
from gates.quality.engines.base import QueryFailedError, SqlBatch
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_data import POSITION, ROWS, Data, describe, from_files, from_scan, from_table
from gates.quality.engines.duck_dialect import DuckDialect, kind_of
from gates.quality.engines.duck_hashes import Running, queries
from gates.quality.engines.duck_plan import HASHED, SMALL, Facts
from gates.quality.engines.duck_queries import empty_proof
from gates.quality.engines.files import find_files, reader
from gates.quality.engines.open import Limits
from gates.quality.metrics import Duplicated, Failed, Metric, Quantiles, Query, Schema
from gates.quality.planner import BATCH, Source, Step, counting, one_pass, plan, plan_one
from gates.quality.sql import Dialect
from gates.quality.truth import decide
from headgate.errors import ConfigError, TransportError

__all__ = ["DuckBatch", "DuckConnection", "kind_of", "open_arrow", "open_batch", "open_database", "open_files"]

DEFAULT_SORTING = 1 << 29
"""Bytes for sorting outside DuckDB where no limit is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shares:
    """What is run before hashes are read, what is proved by hashes, and what is run while they are sorted."""

    first: tuple[Step, ...]
    hashed: tuple[Metric, ...]
    then: tuple[Step, ...]


class DuckBatch(SqlBatch):
    """Files, an Arrow table, or a table of a DuckDB file."""

    name = "duckdb"
    connection: DuckConnection

    def __init__(self, connection: DuckConnection, dialect: Dialect, source: Source, data: Data) -> None:
        super().__init__(connection, dialect, source)
        self._data = data
        self._facts: Facts | None = None
        self._looked_at: set[str] = set()

    def read_schema(self) -> Schema:
        return describe(self.connection)

    def facts(self) -> Facts:
        """What is known before reading rows, asked once."""
        if self._facts is None:
            limit = self.connection.limits.memory_limit_mb
            memory = DEFAULT_SORTING if limit is None else limit * (1 << 20) // 5
            self._facts = Facts(schema=self.schema(), footers=self._data.footers(self.schema()), memory=memory)
        return self._facts

    def answer(self, metrics: Sequence[Metric]) -> None:
        said = [metric for metric in metrics if self._sayable(metric)]
        if self.facts().rows < SMALL:
            for step in self._plain(said):
                self.run(step)
            return
        self._learn(said)
        simple = {metric: duck_plan.simplified(metric, self.facts()) for metric in said}
        self._answer_large(tuple(simple.values()))
        self._values.update({metric: self._values[other] for metric, other in simple.items()})

    def _plain(self, metrics: Sequence[Metric]) -> tuple[Step, ...]:
        shown = self._shown(metrics)
        return (*shown.steps, *plan(shown.left, self.source, self.dialect))

    def _shown(self, metrics: Sequence[Metric]) -> duck_plan.Shares:
        counts = lambda metric: self._values.get(counting(metric))  # noqa: E731
        return duck_plan.shown_rows(metrics, self.facts().rows, counts, self.source, self.dialect)

    def _empty(self, metrics: Sequence[Metric]) -> duck_plan.Shares:
        parts = {
            metric: part
            for metric in metrics
            if isinstance(metric, Query) and (part := empty_proof(metric, self.facts())) is not None
        }
        left = tuple(metric for metric in metrics if metric not in parts)
        step = one_pass(tuple(parts.values()), self.source, self.dialect)
        return duck_plan.Shares(steps=(step,) if parts else (), left=left)

    def _learn(self, metrics: Iterable[Metric]) -> None:
        """The bounds of the float columns of `metrics`, and that they have no NaN: what no footer says."""
        facts = self.facts()
        names = [name for name in duck_plan.floats(metrics, facts) if name not in self._looked_at]
        self._looked_at.update(names)
        if not names:
            return
        try:
            row = self.send(duck_plan.float_bounds(names, self.source, self.dialect)).rows[0]
        except QueryFailedError:
            return
        found = zip(names, row[0::3], row[1::3], row[2::3], strict=True)
        known = {name: (low, high) for name, low, high, nan in found if low is not None and not nan}
        self._facts = replace(facts, footers=facts.footers.with_floats(known))

    def _answer_large(self, metrics: Sequence[Metric]) -> None:
        """Cheap proofs first; hashes are sorted while the rest is computed."""
        self._decide(metrics)
        shares = self._shares(self._open(metrics))
        for step in shares.first:
            self.run(step)
        running = [found for metric in self._open(shares.hashed) if (found := self._started(metric)) is not None]
        for step in shares.then:
            self.run(step)
        lists = self._lists(self._open([metric for metric in metrics if isinstance(metric, Quantiles)]))
        for step in lists:
            self.run(step)
        for found in running:
            self._finish(found)

    def _decide(self, metrics: Iterable[Metric]) -> None:
        """What the footers say."""
        facts = self.facts()
        for metric in self._open(metrics):
            value = decide(metric, facts.footers, facts.schema)
            if value is not None:
                self._values[metric] = value

    def _open(self, metrics: Iterable[Metric]) -> list[Metric]:
        return [metric for metric in dict.fromkeys(metrics) if metric not in self._values]

    def _shares(self, metrics: Sequence[Metric]) -> _Shares:
        facts, source, dialect = self.facts(), self.source, self.dialect
        shown = self._shown(metrics)
        empty = self._empty(shown.left)
        grouped = duck_plan.by_value(empty.left, facts, source, dialect)
        ordered = duck_plan.in_order(grouped.left, facts, source, dialect)
        sorts = [metric for metric in ordered.left if isinstance(metric, Quantiles)]
        counts = [duck_plan.present_values(metric) for metric in sorts]
        self._decide(counts)
        rest = [metric for metric in ordered.left if metric not in sorts]
        flow = duck_plan.flowing(dict.fromkeys([*rest, *self._open(counts)]), facts, source, dialect)
        hashed = [metric for metric in metrics if isinstance(metric, Duplicated) and facts.rows >= HASHED]
        plain = [metric for metric in flow.left if metric not in hashed]
        return _Shares(
            first=ordered.steps,
            hashed=tuple(metric for metric in hashed if not any(metric in step.metrics for step in flow.steps)),
            then=(*flow.steps, *empty.steps, *grouped.steps, *shown.steps, *plan(plain, source, dialect)),
        )

    def unsettled(self, metric: Metric) -> None:
        """A cheap proof failed: large keys go by their hashes, at the latest when nothing else is left."""
        if isinstance(metric, Duplicated) and self.facts().rows >= HASHED:
            running = self._started(metric)
            if running is not None:
                self._finish(running)
            return
        super().unsettled(metric)

    def _lists(self, metrics: Sequence[Metric]) -> tuple[Step, ...]:
        sorts = []
        for metric in metrics:
            assert isinstance(metric, Quantiles)  # noqa: S101 - for the type
            count = self._values[duck_plan.present_values(metric)]
            if isinstance(count, int) and count:
                sorts.append(metric)
            else:
                self._values[metric] = count if isinstance(count, Failed) else ()
        return duck_plan.sorted_lists(sorts, lambda count: int(self._values[count]), self.source)

    def _started(self, metric: Metric) -> Running | None:
        """The hashes of a metric on their way; None if that failed, and the plain way was gone."""
        assert isinstance(metric, Duplicated)  # noqa: S101 - for the type
        proof = duck_plan.hash_proof(metric, self.source)
        texts = queries(proof, self.facts().rows, self.facts().memory, self.dialect)
        self.queries.extend(texts)
        try:
            return Running(proof, self.connection, texts)
        except (QueryFailedError, MemoryError):
            self.run(plan_one(metric, self.source, self.dialect))
            return None

    def _finish(self, running: Running) -> None:
        metric = running.proof.metric
        try:
            equal = running.equal()
        except MemoryError:
            self.run(plan_one(metric, self.source, self.dialect))
            return
        if not len(equal):
            self._values[metric] = 0
        elif len(equal) * 8 > self.facts().rows:
            self.run(plan_one(metric, self.source, self.dialect))
        else:
            self.run(duck_plan.equal_hashes(running.proof, self.connection.keep(equal, "h"), self.source))

    def explain(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        """The queries for `metrics`, those of proofs among them. Only footers are read."""
        known = dict(self._values)
        try:
            return self._explained([metric for metric in self._open(metrics) if self._sayable(metric)])
        finally:
            self._values = known

    def _explained(self, metrics: Sequence[Metric]) -> tuple[str, ...]:
        facts = self.facts()
        if facts.rows < SMALL:
            return tuple(self.text(step) for step in self._plain(metrics))
        simple = [duck_plan.simplified(metric, facts) for metric in metrics]
        self._decide(simple)
        shares = self._shares(self._open(simple))
        proofs = [
            duck_plan.hash_proof(metric, self.source) for metric in shares.hashed if isinstance(metric, Duplicated)
        ]
        hashes = [text for proof in proofs for text in queries(proof, facts.rows, facts.memory, self.dialect)]
        sorts = [metric for metric in simple if isinstance(metric, Quantiles)]
        lists = duck_plan.sorted_lists(sorts, lambda _: facts.rows, self.source)
        texts = (self.text(step) for step in (*shares.first, *shares.then, *lists))
        return tuple(dict.fromkeys([*texts, *hashes]))

    def interrupt(self) -> None:
        """End the query that is running, from another thread."""
        self.connection.raw.interrupt()

    def failed(self, error: QueryFailedError) -> Failed:
        reason = str(error)
        unsupported = "invalid perl operator" in reason or "invalid escape sequence" in reason
        return Failed(reason=reason, unsupported=unsupported)


class _Sources:
    """The other tables of a batch by name, each a view made once."""

    def __init__(self, connection: DuckConnection) -> None:
        self._connection = connection
        self._views: dict[str, str] = {}

    def __call__(self, name: str) -> exp.Expression:
        if name not in self._views:
            view = f"headgate_other_{len(self._views)}"
            try:
                files = find_files([name])
            except ConfigError as exc:
                raise QueryFailedError(str(exc)) from exc
            self._connection.execute(f"CREATE VIEW {view} AS SELECT * FROM {reader(files)}")
            self._views[name] = view
        return exp.to_table(self._views[name])


def _table(name: str) -> exp.Expression:
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(BATCH)))


def open_batch(data: str, table: str | None, limits: Limits) -> DuckBatch:
    """Files by path or glob, or `duckdb:///path` with `table`; see `gates.quality.engines.open`."""
    if data.startswith("duckdb:"):
        return open_database(Path(re.sub(r"^duckdb:(//)?", "", data)), table, limits)
    return open_files([data.removeprefix("file://")], limits)


def open_files(paths: Sequence[str | Path], limits: Limits | None = None) -> DuckBatch:
    """The files of `paths` (files, folders, globs) as one table.

    Raises `ConfigError` where there is none, where formats are mixed or the columns of files differ, and
    `TransportError` where a file cannot be read.
    """
    return _opened(limits or Limits(), lambda connection: from_files(connection, find_files(paths)))


def open_arrow(table: Any, limits: Limits | None = None) -> DuckBatch:
    """An Arrow table (or another object DuckDB scans, such as a record batch reader's table)."""

    def prepare(connection: DuckConnection) -> Data:
        connection.raw.register("headgate_arrow", table)
        return from_scan(connection, "headgate_arrow")

    return _opened(limits or Limits(), prepare)


def open_database(path: Path, table: str | None, limits: Limits | None = None) -> DuckBatch:
    """A table of a DuckDB file, read only."""
    if not path.is_file():
        raise ConfigError("no such file", where=str(path), next_step="Name a DuckDB file, as in duckdb:///shop.duckdb.")
    if not table:
        raise ConfigError("no table is named", where=str(path), next_step="Name it with --table.")

    def prepare(connection: DuckConnection) -> Data:
        text = str(path).replace("'", "''")
        try:
            connection.execute(f"ATTACH '{text}' AS headgate_data (READ_ONLY)")
        except QueryFailedError as exc:
            raise TransportError(
                "the database cannot be opened", where=str(path), next_step=f"DuckDB says: {exc}"
            ) from exc
        parts = _name_parts(table)
        name = ".".join(exp.to_identifier(part, quoted=True).sql("duckdb") for part in parts)
        return from_table(connection, f"headgate_data.{name}", positioned=False)

    return _opened(limits or Limits(), prepare)


def _name_parts(table: str) -> list[str]:
    """`schema.table` or `"a.b"."c"` in its parts."""
    found = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', table)
    return [quoted.replace('""', '"') or plain for quoted, plain in found]


def _opened(limits: Limits, prepare: Callable[[DuckConnection], Data]) -> DuckBatch:
    connection = DuckConnection(limits)
    try:
        data = prepare(connection)
        source = Source(
            table=_table(BATCH),
            positioned=_table(ROWS) if data.positioned else None,
            position=POSITION,
            other=_Sources(connection),
        )
        return DuckBatch(connection, DuckDialect(), source, data)
    except QueryFailedError as exc:
        connection.close()
        raise TransportError("the data cannot be read", next_step=f"DuckDB says: {exc}") from exc
    except BaseException:
        connection.close()
        raise
