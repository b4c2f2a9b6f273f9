"""The worker's batches: data frames for files, tables of a database through SQLAlchemy."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A batch of Great Expectations; `frame` and the counts only where the rows are here."""

    batch: Any
    frame: Any = None
    rows: int | None = None
    file_rows: tuple[int, ...] = ()


def open_task(context: Any, task: Mapping[str, Any]) -> Opened:
    """The batch of one task of the worker. Whatever is raised says why it cannot be read."""
    source = task.get("source")
    if source is not None and source["kind"] == "database":
        return _open_table(context, source["url"], source["table"])
    if source is not None:
        frame, file_rows = _read_source(source, task.get("columns"))
    else:
        frame, file_rows = read_files(task["files"])
    asset = context.data_sources.add_or_update_pandas("frames").add_dataframe_asset("batch")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    return Opened(batch=whole.get_batch({"dataframe": frame}), frame=frame, rows=len(frame), file_rows=tuple(file_rows))


def _open_table(context: Any, url: str, table: str | None) -> Opened:
    if not table:
        raise ValueError("a database needs the name of a table")
    schema, name = split_table(table)
    database = context.data_sources.add_or_update_sql("database", connection_string=url)
    asset = database.add_table_asset("batch", table_name=name, schema_name=schema)
    return Opened(batch=asset.add_batch_definition_whole_table("whole").get_batch())


def split_table(table: str) -> tuple[str | None, str]:
    """`schema.table` in two; dots inside double quotes belong to a name, a doubled quote stands for itself."""
    names = [_unquoted(part) for part in re.findall(r'(?:"(?:[^"]|"")*"|[^".])+', table)]
    return ".".join(names[:-1]) or None, names[-1]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if len(name) > 1 and name[0] == name[-1] == '"' else name


def _read_source(source: Mapping[str, Any], columns: list[str] | None) -> tuple[Any, list[int]]:
    """The rows as DuckDB reads them, so that an expectation means the same wherever it is judged."""
    from gates.quality.engines.duckdb import open_batch
    from gates.quality.engines.open import Limits
    from gates.quality.planner import BATCH

    with contextlib.closing(open_batch(source["data"], source["table"], Limits())) as batch:
        known = [column.name for column in batch.schema().columns]
        wanted = [name for name in known if columns is None or name in columns]
        # A batch without columns has no rows either: the first column stands for all.
        names = ", ".join(_quoted(name) for name in wanted or known[:1])
        frame = batch.connection.raw.execute(f"SELECT {names} FROM {BATCH}").to_arrow_table().to_pandas()  # noqa: S608 - quoted
    return frame, [len(frame)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read_files(files: list[str]) -> tuple[Any, list[int]]:
    """All files as one frame with a running index, and the rows of each. Refuses files of different columns."""
    import pandas as pd

    frames = [_read_one(Path(file)) for file in files]
    first = set(frames[0].columns)
    for file, frame in zip(files, frames, strict=True):
        # Concatenating would fill the gap with nulls and blame the wrong rows.
        if differing := first.symmetric_difference(frame.columns):
            named = ", ".join(sorted(map(str, differing)))
            raise ValueError(f"{Path(file).name} and {Path(files[0]).name} differ in the columns {named}")
    whole = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0].reset_index(drop=True)
    return whole, [len(frame) for frame in frames]


def _read_one(path: Path) -> Any:
    import pandas as pd

    name = path.name.removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        return pd.read_parquet(path)
    if name.endswith(".csv"):
        return pd.read_csv(path)
    if name.endswith((".jsonl", ".ndjson", ".json")):
        # As written: pandas would turn "007" into 7 and columns named like dates into dates.
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False)
    raise ValueError(f"{path.name} is neither Parquet, CSV nor JSON lines")
