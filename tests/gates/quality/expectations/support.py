"""One table of every kind of column, and one expectation judged on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gates.quality.engines.open import open_batch
from gates.quality.engines.port import Batch
from gates.quality.metrics import Finding
from gates.quality.result_format import parse_result_format
from gates.quality.session import Job, run_suites
from gates.quality.suite import Expectation, parse_suite

COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "id": (pa.int64(), [1, 2, 3, 4, 5]),
    "n": (pa.int64(), [1, 2, 2, None, 7]),
    "f": (pa.float64(), [1.5, float("nan"), float("inf"), -2.0, None]),
    "g": (pa.float64(), [0.5, 1.5, 2.5, 3.5, 100.0]),
    "s": (pa.string(), ["a", "b", None, "é1", "a"]),
    "u": (pa.string(), ["a", "x", None, None, "b"]),
    "b": (pa.bool_(), [True, False, True, None, True]),
    "d": (pa.date32(), [date(2024, 1, 1), date(2024, 1, 2), None, date(2024, 2, 29), date(2023, 1, 1)]),
    "t": (pa.timestamp("us"), [datetime(2024, 1, day) if day else None for day in (1, 2, 3, 0, 1)]),  # noqa: DTZ001
    "z": (
        pa.timestamp("us", tz="UTC"),
        [datetime(2024, 1, day, tzinfo=UTC) if day else None for day in (1, 2, 3, 0, 1)],
    ),
    "p": (pa.decimal128(9, 2), [Decimal("0.10"), Decimal("1.25"), None, Decimal("3.00"), Decimal("2.00")]),
}


def write_table(path: Path, rows: int = 5) -> Path:
    table = pa.table({name: pa.array(values[:rows], type=kind) for name, (kind, values) in COLUMNS.items()})
    pq.write_table(table, path)
    return path


@contextmanager
def opened(path: Path) -> Iterator[Batch]:
    batch = open_batch(str(path))
    try:
        yield batch
    finally:
        batch.close()


def expectation(kind: str, **kwargs: Any) -> Expectation:
    entry = {"type": kind, "kwargs": kwargs}
    return parse_suite(json.dumps({"name": "s", "expectations": [entry]}).encode(), "s.json").expectations[0]


def judge(
    batch: Batch, kind: str, result_format: Any = "SUMMARY", parameters: dict[str, Any] | None = None, **kwargs: Any
) -> Finding | str:
    """What was found; the reason where it goes to Great Expectations itself."""
    suite = parse_suite(
        json.dumps({"name": "s", "expectations": [{"type": kind, "kwargs": kwargs}]}).encode(), "s.json"
    )
    job = Job(suite=suite, result_format=parse_result_format(result_format), parameters=parameters or {})
    (found,) = run_suites([job], batch)[0].judged
    return found.reason or found.finding
