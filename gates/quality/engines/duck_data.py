"""What a batch is made of in DuckDB: the views that stand for it, and what is known of it before it is read.

Parquet is read where it is. CSV and JSON lines are read once, into a table on disk beside the spill files: every further
query over text would parse all of it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from gates.quality.engines.base import QueryFailedError
from gates.quality.engines.duck_connection import DuckConnection
from gates.quality.engines.duck_dialect import kind_of
from gates.quality.engines.files import FileSet, listed, reader
from gates.quality.footers import Chunk, Footers, parse_bound
from gates.quality.metrics import Column, Kind, Schema
from gates.quality.planner import BATCH
from gates.quality.sql import column
from headgate.errors import ConfigError

POSITION = "headgate_position"
ROWS = f"{BATCH}_rows"
MOST_FILES = 2000
"""Statistics of more files than this are not read: there is one more list of them for each column."""

Footing = Callable[[Schema], Footers]


def table_of(name: str) -> exp.Expression:
    """A view under the alias that the planner's queries have for the batch."""
    return exp.Table(this=exp.to_identifier(name), alias=exp.TableAlias(this=exp.to_identifier(BATCH)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The batch as views: `BATCH`, and `ROWS` with the position if there is one. `footers` is asked for once. `rows`: how many.

    `addressed`: rows have a place by which they can be found again, though it means nothing to people. `shared`: a second
    connection sees it too.
    """

    footers: Footing
    rows: int
    positioned: bool = True
    addressed: bool = True
    shared: bool = True
    files: FileSet | None = field(default=None)


def from_files(connection: DuckConnection, files: FileSet) -> Data:
    """Views of files; text formats are loaded."""
    return _from_parquet(connection, files) if files.format == "parquet" else _from_text(connection, files)


def _from_parquet(connection: DuckConnection, files: FileSet) -> Data:
    source = reader(files)
    check_same_columns(connection, files)
    connection.execute(f"CREATE VIEW {BATCH} AS SELECT * FROM {source}")
    names = listed(files)
    counted = connection.execute(f"SELECT file_name, num_rows FROM parquet_file_metadata({names})").rows
    sizes = {str(name): int(rows) for name, rows in counted}
    starts, start = [], 0
    for path in files.paths:
        starts.append(start)
        start += sizes[path]
    place = "file_row_number" if len(starts) == 1 else f"({starts}::BIGINT[])[file_index::BIGINT + 1] + file_row_number"
    connection.execute(f"CREATE VIEW {ROWS} AS SELECT *, {place} AS {POSITION} FROM {source}")
    return Data(footers=lambda schema: _parquet_footers(connection, files, sizes, schema), rows=start, files=files)


def check_same_columns(connection: DuckConnection, files: FileSet) -> None:
    """Raise `ConfigError` if Parquet files differ in their columns.

    DuckDB takes the columns of the first file, and would pass over those that only others have.
    """
    if len(files.paths) == 1:
        return
    query = (
        "SELECT file_name, list((name, type, duckdb_type)) FROM "  # in the order of the file
        f"parquet_schema({listed(files)}) WHERE num_children IS NULL GROUP BY file_name"
    )
    shapes = {str(name): sorted(map(str, shape)) for name, shape in connection.execute(query).rows}
    first = files.paths[0]
    for path in files.paths[1:]:
        if shapes.get(path) != shapes.get(first):
            different = sorted(set(shapes.get(path, [])) ^ set(shapes.get(first, [])))
            raise ConfigError(
                f"its columns are not those of {first}: {', '.join(different[:5])}",
                where=path,
                next_step="Validate files of one table only, or write them with the same columns and types.",
            )


def _parquet_footers(connection: DuckConnection, files: FileSet, sizes: dict[str, int], schema: Schema) -> Footers:
    if len(files.paths) > MOST_FILES:
        return Footers(rows=tuple(sizes[path] for path in files.paths), columns={})
    query = (
        "SELECT file_name, row_group_id, path_in_schema, row_group_num_rows, stats_null_count, stats_min_value, "
        f"stats_max_value, total_uncompressed_size FROM parquet_metadata({listed(files)})"
    )
    place = {path: index for index, path in enumerate(files.paths)}
    rows = sorted(connection.execute(query).rows, key=lambda row: (place[str(row[0])], int(row[1])))
    groups: dict[tuple[str, int], int] = {(row[0], row[1]): int(row[3]) for row in rows}
    columns: dict[str, list[Chunk]] = {}
    for row in rows:
        columns.setdefault(str(row[2]), []).append(_chunk(row, schema.get(str(row[2]))))
    whole = {name: tuple(chunks) for name, chunks in columns.items() if len(chunks) == len(groups)}
    known = {name: chunks for name, chunks in whole.items() if schema.get(name) is not None}
    return Footers(rows=tuple(groups.values()), columns=known)


def _chunk(row: tuple[object, ...], found: Column | None) -> Chunk:
    nulls, low, high, size = row[4:8]
    kind = Kind.OTHER if found is None or found.native == "TIMESTAMP_NS" else found.kind
    return Chunk(
        nulls=None if nulls is None else int(str(nulls)),
        low=parse_bound(None if low is None else str(low), kind),
        high=parse_bound(None if high is None else str(high), kind),
        bytes=int(str(size or 0)),
    )


def _from_text(connection: DuckConnection, files: FileSet) -> Data:
    store = exp.Literal.string(str(connection.folder / "loaded.duckdb")).sql("duckdb")
    connection.execute(f"ATTACH {store} AS headgate_loaded")
    connection.execute(f"CREATE TABLE headgate_loaded.main.rows AS SELECT * FROM {reader(files)}")
    return from_table(connection, "headgate_loaded.main.rows", positioned=True)


def from_table(connection: DuckConnection, name: str, *, positioned: bool) -> Data:
    """Views of a table. Rows of one just loaded, none of them deleted, are numbered in the order they came in."""
    connection.execute(f"CREATE VIEW {BATCH} AS SELECT * FROM {name}")
    addressed = True
    try:
        connection.execute(f"CREATE VIEW {ROWS} AS SELECT *, rowid AS {POSITION} FROM {name}")
    except QueryFailedError:  # a view of somebody's
        if positioned:
            raise
        addressed = False
    return Data(
        footers=lambda schema: _table_footers(connection, schema),
        rows=_count(connection),
        positioned=positioned,
        addressed=addressed,
    )


def _count(connection: DuckConnection) -> int:
    return int(connection.execute(f"SELECT COUNT(*) FROM {BATCH}").rows[0][0])


def from_scan(connection: DuckConnection, name: str) -> Data:
    """Views of something DuckDB scans in order, such as an Arrow table."""
    connection.execute(f"CREATE TEMP VIEW {BATCH} AS SELECT * FROM {name}")
    connection.execute(f"CREATE TEMP VIEW {ROWS} AS SELECT *, row_number() OVER () - 1 AS {POSITION} FROM {name}")
    return Data(footers=lambda schema: _table_footers(connection, schema), rows=_count(connection), shared=False)


_SAMPLE = 50_000
_FEW = 5_000


def _table_footers(connection: DuckConnection, schema: Schema) -> Footers:
    """One group of all rows: bounds and nulls of the integer columns, and which texts have few values in a sample."""
    numbers = [found for found in schema.columns if found.kind is Kind.INTEGER]
    texts = [found for found in schema.columns if found.kind is Kind.STRING]
    values = ["COUNT(*)"]
    for found in numbers:
        name = column(found.name).sql("duckdb")
        values += [f"COUNT({name})", f"MIN({name})", f"MAX({name})"]
    row = connection.execute(f"SELECT {', '.join(values)} FROM {BATCH}").rows[0]
    rows = int(row[0])
    columns = {
        found.name: (Chunk(nulls=rows - int(row[at]), low=row[at + 1], high=row[at + 2]),)
        for found, at in zip(numbers, range(1, len(row), 3), strict=True)
    }
    if texts and rows:
        counts = ", ".join(f"approx_count_distinct({column(found.name).sql('duckdb')})" for found in texts)
        sample = connection.execute(f"SELECT {counts} FROM (SELECT * FROM {BATCH} LIMIT {_SAMPLE})").rows[0]
        columns |= {
            found.name: (Chunk(nulls=None, bytes=1 if count <= min(_FEW, rows / 10) else rows * 100),)
            for found, count in zip(texts, sample, strict=True)
        }
    return Footers(rows=(rows,), columns=columns)


def describe(connection: DuckConnection) -> Schema:
    """The columns of the batch."""
    try:
        rows = connection.execute(f"DESCRIBE {BATCH}").rows
    except QueryFailedError as exc:
        raise ConfigError("the columns cannot be read", next_step=f"DuckDB says: {exc}") from exc
    return Schema(columns=tuple(Column(name=row[0], kind=kind_of(row[1]), native=row[1]) for row in rows))
