"""From a test run to a verdict. Pure: what the process left is given, nothing is run here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gates.subprocesses import tail
from gates.unit.junit import Case, ReportError, TestStatus, parse_junit
from gates.verdict import Location, Measurement, Outcome, Verdict, group

_ASSERTION_LINES = 6

# https://docs.pytest.org/en/stable/reference/exit-codes.html; translated here, never handed on.
_EXIT_MEANING = {
    2: "the run was interrupted",
    3: "pytest had an internal error",
    4: "pytest was called wrongly, or a test path does not exist",
}
_NO_TESTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRun:
    """What a test run left. `report` is None when no report was written; `returncode` negative: killed by a signal."""

    __test__ = False  # pytest would collect the class by its name

    command: tuple[str, ...]
    returncode: int
    report: bytes | None
    output: str = ""
    timed_out: bool = False
    timeout_s: float = 0.0
    duration_s: float | None = None


def evaluate_junit(run: TestRun) -> Verdict:
    """The verdict `unit` on a test run.

    FAIL for failing tests; ERROR when the run says nothing reliable (no or a contradictory report, a timeout, a test
    that could not be set up or collected, a bad exit status beside a clean report); INCONCLUSIVE when nothing was
    tested (no tests, or all of them skipped); PASS only for at least one passed test and nothing else wrong.
    """
    if run.timed_out:
        return _error(
            run,
            f"the tests did not end within {run.timeout_s:g} s",
            "Find the test that hangs, or raise gates.unit.timeout_s.",
        )
    if run.report is None:
        return _error(
            run,
            f"no JUnit report was written; {_exit_meaning(run.returncode)}",
            "Run the command by hand. It must be pytest, or accept --junitxml=FILE.",
        )
    try:
        cases = parse_junit(run.report)
    except ReportError as error:
        return _error(run, f"the JUnit report cannot be relied on: {error}", "Run the command by hand and look at it.")
    if not cases:
        return _nothing_collected(run)
    return _judge(run, cases)


def _judge(run: TestRun, cases: Sequence[Case]) -> Verdict:
    counts = {status: sum(case.status is status for case in cases) for status in TestStatus}
    message = ", ".join(f"{count} {status.value}" for status, count in counts.items() if count)
    children = [_file_node(file, members) for file, members in _by_file(cases)]
    if run.returncode != 0 and not counts[TestStatus.FAILED] and not counts[TestStatus.ERRORED]:
        children.append(_bad_exit(run))
    if counts[TestStatus.SKIPPED] == len(cases):
        children.append(
            Verdict(
                name="anything tested",
                outcome=Outcome.INCONCLUSIVE,
                message=f"all {len(cases)} tests were skipped",
                fix="Look at the skip reasons; a gate that tests nothing does not pass.",
            )
        )
    node = group("unit", children, message=message)
    return Verdict(
        name=node.name,
        outcome=node.outcome,
        message=message,
        measurement=Measurement(
            observed=counts[TestStatus.FAILED] + counts[TestStatus.ERRORED],
            threshold=0,
            comparison="<=",
            unit="failing tests",
            sample=len(cases),
            source=" ".join(run.command),
        ),
        duration_s=run.duration_s,
        children=node.children,
    )


def _by_file(cases: Iterable[Case]) -> list[tuple[str, list[Case]]]:
    files: dict[str, list[Case]] = {}
    for case in cases:
        files.setdefault(case.file or "(no file)", []).append(case)
    return list(files.items())


def _file_node(file: str, cases: Sequence[Case]) -> Verdict:
    """One node per test file; passing and skipped tests are counted, the others are leaves of their own."""
    leaves = [_leaf(case) for case in cases if case.status in {TestStatus.FAILED, TestStatus.ERRORED}]
    for status, outcome in ((TestStatus.PASSED, Outcome.PASS), (TestStatus.SKIPPED, Outcome.SKIPPED)):
        members = [case for case in cases if case.status is status]
        if members:
            leaves.append(
                Verdict(
                    name=status.value,
                    outcome=outcome,
                    message=f"{len(members)} {status.value}",
                    duration_s=sum(case.duration_s for case in members),
                    location=None if file.startswith("(") else Location(path=file),
                )
            )
    return group(file, leaves)


def _leaf(case: Case) -> Verdict:
    location = Location(path=case.file, line=case.line) if case.file else None
    if case.status is TestStatus.FAILED:
        return Verdict(
            name=case.name,
            outcome=Outcome.FAIL,
            message=_one_line(case.message) or "the test failed",
            rule="test-failed",
            fix=f"Repeat it with `python -m pytest '{case.file}::{case.name}'`.",
            location=location,
            details=_assertion(case.text),
            duration_s=case.duration_s,
        )
    what = "the test file could not be imported" if case.collection else _one_line(case.message)
    return Verdict(
        name=case.name,
        outcome=Outcome.ERROR,
        message=f"{what}: {_last_error(case.text)}" if case.collection else what,
        rule="test-not-collected" if case.collection else "test-errored",
        fix="Make the file importable." if case.collection else "Repair the fixture; the test itself was not judged.",
        location=location,
        details=_assertion(case.text),
        duration_s=case.duration_s,
    )


def _assertion(text: str) -> tuple[str, ...]:
    """The lines that pytest marks with `E`: what was asserted and what was seen."""
    marked = [line[1:].strip()[:300] for line in text.splitlines() if line.startswith("E ")]
    return tuple(marked[:_ASSERTION_LINES])


def _last_error(text: str) -> str:
    marked = _assertion(text)
    return marked[-1] if marked else _one_line(text[-300:])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]


def _exit_meaning(returncode: int) -> str:
    if returncode < 0:
        return f"the run was killed by signal {-returncode}"
    return _EXIT_MEANING.get(returncode, f"the command ended with status {returncode}")


def _nothing_collected(run: TestRun) -> Verdict:
    if run.returncode not in {0, _NO_TESTS}:
        return _error(
            run, f"no test was run; {_exit_meaning(run.returncode)}", "Correct gates.unit.command and gates.unit.paths."
        )
    return Verdict(
        name="unit",
        outcome=Outcome.INCONCLUSIVE,
        message="no test was collected",
        fix="Add tests, or correct gates.unit.paths; a gate that tests nothing does not pass.",
        details=tail(run.output),
        duration_s=run.duration_s,
    )


def _bad_exit(run: TestRun) -> Verdict:
    return Verdict(
        name="exit status",
        outcome=Outcome.ERROR,
        message=f"no test failed, yet {_exit_meaning(run.returncode)}",
        fix="Run the command by hand; a plug-in or a hook failed after the tests.",
        details=tail(run.output),
    )


def _error(run: TestRun, message: str, fix: str) -> Verdict:
    return Verdict(
        name="unit",
        outcome=Outcome.ERROR,
        message=message,
        fix=fix,
        details=tail(run.output),
        duration_s=run.duration_s,
    )
