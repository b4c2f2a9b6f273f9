"""The MySQL engine on a real MariaDB server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gates.quality.metrics import Kind
from tests.gates.quality.engines.benches import MariaDbBench
from tests.gates.quality.engines.contract import TABLES, EngineContract
from tests.testing.mariadb import MariaDb


@pytest.fixture(scope="module")
def bench(mariadb: MariaDb) -> Iterator[MariaDbBench]:
    with mariadb.database() as name:
        made = MariaDbBench(mariadb, name)
        for table in TABLES:
            made.make(table)
        yield made


class TestContract(EngineContract):
    """The contract of every engine."""

    def kinds_for(self, kind: Kind) -> tuple[Kind, ...]:
        return (Kind.INTEGER,) if kind is Kind.BOOLEAN else ()
