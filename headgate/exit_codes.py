"""The exit codes of every command: one table, repeated in the README and checked against it by a test."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a caller (a CI job, a Jenkins stage, a shell) may conclude from the process status."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    UNEXPECTED = 3
    UNDECIDED = 4
    WOULD_CHANGE = 5
    INTERRUPTED = 130


MEANING: dict[ExitCode, str] = {
    ExitCode.PASS: "pass: the gate passed, the action is done",
    ExitCode.FAIL: "verdict fail: blocked, or rolled back",
    ExitCode.USAGE: "usage or configuration: the same command will fail again until something is corrected",
    ExitCode.UNEXPECTED: "unexpected: a defect in Headgate; please report it",
    ExitCode.UNDECIDED: "undecided: error or inconclusive; the only code worth a CI retry",
    ExitCode.WOULD_CHANGE: "would change: --detailed-exitcode on plan, diff and drift",
    ExitCode.INTERRUPTED: "interrupted: run the same command again to continue",
}
