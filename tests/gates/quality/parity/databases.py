"""The batches in real databases, our answers on them, and the comparison with Great Expectations."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gates.quality.engines.open import open_batch
from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.compare import differences
from tests.gates.quality.parity.differences import explained
from tests.gates.quality.parity.load import Tables, load
from tests.gates.quality.parity.ours import judge, not_planned
from tests.testing.mariadb import MariaDb
from tests.testing.postgres import Postgres

Answers = Mapping[str, Mapping[str, Any]]

NO_SUCH_VALUES = {
    "sqlite": ('"tz"', '"zoned_a"'),
    "mysql": ('"tz"', '"zoned_a"'),
    "postgres": (),
}
"""What a database cannot hold, by what is in the id of its cases: moments with zones."""


@contextmanager
def sqlite_url(tables: Tables, folder: Path) -> Iterator[str]:
    path = folder / "tables.db"
    connection = sqlite3.connect(path, isolation_level=None)
    load(tables, "sqlite", lambda text, rows: connection.executemany(text, rows) if rows else connection.execute(text))
    connection.close()
    yield f"sqlite:///{path}"


@contextmanager
def postgres_url(tables: Tables, server: Postgres) -> Iterator[str]:
    with server.database() as name:
        with server.connect(name) as connection, connection.cursor() as cursor:
            load(
                tables,
                "postgres",
                lambda text, rows: cursor.executemany(text, rows) if rows else cursor.execute(text),
            )
        yield server.url(name)


@contextmanager
def mysql_url(tables: Tables, server: MariaDb) -> Iterator[str]:
    with server.database() as name:
        with server.connect(name) as connection, connection.cursor() as cursor:
            load(tables, "mysql", lambda text, rows: cursor.executemany(text, rows) if rows else cursor.execute(text))
            connection.commit()
        yield server.url(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Our answers on one engine; `url` is for Great Expectations."""

    cases: tuple[Case, ...]
    ours: Answers
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The cases on one engine, and what differs in each: those that agree are not in `unlike`.

    `theirs` is what Great Expectations said on the engine itself, where it was asked.
    """

    cases: tuple[Case, ...]
    unlike: Mapping[str, list[str]]
    aside: Mapping[str, str]
    ours: Answers
    theirs: Answers


def possible_cases(engine: str) -> tuple[Case, ...]:
    """All cases but those with values that the engine cannot hold.

    Ways to show a result are nothing of a server's: the servers have a third of those.
    """
    possible = [case for case in all_cases() if not any(text in case.id for text in NO_SUCH_VALUES[engine])]
    return tuple(
        case
        for index, case in enumerate(possible)
        if engine == "sqlite" or case.result_format == "COMPLETE" or index % 3 == 0
    )


def judged(engine: str, url: str, driver: str) -> Judged:
    cases = possible_cases(engine)
    ours = judge(cases, lambda table: open_batch(url, table=f'"{table}"'))
    return Judged(cases=cases, ours=ours, url=f"{driver}://{url.partition('://')[2]}")


def left(engine: str, cases: Sequence[Case], ours: Answers, *theirs: Answers) -> list[Case]:
    """The cases to ask about: those that none of `theirs` answers alike, and all that are listed as different."""
    aside = not_planned(ours)
    return [
        case
        for case in cases
        if case.id not in aside and (explained(case, engine) or all(unlike(case, ours, other) for other in theirs))
    ]


def unlike(case: Case, ours: Answers, theirs: Answers) -> list[str]:
    if case.id not in theirs:
        return ["not asked"]
    return differences(theirs[case.id], ours[case.id], ordered=False)


def compared(engine: str, mine: Judged, last: Answers, *before: Answers) -> Compared:
    """Unlike is what none of the oracles says, and what is listed as different from Great Expectations here."""
    aside = not_planned(mine.ours)
    found: dict[str, list[str]] = {}
    for case in mine.cases:
        if case.id in aside:
            continue
        others = () if explained(case, engine) else before
        if all(unlike(case, mine.ours, other) for other in (*others, last)):
            found[case.id] = unlike(case, mine.ours, last)
    return Compared(cases=mine.cases, unlike=found, aside=aside, ours=mine.ours, theirs=last)
