"""The fallback: real runs of Great Expectations on files and on a database, and every way in which it can fail."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gates.quality.fallback import Source, run_fallback
from gates.quality.result_format import Level, ResultFormat
from gates.quality.worker_data import split_table

FRAME = pd.DataFrame({"when": ["2020-01-01", "x", None, "May 3"], "n": [1, 2, 3, 4], "a b": ["p", "q", "r", "s"]})
SCHEMA = {"type": "integer"}
ENTRIES: list[dict[str, Any]] = [
    {
        "type": "expect_column_values_to_be_dateutil_parseable",
        "kwargs": {"column": "when"},
        "id": "7f",
        "meta": {"a": 1},
    },
    {"type": "expect_column_values_to_match_json_schema", "kwargs": {"column": "a b", "json_schema": SCHEMA}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "n", "min_value": {"$PARAMETER": "low"}}},
    {"type": "expect_no_such_thing", "kwargs": {"column": "n"}},
    {"type": "expect_column_max_to_be_between", "kwargs": {"column": "nope", "max_value": 1}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "n"}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "a b", "regex": "(?!p)"}, "severity": "info"},
    {"type": "expect_column_max_to_be_between", "kwargs": {"column": "n", "max_value": {"$PARAMETER": "low + 2"}}},
    {"type": "expect_column_max_to_be_between", "kwargs": {"column": "n", "max_value": {"$PARAMETER": "nobody + 2"}}},
]


def run(entries: list[dict[str, Any]], source: Source, **settings: Any) -> tuple[dict[str, Any], ...]:
    form = settings.pop("result_format", ResultFormat(level=Level.COMPLETE))
    return run_fallback(
        entries,
        source,
        result_format=form,
        suite_parameters={"low": 2},
        timeout_s=settings.pop("timeout_s", 120.0),
        **settings,
    )


def raised(result: Mapping[str, Any]) -> str:
    assert result["success"] is False or not result["exception_info"]["raised_exception"]
    assert set(result["exception_info"]) == {"raised_exception", "exception_message", "exception_traceback"}
    return str(result["exception_info"]["exception_message"] or "")


@pytest.fixture(scope="module")
def on_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], ...]:
    folder = tmp_path_factory.mktemp("data")
    FRAME[:2].to_csv(folder / "1.csv", index=False)
    FRAME[2:].to_csv(folder / "2.csv.gz", index=False)
    with contextlib.chdir(folder):
        return run(ENTRIES, Source(data="*.csv*"))


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], ...]:
    path = tmp_path_factory.mktemp("data") / "shop.db"
    with sqlite3.connect(path) as connection:
        FRAME.to_sql("rows", connection, index=False)
    connection.close()
    query = {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n > 2"}
    asked = [*ENTRIES, {"type": "unexpected_rows_expectation", "kwargs": query}]
    return run(asked, Source(data=f"sqlite:///{path}", table="rows"), result_format=ResultFormat())


def test_files_are_judged_on_pandas(on_files: tuple[dict[str, Any], ...]) -> None:
    first = on_files[0]
    assert len(on_files) == len(ENTRIES)
    assert (raised(first), first["success"]) == ("", False)
    assert first["result"]["unexpected_list"] == ["x"]
    assert first["result"]["unexpected_index_list"] == [1]
    assert (first["result"]["element_count"], first["result"]["missing_count"]) == (4, 1)


def test_an_expectation_keeps_its_own_id_and_meta(on_files: tuple[dict[str, Any], ...]) -> None:
    config = on_files[0]["expectation_config"]
    assert (config["id"], config["meta"], config["type"]) == ("7f", {"a": 1}, ENTRIES[0]["type"])
    assert config["kwargs"]["column"] == "when"
    assert "batch_id" not in config["kwargs"]


@pytest.mark.parametrize("where", ["on_files", "on_sqlite"])
def test_what_cannot_be_judged_says_why_and_does_not_pass(where: str, request: pytest.FixtureRequest) -> None:
    results = request.getfixturevalue(where)
    assert "not found" in raised(results[3])
    assert "does not exist" in raised(results[4])
    assert "cannot both be None" in raised(results[5])
    assert not any(results[index]["success"] for index in (3, 4, 5))


@pytest.mark.parametrize("where", ["on_files", "on_sqlite"])
def test_parameters_of_the_suite_are_known(where: str, request: pytest.FixtureRequest) -> None:
    result = request.getfixturevalue(where)[2]
    assert raised(result) == ""
    assert (result["result"]["unexpected_count"], result["result"]["partial_unexpected_list"]) == (1, [1])


@pytest.mark.parametrize("where", ["on_files", "on_sqlite"])
def test_an_expression_of_parameters_is_computed_and_one_that_means_nothing_takes_no_other_with_it(
    where: str, request: pytest.FixtureRequest
) -> None:
    computed, meaningless = request.getfixturevalue(where)[7:9]
    assert (raised(computed), computed["success"], computed["result"]["observed_value"]) == ("", True, 4)
    assert "SuiteParameterError" in raised(meaningless)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("bigquery://project/shop", "pip install 'sqlalchemy-bigquery'"),
        ("snowflake://user@account/shop", "pip install 'snowflake-sqlalchemy'"),
        ("spark://local", "Name the files of the table by their path"),
    ],
)
def test_where_great_expectations_cannot_go_that_is_said_with_a_way_out(data: str, said: str) -> None:
    """Nothing is started for it: the modules that it would need are not installed with Headgate."""
    (result,) = run(ENTRIES[:1], Source(data=data, table="t"), timeout_s=0.001)
    assert said in raised(result)
    assert "unexpected_rows_expectation" in raised(result)


def test_a_database_is_asked_in_sql(on_sqlite: tuple[dict[str, Any], ...]) -> None:
    assert (raised(on_sqlite[-1]), on_sqlite[-1]["success"]) == ("", False)
    assert on_sqlite[-1]["result"]["observed_value"] == 2
    # What only pandas can do is not done in SQL, and says so.
    assert "SqlAlchemyExecutionEngine" in raised(on_sqlite[0])


def test_what_does_not_hold_is_told_in_the_form_asked_for(on_files: tuple[dict[str, Any], ...]) -> None:
    assert on_files[6]["result"]["unexpected_list"] == []
    assert on_files[6]["success"] is True
    assert on_files[6]["expectation_config"]["severity"] == "info"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (Source(data="nowhere/*.parquet"), "there is no data file"),
        (Source(data="postgresql://u:secret@127.0.0.1:1/shop", table="t"), "TestConnectionError"),
    ],
)
def test_data_that_cannot_be_read_is_an_error_of_every_expectation(source: Source, said: str) -> None:
    results = run(ENTRIES[:2], source)
    assert [said in raised(result) for result in results] == [True, True]
    assert "secret" not in json.dumps(results)
    assert results[0]["expectation_config"]["id"] == "7f"


def test_nothing_to_judge_starts_nothing() -> None:
    assert run([], Source(data="nowhere"), timeout_s=0.001) == ()


@pytest.mark.parametrize(
    ("worker", "timeout_s", "said"),
    [
        ("this", 60.0, "the engine left no result (status 0)"),
        ("no_such_module", 60.0, "No module named no_such_module"),
        ("gates.quality.worker", 0.05, "were not done within 0.05 s"),
    ],
)
def test_a_worker_must_leave_a_result_whatever_its_status(worker: str, timeout_s: float, said: str) -> None:
    (result,) = run(ENTRIES[:1], Source(data="x.csv"), worker=worker, timeout_s=timeout_s)
    assert said in raised(result)


ANSWER: dict[str, Any] = {"index": 0, "success": True, "result": {}, "exception_info": {"raised_exception": False}}
BY_METRIC = {"some metric": {"raised_exception": True, "exception_message": "why"}}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "cannot be read"),
        (json.dumps({"version": 9, "suites": [{"results": [ANSWER]}]}), "version 9"),
        (json.dumps({"version": 1, "suites": []}), "version 1"),
        (json.dumps({"version": 1, "suites": [{"results": []}]}), "returned no result"),
        (json.dumps({"version": 1, "suites": [{"results": [ANSWER, ANSWER]}]}), "returned no result"),
        (json.dumps({"version": 1, "suites": [{"results": [{**ANSWER, "index": 5}]}]}), "returned no result"),
        (json.dumps({"version": 1, "suites": [{"results": [{**ANSWER, "success": None}]}]}), "success"),
        (json.dumps({"version": 1, "suites": [{"error": "broken", "results": []}]}), "broken"),
        (json.dumps({"version": 1, "suites": [{"results": [{**ANSWER, "exception_info": BY_METRIC}]}]}), "why"),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error(
    document: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "worker_that_writes.py"
    module.write_text(
        f"import json, pathlib, sys\npathlib.Path(json.load(sys.stdin)['result']).write_text({document!r})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (result,) = run(ENTRIES[:1], Source(data="x.csv"), worker=module.stem)
    assert said in raised(result)
    assert result["success"] is False


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("orders", (None, "orders")),
        ("shop.orders", ("shop", "orders")),
        ('"a.b"."c"', ("a.b", "c")),
        ('shop."it""s"', ("shop", 'it"s')),
        ("db.shop.orders", ("db.shop", "orders")),
    ],
)
def test_names_of_tables(name: str, parts: tuple[str | None, str]) -> None:
    assert split_table(name) == parts
