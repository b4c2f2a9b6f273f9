"""From a test run to a verdict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.unit.evaluate import TestRun, evaluate_junit
from gates.verdict import Location, Outcome
from tests.gates.unit.reports import ERRORED, FAILED, PASSED, SKIPPED, UNCOLLECTED, report


def run(data: bytes | None, returncode: int = 0, *, timed_out: bool = False) -> TestRun:
    return TestRun(
        command=("python", "-m", "pytest"),
        returncode=returncode,
        report=data,
        output="the last line",
        timed_out=timed_out,
        timeout_s=9.0,
    )


@pytest.mark.parametrize(
    ("given_run", "outcome", "message"),
    [
        (run(report(PASSED)), Outcome.PASS, "1 passed"),
        (run(report(PASSED, SKIPPED)), Outcome.PASS, "1 passed, 1 skipped"),
        (run(report(PASSED, FAILED), 1), Outcome.FAIL, "1 passed, 1 failed"),
        (run(report(FAILED), 0), Outcome.FAIL, "1 failed"),
        (run(report(FAILED, UNCOLLECTED), 2), Outcome.FAIL, "1 failed, 1 errored"),
        (run(report(UNCOLLECTED), 2), Outcome.ERROR, "1 errored"),
        (run(report(PASSED, ERRORED), 1), Outcome.ERROR, "1 passed, 1 errored"),
        (run(report(), 5), Outcome.INCONCLUSIVE, "no test was collected"),
        (run(report(), 0), Outcome.INCONCLUSIVE, "no test was collected"),
        (run(report(SKIPPED)), Outcome.INCONCLUSIVE, "1 skipped"),
        (run(report(), 4), Outcome.ERROR, "no test was run; pytest was called wrongly, or a test path does not exist"),
        (run(report(), 3), Outcome.ERROR, "no test was run; pytest had an internal error"),
        (run(report(PASSED), 1), Outcome.ERROR, "1 passed"),
        (run(report(PASSED), 3), Outcome.ERROR, "1 passed"),
        (run(report(PASSED), -9), Outcome.ERROR, "1 passed"),
        (run(None, 0), Outcome.ERROR, "no JUnit report was written; the command ended with status 0"),
        (run(None, -11), Outcome.ERROR, "no JUnit report was written; the run was killed by signal 11"),
        (run(b"<junk", 0), Outcome.ERROR, "the JUnit report cannot be relied on"),
        (run(report(PASSED, failures=2), 0), Outcome.ERROR, "the JUnit report cannot be relied on"),
        (run(report(PASSED), -15, timed_out=True), Outcome.ERROR, "the tests did not end within 9 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_outcome_and_message(given_run: TestRun, outcome: Outcome, message: str) -> None:
    verdict = evaluate_junit(given_run)
    assert verdict.name == "unit"
    assert verdict.outcome is outcome
    assert verdict.message.startswith(message)


def test_a_failing_test_is_a_leaf_with_place_and_assertion() -> None:
    (leaf,) = (leaf for leaf in evaluate_junit(run(report(PASSED, FAILED), 1)).leaves() if leaf.outcome is Outcome.FAIL)
    assert leaf.name == "TestTotals::test_sum[eur]"
    assert leaf.location == Location(path="tests/test_b.py", line=7)
    assert leaf.message == "AssertionError: total assert 3 == 4"
    assert leaf.details == ("AssertionError: total", "assert 3 == 4")


def test_a_file_that_cannot_be_imported_says_what_is_missing() -> None:
    leaf = evaluate_junit(run(report(UNCOLLECTED), 2)).leaves()[0]
    assert "No module named 'nope'" in leaf.message
    assert leaf.fix


def test_a_bad_exit_beside_a_clean_report_is_explained() -> None:
    leaf = evaluate_junit(run(report(PASSED), 3)).leaves()[-1]
    assert leaf.message == "no test failed, yet pytest had an internal error"
    assert leaf.details == ("the last line",)


@given(
    st.lists(st.sampled_from([PASSED, SKIPPED, FAILED, ERRORED, UNCOLLECTED]), max_size=6),
    st.integers(min_value=-15, max_value=6),
)
def test_a_pass_needs_a_passed_test_no_bad_one_and_status_0(cases: list[str], returncode: int) -> None:
    passed = evaluate_junit(run(report(*cases), returncode)).outcome is Outcome.PASS
    assert passed == (PASSED in cases and set(cases) <= {PASSED, SKIPPED} and returncode == 0)
