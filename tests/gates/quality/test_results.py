"""Results in Great Expectations' shape."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest

from gates.quality.metrics import Finding
from gates.quality.results import plain, suite_document
from gates.quality.session import Judged, SuiteFindings
from gates.quality.suite import parse_suite

SUITE = {
    "name": "orders",
    "id": "11111111-1111-1111-1111-111111111111",
    "meta": {"great_expectations_version": "1.24.1"},
    "suite_parameters": {"low": 1},
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "a", "min_value": {"$PARAMETER": "low"}},
            "severity": "warning",
            "notes": "why",
            "description": "what",
            "id": "x",
            "meta": {"owner": "me"},
        },
        {"type": "expect_column_max_to_be_between", "kwargs": {"column": "b"}},
        {"type": "expect_made_up", "kwargs": {}},
    ],
}


def findings(*given: Finding, rows: int | None = 3, suite: Any = SUITE) -> SuiteFindings:
    parsed = parse_suite(json.dumps(suite).encode(), "s.json")
    judged = tuple(
        Judged(expectation=entry, finding=finding, engine="duckdb", reason="not planned" if entry.index == 2 else "")
        for entry, finding in zip(parsed.expectations, given, strict=True)
    )
    return SuiteFindings(suite=parsed, rows=rows, judged=judged, duration_s=0.5)


GOOD = Finding(success=True, result={"observed_value": Decimal("1.5")})
RAISED = Finding(success=False, result={}, raised="no such column")


def test_a_suite_result() -> None:
    document = suite_document(findings(GOOD, RAISED, GOOD), engine="duckdb", parameters={"low": 1})

    assert json.loads(json.dumps(document)) == document
    assert document["success"] is False
    assert document["suite_name"] == "orders"
    assert document["id"] == SUITE["id"]
    assert document["statistics"] == {
        "evaluated_expectations": 3,
        "successful_expectations": 2,
        "unsuccessful_expectations": 1,
        "success_percent": pytest.approx(200 / 3),
    }
    assert document["meta"]["judged_by_great_expectations"] == {"expect_made_up": "not planned"}
    assert document["results"][0] == {
        "success": True,
        "expectation_config": {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "a", "min_value": 1.0},
            "meta": {"owner": "me"},
            "notes": "why",
            "description": "what",
            "id": "x",
            "severity": "warning",
        },
        "result": {"observed_value": 1.5},
        "meta": {},
        "exception_info": {"raised_exception": False, "exception_message": None, "exception_traceback": None},
    }
    assert document["results"][1]["exception_info"] == {
        "raised_exception": True,
        "exception_message": "no such column",
        "exception_traceback": None,
    }


def test_success_needs_rows_and_expectations() -> None:
    nothing = {"name": "none", "expectations": []}

    assert suite_document(findings(GOOD, GOOD, GOOD), engine="duckdb", parameters={})["success"]
    assert not suite_document(findings(GOOD, GOOD, GOOD, rows=0), engine="duckdb", parameters={})["success"]
    assert not suite_document(findings(GOOD, GOOD, GOOD, rows=None), engine="duckdb", parameters={})["success"]
    allowed = suite_document(findings(GOOD, GOOD, GOOD, rows=0), engine="duckdb", parameters={}, allow_empty=True)
    assert allowed["success"]
    empty = suite_document(findings(suite=nothing), engine="duckdb", parameters={}, allow_empty=True)
    assert not empty["success"]
    assert empty["statistics"]["success_percent"] is None


def test_a_finding_that_raised_never_succeeds() -> None:
    odd = Finding(success=True, result={}, raised="but no")
    document = suite_document(findings(odd, GOOD, GOOD), engine="duckdb", parameters={})

    assert not document["results"][0]["success"]
    assert not document["success"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1.50"), 1.5),
        (Decimal("NaN"), None),
        (float("nan"), None),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (time(1, 2), "01:02:00"),
        (timedelta(seconds=90), "0:01:30"),
        (b"\x00\xff", "00ff"),
        ((1, {"a": (2,)}), [1, {"a": [2]}]),
        ({1: 2}, {"1": 2}),
        (object, "<class 'object'>"),
    ],
)
def test_values_as_json_carries_them(value: Any, shown: Any) -> None:
    assert plain(value) == shown
