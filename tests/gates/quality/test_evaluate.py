"""From an engine's results to a verdict."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.quality.evaluate import Batch, evaluate_suite
from gates.quality.runner import Example, ExpectationResult, SuiteResult
from gates.quality.suite import parse_suite
from gates.verdict import Location, Outcome, Severity, Verdict


def batch(*entries: dict[str, Any], files: tuple[str, ...] = ("d/a.parquet", "d/b.parquet"), **settings: Any) -> Batch:
    data = json.dumps({"name": "s", "expectations": list(entries)}, indent=1).encode()
    return Batch(name="orders", suite=parse_suite(data, "gx/s.json"), files=files, **settings)


def result(*results: ExpectationResult, **settings: Any) -> SuiteResult:
    given_settings: dict[str, Any] = {"row_count": 100, "file_rows": (60, 40)} | settings
    return SuiteResult(name="orders", results=results, **given_settings)


NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}
UNIQUE = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}
HELD = ExpectationResult(index=0, success=True, element_count=100, unexpected_count=0, unexpected_percent=0.0)
BROKEN = ExpectationResult(
    index=0,
    success=False,
    element_count=100,
    missing_count=4,
    unexpected_count=3,
    unexpected_percent=3.125,
    examples=(
        Example(value="alice@example.com", row=0, key=(("id", 7),)),
        Example(value=-12.5, row=61),
        Example(value=None),
    ),
)


def test_all_held() -> None:
    verdict = evaluate_suite(batch(NOT_NULL), result(HELD), source="gx")
    assert verdict.outcome is Outcome.PASS
    assert verdict.message == "2 checks passed"
    assert verdict.children[1].measurement is not None
    assert verdict.children[1].measurement.source == "gx"


def test_a_failure_says_the_inequality_the_rows_and_the_line() -> None:
    verdict = evaluate_suite(batch({**NOT_NULL, "kwargs": {"column": "mail", "mostly": 0.99}}), result(BROKEN))
    leaf = verdict.children[1]
    assert verdict.outcome is Outcome.FAIL
    assert leaf.message == ("mail: 3 of 100 rows unexpected, 4 null: 3.125 % > 1 %; expected values to not be null")
    assert leaf.location == Location(path="gx/s.json", line=4)
    assert leaf.details == (
        "row 0 of a.parquet (id=7): mail = a***@***.***",
        "row 1 of b.parquet: mail = -**.*",
        "mail = null",
    )


def test_values_are_shown_where_the_gate_allows_it() -> None:
    leaf = evaluate_suite(batch(NOT_NULL, reveal=("id",)), result(BROKEN)).children[1]
    assert leaf.details[1] == "row 1 of b.parquet: id = -12.5"


def test_at_most_five_examples_and_how_many_more() -> None:
    many = replace(BROKEN, unexpected_count=50, examples=tuple(Example(value=at, row=at) for at in range(20)))
    details = evaluate_suite(batch(NOT_NULL), result(many)).children[1].details
    assert len(details) == 6
    assert details[-1] == "and 45 more"


@pytest.mark.parametrize("severity", ["warning", "info"])
def test_a_failure_of_lesser_severity_is_reported_and_does_not_block(severity: str) -> None:
    verdict = evaluate_suite(batch({**NOT_NULL, "severity": severity}), result(BROKEN))
    assert verdict.outcome is Outcome.PASS
    assert verdict.children[1].outcome is Outcome.FAIL
    assert verdict.children[1].severity is Severity(severity)


@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_an_exception_is_an_error_whatever_the_severity(severity: str) -> None:
    raised = ExpectationResult(index=0, success=False, raised="no column id")
    verdict = evaluate_suite(batch({**NOT_NULL, "severity": severity}), result(raised))
    assert verdict.outcome is Outcome.ERROR
    assert "not judged: no column id" in verdict.children[1].message


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ((), "required, but not reported"),
        ((replace(HELD, index=1),), "required, but not reported"),
        ((HELD, replace(HELD, index=2)), "returned 1 results for expectation 2 of 2"),
        ((HELD, HELD, replace(HELD, index=1)), "returned 2 results for expectation 0 of 2"),
        ((HELD, replace(HELD, index=-1)), "returned 1 results for expectation -1"),
        ((HELD, ExpectationResult(index=1, success=None)), "did not say"),
    ],
)
def test_the_expectations_reported_must_be_those_required(results: tuple[ExpectationResult, ...], said: str) -> None:
    verdict = evaluate_suite(batch(NOT_NULL, UNIQUE), result(*results))
    assert verdict.outcome is Outcome.ERROR
    assert any(said in leaf.message for leaf in verdict.children)


@pytest.mark.parametrize(
    ("rows", "allowed", "outcome"),
    [
        (0, False, Outcome.FAIL),
        (0, True, Outcome.PASS),
        (None, True, Outcome.INCONCLUSIVE),
        (-1, False, Outcome.INCONCLUSIVE),
        (1, False, Outcome.PASS),
    ],
)
def test_an_empty_batch_fails_unless_allowed(rows: int | None, allowed: bool, outcome: Outcome) -> None:
    verdict = evaluate_suite(batch(NOT_NULL, allow_empty=allowed), result(HELD, row_count=rows))
    assert verdict.outcome is outcome


def test_a_condition_that_matched_no_row_is_not_a_pass() -> None:
    verdict = evaluate_suite(batch(NOT_NULL), result(replace(HELD, element_count=0)))
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_a_suite_without_expectations_does_not_pass() -> None:
    assert evaluate_suite(batch(), result()).outcome is Outcome.INCONCLUSIVE


def test_an_engine_error_is_an_error() -> None:
    verdict = evaluate_suite(batch(NOT_NULL), SuiteResult(name="orders", error="ValueError: no", fix="look"))
    assert (verdict.outcome, verdict.message, verdict.fix) == (Outcome.ERROR, "ValueError: no", "look")


@pytest.mark.parametrize(
    ("kwargs", "observed", "success", "message"),
    [
        ({"min_value": 10}, 2.5, False, "2.5 < 10"),
        ({"min_value": 0, "max_value": 1}, 2.5, False, "2.5 > 1"),
        ({"min_value": 2, "strict_min": True}, 2, False, "2 <= 2"),
        ({"max_value": 2, "strict_max": True}, 2, False, "2 >= 2"),
        ({"min_value": 2, "max_value": 9}, 3, True, "2 <= 3 <= 9"),
        ({"value": 5}, 4, False, "4 < 5"),
        ({"value": 5}, 6, False, "6 > 5"),
        ({"value": 5}, 5, True, "5 == 5"),
        ({"max_value": 9}, 3, True, "3 <= 9"),
    ],
)
def test_aggregates_say_the_inequality(kwargs: dict[str, Any], observed: float, success: bool, message: str) -> None:
    entry = {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "x", **kwargs}}
    found = ExpectationResult(index=0, success=success, observed=observed)
    assert evaluate_suite(batch(entry), result(found)).children[1].message == f"x: {message}"


@pytest.mark.parametrize(
    ("entry", "observed", "said"),
    [
        ({"type": "expect_column_to_exist", "kwargs": {"column": "x"}}, None, "x: violated: to exist"),
        ({"type": "expect_column_max_to_be_between", "kwargs": {"column": "mail", "max_value": "b"}},
         "carol@example.com", "observed c***@***.***"),
        ({"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "x", "type_": "int64"}},
         "float64", "observed float64"),
        ({"type": "expect_table_columns_to_match_set", "kwargs": {"column_set": ["a"]}}, ["a", "b"],
         "observed ['a', 'b']"),
    ],
)  # fmt: skip
def test_other_observations_are_shown_and_values_of_columns_masked(
    entry: dict[str, Any], observed: Any, said: str
) -> None:
    leaf = evaluate_suite(batch(entry), result(ExpectationResult(index=0, success=False, observed=observed))).children[
        1
    ]
    assert said in leaf.message
    assert "carol" not in f"{leaf.message}{leaf.measurement}"


def test_a_column_that_is_named_by_a_parameter_is_masked_as_any_other() -> None:
    entry = {"type": "expect_column_max_to_be_between", "kwargs": {"column": {"$PARAMETER": "name"}, "max_value": 5}}
    found = replace(batch(entry), suite=replace(batch(entry).suite, suite_parameters={"name": "email"}))
    verdict = evaluate_suite(found, result(ExpectationResult(index=0, success=False, observed="carol@example.com")))
    assert "carol" not in "".join(f"{leaf.message}{leaf.measurement}" for leaf in verdict.leaves())


results = st.lists(
    st.builds(
        ExpectationResult,
        index=st.integers(-1, 3),
        success=st.sampled_from([True, False, None]),
        raised=st.sampled_from(["", "boom"]),
        element_count=st.sampled_from([None, 0, 100]),
        unexpected_count=st.sampled_from([None, 0, 3]),
    ),
    max_size=6,
)


@given(results, st.randoms(use_true_random=False))
def test_a_pass_needs_each_expectation_exactly_once_and_held(found: list[ExpectationResult], random: Any) -> None:
    wanted = batch(NOT_NULL, UNIQUE, {**UNIQUE, "severity": "warning"})
    verdict = evaluate_suite(wanted, result(*found))
    clean = sorted(entry.index for entry in found) == [0, 1, 2] and all(
        not entry.raised
        and entry.success is not None
        and (entry.success or entry.index == 2)
        and not (entry.success and entry.element_count == 0)
        for entry in found
    )
    assert (verdict.outcome is Outcome.PASS) == clean
    random.shuffle(found)
    assert _shape(evaluate_suite(wanted, result(*found))) == _shape(verdict)


def _shape(verdict: Verdict) -> list[tuple[str, Outcome]]:
    return [(leaf.name, leaf.outcome) for leaf in verdict.leaves()]
