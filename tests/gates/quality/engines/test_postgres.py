"""The PostgreSQL engine on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gates.quality.engines.benches import PostgresBench
from tests.gates.quality.engines.contract import TABLES, EngineContract
from tests.testing.postgres import Postgres


@pytest.fixture(scope="module")
def bench(postgres: Postgres) -> Iterator[PostgresBench]:
    with postgres.database() as name:
        made = PostgresBench(postgres, name)
        for table in TABLES:
            made.make(table)
        yield made


class TestContract(EngineContract):
    """The contract of every engine."""
