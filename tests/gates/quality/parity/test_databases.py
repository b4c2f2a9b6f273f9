"""The cases on databases: what Great Expectations says on pandas or on the same database, but for what is listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gates.quality.engines.duckdb import open_files
from tests.gates.quality.parity.databases import Compared, Judged, unlike
from tests.gates.quality.parity.differences import DIFFERENCES, Difference, explained
from tests.gates.quality.parity.ours import judge

ENGINES = ("sqlite", "postgres", "mysql")


def on(engine: str, found: Mapping[str, Compared]) -> Compared:
    if engine not in found:
        pytest.skip(f"no server for {engine}")
    return found[engine]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_database_says_what_great_expectations_says(engine: str, found: Mapping[str, Compared]) -> None:
    here = on(engine, found)
    wrong = [
        f"{case.id}\n  " + "\n  ".join(text[:500] for text in here.unlike[case.id])
        for case in here.cases
        if case.id in here.unlike and not explained(case, engine)
    ]
    assert not wrong, f"{len(wrong)} cases differ:\n" + "\n".join(wrong)
    assert len(here.cases) - len(here.aside) >= 2000


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


LISTED = [(difference, engine) for difference in DIFFERENCES for engine in difference.engines if engine in ENGINES]


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
