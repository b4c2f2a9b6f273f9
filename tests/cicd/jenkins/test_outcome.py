"""What may be concluded from a build."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicd.jenkins.outcome import exit_code, explain, parse_exit
from cicd.jenkins.port import BuildOutcome, BuildResult
from headgate.exit_codes import ExitCode


def result(outcome: BuildOutcome, code: int | None) -> BuildResult:
    return BuildResult(job="release", number=3, outcome=outcome, headgate_exit=code)


@pytest.mark.parametrize(
    ("outcome", "code", "wanted"),
    [
        (BuildOutcome.SUCCESS, 0, ExitCode.PASS),
        (BuildOutcome.SUCCESS, None, ExitCode.UNDECIDED),
        (BuildOutcome.SUCCESS, 1, ExitCode.UNDECIDED),
        (BuildOutcome.FAILURE, 1, ExitCode.FAIL),
        (BuildOutcome.FAILURE, 2, ExitCode.USAGE),
        (BuildOutcome.FAILURE, 3, ExitCode.UNEXPECTED),
        (BuildOutcome.FAILURE, 4, ExitCode.UNDECIDED),
        (BuildOutcome.FAILURE, 0, ExitCode.UNDECIDED),
        (BuildOutcome.FAILURE, 137, ExitCode.UNDECIDED),
        (BuildOutcome.FAILURE, None, ExitCode.UNDECIDED),
        (BuildOutcome.UNSTABLE, 1, ExitCode.FAIL),
        (BuildOutcome.UNSTABLE, 0, ExitCode.UNDECIDED),
        (BuildOutcome.ABORTED, 1, ExitCode.UNDECIDED),
        (BuildOutcome.ABORTED, 0, ExitCode.UNDECIDED),
        (BuildOutcome.NOT_BUILT, None, ExitCode.UNDECIDED),
        (BuildOutcome.CANCELLED, None, ExitCode.UNDECIDED),
    ],
)
def test_exit_code(outcome: BuildOutcome, code: int | None, wanted: ExitCode) -> None:
    assert exit_code(result(outcome, code)) is wanted
    assert "release" in explain(result(outcome, code))


@given(st.sampled_from(BuildOutcome), st.one_of(st.none(), st.integers(0, 300)))
def test_only_a_green_build_that_said_so_passes(outcome: BuildOutcome, code: int | None) -> None:
    passes = exit_code(result(outcome, code)) is ExitCode.PASS
    assert passes is (outcome is BuildOutcome.SUCCESS and code == 0)


@pytest.mark.parametrize(
    ("console", "code"),
    [
        ("HEADGATE_EXIT=0\n", 0),
        ("HEADGATE_EXIT=4\nHEADGATE_EXIT=1\nFinished: FAILURE", 1),
        ("[2026-11-21T10:00:00.000Z] HEADGATE_EXIT=4\r\n", 4),
        ("+ echo HEADGATE_EXIT=0\n", None),
        ("say HEADGATE_EXIT=0\n", None),
        ("HEADGATE_EXIT=$status\n", None),
        ("HEADGATE_EXIT=\n", None),
        ("", None),
    ],
)
def test_parse_exit(console: str, code: int | None) -> None:
    assert parse_exit(console) == code
