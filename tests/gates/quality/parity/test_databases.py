"""The cases on databases: what Great Expectations says on pandas or on the same database, but for what is listed.

Where pandas and a database say the same, nobody is asked twice: only what is unlike pandas is a question to Great
Expectations on SQL, on SQLite first and then on the engine itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gates.quality.engines.duckdb import open_files
from gates.quality.engines.open import open_batch
from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.compare import differences
from tests.gates.quality.parity.conftest import Both
from tests.gates.quality.parity.differences import DIFFERENCES, Difference, explained
from tests.gates.quality.parity.load import load
from tests.gates.quality.parity.oracle import Oracle
from tests.gates.quality.parity.ours import judge, not_planned
from tests.gates.quality.parity.tables import tables
from tests.testing.mariadb import MariaDb, mariadb
from tests.testing.postgres import Postgres, postgres

__all__ = ["mariadb", "postgres"]

pytestmark = pytest.mark.timeout(400)  # all questions to Great Expectations are asked in the set-up of the first test

Answers = Mapping[str, Mapping[str, Any]]

NO_SUCH_VALUES = {
    "sqlite": ('"tz"',),
    "mysql": ('"tz"',),
    "postgres": (),
}
"""What a database cannot hold, by what is in the id of its cases: moments with zones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The cases on one engine, and what differs in each: those that agree are not in `unlike`."""

    engine: str
    cases: tuple[Case, ...]
    unlike: Mapping[str, list[str]]
    aside: Mapping[str, str]


def some_cases(engine: str) -> tuple[Case, ...]:
    """All for SQLite; for the servers every third one, and all that are listed as different or ask for LIKE."""
    possible = [case for case in all_cases() if not any(text in case.id for text in NO_SUCH_VALUES[engine])]
    if engine == "sqlite":
        return tuple(possible)
    return tuple(
        case
        for index, case in enumerate(possible)
        if index % 3 == 0 or case.oracle != "pandas" or explained(case, engine)
    )


@contextmanager
def sqlite_url(folder: Path) -> Iterator[str]:
    path = folder / "tables.db"
    connection = sqlite3.connect(path, isolation_level=None)
    load(
        tables(), "sqlite", lambda text, rows: connection.executemany(text, rows) if rows else connection.execute(text)
    )
    connection.close()
    yield f"sqlite:///{path}"


@contextmanager
def postgres_url(server: Postgres) -> Iterator[str]:
    with server.database() as name:
        with server.connect(name) as connection, connection.cursor() as cursor:
            load(
                tables(),
                "postgres",
                lambda text, rows: cursor.executemany(text, rows) if rows else cursor.execute(text),
            )
        yield server.url(name)


@contextmanager
def mysql_url(server: MariaDb) -> Iterator[str]:
    with server.database() as name:
        with server.connect(name) as connection, connection.cursor() as cursor:
            load(tables(), "mysql", lambda text, rows: cursor.executemany(text, rows) if rows else cursor.execute(text))
            connection.commit()
        yield server.url(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Our answers on one engine; `url` is for Great Expectations."""

    cases: tuple[Case, ...]
    ours: Answers
    url: str


def judged(engine: str, url: str, driver: str) -> Judged:
    cases = some_cases(engine)
    ours = judge(cases, lambda table: open_batch(url, table=table))
    return Judged(cases=cases, ours=ours, url=f"{driver}://{url.partition('://')[2]}")


def left(cases: Sequence[Case], ours: Answers, *theirs: Answers) -> list[Case]:
    """The cases that none of `theirs` answers alike."""
    aside = not_planned(ours)
    return [case for case in cases if case.id not in aside and all(unlike(case, ours, other) for other in theirs)]


def unlike(case: Case, ours: Answers, theirs: Answers) -> list[str]:
    if case.id not in theirs:
        return ["not asked"]
    return differences(theirs[case.id], ours[case.id], ordered=False)


def compared(engine: str, cases: Sequence[Case], ours: Answers, last: Answers, *before: Answers) -> Compared:
    return Compared(
        engine=engine,
        cases=tuple(cases),
        unlike={case.id: unlike(case, ours, last) for case in left(cases, ours, *before, last)},
        aside=not_planned(ours),
    )


@pytest.fixture(scope="module")
def ours(
    asked: Both, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, Judged]]:
    """Our answers on every engine that is here, made while Great Expectations is at work on pandas."""
    with ExitStack() as stack:
        url = stack.enter_context(sqlite_url(tmp_path_factory.mktemp("sqlite")))
        found = {"sqlite": judged("sqlite", url, "sqlite")}
        with suppress(pytest.skip.Exception):
            url = stack.enter_context(postgres_url(request.getfixturevalue("postgres")))
            found["postgres"] = judged("postgres", url, "postgresql+psycopg")
        with suppress(pytest.skip.Exception):
            url = stack.enter_context(mysql_url(request.getfixturevalue("mariadb")))
            found["mysql"] = judged("mysql", url, "mysql+pymysql")
        yield found


@pytest.fixture(scope="module")
def found(ours: Mapping[str, Judged], asked: Both, oracle: Oracle) -> Mapping[str, Compared]:
    """The comparison on every engine that is here."""
    before = [asked.answers()]
    done = {}
    for engine, mine in ours.items():
        theirs = oracle.ask(left(mine.cases, mine.ours, *before), "sql", mine.url).answers()
        done[engine] = compared(engine, mine.cases, mine.ours, theirs, *before)
        if engine == "sqlite":
            before.append(theirs)
    return done


def on(engine: str, found: Mapping[str, Compared]) -> Compared:
    if engine not in found:
        pytest.skip(f"no server for {engine}")
    return found[engine]


@pytest.mark.parametrize("engine", ["sqlite", "postgres", "mysql"])
def test_a_database_says_what_great_expectations_says(engine: str, found: Mapping[str, Compared]) -> None:
    here = on(engine, found)
    wrong = [
        f"{case.id}\n  " + "\n  ".join(text[:500] for text in here.unlike[case.id])
        for case in here.cases
        if case.id in here.unlike and not explained(case, engine)
    ]
    assert not wrong, f"{len(wrong)} cases differ:\n" + "\n".join(wrong)
    assert len(here.cases) - len(here.aside) >= 500


@pytest.mark.parametrize(("kind", "engine"), [("like_pattern", "postgres"), ("unexpected_rows", "sqlite")])
def test_what_only_sql_has_means_the_same_on_files(
    kind: str, engine: str, ours: Mapping[str, Judged], folder: Path
) -> None:
    """Great Expectations has neither patterns with LIKE nor queries on pandas: files are held to the database.

    But for the backslash: PostgreSQL's LIKE has it as the escape where none is given, DuckDB's has none then. And
    whole rows of SQLite have texts for times.
    """
    if engine not in ours:
        pytest.skip(f"no server for {engine}")
    cases = [
        case
        for case in ours[engine].cases
        if kind in case.type and "\\\\" not in case.id and "SELECT * FROM {batch} WHERE n > 3" not in case.id
    ]
    on_files = judge(cases, lambda table: open_files([folder / f"{table}.parquet"]))
    wrong = {case.id: unlike(case, on_files, ours[engine].ours) for case in cases}
    assert len(cases) > 5
    assert {name: found for name, found in wrong.items() if found} == {}


LISTED = [(difference, engine) for difference in DIFFERENCES for engine in difference.engines if engine != "duckdb"]


@pytest.mark.parametrize(
    ("difference", "engine"), LISTED, ids=[f"{difference.name} ({engine})" for difference, engine in LISTED]
)
def test_a_difference_that_is_listed_is_still_one(
    difference: Difference, engine: str, found: Mapping[str, Compared]
) -> None:
    here = on(engine, found)
    covered = [case for case in here.cases if difference.covers(case)]
    assert covered, "no case shows it"
    assert [case.id for case in covered if case.id not in here.unlike] == [], "these do not differ"
