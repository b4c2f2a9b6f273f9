"""Small tables as files, and their comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from gates.quality.compare.causes import name_causes
from gates.quality.compare.decide import Policy, evaluate_comparison
from gates.quality.compare.fetch import fetch_comparison
from gates.quality.compare.model import Cause, Comparison, Question
from gates.quality.compare.source import Side
from gates.verdict import Verdict


def write_query(path: Path, query: str, *, options: str = "FORMAT parquet") -> Path:
    """What `query` returns, as a file of the form that `options` say."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        target = str(path).replace("'", "''")
        connection.execute(f"COPY ({query}) TO '{target}' ({options})")
    return path


def write_rows(path: Path, columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> Path:
    """`rows` as Parquet, or as CSV or JSON lines where the name says so; `columns` gives DuckDB's type of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name.replace('"', '""') for name in columns]
    listed = ", ".join(f'"{name}" {native}' for name, native in zip(names, columns.values(), strict=True))
    options = {".csv": "FORMAT csv, HEADER", ".jsonl": "FORMAT json"}.get(path.suffix, "FORMAT parquet")
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t ({listed})")
        if rows:
            connection.executemany(
                f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})", [list(row) for row in rows]
            )
        target = str(path).replace("'", "''")
        connection.execute(f"COPY t TO '{target}' ({options})")
    return path


def compared(base: Path | str, head: Path | str, *key: str, **settings: Any) -> Comparison:
    """The comparison of two paths."""
    return fetch_comparison(Side(data=str(base)), Side(data=str(head)), Question(key=key, **settings))


def judged(comparison: Comparison, **policy: Any) -> Verdict:
    return evaluate_comparison(comparison, Policy(**policy))


def leaf(verdict: Verdict, name: str) -> Verdict:
    return next(node for node in verdict.leaves() if node.name == name)


def only_cause(comparison: Comparison, *reveal: str) -> Cause:
    (cause,) = name_causes(comparison, reveal)
    return cause
