"""The cases on Spark: what Great Expectations says on pandas or on SQL, or our own answer on a database.

That answer is held to Great Expectations in `test_databases`; Great Expectations on Spark itself takes minutes. All
cases are judged by success, observed value, counts and percentages; values and rows, a query each, for a sample.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from gates.quality.engines.open import Limits, open_batch
from gates.quality.engines.port import Batch
from gates.quality.engines.spark import connect
from gates.quality.metrics import Aggregate
from gates.quality.sql import column
from tests.gates.quality.parity.cases import Case, all_cases
from tests.gates.quality.parity.compare import differences
from tests.gates.quality.parity.conftest import Both
from tests.gates.quality.parity.databases import Answers, Compared, sqlite_url
from tests.gates.quality.parity.differences import DIFFERENCES, explained
from tests.gates.quality.parity.oracle import Oracle, write_tables
from tests.gates.quality.parity.ours import judge, not_planned
from tests.gates.quality.parity.test_random import batches, drawn, on_database, suites

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark: java is not installed"),
    pytest.mark.slow,
]
COUNTED = {"result_format": "SUMMARY", "partial_unexpected_count": 0}
COUNTS = (
    "observed_value",
    "element_count",
    "missing_count",
    "missing_percent",
    "unexpected_count",
    "unexpected_percent",
    "unexpected_percent_total",
    "unexpected_percent_nonmissing",
)
OTHER_FILES = "expect_table_row_count_to_equal_other_table"
"""The other table of files is a file: `test_another_table_is_another_file`."""


def counted_cases() -> tuple[Case, ...]:
    """Every case once, but not again for each way to show the result."""
    return tuple(case for case in all_cases() if case.result_format == "COMPLETE" and case.type != OTHER_FILES)


def sample() -> tuple[Case, ...]:
    """A case of every type, whose values and rows are shown; whose types are every database's."""
    taken: dict[str, list[Case]] = {}
    for case in counted_cases():
        if case.table in {"people", "pairs"} and not any(f'"{name}"' in case.id for name in ("tz", "f")):
            taken.setdefault(case.type, []).append(case)
    return tuple(cases[len(cases) // 2] for cases in taken.values())


@pytest.fixture(scope="module")
def spark() -> Iterator[None]:
    """One Spark for all batches, which starts fast."""
    with pytest.MonkeyPatch.context() as environment, ExitStack() as stack:
        environment.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        running = connect("local[2]", Limits(threads=2))
        stack.callback(running.close)
        yield


@pytest.fixture(scope="module")
def known(asked: Both, found: Mapping[str, Compared]) -> tuple[Answers, ...]:
    """All that may be said: by Great Expectations on pandas and on SQL, and by us where we are held to it."""
    theirs = [here.theirs for here in found.values()]
    held = [here.ours for here in found.values()]
    return (asked.answers(), *theirs, *held)


@pytest.fixture(scope="module")
def on_spark(spark: None, folder: Path) -> Answers:
    return judge([replace(case, result_format=COUNTED) for case in counted_cases()], opening(folder))


def opening(folder: Path) -> Any:
    def opened(table: str) -> Batch:
        return open_batch(str(folder / f"{table}.parquet"), engine="spark")

    return opened


def counts(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer without values and rows."""
    result = {key: answer["result"][key] for key in COUNTS if key in answer["result"]} if "result" in answer else {}
    return {**answer, "result": result}


def unlike_all(cases: Sequence[Case], ours: Answers, known: Sequence[Answers]) -> dict[str, list[str]]:
    """The cases that nobody answers alike, with what the last one who was asked says."""
    aside = not_planned(ours)
    found = {}
    for case in cases:
        if case.id in aside:
            continue
        asked = [answers[case.id] for answers in known if case.id in answers]
        told = [differences(answer, ours[case.id], ordered=False) for answer in asked]
        if not told or all(told):
            found[case.id] = told[0] if told else ["nobody was asked"]
    return found


def by_counts(answers: Answers) -> Answers:
    suffix = replace(counted_cases()[0], result_format=COUNTED).id.removeprefix(counted_cases()[0].id)
    return {name.removesuffix(suffix): counts(answer) for name, answer in answers.items()}


def test_every_case_is_counted_as_great_expectations_counts_it(on_spark: Answers, known: tuple[Answers, ...]) -> None:
    cases = counted_cases()
    ours = by_counts(on_spark)
    if len(known) < 5:
        pytest.skip("what Spark shares with PostgreSQL cannot be known: no server for it")
    wrong = unlike_all([case for case in cases if not explained(case, "spark")], ours, [*map(by_counts, known)])
    assert not wrong, "\n".join(f"{name}\n  {found}" for name, found in wrong.items())
    assert len(cases) - len(not_planned(ours)) >= 1500


@pytest.mark.parametrize(
    "difference", [entry for entry in DIFFERENCES if "spark" in entry.engines], ids=lambda difference: difference.name
)
def test_a_difference_that_is_listed_is_still_one(
    difference: Any, on_spark: Answers, known: tuple[Answers, ...]
) -> None:
    covered = [case for case in counted_cases() if difference.covers(case)]
    assert covered, "no case shows it"
    unlike = unlike_all(covered, by_counts(on_spark), [*map(by_counts, known)])
    assert [case.id for case in covered if case.id not in unlike] == []


def test_a_sample_shows_the_values_and_rows_that_great_expectations_shows(
    spark: None, folder: Path, known: tuple[Answers, ...]
) -> None:
    cases = [case for case in sample() if not explained(case, "spark")]
    ours = judge(cases, opening(folder))
    wrong = unlike_all(cases, ours, known)
    assert not wrong, "\n".join(f"{name}\n  {found}" for name, found in wrong.items())
    assert len(cases) - len(not_planned(ours)) >= 40


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(batch=batches(), suite=suites)
def test_random_suites_on_random_tables(
    spark: None, batch: pa.Table, suite: tuple[tuple[str, dict[str, Any]], ...], oracle: Oracle, tmp_path: Path
) -> None:
    """Counts are those of pandas, or ours on SQLite. Regular expressions are Java's, and left out."""
    cases = [case for case in drawn(suite) if "regex" not in case.type]
    asking = oracle.ask(cases, "pandas", str(write_tables({"random": batch}, tmp_path)))
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder, sqlite_url({"random": batch}, Path(folder)) as url:
        on_sqlite = on_database(cases, url, "sqlite").ours
    ours = by_counts(judge([replace(case, result_format=COUNTED) for case in cases], opening(tmp_path)))
    wrong = unlike_all(cases, ours, [by_counts(asking.answers()), by_counts(on_sqlite)])
    assert not wrong, "\n".join([*(f"{name}\n  {found}" for name, found in wrong.items()), str(batch.to_pydict())])


def test_another_table_is_another_file(spark: None, folder: Path) -> None:
    cases = [
        Case(table="people", type=OTHER_FILES, kwargs={"other_table_name": str(folder / f"{name}.parquet")})
        for name in ("people", "pairs", "empty", "nope")
    ]
    found = judge(cases, opening(folder))
    assert [(answer["success"], bool(answer["raised"])) for answer in found.values()] == [
        (True, False),
        (False, False),
        (False, False),
        (False, True),
    ]


def test_moments_do_not_depend_on_where_the_machine_is(
    spark: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = open_batch(str(folder / "people.parquet"), engine="spark")
    first = Aggregate(function="max", argument=column("tz"))
    try:
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        found = batch.compute([first])[first]
    finally:
        monkeypatch.undo()
        time.tzset()
        batch.close()
    assert found == datetime(2100, 1, 1, tzinfo=UTC)
