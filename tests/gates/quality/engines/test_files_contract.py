"""The contract of every engine, for DuckDB on Parquet files."""

from __future__ import annotations

import pytest

from tests.gates.quality.engines.benches import FileBench
from tests.gates.quality.engines.contract import TABLES, EngineContract


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> FileBench:
    made = FileBench(tmp_path_factory.mktemp("files"), "duckdb")
    for table in TABLES:
        made.make(table)
    return made


class TestContract(EngineContract):
    """The contract of every engine."""
