"""Set failing rows aside: the rows that made expectations fail, as Parquet, each with the expectations it failed.

A file is an artifact that more people read than the data: columns that are not revealed are masked to their shape.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gates.quality.compare.attended import attended
from gates.quality.engines.base import QueryFailedError, SqlBatch
from gates.quality.engines.open import Limits, open_batch
from gates.quality.expectations import plan
from gates.quality.marked_rows import why_not, write_marked
from gates.quality.metrics import Planned, Rows
from gates.quality.result_format import ResultFormat
from gates.quality.session import MAX_ROUNDS, Judged, SuiteFindings, reference_of
from gates.quality.shown_columns import identifier, shown_column, text_literal
from headgate.errors import ConfigError, ServerFaultError

if TYPE_CHECKING:
    from gates.quality.engines.duck_connection import DuckConnection

FAILED = "headgate_failed"
ROW = "headgate_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """What was set aside of one suite: `rows` in the file `path` (None: no row failed, no file was written).

    `left_out` are failed expectations whose rows are not in it, each with the reason: nothing is left out in silence.
    """

    suite: str
    path: Path | None = None
    rows: int = 0
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failing:
    """The failing rows of one suite, by expectation, and what cannot be set aside."""

    rows: tuple[tuple[str, Rows], ...] = ()
    left_out: tuple[tuple[str, str], ...] = field(default_factory=tuple)


def quarantine(
    findings: Sequence[SuiteFindings],
    data: str | Sequence[Path],
    folder: Path,
    *,
    table: str | None = None,
    engine: str | None = None,
    reveal: Collection[str] = (),
    limits: Limits | None = None,
) -> tuple[Quarantined, ...]:
    """Write the failing rows of each suite in `findings` to `<folder>/<suite>.parquet`; one entry for each suite.

    The file has the columns of the data, those in `reveal` as they are and the others masked, as text; of files
    `headgate_row`, the position of the row in the data from 0; and `headgate_failed`, the names of the failed expectations
    that the row does not meet, in the order of the suite. A row is in it once. Rows that `mostly` allows are set aside only where
    the expectation failed. The data is read again; without a failed expectation it is not even opened.

    Raises `ConfigError` where the folder cannot be written, `ServerFaultError` where the data cannot be read, and what
    opening raises. No half-written file is left behind.
    """
    failed = {id(found): [entry for entry in found.judged if not entry.finding.success] for found in findings}
    if not any(failed.values()):
        return tuple(Quarantined(suite=found.suite.name) for found in findings)
    names = _file_names([found.suite.name for found in findings])
    batch = _opened(data, table, engine, limits or Limits())
    writer = _Writer(batch=batch, reveal=frozenset(reveal), limits=limits or Limits())
    try:
        return tuple(
            writer.set_aside(found, _failing(found, failed[id(found)], batch), folder / f"{name}.parquet")
            for name, found in zip(names, findings, strict=True)
        )
    finally:
        batch.close()


def _opened(data: str | Sequence[Path], table: str | None, engine: str | None, limits: Limits) -> SqlBatch:
    if isinstance(data, str):
        return cast("SqlBatch", open_batch(data, table=table, engine=engine, limits=limits))
    from gates.quality.engines.duckdb import open_files

    return open_files(data, limits)


def _failing(found: SuiteFindings, failed: Sequence[Judged], batch: SqlBatch) -> _Failing:
    rows: list[tuple[str, Rows]] = []
    left_out: list[tuple[str, str]] = []
    for entry in failed:
        what = _rows_of(entry, found, batch)
        if isinstance(what, Rows) and not _has_positions(batch):
            what = why_not(what, batch) or what
        if isinstance(what, Rows):
            rows.append((entry.expectation.name, what))
        else:
            left_out.append((entry.expectation.name, what))
    return _Failing(rows=tuple(rows), left_out=tuple(left_out))


def _rows_of(entry: Judged, found: SuiteFindings, batch: SqlBatch) -> Rows | str:
    """The metric that finds all failing rows of an expectation, or why there is none.

    The expectation is asked again what it would show: it knows best which rows it means.
    """
    if entry.finding.raised:
        return "it was not judged"
    if entry.reason:
        return f"it was judged by Great Expectations: {entry.reason}"
    if "unexpected_count" not in entry.finding.result:
        return "it is about the table, not about rows"
    state = plan(
        entry.expectation,
        batch.schema(),
        result_format=ResultFormat(),
        parameters=found.parameters,
        reference=reference_of(batch),
    )
    for _ in range(MAX_ROUNDS):
        if not isinstance(state, Planned):
            break
        shown = [need for need in state.needs if isinstance(need, Rows)]
        if shown:
            return shown[0]
        state = state.then(batch.compute(state.needs))
    return "it does not fail any more, or does not say which rows fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    batch: SqlBatch
    reveal: frozenset[str]
    limits: Limits

    def set_aside(self, found: SuiteFindings, failing: _Failing, path: Path) -> Quarantined:
        name = found.suite.name
        if not failing.rows:
            return Quarantined(suite=name, left_out=failing.left_out)
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = self._write(failing.rows, part)
            part.replace(path)
        except OSError as error:
            raise ConfigError(
                f"the failing rows cannot be written: {error.strerror or error}",
                where=str(path),
                next_step="Correct the folder or its permissions.",
            ) from error
        except QueryFailedError as error:
            raise ServerFaultError(
                "the failing rows cannot be set aside", where=str(path), next_step=f"The engine says: {error}"
            ) from error
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        return Quarantined(suite=name, path=path, rows=rows, left_out=failing.left_out)

    def _write(self, failing: Sequence[tuple[str, Rows]], path: Path) -> int:
        batch = self.batch
        if not _has_positions(batch):
            return write_marked(failing, batch, path, failed=FAILED, reveal=self.reveal, limits=self.limits)
        query = _query(failing, batch, self.reveal)
        copy = f"COPY ({query}) TO {text_literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        answer = attended(cast("DuckConnection", batch.connection), lambda: batch.send(copy))
        return int(answer.rows[0][0])


def _has_positions(batch: SqlBatch) -> bool:
    return batch.name == "duckdb" and batch.ordered


def _query(failing: Sequence[tuple[str, Rows]], batch: SqlBatch, reveal: Collection[str]) -> str:
    """All failing rows, once each, in the order of the data."""
    from gates.quality.planner import plan_one

    source = batch.source
    if source.positioned is None:
        raise AssertionError("rows without a position were refused before")
    place = identifier(source.position)
    asked = [
        plan_one(Rows(of=rows.of, where=rows.where, columns=(), limit=None), source, batch.dialect)
        for _, rows in failing
    ]
    # The names come from a list by number: an expectation's name has the user's words in it.
    union = " UNION ALL ".join(
        f"SELECT {place} AS place, {number} AS number FROM ({batch.text(step)})"  # noqa: S608 - built from SQLGlot's nodes
        for number, step in enumerate(asked)
    )
    listed = ", ".join(text_literal(name) for name, _ in failing)
    columns = ", ".join(
        shown_column(column, column.name in reveal)
        for column in batch.schema().columns
        if column.name not in {ROW, FAILED}
    )
    parts = (
        f"SELECT {columns}, t.{place}::BIGINT AS {ROW}, list_transform(f.numbers, lambda n: ([{listed}])[n + 1]) AS {FAILED}",
        f"FROM (SELECT * FROM {source.positioned.sql('duckdb')}) AS t",  # noqa: S608
        f"JOIN (SELECT place, list_sort(list_distinct(list(number))) AS numbers FROM ({union}) GROUP BY place) AS f",  # noqa: S608
        f"ON t.{place} = f.place ORDER BY t.{place}",
    )
    return " ".join(parts)


def _file_names(suites: Sequence[str]) -> list[str]:
    """A file name for each suite, without what a file system could take for a path; unique."""
    names: list[str] = []
    for suite in suites:
        plain = re.sub(r"[^\w.-]+", "_", suite).strip("._")[:100] or "suite"
        same = sum(name == plain or name.startswith(f"{plain}-") for name in names)
        names.append(f"{plain}-{same + 1}" if same else plain)
    return names
