"""Great Expectations itself: one real run shared by all tests here, and everything a worker may leave instead."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gates.quality.reference import ReferenceRunner, parse_result
from gates.quality.runner import ExpectationResult, SuiteJob, SuiteResult
from gates.quality.suite import parse_suite
from headgate import process

MAILS = ["alice@example.com", "nobody", None, "bob@example.com", "x@y.z"]
ENTRIES: list[dict[str, Any]] = [
    {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}},
    {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "mail", "regex": "@"}, "unknown": {"a": 1}},
    {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "amount", "min_value": 100}, "id": "b1"},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "nope", "min_value": 1}},
    {"type": "expect_no_such_thing", "kwargs": {"column": "id"}},
    {"type": "expect_column_values_to_be_between", "kwargs": {"column": "id"}},
    {
        "type": "expect_column_quantile_values_to_be_between",
        "kwargs": {"column": "id", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[3, 3]]}},
    },
    {
        "type": "expect_column_quantile_values_to_be_between",
        "kwargs": {"column": "id", "quantile_ranges": {"quantiles": [1.0], "value_ranges": [[5, 5]]}},
    },
    {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}, "severity": "warning", "meta": {"n": 1}},
    {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "code", "value_set": ["007"]}},
    {"type": "expect_table_row_count_to_equal", "kwargs": {"value": {"$PARAMETER": "rows"}}},
]


def job(name: str, files: tuple[Path, ...], entries: list[dict[str, Any]], **settings: Any) -> SuiteJob:
    text = json.dumps({"name": name, "expectations": entries, "suite_parameters": {"rows": 5}})
    return SuiteJob(name=name, suite=parse_suite(text.encode(), f"{name}.json"), files=files, **settings)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, SuiteResult]:
    folder = tmp_path_factory.mktemp("data")
    frame = pd.DataFrame(
        {"id": [1, 2, 3, 4, 5], "mail": MAILS, "amount": [1.0, 2.0, 3.0, 4.0, -5.5], "code": ["007"] * 5}
    )
    frame[:2].to_parquet(folder / "a.parquet")
    frame[2:].to_parquet(folder / "b.parquet")
    frame.to_json(folder / "all.jsonl", orient="records", lines=True)
    frame.drop(columns="mail").to_csv(folder / "no_mail.csv", index=False)
    (folder / "broken.parquet").write_bytes(b"not parquet")
    (folder / "notes.txt").write_text("x")
    frame[:0].to_parquet(folder / "empty.parquet")
    few = ENTRIES[:1]
    return ReferenceRunner().run(
        [
            job("parquet", (folder / "a.parquet", folder / "b.parquet"), ENTRIES, key=("id", "no such column")),
            job("jsonl", (folder / "all.jsonl",), ENTRIES),
            job("different columns", (folder / "a.parquet", folder / "no_mail.csv"), few),
            job("broken", (folder / "broken.parquet",), few),
            job("unknown form", (folder / "notes.txt",), few),
            job("empty", (folder / "empty.parquet",), few),
        ],
        timeout_s=120.0,
    )


def found(results: Mapping[str, SuiteResult], name: str, index: int) -> ExpectationResult:
    (entry,) = (entry for entry in results[name].results if entry.index == index)
    return entry


@pytest.mark.parametrize("name", ["parquet", "jsonl"])
def test_every_expectation_is_reported_once(results: Mapping[str, SuiteResult], name: str) -> None:
    assert results[name].error == ""
    assert results[name].row_count == 5
    assert sorted(entry.index for entry in results[name].results) == list(range(len(ENTRIES)))


@pytest.mark.parametrize("name", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("index", "success"),
    [(0, True), (1, False), (2, False), (6, True), (7, True), (8, True), (9, True), (10, True)],
)
def test_what_holds_and_what_does_not(results: Mapping[str, SuiteResult], name: str, index: int, success: bool) -> None:
    assert found(results, name, index).raised == ""
    assert found(results, name, index).success is success


@pytest.mark.parametrize(
    ("index", "said"), [(3, '"nope" in BatchData does not exist'), (4, "not found"), (5, "cannot both be None")]
)
def test_what_could_not_be_judged_says_why(results: Mapping[str, SuiteResult], index: int, said: str) -> None:
    assert said in found(results, "parquet", index).raised


def test_failing_rows_are_named_over_all_files(results: Mapping[str, SuiteResult]) -> None:
    entry = found(results, "parquet", 1)
    assert (entry.element_count, entry.missing_count, entry.unexpected_count) == (5, 1, 1)
    (example,) = entry.examples
    assert (example.value, example.row, example.key) == ("nobody", 1, (("id", 2),))
    assert results["parquet"].file_rows == (2, 3)


def test_aggregates_are_observed(results: Mapping[str, SuiteResult]) -> None:
    assert found(results, "parquet", 2).observed == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("different columns", "no_mail.csv and a.parquet differ in the columns mail"),
        ("broken", "Parquet magic bytes not found"),
        ("unknown form", "notes.txt is neither Parquet, CSV nor JSON lines"),
    ],
)
def test_data_that_cannot_be_read_is_an_error_of_its_suite_only(
    results: Mapping[str, SuiteResult], name: str, said: str
) -> None:
    assert said in results[name].error
    assert results[name].fix
    assert results[name].results == ()


def test_an_empty_batch_is_reported_as_such(results: Mapping[str, SuiteResult]) -> None:
    assert (results["empty"].error, results["empty"].row_count) == ("", 0)


def test_no_jobs_start_no_engine() -> None:
    assert ReferenceRunner().run([], timeout_s=0.001) == {}


def test_a_worker_that_takes_too_long_is_an_error_of_every_suite(tmp_path: Path) -> None:
    result = ReferenceRunner().run([job("a", (tmp_path / "x.csv",), [])], timeout_s=0.05)
    assert result["a"].error == "the suites were not done within 0.05 s"


@pytest.mark.parametrize(
    ("worker", "said"),
    [
        # `this` ends with status 0 and leaves nothing, as an import of the engine that ends the interpreter does.
        ("this", "the engine left no result (status 0): nothing printed"),
        ("no_such_module", "No module named no_such_module"),
    ],
)
def test_a_worker_must_leave_a_result_whatever_its_status(worker: str, said: str) -> None:
    result = ReferenceRunner(worker=worker).run([job("a", (), []), job("b", (), [])], timeout_s=60.0)
    assert sorted(result) == ["a", "b"]
    assert all(said in found_.error and found_.fix for found_ in result.values())


def test_the_worker_cannot_use_the_network() -> None:
    code = "from gates.quality import worker as w; w.forbid_network(); import socket; socket.create_connection(('127.0.0.1', 9))"
    done = process.run([sys.executable, "-c", code], timeout_s=60.0)
    assert done.returncode == 1
    assert "the data quality worker does not use the network" in done.stderr


GOOD: dict[str, Any] = {"name": "a", "row_count": 1, "results": [{"index": 0, "success": True}]}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b'{"version": 1}', "suites: Field required"),
        (json.dumps({"version": 9, "suites": [GOOD]}).encode(), "version 9"),
        (json.dumps({"version": 1, "suites": []}).encode(), "does not mention this suite"),
        (json.dumps({"version": 1, "suites": [{**GOOD, "results": [{"success": True}]}]}).encode(), "index"),
        (
            json.dumps({"version": 1, "suites": [{**GOOD, "results": [{"index": 0, "success": "yes"}]}]}).encode(),
            "success",
        ),
        (json.dumps({"version": 1, "suites": [{**GOOD, "row_count": "5"}]}).encode(), "row_count"),
    ],
)
def test_a_result_that_is_not_one_is_an_error(document: bytes, said: str) -> None:
    assert said in parse_result(document, [job("a", (), [])])["a"].error


@pytest.mark.parametrize(
    ("info", "raised"),
    [
        (None, ""),
        ({"raised_exception": False, "exception_message": None}, ""),
        ({"raised_exception": True, "exception_message": "a\nb"}, "a b"),
        ({"metric": {"raised_exception": True, "exception_message": "c"}}, "c"),
        ({"metric": {"raised_exception": False}}, ""),
        ({"raised_exception": True}, "an exception without a message"),
    ],
)
def test_both_shapes_of_exception_info_are_understood(info: dict[str, Any] | None, raised: str) -> None:
    suite = {**GOOD, "results": [{"index": 0, "success": True, "exception_info": info}]}
    document = json.dumps({"version": 1, "suites": [suite]}).encode()
    assert parse_result(document, [job("a", (), [])])["a"].results[0].raised == raised
