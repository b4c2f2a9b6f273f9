"""One Great Expectations for all tests of this folder, and what it says on the cases; our answers are made meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.oracle import Asking, Oracle, write_tables
from tests.gates.quality.parity.tables import tables


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """The process; it starts while other things are done."""
    running = Oracle()
    yield running
    running.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The batches of the cases as Parquet files."""
    return write_tables(tables(), tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="session")
def cases() -> tuple[Case, ...]:
    """Those that pandas answers."""
    return tuple(case for case in all_cases() if case.oracle == "pandas")


@pytest.fixture(scope="session")
def asked(oracle: Oracle, folder: Path, cases: tuple[Case, ...]) -> Asking:
    """The oracle at work."""
    return oracle.ask(cases, "pandas", str(folder))
