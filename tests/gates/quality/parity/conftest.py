"""Great Expectations for all tests of this folder, and what it says on the cases; our answers are made meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.gates.quality.parity.cases import all_cases
from tests.gates.quality.parity.databases import (
    Compared,
    Judged,
    compared,
    judged,
    left,
    mysql_url,
    postgres_url,
    sqlite_url,
)
from tests.gates.quality.parity.oracle import Asking, Oracle, write_tables
from tests.gates.quality.parity.tables import tables
from tests.testing.mariadb import MariaDb, mariadb
from tests.testing.postgres import Postgres, postgres

__all__ = ["mariadb", "postgres"]


@pytest.fixture(scope="session")
def oracles() -> Iterator[tuple[Oracle, Oracle]]:
    """Two processes, for two cores; they start while other things are done."""
    running = Oracle(), Oracle()
    yield running
    for one in running:
        one.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All questions to Great Expectations are asked in the set-up of whichever test comes first: a busy machine's time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))


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


@pytest.fixture(scope="session")
def ours(
    asked: Both, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Judged]]:
    """Our answers on every database that is here, made while Great Expectations is at work on pandas."""
    with ExitStack() as stack:
        url = stack.enter_context(sqlite_url(tables(), tmp_path_factory.mktemp("sqlite")))
        found = {"sqlite": judged("sqlite", url, "sqlite")}
        with suppress(pytest.skip.Exception):
            url = stack.enter_context(postgres_url(tables(), request.getfixturevalue("postgres")))
            found["postgres"] = judged("postgres", url, "postgresql+psycopg")
        with suppress(pytest.skip.Exception):
            url = stack.enter_context(mysql_url(tables(), request.getfixturevalue("mariadb")))
            found["mysql"] = judged("mysql", url, "mysql+pymysql")
        yield found


@pytest.fixture(scope="session")
def found(ours: Mapping[str, Judged], asked: Both, oracles: tuple[Oracle, Oracle]) -> Mapping[str, Compared]:
    """The comparison on every database that is here.

    Where pandas and a database say the same, nobody is asked twice: only what is unlike pandas, and what is listed as
    different, is a question to Great Expectations on SQL, on SQLite first and then on the engine itself.
    """
    before = [asked.answers()]
    done = {}
    for engine, mine in ours.items():
        cases = left(engine, mine.cases, mine.ours, *before)
        halves = (oracle.ask(cases[at::2], "sql", mine.url) for at, oracle in enumerate(oracles))
        theirs = Both(*halves).answers()
        done[engine] = compared(engine, mine, theirs, *before)
        if engine == "sqlite":
            before.append(theirs)
    return done


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> tuple[Postgres | None, MariaDb | None]:
    """The servers that can be started here."""
    found: list[Any] = []
    for name in ("postgres", "mariadb"):
        try:
            found.append(request.getfixturevalue(name))
        except pytest.skip.Exception:
            found.append(None)
    return found[0], found[1]
