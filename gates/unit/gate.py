"""Run the repository's tests and hand what they left to `evaluate`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gates.subprocesses import environment, interpreter_resolved
from gates.unit.evaluate import TestRun, evaluate_junit
from gates.verdict import Outcome, Verdict
from headgate import process
from headgate.clock import Clock
from headgate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGate:
    """`command` plus `paths` is a pytest call; `timeout_s` (seconds) bounds the whole run."""

    command: tuple[str, ...] = ("python", "-m", "pytest", "-q")
    paths: tuple[str, ...] = ("tests",)
    timeout_s: float = 900.0


def run_unit(gate: UnitGate, *, root: Path, clock: Clock) -> Verdict:
    """Run the tests of the repository at `root`. A command that cannot be started is an ERROR, not an exception."""
    if not gate.command:
        return Verdict(
            name="unit", outcome=Outcome.ERROR, message="the command is empty", fix="Set gates.unit.command."
        )
    with tempfile.TemporaryDirectory(prefix="headgate-unit-") as folder:
        report = Path(folder) / "junit.xml"
        argv = (
            *interpreter_resolved(gate.command),
            f"--junitxml={report}",
            # The default family leaves file and line out.
            *("-o", "junit_family=xunit1"),
            *("-p", "no:cacheprovider"),
            *gate.paths,
        )
        started = clock.monotonic()
        try:
            done = process.run(argv, timeout_s=gate.timeout_s, cwd=root, env=environment())
        except ConfigError as error:
            return Verdict(name="unit", outcome=Outcome.ERROR, message=error.what, fix=error.next_step or "")
        return evaluate_junit(
            TestRun(
                command=(*gate.command, *gate.paths),
                returncode=done.returncode,
                report=_read(report),
                output=done.stdout + done.stderr,
                timed_out=done.timed_out,
                timeout_s=gate.timeout_s,
                duration_s=clock.monotonic() - started,
            )
        )


def _read(report: Path) -> bytes | None:
    try:
        return report.read_bytes()
    except OSError:
        return None
