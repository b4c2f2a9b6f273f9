"""Great Expectations for all tests of this folder, and what it says on the cases; our answers are made meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gates.quality.parity.cases import all_cases
from tests.gates.quality.parity.oracle import Asking, Oracle, write_tables
from tests.gates.quality.parity.tables import tables


@pytest.fixture(scope="session")
def oracles() -> Iterator[tuple[Oracle, Oracle]]:
    """Two processes, for two cores; they start while other things are done."""
    running = Oracle(), Oracle()
    yield running
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def oracle(oracles: tuple[Oracle, Oracle], asked: Both) -> Oracle:
    """One that is free as soon as the cases are answered."""
    asked.answers()
    return oracles[0]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The batches of the cases as Parquet files."""
    return write_tables(tables(), tmp_path_factory.mktemp("tables"))


class Both:
    """Cases that two processes are at work on, half each."""

    def __init__(self, *halves: Asking) -> None:
        self._halves = halves

    def answers(self) -> dict[str, dict[str, Any]]:
        return {name: answer for half in self._halves for name, answer in half.answers().items()}


@pytest.fixture(scope="session")
def asked(oracles: tuple[Oracle, Oracle], folder: Path) -> Both:
    """The cases that pandas answers, being answered."""
    cases = [case for case in all_cases() if case.oracle == "pandas"]
    first, second = (oracle.ask(cases[at::2], "pandas", str(folder)) for at, oracle in enumerate(oracles))
    return Both(first, second)
