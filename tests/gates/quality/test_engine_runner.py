"""The gate's runner on the engine: one scan for suites on the same data, failing rows by file, position and key."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from gates.quality.engine_runner import ChosenRunner, EngineRunner, open_job
from gates.quality.engines.open import Limits
from gates.quality.engines.port import Batch
from gates.quality.gate import QualityCheck, run_quality
from gates.quality.metrics import Metric, Values
from gates.quality.runner import Example, ExpectationResult, SuiteJob, SuiteResult
from gates.quality.suite import Suite, parse_suite
from gates.verdict import Outcome
from headgate.clock import SystemClock
from headgate.errors import UnreachableError
from tests.testing.quality_batch import CannedBatch
from tests.testing.suites import CannedRunner
from tests.testing.tables import write_rows

POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}


def suite(*entries: Mapping[str, Any], name: str = "s") -> Suite:
    return parse_suite(json.dumps({"name": name, "expectations": list(entries)}).encode(), f"{name}.json")


def job(*entries: Mapping[str, Any], files: Sequence[Path] = (), name: str = "orders", **settings: Any) -> SuiteJob:
    return SuiteJob(name=name, suite=suite(*entries), files=tuple(files), **settings)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three files of ten rows; row 14 of all has a negative amount, and its id is that of row 2."""
    with duckdb.connect() as connection:
        for number in range(3):
            amount = f"CASE WHEN range = 4 AND {number} = 1 THEN -3.25 ELSE range END"
            key = f"CASE WHEN range = 4 AND {number} = 1 THEN 2 ELSE range + {10 * number} END"
            connection.execute(
                f"COPY (SELECT {key} AS id, {amount} AS amount FROM range(10)) TO '{tmp_path / f'{number}.parquet'}'"
            )
    return sorted(tmp_path.glob("*.parquet"))


class Watched:
    """Opens as the gate does, and keeps the batches."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.limits: list[Limits] = []

    def __call__(self, files: Sequence[Path], data: str, table: str | None, limits: Limits) -> Batch:
        self.batches.append(open_job(files, data, table, limits))
        self.limits.append(limits)
        return self.batches[-1]


def found(results: Mapping[str, SuiteResult], name: str = "orders") -> SuiteResult:
    assert not results[name].error
    return results[name]


def test_a_failing_row_is_named_by_file_position_and_key(files: list[Path]) -> None:
    result = found(EngineRunner().run([job(POSITIVE, NOT_NULL, files=files, key=("id", "gone"))], timeout_s=60.0))
    failed, held = result.results
    assert (failed.success, failed.unexpected_count, failed.element_count) == (False, 1, 30)
    assert failed.examples == (Example(value=failed.examples[0].value, row=14, key=(("id", 2),)),)
    assert float(failed.examples[0].value) == -3.25
    assert held.success is True
    assert (result.row_count, result.file_rows, result.engine) == (30, (10, 10, 0), "duckdb")


def test_without_failing_rows_files_are_not_counted(files: list[Path]) -> None:
    watched = Watched()
    result = found(EngineRunner(open_batch=watched).run([job(NOT_NULL, files=files)], timeout_s=60.0))
    assert (result.row_count, result.file_rows, len(watched.batches)) == (30, (), 1)


def test_suites_on_the_same_data_share_one_scan(files: list[Path]) -> None:
    alone, together = Watched(), Watched()
    EngineRunner(open_batch=alone).run([job(POSITIVE, UNIQUE, files=files[:1])], timeout_s=60.0)
    jobs = [job(POSITIVE, name="a", files=files[:1]), job(UNIQUE, NOT_NULL, name="b", files=files[:1])]
    results = EngineRunner(open_batch=together).run(jobs, timeout_s=60.0)
    assert [entry.success for name in "ab" for entry in found(results, name).results] == [True, True, True]
    assert len(together.batches) == 1
    assert len(together.batches[0].queries) == len(alone.batches[0].queries)


def test_suites_on_other_data_have_their_own_batch(files: list[Path]) -> None:
    watched = Watched()
    jobs = [
        job(NOT_NULL, name="a", files=files[:1]),
        job(NOT_NULL, name="b", files=files[1:]),
        job(NOT_NULL, name="c", files=files[1:], memory_limit_mb=200),
    ]
    results = EngineRunner(open_batch=watched).run(jobs, timeout_s=60.0)
    assert [results[name].row_count for name in "abc"] == [10, 20, 20]
    assert [limits.memory_limit_mb for limits in watched.limits] == [None, None, 200]


def test_data_that_cannot_be_read_is_an_error_of_its_own_jobs_only(tmp_path: Path, files: list[Path]) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing else")
    jobs = [job(NOT_NULL, name="bad", files=(broken,)), job(NOT_NULL, name="good", files=files)]
    results = EngineRunner().run(jobs, timeout_s=60.0)
    assert results["bad"].error
    assert results["bad"].fix
    assert found(results, "good").results[0].success


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UnreachableError("connection lost", where="db", next_step="Look."), "db: connection lost"),
        (RuntimeError("a driver's surprise"), "RuntimeError: a driver's surprise"),
        (ModuleNotFoundError("No module named 'psycopg'"), "No module named 'psycopg'"),
    ],
)
def test_an_engine_that_breaks_is_an_error_and_is_closed(error: Exception, said: str) -> None:
    class Broken(CannedBatch):
        def compute(self, metrics: Sequence[Metric]) -> Values:
            raise error

    batch = Broken()
    results = EngineRunner(open_batch=lambda *_: batch).run([job(NOT_NULL, data="postgresql://db/x")], timeout_s=60.0)
    assert (results["orders"].error, results["orders"].results) == (said, ())
    assert batch.closed


def test_time_that_is_over_is_an_error(files: list[Path]) -> None:
    results = EngineRunner().run([job(NOT_NULL, files=files)], timeout_s=1e-6)
    assert "not done within" in results["orders"].error


def test_rows_of_a_database_are_named_by_their_key(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (id INTEGER, amount REAL)")
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [(1, 2.5), (2, -3.25), (3, 0.0)])
    connection.close()
    asked = job(POSITIVE, UNIQUE, key=("id",), data=f"sqlite:///{tmp_path / 'shop.db'}", table="orders")
    result = found(EngineRunner().run([asked], timeout_s=60.0))
    assert [entry.success for entry in result.results] == [False, True]
    assert result.results[0].examples == (Example(value=-3.25, row=None, key=(("id", 2),)),)
    assert (result.row_count, result.file_rows, result.engine) == (3, (), "sqlite")


def test_each_job_goes_to_the_runner_that_it_names() -> None:
    held = ExpectationResult(index=0, success=True)
    one = CannedRunner(SuiteResult(name="a", results=(held,)), SuiteResult(name="c", results=(held,)))
    two = CannedRunner(SuiteResult(name="b", results=(held,), engine="gx"))
    runner = ChosenRunner(runners={"headgate": one, "great_expectations": two})
    jobs = [job(name="a", engine="headgate"), job(name="b", engine="great_expectations"), job(name="c")]
    results = runner.run(jobs, timeout_s=1.0)
    assert {name: result.engine for name, result in results.items()} == {"a": "canned", "b": "gx", "c": "canned"}
    assert [entry.name for entry in one.asked] == ["a", "c"]


def test_failing_rows_are_set_aside(tmp_path: Path) -> None:
    """Beside the verdict, which says so; that they cannot be written changes nothing about it."""
    write_rows(tmp_path / "o.csv", {"id": "INTEGER", "v": "INTEGER"}, [[1, 5], [2, -1], [3, None]])
    entries = [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "v", "min_value": 0}},
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "v", "min_value": 100}},
    ]
    (tmp_path / "s.json").write_text(json.dumps({"name": "s", "expectations": entries}))
    (tmp_path / "file").write_text("")
    messages = {}
    for folder in ("bad", "file"):
        check = QualityCheck(name="orders", suite="s.json", data="o.csv", key=("id",), quarantine=folder)
        verdict = run_quality([check], root=tmp_path, runner=EngineRunner(), clock=SystemClock()).children[0]
        assert verdict.outcome is Outcome.FAIL
        messages[folder] = verdict.message
    assert messages == {
        "bad": "2 of 3 checks did not pass; 1 failing rows set aside as orders.parquet, without those of 1 expectations",
        "file": "2 of 3 checks did not pass; the failing rows are not set aside: the failing rows cannot be written: "
        "File exists",
    }
    with duckdb.connect() as connection:
        assert connection.sql(f"SELECT id, v FROM '{tmp_path}/bad/orders.parquet'").fetchall() == [(2, "-*")]
