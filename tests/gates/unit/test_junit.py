"""Reading JUnit reports, the hostile ones included."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.unit.junit import MAX_REPORT_BYTES, ReportError, TestStatus, parse_junit
from tests.gates.unit.reports import ERRORED, FAILED, PASSED, SKIPPED, UNCOLLECTED, report


def test_each_kind_of_case_is_read() -> None:
    cases = parse_junit(report(PASSED, SKIPPED, FAILED, ERRORED, UNCOLLECTED))
    assert [case.status for case in cases] == [
        TestStatus.PASSED,
        TestStatus.SKIPPED,
        TestStatus.FAILED,
        TestStatus.ERRORED,
        TestStatus.ERRORED,
    ]
    assert [case.collection for case in cases] == [False, False, False, False, True]


def test_a_failure_points_at_the_last_line_of_the_test_file() -> None:
    (case,) = parse_junit(report(FAILED))
    assert (case.name, case.file, case.line) == ("TestTotals::test_sum[eur]", "tests/test_b.py", 7)


def test_without_a_traceback_the_definition_counts_lines_from_1() -> None:
    (case,) = parse_junit(report(PASSED))
    assert (case.file, case.line, case.duration_s) == ("tests/test_a.py", 2, 0.5)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><testsuites><testsuite tests="0" errors="0" failures="0">&c;</testsuite></testsuites>"""
EXTERNAL = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite tests="0" errors="0" failures="0">&a;</testsuite>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (BOMB, "DOCTYPE"),
        (EXTERNAL, "DOCTYPE"),
        (BOMB.decode().replace('<?xml version="1.0"?>', "").encode("utf-16"), "DOCTYPE"),
        (b"", "no element"),
        (b"not xml", "syntax error"),
        (report(PASSED)[:-20], "unclosed token"),
        (b"<html/>", "root is <html>"),
        (report(FAILED, failures=0), "claims 0 failures and lists 1"),
        (report(PASSED, failures=3), "claims 3 failures and lists 0"),
        (report(PASSED, errors=1), "claims 1 errors and lists 0"),
        (report(PASSED, tests=0), "claims 0 tests and lists 1"),
        (report(tests=7), "claims 7 tests and lists 0"),
        (report(PASSED, tests=-1), "not a number"),
        (b"<testsuite/>", "not a number"),
        (b" " * (MAX_REPORT_BYTES + 1), "bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unreliable_report_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ReportError, match=reason):
        parse_junit(data)


def test_pytest_counts_subtests_that_it_does_not_list() -> None:
    assert len(parse_junit(report(PASSED, tests=4))) == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(ReportError):
        assert isinstance(parse_junit(data), tuple)


@given(st.integers(min_value=0, max_value=2000))
def test_a_report_cut_anywhere_is_refused(at: int) -> None:
    whole = report(PASSED, FAILED)
    if at < len(whole):
        with pytest.raises(ReportError):
            parse_junit(whole[:at])
