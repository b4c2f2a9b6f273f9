"""The failing rows of a table of a database: one query that marks them, and a Parquet file of what it gives.

The rows come in pieces, are masked before anything is kept of them, and wait in a table that spills to disk.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlglot import exp

from gates.quality.engines.base import SqlBatch
from gates.quality.engines.database import DatabaseBatch
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.open import Limits
from gates.quality.metrics import Column, Count, Duplicated, Kind, Orphans, Rows
from gates.quality.row_queries import counting, orphan, qualified
from gates.quality.shown_columns import identifier, masked_text, text_literal
from gates.quality.sql import UntranslatableError, both, named, within
from gates.quality.steps import BATCH

_PIECE = 10_000
_STAGED = "headgate_staged"


def why_not(rows: Rows, batch: SqlBatch) -> str:
    """Why the rows of one expectation cannot be marked, else ""."""
    try:
        batch.dialect.render(_inner([rows], batch))
    except (UntranslatableError, TypeError) as error:
        return str(error)
    return ""


def marking(failing: Sequence[Rows], batch: SqlBatch) -> str:
    """All rows that are marked by any of `failing`: their columns in order, then a mark (1 or null) for each."""
    names = [column.name for column in batch.schema().columns]
    marks = [exp.column(_mark(index)) for index in range(len(failing))]
    shown = [exp.column(f"headgate_shown_{index}") for index in range(len(names))]
    some = exp.or_(*(exp.EQ(this=mark.copy(), expression=exp.Literal.number(1)) for mark in marks))
    query = exp.select(*shown, *marks).from_(_inner(failing, batch).subquery("t")).where(some)
    return batch.dialect.render(query)


def _mark(index: int) -> str:
    return f"headgate_mark_{index}"


def _inner(failing: Sequence[Rows], batch: SqlBatch) -> exp.Select:
    one = exp.Literal.number(1)
    values = [exp.column(exp.to_identifier(item.name, quoted=True), table=BATCH) for item in batch.schema().columns]
    marks = [exp.Case().when(_holds(rows, batch), one.copy()) for rows in failing]
    return exp.select(
        *(named(value, f"headgate_shown_{index}") for index, value in enumerate(values)),
        *(named(mark, _mark(index)) for index, mark in enumerate(marks)),
    ).from_(batch.source.table.copy())


def _holds(rows: Rows, batch: SqlBatch) -> exp.Expression:
    """Whether a row is one of `rows`."""
    found = counting(rows)
    match found:
        case Count():
            return both(found.condition, found.where) or exp.true()
        case Duplicated():
            counted = exp.Count(this=within(exp.Literal.number(1), found.where) if found.where else exp.Star())
            keys = [
                batch.dialect.together(key.copy()) if isinstance(batch, DatabaseBatch) else key for key in found.keys
            ]
            several = exp.GT(this=exp.Window(this=counted, partition_by=keys), expression=exp.Literal.number(1))
            return both(several, found.where) or several
        case Orphans():
            return both(*(qualified(condition) for condition in orphan(found, batch.source))) or exp.true()
        case _:
            raise UntranslatableError("rows of a table have no order")


def write_marked(
    failing: Sequence[tuple[str, Rows]],
    batch: SqlBatch,
    path: Path,
    *,
    failed: str,
    reveal: Collection[str],
    limits: Limits,
) -> int:
    """Write the rows of all `failing` (expectation, rows) to the Parquet file `path`; how many these are.

    `failed` names the column with the expectations that a row does not meet. Raises what the two engines raise.
    """
    columns = [column for column in batch.schema().columns if column.name != failed]
    places = [index for index, column in enumerate(batch.schema().columns) if column.name != failed]
    query = marking([rows for _, rows in failing], batch)
    batch.queries.append(query)
    width = len(batch.schema().columns)
    names = [name for name, _ in failing]
    connection = DuckConnection(limits)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        listed = ", ".join(f"s{at} VARCHAR" for at in range(len(columns)))
        connection.execute(f"CREATE TEMP TABLE {_STAGED} ({listed}{', ' if listed else ''}failed VARCHAR[])")
        kept = ", ".join([*(_kept(column, at, reveal) for at, column in enumerate(columns)), "failed"])
        for piece in _pieces(batch, query):
            _stage(connection, [_texts(row, places, width, names) for row in piece], len(columns), kept)
        shown = [_typed(connection, column, at, reveal) for at, column in enumerate(columns)]
        text = f"SELECT {', '.join([*shown, f'failed AS {identifier(failed)}'])} FROM {_STAGED}"  # noqa: S608 - quoted
        answer = connection.execute(f"COPY ({text}) TO {text_literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
        return int(answer.rows[0][0])
    finally:
        connection.close()


def _pieces(batch: SqlBatch, query: str) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The answer piece by piece, where the driver can."""
    stream = getattr(batch.connection, "stream", None)
    if stream is None:
        yield batch.connection.execute(query).rows
    else:
        yield from stream(query, _PIECE)


def _texts(row: Sequence[Any], places: Sequence[int], width: int, names: Sequence[str]) -> tuple[Any, ...]:
    marks = [name for name, mark in zip(names, row[width:], strict=True) if mark]
    return (*(written_out(row[place]) for place in places), list(dict.fromkeys(marks)))


def written_out(value: Any) -> str | None:
    """A value written out, so that it can be read as its type again."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case dict() | list() | tuple():
            text = json.dumps(value, default=str, ensure_ascii=False)
        case _:
            text = str(value)
    return text.encode("utf-8", "replace").decode("utf-8")


def _stage(connection: DuckConnection, rows: Sequence[tuple[Any, ...]], width: int, kept: str) -> None:
    import pyarrow as pa

    if not rows:
        return
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(values, pa.string()) for values in columns[:width]]
    arrays.append(pa.array(columns[width], pa.list_(pa.string())))
    names = [*(f"s{at}" for at in range(width)), "failed"]
    connection.raw.register("headgate_piece", pa.Table.from_arrays(arrays, names=names))
    try:
        connection.execute(f"INSERT INTO {_STAGED} SELECT {kept} FROM headgate_piece")  # noqa: S608 - names of ours
    finally:
        connection.raw.unregister("headgate_piece")


_TRUTH = "('true', 'false', '0', '1')"


def _kept(column: Column, at: int, reveal: Collection[str]) -> str:
    """What is kept of a column: what is masked is so from here on."""
    name = f"s{at}"
    if column.name in reveal:
        return name
    masked = masked_text(name)
    return f"CASE WHEN {name} IN {_TRUTH} THEN {name} ELSE {masked} END" if column.kind is Kind.BOOLEAN else masked


_TYPES = {
    Kind.INTEGER: ("BIGINT", "HUGEINT"),
    Kind.FLOAT: ("DOUBLE",),
    Kind.BOOLEAN: ("BOOLEAN",),
    Kind.DATE: ("DATE",),
    Kind.TIMESTAMP: ("TIMESTAMP",),
    Kind.TIMESTAMP_TZ: ("TIMESTAMPTZ",),
    Kind.TIME: ("TIME",),
}


def _typed(connection: DuckConnection, column: Column, at: int, reveal: Collection[str]) -> str:
    """A column as it is written: revealed ones in their type where all values are of it, as text where one is not."""
    name, shown = f"s{at}", identifier(column.name)
    if column.name not in reveal and column.kind is not Kind.BOOLEAN:
        return f"{name} AS {shown}"
    if column.kind is Kind.BINARY:
        return f"unhex({name}) AS {shown}"
    kinds = _TYPES.get(column.kind, ())
    if column.kind is Kind.DECIMAL:
        kinds = _decimal(connection, name)
    for kind in kinds:
        odd = f"SELECT count(*) FROM {_STAGED} WHERE {name} IS NOT NULL AND TRY_CAST({name} AS {kind}) IS NULL"  # noqa: S608
        if connection.execute(odd).rows[0][0] == 0:
            return f"CAST({name} AS {kind}) AS {shown}"
    return f"{name} AS {shown}"


def _decimal(connection: DuckConnection, name: str) -> tuple[str, ...]:
    """The decimal that holds all values, where there is one."""
    query = (
        f"SELECT max(length(split_part({name}, '.', 2))), max(length(ltrim(split_part({name}, '.', 1), '-'))) "  # noqa: S608
        f"FROM {_STAGED}"
    )
    scale, whole = (int(value or 0) for value in connection.execute(query).rows[0])
    return (f"DECIMAL(38, {scale})",) if scale + whole <= 38 else ()
