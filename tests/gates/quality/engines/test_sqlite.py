"""The SQLite engine on a real file."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.gates.quality.engines.benches import SqliteBench
from tests.gates.quality.engines.contract import TABLES, EngineContract


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> SqliteBench:
    made = SqliteBench(tmp_path_factory.mktemp("sqlite"))
    for table in TABLES:
        made.make(table)
    return made


class TestContract(EngineContract):
    """The contract of every engine. Times are texts, decimals floats, booleans integers here."""

    exact_decimals = False
    exact_sums = False

    def comes_as(self, expected: Any, value: Any) -> bool:
        match expected:
            case datetime():
                return bool(value == expected.isoformat(sep=" "))
            case date():
                return bool(value == expected.isoformat())
            case Decimal():
                return bool(value == float(expected))
            case _:
                return bool(value == expected)
