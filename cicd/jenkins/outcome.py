"""What may be concluded from a build: Jenkins' result and the exit code the build printed. Pure."""

from __future__ import annotations

import re

from cicd.jenkins.port import BuildOutcome, BuildResult
from headgate.exit_codes import ExitCode

# The timestamper plugin puts a time in brackets before each line.
_EXIT_LINE = re.compile(r"^(?:\[[^\]]{1,40}\]\s+)?HEADGATE_EXIT=(\d{1,3})\s*$", re.MULTILINE)


def parse_exit(console: str) -> int | None:
    """The code of the last line `HEADGATE_EXIT=<code>`, None without one."""
    found = _EXIT_LINE.findall(console)
    return int(found[-1]) if found else None


def exit_code(result: BuildResult) -> ExitCode:
    """The exit code of the command that waited for the build.

    A pass needs both: SUCCESS from Jenkins and HEADGATE_EXIT=0 from the build; a stage that was skipped leaves the
    build green and says nothing. A code printed by a red build is taken over when it is one of ours. Everything else,
    an aborted build first of all, is UNDECIDED: the release may be anywhere.
    """
    if result.outcome is BuildOutcome.SUCCESS:
        return ExitCode.PASS if result.headgate_exit == ExitCode.PASS else ExitCode.UNDECIDED
    if result.outcome in (BuildOutcome.FAILURE, BuildOutcome.UNSTABLE) and result.headgate_exit in _FAILURES:
        return ExitCode(result.headgate_exit)
    return ExitCode.UNDECIDED


_FAILURES = frozenset({ExitCode.FAIL, ExitCode.USAGE, ExitCode.UNEXPECTED, ExitCode.UNDECIDED})


def explain(result: BuildResult) -> str:
    """One sentence for a person."""
    name = f"{result.job} #{result.number}" if result.number is not None else result.job
    if result.outcome is BuildOutcome.CANCELLED:
        return f"{name} was cancelled in the queue; nothing was released"
    if result.outcome is BuildOutcome.SUCCESS and result.headgate_exit is None:
        return f"{name} ended SUCCESS, but never printed HEADGATE_EXIT: whether anything was released is not known"
    code = "" if result.headgate_exit is None else f" with headgate exit code {result.headgate_exit}"
    return f"{name} ended {result.outcome}{code}"
